// Whose fault a deadline is, as a table of timelines.
#include "common/probe/time_ledger.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <utility>
#include <vector>

namespace smtpprobe {
namespace {

using std::chrono::milliseconds;
using Cause = TimeLedger::Cause;
using enum TimeUse;

const Instant kStart{std::chrono::hours(5)};
constexpr milliseconds kAllowed(5000);

struct Timeline {
  const char* name;
  std::vector<std::pair<TimeUse, int>> spent;  // milliseconds
  int ended;                                   // milliseconds
  Cause cause;
  int unaccounted;
};

class TimelineTest : public testing::TestWithParam<Timeline> {};

TEST_P(TimelineTest, HasOneOwner) {
  TimeLedger ledger(kStart, kAllowed);
  for (const auto& [use, ms] : GetParam().spent) ledger.add(use, milliseconds(ms));
  const Instant end = kStart + milliseconds(GetParam().ended);
  EXPECT_EQ(ledger.unaccounted(end), milliseconds(GetParam().unaccounted));
  EXPECT_EQ(ledger.cause_of_timeout(end), GetParam().cause);
}

INSTANTIATE_TEST_SUITE_P(
    All, TimelineTest,
    testing::Values(
        Timeline{"SilentServer", {{Connecting, 1}, {Receiving, 4999}}, 5000, Cause::Server, 0},
        Timeline{"DeadFirstAddressThenSilentServer",
                 {{Resolving, 2}, {Connecting, 3300}, {Connecting, 1}, {Receiving, 1690}},
                 5000,
                 Cause::Server,
                 7},
        Timeline{
            "AllAddressesDead", {{Connecting, 2500}, {Connecting, 2500}}, 5000, Cause::Server, 0},
        Timeline{"StalledUpload",
                 {{Connecting, 1}, {Receiving, 20}, {Sending, 4970}},
                 5000,
                 Cause::Server,
                 9},
        Timeline{
            "UploadTakenThenNoReply", {{Sending, 3000}, {Receiving, 2000}}, 5000, Cause::Server, 0},
        Timeline{"SlowNameServer",
                 {{Resolving, 4800}, {Connecting, 1}, {Receiving, 199}},
                 5000,
                 Cause::Server,
                 0},
        Timeline{"LongQueue",
                 {{Queued, 4000}, {Connecting, 1}, {Receiving, 999}},
                 5000,
                 Cause::OtherProbes,
                 0},
        Timeline{"ShortQueue",
                 {{Queued, 2000}, {Connecting, 1}, {Receiving, 2999}},
                 5000,
                 Cause::Server,
                 0},
        Timeline{
            "HalfTheTimeIsEnough", {{Queued, 2500}, {Receiving, 2500}}, 5000, Cause::Server, 0},
        Timeline{"AMillisecondLessIsNot",
                 {{Queued, 2501}, {Receiving, 2499}},
                 5000,
                 Cause::OtherProbes,
                 0},
        Timeline{"SeveralQueues",
                 {{Queued, 1000}, {Queued, 1000}, {Queued, 600}, {Receiving, 2400}},
                 5000,
                 Cause::OtherProbes,
                 0},
        Timeline{"SuspendedHost", {{Connecting, 1}, {Receiving, 99}}, 9100, Cause::Host, 9000},
        Timeline{"SuspendedWhileTheServerWasSilent",
                 {{Connecting, 1}, {Receiving, 8999}},
                 9000,
                 Cause::Server,
                 0},
        Timeline{"BusyHost", {{Connecting, 1000}, {Receiving, 1000}}, 5000, Cause::Host, 3000},
        Timeline{"QueueAndBusyHost", {{Queued, 1500}, {Receiving, 1900}}, 5000, Cause::Host, 1600},
        Timeline{"BusyHostAndQueue",
                 {{Queued, 1600}, {Receiving, 1900}},
                 5000,
                 Cause::OtherProbes,
                 1500},
        Timeline{
            "SlowHandshakeOfOurs", {{Computing, 3000}, {Receiving, 2000}}, 5000, Cause::Host, 0},
        Timeline{"SlowHandshakeOfThePeer",
                 {{Computing, 100}, {Receiving, 4900}},
                 5000,
                 Cause::Server,
                 0},
        Timeline{
            "ComputingAndLost", {{Computing, 1300}, {Receiving, 2400}}, 5000, Cause::Host, 1300},
        Timeline{"TheLimitOfAStepBeforeTheDeadline",
                 {{Queued, 4000}, {Receiving, 50}},
                 4060,
                 Cause::Server,
                 10},
        Timeline{
            "NothingIsNegative", {{Receiving, -500}, {Receiving, 5000}}, 5000, Cause::Server, 0},
        Timeline{"MoreThanElapsed", {{Receiving, 6000}}, 5000, Cause::Server, 0}),
    [](const auto& one) { return std::string(one.param.name); });

TEST(TimeLedger, KeepsEachUseApart) {
  TimeLedger ledger(kStart, kAllowed);
  ledger.add(Queued, milliseconds(5));
  ledger.add(Queued, milliseconds(6));
  ledger.add(Computing, milliseconds(7));
  EXPECT_EQ(ledger.total(Queued), milliseconds(11));
  EXPECT_EQ(ledger.total(Computing), milliseconds(7));
  EXPECT_EQ(ledger.total(Connecting), Duration::zero());
  EXPECT_EQ(ledger.unaccounted(kStart + milliseconds(20)), milliseconds(2));
  EXPECT_EQ(ledger.host_time(kStart + milliseconds(20)), milliseconds(9));
}

TEST(TimeLedger, TakesTheStepsOfADialogue) {
  StepRecord message;
  message.step = Step::Message;
  message.took = milliseconds(900);
  message.sending = milliseconds(700);
  StepRecord banner;
  banner.took = milliseconds(30);
  TimeLedger ledger(kStart, kAllowed);
  ledger.add(std::vector{banner, message});
  EXPECT_EQ(ledger.total(Sending), milliseconds(700));
  EXPECT_EQ(ledger.total(Receiving), milliseconds(230));
}

}  // namespace
}  // namespace smtpprobe
