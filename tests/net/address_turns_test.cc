// How many may be at an address at a time, and in which order they come in.
#include "common/net/address_turns.h"

#include <gtest/gtest.h>

#include <atomic>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <thread>
#include <vector>

#include "common/probe/verdict.h"
#include "tests/net/probe_harness.h"

namespace smtpprobe {
namespace {

namespace asio = boost::asio;
using std::chrono::milliseconds;
using std::chrono::seconds;
using Turn = AddressTurns::Turn;

SocketAddress address(int port = 25) { return *SocketAddress::from_literal("192.0.2.1", port); }
Instant in(Duration time) { return std::chrono::steady_clock::now() + time; }

// Takes a turn, notes its number, and keeps the turn.
asio::awaitable<void> come_in(AddressTurns& turns, int number, Duration patience,
                              std::vector<int>& came, std::vector<std::optional<Turn>>& held) {
  auto taking = turns.take(address(), in(patience));
  std::optional<Turn> turn = co_await std::move(taking);
  came.push_back(turn ? number : -number);
  held[static_cast<std::size_t>(number)] = std::move(turn);
}

TEST(AddressTurns, AreAsManyAsTheLimit) {
  for (const int limit : {1, 2, 5}) {
    AddressTurns turns(limit);
    std::vector<std::optional<Turn>> inside;
    for (int i = 0; i < limit; ++i) {
      inside.push_back(turns.try_take(address()));
      EXPECT_TRUE(inside.back());
    }
    EXPECT_FALSE(turns.try_take(address()));
    EXPECT_TRUE(turns.try_take(address(26)));  // another port is another server
    inside.pop_back();
    EXPECT_TRUE(turns.try_take(address()));
  }
}

TEST(AddressTurns, HaveNoLimitAtZero) {
  AddressTurns turns(0);
  std::vector<std::optional<Turn>> inside;
  for (int i = 0; i < 100; ++i) {
    inside.push_back(turns.try_take(address()));
    EXPECT_TRUE(inside.back());
  }
  turns.set_limit(1);
  const std::optional<Turn> last = turns.try_take(address());
  EXPECT_TRUE(last);
  EXPECT_FALSE(turns.try_take(address()));
}

TEST(AddressTurns, MoveWithTheirOwner) {
  AddressTurns turns(1);
  std::optional<Turn> first = turns.try_take(address());
  Turn second = *std::move(first);
  first.reset();
  EXPECT_FALSE(turns.try_take(address()));
  { const Turn third = std::move(second); }
  EXPECT_TRUE(turns.try_take(address()));
}

TEST(AddressTurns, ComeInTheOrderOfArrival) {
  AddressTurns turns(1);
  asio::io_context context(1);
  std::vector<int> came;
  std::vector<std::optional<Turn>> held(5);
  for (int i = 1; i <= 4; ++i)
    asio::co_spawn(context, come_in(turns, i, seconds(5), came, held), asio::detached);
  context.poll();
  EXPECT_EQ(came, (std::vector<int>{1}));
  for (std::size_t i = 1; i <= 3; ++i) {
    EXPECT_FALSE(turns.try_take(address()));  // nobody gets past those who wait
    held[i].reset();
    context.poll();
  }
  EXPECT_EQ(came, (std::vector<int>{1, 2, 3, 4}));
}

TEST(AddressTurns, AreNotWaitedForBeyondTheDeadline) {
  AddressTurns turns(1);
  asio::io_context context(1);
  std::vector<int> came;
  std::vector<std::optional<Turn>> held(4);
  asio::co_spawn(context, come_in(turns, 1, seconds(5), came, held), asio::detached);
  asio::co_spawn(context, come_in(turns, 2, milliseconds(20), came, held), asio::detached);
  asio::co_spawn(context, come_in(turns, 3, seconds(5), came, held), asio::detached);
  context.run_for(milliseconds(200));
  EXPECT_EQ(came, (std::vector<int>{1, -2}));
  held[1].reset();
  context.restart();
  context.run_for(seconds(1));
  EXPECT_EQ(came, (std::vector<int>{1, -2, 3}));
}

TEST(AddressTurns, PassOverOneThatWasCancelled) {
  AddressTurns turns(1);
  asio::io_context context(1);
  std::vector<int> came;
  std::vector<std::optional<Turn>> held(4);
  asio::cancellation_signal signal;
  asio::co_spawn(context, come_in(turns, 1, seconds(5), came, held), asio::detached);
  asio::co_spawn(context, come_in(turns, 2, seconds(5), came, held),
                 asio::bind_cancellation_slot(signal.slot(), [](const std::exception_ptr&) {}));
  asio::co_spawn(context, come_in(turns, 3, seconds(5), came, held), asio::detached);
  context.poll();
  signal.emit(asio::cancellation_type::terminal);
  context.poll();
  held[2].reset();
  held[1].reset();
  context.poll();
  EXPECT_EQ(came.back(), 3);
}

TEST(AddressTurns, PassOverOneWhoseFrameIsGone) {
  AddressTurns turns(1);
  std::vector<int> came;
  std::vector<std::optional<Turn>> held(4);
  std::optional<Turn> first = turns.try_take(address());
  {
    asio::io_context gone(1);
    asio::co_spawn(gone, come_in(turns, 2, seconds(5), came, held), asio::detached);
    gone.poll();
  }
  asio::io_context context(1);
  asio::co_spawn(context, come_in(turns, 3, seconds(5), came, held), asio::detached);
  context.poll();
  first.reset();
  context.poll();
  EXPECT_EQ(came, (std::vector<int>{3}));
}

TEST(AddressTurns, WakeMoreWhenTheLimitWasRaised) {
  AddressTurns turns(1);
  asio::io_context context(1);
  std::vector<int> came;
  std::vector<std::optional<Turn>> held(4);
  for (int i = 1; i <= 3; ++i)
    asio::co_spawn(context, come_in(turns, i, seconds(5), came, held), asio::detached);
  context.poll();
  turns.set_limit(2);
  held[1].reset();
  context.poll();
  EXPECT_EQ(came, (std::vector<int>{1, 2, 3}));
}

// Two loops on two threads, many short visits: never more inside than there may be.
asio::awaitable<void> visit(AddressTurns& turns, int port, std::atomic<int>& inside,
                            std::atomic<int>& most, std::atomic<int>& visits) {
  for (int i = 0; i < 50; ++i) {
    auto taking = turns.take(address(port), in(seconds(30)));
    const std::optional<Turn> turn = co_await std::move(taking);
    if (!turn) co_return;
    const int now = ++inside;
    for (int seen = most.load(); now > seen && !most.compare_exchange_weak(seen, now);) continue;
    auto passing = asio::post(co_await asio::this_coro::executor, asio::use_awaitable);
    co_await std::move(passing);
    --inside;
    ++visits;
  }
}

TEST(AddressTurns, HoldBetweenThreads) {
  for (const int limit : {1, 3}) {
    AddressTurns turns(limit);
    std::array<asio::io_context, 2> contexts;
    std::atomic<int> inside = 0;
    std::atomic<int> most = 0;
    std::atomic<int> visits = 0;
    for (asio::io_context& context : contexts) {
      for (int i = 0; i < 20; ++i)
        asio::co_spawn(context, visit(turns, 25, inside, most, visits), asio::detached);
    }
    std::vector<std::thread> threads;
    for (asio::io_context& context : contexts)
      threads.emplace_back([&context] { context.run_for(seconds(30)); });
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(visits, 2 * 20 * 50);
    EXPECT_LE(most, limit);
    EXPECT_GE(most, 1);
  }
}

// The probe's part of it.

constexpr const char* kGood = "S: 220 mx\nC: EHLO *\nS: 250 mx\nC: QUIT\nS: 221 bye\n";

TEST(ProberTurns, AWaitIsInNoStep) {
  const FakeServer server = FakeServer::from_text(kGood);
  AddressTurns turns(1);
  std::optional<Turn> other =
      turns.try_take(*SocketAddress::from_literal("127.0.0.1", server.port()));
  std::thread leaves([&other] {
    std::this_thread::sleep_for(milliseconds(300));
    other.reset();
  });
  FixedResolver resolver;
  const ProbeResult result = run_probe(plan_for_server(server), resolver, {}, &turns);
  leaves.join();
  EXPECT_FALSE(result.failure);
  EXPECT_GE(result.waited, milliseconds(250));
  Duration steps{};
  for (const StepRecord& step : result.steps) steps += step.took;
  EXPECT_LT(steps, milliseconds(200));
  EXPECT_LT(result.response_time(), milliseconds(200));
  EXPECT_GE(result.ended - result.began, result.waited);
}

TEST(ProberTurns, OneThatNeverComesIsNoFaultOfTheServer) {
  const FakeServer server = FakeServer::from_text(kGood);
  AddressTurns turns(1);
  const std::optional<Turn> other =
      turns.try_take(*SocketAddress::from_literal("127.0.0.1", server.port()));
  ProbePlan plan = plan_for_server(server);
  plan.timeout = milliseconds(200);
  FixedResolver resolver;
  const ProbeResult result = run_probe(plan, resolver, {}, &turns);
  EXPECT_TRUE(failure_of(result).starts_with("resolve probe_rejected waited "))
      << failure_of(result);
  EXPECT_EQ(judge(plan, result).state, State::Unknown);
}

TEST(ProberTurns, ATimeoutBehindALongWaitIsNone) {
  const FakeServer server = FakeServer::from_text("silence\n");
  AddressTurns turns(1);
  std::optional<Turn> other =
      turns.try_take(*SocketAddress::from_literal("127.0.0.1", server.port()));
  std::thread leaves([&other] {
    std::this_thread::sleep_for(milliseconds(400));
    other.reset();
  });
  ProbePlan plan = plan_for_server(server);
  plan.timeout = milliseconds(600);
  FixedResolver resolver;
  const ProbeResult result = run_probe(plan, resolver, {}, &turns);
  leaves.join();
  EXPECT_NE(failure_of(result).find("no time was left at banner"), std::string::npos)
      << failure_of(result);
  EXPECT_EQ(judge(plan, result).state, State::Unknown);
}

}  // namespace
}  // namespace smtpprobe
