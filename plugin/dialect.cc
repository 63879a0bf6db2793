#include "plugin/dialect.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>

#include "common/probe/printable.h"
#include "common/probe/time_text.h"
#include "plugin/output.h"

namespace smtpprobe {
namespace {

constexpr std::size_t kQuotedReplyBytes = 160;
constexpr std::size_t kQuotedCommandBytes = 120;
constexpr std::size_t kCertificateNameBytes = 128;
constexpr std::size_t kCertificateLineBytes = 240;
constexpr std::size_t kConnectLineBytes = 300;

// The situations that have a text or an exit code of their own.
enum class Situation : std::uint8_t {
  Plain,
  Unresolvable,
  Refused,
  BadBanner,
  NoStarttls,
  NoHandshake,
  SocketTimeout,
  ResponseMismatch,  // -R
  Slow,              // and nothing else
};

Situation banner_situation(Reason reason) {
  switch (reason) {
    case Reason::ConnectionClosed:
    case Reason::ConnectionReset:
    case Reason::Reply4xx:
    case Reason::Reply5xx:
    case Reason::ReplyUnexpected:
    case Reason::ReplyMalformed:
    case Reason::ReplyMixedCodes:
    case Reason::ReplyLineTooLong:
    case Reason::ReplyTooLong:
    case Reason::RateLimited:
    case Reason::Greylisted:
    case Reason::Config:
      return Situation::BadBanner;
    default:
      return Situation::Plain;
  }
}

Situation handshake_situation(Reason reason) {
  switch (reason) {
    case Reason::TlsNotTls:
    case Reason::TlsAlert:
    case Reason::TlsVersion:
    case Reason::TlsHandshake:
    case Reason::TlsRecord:
    case Reason::ConnectionClosed:
    case Reason::ConnectionReset:
      return Situation::NoHandshake;
    default:
      return Situation::Plain;
  }
}

// Only a failure that the verdict calls one has a situation: `--expect` may have made it OK.
Situation situation_of(const ProbeResult& result, const Verdict& verdict) {
  if (verdict.findings.empty()) return Situation::Plain;
  const bool only_slow =
      std::all_of(verdict.findings.begin(), verdict.findings.end(),
                  [](const Finding& finding) { return finding.reason == Reason::Slow; });
  if (only_slow) return Situation::Slow;
  if (!result.failure) return Situation::Plain;
  const Finding& first = verdict.findings.front();
  if (first.step != result.failure->step || first.reason != result.failure->reason) {
    return Situation::Plain;
  }
  if (first.reason == Reason::Timeout || first.reason == Reason::ConnectTimeout) {
    return Situation::SocketTimeout;
  }
  if (first.step == Step::Banner) return banner_situation(first.reason);
  if (first.step == Step::Tls) return handshake_situation(first.reason);
  switch (first.reason) {
    case Reason::DnsNxdomain:
    case Reason::DnsNodata:
    case Reason::DnsServfail:
    case Reason::DnsTimeout:
    case Reason::DnsMalformed:
      return Situation::Unresolvable;
    case Reason::ConnectionRefused:
      return Situation::Refused;
    case Reason::StarttlsNotOffered:
      return Situation::NoStarttls;
    case Reason::ReplyUnexpected:
      return first.step == Step::Command ? Situation::ResponseMismatch : Situation::Plain;
    default:
      return Situation::Plain;
  }
}

// "Tue Dec 28 20:21:15 2027 +0000"
std::string date_of_check_smtp(WallTime time) {
  constexpr std::array<std::string_view, 7> kDays = {"Sun", "Mon", "Tue", "Wed",
                                                     "Thu", "Fri", "Sat"};
  constexpr std::array<std::string_view, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                        "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(time - day);
  return fmt::format(
      "{} {} {:2} {:02}:{:02}:{:02} {} +0000", kDays[std::chrono::weekday(day).c_encoding()],
      kMonths[static_cast<unsigned>(date.month()) - 1], static_cast<unsigned>(date.day()),
      clock.hours().count(), clock.minutes().count(), clock.seconds().count(),
      static_cast<int>(date.year()));
}

bool is_expiry(const Finding& finding) {
  return finding.step == Step::Tls &&
         (finding.reason == Reason::CertExpiring || finding.reason == Reason::CertExpired);
}

// The line of -D about the certificate that expires first.
std::string certificate_line(const ProbeResult& result, State state) {
  const std::vector<Certificate>& chain = result.tls->judged_chain();
  const Certificate& first = *std::min_element(
      chain.begin(), chain.end(),
      [](const Certificate& a, const Certificate& b) { return a.not_after < b.not_after; });
  const std::string& raw_name = !first.common_name.empty() ? first.common_name
                                : first.names.empty()      ? first.subject
                                                           : first.names.front();
  const std::string name = printable_for_nagios(raw_name, kCertificateNameBytes);
  const std::string date = date_of_check_smtp(first.not_after);
  const std::string head = fmt::format("{} - Certificate '{}' ", state_name(state), name);
  const auto left = first.not_after - result.started;
  if (left < std::chrono::seconds(0)) return head + "expired on " + date + ".";
  if (state == State::Ok) return head + "will expire on " + date + ".";
  const auto days = std::chrono::floor<std::chrono::days>(left);
  if (days.count() > 0)
    return fmt::format("{}expires in {} day(s) ({}).", head, days.count(), date);
  const auto hours = std::chrono::floor<std::chrono::hours>(left);
  if (hours.count() > 0)
    return fmt::format("{}expires in {} hours ({}).", head, hours.count(), date);
  const auto minutes = std::chrono::floor<std::chrono::minutes>(left);
  return fmt::format("{}expires in {} minutes ({}).", head, minutes.count(), date);
}

std::string connect_line(const ProbePlan& plan) {
  const std::string_view why = ": Connection refused";
  if (!plan.target.unix_path.empty()) {
    return compose_line("connect to file socket ",
                        printable_for_nagios(plan.target.unix_path, kConnectLineBytes), {}, why,
                        kConnectLineBytes);
  }
  return compose_line("connect to address ",
                      printable_for_nagios(plan.target.host, kConnectLineBytes), {},
                      fmt::format(" and port {}{}", plan.port, why), kConnectLineBytes);
}

// check_smtp's alarm was the overall limit; where a limit of one step ended the wait, N is what
// that step took.
std::string socket_timeout_line(const ProbePlan& plan, const ProbeResult& result,
                                const Verdict& verdict, std::string_view where) {
  const StepRecord* step = result.step(result.failure->step);
  Duration waited = plan.timeout;
  if (step != nullptr && result.response_time() + std::chrono::milliseconds(100) < plan.timeout) {
    waited = step->took;
  }
  const std::string head = fmt::format(
      "{} - Socket timeout after {} seconds, {}{}{}: ", state_name(verdict.state),
      fixed_seconds(waited, 0), where, where.empty() ? "" : ", ", step_name(result.failure->step));
  return compose_line(head, verdict.findings.front().text, other_findings(verdict),
                      response_time_tail(result), kFirstLineBytes);
}

std::string handshake_line(const ProbeResult& result, const Verdict& verdict,
                           std::string_view where) {
  std::string head = "CRITICAL - Cannot make SSL connection. ";
  if (!where.empty()) head += std::string(where) + ": ";
  return compose_line(head, verdict.findings.front().text, {},
                      ", cannot create TLS context" + response_time_tail(result), kFirstLineBytes);
}

std::string mismatch_line(const ProbeResult& result, const Verdict& verdict,
                          std::string_view where) {
  const Failure& failure = *result.failure;
  std::string reply;
  if (failure.reply) {
    reply = std::to_string(failure.reply->code);
    const std::string said = failure.reply->text();
    if (!said.empty()) reply += ' ' + said;
  }
  std::string text = "Invalid response '" + printable_for_nagios(reply, kQuotedReplyBytes) +
                     "' to command '" + printable_for_nagios(failure.detail, kQuotedCommandBytes) +
                     "'";
  if (!where.empty()) text += ", " + std::string(where);
  return compose_line(fmt::format("SMTP {} - ", state_name(verdict.state)), text,
                      other_findings(verdict), response_time_tail(result), kFirstLineBytes);
}

// The time first, as check_smtp has it and graphs read it; then what took so long.
std::string slow_line(const ProbeResult& result, const Verdict& verdict, std::string_view where) {
  const Finding& first = verdict.findings.front();
  const std::string head =
      fmt::format("SMTP {} - {} sec. response time, {}{}{}: ", state_name(verdict.state),
                  fixed_seconds(result.response_time(), 3), where, where.empty() ? "" : ", ",
                  step_name(first.step));
  return compose_line(head, first.text, other_findings(verdict), {}, kFirstLineBytes);
}

Summary summary_without_certificate(const ProbePlan& plan, const ProbeResult& result,
                                    const Verdict& verdict, std::string_view where) {
  switch (situation_of(result, verdict)) {
    case Situation::Plain:
    case Situation::BadBanner:
      break;
    case Situation::NoStarttls:
      return {{"WARNING - TLS not supported by server"}, std::nullopt};
    case Situation::SocketTimeout:
      return {{socket_timeout_line(plan, result, verdict, where)}, 0};
    case Situation::NoHandshake:
      return {{handshake_line(result, verdict, where)}, 0};
    case Situation::ResponseMismatch:
      return {{mismatch_line(result, verdict, where)}, 0};
    case Situation::Slow:
      return {{slow_line(result, verdict, where)}, 0};
    case Situation::Unresolvable: {
      const std::string first = "check_smtp: Invalid hostname/address - " +
                                printable_for_nagios(plan.target.host, kConnectLineBytes - 40);
      return {{first, headline(result, verdict, where, kFirstLineBytes - first.size() - 1)}, 1};
    }
    case Situation::Refused: {
      const std::string first = connect_line(plan);
      return {{first, headline(result, verdict, where, kFirstLineBytes - first.size() - 1)}, 1};
    }
  }
  return {{headline(result, verdict, where, kFirstLineBytes)}, 0};
}

}  // namespace

Verdict check_smtp_verdict(const ProbeResult& result, Verdict verdict) {
  const Situation situation = situation_of(result, verdict);
  switch (situation) {
    case Situation::Plain:
    case Situation::Refused:
    case Situation::NoHandshake:
    case Situation::SocketTimeout:
    case Situation::ResponseMismatch:
    case Situation::Slow:
      return verdict;
    case Situation::NoStarttls:
    case Situation::BadBanner:
      verdict.findings.front().state = State::Warning;
      break;
    case Situation::Unresolvable:
      verdict.findings.front().state = State::Unknown;
      break;
  }
  // These exit codes are fixed.
  verdict.findings.resize(1);
  verdict.state = verdict.findings.front().state;
  return verdict;
}

Summary check_smtp_summary(const ProbePlan& plan, const ProbeResult& result, const Verdict& verdict,
                           std::string_view where) {
  const bool asked = plan.tls.expiry.has_value();
  const bool seen = result.tls && result.tls->established() && !result.tls->judged_chain().empty();
  if (!asked || !seen) return summary_without_certificate(plan, result, verdict, where);

  // The certificate has a line of its own, so the other line speaks of everything else, unless the
  // date ended the walk: then it would speak of a walk that was none.
  State certificate = State::Ok;
  Verdict rest;
  for (const Finding& finding : verdict.findings) {
    if (is_expiry(finding)) certificate = worse(certificate, finding.state);
    const bool ended_the_walk = result.failure && result.failure->reason == finding.reason;
    if (!is_expiry(finding) || ended_the_walk) {
      rest.state = worse(rest.state, finding.state);
      rest.findings.push_back(finding);
    }
  }
  const std::string about_certificate =
      cut_sanitised(certificate_line(result, certificate), kCertificateLineBytes);
  Summary summary = summary_without_certificate(plan, result, rest, where);
  if (worse(rest.state, certificate) == certificate) {
    summary.lines.insert(summary.lines.begin(), about_certificate);
    summary.perfdata_at = 0;
  } else {
    summary.lines.push_back(about_certificate);
  }
  return summary;
}

}  // namespace smtpprobe
