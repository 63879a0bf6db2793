// Places, the order of those who wait, and that nobody is held up by one who keeps his place.
#include "common/net/pace.h"

#include <gtest/gtest.h>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <vector>

namespace smtpprobe {
namespace {

namespace asio = boost::asio;
using std::chrono::milliseconds;
using std::chrono::seconds;
using Clock = std::chrono::steady_clock;

class PaceTest : public testing::Test {
 protected:
  // Enters and keeps the place; tells `entered_` its number, negative when it was not let in.
  static asio::awaitable<void> come(PaceTest& test, Pace& pace, int number, Instant deadline) {
    auto entering = pace.enter(deadline);
    std::optional<Pace::Place> place = co_await std::move(entering);
    test.entered_.push_back(place ? number : -number);
    if (place) test.places_.push_back(*std::move(place));
  }
  void start(Pace& pace, int number, Clock::duration patience = seconds(20)) {
    asio::co_spawn(context_, come(*this, pace, number, Clock::now() + patience), asio::detached);
  }
  void poll() {
    context_.restart();
    context_.poll();
  }

  asio::io_context context_{1};
  std::vector<int> entered_;
  std::vector<Pace::Place> places_;
};

TEST_F(PaceTest, SoManyAtATimeAndTheRestInTheirOrder) {
  Pace pace(context_.get_executor(), 2, seconds(60));
  for (int number = 1; number <= 5; ++number) start(pace, number);
  poll();
  EXPECT_EQ(entered_, (std::vector{1, 2}));
  EXPECT_FALSE(pace.try_enter());
  places_.erase(places_.begin());
  poll();
  EXPECT_EQ(entered_, (std::vector{1, 2, 3}));
  places_.clear();
  poll();
  EXPECT_EQ(entered_, (std::vector{1, 2, 3, 4, 5}));
  places_.clear();
  EXPECT_TRUE(pace.try_enter());
}

TEST_F(PaceTest, AHangingOneHoldsUpNobodyForLong) {
  Pace pace(context_.get_executor(), 1, milliseconds(20));
  start(pace, 1);
  start(pace, 2);
  start(pace, 3);
  context_.restart();
  context_.run_for(seconds(20));
  EXPECT_EQ(entered_, (std::vector{1, 2, 3}));
  // The first place is another's by now: giving it back lets nobody in.
  Pace slow(context_.get_executor(), 1, seconds(60));
  start(slow, 4);
  poll();
  places_.erase(places_.begin(), places_.begin() + 3);
  EXPECT_FALSE(slow.try_enter());
}

TEST_F(PaceTest, APlaceHeldTooLongIsNotGivenBackTwice) {
  Pace pace(context_.get_executor(), 1, milliseconds(1));
  std::optional<Pace::Place> first = pace.try_enter();
  ASSERT_TRUE(first);
  const Instant end = Clock::now() + seconds(20);
  std::optional<Pace::Place> second;
  while (!second && Clock::now() < end) second = pace.try_enter();
  ASSERT_TRUE(second);
  Pace unmoved(context_.get_executor(), 1, seconds(60));
  first.reset();
  std::optional<Pace::Place> third = unmoved.try_enter();
  EXPECT_TRUE(third);
  EXPECT_FALSE(unmoved.try_enter());
}

TEST_F(PaceTest, WhoIsTooLateLeavesTheQueue) {
  Pace pace(context_.get_executor(), 1, seconds(60));
  start(pace, 1);
  start(pace, 2, milliseconds(10));
  start(pace, 3);
  context_.restart();
  context_.run_for(milliseconds(100));
  EXPECT_EQ(entered_, (std::vector{1, -2}));
  places_.clear();
  poll();
  EXPECT_EQ(entered_, (std::vector{1, -2, 3}));
}

TEST_F(PaceTest, PlacesAndThoseWhoWaitMayOutliveIt) {
  std::optional<Pace> pace(std::in_place, context_.get_executor(), 1, seconds(60));
  start(*pace, 1);
  start(*pace, 2);
  start(*pace, 3, milliseconds(10));
  poll();
  EXPECT_EQ(entered_, (std::vector{1}));
  pace.reset();
  places_.clear();
  context_.restart();
  context_.run_for(milliseconds(100));
  EXPECT_EQ(entered_, (std::vector{1, -3}));
  // The second one's frame goes with the context.
}

TEST_F(PaceTest, WhoIsCancelledLeavesTheQueue) {
  Pace pace(context_.get_executor(), 1, seconds(60));
  start(pace, 1);
  asio::cancellation_signal stop;
  asio::co_spawn(context_, come(*this, pace, 2, Clock::now() + seconds(60)),
                 asio::bind_cancellation_slot(stop.slot(), asio::detached));
  start(pace, 3);
  poll();
  stop.emit(asio::cancellation_type::terminal);
  poll();
  places_.clear();
  poll();
  EXPECT_EQ(entered_.front(), 1);
  EXPECT_EQ(entered_.back(), 3);
}

}  // namespace
}  // namespace smtpprobe
