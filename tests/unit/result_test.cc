// The few things a result works out of its parts.
#include "common/probe/result.h"

#include <gtest/gtest.h>

#include <chrono>

namespace smtpprobe {
namespace {

using std::chrono::milliseconds;

const Instant kStart{std::chrono::hours(5)};

StepRecord record(Step step, int began_ms, int ended_ms) {
  StepRecord r;
  r.step = step;
  r.began = kStart + milliseconds(began_ms);
  r.ended = kStart + milliseconds(ended_ms);
  r.took = r.ended - r.began;
  return r;
}

ProbeResult result() {
  ProbeResult r;
  r.began = kStart;
  r.ended = kStart + milliseconds(900);
  return r;
}

TEST(ProbeResult, FindsAStep) {
  ProbeResult r = result();
  EXPECT_EQ(r.step(Step::Banner), nullptr);
  r.steps = {record(Step::Connect, 0, 1), record(Step::Banner, 1, 3), record(Step::Quit, 5, 6)};
  EXPECT_EQ(r.step(Step::Banner), &r.steps[1]);
  EXPECT_EQ(r.step(Step::Quit), &r.steps[2]);
  EXPECT_EQ(r.step(Step::Ehlo), nullptr);
}

TEST(ProbeResult, ResponseTimeEndsBeforeQuit) {
  ProbeResult r = result();
  EXPECT_EQ(r.response_time(), milliseconds(900));  // nothing ran
  r.steps = {record(Step::Quit, 5, 700)};
  EXPECT_EQ(r.response_time(), milliseconds(900));
  r.steps = {record(Step::Connect, 0, 1), record(Step::Banner, 10, 30),
             record(Step::Quit, 30, 800)};
  EXPECT_EQ(r.response_time(), milliseconds(30));
  r.steps = {record(Step::Connect, 0, 40), record(Step::Tls, 1, 12)};
  EXPECT_EQ(r.response_time(), milliseconds(40));  // the last to end, whatever its place
}

TEST(MostTelling, OfTheFailuresOfAllAddresses) {
  const auto attempts = [](std::initializer_list<Reason> reasons) {
    std::vector<AddressAttempt> all;
    for (const Reason reason : reasons) all.push_back({"192.0.2.1", reason, "", {}});
    return all;
  };
  using enum Reason;
  EXPECT_EQ(most_telling(attempts({ConnectTimeout})), 0U);
  EXPECT_EQ(most_telling(attempts({ConnectTimeout, ConnectionRefused, ConnectTimeout})), 1U);
  EXPECT_EQ(most_telling(attempts({HostUnreachable, ConnectTimeout})), 1U);
  EXPECT_EQ(most_telling(attempts({LocalError, HostUnreachable, LocalError})), 1U);
  EXPECT_EQ(most_telling(attempts({ConnectionRefused, ConnectionReset})), 0U);
  EXPECT_EQ(most_telling(attempts({LocalError, LocalError})), 0U);
}

Certificate certificate(WallTime not_after) {
  Certificate c;
  c.not_after = not_after;
  return c;
}

TEST(ProbeResult, DaysLeftOfTheCertificateThatExpiresFirst) {
  using std::chrono::days;
  using std::chrono::hours;
  ProbeResult r = result();
  r.started = WallTime(days(20000));
  EXPECT_EQ(r.cert_days_left(), std::nullopt);
  r.tls.emplace();
  EXPECT_EQ(r.cert_days_left(), std::nullopt);
  r.tls->chain = {certificate(r.started + days(90))};
  EXPECT_DOUBLE_EQ(r.cert_days_left().value(), 90);
  r.tls->chain.push_back(certificate(r.started + hours(36)));
  EXPECT_DOUBLE_EQ(r.cert_days_left().value(), 1.5);
  r.tls->chain.push_back(certificate(r.started - hours(12)));
  EXPECT_DOUBLE_EQ(r.cert_days_left().value(), -0.5);
  r.tls->verified_chain = {certificate(r.started + days(30)), certificate(r.started + days(3000))};
  EXPECT_DOUBLE_EQ(r.cert_days_left().value(), 30);
  r.tls->verified_chain = {certificate(WallTime(std::chrono::seconds(253402300799)))};  // year 9999
  EXPECT_NEAR(r.cert_days_left().value(), 2912896, 1);
}

}  // namespace
}  // namespace smtpprobe
