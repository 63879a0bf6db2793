// The long text of -v, -vv and -vvv.
#include "plugin/verbose.h"

#include <gtest/gtest.h>

#include "tests/unit/result_samples.h"

namespace smtpprobe {
namespace {

using namespace samples;

std::string text_of(const ProbeResult& result, int level, bool colour = false) {
  const Options options = options_for();
  return verbose_text(options.plan, result, judge(options.plan, result), level, colour);
}

TEST(Verbose, LevelZeroIsSilent) { EXPECT_EQ(text_of(greeted(), 0), ""); }

TEST(Verbose, TheTableIsAlignedAndFitsEightyColumns) {
  ProbeResult result = greeted();
  refused(result, Step::Rcpt, 550, "5.1.1 <x@y>: " + std::string(200, 'r'));
  const std::vector<std::string> lines = lines_of(text_of(result, 1));
  ASSERT_EQ(lines.size(), 5U);
  EXPECT_EQ(lines[0], "step      code  status   seconds  text");
  EXPECT_EQ(lines[1], "connect   -     -       0.010000  192.0.2.1 port 25");
  EXPECT_EQ(lines[2], "banner    220   -       0.010000  mx.example.net ESMTP");
  EXPECT_TRUE(lines[4].starts_with("rcpt      550   5.1.1   0.010000  <x@y>: rrr")) << lines[4];
  EXPECT_EQ(lines[4].size(), 80U);
  EXPECT_TRUE(lines[4].ends_with("..."));
}

TEST(Verbose, AStepThatNeverRanIsShownWithItsReason) {
  ProbeResult result = greeted();
  result.failure = Failure{Step::Starttls, Reason::StarttlsNotOffered, {}, std::nullopt};
  EXPECT_EQ(lines_of(text_of(result, 1)).back(),
            "starttls  -     -              -  STARTTLS not offered");
}

TEST(Verbose, ColoursSayTheOutcome) {
  ProbeResult result = greeted();
  refused(result, Step::Rcpt, 550, "5.1.1 no");
  EXPECT_EQ(text_of(result, 3).find('\x1b'), std::string::npos);
  const std::vector<std::string> lines = lines_of(text_of(result, 1, true));
  EXPECT_TRUE(lines[1].starts_with("\x1b[32mconnect")) << lines[1];
  EXPECT_TRUE(lines[4].starts_with("\x1b[31mrcpt")) << lines[4];
  EXPECT_TRUE(lines[4].ends_with("\x1b[0m"));
}

TEST(Verbose, AllFindingsStandBelowTheTable) {
  ProbeResult result = greeted();
  refused(result, Step::Rcpt, 550, "5.1.1 no");
  Options options = options_for();
  options.plan.total.warning = range("0.001");
  const std::string text =
      verbose_text(options.plan, result, judge(options.plan, result), 1, false);
  EXPECT_NE(text.find("\nCRITICAL  rcpt: 550 5.1.1 no\n"), std::string::npos) << text;
  EXPECT_NE(text.find("\nWARNING   "), std::string::npos) << text;
}

TEST(Verbose, TheTranscriptHasOffsetsAndSpeakers) {
  ProbeResult result = greeted();
  says(result, TranscriptLine::Who::Probe, "connection closed");
  const std::string text = text_of(result, 2);
  EXPECT_NE(text.find("\n+0.020 S: 220 mx.example.net ESMTP\n"), std::string::npos) << text;
  EXPECT_NE(text.find("\n+0.020 C: EHLO probe.example.net\n"), std::string::npos);
  EXPECT_NE(text.find("\n+0.030 -- connection closed\n"), std::string::npos);
  EXPECT_EQ(text_of(result, 1).find("EHLO probe"), std::string::npos);
}

TEST(Verbose, FailedAddressesOfANameAreShownAtEveryLevelOnce) {
  ProbeResult result = greeted();
  result.addresses = 2;
  result.failed_attempts = {{"192.0.2.9", Reason::ConnectTimeout, "no answer", milliseconds(1667)}};
  for (const int level : {1, 2, 3}) {
    const std::string text = text_of(result, level);
    const std::string line =
        "\ntried           192.0.2.9: connection attempt timed out: no answer (1.667 s)\n";
    const std::size_t at = text.find(line);
    EXPECT_NE(at, std::string::npos) << text;
    EXPECT_EQ(text.find("tried ", at + line.size()), std::string::npos) << text;
  }
}

TEST(Verbose, LevelThreeShowsEverything) {
  ProbeResult result = greeted();
  secured(result, {certificate("mx.example.net", 90), certificate("Example CA", -2)});
  result.tls->problems = {{Reason::CertUntrusted, 0, "self-signed certificate"}};
  result.failed_attempts = {{"2001:db8::1", Reason::ConnectionRefused, "port 25", milliseconds(2)}};
  result.notes = Note::BareLf;
  result.auth_mechanism = Mechanism::Plain;
  refused(result, Step::Rcpt, 550, "5.1.1 no");
  const std::string text = text_of(result, 3);
  for (const std::string_view part :
       {"target          mx.example.net:25\n",
        "tried           2001:db8::1: connection refused: port 25 (0.002 s)\n",
        "peer            192.0.2.1 port 25\n",
        "local address   192.0.2.7:41234\n",
        "TLS             TLSv1.3\n",
        "cipher          TLS_AES_256_GCM_SHA384\n",
        "group           x25519\n",
        "server name     mx.example.net\n",
        "checked name    mx.example.net\n",
        "verification    report\n",
        "problem         cert_untrusted: depth 0: certificate not trusted: self-signed",
        "certificate 1 of 2, as sent\n",
        "  subject       CN=mx.example.net,O=Example\n",
        "  issuer        CN=Example CA\n",
        "  names         DNS:mx.example.net\n",
        "  not before    2026-10-24T12:00:00Z\n",
        "  not after     2027-02-21T13:00:00Z (90 days left)\n",
        "  not after     2026-11-21T13:00:00Z (expired 1 days ago)\n",
        "  key           EC prime256v1\n",
        "  signature     ecdsa-with-SHA256\n",
        "  SHA-256       aaaa",
        "extension       SIZE 1000\n",
        "AUTH offered    PLAIN, LOGIN\n",
        "AUTH used       PLAIN\n",
        "note            bare_lf\n"}) {
    EXPECT_NE(text.find(part), std::string::npos) << part << "\nnot in\n" << text;
  }
  const std::string explained = *explain("550");
  EXPECT_NE(text.find("\nwhat 550 5.1.1 means\n  " + explained.substr(0, explained.find('\n'))),
            std::string::npos)
      << text;
  result.tls->problems.clear();
  result.tls->verified_chain = result.tls->chain;
  EXPECT_NE(text_of(result, 3).find("verification    report, verified\n"), std::string::npos);
  EXPECT_NE(text_of(result, 3).find("verified chain  CN=mx.example.net,O=Example <- CN=Example CA"),
            std::string::npos);
}

TEST(Verbose, WhatIsNoRefusalIsNotExplained) {
  ProbeResult result = greeted();
  refused(result, Step::Banner, 220, "mx.example.net");
  EXPECT_EQ(text_of(result, 3).find(" means\n"), std::string::npos);
}

}  // namespace
}  // namespace smtpprobe
