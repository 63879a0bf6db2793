// The verdict: state and headline for every step, code and reason, and how several findings
// combine.
#include "common/probe/verdict.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "common/probe/printable.h"

namespace smtpprobe {
namespace {

using std::chrono::days;
using std::chrono::hours;
using std::chrono::milliseconds;

ReplyPattern pattern(std::string_view text) { return *ReplyPattern::parse(text); }

Reply reply(int code, std::string text) {
  Reply made;
  made.code = code;
  made.status = leading_enhanced_status(text);
  made.lines = {std::move(text)};
  return made;
}

// A result that ran up to `step` in 10 ms a step.
ProbeResult up_to(Step last) {
  ProbeResult result;
  Instant now{};
  result.began = now;
  for (const Step step : kSteps) {
    if (step > last || step == Step::Tls || step == Step::Starttls || step == Step::EhloTls ||
        step == Step::Command || step == Step::Auth) {
      continue;
    }
    StepRecord record;
    record.step = step;
    record.began = now;
    now += milliseconds(10);
    record.ended = now;
    record.took = milliseconds(10);
    if (step >= Step::Banner) record.reply = reply(step == Step::Banner ? 220 : 250, "ok");
    result.steps.push_back(record);
  }
  result.ended = now;
  return result;
}

ProbeResult refused(Step step, int code, const std::string& text, bool tls = false) {
  ProbeResult result = up_to(step);
  const Reply said = reply(code, text);
  result.failure = Failure{step, refusal_reason(step, said, tls), {}, said};
  return result;
}

ProbeResult failed(Step step, Reason reason, std::string detail = {}) {
  ProbeResult result = up_to(step);
  result.failure = Failure{step, reason, std::move(detail), std::nullopt};
  return result;
}

TEST(Verdict, NothingWrongIsOk) {
  const Verdict verdict = judge(ProbePlan{}, up_to(Step::Quit));
  EXPECT_EQ(verdict.state, State::Ok);
  EXPECT_TRUE(verdict.findings.empty());
}

struct ReplyCase {
  Step step;
  int code;
  const char* text;
  State state;
  Reason reason;
};

class VerdictOfReply : public testing::TestWithParam<ReplyCase> {};

TEST_P(VerdictOfReply, IsThatOfTheTable) {
  const ReplyCase& one = GetParam();
  const Verdict verdict = judge(ProbePlan{}, refused(one.step, one.code, one.text));
  ASSERT_FALSE(verdict.findings.empty());
  EXPECT_EQ(state_name(verdict.state), state_name(one.state));
  EXPECT_EQ(reason_name(verdict.findings[0].reason), reason_name(one.reason));
  EXPECT_EQ(verdict.findings[0].step, one.step);
  EXPECT_TRUE(verdict.findings[0].text.starts_with(std::to_string(one.code) + " " + one.text))
      << verdict.findings[0].text;
}

INSTANTIATE_TEST_SUITE_P(
    All, VerdictOfReply,
    testing::Values(
        ReplyCase{Step::Banner, 554, "5.7.1 blocked", State::Critical, Reason::Reply5xx},
        ReplyCase{Step::Banner, 521, "never", State::Critical, Reason::Reply5xx},
        ReplyCase{Step::Banner, 421, "4.7.0 too many connections", State::Warning,
                  Reason::RateLimited},
        ReplyCase{Step::Banner, 421, "4.3.2 shutting down", State::Critical, Reason::Reply4xx},
        ReplyCase{Step::Banner, 421, "busy", State::Critical, Reason::Reply4xx},
        ReplyCase{Step::Banner, 450, "4.3.2 later", State::Critical, Reason::Reply4xx},
        ReplyCase{Step::Banner, 250, "what", State::Critical, Reason::ReplyUnexpected},
        ReplyCase{Step::Ehlo, 550, "5.7.1 go away", State::Critical, Reason::Reply5xx},
        ReplyCase{Step::Ehlo, 501, "bad name", State::Unknown, Reason::Config},
        ReplyCase{Step::Ehlo, 421, "4.7.28 limit", State::Warning, Reason::RateLimited},
        ReplyCase{Step::Starttls, 454, "no key", State::Critical, Reason::StarttlsRefused},
        ReplyCase{Step::Starttls, 502, "no", State::Critical, Reason::StarttlsRefused},
        ReplyCase{Step::Auth, 535, "5.7.8 wrong", State::Critical, Reason::AuthRejected},
        ReplyCase{Step::Auth, 454, "4.7.0 backend", State::Critical, Reason::Reply4xx},
        ReplyCase{Step::Auth, 432, "4.7.12 transition", State::Warning, Reason::Reply4xx},
        ReplyCase{Step::Auth, 538, "5.7.11 encrypt", State::Unknown, Reason::AuthNeedsTls},
        ReplyCase{Step::Mail, 530, "5.7.0 auth first", State::Critical, Reason::Reply5xx},
        ReplyCase{Step::Mail, 452, "4.3.1 full", State::Critical, Reason::Reply4xx},
        ReplyCase{Step::Mail, 450, "4.1.8 domain", State::Critical, Reason::Reply4xx},
        ReplyCase{Step::Mail, 501, "5.1.7 bad sender", State::Unknown, Reason::Config},
        ReplyCase{Step::Mail, 501, "5.5.4 syntax", State::Critical, Reason::Reply5xx},
        ReplyCase{Step::Rcpt, 550, "5.1.1 unknown", State::Critical, Reason::Reply5xx},
        ReplyCase{Step::Rcpt, 450, "4.7.1 greylisted", State::Warning, Reason::Greylisted},
        ReplyCase{Step::Rcpt, 451, "4.7.1 wait", State::Critical, Reason::Reply4xx},
        ReplyCase{Step::Rcpt, 451, "Greylisting in action", State::Warning, Reason::Greylisted},
        ReplyCase{Step::Rcpt, 450, "4.2.1 busy", State::Warning, Reason::Reply4xx},
        ReplyCase{Step::Rcpt, 451, "4.3.0 broken", State::Critical, Reason::Reply4xx},
        ReplyCase{Step::Rcpt, 452, "4.5.3 too many", State::Warning, Reason::Reply4xx},
        ReplyCase{Step::Rcpt, 452, "4.3.1 full", State::Critical, Reason::Reply4xx},
        ReplyCase{Step::Rcpt, 252, "maybe", State::Warning, Reason::ReplyUnexpected},
        ReplyCase{Step::Rcpt, 552, "5.2.2 full", State::Warning, Reason::Reply5xx},
        ReplyCase{Step::Rcpt, 501, "5.1.3 bad address", State::Unknown, Reason::Config},
        ReplyCase{Step::Data, 554, "no valid recipients", State::Critical, Reason::Reply5xx},
        ReplyCase{Step::Data, 250, "ok", State::Critical, Reason::ReplyUnexpected},
        ReplyCase{Step::Data, 450, "4.7.1 Gray List", State::Warning, Reason::Greylisted},
        ReplyCase{Step::Message, 552, "5.3.4 too big", State::Critical, Reason::Reply5xx},
        ReplyCase{Step::Message, 451, "4.7.1 milter", State::Critical, Reason::Reply4xx},
        ReplyCase{Step::Message, 451, "4.3.0 queue", State::Critical, Reason::Reply4xx},
        ReplyCase{Step::Command, 550, "no", State::Warning, Reason::Reply5xx},
        ReplyCase{Step::Command, 450, "no", State::Warning, Reason::Reply4xx}));

TEST(Verdict, OfReasonsWithoutAReply) {
  const std::vector<std::pair<Reason, State>> cases = {
      {Reason::DnsNxdomain, State::Unknown},
      {Reason::DnsNodata, State::Unknown},
      {Reason::DnsServfail, State::Unknown},
      {Reason::DnsTimeout, State::Unknown},
      {Reason::DnsMalformed, State::Unknown},
      {Reason::DnsBogus, State::Critical},
      {Reason::NullMx, State::Critical},
      {Reason::ConnectionRefused, State::Critical},
      {Reason::HostUnreachable, State::Critical},
      {Reason::ConnectTimeout, State::Critical},
      {Reason::LocalError, State::Unknown},
      {Reason::Timeout, State::Critical},
      {Reason::ConnectionClosed, State::Critical},
      {Reason::ConnectionReset, State::Critical},
      {Reason::ReplyMalformed, State::Critical},
      {Reason::ReplyMixedCodes, State::Critical},
      {Reason::ReplyLineTooLong, State::Critical},
      {Reason::ReplyTooLong, State::Critical},
      {Reason::ReplyCount, State::Critical},
      {Reason::EarlyTalker, State::Critical},
      {Reason::StarttlsNotOffered, State::Critical},
      {Reason::PlaintextAfterStarttls, State::Critical},
      {Reason::TlsNotTls, State::Critical},
      {Reason::TlsAlert, State::Critical},
      {Reason::TlsVersion, State::Critical},
      {Reason::TlsHandshake, State::Critical},
      {Reason::TlsRecord, State::Critical},
      {Reason::CertUntrusted, State::Critical},
      {Reason::AuthNotOffered, State::Critical},
      {Reason::AuthProtocol, State::Critical},
      {Reason::AuthLimits, State::Critical},
      {Reason::AuthServerSignature, State::Critical},
      {Reason::AuthNeedsTls, State::Unknown},
      {Reason::ProbeRejected, State::Unknown},
      {Reason::Config, State::Unknown},
  };
  for (const auto& [reason, state] : cases) {
    const Verdict verdict = judge(ProbePlan{}, failed(Step::Banner, reason, "why"));
    EXPECT_EQ(state_name(verdict.state), state_name(state)) << reason_name(reason);
    ASSERT_EQ(verdict.findings.size(), 1U);
    EXPECT_NE(verdict.findings[0].text.find("why"), std::string::npos);
  }
}

TEST(Verdict, TimeoutStateIsTheUsersChoice) {
  ProbePlan plan;
  for (const State state : {State::Ok, State::Warning, State::Critical, State::Unknown}) {
    plan.timeout_state = state;
    EXPECT_EQ(judge(plan, failed(Step::Banner, Reason::Timeout)).state, state);
    EXPECT_EQ(judge(plan, failed(Step::Connect, Reason::ConnectTimeout)).state, state);
  }
}

TEST(Verdict, GreylistingIsTheUsersChoice) {
  ProbePlan plan;
  for (const State state : {State::Ok, State::Warning, State::Critical}) {
    plan.dialogue.greylisting = state;
    EXPECT_EQ(judge(plan, refused(Step::Rcpt, 450, "4.7.1 greylisted")).state, state);
  }
}

TEST(Verdict, ARefusedHeloNameIsNamedAsItWasSent) {
  ProbePlan plan;
  plan.dialogue.helo_name = "probe.example.net";
  const std::string text = "504 5.5.2 <x>: Helo command rejected: need fully-qualified hostname";
  ProbeResult result = refused(Step::Rcpt, 504, text.substr(4));
  const auto words = [&] { return judge(plan, result).findings.at(0).text; };
  const std::string fault = " (the probe's own configuration is at fault: ";
  EXPECT_EQ(words(), text + fault + "EHLO probe.example.net is refused)");
  result.notes |= Note::HeloFallback;
  EXPECT_EQ(words(), text + fault + "HELO probe.example.net is refused)");
  plan.dialogue.protocol = Protocol::Lmtp;
  EXPECT_EQ(words(), text + fault + "LHLO probe.example.net is refused)");
  plan.dialogue.helo_name = std::string(255, 'n');
  EXPECT_LE(words().size(), kFirstLineTextBytes + 160);
}

TEST(Verdict, ABannerAgainstTheTextAskedForIsAWarning) {
  ProbePlan plan;
  plan.dialogue.expect_banner = "220";
  ProbeResult result = up_to(Step::Banner);
  result.failure = Failure{Step::Banner, Reason::ReplyUnexpected, "expected a banner with \"220\"",
                           reply(554, "no 220")};
  const Verdict verdict = judge(plan, result);
  EXPECT_EQ(verdict.state, State::Warning);
  EXPECT_EQ(verdict.findings[0].text, "554 no 220 (expected a banner with \"220\")");
}

TEST(Verdict, ABannerThatWasComparedIsShownWithItsSeparator) {
  ProbePlan plan;
  plan.dialogue.expect_banner = "220 mx";
  ProbeResult result = up_to(Step::Banner);
  Reply banner = reply(220, "mx.test ESMTP");
  banner.lines.push_back("Ready");
  result.failure =
      Failure{Step::Banner, Reason::ReplyUnexpected, "expected a banner with \"220 mx\"", banner};
  EXPECT_EQ(judge(plan, result).findings[0].text,
            "220-mx.test ESMTP Ready (expected a banner with \"220 mx\")");
}

TEST(Verdict, WhatTheUserExpectedAndDidNotGetIsCritical) {
  ProbePlan plan;
  plan.dialogue.expect[Step::Rcpt] = {pattern("550"), pattern("554")};
  for (const int code : {250, 251, 252}) {
    SCOPED_TRACE(code);
    ProbeResult result = up_to(Step::Rcpt);
    result.failure = Failure{Step::Rcpt, Reason::ReplyUnexpected, {}, reply(code, "ok")};
    const Verdict verdict = judge(plan, result);
    EXPECT_NE(verdict.state, State::Ok) << code;
    EXPECT_EQ(verdict.findings[0].text, std::to_string(code) + " ok (expected 550 or 554)");
  }
  ProbeResult relayed = up_to(Step::Rcpt);
  relayed.failure = Failure{Step::Rcpt, Reason::ReplyUnexpected, {}, reply(250, "ok")};
  EXPECT_EQ(judge(plan, relayed).state, State::Critical);
}

TEST(Verdict, AgainstAnExpectationTheUsualStatesDoNotHold) {
  ProbePlan plan;
  plan.dialogue.expect[Step::Rcpt] = {pattern("550")};
  plan.dialogue.greylisting = State::Ok;
  EXPECT_EQ(judge(plan, refused(Step::Rcpt, 450, "4.7.1 greylisted")).state, State::Warning);
  EXPECT_EQ(judge(plan, refused(Step::Rcpt, 450, "4.2.1 busy")).state, State::Critical);
  EXPECT_EQ(judge(plan, refused(Step::Rcpt, 252, "maybe")).state, State::Critical);
  EXPECT_EQ(judge(plan, refused(Step::Rcpt, 501, "5.1.3 bad")).state, State::Unknown);
  EXPECT_EQ(judge(plan, refused(Step::Rcpt, 421, "4.7.0 rate limit")).state, State::Warning);
  plan.dialogue.expect[Step::Command] = {pattern("250")};
  EXPECT_EQ(judge(plan, refused(Step::Command, 550, "no")).state, State::Critical);
}

TEST(Verdict, StarttlsWasOfferedWhereItWasUsed) {
  ProbePlan plan;
  plan.require_extensions = {"STARTTLS"};
  ProbeResult result = up_to(Step::Quit);
  StepRecord record;
  record.step = Step::Starttls;
  record.reply = reply(220, "go");
  result.steps.push_back(record);
  record.step = Step::EhloTls;
  record.reply = reply(250, "mx");
  result.steps.push_back(record);
  result.extensions = Extensions();
  EXPECT_EQ(judge(plan, result).state, State::Ok);
  plan.require_extensions.clear();
  plan.forbid_extensions = {"STARTTLS"};  // of the EHLO that counted
  EXPECT_EQ(judge(plan, result).state, State::Ok);
}

TEST(Verdict, ASilentPort465IsExplained) {
  ProbePlan plan;
  plan.port = 465;
  const Verdict verdict = judge(plan, failed(Step::Banner, Reason::Timeout, "no banner in 10.0 s"));
  EXPECT_NE(verdict.findings[0].text.find("--ssl"), std::string::npos);
}

TEST(Verdict, QuitCountsOnlyWhereItWasAskedFor) {
  ProbeResult result = up_to(Step::Quit);
  result.steps.back().reason = Reason::ConnectionClosed;
  result.steps.back().reply.reset();
  EXPECT_EQ(judge(ProbePlan{}, result).state, State::Ok);
  ProbePlan plan;
  plan.dialogue.expect[Step::Quit] = {pattern("221")};
  const Verdict verdict = judge(plan, result);
  EXPECT_EQ(verdict.state, State::Warning);
  EXPECT_EQ(verdict.findings[0].step, Step::Quit);
}

Thresholds limits(const char* warning, const char* critical) {
  Thresholds made;
  if (warning != nullptr) made.warning = *Range::parse(warning);
  if (critical != nullptr) made.critical = *Range::parse(critical);
  return made;
}

TEST(Verdict, SlowOnTheWholeIsToldAtTheLongestStep) {
  ProbePlan plan;
  plan.total = limits("0.02", "1");
  ProbeResult result = up_to(Step::Quit);
  result.steps[2].took = milliseconds(500);  // banner
  result.steps[2].ended += milliseconds(490);
  const Verdict verdict = judge(plan, result);
  EXPECT_EQ(verdict.state, State::Warning);
  EXPECT_EQ(verdict.findings[0].reason, Reason::Slow);
  EXPECT_EQ(verdict.findings[0].step, Step::Banner);
  plan.total = limits("0.02", "0.03");
  EXPECT_EQ(judge(plan, result).state, State::Critical);
  plan.total = limits("10", nullptr);
  EXPECT_EQ(judge(plan, result).state, State::Ok);
}

TEST(Verdict, SlowOnTheWholeAfterADeadAddressIsToldAtConnect) {
  ProbePlan plan;
  plan.total = limits("0.02", "1");
  ProbeResult result = up_to(Step::Quit);
  result.steps[2].took = milliseconds(500);  // banner
  result.failed_attempts = {{"192.0.2.9", Reason::ConnectTimeout, "", milliseconds(600)}};
  result.steps[2].ended += milliseconds(1090);
  const Verdict verdict = judge(plan, result);
  EXPECT_EQ(verdict.state, State::Critical);
  EXPECT_EQ(verdict.findings[0].reason, Reason::Slow);
  EXPECT_EQ(verdict.findings[0].step, Step::Connect);
}

TEST(Verdict, ASlowStep) {
  ProbePlan plan;
  plan.step[Step::Ehlo] = limits(nullptr, "0.005");
  const Verdict verdict = judge(plan, up_to(Step::Quit));
  EXPECT_EQ(verdict.state, State::Critical);
  EXPECT_EQ(verdict.findings[0].step, Step::Ehlo);
}

// Rounded to milliseconds it would be below what it is said to be above.
TEST(Verdict, AStepThatIsSlowByMicrosecondsShowsThem) {
  ProbePlan plan;
  plan.step[Step::Ehlo] = limits(nullptr, "0.0001");
  ProbeResult result = up_to(Step::Quit);
  for (StepRecord& record : result.steps) {
    if (record.step == Step::Ehlo) record.took = std::chrono::microseconds(210);
  }
  EXPECT_NE(judge(plan, result).findings.at(0).text.find("0.000210 s (limit 0.0001)"),
            std::string::npos);
  plan.step[Step::Ehlo] = limits(nullptr, "0.0002");
  for (StepRecord& record : result.steps) {
    if (record.step == Step::Ehlo) record.took = std::chrono::microseconds(5'210);
  }
  EXPECT_NE(judge(plan, result).findings.at(0).text.find("0.005 s (limit 0.0002)"),
            std::string::npos);
  plan.step[Step::Ehlo] = limits(nullptr, "2");
  for (StepRecord& record : result.steps) {
    if (record.step == Step::Ehlo) record.took = std::chrono::microseconds(2'000'400);
  }
  EXPECT_NE(judge(plan, result).findings.at(0).text.find("2.000400 s (limit 2)"),
            std::string::npos);
}

TEST(Verdict, QuitIsOutsideTheResponseTime) {
  ProbePlan plan;
  plan.total = limits(nullptr, "1");
  ProbeResult result = up_to(Step::Quit);
  result.steps.back().took = std::chrono::seconds(2);
  result.steps.back().ended += std::chrono::seconds(2);
  result.ended += std::chrono::seconds(2);
  EXPECT_EQ(judge(plan, result).state, State::Ok);
}

TEST(Verdict, TheWorseStateWinsAndTheRefusalIsNamedFirst) {
  ProbePlan plan;
  plan.total = limits(nullptr, "0.001");
  const Verdict verdict = judge(plan, refused(Step::Rcpt, 450, "4.7.1 greylisted"));
  EXPECT_EQ(verdict.state, State::Critical);
  ASSERT_EQ(verdict.findings.size(), 2U);
  EXPECT_EQ(verdict.findings[0].reason, Reason::Greylisted);
  EXPECT_EQ(verdict.findings[1].reason, Reason::Slow);
}

TEST(Verdict, WhereTheProbeCannotJudgeLatencyIsNoVerdict) {
  ProbePlan plan;
  plan.total = limits(nullptr, "0.001");
  plan.step[Step::Resolve] = limits(nullptr, "0.001");
  const Verdict verdict = judge(plan, failed(Step::Resolve, Reason::DnsNxdomain));
  EXPECT_EQ(verdict.state, State::Unknown);
  EXPECT_EQ(verdict.findings.size(), 1U);
}

ProbeResult with_tls(days left) {
  ProbeResult result = up_to(Step::Quit);
  result.started = WallTime(hours(24 * 20000));
  TlsFacts tls;
  tls.version = "TLSv1.3";
  tls.checked = true;
  tls.checked_name = "mx.test";
  Certificate leaf;
  leaf.common_name = "mx.test";
  leaf.names = {"DNS:mx.test"};
  leaf.not_after = result.started + left;
  tls.chain = {leaf};
  result.tls = tls;
  return result;
}

TEST(Verdict, Expiry) {
  ProbePlan plan;
  plan.tls.expiry = ExpiryThresholds{21, 7};
  EXPECT_EQ(judge(plan, with_tls(days(22))).state, State::Ok);
  EXPECT_EQ(judge(plan, with_tls(days(21))).state, State::Ok);
  EXPECT_EQ(judge(plan, with_tls(days(20))).state, State::Warning);
  EXPECT_EQ(judge(plan, with_tls(days(7))).state, State::Warning);
  EXPECT_EQ(judge(plan, with_tls(days(6))).state, State::Critical);
  EXPECT_EQ(judge(plan, with_tls(days(6))).findings[0].reason, Reason::CertExpiring);
  EXPECT_EQ(judge(plan, with_tls(days(-1))).state, State::Critical);
  EXPECT_EQ(judge(plan, with_tls(days(-1))).findings[0].reason, Reason::CertExpired);
  EXPECT_EQ(judge(ProbePlan{}, with_tls(days(-1))).state, State::Ok);
  plan.tls.ignore_expiration = true;
  EXPECT_EQ(judge(plan, with_tls(days(-1))).state, State::Ok);
}

TEST(Verdict, ExpiryLooksAtTheWholeChain) {
  ProbePlan plan;
  plan.tls.expiry = ExpiryThresholds{21, 7};
  ProbeResult result = with_tls(days(90));
  Certificate issuer;
  issuer.common_name = "Some CA";
  issuer.not_after = result.started + days(3);
  result.tls->chain.push_back(issuer);
  const Verdict verdict = judge(plan, result);
  EXPECT_EQ(verdict.state, State::Critical);
  EXPECT_NE(verdict.findings[0].text.find("Some CA (issuer)"), std::string::npos);
  // An expired cross-signed certificate beside the verified chain is nobody's problem.
  result.tls->verified_chain = {result.tls->chain[0]};
  EXPECT_EQ(judge(plan, result).state, State::Ok);
}

TEST(Verdict, CertificateProblemsByMode) {
  ProbeResult result = with_tls(days(90));
  result.tls->problems = {{Reason::CertNameMismatch, 0, "hostname mismatch"}};
  result.verify = TlsVerify::Report;
  EXPECT_EQ(judge(ProbePlan{}, result).state, State::Ok);
  result.verify = TlsVerify::Warn;
  const Verdict verdict = judge(ProbePlan{}, result);
  EXPECT_EQ(verdict.state, State::Warning);
  EXPECT_EQ(verdict.findings[0].reason, Reason::CertNameMismatch);
  EXPECT_EQ(verdict.findings[0].step, Step::Tls);
}

TEST(Verdict, ACommonNameAloneIsNoName) {
  ProbeResult result = with_tls(days(90));
  result.tls->problems = {{Reason::CertNameMismatch, 0, "hostname mismatch"}};
  result.tls->checked_name = "mx.test";
  result.tls->chain.front().common_name = "mx.test";
  result.tls->chain.front().names = {};
  result.verify = TlsVerify::Warn;
  EXPECT_EQ(judge(ProbePlan{}, result).findings[0].text,
            "certificate is for another name: not for mx.test, it has no subject alternative name "
            "(the common name mx.test does not count)");
  result.tls->chain.front().common_name.clear();
  EXPECT_EQ(judge(ProbePlan{}, result).findings[0].text,
            "certificate is for another name: not for mx.test, it has no subject alternative name");
  result.tls->chain.front().names = {"DNS:other.test"};
  EXPECT_EQ(judge(ProbePlan{}, result).findings[0].text,
            "certificate is for another name: not for mx.test but DNS:other.test");
}

TEST(Verdict, WhatIsWorstIsNamedBeforeACertificateThatRunsOutSoon) {
  ProbePlan plan;
  plan.tls.expiry = ExpiryThresholds{21, 7};
  plan.require_extensions = {"FOO"};
  ProbeResult result = with_tls(days(10));
  result.extensions = Extensions();
  const Verdict verdict = judge(plan, result);
  EXPECT_EQ(verdict.state, State::Critical);
  ASSERT_EQ(verdict.findings.size(), 2U);
  EXPECT_EQ(verdict.findings[0].reason, Reason::ExtensionMissing);
  EXPECT_EQ(verdict.findings[1].reason, Reason::CertExpiring);
}

TEST(Verdict, Extensions) {
  ProbePlan plan;
  plan.require_extensions = {"STARTTLS", "SIZE"};
  plan.forbid_extensions = {"AUTH"};
  ProbeResult result = up_to(Step::Quit);
  Reply ehlo = reply(250, "mx.test");
  ehlo.lines = {"mx.test", "size 1000", "AUTH PLAIN"};
  result.extensions = Extensions(ehlo);
  const Verdict verdict = judge(plan, result);
  EXPECT_EQ(verdict.state, State::Critical);
  ASSERT_EQ(verdict.findings.size(), 2U);
  EXPECT_EQ(verdict.findings[0].reason, Reason::ExtensionMissing);
  EXPECT_EQ(verdict.findings[0].text, "STARTTLS is not offered");
  EXPECT_EQ(verdict.findings[1].reason, Reason::ExtensionForbidden);
  EXPECT_EQ(verdict.findings[1].step, Step::Ehlo);

  result.extensions.reset();  // HELO offers nothing
  EXPECT_EQ(judge(plan, result).findings.size(), 2U);
  EXPECT_TRUE(judge(plan, failed(Step::Connect, Reason::ConnectionRefused)).findings.size() == 1);
}

TEST(Verdict, ServerTextIsSanitised) {
  const Verdict verdict =
      judge(ProbePlan{}, refused(Step::Mail, 550, "a|b=1\x1b[31m \xff" + std::string(600, 'x')));
  const std::string& text = verdict.findings[0].text;
  EXPECT_EQ(text.find('|'), std::string::npos);
  EXPECT_EQ(text.find('\x1b'), std::string::npos);
  EXPECT_LE(text.size(), 256U + 160U);
}

}  // namespace
}  // namespace smtpprobe
