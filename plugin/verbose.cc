#include "plugin/verbose.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/probe/printable.h"
#include "common/probe/step_table.h"
#include "common/probe/time_text.h"

namespace smtpprobe {
namespace {

constexpr std::size_t kColumns = 80;
constexpr std::string_view kReset = "\x1b[0m";

std::string clean(std::string_view raw) { return printable_for_nagios(raw, kReplyTextBytes); }

std::string steps_table(const ProbeResult& result, const Verdict& verdict, bool colour) {
  const std::vector<StepRow> table = step_rows(result, verdict);
  std::size_t status_width = std::string_view("status").size();
  std::size_t seconds_width = std::string_view("0.000000").size();
  const auto seconds_of = [](const StepRow& row) {
    return row.took ? fixed_seconds(*row.took, 6) : std::string("-");
  };
  for (const StepRow& row : table) {
    status_width = std::max(status_width, row.status.size());
    seconds_width = std::max(seconds_width, seconds_of(row).size());
  }
  std::string out = fmt::format("{:<8}  {:<4}  {:<{}}  {:>{}}  text\n", "step", "code", "status",
                                status_width, "seconds", seconds_width);
  for (const StepRow& row : table) {
    std::string line = fmt::format(
        "{:<8}  {:<4}  {:<{}}  {:>{}}  ", step_name(row.step), row.code.empty() ? "-" : row.code,
        row.status.empty() ? "-" : row.status, status_width, seconds_of(row), seconds_width);
    line += printable_for_nagios(row.text, kColumns - std::min(kColumns, line.size()));
    line.erase(line.find_last_not_of(' ') + 1);
    if (colour) line.insert(0, colour_of(row.state)).append(kReset);
    out += line + '\n';
  }
  return out;
}

// What the first line may have had no room for.
std::string findings_text(const Verdict& verdict, bool colour) {
  if (verdict.findings.size() < 2) return {};
  std::string out;
  for (const Finding& finding : verdict.findings) {
    out += fmt::format("{}{:<8}{}  {}: {}\n", colour ? colour_of(finding.state) : "",
                       state_name(finding.state), colour ? kReset : "", step_name(finding.step),
                       finding.text);
  }
  return out;
}

std::string transcript_text(const ProbeResult& result) {
  std::string out;
  for (const TranscriptLine& line : result.transcript) {
    std::string_view who = "--";
    if (line.who == TranscriptLine::Who::Client) who = "C:";
    if (line.who == TranscriptLine::Who::Server) who = "S:";
    out +=
        fmt::format("+{} {} {}\n", fixed_seconds(line.at - result.began, 3), who, clean(line.text));
  }
  return out;
}

void add(std::string& out, std::string_view label, const std::string& value) {
  if (!value.empty()) out += fmt::format("{:<16}{}\n", label, value);
}

std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : ", ") + word;
  return clean(out);
}

std::string certificate_text(const Certificate& certificate, WallTime now) {
  std::string out;
  add(out, "  subject", clean(certificate.subject));
  add(out, "  issuer", clean(certificate.issuer));
  add(out, "  names", joined(certificate.names));
  add(out, "  serial", clean(certificate.serial));
  add(out, "  not before", rfc3339(certificate.not_before));
  const long left = days_between(now, certificate.not_after);
  add(out, "  not after",
      fmt::format("{} ({})", rfc3339(certificate.not_after),
                  left < 0
                      ? fmt::format("expired {} days ago", days_between(certificate.not_after, now))
                      : fmt::format("{} days left", left)));
  add(out, "  key", clean(certificate.key));
  add(out, "  signature", clean(certificate.signature));
  add(out, "  SHA-256", clean(certificate.fingerprint_sha256));
  return out;
}

std::string tls_text(const ProbeResult& result) {
  if (!result.tls) return {};
  const TlsFacts& tls = *result.tls;
  std::string out;
  add(out, "TLS", tls.established() ? clean(tls.version) : "no handshake to the end");
  const std::string iana =
      tls.cipher_iana.empty() || tls.cipher_iana == tls.cipher ? "" : " (" + tls.cipher_iana + ")";
  add(out, "cipher", clean(tls.cipher + iana));
  add(out, "group", clean(tls.group));
  add(out, "server name", tls.server_name.empty() ? "not sent" : clean(tls.server_name));
  add(out, "checked name", clean(tls.checked_name));
  std::string verification(tls_verify_name(result.verify));
  if (tls.verified()) verification += ", verified";
  if (!tls.checked) verification += ", not checked";
  add(out, "verification", verification);
  for (const CertificateProblem& problem : tls.problems) {
    add(out, "problem",
        fmt::format("{}: depth {}: {}", reason_name(problem.reason), problem.depth,
                    clean(problem_words(tls, problem))));
  }
  for (std::size_t i = 0; i < tls.chain.size(); ++i) {
    out += fmt::format("certificate {} of {}, as sent\n", i + 1, tls.chain.size());
    out += certificate_text(tls.chain[i], result.started);
  }
  if (!tls.verified_chain.empty()) {
    std::string path;
    for (const Certificate& certificate : tls.verified_chain) {
      path += (path.empty() ? "" : " <- ") + certificate.subject;
    }
    add(out, "verified chain", clean(path));
  }
  return out;
}

std::string failed_attempts_text(const ProbeResult& result) {
  std::string out;
  for (const AddressAttempt& attempt : result.failed_attempts) {
    add(out, "tried",
        fmt::format("{}: {} ({} s)", clean(attempt.address),
                    clean(failure_words(attempt.reason, attempt.detail)),
                    fixed_seconds(attempt.took, 3)));
  }
  return out;
}

std::string addresses_text(const ProbeResult& result) {
  std::string out = failed_attempts_text(result);
  if (!result.endpoint.address.empty()) add(out, "peer", clean(endpoint_text(result.endpoint)));
  add(out, "local address", clean(result.endpoint.local_address));
  if (result.step(Step::Banner) != nullptr) add(out, "timed by", std::string(timed_by(result)));
  return out;
}

std::string session_text(const ProbeResult& result) {
  std::string out;
  if (result.extensions) {
    for (const Extension& extension : result.extensions->all()) {
      const std::string gap = extension.parameter.empty() ? "" : " ";
      add(out, "extension", clean(extension.keyword + gap + extension.parameter));
    }
    add(out, "AUTH offered", joined(result.extensions->auth_mechanisms()));
  }
  if (result.auth_mechanism) {
    add(out, "AUTH used", std::string(mechanism_name(*result.auth_mechanism)));
  }
  for (const std::string_view note : note_names(result.notes)) add(out, "note", std::string(note));
  return out;
}

std::string explanation(const ProbeResult& result) {
  if (!result.failure || !result.failure->reply) return {};
  const Reply& reply = *result.failure->reply;
  if (reply.code < 400) return {};  // no refusal: it was not the one that was expected
  std::string text = explain(std::to_string(reply.code)).value_or("");
  if (reply.status) {
    if (!text.empty() && !text.ends_with('\n')) text += '\n';
    text += explain(to_string(*reply.status)).value_or("");
  }
  std::string out = fmt::format("what {}{} means\n", reply.code,
                                reply.status ? " " + to_string(*reply.status) : "");
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    out += "  " + clean(text.substr(begin, end - begin)) + '\n';
    begin = end + 1;
  }
  return out;
}

}  // namespace

std::string_view colour_of(State state) {
  switch (state) {
    case State::Ok:
      return "\x1b[32m";
    case State::Warning:
      return "\x1b[33m";
    case State::Critical:
      return "\x1b[31m";
    case State::Unknown:
      return "\x1b[35m";
  }
  return "";
}

std::string verbose_text(const ProbePlan& plan, const ProbeResult& result, const Verdict& verdict,
                         int level, bool colour) {
  if (level < 1) return {};
  std::string out = steps_table(result, verdict, colour) + findings_text(verdict, colour);
  if (level < 3 && result.addresses > 1) out += failed_attempts_text(result);
  if (level < 2) return out;
  out += transcript_text(result);
  if (level < 3) return out;
  add(out, "target", clean(plan.target.text(plan.port)));
  return out + addresses_text(result) + tls_text(result) + session_text(result) +
         explanation(result);
}

}  // namespace smtpprobe
