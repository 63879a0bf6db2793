// The rows of steps that tables and pages show.
#include "common/probe/step_table.h"

#include <gtest/gtest.h>

#include "tests/unit/result_samples.h"

namespace smtpprobe {
namespace {

using namespace samples;

std::vector<StepRow> rows_of(const ProbeResult& result, const ProbePlan& plan = {}) {
  return step_rows(result, judge(plan, result));
}

TEST(StepTable, ARefusalHasItsCodeItsStatusAndTheTextWithoutIt) {
  ProbeResult result = greeted();
  refused(result, Step::Rcpt, 550, "5.1.1 <x@y>: no");
  const std::vector<StepRow> rows = rows_of(result);
  ASSERT_EQ(rows.size(), 4U);
  EXPECT_EQ(rows[0].text, "192.0.2.1 port 25");
  EXPECT_EQ(rows[0].code, "");
  EXPECT_EQ(rows[1].text, "mx.example.net ESMTP");
  EXPECT_EQ(rows[1].state, State::Ok);
  EXPECT_EQ(rows[1].reason, Reason::None);
  EXPECT_EQ(rows[3].step, Step::Rcpt);
  EXPECT_EQ(rows[3].code, "550");
  EXPECT_EQ(rows[3].status, "5.1.1");
  EXPECT_EQ(rows[3].text, "<x@y>: no");
  EXPECT_EQ(rows[3].state, State::Critical);
  EXPECT_EQ(rows[3].reason, Reason::Reply5xx);
  EXPECT_EQ(rows[3].took, Duration(milliseconds(10)));
}

TEST(StepTable, AStepThatNeverRanIsTheLastRowAndHasNoTime) {
  ProbeResult result = greeted();
  result.failure = Failure{Step::Starttls, Reason::StarttlsNotOffered, {}, std::nullopt};
  const StepRow last = rows_of(result).back();
  EXPECT_EQ(last.step, Step::Starttls);
  EXPECT_EQ(last.took, std::nullopt);
  EXPECT_EQ(last.text, "STARTTLS not offered");
  EXPECT_EQ(last.state, State::Critical);
}

TEST(StepTable, OfSeveralFindingsTheFirstReasonAndTheWorstState) {
  ProbeResult result = greeted();
  Verdict verdict;
  verdict.findings = {{State::Warning, Step::Ehlo, Reason::Slow, "a"},
                      {State::Critical, Step::Ehlo, Reason::ExtensionMissing, "b"}};
  const StepRow ehlo = step_rows(result, verdict).back();
  EXPECT_EQ(ehlo.reason, Reason::Slow);
  EXPECT_EQ(ehlo.state, State::Critical);
}

TEST(StepTable, TheTroubleOfTlsComesBeforeItsCipher) {
  ProbeResult result = greeted();
  secured(result, {certificate("mx.example.net", 90)});
  result.tls->problems = {{Reason::CertUntrusted, 0, "self-signed certificate"}};
  const std::vector<StepRow> rows = rows_of(result);
  const auto tls = std::find_if(rows.begin(), rows.end(),
                                [](const StepRow& row) { return row.step == Step::Tls; });
  ASSERT_NE(tls, rows.end());
  EXPECT_TRUE(tls->text.starts_with("certificate not trusted: self-signed certificate"))
      << tls->text;
  EXPECT_TRUE(tls->text.ends_with(", TLSv1.3 TLS_AES_256_GCM_SHA384")) << tls->text;
}

TEST(StepTable, WordsOfFailuresDoNotRepeatThemselves) {
  EXPECT_EQ(failure_words(Reason::ConnectionRefused, ""), "connection refused");
  EXPECT_EQ(failure_words(Reason::ConnectionRefused, "by x"), "connection refused: by x");
  EXPECT_EQ(failure_words(Reason::ConnectionRefused, "connection refused by x"),
            "connection refused by x");
}

TEST(StepTable, AUnixSocketIsItsPath) {
  Endpoint endpoint;
  endpoint.address = "/run/lmtp";
  EXPECT_EQ(endpoint_text(endpoint), "/run/lmtp");
}

}  // namespace
}  // namespace smtpprobe
