// Perfdata: labels, numbers, thresholds, and when there is none.
#include "plugin/perfdata.h"

#include <gtest/gtest.h>

#include "tests/unit/result_samples.h"

namespace smtpprobe {
namespace {

using namespace samples;

TEST(Perfdata, TimeFirstThenEveryStepThatRan) {
  const ProbeResult result = greeted();
  EXPECT_EQ(perfdata(ProbePlan(), result, 1),
            "time=0.030000s;;;0.000000 time_connect=0.010000s;;;0.000000 "
            "time_banner=0.010000s;;;0.000000 time_ehlo=0.010000s;;;0.000000");
}

TEST(Perfdata, ResolveIsThereForANameAndQuitIsOutsideTime) {
  ProbeResult result = started();
  ran(result, Step::Resolve);
  ran(result, Step::Connect);
  ran(result, Step::Quit, reply(221, "bye"), milliseconds(500));
  EXPECT_EQ(perfdata(ProbePlan(), result, 1),
            "time=0.020000s;;;0.000000 time_resolve=0.010000s;;;0.000000 "
            "time_connect=0.010000s;;;0.000000 time_quit=0.500000s;;;0.000000");
}

TEST(Perfdata, PlainThresholdsAsNumbersRangesAsGiven) {
  ProbeResult result = started();
  ran(result, Step::Connect);
  ProbePlan plan;
  plan.total.warning = range("1");
  plan.total.critical = range("5.5");
  plan.step[Step::Connect].critical = range("@1:2");
  EXPECT_EQ(perfdata(plan, result, 1),
            "time=0.010000s;1.000000;5.500000;0.000000 time_connect=0.010000s;;@1:2;0.000000");
}

TEST(Perfdata, CertificateDaysAreWholeAndRoundedDown) {
  ProbeResult result = started();
  ran(result, Step::Connect);
  secured(result, {certificate("mx.example.net", 29), certificate("Example CA", 12)});
  ProbePlan plan;
  EXPECT_TRUE(perfdata(plan, result, 1).ends_with("0.000000 cert_days_left=12"));
  plan.tls.expiry = ExpiryThresholds{30, 10};
  EXPECT_TRUE(perfdata(plan, result, 1).ends_with(" cert_days_left=12;30:;10:"));
  plan.tls.expiry = ExpiryThresholds{14.5, 0};
  result.tls->chain = {certificate("mx.example.net", -3)};
  EXPECT_TRUE(perfdata(plan, result, 1).ends_with(" cert_days_left=-3;14.5:;0:"));
}

TEST(Perfdata, NoneWhereNoClockRan) { EXPECT_EQ(perfdata(ProbePlan(), started(), 1), ""); }

TEST(Perfdata, LaterEndpointsHaveTheirNumberInTheLabel) {
  ProbeResult result = started();
  ran(result, Step::Connect);
  secured(result, {certificate("mx.example.net", 29)});
  const std::string text = perfdata(ProbePlan(), result, 2);
  EXPECT_TRUE(text.starts_with("time_2=0.040000s;;;0.000000 time_connect_2=")) << text;
  EXPECT_TRUE(text.ends_with(" cert_days_left_2=29")) << text;
}

}  // namespace
}  // namespace smtpprobe
