// The prober and TLS: STARTTLS and implicit TLS, good and bad certificates, and peers that break
// the handshake or the channel.
#include <cstdlib>
#include <fstream>
#include <thread>

#include "common/net/prober.h"
#include "common/probe/verdict.h"
#include "tests/net/probe_harness.h"
#include "tests/net/tls_pair.h"

namespace smtpprobe {
namespace {

using std::chrono::milliseconds;

constexpr const char* kStarttls =
    "S: 220 mx\nC: EHLO probe.test\nS: 250-mx\nS: 250 STARTTLS\nC: STARTTLS\nS: 220 go\nTLS\n"
    "C: EHLO probe.test\nS: 250-mx\nS: 250 SIZE 1000\nC: QUIT\nS: 221 bye\nclose\n";

FakeServer tls_server(const char* script, int max_version = 0) {
  FakeServerOptions options;
  options.identity = pki().server;
  options.max_tls_version = max_version;
  return FakeServer::from_text(script, std::move(options));
}

class ProberTlsTest : public testing::Test {
 protected:
  ProbePlan plan(const FakeServer& server, TlsMode mode = TlsMode::Starttls) const {
    ProbePlan plan = plan_for_server(server);
    plan.dialogue.tls = mode;
    plan.dialogue.until = Step::EhloTls;
    if (mode == TlsMode::Implicit) plan.dialogue.until = Step::Ehlo;
    plan.tls.ca_file = root_;
    plan.dialogue.limits.reply = milliseconds(1000);
    return plan;
  }

 private:
  Folder folder_;
  std::string root_ = folder_.write("root.pem", pki().root.chain);
};

// With a place for one handshake, which somebody holds until `leaves`.
ProbeResult run_behind_another(const ProbePlan& plan, milliseconds leaves) {
  const auto made = std::make_shared<const ProbePlan>(plan);
  auto tls = TlsContext::create(made->tls, effective_verify(*made, false));
  EXPECT_TRUE(tls);
  FixedResolver resolver;
  boost::asio::io_context context(1);
  Pace handshakes(context.get_executor(), 1, std::chrono::seconds(60));
  std::optional<Pace::Place> held = handshakes.try_enter();
  boost::asio::steady_timer timer(context, leaves);
  timer.async_wait([&held](const boost::system::error_code&) { held.reset(); });
  std::optional<ProbeResult> result;
  boost::asio::co_spawn(context, probe(made, *tls, resolver, {nullptr, nullptr, &handshakes}),
                        [&](const std::exception_ptr& thrown, ProbeResult got) {
                          if (!thrown) result = std::move(got);
                          context.stop();
                        });
  context.run_for(std::chrono::seconds(20));
  EXPECT_TRUE(result);
  return result.value_or(ProbeResult());
}

TEST_F(ProberTlsTest, TheWaitForOtherHandshakesIsInNoStep) {
  const FakeServer server = tls_server(kStarttls);
  const ProbeResult result = run_behind_another(plan(server), milliseconds(1000));
  EXPECT_EQ(failure_of(result), "");
  EXPECT_GE(result.waited, milliseconds(200));
  Duration sum{};
  for (const StepRecord& record : result.steps) sum += record.took;
  EXPECT_LE(sum, result.ended - result.began - result.waited);
}

TEST_F(ProberTlsTest, AHandshakeWhoseTurnNeverCameIsNotTheServersFault) {
  const FakeServer server = tls_server(kStarttls);
  ProbePlan hasty = plan(server);
  hasty.timeout = milliseconds(300);
  const ProbeResult result = run_behind_another(hasty, std::chrono::seconds(10));
  EXPECT_TRUE(failure_of(result).starts_with("tls probe_rejected waited 0.")) << failure_of(result);
  EXPECT_EQ(judge(hasty, result).state, State::Unknown);
  Duration sum{};
  for (const StepRecord& record : result.steps) sum += record.took;
  EXPECT_LE(sum, result.ended - result.began - result.waited);
}

TEST_F(ProberTlsTest, AServerThatGivesUpWhileWeWaitIsNotToBlame) {
  const FakeServer server = tls_server(
      "S: 220 mx\nC: EHLO probe.test\nS: 250-mx\nS: 250 STARTTLS\nC: STARTTLS\nS: 220 go\n"
      "wait 100ms\nclose\n");
  const ProbePlan wanted = plan(server);
  const ProbeResult result = run_behind_another(wanted, milliseconds(2000));
  EXPECT_TRUE(failure_of(result).starts_with("tls probe_rejected")) << failure_of(result);
  EXPECT_EQ(judge(wanted, result).state, State::Unknown);
  ASSERT_NE(result.step(Step::Tls), nullptr);
  EXPECT_LT(result.step(Step::Tls)->took, milliseconds(1800));
  // Without a wait it is the server's end.
  const ProbeResult alone = run_probe(wanted);
  EXPECT_TRUE(failure_of(alone).starts_with("tls connection_closed")) << failure_of(alone);
}

TEST_F(ProberTlsTest, PlacesAreGivenBackAsSoonAsTheyHaveServed) {
  const FakeServer server = tls_server(
      "S: 220 mx\nC: EHLO probe.test\nwait 800ms\nS: 250-mx\nS: 250 STARTTLS\nC: STARTTLS\n"
      "S: 220 go\nTLS\nC: EHLO probe.test\nwait 800ms\nS: 250 mx\nC: QUIT\nS: 221 bye\nclose\n");
  const auto made = std::make_shared<const ProbePlan>(plan(server));
  auto tls = TlsContext::create(made->tls, effective_verify(*made, false));
  ASSERT_TRUE(tls);
  FixedResolver resolver;
  boost::asio::io_context context(1);
  Pace starts(context.get_executor(), 1, std::chrono::seconds(60));
  Pace handshakes(context.get_executor(), 1, std::chrono::seconds(60));
  std::optional<ProbeResult> result;
  boost::asio::co_spawn(context, probe(made, *tls, resolver, {nullptr, &starts, &handshakes}),
                        [&](const std::exception_ptr& thrown, ProbeResult got) {
                          if (!thrown) result = std::move(got);
                          context.stop();
                        });
  const auto run_until_heard = [&](std::size_t lines) {
    while (!result && server.received().size() < lines) {
      context.restart();
      context.run_for(milliseconds(10));
    }
  };
  run_until_heard(1);  // EHLO
  ASSERT_FALSE(result);
  EXPECT_TRUE(starts.try_enter());
  run_until_heard(3);  // STARTTLS, and EHLO once more
  ASSERT_FALSE(result);
  EXPECT_TRUE(handshakes.try_enter());
  context.restart();
  context.run_for(std::chrono::seconds(20));
  ASSERT_TRUE(result);
  EXPECT_EQ(failure_of(*result), "");
}

// Holds the thread of the loop up, again and again.
void block(boost::asio::steady_timer& timer, int times) {
  if (times == 0) return;
  timer.expires_after(milliseconds(0));
  timer.async_wait([&timer, times](const boost::system::error_code& failure) {
    if (failure) return;
    std::this_thread::sleep_for(milliseconds(120));
    block(timer, times - 1);
  });
}

TEST_F(ProberTlsTest, ALoopThatIsLateMakesNoStepSlow) {
  // Each reply comes when the probe has begun to wait.
  const FakeServer server = tls_server(
      "wait 5ms\nS: 220 mx\nC: EHLO probe.test\nwait 5ms\nS: 250-mx\nS: 250 STARTTLS\n"
      "C: STARTTLS\nwait 5ms\nS: 220 go\nTLS\nC: EHLO probe.test\nwait 5ms\nS: 250 mx\n"
      "C: QUIT\nwait 5ms\nS: 221 bye\nclose\n");
  const auto made = std::make_shared<const ProbePlan>(plan(server));
  auto tls = TlsContext::create(made->tls, effective_verify(*made, false));
  ASSERT_TRUE(tls);
  FixedResolver resolver;
  boost::asio::io_context context(1);
  boost::asio::steady_timer timer(context);
  block(timer, 40);
  std::optional<ProbeResult> result;
  boost::asio::co_spawn(context, probe(made, *tls, resolver),
                        [&](const std::exception_ptr& thrown, ProbeResult got) {
                          if (!thrown) result = std::move(got);
                          context.stop();
                        });
  context.run_for(std::chrono::seconds(20));
  ASSERT_TRUE(result);
  EXPECT_EQ(failure_of(*result), "");
  EXPECT_FALSE(result->unstamped);
  // It was held up nearly all the time, at every step.
  EXPECT_GT(result->ended - result->began, milliseconds(500));
  Duration sum{};
  for (const StepRecord& record : result->steps) sum += record.took;
  EXPECT_LT(sum, (result->ended - result->began) / 2);
}

TEST_F(ProberTlsTest, StarttlsWithAVerifiedCertificate) {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    const FakeServer server = tls_server(kStarttls, version);
    const ProbeResult result = run_probe(plan(server));
    EXPECT_EQ(failure_of(result), "");
    EXPECT_EQ(step_names(result),
              (std::vector{Step::Connect, Step::Banner, Step::Ehlo, Step::Starttls, Step::Tls,
                           Step::EhloTls, Step::Quit}));
    ASSERT_TRUE(result.tls);
    EXPECT_TRUE(result.tls->verified());
    EXPECT_EQ(result.tls->version, version == TLS1_2_VERSION ? "TLSv1.2" : "TLSv1.3");
    EXPECT_EQ(result.notes, Note::None);
    ASSERT_TRUE(result.extensions);
    EXPECT_FALSE(result.extensions->offers("STARTTLS"));
    EXPECT_TRUE(server.wait_idle());
    EXPECT_TRUE(server.mismatches().empty()) << server.mismatches().front();
    ASSERT_EQ(server.handshakes().size(), 1U);
    EXPECT_EQ(server.handshakes()[0].error, "");
  }
}

TEST_F(ProberTlsTest, ImplicitTls) {
  const FakeServer server =
      tls_server("TLS\nS: 220 mx\nC: EHLO *\nS: 250 mx\nC: QUIT\nS: 221 bye\nclose\n");
  const ProbeResult result = run_probe(plan(server, TlsMode::Implicit));
  EXPECT_EQ(failure_of(result), "");
  EXPECT_EQ(step_names(result),
            (std::vector{Step::Connect, Step::Tls, Step::Banner, Step::Ehlo, Step::Quit}));
}

TEST_F(ProberTlsTest, ABadCertificateIsReportedAndStopsOnlyWhereItMust) {
  for (const auto verify : {TlsVerify::Report, TlsVerify::Require}) {
    const FakeServer server = FakeServer::from_text(kStarttls);  // self-signed
    ProbePlan wanted = plan(server);
    wanted.tls.verify = verify;
    const ProbeResult result = run_probe(wanted);
    ASSERT_TRUE(result.tls);
    EXPECT_TRUE(result.tls->established());
    EXPECT_FALSE(result.tls->verified());
    EXPECT_EQ(result.verify, verify);
    const std::string failure = failure_of(result);
    EXPECT_TRUE(verify == TlsVerify::Report ? failure.empty()
                                            : failure.starts_with("tls cert_untrusted"))
        << failure;
  }
}

TEST_F(ProberTlsTest, PlaintextBehindThe220IsRefused) {
  for (const char* injected : {"250 evil\\r\\n", "25"}) {
    const std::string script =
        std::string(
            "S: 220 mx\nC: EHLO *\nS: 250-mx\nS: 250 STARTTLS\nC: STARTTLS\nS> 220 go\\r\\n") +
        injected + "\nwait 200ms\nclose\n";
    const FakeServer server = tls_server(script.c_str());
    const ProbeResult result = run_probe(plan(server));
    EXPECT_TRUE(failure_of(result).starts_with("starttls plaintext_after_starttls"))
        << failure_of(result);
    EXPECT_FALSE(result.tls);
    EXPECT_TRUE(server.wait_idle());
    EXPECT_EQ(server.received(), (std::vector<std::string>{"EHLO probe.test", "STARTTLS"}));
  }
}

struct BrokenHandshake {
  const char* name;
  const char* event;
  const char* failure;
};

class BrokenHandshakeTest : public ProberTlsTest,
                            public testing::WithParamInterface<BrokenHandshake> {};

TEST_P(BrokenHandshakeTest, IsNamedAndTheFactsAreThere) {
  const std::string script =
      std::string("S: 220 mx\nC: EHLO *\nS: 250-mx\nS: 250 STARTTLS\nC: STARTTLS\nS: 220 go\n") +
      GetParam().event + "\n";
  const FakeServer server = tls_server(script.c_str());
  ProbePlan wanted = plan(server);
  wanted.dialogue.limits.reply = milliseconds(300);
  const ProbeResult result = run_probe(wanted);
  EXPECT_TRUE(failure_of(result).starts_with(GetParam().failure)) << failure_of(result);
  ASSERT_TRUE(result.failure);
  if (result.failure->reason == Reason::Timeout)
    expect_wait(seconds_of(result.step(Step::Tls)->took), 0.3);
  ASSERT_TRUE(result.tls);
  EXPECT_FALSE(result.tls->established());
}

INSTANTIATE_TEST_SUITE_P(
    Peers, BrokenHandshakeTest,
    testing::Values(BrokenHandshake{"hang", "TLS-FAIL hang", "tls timeout no handshake in 0."},
                    BrokenHandshake{"alert", "TLS-FAIL alert 40", "tls tls_alert"},
                    BrokenHandshake{"garbage", "TLS-FAIL garbage", "tls tls_not_tls \""},
                    BrokenHandshake{"close", "TLS-FAIL close", "tls connection_closed"}),
    [](const auto& one) { return std::string(one.param.name); });

TEST_F(ProberTlsTest, APlainServerOnATlsPortIsShown) {
  for (const char* script : {"S: 220 mx.test ESMTP\nsilence\n", "S> 2\nsilence\n"}) {
    const FakeServer server = tls_server(script);
    ProbePlan wanted = plan(server, TlsMode::Implicit);
    wanted.dialogue.limits.reply = std::chrono::seconds(4);
    const ProbeResult result = run_probe(wanted);
    EXPECT_TRUE(failure_of(result).starts_with("tls tls_not_tls \"2")) << failure_of(result);
    EXPECT_LT(seconds_of(result.ended - result.began), 3.9);
  }
}

TEST_F(ProberTlsTest, PlaintextInsideTlsIsABadRecord) {
  const FakeServer server = tls_server("TLS\nraw> 220 mx.test ESMTP plain\\r\\n\nsilence\n");
  const ProbeResult result = run_probe(plan(server, TlsMode::Implicit));
  EXPECT_TRUE(failure_of(result).starts_with("banner tls_record")) << failure_of(result);
}

TEST_F(ProberTlsTest, ACutChannelIsNoted) {
  const FakeServer server = tls_server("TLS\nS: 220 mx\nC: EHLO *\ncut\n");
  const ProbeResult result = run_probe(plan(server, TlsMode::Implicit));
  EXPECT_TRUE(failure_of(result).starts_with("ehlo connection_closed")) << failure_of(result);
  EXPECT_TRUE(has(result.notes, Note::NoCloseNotify));

  const FakeServer orderly = tls_server("TLS\nS: 220 mx\nC: EHLO *\nclose\n");
  const ProbeResult closed = run_probe(plan(orderly, TlsMode::Implicit));
  EXPECT_TRUE(failure_of(closed).starts_with("ehlo connection_closed")) << failure_of(closed);
  EXPECT_FALSE(has(closed.notes, Note::NoCloseNotify));
}

TEST_F(ProberTlsTest, LegacyTlsIsNotedWhereItWasUsed) {
  const char* const script = "TLS\nS: 220 mx\nC: EHLO *\nS: 250 mx\nC: QUIT\nS: 221 bye\nclose\n";
  const FakeServer server = tls_server(script, TLS1_VERSION);
  const ProbeResult refused = run_probe(plan(server, TlsMode::Implicit));
  EXPECT_TRUE(failure_of(refused).starts_with("tls tls_version")) << failure_of(refused);
  EXPECT_NE(failure_of(refused).find("--tls-legacy"), std::string::npos) << failure_of(refused);
  EXPECT_FALSE(has(refused.notes, Note::TlsLegacy));
  ProbePlan legacy = plan(server, TlsMode::Implicit);
  legacy.tls.legacy = true;
  const ProbeResult accepted = run_probe(legacy);
  EXPECT_EQ(failure_of(accepted), "");
  EXPECT_EQ(accepted.tls->version, "TLSv1");
  EXPECT_TRUE(has(accepted.notes, Note::TlsLegacy));
}

TEST_F(ProberTlsTest, AnEarlyTalkerInsideTls) {
  const FakeServer server = tls_server("TLS\nS> 220 mx\\r\\n250 early\\r\\n\nwait 300ms\nclose\n");
  const ProbeResult result = run_probe(plan(server, TlsMode::Implicit));
  EXPECT_TRUE(failure_of(result).starts_with("banner early_talker")) << failure_of(result);
}

TEST_F(ProberTlsTest, CredentialsGoToALoopbackPeerWithoutVerifiedTls) {
  const FakeServer server = tls_server(
      "S: 220 mx\nC: EHLO *\nS: 250-mx\nS: 250 AUTH PLAIN\nC: AUTH PLAIN *\nS: 235 ok\n"
      "C: QUIT\nS: 221 bye\nclose\n");
  ProbePlan wanted = plan_for_server(server);
  wanted.dialogue.until = Step::Auth;
  wanted.dialogue.auth = AuthPlan{Mechanism::Plain, {"u", "secret", "", "", 0}, false};
  EXPECT_EQ(failure_of(run_probe(wanted)), "");
  wanted.tls.verify = TlsVerify::Require;
  EXPECT_TRUE(failure_of(run_probe(wanted)).starts_with("auth auth_needs_tls"));
}

// Whoever answers for the name may let it resolve to a port that another user of this host opened.
TEST_F(ProberTlsTest, ANameThatResolvesToTheLoopbackGetsNoCredentialsInClear) {
  const FakeServer server = tls_server(
      "S: 220 mx\nC: EHLO *\nS: 250-mx\nS: 250 AUTH PLAIN\nC: QUIT\nS: 221 bye\nclose\n");
  FixedResolver resolver{Resolved{{"127.0.0.1"}, Reason::None, ""}};
  ProbePlan wanted = plan_for_port(server.port(), "mx.test");
  wanted.dialogue.until = Step::Auth;
  wanted.dialogue.auth = AuthPlan{Mechanism::Plain, {"u", "secret", "", "", 0}, false};
  const ProbeResult result = run_probe(wanted, resolver);
  EXPECT_TRUE(result.endpoint.loopback);
  EXPECT_EQ(result.verify, TlsVerify::Require);
  EXPECT_TRUE(failure_of(result).starts_with("auth auth_needs_tls")) << failure_of(result);
  EXPECT_TRUE(server.wait_idle());
  EXPECT_TRUE(server.mismatches().empty());
}

}  // namespace
}  // namespace smtpprobe
