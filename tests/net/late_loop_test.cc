// A loop that comes late to everything: what arrived in time counts, what did not does not, and
// what we lost ourselves is not the server's fault.
#include <thread>

#include "common/net/receive_stamps.h"
#include "common/probe/verdict.h"
#include "tests/net/kernel_stamps.h"
#include "tests/net/probe_harness.h"

namespace smtpprobe {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

// The loop's thread does something else from the moment when it waits for the server's banner,
// `until` after the start.
void hold_up(boost::asio::steady_timer& timer, const FakeServer& server, Instant until, bool seen) {
  timer.expires_after(milliseconds(10));
  timer.async_wait([&timer, &server, until, seen](const boost::system::error_code&) {
    if (seen) {
      std::this_thread::sleep_until(until);
    } else {
      hold_up(timer, server, until, server.connections() > 0);
    }
  });
}

ProbeResult run_held_up(const ProbePlan& plan, const FakeServer& server, milliseconds until,
                        Resolver& resolver) {
  const ReceiveStamps stamps;
  await_stamps();
  boost::asio::io_context context(1);
  boost::asio::steady_timer timer(context);
  hold_up(timer, server, Clock::now() + until, false);
  std::optional<ProbeResult> result;
  boost::asio::co_spawn(context, probe(std::make_shared<const ProbePlan>(plan), nullptr, resolver),
                        [&](const std::exception_ptr& thrown, ProbeResult got) {
                          if (!thrown) result = std::move(got);
                          context.stop();
                        });
  context.run_for(std::chrono::seconds(20));
  EXPECT_TRUE(result);
  return result.value_or(ProbeResult());
}

ProbeResult run_held_up(const ProbePlan& plan, const FakeServer& server, milliseconds until) {
  FixedResolver resolver;
  return run_held_up(plan, server, until, resolver);
}

FakeServer slow_server(const std::string& wait) {
  return FakeServer::from_text("wait " + wait + "\nS: 220 mx\nC: EHLO *\nS: 250 mx\nC: QUIT\n" +
                               "S: 221 bye\nclose\n");
}

TEST(LateLoop, AReplyThatWasInTimeCounts) {
  const FakeServer server = slow_server("100ms");
  ProbePlan plan = plan_for_server(server);
  plan.dialogue.limits.reply = milliseconds(1000);
  const ProbeResult result = run_held_up(plan, server, milliseconds(1400));
  EXPECT_EQ(failure_of(result), "");
  EXPECT_LT(result.step(Step::Banner)->took, milliseconds(1000));
}

TEST(LateLoop, AReplyThatWasLateDoesNot) {
  const FakeServer server = slow_server("500ms");
  ProbePlan plan = plan_for_server(server);
  plan.dialogue.limits.reply = milliseconds(200);
  const ProbeResult result = run_held_up(plan, server, milliseconds(900));
  EXPECT_TRUE(failure_of(result).starts_with("banner timeout")) << failure_of(result);
}

TEST(LateLoop, TimeThatThisHostLostIsNotTheServersFault) {
  const FakeServer server = slow_server("200ms");
  ProbePlan plan = plan_for_server(server);
  plan.timeout = milliseconds(700);
  const ProbeResult result = run_held_up(plan, server, milliseconds(1500));
  EXPECT_TRUE(failure_of(result).starts_with("resolve local_error this host was busy for 1."))
      << failure_of(result);
  EXPECT_EQ(judge(plan, result).state, State::Unknown);
}

TEST(LateLoop, AServerThatTookTheTimeItselfIsToBlame) {
  const FakeServer server = slow_server("5s");
  ProbePlan plan = plan_for_server(server);
  plan.timeout = milliseconds(500);
  const ProbeResult result = run_held_up(plan, server, milliseconds(600));
  EXPECT_TRUE(failure_of(result).starts_with("banner timeout")) << failure_of(result);
  EXPECT_EQ(judge(plan, result).state, State::Critical);
}

// Answers at once, and is heard 300 ms later.
class LateResolver : public Resolver {
 public:
  boost::asio::awaitable<Resolved> resolve(std::string, IpChoice, Instant, DnsSettings) override {
    Resolved resolved;
    resolved.addresses = {"127.0.0.1"};
    resolved.answered = Clock::now();
    std::this_thread::sleep_for(milliseconds(300));
    co_return resolved;
  }
};

TEST(LateLoop, ANameCountsAsAnsweredFromItsAnswer) {
  const FakeServer server = slow_server("1ms");
  LateResolver resolver;
  const ProbeResult result =
      run_held_up(plan_for_port(server.port(), "mx.test"), server, milliseconds(0), resolver);
  EXPECT_EQ(failure_of(result), "");
  ASSERT_NE(result.step(Step::Resolve), nullptr);
  EXPECT_LT(result.step(Step::Resolve)->took, milliseconds(200));
}

}  // namespace
}  // namespace smtpprobe
