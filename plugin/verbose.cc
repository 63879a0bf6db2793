#include "plugin/verbose.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "common/probe/printable.h"
#include "plugin/headline.h"
#include "plugin/perfdata.h"

namespace smtpprobe {
namespace {

constexpr std::size_t kColumns = 80;
constexpr std::string_view kReset = "\x1b[0m";

std::string clean(std::string_view raw) { return printable_for_nagios(raw, kReplyTextBytes); }

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

std::string endpoint_text(const Endpoint& endpoint) {
  if (endpoint.port == 0) return clean(endpoint.address);
  return fmt::format("{} port {}", clean(endpoint.address), endpoint.port);
}

struct Row {
  Step step = Step::Banner;
  State state = State::Ok;
  std::string code;
  std::string status;
  std::string seconds;
  std::string text;  // raw
};

// A reply without the status that has a column of its own.
std::string reply_words(const Reply& reply) {
  std::string text = reply.text();
  if (!reply.status || !leading_enhanced_status(text)) return text;
  const std::size_t blank = text.find(' ');
  return blank == std::string::npos ? std::string() : text.substr(blank + 1);
}

std::string failure_words(Reason reason, const std::string& detail) {
  std::string words(reason_words(reason));
  if (detail.empty()) return words;
  return detail.starts_with(words) ? detail : words + ": " + detail;
}

std::string step_words(const ProbeResult& result, const StepRecord& record) {
  std::string text;
  if (record.reply) {
    text = reply_words(*record.reply);
  } else if (record.step == Step::Tls && result.tls && result.tls->established()) {
    text = result.tls->version + ' ' + result.tls->cipher;
    if (!result.tls->problems.empty()) {
      text += ", " + problem_words(*result.tls, result.tls->problems.front());
    }
  } else if (record.reason != Reason::None) {
    return failure_words(record.reason, record.detail);
  } else if (record.step == Step::Resolve) {
    text = result.endpoint.address;
  } else if (record.step == Step::Connect) {
    text = endpoint_text(result.endpoint);
  }
  return text;
}

State state_at(const Verdict& verdict, Step step) {
  State state = State::Ok;
  for (const Finding& finding : verdict.findings) {
    if (finding.step == step) state = worse(state, finding.state);
  }
  return state;
}

std::vector<Row> rows(const ProbeResult& result, const Verdict& verdict) {
  std::vector<Row> table;
  for (const StepRecord& record : result.steps) {
    Row row;
    row.step = record.step;
    row.state = state_at(verdict, record.step);
    if (record.reply && record.reply->code != 0) row.code = std::to_string(record.reply->code);
    if (record.reply && record.reply->status) row.status = to_string(*record.reply->status);
    row.seconds = fixed_seconds(record.took, 6);
    row.text = step_words(result, record);
    table.push_back(std::move(row));
  }
  // A step that a failure names and that never ran: STARTTLS that was not offered.
  if (result.failure && result.step(result.failure->step) == nullptr) {
    const Failure& failure = *result.failure;
    Row row;
    row.step = failure.step;
    row.state = state_at(verdict, failure.step);
    row.text = failure_words(failure.reason, failure.detail);
    table.push_back(std::move(row));
  }
  return table;
}

std::string steps_table(const ProbeResult& result, const Verdict& verdict, bool colour) {
  const std::vector<Row> table = rows(result, verdict);
  std::size_t status_width = std::string_view("status").size();
  std::size_t seconds_width = std::string_view("0.000000").size();
  for (const Row& row : table) {
    status_width = std::max(status_width, row.status.size());
    seconds_width = std::max(seconds_width, row.seconds.size());
  }
  std::string out = fmt::format("{:<8}  {:<4}  {:<{}}  {:>{}}  text\n", "step", "code", "status",
                                status_width, "seconds", seconds_width);
  for (const Row& row : table) {
    std::string line =
        fmt::format("{:<8}  {:<4}  {:<{}}  {:>{}}  ", step_name(row.step),
                    row.code.empty() ? "-" : row.code, row.status.empty() ? "-" : row.status,
                    status_width, row.seconds.empty() ? "-" : row.seconds, seconds_width);
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

std::string addresses_text(const ProbeResult& result) {
  std::string out;
  for (const AddressAttempt& attempt : result.failed_attempts) {
    add(out, "tried",
        fmt::format("{}: {} ({} s)", clean(attempt.address),
                    clean(failure_words(attempt.reason, attempt.detail)),
                    fixed_seconds(attempt.took, 3)));
  }
  if (!result.endpoint.address.empty()) add(out, "peer", endpoint_text(result.endpoint));
  add(out, "local address", clean(result.endpoint.local_address));
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
  std::string text = explain(std::to_string(reply.code)).value_or("");
  if (reply.status) {
    if (!text.empty() && !text.ends_with('\n')) text += '\n';
    text += explain(to_string(*reply.status)).value_or("");
  }
  std::string out;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    out += clean(text.substr(begin, end - begin)) + '\n';
    begin = end + 1;
  }
  return out;
}

}  // namespace

std::string rfc3339(WallTime time) {
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(time - day);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                     clock.hours().count(), clock.minutes().count(), clock.seconds().count());
}

std::string_view tls_verify_name(TlsVerify verify) {
  switch (verify) {
    case TlsVerify::Off:
      return "off";
    case TlsVerify::Report:
      return "report";
    case TlsVerify::Warn:
      return "warn";
    case TlsVerify::Require:
      return "require";
  }
  return "";
}

long days_between(WallTime now, WallTime time) {
  return std::chrono::floor<std::chrono::days>(time - now).count();
}

std::string verbose_text(const ProbePlan& plan, const ProbeResult& result, const Verdict& verdict,
                         int level, bool colour) {
  if (level < 1) return {};
  std::string out = steps_table(result, verdict, colour) + findings_text(verdict, colour);
  if (level < 2) return out;
  out += transcript_text(result);
  if (level < 3) return out;
  add(out, "target", clean(plan.target.text(plan.port)));
  return out + addresses_text(result) + tls_text(result) + session_text(result) +
         explanation(result);
}

}  // namespace smtpprobe
