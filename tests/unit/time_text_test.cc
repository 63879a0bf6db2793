// Times and durations in words.
#include "common/probe/time_text.h"

#include <gtest/gtest.h>

#include "tests/unit/result_samples.h"

namespace smtpprobe {
namespace {

using namespace samples;
using std::chrono::nanoseconds;

TEST(TimeText, DatesAndDays) {
  EXPECT_EQ(rfc3339(noon()), "2026-11-23T12:00:00Z");
  EXPECT_EQ(days_between(noon(), noon() + std::chrono::hours(47)), 1);
  EXPECT_EQ(days_between(noon(), noon() - std::chrono::hours(1)), -1);
}

TEST(TimeText, SecondsAreRoundedDecimalsWithoutALocale) {
  EXPECT_EQ(fixed_seconds(nanoseconds(42'133'499), 6), "0.042133");
  EXPECT_EQ(fixed_seconds(nanoseconds(42'133'500), 6), "0.042134");
  EXPECT_EQ(fixed_seconds(nanoseconds(999'999'999), 3), "1.000");
  EXPECT_EQ(fixed_seconds(std::chrono::seconds(12), 6), "12.000000");
  EXPECT_EQ(fixed_seconds(nanoseconds(9'600'000'000), 0), "10");
  EXPECT_EQ(fixed_seconds(nanoseconds(-5), 6), "0.000000");
  EXPECT_EQ(fixed_seconds(Duration::zero(), 3), "0.000");
}

}  // namespace
}  // namespace smtpprobe
