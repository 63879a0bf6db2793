// The turns at an address between clients: who is next, who gives up its place in a full queue, and
// whose probe is ended because it keeps the address for long.
#include <gtest/gtest.h>

#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <deque>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/net/address_turns.h"

namespace smtpprobe {
namespace {

namespace asio = boost::asio;
using std::chrono::milliseconds;
using std::chrono::seconds;
using Refusal = TurnClaim::Refusal;

constexpr std::size_t kMost = AddressTurns::kMaxWaiting;

SocketAddress address() { return SocketAddress::from_literal("192.0.2.1", 25).value(); }

// One probe of a client: waits for its turn and keeps it until it is told to leave.
class Probe {
 public:
  Probe(asio::io_context& context, AddressTurns& turns, ClientId client, Duration timeout) {
    claim_.client = client;
    claim_.timeout = timeout;
    claim_.interrupt = std::make_shared<Interrupt>(context.get_executor(), signal_);
    signal_.slot().assign([this](asio::cancellation_type) { interrupted_ = true; });
    asio::co_spawn(context,
                   turns.take(address(), std::chrono::steady_clock::now() + timeout, &claim_),
                   [this](const std::exception_ptr&, auto got) {
                     ended_ = true;
                     turn_ = std::move(got);
                   });
    context.restart();
    context.poll();
  }
  Probe(const Probe&) = delete;
  Probe& operator=(const Probe&) = delete;

  ClientId client() const { return claim_.client; }
  bool inside() const { return turn_.has_value(); }
  bool waiting() const { return !ended_; }
  bool interrupted() const { return interrupted_; }
  std::string why() const { return claim_.interrupt->why(); }
  Refusal refusal() const { return claim_.refusal; }
  void leave() { turn_.reset(); }

 private:
  asio::cancellation_signal signal_;
  TurnClaim claim_;
  bool ended_ = false;
  bool interrupted_ = false;
  std::optional<AddressTurns::Turn> turn_;
};

class ClientTurnsTest : public testing::Test {
 protected:
  Probe& come(ClientId client, Duration timeout = seconds(30)) {
    return probes_.emplace_back(context_, turns_, client, timeout);
  }
  void come(ClientId client, std::size_t times) {
    for (std::size_t i = 0; i < times; ++i) come(client);
  }
  // Until nobody waits: the clients in the order in which they were served.
  std::vector<ClientId> served() {
    std::vector<ClientId> order;
    while (true) {
      Probe* inside = nullptr;
      for (Probe& probe : probes_) {
        if (probe.inside()) inside = &probe;
      }
      if (inside == nullptr) return order;
      order.push_back(inside->client());
      inside->leave();
      context_.restart();
      context_.poll();
    }
  }
  void pass(Duration time) {
    context_.restart();
    context_.run_for(time);
  }

  AddressTurns turns_{1};
  std::deque<Probe> probes_;
  asio::io_context context_{1};  // goes first, and with it those that still wait
};

TEST_F(ClientTurnsTest, ClientsAreServedInTurnWhateverOneHasWaiting) {
  come(1, 5);
  come(2, 2);
  come(3, 1);
  EXPECT_EQ(served(), (std::vector<ClientId>{1, 2, 3, 1, 2, 1, 1, 1}));
}

// Whose probes take long has its next turn after all of one whose probes are short.
TEST_F(ClientTurnsTest, TheClientThatHadTheLeastTimeIsFirst) {
  come(1, 4);
  pass(milliseconds(250));
  come(2, 3);
  come(3, 1);
  EXPECT_EQ(served(), (std::vector<ClientId>{1, 2, 3, 2, 2, 1, 1, 1}));
}

TEST_F(ClientTurnsTest, OneClientFillsTheQueueAndNoMore) {
  come(1, 1 + kMost);
  EXPECT_TRUE(probes_.back().waiting());
  const Probe& refused = come(1);
  EXPECT_FALSE(refused.waiting());
  EXPECT_FALSE(refused.inside());
  EXPECT_EQ(refused.refusal(), Refusal::QueueFull);
}

TEST_F(ClientTurnsTest, AnotherClientGetsThePlaceOfTheNewestOfTheOneWithMost) {
  come(1, 1 + kMost);
  const Probe& newest = probes_.back();
  const Probe& other = come(2);
  EXPECT_TRUE(other.waiting());
  EXPECT_FALSE(newest.waiting());
  EXPECT_EQ(newest.refusal(), Refusal::Displaced);
  const std::vector<ClientId> order = served();
  EXPECT_EQ(order.size(), 1 + kMost);
  EXPECT_EQ(order[1], 2U);
}

TEST_F(ClientTurnsTest, TwoClientsShareAFullQueueEqually) {
  come(1, 1 + kMost);
  come(2, kMost);
  std::size_t waiting = 0;
  for (const Probe& probe : probes_) {
    if (probe.client() == 2 && probe.waiting()) ++waiting;
  }
  EXPECT_EQ(waiting, kMost / 2);
}

TEST_F(ClientTurnsTest, AProbeWithALongerTimeoutIsInterrupted) {
  const Probe& holder = come(1, seconds(300));
  pass(milliseconds(200));
  const Probe& other = come(2, milliseconds(4500));
  pass(milliseconds(1600));
  EXPECT_FALSE(holder.interrupted()) << "each has two seconds";
  pass(milliseconds(500));
  EXPECT_TRUE(holder.interrupted());
  EXPECT_NE(holder.why().find(" at 192.0.2.1:25 for a probe of another client"), std::string::npos)
      << holder.why();
  EXPECT_TRUE(other.waiting());
  probes_.front().leave();
  pass(milliseconds(10));
  EXPECT_TRUE(other.inside());
}

TEST_F(ClientTurnsTest, AWaitingProbeLooksAfterAThirdOfItsTime) {
  const Probe& holder = come(1, milliseconds(1800));
  come(2, milliseconds(1500));
  pass(milliseconds(550));
  EXPECT_FALSE(holder.interrupted()) << "not yet a third of its own time";
  pass(milliseconds(250));
  EXPECT_TRUE(holder.interrupted());
}

TEST_F(ClientTurnsTest, AProbeOfTheSameTimeoutKeepsItsTurn) {
  const Probe& holder = come(1, seconds(3));
  come(2, seconds(3));
  pass(milliseconds(2900));
  EXPECT_FALSE(holder.interrupted());
}

TEST_F(ClientTurnsTest, OneOfAClientWithFarMoreProbesIsInterrupted) {
  const Probe& holder = come(1, seconds(3));
  come(1, 10);
  come(2, seconds(3));
  pass(milliseconds(1300));
  EXPECT_TRUE(holder.interrupted());
}

// The honest client has some, too.
TEST_F(ClientTurnsTest, OneOfAClientWithFarMoreProbesIsInterruptedForManyOfAnother) {
  const Probe& holder = come(1, seconds(3));
  come(1, 60);
  for (int i = 0; i < 20; ++i) come(2, seconds(3));
  pass(milliseconds(1300));
  EXPECT_TRUE(holder.interrupted());
}

TEST_F(ClientTurnsTest, TwoClientsWithLikeNumbersOfProbesDoNotInterruptEachOther) {
  const Probe& holder = come(1, seconds(3));
  for (int i = 0; i < 12; ++i) {
    come(1, seconds(3));
    if (i % 2 == 0) come(2, seconds(3));
  }
  pass(milliseconds(2500));
  EXPECT_FALSE(holder.interrupted());
}

TEST_F(ClientTurnsTest, NobodyInterruptsAProbeOfTheSameClient) {
  const Probe& holder = come(1, seconds(300));
  come(1, seconds(3));
  pass(milliseconds(1300));
  EXPECT_FALSE(holder.interrupted());
}

}  // namespace
}  // namespace smtpprobe
