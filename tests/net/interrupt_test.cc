// A probe that is interrupted, at every handler of its loop: no mail is sent twice, no verdict is
// lost. And Interrupt itself.
#include "common/net/interrupt.h"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "tests/net/probe_harness.h"

namespace smtpprobe {
namespace {

namespace asio = boost::asio;
using std::chrono::milliseconds;

// A request that comes late, for what has ended meanwhile, is no request for what began then.
TEST(Interrupt, IsForOneAttemptOrForAll) {
  asio::io_context context(1);
  asio::cancellation_signal signal;
  int cancelled = 0;
  signal.slot().assign([&cancelled](asio::cancellation_type) { ++cancelled; });
  const auto interrupt = std::make_shared<Interrupt>(context.get_executor(), signal);
  const auto run = [&context] {
    context.restart();
    context.poll();
  };
  interrupt->request("first", 0);
  interrupt->request("second", 0);
  run();
  EXPECT_EQ(cancelled, 1);
  EXPECT_EQ(interrupt->why(), "first");
  EXPECT_TRUE(interrupt->may_repeat());
  interrupt->begin_next_attempt();
  EXPECT_FALSE(interrupt->requested());
  interrupt->request("late", 0);
  run();
  EXPECT_EQ(cancelled, 1);
  interrupt->request("again", 1);
  interrupt->request("for good");
  run();
  EXPECT_EQ(cancelled, 2);
  EXPECT_EQ(interrupt->why(), "again");
  EXPECT_FALSE(interrupt->may_repeat());
  interrupt->close();
  EXPECT_FALSE(interrupt->requested());
  interrupt->request("closed");
  run();
  EXPECT_EQ(cancelled, 2);
}

struct Outcome {
  std::optional<ProbeResult> result;  // nullopt: it was cancelled
  bool may_repeat = true;
  bool asked = false;
  std::string received;
};

// The probe alone on a loop; after so many handlers it is interrupted.
Outcome interrupted_after(int handlers, const ProbePlan& plan, const FakeServer& server) {
  Outcome outcome;
  FixedResolver resolver;
  asio::io_context context(1);
  asio::cancellation_signal signal;
  TurnClaim claim;
  AddressTurns turns(1);
  claim.interrupt = std::make_shared<Interrupt>(context.get_executor(), signal);
  Restraint restraint;
  restraint.turns = &turns;
  restraint.claim = &claim;
  bool ended = false;
  asio::co_spawn(context,
                 probe(std::make_shared<const ProbePlan>(plan), nullptr, resolver, restraint),
                 asio::bind_cancellation_slot(
                     signal.slot(), [&](const std::exception_ptr& thrown, ProbeResult got) {
                       ended = true;
                       if (!thrown) outcome.result = std::move(got);
                     }));
  int run = 0;
  const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (!ended && std::chrono::steady_clock::now() < limit) {
    // What the server answers is there before the loop looks for it.
    std::this_thread::sleep_for(milliseconds(1));
    run += static_cast<int>(context.poll_one());
    if (run == handlers && !std::exchange(outcome.asked, true))
      claim.interrupt->request("a test", 0);
  }
  EXPECT_TRUE(ended) << handlers;
  outcome.may_repeat = claim.interrupt->may_repeat();
  if (claim.interrupt->requested()) outcome.result.reset();  // it says nothing
  claim.interrupt->close();
  server.wait_idle();
  outcome.received = server.received_bytes();
  return outcome;
}

TEST(InterruptedProbe, SendsNoMailTwiceAndLosesNoVerdict) {
  int finished = 0;
  int repeatable = 0;
  bool slow = false;  // whether the interruption comes before what the server says, or with it
  for (int handlers = 1;; ++handlers) {
    ASSERT_LT(handlers, 200) << "it never ended in peace";
    const std::string pause = slow ? "wait 20ms\n" : "";
    const FakeServer server = FakeServer::from_text(
        pause + "S: 220 mx\nC: EHLO probe.test\n" + pause +
        "S: 250 mx\nC: MAIL FROM:<a@probe.test>\n" + pause + "S: 250 ok\nC: RCPT TO:<b@mx.test>\n" +
        pause + "S: 250 ok\nC: DATA\n" + pause + "S: 354 go\nC: <message>\n" + pause +
        "S: 250 queued\nC: QUIT\n" + pause + "S: 221 bye\nclose\n");
    ProbePlan plan = plan_for_server(server);
    plan.dialogue.until = Step::Message;
    plan.dialogue.from = "a@probe.test";
    plan.dialogue.to = {"b@mx.test"};
    plan.message = MessagePlan{"hello", {}, "body of the message\n"};
    const Outcome outcome = interrupted_after(handlers, plan, server);
    const bool mailed = outcome.received.find("body of the message") != std::string::npos;
    if (outcome.result) {
      EXPECT_EQ(failure_of(*outcome.result), "") << handlers;
      EXPECT_TRUE(mailed) << handlers;
      ++finished;
      if (outcome.asked) continue;
      if (std::exchange(slow, true)) break;
      handlers = 0;
      continue;
    }
    EXPECT_EQ(outcome.received.find("QUIT"), std::string::npos) << handlers;
    EXPECT_EQ(outcome.may_repeat, !mailed) << handlers;
    repeatable += outcome.may_repeat ? 1 : 0;
  }
  EXPECT_GT(finished, 2) << "it is left alone in QUIT";
  EXPECT_GT(repeatable, 2);
}

}  // namespace
}  // namespace smtpprobe
