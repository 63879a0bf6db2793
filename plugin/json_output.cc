#include "plugin/json_output.h"

#include <fmt/format.h>

#include <chrono>
#include <nlohmann/json.hpp>

#include "common/probe/printable.h"
#include "common/probe/time_text.h"
#include "plugin/exit_code.h"

namespace smtpprobe {
namespace {

using Json = nlohmann::ordered_json;

std::string clean(std::string_view raw) { return printable(raw, kReplyTextBytes); }

double seconds(Duration duration) { return std::chrono::duration<double>(duration).count(); }

Json or_null(const std::string& text) { return text.empty() ? Json() : Json(clean(text)); }

Json lines_of(const Reply& reply) {
  Json lines = Json::array();
  for (const std::string& line : reply.lines) lines.push_back(clean(line));
  return lines;
}

Json names_of(Note notes) {
  Json names = Json::array();
  for (const std::string_view name : note_names(notes)) names.push_back(name);
  return names;
}

Json step_json(const StepRecord& record) {
  const bool replied = record.reply && record.reply->code != 0;
  const bool has_status = record.reply && record.reply->status;
  return {
      {"step", step_name(record.step)},
      {"seconds", seconds(record.took)},
      {"code", replied ? Json(record.reply->code) : Json()},
      {"status", has_status ? Json(to_string(*record.reply->status)) : Json()},
      {"text", record.reply ? lines_of(*record.reply) : Json::array()},
      {"reason", reason_name(record.reason)},
      {"detail", or_null(record.detail)},
      {"notes", names_of(record.reply ? record.reply->notes : Note::None)},
  };
}

Json certificate_json(const Certificate& certificate, WallTime now) {
  Json names = Json::array();
  for (const std::string& name : certificate.names) names.push_back(clean(name));
  return {
      {"subject", clean(certificate.subject)},
      {"common_name", or_null(certificate.common_name)},
      {"issuer", clean(certificate.issuer)},
      {"serial", clean(certificate.serial)},
      {"names", std::move(names)},
      {"not_before", rfc3339(certificate.not_before)},
      {"not_after", rfc3339(certificate.not_after)},
      {"days_left", days_between(now, certificate.not_after)},
      {"fingerprint_sha256", clean(certificate.fingerprint_sha256)},
      {"key", clean(certificate.key)},
      {"signature", clean(certificate.signature)},
  };
}

Json chain_json(const std::vector<Certificate>& chain, WallTime now) {
  Json list = Json::array();
  for (const Certificate& one : chain) list.push_back(certificate_json(one, now));
  return list;
}

Json tls_json(const ProbeResult& result) {
  if (!result.tls) return {};
  const TlsFacts& tls = *result.tls;
  Json problems = Json::array();
  for (const CertificateProblem& problem : tls.problems) {
    problems.push_back({{"reason", reason_name(problem.reason)},
                        {"depth", problem.depth},
                        {"text", clean(problem.text)}});
  }
  return {
      {"version", or_null(tls.version)},
      {"cipher", or_null(tls.cipher)},
      {"cipher_iana", or_null(tls.cipher_iana)},
      {"group", or_null(tls.group)},
      {"server_name", or_null(tls.server_name)},
      {"checked_name", or_null(tls.checked_name)},
      {"verify", tls_verify_name(result.verify)},
      {"verified", tls.verified()},
      {"problems", std::move(problems)},
      {"chain", chain_json(tls.chain, result.started)},
      {"verified_chain", chain_json(tls.verified_chain, result.started)},
  };
}

Json findings_json(const Verdict& verdict) {
  Json list = Json::array();
  for (const Finding& finding : verdict.findings) {
    list.push_back({{"state", state_name(finding.state)},
                    {"step", step_name(finding.step)},
                    {"reason", reason_name(finding.reason)},
                    {"text", finding.text}});
  }
  return list;
}

Json endpoint_json(const Endpoint& endpoint) {
  return {
      {"host", or_null(endpoint.host)},
      {"address", or_null(endpoint.address)},
      {"port", endpoint.port == 0 ? Json() : Json(endpoint.port)},
      {"ip_version", endpoint.ip_version == 0 ? Json() : Json(endpoint.ip_version)},
      {"local_address", or_null(endpoint.local_address)},
  };
}

Json failed_attempts_json(const ProbeResult& result) {
  Json list = Json::array();
  for (const AddressAttempt& attempt : result.failed_attempts) {
    list.push_back({{"address", clean(attempt.address)},
                    {"reason", reason_name(attempt.reason)},
                    {"detail", or_null(attempt.detail)},
                    {"seconds", seconds(attempt.took)}});
  }
  return list;
}

Json extensions_json(const ProbeResult& result) {
  if (!result.extensions) return {};
  Json list = Json::array();
  for (const Extension& extension : result.extensions->all()) {
    list.push_back(
        {{"keyword", clean(extension.keyword)}, {"parameter", or_null(extension.parameter)}});
  }
  return list;
}

std::string_view speaker(TranscriptLine::Who who) {
  switch (who) {
    case TranscriptLine::Who::Client:
      return "client";
    case TranscriptLine::Who::Server:
      return "server";
    case TranscriptLine::Who::Probe:
      return "probe";
  }
  return "";
}

Json transcript_json(const ProbeResult& result) {
  Json list = Json::array();
  for (const TranscriptLine& line : result.transcript) {
    list.push_back({{"offset_seconds", seconds(line.at - result.began)},
                    {"who", speaker(line.who)},
                    {"text", clean(line.text)}});
  }
  return list;
}

Json result_json(const ProbeResult& result, const Verdict& verdict) {
  Json steps = Json::array();
  for (const StepRecord& record : result.steps) steps.push_back(step_json(record));
  return {
      {"endpoint", endpoint_json(result.endpoint)},
      {"state", state_name(verdict.state)},
      {"failed_attempts", failed_attempts_json(result)},
      {"started", rfc3339(result.started)},
      {"response_time_seconds", seconds(result.response_time())},
      {"steps", std::move(steps)},
      {"extensions", extensions_json(result)},
      {"auth_mechanism",
       result.auth_mechanism ? Json(mechanism_name(*result.auth_mechanism)) : Json()},
      {"tls", tls_json(result)},
      {"notes", names_of(result.notes)},
      {"kernel_timestamps", !result.unstamped},
      {"transcript", transcript_json(result)},
  };
}

}  // namespace

std::string json_text(const Options& options, std::span<const ProbeResult> results,
                      std::span<const Verdict> verdicts, const Verdict& worst,
                      std::string_view headline) {
  Json findings = Json::array();
  Json list = Json::array();
  for (std::size_t i = 0; i < results.size(); ++i) {
    for (Json& finding : findings_json(verdicts[i])) {
      finding["result"] = i;
      findings.push_back(std::move(finding));
    }
    list.push_back(result_json(results[i], verdicts[i]));
  }
  const Json whole = {
      {"program", clean(options.program_name)},
      {"version", SMTPPROBE_VERSION},
      {"target", clean(options.plan.target.text(options.plan.port))},
      {"state", state_name(worst.state)},
      {"exit_code", exit_code(options.exit_codes, worst)},
      {"headline", headline},
      {"findings", std::move(findings)},
      {"results", std::move(list)},
  };
  // All of it is valid UTF-8 already; should it not be, a replaced byte beats no answer.
  return whole.dump(options.watch ? -1 : 2, ' ', false, Json::error_handler_t::replace) + '\n';
}

}  // namespace smtpprobe
