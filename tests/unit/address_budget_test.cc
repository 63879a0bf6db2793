// How long each address of a name may take.
#include "common/probe/address_budget.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>

namespace smtpprobe {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

const Instant kStart{std::chrono::hours(5)};

struct Row {
  const char* name;
  std::size_t addresses;
  int most;      // milliseconds, as the next ones
  int deadline;  // from the start
  std::size_t index;
  int now;
  int share;
};

class ShareTest : public testing::TestWithParam<Row> {};

TEST_P(ShareTest, OfTheTimeThatIsLeft) {
  const Row& row = GetParam();
  const AddressBudget budget(row.addresses, milliseconds(row.most), kStart,
                             kStart + milliseconds(row.deadline));
  const Instant now = kStart + milliseconds(row.now);
  EXPECT_EQ(std::chrono::round<milliseconds>(budget.limit(row.index, now) - now),
            milliseconds(row.share));
}

INSTANTIATE_TEST_SUITE_P(
    All, ShareTest,
    testing::Values(Row{"TheOnlyOneHasAll", 1, 5000, 10000, 0, 0, 10000},
                    Row{"TheOnlyOneHasWhatIsLeft", 1, 5000, 10000, 0, 4000, 6000},
                    Row{"FirstOfTwo", 2, 5000, 10000, 0, 0, 3333},
                    Row{"SecondOfTwo", 2, 5000, 10000, 1, 3333, 5000},
                    Row{"FirstOfTwoInFiveSeconds", 2, 5000, 5000, 0, 0, 1667},
                    Row{"SecondOfTwoInFiveSeconds", 2, 5000, 5000, 1, 1667, 3333},
                    Row{"TheLimitIsTheMost", 2, 5000, 60000, 0, 0, 5000},
                    Row{"TheLastOneHasTheMostToo", 2, 5000, 60000, 1, 100, 5000},
                    Row{"FirstOfSixteen", 16, 5000, 5000, 0, 0, 208},
                    Row{"SecondAfterARefusal", 3, 5000, 9000, 1, 0, 3000},
                    Row{"AfterALongQueue", 2, 5000, 9000, 0, 8000, 250},
                    Row{"AtTheDeadline", 2, 5000, 5000, 1, 5000, 0},
                    Row{"BeforeTheLastMoment", 2, 5000, 5000, 1, 4990, 10}),
    [](const auto& one) { return std::string(one.param.name); });

// A healthy address is reached after any number of dead ones, and has time for its dialogue.
TEST(AddressBudget, LeavesTimeForTheDialogue) {
  for (const Duration timeout : {seconds(1), seconds(5), seconds(10), seconds(60)}) {
    for (std::size_t addresses = 2; addresses <= 16; ++addresses) {
      const Instant deadline = kStart + timeout;
      const AddressBudget budget(addresses, seconds(5), kStart, deadline);
      Instant now = kStart;
      for (std::size_t i = 0; i + 1 < addresses; ++i) {
        const Instant limit = budget.limit(i, now);
        EXPECT_GT(limit, now);
        EXPECT_LE(limit - now, seconds(5));
        EXPECT_LE(limit - now, (deadline - now) / static_cast<Duration::rep>(addresses - i));
        now = limit;
      }
      EXPECT_GE(5 * (deadline - now), timeout) << addresses << " addresses";
      EXPECT_GT(budget.limit(addresses - 1, now), now);
      EXPECT_LE(budget.limit(addresses - 1, now), deadline);
    }
  }
}

TEST(AddressBudget, ADeadlineThatHasPassedIsNoCrash) {
  const AddressBudget budget(3, seconds(5), kStart, kStart - seconds(1));
  EXPECT_EQ(budget.limit(0, kStart), kStart - seconds(1));
  EXPECT_EQ(budget.limit(9, kStart), kStart - seconds(1));
}

}  // namespace
}  // namespace smtpprobe
