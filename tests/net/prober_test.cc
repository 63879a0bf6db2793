// The prober against a scripted peer: the whole way through, and what a peer may do wrong.
#include "common/net/prober.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <boost/asio/detached.hpp>
#include <cstdint>
#include <thread>

#include "common/net/probe_once.h"
#include "common/probe/verdict.h"
#include "tests/net/probe_harness.h"

namespace smtpprobe {
namespace {

using std::chrono::milliseconds;

constexpr const char* kGood =
    "S: 220 mx.test ESMTP\nC: EHLO probe.test\nS: 250-mx.test\nS: 250 PIPELINING\n"
    "C: QUIT\nS: 221 bye\nclose\n";

void expect_no_mismatch(const FakeServer& server) {
  EXPECT_TRUE(server.wait_idle());
  for (const std::string& line : server.mismatches()) ADD_FAILURE() << line;
}

TEST(ProberTest, WalksTheDialogueAndSaysQuit) {
  const FakeServer server = FakeServer::from_text(kGood);
  const ProbeResult result = run_probe(plan_for_server(server));
  EXPECT_EQ(failure_of(result), "");
  EXPECT_EQ(step_names(result), (std::vector{Step::Connect, Step::Banner, Step::Ehlo, Step::Quit}));
  expect_no_mismatch(server);
  ASSERT_TRUE(result.extensions);
  EXPECT_TRUE(result.extensions->offers("PIPELINING"));
  EXPECT_EQ(result.endpoint.address, "127.0.0.1");
  EXPECT_EQ(result.endpoint.port, server.port());
  EXPECT_EQ(result.endpoint.ip_version, 4);
  EXPECT_TRUE(result.endpoint.loopback);
  EXPECT_TRUE(result.endpoint.local_address.starts_with("127.0.0.1:"));
  EXPECT_TRUE(result.failed_attempts.empty());
  EXPECT_FALSE(result.tls);
  EXPECT_FALSE(result.transcript.empty());
  Duration sum{};
  for (const StepRecord& record : result.steps) sum += record.took;
  EXPECT_LE(sum, result.ended - result.began);
  EXPECT_GT(result.started.time_since_epoch().count(), 1'700'000'000);
}

// At once and without a result, wherever it is: while it connects, waits for a banner, shakes
// hands.
TEST(ProberTest, EndsWhenItIsInterrupted) {
  const FakeServer silent = FakeServer::from_text("silence\n");
  const FakeServer no_handshake = FakeServer::from_text(
      "S: 220 mx\nC: EHLO probe.test\nS: 250-mx\nS: 250 STARTTLS\nC: STARTTLS\nS: 220 go\n"
      "TLS-FAIL hang\n");
  ProbePlan starttls = plan_for_server(no_handshake);
  starttls.dialogue.tls = TlsMode::Starttls;
  ProbePlan nowhere = plan_for_server(silent);
  nowhere.target.host = "192.0.2.1";
  for (const ProbePlan& plan : {plan_for_server(silent), starttls, nowhere}) {
    const int interrupt = ::eventfd(0, EFD_CLOEXEC);
    ASSERT_GE(interrupt, 0);
    const Instant began = std::chrono::steady_clock::now();
    std::thread later([interrupt] {
      std::this_thread::sleep_for(milliseconds(100));
      const std::uint64_t one = 1;
      EXPECT_EQ(::write(interrupt, &one, sizeof one), ssize_t{sizeof one});
    });
    const auto results = probe_once(plan, interrupt);
    later.join();
    ASSERT_TRUE(results);
    // A network that says at once that it knows no such place leaves nothing to interrupt.
    if (plan.target.host != "192.0.2.1" || results->empty()) {
      EXPECT_TRUE(results->empty());
      EXPECT_GE(std::chrono::steady_clock::now() - began, milliseconds(100));
    }
    EXPECT_LT(std::chrono::steady_clock::now() - began, plan.timeout);
    EXPECT_EQ(::fcntl(interrupt, F_GETFD), FD_CLOEXEC);  // it is still ours
    ::close(interrupt);
  }
}

TEST(ProberTest, IsNotInterruptedByADescriptorThatIsQuiet) {
  const FakeServer server = FakeServer::from_text(kGood);
  const int quiet = ::eventfd(0, EFD_CLOEXEC);
  const auto results = probe_once(plan_for_server(server), quiet);
  ::close(quiet);
  ASSERT_TRUE(results);
  ASSERT_EQ(results->size(), 1U);
  EXPECT_EQ(failure_of(results->front()), "");
}

TEST(ProberTest, DeliversAMessageItHasComposed) {
  const FakeServer server = FakeServer::from_text(
      "S: 220 mx\nC: EHLO probe.test\nS: 250 mx\nC: MAIL FROM:<a@probe.test>\nS: 250 ok\n"
      "C: RCPT TO:<b@mx.test>\nS: 250 ok\nC: DATA\nS: 354 go\nC: <message>\nS: 250 queued\n"
      "C: QUIT\nS: 221 bye\nclose\n");
  ProbePlan plan = plan_for_server(server);
  plan.dialogue.until = Step::Message;
  plan.dialogue.from = "a@probe.test";
  plan.dialogue.to = {"b@mx.test"};
  plan.message = MessagePlan{"hello", {}, "one\n.two\n"};
  const auto results = probe_once(plan);
  ASSERT_TRUE(results) << results.error().text;
  ASSERT_EQ(results->size(), 1U);
  EXPECT_EQ(failure_of(results->front()), "");
  expect_no_mismatch(server);
  const std::string seen = server.received_bytes();
  EXPECT_NE(seen.find("\r\n\r\none\r\n..two\r\n.\r\n"), std::string::npos) << seen;
  EXPECT_NE(seen.find("Subject: hello\r\n"), std::string::npos);
  EXPECT_NE(seen.find("Message-ID: <"), std::string::npos);
}

// More than the buffers of both ends hold, 4.9 MB. Composed, and of long lines: under a sanitizer
// it would take this host longer to compose it than the tests give it.
const std::string& big_message() {
  static const std::string message = [] {
    std::string text = "Subject: big\r\n\r\n";
    for (int i = 0; i < 5400; ++i) text.append(900, 'x').append("\r\n");
    return text;
  }();
  return message;
}

TEST(ProberTest, AMessageLargerThanTheKernelTakesAtOnce) {
  const FakeServer server = FakeServer::from_text(
      "S: 220 mx\nC: EHLO probe.test\nS: 250 mx\nC: MAIL FROM:<>\nS: 250 ok\n"
      "C: RCPT TO:<b@mx.test>\nS: 250 ok\nC: DATA\nS: 354 go\nwait 200ms\nC: <message>\n"
      "S: 250 queued\nC: QUIT\nS: 221 bye\nclose\n");
  ProbePlan plan = plan_for_server(server);
  plan.dialogue.until = Step::Message;
  plan.dialogue.from = "";
  plan.dialogue.to = {"b@mx.test"};
  plan.dialogue.message = big_message();
  plan.timeout = std::chrono::seconds(20);
  const ProbeResult result = run_probe(plan);
  EXPECT_EQ(failure_of(result), "");
  expect_no_mismatch(server);
  EXPECT_GT(server.received_bytes().size(), big_message().size());
}

ProbePlan big_message_plan(const FakeServer& server) {
  ProbePlan plan = plan_for_server(server);
  plan.dialogue.until = Step::Message;
  plan.dialogue.from = "";
  plan.dialogue.to = {"b@mx.test"};
  plan.dialogue.message = big_message();
  return plan;
}

constexpr const char* kUntilData =
    "S: 220 mx\nC: EHLO probe.test\nS: 250 mx\nC: MAIL FROM:<>\nS: 250 ok\n"
    "C: RCPT TO:<b@mx.test>\nS: 250 ok\nC: DATA\nS: 354 go\n";

TEST(ProberTest, AServerThatStopsReadingTheMessageIsToBlame) {
  const FakeServer server = FakeServer::from_text(std::string(kUntilData) + "wait 6s\nclose\n");
  ProbePlan plan = big_message_plan(server);
  plan.timeout = milliseconds(4500);
  const ProbeResult result = run_probe(plan);
  EXPECT_TRUE(failure_of(result).starts_with("message timeout not taken by the server in "))
      << failure_of(result);
  ASSERT_NE(result.step(Step::Message), nullptr);
  EXPECT_GE(result.step(Step::Message)->took, milliseconds(1000));
  EXPECT_EQ(judge(plan, result).state, State::Critical);
}

TEST(ProberTest, TheUploadCountsInTheStep) {
  const FakeServer server = FakeServer::from_text(
      std::string(kUntilData) +
      "wait 600ms\nC: <message>\nS: 250 queued\nC: QUIT\nS: 221 bye\nclose\n");
  ProbePlan plan = big_message_plan(server);
  plan.timeout = std::chrono::seconds(20);
  const ProbeResult result = run_probe(plan);
  EXPECT_EQ(failure_of(result), "");
  ASSERT_NE(result.step(Step::Message), nullptr);
  EXPECT_GE(result.step(Step::Message)->took, milliseconds(500));
  EXPECT_GE(result.step(Step::Message)->sending, milliseconds(400));
  EXPECT_EQ(result.step(Step::Data)->sending, Duration::zero());
  Duration sum{};
  for (const StepRecord& record : result.steps) sum += record.took;
  EXPECT_LE(sum, result.ended - result.began);
}

// The server has said why before it went; that it went is the lesser news.
// In one piece or in two; and when it comes, though the server reads no more: not at the deadline.
TEST(ProberTest, ARefusalInTheMiddleOfTheMessageIsHeard) {
  for (const std::string end :
       {"S: 552 5.3.4 Message too big\nwait 100ms\nclose\n", "S: 552 5.3.4 too big\nsilence\n",
        "S: 552-5.3.4 too big,\nwait 200ms\nS: 552 5.3.4 closing\nsilence\n"}) {
    const FakeServer server = FakeServer::from_text(
        "S: 220 mx\nC: EHLO probe.test\nS: 250 mx\nC: MAIL FROM:<>\nS: 250 ok\n"
        "C: RCPT TO:<b@mx.test>\nS: 250 ok\nC: DATA\nS: 354 go\nwait 800ms\n" +
        end);
    ProbePlan plan = plan_for_server(server);
    plan.dialogue.until = Step::Message;
    plan.dialogue.from = "";
    plan.dialogue.to = {"b@mx.test"};
    plan.timeout = std::chrono::seconds(60);
    plan.dialogue.limits.message = std::chrono::seconds(60);
    plan.dialogue.message = big_message();
    const ProbeResult result = run_probe(plan);
    ASSERT_TRUE(result.failure) << end;
    EXPECT_EQ(result.failure->step, Step::Message) << end;
    EXPECT_EQ(reason_name(result.failure->reason), "reply_5xx") << end;
    ASSERT_TRUE(result.failure->reply) << end;
    EXPECT_EQ(result.failure->reply->code, 552) << end;
    EXPECT_LT(result.step(Step::Message)->took, std::chrono::seconds(30)) << end;
    EXPECT_EQ(result.step(Step::Quit), nullptr) << end;
  }
}

TEST(ProberTest, AnEmptyHeloNameBecomesTheHostsOrAnAddress) {
  const FakeServer server =
      FakeServer::from_text("S: 220 mx\nC: EHLO *\nS: 250 mx\nC: QUIT\nS: 221 bye\nclose\n");
  ProbePlan plan = plan_for_server(server);
  plan.dialogue.helo_name.clear();
  const ProbeResult result = run_probe(plan);
  EXPECT_EQ(failure_of(result), "");
  expect_no_mismatch(server);
  const std::string ehlo = server.received().front();
  EXPECT_TRUE(ehlo == "EHLO [127.0.0.1]" || ehlo.find('.') != std::string::npos) << ehlo;
}

struct Misbehaviour {
  const char* name;
  const char* script;
  const char* failure;    // how the failure's line begins
  const char* also = "";  // what stands in it, too
};

class MisbehaviourTest : public testing::TestWithParam<Misbehaviour> {};

TEST_P(MisbehaviourTest, IsNamed) {
  const FakeServer server = FakeServer::from_text(GetParam().script);
  ProbePlan plan = plan_for_server(server);
  plan.dialogue.limits.reply = milliseconds(300);
  plan.timeout = std::chrono::seconds(20);
  const ProbeResult result = run_probe(plan);
  EXPECT_TRUE(failure_of(result).starts_with(GetParam().failure)) << failure_of(result);
  EXPECT_NE(failure_of(result).find(GetParam().also), std::string::npos) << failure_of(result);
  ASSERT_TRUE(result.failure);
  if (result.failure->reason == Reason::Timeout)
    expect_wait(seconds_of(result.step(result.failure->step)->took), 0.3);
  EXPECT_LT(result.ended - result.began, std::chrono::seconds(10));
}

INSTANTIATE_TEST_SUITE_P(
    Peers, MisbehaviourTest,
    testing::Values(
        Misbehaviour{"silent", "silence\n", "banner timeout no banner in 0."},
        Misbehaviour{"drip", "drip 40ms: S: 220 mx.test ESMTP is here, slowly\nsilence\n",
                     "banner timeout no banner in 0.", " s, received "},
        Misbehaviour{"close", "close\n", "banner connection_closed"},
        Misbehaviour{"early", "S: 220 mx\nS: 250 mx\nwait 300ms\nclose\n", "banner early_talker"},
        Misbehaviour{"late_extra",
                     "S: 220 mx\nC: EHLO *\nS> 250 mx\\r\\n250 ok\\r\\n\nwait 300ms\nclose\n",
                     "ehlo early_talker"},
        Misbehaviour{"cut_mid_reply", "S: 220 mx\nC: EHLO *\nS> 250-mx\\r\\n250 PIP\nclose\n",
                     "ehlo connection_closed"},
        Misbehaviour{"reset", "S: 220 mx\nC: EHLO *\nreset\n", "ehlo connection_reset"},
        Misbehaviour{"garbage", "S: HTTP/1.1 400 Bad Request\nclose\n", "banner reply_malformed"},
        Misbehaviour{"endless_line", "repeat 200000: S> xxxxxxxxxx\nsilence\n",
                     "banner reply_malformed"}),
    [](const auto& one) { return std::string(one.param.name); });

TEST(ProberTest, TheOverallDeadlineHoldsForEveryStep) {
  const FakeServer server = FakeServer::from_text("S: 220 mx\nwait 200ms\nC: EHLO *\nsilence\n");
  ProbePlan plan = plan_for_server(server);
  plan.timeout = milliseconds(500);
  const ProbeResult result = run_probe(plan);
  EXPECT_TRUE(failure_of(result).starts_with("ehlo timeout")) << failure_of(result);
  EXPECT_NE(failure_of(result).find("the overall limit"), std::string::npos);
  expect_wait(seconds_of(result.ended - result.began), 0.5);
}

TEST(ProberTest, QuitHasALimitOfItsOwnAndNoSayInTheVerdict) {
  const FakeServer server =
      FakeServer::from_text("S: 220 mx\nC: EHLO *\nS: 250 mx\nC: QUIT\nsilence\n");
  ProbePlan plan = plan_for_server(server);
  plan.dialogue.limits.quit = milliseconds(200);
  const ProbeResult result = run_probe(plan);
  EXPECT_EQ(failure_of(result), "");
  ASSERT_NE(result.step(Step::Quit), nullptr);
  EXPECT_EQ(result.step(Step::Quit)->reason, Reason::Timeout);
  expect_wait(seconds_of(result.ended - result.began), 0.2);
}

TEST(ProberTest, AProbeDroppedAtAnyWaitLeavesNothingBehind) {
  const FakeServer server = FakeServer::from_text("silence\n");
  for (const int turns : {1, 2, 3, 5}) {
    FixedResolver resolver({{"127.0.0.1"}, Reason::None, {}});
    boost::asio::io_context context(1);
    boost::asio::co_spawn(
        context,
        probe(std::make_shared<const ProbePlan>(plan_for_port(server.port(), "mx.test")), nullptr,
              resolver),
        boost::asio::detached);
    for (int i = 0; i < turns; ++i) context.run_one_for(milliseconds(50));
  }
  EXPECT_TRUE(server.wait_idle());
}

TEST(ProbeOnceTest, UnusableTlsFilesAreTheUsersErrorAndNothingIsSent) {
  const FakeServer server = FakeServer::from_text(kGood);
  ProbePlan plan = plan_for_server(server);
  plan.dialogue.tls = TlsMode::Starttls;
  plan.tls.ca_file = "/nowhere/ca.pem";
  const auto results = probe_once(plan);
  ASSERT_FALSE(results);
  EXPECT_NE(results.error().text.find("/nowhere/ca.pem"), std::string::npos);
  EXPECT_EQ(server.connections(), 0);
}

TEST(ProbeOnceTest, AMessageThatCannotBeComposedIsAnErrorAndNothingIsSent) {
  const FakeServer server = FakeServer::from_text(kGood);
  ProbePlan plan = plan_for_server(server);
  plan.dialogue.until = Step::Message;
  plan.message = MessagePlan{"two\r\nlines", {}, ""};
  EXPECT_FALSE(probe_once(plan));
  EXPECT_EQ(server.connections(), 0);
}

}  // namespace
}  // namespace smtpprobe
