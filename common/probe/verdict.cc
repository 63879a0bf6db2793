#include "common/probe/verdict.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <utility>

#include "common/probe/printable.h"

namespace smtpprobe {
namespace {

// The state of a reason that no reply gave. UNKNOWN only where the probe itself cannot judge.
State state_without_reply(Reason reason, const ProbePlan& plan) {
  switch (reason) {
    case Reason::None:
      return State::Ok;
    case Reason::DnsNxdomain:
    case Reason::DnsNodata:
    case Reason::DnsServfail:
    case Reason::DnsTimeout:
    case Reason::DnsMalformed:
    case Reason::LocalError:
    case Reason::AuthNeedsTls:
    case Reason::ProbeRejected:
    case Reason::Config:
      return State::Unknown;
    case Reason::Timeout:
    case Reason::ConnectTimeout:
      return plan.timeout_state;
    case Reason::Greylisted:
      return plan.dialogue.greylisting;
    case Reason::RateLimited:
      return State::Warning;
    case Reason::DnsBogus:
    case Reason::NullMx:
    case Reason::ConnectionRefused:
    case Reason::HostUnreachable:
    case Reason::ConnectionClosed:
    case Reason::ConnectionReset:
    case Reason::Reply4xx:
    case Reason::Reply5xx:
    case Reason::ReplyUnexpected:
    case Reason::ReplyMalformed:
    case Reason::ReplyMixedCodes:
    case Reason::ReplyLineTooLong:
    case Reason::ReplyTooLong:
    case Reason::ReplyCount:
    case Reason::EarlyTalker:
    case Reason::StarttlsNotOffered:
    case Reason::StarttlsRefused:
    case Reason::PlaintextAfterStarttls:
    case Reason::TlsNotTls:
    case Reason::TlsAlert:
    case Reason::TlsVersion:
    case Reason::TlsHandshake:
    case Reason::TlsRecord:
    case Reason::CertUntrusted:
    case Reason::CertExpired:
    case Reason::CertNotYetValid:
    case Reason::CertNameMismatch:
    case Reason::CertMalformed:
    case Reason::CertExpiring:
    case Reason::AuthNotOffered:
    case Reason::AuthMechanism:
    case Reason::AuthRejected:
    case Reason::AuthProtocol:
    case Reason::AuthLimits:
    case Reason::AuthServerSignature:
    case Reason::ExtensionMissing:
    case Reason::ExtensionForbidden:
    case Reason::Slow:
      return State::Critical;
  }
  return State::Critical;
}

// The user said which replies are right: all others are wrong. But an answer that puts us off
// leaves the question open, and so is never OK, and what is our own fault stays so.
State state_against_expectation(const ProbePlan& plan, const Failure& failure) {
  const State usual = state_without_reply(failure.reason, plan);
  if (usual == State::Unknown) return usual;
  const bool put_off =
      failure.reason == Reason::Greylisted || failure.reason == Reason::RateLimited;
  return put_off ? worse(usual, State::Warning) : State::Critical;
}

State state_of_failure(const ProbePlan& plan, const Failure& failure) {
  if (failure.reply && !plan.dialogue.expect[failure.step].empty()) {
    return state_against_expectation(plan, failure);
  }
  if (!failure.reply || failure.reason == Reason::Greylisted) {
    return state_without_reply(failure.reason, plan);
  }
  // check_smtp's -e and -R: what does not match is a WARNING, whatever its class.
  const bool banner_text = failure.step == Step::Banner &&
                           plan.dialogue.expect_banner.has_value() &&
                           failure.reason == Reason::ReplyUnexpected;
  if (banner_text || failure.step == Step::Command) return State::Warning;
  const State state = refusal_state(failure.step, *failure.reply, failure.reason);
  // A reply that would be fine by itself is here because the user expected another.
  return state == State::Ok ? State::Critical : state;
}

std::string expected_words(const ProbePlan& plan, Step step) {
  std::string words;
  for (const ReplyPattern& pattern : plan.dialogue.expect[step]) {
    if (!words.empty()) words += " or ";
    words += pattern.text();
  }
  return words.empty() ? std::string(expected_reply_words(step)) : words;
}

// "EHLO probe.example.net": what the server refuses where it refuses our name.
std::string greeting_words(const DialoguePlan& plan, bool said_helo) {
  const std::string_view verb = plan.protocol == Protocol::Lmtp ? "LHLO"
                                : said_helo                     ? "HELO"
                                                                : "EHLO";
  return std::string(verb) + " " + plan.helo_name;
}

// After a reply: what it does not say by itself.
std::string reply_remark(const ProbePlan& plan, const ProbeResult& result, const Failure& failure) {
  if (failure.reason == Reason::Reply4xx || failure.reason == Reason::Reply5xx) {
    if (!failure.detail.empty() && failure.step != Step::Command) {
      return " (" + failure.detail + ")";
    }
    const bool asked_for = !plan.dialogue.expect[failure.step].empty();
    if (asked_for) return " (expected " + expected_words(plan, failure.step) + ")";
    if (failure.step == Step::Command) return " (to " + failure.detail + ")";
    return {};
  }
  std::string remark(reason_words(failure.reason));
  if (failure.reason == Reason::ReplyUnexpected) {
    if (failure.step == Step::Command) {
      remark = "not the expected reply to " + failure.detail;
    } else if (!failure.detail.empty()) {
      remark = failure.detail;
    } else {
      remark = "expected " + expected_words(plan, failure.step);
    }
  } else if (failure.reason == Reason::Config && refuses_helo_name(failure.step, *failure.reply)) {
    const bool said_helo = plan.dialogue.helo || has(result.notes, Note::HeloFallback);
    remark += ": " + greeting_words(plan.dialogue, said_helo) + " is refused";
  } else if (!failure.detail.empty()) {
    remark += ": " + failure.detail;
  }
  return " (" + remark + ")";
}

// -e is compared with the lines as they came: "220-mx" of a banner of several lines does not
// contain "220 mx", and must not look as if it did.
std::string separator_shown(const ProbePlan& plan, const Failure& failure) {
  const bool compared = failure.step == Step::Banner && plan.dialogue.expect_banner.has_value() &&
                        failure.reason == Reason::ReplyUnexpected;
  return compared && failure.reply->lines.size() > 1 ? "-" : " ";
}

std::string failure_words(const ProbePlan& plan, const ProbeResult& result,
                          const Failure& failure) {
  if (failure.reply) {
    std::string text = std::to_string(failure.reply->code);
    const std::string said = failure.reply->text();
    if (!said.empty()) text += separator_shown(plan, failure) + said;
    const std::string remark = printable_for_nagios(reply_remark(plan, result, failure), 160);
    return printable_for_nagios(text, kFirstLineTextBytes) + remark;
  }
  const std::string_view words = reason_words(failure.reason);
  std::string text = failure.detail;
  // The resolver says whole sentences, or just the name.
  const bool sentence = failure.step == Step::Resolve && text.find(' ') != std::string::npos;
  if (text.empty()) {
    text = words;
  } else if (!sentence && !text.starts_with(words)) {
    text = std::string(words) + ": " + text;
  }
  const StepRecord* connect = result.step(Step::Connect);
  const bool silent = failure.step == Step::Banner && failure.reason == Reason::Timeout;
  if (silent && plan.port == kSmtpsPort && plan.dialogue.tls == TlsMode::Off) {
    text += ", port 465 speaks TLS at once (--ssl)";
  }
  if (silent && connect != nullptr) {
    text += fmt::format(", connected in {:.3f} s",
                        std::chrono::duration<double>(connect->took).count());
  }
  return printable_for_nagios(text, kFirstLineTextBytes);
}

// Senders go on there, and so did the probe: worth a look, and no reason why mail is refused.
void judge_deviations(const ProbePlan& plan, const ProbeResult& result,
                      std::vector<Finding>& findings) {
  for (const Failure& deviation : result.deviations) {
    // The refusal of the same step says more.
    if (result.failure && result.failure->step == deviation.step) continue;
    const int code = deviation.reply->code;
    const State state = code >= 500 ? helo_fallback_state(code) : other_code_state(code);
    if (state == State::Ok) continue;
    std::string words = failure_words(plan, result, deviation);
    if (code >= 500) words += " (to EHLO, HELO was accepted)";
    findings.push_back({state, deviation.step, deviation.reason, std::move(words)});
  }
}

void judge_walk(const ProbePlan& plan, const ProbeResult& result, Verdict& verdict) {
  std::vector<Finding>& findings = verdict.findings;
  if (result.failure) {
    const Failure& failure = *result.failure;
    const State state = state_of_failure(plan, failure);
    std::string words = failure_words(plan, result, failure);
    if (state == State::Ok) {
      verdict.excused = std::string(step_name(failure.step)) + ": " + words;
    } else {
      findings.push_back({state, failure.step, failure.reason, std::move(words)});
    }
    return;
  }
  // 221 counts only where the user asked for it.
  const StepRecord* quit = result.step(Step::Quit);
  if (plan.dialogue.expect[Step::Quit].empty() || quit == nullptr) return;
  if (quit->reason == Reason::None) return;
  const Failure missing{Step::Quit, quit->reason, quit->detail, quit->reply};
  findings.push_back(
      {State::Warning, Step::Quit, quit->reason, failure_words(plan, result, missing)});
}

std::string certificate_name(const Certificate& certificate) {
  if (!certificate.common_name.empty()) return certificate.common_name;
  return certificate.names.empty() ? certificate.subject : certificate.names.front();
}

std::string date_words(WallTime time) {
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  return fmt::format("{:04}-{:02}-{:02}", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()));
}

void judge_expiry(const ProbePlan& plan, const ProbeResult& result,
                  std::vector<Finding>& findings) {
  if (!plan.tls.expiry || plan.tls.ignore_expiration) return;
  const std::optional<double> days = result.cert_days_left();
  if (!days) return;
  const std::vector<Certificate>& chain = result.tls->judged_chain();
  const Certificate& first = *std::min_element(
      chain.begin(), chain.end(),
      [](const Certificate& a, const Certificate& b) { return a.not_after < b.not_after; });
  const std::string name =
      "certificate of " + certificate_name(first) + (&first == &chain.front() ? "" : " (issuer)");
  Finding finding{State::Critical, Step::Tls, Reason::CertExpiring, {}};
  if (*days < 0) {
    finding.reason = Reason::CertExpired;
    finding.text = name + " expired on " + date_words(first.not_after);
  } else if (*days < plan.tls.expiry->critical_days || *days < plan.tls.expiry->warning_days) {
    if (*days >= plan.tls.expiry->critical_days) finding.state = State::Warning;
    finding.text = *days < 2 ? fmt::format("{} expires in {:.0f} hours ({})", name, *days * 24,
                                           date_words(first.not_after))
                             : fmt::format("{} expires in {} days ({})", name,
                                           static_cast<int>(*days), date_words(first.not_after));
  } else {
    return;
  }
  finding.text = printable_for_nagios(finding.text, kFirstLineTextBytes);
  const bool told = std::any_of(findings.begin(), findings.end(), [&](const Finding& other) {
    return other.reason == finding.reason && other.state == finding.state;
  });
  if (!told) findings.push_back(std::move(finding));
}

void judge_certificates(const ProbePlan& plan, const ProbeResult& result,
                        std::vector<Finding>& findings) {
  if (!result.tls || !result.tls->established()) return;
  const CertificateProblem* problem = first_problem(*result.tls, plan.tls.ignore_expiration);
  // Required verification ended the walk: the failure says so already.
  if (result.verify == TlsVerify::Warn && problem != nullptr) {
    findings.push_back(
        {problem->reason == Reason::LocalError ? State::Unknown : State::Warning, Step::Tls,
         problem->reason,
         printable_for_nagios(problem_words(*result.tls, *problem), kFirstLineTextBytes)});
  }
  judge_expiry(plan, result, findings);
}

void judge_extensions(const ProbePlan& plan, const ProbeResult& result,
                      std::vector<Finding>& findings) {
  const StepRecord* ehlo = result.step(Step::EhloTls);
  if (ehlo == nullptr) {
    ehlo = result.step(Step::Ehlo);
    // With TLS begun after this EHLO, its keywords no longer count.
    if (ehlo != nullptr && result.step(Step::Starttls) != nullptr) return;
  }
  if (ehlo == nullptr || !ehlo->reply) return;
  if (result.failure && result.failure->step == ehlo->step) return;
  const Extensions none;
  const Extensions& offered = result.extensions ? *result.extensions : none;
  // Once TLS is up the server must not offer STARTTLS again (RFC 3207 s4.2): whoever requires it
  // means the EHLO before.
  const bool starttls_was_offered = result.step(Step::Starttls) != nullptr;
  const auto satisfied = [&](const std::string& keyword) {
    return offered.offers(keyword) || (starttls_was_offered && keyword == "STARTTLS");
  };
  for (const std::string& keyword : plan.require_extensions) {
    if (satisfied(keyword)) continue;
    findings.push_back({State::Critical, ehlo->step, Reason::ExtensionMissing,
                        printable_for_nagios(keyword + " is not offered", kFirstLineTextBytes)});
  }
  for (const std::string& keyword : plan.forbid_extensions) {
    if (!offered.offers(keyword)) continue;
    findings.push_back(
        {State::Critical, ehlo->step, Reason::ExtensionForbidden,
         printable_for_nagios(keyword + " is offered and must not be", kFirstLineTextBytes)});
  }
}

void judge_duration(const Thresholds& thresholds, Duration took, Step step, std::string_view what,
                    std::vector<Finding>& findings) {
  const double seconds = std::chrono::duration<double>(took).count();
  const auto slow = [&](State state, const Range& range) {
    // "2.000 s (limit 2)" would be no reason: digits until the number shown alerts too.
    const int digits = range.alerts(std::round(seconds * 1e3) / 1e3) ? 3 : 6;
    findings.push_back(
        {state, step, Reason::Slow,
         fmt::format("{} {:.{}f} s (limit {})", what, seconds, digits, range.text())});
  };
  if (thresholds.critical && thresholds.critical->alerts(seconds)) {
    slow(State::Critical, *thresholds.critical);
  } else if (thresholds.warning && thresholds.warning->alerts(seconds)) {
    slow(State::Warning, *thresholds.warning);
  }
}

// Of a connection the failed attempts before it count, too. `steps` is not empty.
Step longest_step(const ProbeResult& result) {
  Step longest = result.steps.front().step;
  Duration longest_took{};
  for (const StepRecord& record : result.steps) {
    Duration took = record.took;
    if (record.step == Step::Quit) continue;
    if (record.step == Step::Connect && record.reason == Reason::None) {
      for (const AddressAttempt& attempt : result.failed_attempts) took += attempt.took;
    }
    if (took <= longest_took) continue;
    longest = record.step;
    longest_took = took;
  }
  return longest;
}

void judge_latency(const ProbePlan& plan, const ProbeResult& result,
                   std::vector<Finding>& findings) {
  if (result.steps.empty()) return;
  judge_duration(plan.total, result.response_time(), longest_step(result), "response time",
                 findings);
  for (const StepRecord& record : result.steps) {
    judge_duration(plan.step[record.step], record.took, record.step, "took", findings);
  }
}

}  // namespace

const CertificateProblem* first_problem(const TlsFacts& tls, bool ignore_expiration) {
  for (const CertificateProblem& problem : tls.problems) {
    if (!(ignore_expiration && problem.reason == Reason::CertExpired)) return &problem;
  }
  return nullptr;
}

std::string problem_words(const TlsFacts& tls, const CertificateProblem& problem) {
  const auto depth = static_cast<std::size_t>(std::max(0, problem.depth));
  std::string text(reason_words(problem.reason));
  if (problem.reason == Reason::CertNameMismatch) {
    text += ": not for " + tls.checked_name;
    if (tls.chain.empty()) return text;
    const Certificate& leaf = tls.chain.front();
    if (!leaf.names.empty()) return text + " but " + leaf.names.front();
    text += ", it has no subject alternative name";
    if (!leaf.common_name.empty()) {
      text += " (the common name " + leaf.common_name + " does not count)";
    }
    return text;
  }
  if (!problem.text.empty()) text += ": " + problem.text;
  if (depth < tls.chain.size()) text += " (" + certificate_name(tls.chain[depth]) + ")";
  return text;
}

Verdict judge(const ProbePlan& plan, const ProbeResult& result) {
  Verdict verdict;
  judge_walk(plan, result, verdict);
  const auto walked = static_cast<std::ptrdiff_t>(verdict.findings.size());
  judge_deviations(plan, result, verdict.findings);
  judge_certificates(plan, result, verdict.findings);
  judge_extensions(plan, result, verdict.findings);
  // Where the probe could not judge, the time it took says nothing about the server either.
  const bool cannot_judge =
      !verdict.findings.empty() && verdict.findings.front().state == State::Unknown;
  if (!cannot_judge) judge_latency(plan, result, verdict.findings);
  // What ended the walk is named first, of the rest what is worst: one line, one reason and one
  // exit code tell of the first alone.
  std::stable_sort(verdict.findings.begin() + walked, verdict.findings.end(),
                   [](const Finding& a, const Finding& b) {
                     return a.state != b.state && worse(a.state, b.state) == a.state;
                   });
  for (const Finding& finding : verdict.findings) {
    verdict.state = worse(verdict.state, finding.state);
  }
  return verdict;
}

}  // namespace smtpprobe
