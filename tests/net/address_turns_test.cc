// The turns at an address: who gets in, who waits, and that no place is lost however one leaves.
#include "common/net/address_turns.h"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <deque>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace smtpprobe {
namespace {

namespace asio = boost::asio;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;
using Turn = AddressTurns::Turn;

Instant in(Duration time) { return std::chrono::steady_clock::now() + time; }

SocketAddress address(const std::string& literal = "192.0.2.1", int port = 25) {
  return SocketAddress::from_literal(literal, port).value();
}

// How many get in at once; they leave before it returns.
std::size_t free_places(AddressTurns& turns, const SocketAddress& where = address()) {
  constexpr std::size_t kEnough = 10;
  std::vector<Turn> inside;
  while (inside.size() < kEnough) {
    std::optional<Turn> turn = turns.try_take(where);
    if (!turn) break;
    inside.push_back(std::move(*turn));
  }
  return inside.size();
}

// What is ready is done: nothing here waits, except where a test says so.
void run_ready(asio::io_context& context) {
  context.restart();
  context.poll();
}

// One coroutine that takes, and keeps what it got until it is told to leave.
class Taker {
 public:
  Taker(asio::io_context& context, AddressTurns& turns, const SocketAddress& where = address(),
        Instant deadline = in(seconds(30))) {
    asio::co_spawn(context, turns.take(where, deadline),
                   asio::bind_cancellation_slot(signal_.slot(),
                                                [this](const std::exception_ptr& thrown, auto got) {
                                                  ended_ = std::chrono::steady_clock::now();
                                                  thrown_ = thrown != nullptr;
                                                  turn_ = std::move(got);
                                                }));
  }
  Taker(const Taker&) = delete;
  Taker& operator=(const Taker&) = delete;

  bool inside() const { return turn_.has_value(); }
  bool waiting() const { return !ended_; }
  bool gave_up() const { return ended_ && !thrown_ && !turn_; }
  Instant ended() const { return ended_.value(); }
  void leave() { turn_.reset(); }
  void cancel() { signal_.emit(asio::cancellation_type::terminal); }

 private:
  asio::cancellation_signal signal_;
  std::optional<Instant> ended_;
  bool thrown_ = false;
  std::optional<Turn> turn_;
};

// One after the other in the queue.
class AddressTurnsTest : public testing::Test {
 protected:
  Taker& come(Instant deadline = in(seconds(30))) {
    Taker& taker = takers_.emplace_back(context_, turns_, address(), deadline);
    run_ready(context_);
    return taker;
  }
  void leave(Taker& taker) {
    taker.leave();
    run_ready(context_);
  }
  // "in", "waits" or "gone" of each in the order in which they came.
  std::string states() const {
    std::string all;
    for (const Taker& taker : takers_) {
      const char* const state = taker.inside() ? "in" : taker.waiting() ? "waits" : "gone";
      all += std::string(all.empty() ? "" : " ") + state;
    }
    return all;
  }

  AddressTurns turns_{1};
  std::deque<Taker> takers_;
  asio::io_context context_{1};  // goes first, and with it those that still wait
};

class AddressTurnsLimit : public testing::TestWithParam<int> {};

TEST_P(AddressTurnsLimit, IsHowManyGetIn) {
  AddressTurns turns(GetParam());
  std::vector<Turn> inside;
  for (int i = 0; i < GetParam(); ++i) {
    std::optional<Turn> turn = turns.try_take(address());
    ASSERT_TRUE(turn) << i;
    inside.push_back(std::move(*turn));
  }
  EXPECT_FALSE(turns.try_take(address()));
  EXPECT_FALSE(turns.try_take(address()));
  inside.pop_back();
  EXPECT_EQ(free_places(turns), 1U);
  inside.clear();
  EXPECT_EQ(free_places(turns), static_cast<std::size_t>(GetParam()));
}

INSTANTIATE_TEST_SUITE_P(Few, AddressTurnsLimit, testing::Values(1, 2, 3, 9));

TEST_F(AddressTurnsTest, NoLimitLetsAllIn) {
  turns_.set_limit(0);
  std::vector<Turn> inside;
  for (int i = 0; i < 1000; ++i) {
    std::optional<Turn> turn = turns_.try_take(address());
    ASSERT_TRUE(turn) << i;
    inside.push_back(std::move(*turn));
  }
  EXPECT_TRUE(come(Instant::min()).inside());
}

TEST_F(AddressTurnsTest, WhereThereIsRoomNobodyLooksAtTheDeadline) {
  EXPECT_TRUE(come(Instant::min()).inside());
  EXPECT_TRUE(come(Instant::min()).gave_up());
}

TEST_F(AddressTurnsTest, TheyGetInInTheOrderInWhichTheyCame) {
  for (int i = 0; i < 4; ++i) come();
  EXPECT_EQ(states(), "in waits waits waits");
  leave(takers_[0]);
  EXPECT_EQ(states(), "gone in waits waits");
  come();
  leave(takers_[1]);
  EXPECT_EQ(states(), "gone gone in waits waits");
  leave(takers_[2]);
  EXPECT_EQ(states(), "gone gone gone in waits");
  leave(takers_[3]);
  EXPECT_EQ(states(), "gone gone gone gone in");
  leave(takers_[4]);
  EXPECT_EQ(free_places(turns_), 1U);
}

TEST_F(AddressTurnsTest, OfTwoInsideEitherMakesRoomForTheFirst) {
  turns_.set_limit(2);
  for (int i = 0; i < 5; ++i) come();
  EXPECT_EQ(states(), "in in waits waits waits");
  leave(takers_[1]);
  EXPECT_EQ(states(), "in gone in waits waits");
  leave(takers_[0]);
  EXPECT_EQ(states(), "gone gone in in waits");
  takers_[2].leave();
  leave(takers_[3]);
  EXPECT_EQ(states(), "gone gone gone gone in");
  EXPECT_EQ(free_places(turns_), 1U);
}

// The place is the next one's before its loop has run: nobody slips in between.
TEST_F(AddressTurnsTest, NobodyOvertakesOneThatWasJustLetIn) {
  come();
  come();
  takers_[0].leave();
  EXPECT_FALSE(turns_.try_take(address()));
  Taker& late = takers_.emplace_back(context_, turns_);
  run_ready(context_);
  EXPECT_EQ(states(), "gone in waits");
  leave(takers_[1]);
  EXPECT_TRUE(late.inside());
}

TEST_F(AddressTurnsTest, AHigherLimitCountsWhenSomebodyLeavesAndNobodyOvertakes) {
  for (int i = 0; i < 4; ++i) come();
  turns_.set_limit(2);
  EXPECT_FALSE(turns_.try_take(address())) << "others wait";
  come();
  EXPECT_EQ(states(), "in waits waits waits waits");
  leave(takers_[0]);
  EXPECT_EQ(states(), "gone in in waits waits");
  leave(takers_[2]);
  EXPECT_EQ(states(), "gone in gone in waits");
}

TEST_F(AddressTurnsTest, ALowerLimitThrowsNobodyOut) {
  turns_.set_limit(2);
  for (int i = 0; i < 4; ++i) come();
  turns_.set_limit(1);
  EXPECT_EQ(states(), "in in waits waits");
  leave(takers_[0]);
  EXPECT_EQ(states(), "gone in waits waits");
  leave(takers_[1]);
  EXPECT_EQ(states(), "gone gone in waits");
  leave(takers_[2]);
  EXPECT_EQ(states(), "gone gone gone in");
  leave(takers_[3]);
  EXPECT_EQ(free_places(turns_), 1U);
}

TEST_F(AddressTurnsTest, WithoutALimitAllThatWaitedGoInTogether) {
  for (int i = 0; i < 4; ++i) come();
  turns_.set_limit(0);
  come();
  EXPECT_EQ(states(), "in waits waits waits in") << "it is for those that come from now on";
  leave(takers_[0]);
  EXPECT_EQ(states(), "gone in in in in");
  turns_.set_limit(1);
  EXPECT_FALSE(turns_.try_take(address())) << "those that had waited count";
  for (std::size_t i = 1; i <= 3; ++i) leave(takers_[i]);
  EXPECT_EQ(free_places(turns_), 1U) << "who came without a limit does not";
  leave(takers_[4]);
  EXPECT_EQ(free_places(turns_), 1U);
}

TEST_F(AddressTurnsTest, TheDeadlinePassesWhileItWaits) {
  come();
  const Instant deadline = in(milliseconds(30));
  Taker& hurried = come(deadline);
  Taker& patient = come();
  EXPECT_EQ(states(), "in waits waits");
  context_.restart();
  while (hurried.waiting() && context_.run_one_for(seconds(5)) > 0) {
  }
  ASSERT_TRUE(hurried.gave_up());
  EXPECT_GE(hurried.ended(), deadline);
  EXPECT_TRUE(patient.waiting()) << "nobody left";
  leave(takers_[0]);
  EXPECT_TRUE(patient.inside());
  leave(patient);
  EXPECT_EQ(free_places(turns_), 1U);
}

TEST_F(AddressTurnsTest, TheOnlyOneThatWaitedGivesUp) {
  come();
  EXPECT_TRUE(come(Instant::min()).gave_up());
  EXPECT_FALSE(turns_.try_take(address()));
  leave(takers_[0]);
  EXPECT_EQ(free_places(turns_), 1U);
}

TEST_F(AddressTurnsTest, ACancelledOneIsPassedOver) {
  for (int i = 0; i < 4; ++i) come();
  takers_[1].cancel();
  run_ready(context_);
  EXPECT_TRUE(takers_[1].gave_up());
  EXPECT_EQ(states(), "in gone waits waits");
  leave(takers_[0]);
  EXPECT_EQ(states(), "gone gone in waits");
  takers_[3].cancel();
  run_ready(context_);
  EXPECT_TRUE(takers_[3].gave_up());
  leave(takers_[2]);
  EXPECT_EQ(free_places(turns_), 1U);
}

// Let in and cancelled before its loop has run: whether it has a turn or not, none is lost.
TEST_F(AddressTurnsTest, CancelledWhenItWasJustLetIn) {
  for (int i = 0; i < 3; ++i) come();
  takers_[0].leave();
  takers_[1].cancel();
  run_ready(context_);
  EXPECT_FALSE(takers_[1].waiting());
  leave(takers_[1]);
  EXPECT_EQ(states(), "gone gone in");
  leave(takers_[2]);
  EXPECT_EQ(free_places(turns_), 1U);
}

// The coroutine's frame goes with its loop, without a word.
TEST_F(AddressTurnsTest, AFrameThatGoesWhileItWaitsIsPassedOver) {
  come();
  auto other = std::make_unique<asio::io_context>(1);
  const Taker dropped(*other, turns_);
  run_ready(*other);
  EXPECT_TRUE(dropped.waiting());
  come();
  other.reset();
  EXPECT_EQ(states(), "in waits");
  leave(takers_[0]);
  EXPECT_EQ(states(), "gone in");
  leave(takers_[1]);
  EXPECT_EQ(free_places(turns_), 1U);
}

TEST_F(AddressTurnsTest, AFrameThatGoesWhenItWasJustLetInGivesThePlaceToTheNext) {
  come();
  auto other = std::make_unique<asio::io_context>(1);
  const Taker dropped(*other, turns_);
  run_ready(*other);
  come();
  leave(takers_[0]);
  EXPECT_EQ(states(), "gone waits") << "it is the other loop's turn";
  other.reset();
  run_ready(context_);
  EXPECT_EQ(states(), "gone in");
  leave(takers_[1]);
  EXPECT_EQ(free_places(turns_), 1U);
}

asio::awaitable<void> take_and_stay(AddressTurns& turns_, int& inside) {
  auto taking = turns_.take(address(), in(seconds(30)));
  const std::optional<Turn> turn = co_await std::move(taking);
  if (turn) ++inside;
  const auto executor = co_await asio::this_coro::executor;
  asio::steady_timer stays(executor, seconds(30));
  co_await stays.async_wait(asio::use_awaitable);
}

// A loop that ends with some inside and others waiting: each one that goes lets in one that is
// about to go.
TEST_F(AddressTurnsTest, ALoopThatEndsLeavesNobodyInside) {
  for (const int limit : {1, 2, 4}) {
    AddressTurns turns(limit);
    int inside = 0;
    {
      asio::io_context ends(1);
      for (int i = 0; i < 6; ++i)
        asio::co_spawn(ends, take_and_stay(turns, inside), asio::detached);
      run_ready(ends);
      EXPECT_EQ(inside, limit);
      EXPECT_EQ(free_places(turns), 0U);
    }
    EXPECT_EQ(inside, limit);
    EXPECT_EQ(free_places(turns), static_cast<std::size_t>(limit));
  }
}

TEST(AddressTurn, MovedItIsStillOneTurn) {
  AddressTurns turns(1);
  std::optional<Turn> first = turns.try_take(address());
  ASSERT_TRUE(first);
  std::optional<Turn> second(std::move(*first));
  first.reset();
  EXPECT_EQ(free_places(turns), 0U) << "what was moved from has nothing to give back";
  std::vector<Turn> many;
  many.push_back(std::move(*second));
  many.reserve(many.capacity() + 1);
  second.reset();
  EXPECT_EQ(free_places(turns), 0U);
  many.clear();
  EXPECT_EQ(free_places(turns), 1U);
}

TEST(AddressTurn, AssignedToItGivesUpTheOldPlace) {
  AddressTurns turns(1);
  const SocketAddress here = address("192.0.2.1");
  const SocketAddress there = address("192.0.2.2");
  std::optional<Turn> turn = turns.try_take(here);
  ASSERT_TRUE(turn);
  {
    std::optional<Turn> other = turns.try_take(there);
    ASSERT_TRUE(other);
    *turn = std::move(*other);
  }
  EXPECT_EQ(free_places(turns, here), 1U);
  EXPECT_EQ(free_places(turns, there), 0U);
  turn = turns.try_take(here);
  ASSERT_TRUE(turn);
  EXPECT_EQ(free_places(turns, here), 0U);
  EXPECT_EQ(free_places(turns, there), 1U);
  turn = turns.try_take(here);  // no room: only the old one is
  EXPECT_FALSE(turn);
  EXPECT_EQ(free_places(turns, here), 1U);
}

TEST(AddressTurn, AssignedFromAnUnlimitedOneItGivesUpTheOldPlace) {
  AddressTurns turns(1);
  AddressTurns unlimited(0);
  std::optional<Turn> turn = turns.try_take(address());
  ASSERT_TRUE(turn);
  turn = unlimited.try_take(address());
  ASSERT_TRUE(turn);
  EXPECT_EQ(free_places(turns), 1U);
}

TEST(AddressTurnsKeys, OfAMappedAddressAreThoseOfTheAddress) {
  AddressTurns turns(1);
  const auto turn = turns.try_take(*SocketAddress::from_literal("192.0.2.1", 25));
  EXPECT_TRUE(turn);
  EXPECT_FALSE(turns.try_take(*SocketAddress::from_literal("::ffff:192.0.2.1", 25)));
  EXPECT_TRUE(turns.try_take(*SocketAddress::from_literal("::ffff:192.0.2.1", 26)));
  EXPECT_TRUE(turns.try_take(*SocketAddress::from_literal("::ffff:192.0.2.2", 25)));
}

TEST(AddressTurnsKeys, OtherAddressesAndPortsDoNotWaitForEachOther) {
  const std::vector<SocketAddress> all = {address("192.0.2.1", 25),
                                          address("192.0.2.1", 587),
                                          address("192.0.2.2", 25),
                                          address("2001:db8::1", 25),
                                          address("2001:db8::1", 465),
                                          address("127.0.0.1", 25),
                                          address("::1", 25),
                                          *SocketAddress::from_path("/run/a"),
                                          *SocketAddress::from_path("/run/b")};
  AddressTurns turns(1);
  std::vector<Turn> inside;
  for (const SocketAddress& one : all) {
    std::optional<Turn> turn = turns.try_take(one);
    ASSERT_TRUE(turn) << one.text();
    inside.push_back(std::move(*turn));
  }
  for (const SocketAddress& one : all) EXPECT_FALSE(turns.try_take(one)) << one.text();
  inside.erase(inside.begin() + 1);
  EXPECT_EQ(free_places(turns, all[1]), 1U);
  EXPECT_EQ(free_places(turns, all[0]), 0U);
}

TEST(AddressTurnsKeys, TheSameAddressWrittenOtherwiseIsTheSame) {
  AddressTurns turns(1);
  const std::optional<Turn> inside = turns.try_take(address("2001:db8::1", 25));
  EXPECT_FALSE(turns.try_take(address("2001:0db8:0:0::1", 25)));
}

// More addresses than there are stripes.
TEST(AddressTurnsKeys, ManyAddressesEachHaveTheirOwnPlaces) {
  AddressTurns turns(1);
  std::vector<Turn> inside;
  for (int i = 0; i < 1000; ++i) {
    std::optional<Turn> turn = turns.try_take(address("192.0.2.1", 1 + i));
    ASSERT_TRUE(turn) << i;
    inside.push_back(std::move(*turn));
  }
  for (int i = 0; i < 1000; ++i)
    EXPECT_EQ(free_places(turns, address("192.0.2.1", 1 + i)), 0U) << i;
  inside.clear();
  for (int i = 0; i < 1000; ++i)
    EXPECT_EQ(free_places(turns, address("192.0.2.1", 1 + i)), 1U) << i;
}

TEST_F(AddressTurnsTest, WhoLeavesOneAddressLetsNobodyInAtAnother) {
  come();
  come();
  Taker elsewhere(context_, turns_, address("192.0.2.2"));
  run_ready(context_);
  ASSERT_TRUE(elsewhere.inside());
  leave(elsewhere);
  EXPECT_EQ(states(), "in waits");
}

TEST_F(AddressTurnsTest, LeavingWakesOneThatWaitsOnAnotherThread) {
  come();
  asio::io_context other(1);
  Taker far(other, turns_);
  run_ready(other);
  EXPECT_TRUE(far.waiting());
  other.restart();
  std::thread runs([&other] { other.run_for(seconds(5)); });
  takers_[0].leave();
  runs.join();  // ends as soon as nobody waits
  EXPECT_TRUE(far.inside());
}

// Many on two threads, some of them in a hurry.
struct Crowd {
  static constexpr std::size_t kAddresses = 3;
  static constexpr int kTakers = 24;  // on each thread
  static constexpr int kRounds = 60;

  std::vector<SocketAddress> addresses = {address("192.0.2.1"), address("192.0.2.2"),
                                          address("192.0.2.2", 587)};
  std::array<std::atomic<int>, kAddresses> inside{};
  std::array<std::atomic<int>, kAddresses> most{};
  std::atomic<int> turns_had{0};
  std::atomic<int> gave_up{0};
  std::atomic<int> done{0};

  void enter(std::size_t where) {
    const int now = ++inside[where];
    int seen = most[where];
    while (seen < now && !most[where].compare_exchange_weak(seen, now)) {
    }
  }
};

asio::awaitable<void> come_and_go(Crowd& crowd, AddressTurns& turns_, int number, int limits) {
  const auto executor = co_await asio::this_coro::executor;
  for (int round = 0; round < Crowd::kRounds; ++round) {
    const auto where = static_cast<std::size_t>(number + round) % Crowd::kAddresses;
    const bool hurried = (number + round) % 5 == 0;
    const Instant deadline = hurried ? in(microseconds(50 * (round % 4))) : in(seconds(30));
    auto taking = turns_.take(crowd.addresses[where], deadline);
    const std::optional<Turn> turn = co_await std::move(taking);
    if (limits > 1) turns_.set_limit(1 + round % limits);
    if (!turn) {
      ++crowd.gave_up;
      if (!hurried) ADD_FAILURE() << "gave up long before its deadline";
      continue;
    }
    crowd.enter(where);
    for (int i = 0; i <= number % 3; ++i) co_await asio::post(executor, asio::use_awaitable);
    ++crowd.turns_had;
    --crowd.inside[where];
  }
  ++crowd.done;
}

void run_crowd(Crowd& crowd, AddressTurns& turns_, int limits) {
  asio::io_context loops[2] = {asio::io_context(1), asio::io_context(1)};
  std::vector<std::thread> threads;
  for (asio::io_context& loop : loops) {
    for (int i = 0; i < Crowd::kTakers; ++i)
      asio::co_spawn(loop, come_and_go(crowd, turns_, i, limits), asio::detached);
  }
  for (asio::io_context& loop : loops) threads.emplace_back([&loop] { loop.run_for(seconds(10)); });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(crowd.done, 2 * Crowd::kTakers) << "somebody was never let in";
  EXPECT_EQ(crowd.turns_had + crowd.gave_up, 2 * Crowd::kTakers * Crowd::kRounds);
  EXPECT_GT(crowd.turns_had, Crowd::kTakers * Crowd::kRounds);
}

TEST_P(AddressTurnsLimit, HoldsForTwoLoopsOnTwoThreads) {
  Crowd crowd;
  AddressTurns turns(GetParam());
  run_crowd(crowd, turns, 0);
  for (std::size_t i = 0; i < Crowd::kAddresses; ++i) {
    EXPECT_EQ(crowd.inside[i], 0);
    EXPECT_LE(crowd.most[i], GetParam());
    EXPECT_EQ(free_places(turns, crowd.addresses[i]), static_cast<std::size_t>(GetParam()));
  }
}

TEST(AddressTurnsThreads, TheLimitChangesMeanwhile) {
  Crowd crowd;
  AddressTurns turns(1);
  run_crowd(crowd, turns, 4);
  turns.set_limit(2);
  for (std::size_t i = 0; i < Crowd::kAddresses; ++i) {
    EXPECT_EQ(crowd.inside[i], 0);
    EXPECT_LE(crowd.most[i], 4);
    EXPECT_EQ(free_places(turns, crowd.addresses[i]), 2U);
  }
}

}  // namespace
}  // namespace smtpprobe
