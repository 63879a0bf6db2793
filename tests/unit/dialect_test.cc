// The dialect check_smtp: every text and exit code that it fixes.
#include "plugin/dialect.h"

#include <gtest/gtest.h>

#include "plugin/output.h"
#include "tests/unit/result_samples.h"

namespace smtpprobe {
namespace {

using namespace samples;

struct Shown {
  std::vector<std::string> lines;
  int exit_code = 0;
};

Options old_options() {
  Options options = options_for();
  options.dialect = Dialect::CheckSmtp;
  return options;
}

Shown shown(const Options& options, const ProbeResult& result) {
  const Rendered rendered = render(options, std::span(&result, 1), false);
  return {lines_of(rendered.text), rendered.exit_code};
}

TEST(Dialect, StarttlsNotOfferedIsExactlyOneLine) {
  ProbeResult result = greeted();
  result.failure = Failure{Step::Starttls, Reason::StarttlsNotOffered, {}, std::nullopt};
  Options options = old_options();
  options.plan.total.critical = range("0.001");  // check_smtp does not come to weigh it
  options.plan.tls.expiry = ExpiryThresholds{30, 10};
  const Rendered out = render(options, std::span(&result, 1), false);
  EXPECT_EQ(out.text, "WARNING - TLS not supported by server\n");
  EXPECT_EQ(out.exit_code, 1);
  options.dialect = Dialect::Native;
  EXPECT_EQ(render(options, std::span(&result, 1), false).exit_code, 2);
}

TEST(Dialect, RefusedConnection) {
  ProbeResult result = started();
  failed(result, Step::Connect, Reason::ConnectionRefused);
  Options options = old_options();
  const Shown out = shown(options, result);
  ASSERT_EQ(out.lines.size(), 2U);
  EXPECT_EQ(out.exit_code, 2);
  EXPECT_EQ(out.lines[0], "connect to address mx.example.net and port 25: Connection refused");
  EXPECT_TRUE(out.lines[1].starts_with("SMTP CRITICAL - connect: connection refused"))
      << out.lines[1];
  EXPECT_NE(out.lines[1].find(" sec. response time|time=0.010000s;"), std::string::npos);
  options.plan.target = Target{};
  options.plan.target.unix_path = "/run/lmtp";
  EXPECT_EQ(shown(options, result).lines[0],
            "connect to file socket /run/lmtp: Connection refused");
}

TEST(Dialect, FailedHandshake) {
  for (const Reason reason : {Reason::TlsNotTls, Reason::TlsAlert, Reason::TlsVersion,
                              Reason::TlsHandshake, Reason::ConnectionClosed}) {
    ProbeResult result = started();
    ran(result, Step::Connect);
    failed(result, Step::Tls, reason, "wrong version number " + std::string(600, 'x'));
    const Shown out = shown(old_options(), result);
    EXPECT_EQ(out.exit_code, 2);
    ASSERT_EQ(out.lines.size(), 1U);
    EXPECT_TRUE(out.lines[0].starts_with("CRITICAL - Cannot make SSL connection. "))
        << out.lines[0];
    EXPECT_NE(out.lines[0].find("wrong version number"), std::string::npos);
    EXPECT_NE(out.lines[0].find("cannot create TLS context"), std::string::npos);
    EXPECT_NE(out.lines[0].find("|time="), std::string::npos);
  }
}

TEST(Dialect, AnyBannerButTheExpectedOneIsAWarning) {
  ProbeResult result = started();
  ran(result, Step::Connect);
  refused(result, Step::Banner, 554, "5.7.1 go away");
  Options options = old_options();
  options.plan.total.critical = range("0.001");
  const Shown out = shown(options, result);
  EXPECT_EQ(out.exit_code, 1);
  EXPECT_TRUE(out.lines[0].starts_with("SMTP WARNING - banner: 554 5.7.1 go away")) << out.lines[0];
  options.dialect = Dialect::Native;
  EXPECT_EQ(shown(options, result).exit_code, 2);

  for (const Reason reason : {Reason::ConnectionClosed, Reason::ConnectionReset,
                              Reason::ReplyMalformed, Reason::ReplyMixedCodes}) {
    ProbeResult closed = started();
    ran(closed, Step::Connect);
    failed(closed, Step::Banner, reason, "received 5 bytes");
    const Shown line = shown(old_options(), closed);
    EXPECT_EQ(line.exit_code, 1);
    EXPECT_TRUE(line.lines[0].starts_with("SMTP WARNING - banner: ")) << line.lines[0];
  }
  // A server that closes later is no such case.
  ProbeResult later = greeted();
  failed(later, Step::Mail, Reason::ConnectionClosed);
  EXPECT_EQ(shown(old_options(), later).exit_code, 2);
}

TEST(Dialect, ResponseMismatch) {
  ProbeResult result = greeted();
  const Reply said = reply(250, "2.1.5 Ok");
  ran(result, Step::Command, said).reason = Reason::ReplyUnexpected;
  result.failure = Failure{Step::Command, Reason::ReplyUnexpected, "RCPT TO:<x@y>", said};
  const Shown out = shown(old_options(), result);
  EXPECT_EQ(out.exit_code, 1);
  EXPECT_TRUE(out.lines[0].starts_with(
      "SMTP WARNING - Invalid response '250 2.1.5 Ok' to command 'RCPT TO:<x@y>' - 0.040 sec. "
      "response time|time="))
      << out.lines[0];
}

TEST(Dialect, ATimeOverItsLimitAloneStandsFirst) {
  const ProbeResult result = greeted();
  Options options = old_options();
  options.plan.total.warning = range("0.001");
  const Shown out = shown(options, result);
  EXPECT_EQ(out.exit_code, 1);
  EXPECT_TRUE(out.lines[0].starts_with("SMTP WARNING - 0.030 sec. response time, "))
      << out.lines[0];
  EXPECT_NE(out.lines[0].find("(limit 0.001)|time=0.030000s;0.001000;"), std::string::npos)
      << out.lines[0];
  ProbeResult refusing = greeted();
  refused(refusing, Step::Mail, 530, "5.7.0 no");
  EXPECT_TRUE(shown(options, refusing).lines[0].starts_with("SMTP CRITICAL - mail: 530 5.7.0 no"));
}

TEST(Dialect, SocketTimeoutNamesTheStepAndKeepsPerfdata) {
  ProbeResult result = greeted();
  ran(result, Step::Rcpt, std::nullopt, std::chrono::milliseconds(9970)).reason = Reason::Timeout;
  result.failure = Failure{Step::Rcpt, Reason::Timeout, "no reply in 10.0 s", std::nullopt};
  Options options = old_options();
  const Shown out = shown(options, result);
  EXPECT_EQ(out.exit_code, 2);
  EXPECT_TRUE(out.lines[0].starts_with("CRITICAL - Socket timeout after 10 seconds, rcpt: "))
      << out.lines[0];
  EXPECT_NE(out.lines[0].find("|time=10.000000s;"), std::string::npos) << out.lines[0];
  options.plan.timeout = std::chrono::seconds(60);  // a limit of the step ended it
  options.plan.timeout_state = State::Unknown;
  const Shown own = shown(options, result);
  EXPECT_EQ(own.exit_code, 3);
  EXPECT_TRUE(own.lines[0].starts_with("UNKNOWN - Socket timeout after 10 seconds, rcpt: "));
}

TEST(Dialect, UnresolvableName) {
  for (const Reason reason : {Reason::DnsNxdomain, Reason::DnsNodata, Reason::DnsServfail,
                              Reason::DnsTimeout, Reason::DnsMalformed}) {
    ProbeResult result = started();
    failed(result, Step::Resolve, reason);
    Options options = old_options();
    options.plan.total.critical = range("0.001");
    const Shown out = shown(options, result);
    ASSERT_EQ(out.lines.size(), 2U);
    EXPECT_EQ(out.exit_code, 3);
    EXPECT_EQ(out.lines[0], "check_smtp: Invalid hostname/address - mx.example.net");
    EXPECT_TRUE(out.lines[1].starts_with("SMTP UNKNOWN - resolve: ")) << out.lines[1];
  }
}

TEST(Dialect, CertificateLines) {
  struct Case {
    int days;
    std::string_view line;
    int exit_code;
  };
  const Case cases[] = {
      {400, "OK - Certificate 'mx.example.net' will expire on Tue Dec 28 13:00:00 2027 +0000.", 0},
      {20,
       "WARNING - Certificate 'mx.example.net' expires in 20 day(s) (Sun Dec 13 13:00:00 2026 "
       "+0000).",
       1},
      {4,
       "CRITICAL - Certificate 'mx.example.net' expires in 4 day(s) (Fri Nov 27 13:00:00 2026 "
       "+0000).",
       2},
      {0,
       "CRITICAL - Certificate 'mx.example.net' expires in 1 hours (Mon Nov 23 13:00:00 2026 "
       "+0000).",
       2},
      {-295, "CRITICAL - Certificate 'mx.example.net' expired on Sun Feb  1 13:00:00 2026 +0000.",
       2},
  };
  Options options = old_options();
  options.plan.tls.expiry = ExpiryThresholds{30, 10};
  for (const Case& one : cases) {
    ProbeResult result = greeted();
    secured(result, {certificate("mx.example.net", one.days)});
    const Shown out = shown(options, result);
    EXPECT_EQ(out.exit_code, one.exit_code);
    ASSERT_EQ(out.lines.size(), 2U);
    EXPECT_EQ(out.lines[0].substr(0, out.lines[0].find('|')), one.line);
    EXPECT_NE(out.lines[0].find("|time=0.060000s;"), std::string::npos);
    EXPECT_EQ(out.lines[1], "SMTP OK - 0.060 sec. response time, 250 at ehlo_tls, TLSv1.3");
  }
}

TEST(Dialect, WhatIsWorseThanTheCertificateComesFirst) {
  ProbeResult result = greeted();
  secured(result, {certificate("mx.example.net", 20)});
  refused(result, Step::Rcpt, 550, "5.1.1 no");
  Options options = old_options();
  options.plan.tls.expiry = ExpiryThresholds{30, 10};
  const Shown out = shown(options, result);
  EXPECT_EQ(out.exit_code, 2);
  ASSERT_EQ(out.lines.size(), 2U);
  EXPECT_TRUE(out.lines[0].starts_with("SMTP CRITICAL - rcpt: 550 5.1.1 no - 0.070 sec."));
  EXPECT_NE(out.lines[0].find("|time="), std::string::npos);
  EXPECT_TRUE(out.lines[1].starts_with("WARNING - Certificate 'mx.example.net' expires in 20 day"));
}

TEST(Dialect, AnExpiredCertificateThatEndedTheWalkIsNoOkBelow) {
  ProbeResult result = greeted();
  secured(result, {certificate("mx.example.net", -20)});
  result.steps.pop_back();
  result.verify = TlsVerify::Require;
  result.failure = Failure{Step::Tls, Reason::CertExpired, "certificate has expired", std::nullopt};
  Options options = old_options();
  options.plan.tls.expiry = ExpiryThresholds{30, 10};
  const Shown out = shown(options, result);
  EXPECT_EQ(out.exit_code, 2);
  EXPECT_TRUE(out.lines[0].starts_with("CRITICAL - Certificate 'mx.example.net' expired on "));
  EXPECT_TRUE(out.lines[1].starts_with("SMTP CRITICAL - tls: ")) << out.lines[1];
}

TEST(Dialect, AnIgnoredExpiryIsOk) {
  ProbeResult result = greeted();
  secured(result, {certificate("mx.example.net", -20)});
  Options options = old_options();
  options.plan.tls.expiry = ExpiryThresholds{30, 10};
  options.plan.tls.ignore_expiration = true;
  const Shown out = shown(options, result);
  EXPECT_EQ(out.exit_code, 0);
  EXPECT_TRUE(out.lines[0].starts_with("OK - Certificate 'mx.example.net' expired on "));
}

TEST(Dialect, ElseAsNative) {
  ProbeResult fine = greeted();
  EXPECT_TRUE(shown(old_options(), fine)
                  .lines[0]
                  .starts_with("SMTP OK - 0.030 sec. response time, 250 at ehlo|time="));
  ProbeResult result = greeted();
  refused(result, Step::Mail, 530, "5.7.0 no");
  Options native = old_options();
  native.dialect = Dialect::Native;
  EXPECT_EQ(shown(old_options(), result).lines, shown(native, result).lines);
  EXPECT_EQ(shown(old_options(), result).exit_code, 2);
}

}  // namespace
}  // namespace smtpprobe
