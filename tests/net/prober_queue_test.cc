// Probes that wait for their turn at an address: what the waiting is part of, and what it is not.
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/post.hpp>
#include <deque>

#include "common/net/socket_address.h"
#include "common/probe/verdict.h"
#include "tests/net/probe_harness.h"

namespace smtpprobe {
namespace {

namespace asio = boost::asio;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr const char* kGood =
    "S: 220 mx.test ESMTP\nC: EHLO probe.test\nS: 250-mx.test\nS: 250 PIPELINING\n"
    "C: QUIT\nS: 221 bye\nclose\n";
constexpr const char* kSlow =
    "wait 150ms\nS: 220 mx.test ESMTP\nC: EHLO probe.test\nS: 250 mx.test\n"
    "C: QUIT\nwait 50ms\nS: 221 bye\nclose\n";
constexpr const char* kSilent = "silence\n";

Transcript script(const char* text) {
  Result<Transcript> parsed = parse_transcript(text, "queue");
  if (!parsed) ADD_FAILURE() << parsed.error().text;
  return parsed ? *parsed : Transcript{};
}

// For a port that has to be the same as another's: nobody else takes one of it.
constexpr const char* kUnshared = "127.0.0.6";

SocketAddress at(int port, const char* ip = "127.0.0.1") {
  return SocketAddress::from_literal(ip, port).value();
}

ProbePlan plan_within(milliseconds timeout, const FakeServer& server) {
  ProbePlan plan = plan_for_server(server);
  plan.timeout = timeout;
  return plan;
}

struct Queued {
  asio::cancellation_signal cancel;
  bool ended = false;
  ProbeResult result;
};

// Several probes on one loop, with turns they share.
class ProberQueueTest : public testing::Test {
 protected:
  Queued& start(const ProbePlan& plan) {
    Queued& queued = queued_.emplace_back();
    asio::co_spawn(
        context_, probe(std::make_shared<const ProbePlan>(plan), nullptr, resolver_, {&turns_}),
        asio::bind_cancellation_slot(queued.cancel.slot(),
                                     [&queued](const std::exception_ptr& thrown, ProbeResult got) {
                                       queued.ended = !thrown;
                                       queued.result = std::move(got);
                                     }));
    return queued;
  }

  // Somebody is at the address already.
  void occupy(int port) {
    std::optional<AddressTurns::Turn> turn = turns_.try_take(at(port));
    ASSERT_TRUE(turn);
    holders_.push_back(std::move(*turn));
  }
  // Those leave, `time` after the started probes came.
  void leave_after(milliseconds time) {
    after(time, [this] { holders_.clear(); });
  }

  void after(milliseconds time, std::function<void()> what) {
    asio::post(context_, [this, time, what = std::move(what)] {
      timer_.expires_after(time);
      timer_.async_wait([what](const boost::system::error_code&) { what(); });
    });
  }

  void run() { context_.run_for(seconds(5)); }

  const ProbeResult& only_result() {
    EXPECT_EQ(queued_.size(), 1U);
    EXPECT_TRUE(queued_.front().ended);
    return queued_.front().result;
  }

  FixedResolver resolver_{Resolved{{"127.0.0.1"}, Reason::None, ""}};
  AddressTurns turns_{1};
  std::vector<AddressTurns::Turn> holders_;
  std::deque<Queued> queued_;
  asio::io_context context_{1};  // goes before all that its coroutines use
  asio::steady_timer timer_{context_};
};

// The time in `waited` is in no step: between any two of them, or before all.
void expect_waited_outside_steps(const ProbeResult& result) {
  Duration took{};
  for (const StepRecord& record : result.steps) took += record.took;
  EXPECT_LE(took + result.waited, result.ended - result.began);
  const StepRecord* const connect = result.step(Step::Connect);
  ASSERT_NE(connect, nullptr);
  EXPECT_LE(result.began + result.waited, connect->began);
  if (const StepRecord* const resolve = result.step(Step::Resolve); resolve != nullptr) {
    EXPECT_LE(resolve->ended + result.waited, connect->began);
  }
}

void expect_rejected(const ProbePlan& plan, const ProbeResult& result) {
  ASSERT_TRUE(result.failure);
  EXPECT_EQ(result.failure->step, Step::Resolve);
  EXPECT_EQ(result.failure->reason, Reason::ProbeRejected);
  EXPECT_FALSE(result.failure->reply);
  for (const State timeout_state : {State::Ok, State::Warning, State::Critical}) {
    ProbePlan judged = plan;
    judged.timeout_state = timeout_state;
    const Verdict verdict = judge(judged, result);
    EXPECT_EQ(verdict.state, State::Unknown);
    ASSERT_EQ(verdict.findings.size(), 1U);
    EXPECT_EQ(verdict.findings.front().step, Step::Resolve);
    EXPECT_EQ(verdict.findings.front().reason, Reason::ProbeRejected);
    EXPECT_EQ(verdict.excused, "");
  }
}

TEST_F(ProberQueueTest, TwoProbesOfOneServerRunOneAfterTheOther) {
  const FakeServer server({script(kSlow), script(kGood)});
  const ProbePlan plan = plan_for_server(server);
  const ProbeResult& first = start(plan).result;
  const ProbeResult& second = start(plan).result;
  run();
  ASSERT_TRUE(queued_[0].ended && queued_[1].ended);
  EXPECT_EQ(failure_of(first), "");
  EXPECT_EQ(failure_of(second), "");
  EXPECT_TRUE(server.wait_idle());
  EXPECT_EQ(server.mismatches(), std::vector<std::string>{});
  EXPECT_EQ(server.connections(), 2);

  const auto steps = std::vector{Step::Connect, Step::Banner, Step::Ehlo, Step::Quit};
  EXPECT_EQ(step_names(first), steps);
  EXPECT_EQ(step_names(second), steps);
  ASSERT_NE(second.step(Step::Connect), nullptr);
  EXPECT_GE(second.step(Step::Connect)->began, first.ended) << "the first had not said QUIT";

  EXPECT_EQ(first.waited, Duration(0));
  EXPECT_GE(second.waited, milliseconds(100)) << "the first takes 200 ms";
  expect_waited_outside_steps(first);
  expect_waited_outside_steps(second);
  ASSERT_NE(second.step(Step::Ehlo), nullptr);
  EXPECT_LE(second.response_time(),
            second.step(Step::Ehlo)->ended - second.began - milliseconds(100));
  EXPECT_EQ(judge(plan, second).state, State::Ok);
}

TEST_F(ProberQueueTest, WhereThereIsRoomForTwoNobodyWaits) {
  turns_.set_limit(2);
  const FakeServer server = FakeServer::from_text(kSlow);
  start(plan_for_server(server));
  start(plan_for_server(server));
  run();
  ASSERT_TRUE(queued_[0].ended && queued_[1].ended);
  for (const Queued& queued : queued_) {
    EXPECT_EQ(failure_of(queued.result), "");
    EXPECT_EQ(queued.result.waited, Duration(0));
  }
  // The scripts take 200 ms each.
  EXPECT_LT(queued_[1].result.step(Step::Connect)->began, queued_[0].result.ended);
}

TEST_F(ProberQueueTest, OtherPortsDoNotWait) {
  const FakeServer silent = FakeServer::from_text(kSilent);
  const FakeServer good = FakeServer::from_text(kGood);
  const Queued& slow = start(plan_within(milliseconds(100), silent));
  const Queued& quick = start(plan_for_server(good));
  run();
  ASSERT_TRUE(slow.ended && quick.ended);
  EXPECT_EQ(failure_of(quick.result), "");
  EXPECT_EQ(quick.result.waited, Duration(0));
  EXPECT_EQ(slow.result.waited, Duration(0));
}

TEST_F(ProberQueueTest, TheWaitOfANameIsNotItsResolution) {
  const FakeServer server = FakeServer::from_text(kGood);
  ProbePlan plan = plan_for_port(server.port(), "mx.test");
  start(plan);
  occupy(server.port());
  leave_after(milliseconds(100));
  run();
  const ProbeResult& result = only_result();
  EXPECT_EQ(failure_of(result), "");
  EXPECT_EQ(step_names(result),
            (std::vector{Step::Resolve, Step::Connect, Step::Banner, Step::Ehlo, Step::Quit}));
  EXPECT_GE(result.waited, milliseconds(100));
  expect_waited_outside_steps(result);
  // The thresholds are for what the server took.
  EXPECT_EQ(result.response_time(), result.step(Step::Ehlo)->ended - result.began - result.waited);
}

TEST_F(ProberQueueTest, AfterALongWaitTheDeadlineIsNotTheServersFault) {
  const FakeServer server = FakeServer::from_text(kSilent);
  const ProbePlan plan = plan_within(milliseconds(1000), server);
  start(plan);
  occupy(server.port());
  leave_after(milliseconds(560));
  run();
  const ProbeResult& result = only_result();
  EXPECT_GT(2 * result.waited, plan.timeout);
  EXPECT_GE(result.ended - result.began, plan.timeout);
  expect_rejected(plan, result);
  EXPECT_NE(result.failure->detail.find("no time was left at banner"), std::string::npos)
      << result.failure->detail;
  EXPECT_EQ(server.connections(), 1);
  EXPECT_EQ(step_names(result), (std::vector{Step::Connect, Step::Banner}));
  expect_waited_outside_steps(result);
}

TEST_F(ProberQueueTest, AfterAShortWaitItIs) {
  const FakeServer server = FakeServer::from_text(kSilent);
  const ProbePlan plan = plan_within(milliseconds(1000), server);
  start(plan);
  occupy(server.port());
  leave_after(milliseconds(40));
  run();
  const ProbeResult& result = only_result();
  EXPECT_GE(result.waited, milliseconds(40));
  ASSERT_TRUE(result.failure);
  EXPECT_EQ(result.failure->step, Step::Banner);
  EXPECT_EQ(result.failure->reason, Reason::Timeout);
  EXPECT_EQ(judge(plan, result).state, State::Critical);
}

// It had its time at the server: a refusal is one, and so is the end of a step's own limit.
TEST_F(ProberQueueTest, AfterALongWaitWhatHappensBeforeTheDeadlineIsTheServers) {
  const FakeServer refuses = FakeServer::from_text("S: 554 no\nC: QUIT\nS: 221 bye\nclose\n");
  const FakeServer silent = FakeServer::from_text(kSilent);
  const ProbePlan refused = plan_within(milliseconds(1500), refuses);
  ProbePlan timed_out = plan_within(milliseconds(1500), silent);
  timed_out.dialogue.limits.reply = milliseconds(50);
  start(refused);
  start(timed_out);
  occupy(refuses.port());
  occupy(silent.port());
  leave_after(milliseconds(800));
  run();
  for (const Queued& queued : queued_) {
    ASSERT_TRUE(queued.ended);
    EXPECT_GT(2 * queued.result.waited, refused.timeout);
    ASSERT_TRUE(queued.result.failure);
    EXPECT_EQ(queued.result.failure->step, Step::Banner);
    EXPECT_EQ(judge(refused, queued.result).state, State::Critical);
  }
  EXPECT_EQ(queued_[0].result.failure->reason, Reason::Reply5xx);
  EXPECT_EQ(queued_[1].result.failure->reason, Reason::Timeout);
}

TEST_F(ProberQueueTest, WhoNeverGetsATurnSaysSoAndSendsNothing) {
  const FakeServer server = FakeServer::from_text(kGood);
  const ProbePlan plan = plan_within(milliseconds(150), server);
  start(plan);
  occupy(server.port());
  run();
  const ProbeResult& result = only_result();
  expect_rejected(plan, result);
  const std::string& detail = result.failure->detail;
  EXPECT_TRUE(detail.starts_with("waited 0.")) << detail;
  EXPECT_TRUE(detail.ends_with(" for other probes of " + at(server.port()).words() + " to end"))
      << detail;
  EXPECT_TRUE(result.steps.empty());
  EXPECT_TRUE(result.failed_attempts.empty());
  EXPECT_GE(result.ended - result.began, plan.timeout);
  EXPECT_LE(result.response_time() + result.waited, result.ended - result.began);
  EXPECT_GT(2 * result.waited, plan.timeout);
  EXPECT_EQ(result.endpoint.address, "127.0.0.1");
  EXPECT_EQ(result.endpoint.port, server.port());
  EXPECT_EQ(server.connections(), 0);
  holders_.clear();
  EXPECT_TRUE(turns_.try_take(at(server.port()))) << "nor does it leave anything behind";
}

TEST_F(ProberQueueTest, ACancelledProbeGivesItsPlaceToTheNext) {
  const FakeServer server({script(kSilent), script(kGood)});
  Queued& first = start(plan_for_server(server));
  const Queued& second = start(plan_for_server(server));
  Queued& third = start(plan_for_server(server));
  after(milliseconds(40), [&] {
    third.cancel.emit(asio::cancellation_type::terminal);  // it waits still
    first.cancel.emit(asio::cancellation_type::terminal);  // it is at the server
  });
  run();
  EXPECT_TRUE(second.ended);
  EXPECT_EQ(failure_of(second.result), "");
  EXPECT_GT(second.result.waited, Duration(0));
  EXPECT_EQ(server.connections(), 2);
  EXPECT_TRUE(turns_.try_take(at(server.port())));
}

// A bound socket that does not listen: connections to its port are refused.
class RefusingPort {
 public:
  RefusingPort() : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const SocketAddress any = at(0);
    if (::bind(fd_, any.native(), any.length()) != 0) ADD_FAILURE() << "bind";
  }
  ~RefusingPort() { ::close(fd_); }
  RefusingPort(const RefusingPort&) = delete;
  RefusingPort& operator=(const RefusingPort&) = delete;
  int port() const { return SocketAddress::local_end(fd_).port(); }

 private:
  int fd_;
};

// Else two probes that go through the addresses in opposite orders would wait for each other.
TEST_F(ProberQueueTest, AtTheSecondAddressItHasNoTurnAtTheFirst) {
  const RefusingPort refusing;
  const int port = refusing.port();
  FakeServerOptions options;
  options.address = kUnshared;
  options.port = port;
  const FakeServer server = FakeServer::from_text(kGood, options);
  FixedResolver both({{"127.0.0.1", kUnshared}, Reason::None, ""});
  std::optional<AddressTurns::Turn> second = turns_.try_take(at(port, kUnshared));
  ASSERT_TRUE(second);
  bool first_is_free = false;
  std::optional<ProbeResult> result;
  asio::co_spawn(context_,
                 probe(std::make_shared<const ProbePlan>(plan_for_port(port, "mx.test")), nullptr,
                       both, {&turns_}),
                 [&](const std::exception_ptr& thrown, ProbeResult got) {
                   if (!thrown) result = std::move(got);
                 });
  after(milliseconds(60), [&] {
    first_is_free = turns_.try_take(at(port)).has_value();
    second.reset();
  });
  run();
  ASSERT_TRUE(result);
  EXPECT_TRUE(first_is_free);
  EXPECT_EQ(failure_of(*result), "");
  EXPECT_EQ(result->endpoint.address, kUnshared);
  ASSERT_EQ(result->failed_attempts.size(), 1U);
  EXPECT_EQ(result->failed_attempts.front().reason, Reason::ConnectionRefused);
  EXPECT_GT(result->waited, Duration(0));
  EXPECT_LE(result->failed_attempts.front().took + result->step(Step::Ehlo)->took + result->waited,
            result->ended - result->began);
}

ProbeResult run_probe_into(const ProbePlan& plan, Resolver& resolver, AddressTurns* turns) {
  asio::io_context context(1);
  ProbeResult result;
  bool ended = false;
  const Restraint restraint{turns};
  const auto shared = std::make_shared<const ProbePlan>(plan);
  const std::shared_ptr<const TlsContext> no_tls;
  asio::co_spawn(context, probe_into(result, shared, no_tls, resolver, restraint),
                 [&ended](const std::exception_ptr& thrown) { ended = !thrown; });
  context.run_for(plan.timeout + seconds(5));
  EXPECT_TRUE(ended);
  return result;
}

// What does not differ from run to run.
std::string told(const ProbeResult& result) {
  std::string all = result.endpoint.host + " " + result.endpoint.address + " " +
                    std::to_string(result.endpoint.port) + " " +
                    std::to_string(result.endpoint.ip_version) +
                    (result.endpoint.loopback ? " loopback" : "") +
                    (result.endpoint.local_address.empty() ? "" : " local") + "\n";
  for (const StepRecord& record : result.steps) {
    all += std::string(step_name(record.step)) + " " + std::string(reason_name(record.reason)) +
           " " + record.detail + (record.reply ? " replied" : "") + "\n";
  }
  if (result.failure) {
    all += std::string(step_name(result.failure->step)) + " " +
           std::string(reason_name(result.failure->reason)) + "\n";
  }
  for (const AddressAttempt& attempt : result.failed_attempts)
    all += attempt.address + " " + std::string(reason_name(attempt.reason)) + "\n";
  for (const TranscriptLine& line : result.transcript)
    all += std::to_string(static_cast<int>(line.who)) + " " + line.text + "\n";
  return all;
}

void expect_both_tell(const ProbePlan& plan, AddressTurns* turns, std::string_view part) {
  FixedResolver resolver({{"127.0.0.1"}, Reason::None, ""});
  const ProbeResult returned = run_probe(plan, resolver, {}, turns);
  const ProbeResult filled = run_probe_into(plan, resolver, turns);
  EXPECT_EQ(told(returned), told(filled));
  EXPECT_NE(told(filled).find(part), std::string::npos) << told(filled);
  EXPECT_EQ(returned.extensions, filled.extensions);
  EXPECT_EQ(returned.verify, filled.verify);
  EXPECT_EQ(returned.notes, filled.notes);
  EXPECT_EQ(returned.waited > Duration(0), filled.waited > Duration(0));
  EXPECT_GE(filled.started, returned.started);
  EXPECT_GE(filled.began, returned.ended);
  EXPECT_GT(filled.ended, filled.began);
  EXPECT_EQ(judge(plan, returned).state, judge(plan, filled).state);
}

TEST(ProbeInto, IsTheSameAsProbe) {
  const FakeServer good = FakeServer::from_text(kGood);
  const FakeServer refuses = FakeServer::from_text("S: 554 no\nC: QUIT\nS: 221 bye\nclose\n");
  AddressTurns turns(1);
  for (AddressTurns* const shared : {static_cast<AddressTurns*>(nullptr), &turns}) {
    expect_both_tell(plan_for_server(good), shared, "PIPELINING");
    expect_both_tell(plan_for_port(good.port(), "mx.test"), shared, "resolve ok");
    expect_both_tell(plan_for_server(refuses), shared, "554 no");
  }
}

TEST(ProbeInto, IsTheSameWithoutATurn) {
  const FakeServer good = FakeServer::from_text(kGood);
  AddressTurns turns(1);
  const auto holder = turns.try_take(at(good.port()));
  ASSERT_TRUE(holder);
  expect_both_tell(plan_within(milliseconds(60), good), &turns, "resolve probe_rejected");
  EXPECT_EQ(good.connections(), 0);
}

}  // namespace
}  // namespace smtpprobe
