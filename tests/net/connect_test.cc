// How the prober gets there: addresses in turn, refusals, limits, source address, unix sockets and
// what the server sees of the PROXY header.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <filesystem>
#include <string_view>
#include <thread>

#include "common/net/connector.h"
#include "common/net/socket_address.h"
#include "common/probe/verdict.h"
#include "tests/net/probe_harness.h"

namespace smtpprobe {
namespace {

using std::chrono::milliseconds;

// For a port that has to be the same as another's: of 127.0.0.1 other tests take ports, too.
constexpr const char* kUnshared = "127.0.0.4";

constexpr const char* kGood =
    "S: 220 mx.test ESMTP\nC: EHLO probe.test\nS: 250 mx.test\nC: QUIT\nS: 221 bye\nclose\n";

// A bound socket: nobody else has its port, and nobody listens on it unless told to.
class BoundSocket {
 public:
  explicit BoundSocket(const char* ip, int port = 0) {
    const auto address = SocketAddress::from_literal(ip, port);
    fd_ = ::socket(address->family(), SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (::bind(fd_, address->native(), address->length()) != 0) ADD_FAILURE() << "bind " << ip;
  }
  ~BoundSocket() { ::close(fd_); }
  BoundSocket(const BoundSocket&) = delete;
  BoundSocket& operator=(const BoundSocket&) = delete;

  int fd() const { return fd_; }
  int port() const { return SocketAddress::local_end(fd_).port(); }

 private:
  int fd_ = -1;
};

// A listener whose backlog is full: what connects to it gets no answer.
class DeafListener : public BoundSocket {
 public:
  explicit DeafListener(const char* ip) : BoundSocket(ip) {
    ::listen(fd(), 0);
    const auto address = SocketAddress::from_literal(ip, port());
    for (std::size_t i = 0; i < 4; ++i) {
      fillers_.push_back(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
      ::connect(fillers_.back(), address->native(), address->length());
    }
    ::usleep(50'000);
  }
  ~DeafListener() {
    for (const int one : fillers_) ::close(one);
  }
  DeafListener(const DeafListener&) = delete;
  DeafListener& operator=(const DeafListener&) = delete;

 private:
  std::vector<int> fillers_;
};

TEST(ConnectTest, ARefusedConnectionIsNamed) {
  const BoundSocket closed("127.0.0.1");
  const ProbeResult result = run_probe(plan_for_port(closed.port()));
  EXPECT_EQ(failure_of(result), "connect connection_refused connection refused by 127.0.0.1 port " +
                                    std::to_string(closed.port()));
  EXPECT_EQ(step_names(result), std::vector{Step::Connect});
  EXPECT_EQ(result.steps[0].reason, Reason::ConnectionRefused);
  ASSERT_EQ(result.failed_attempts.size(), 1U);
  EXPECT_EQ(result.endpoint.local_address, "");
}

TEST(ConnectTest, TheNextAddressIsTriedWhenOneDoesNotConnect) {
  const FakeServer server = FakeServer::from_text(kGood);
  FixedResolver resolver({{"127.0.0.2", "127.0.0.1"}, Reason::None, {}});
  const ProbeResult result = run_probe(plan_for_port(server.port(), "mx.test"), resolver);
  EXPECT_EQ(failure_of(result), "");
  EXPECT_EQ(resolver.asked(), std::vector<std::string>{"mx.test"});
  EXPECT_EQ(result.endpoint.host, "mx.test");
  EXPECT_EQ(result.endpoint.address, "127.0.0.1");
  ASSERT_EQ(result.failed_attempts.size(), 1U);
  EXPECT_EQ(result.failed_attempts[0].address, "127.0.0.2");
  EXPECT_EQ(result.failed_attempts[0].reason, Reason::ConnectionRefused);
  ASSERT_GE(result.steps.size(), 2U);
  EXPECT_EQ(result.steps[0].step, Step::Resolve);
  EXPECT_EQ(result.steps[1].step, Step::Connect);
  EXPECT_EQ(result.steps[1].reason, Reason::None);
}

TEST(ConnectTest, EachSilentAddressOfANameHasItsLimit) {
  const DeafListener deaf("127.0.0.3");
  ProbePlan plan = plan_for_port(deaf.port(), "mx.test");
  plan.dialogue.limits.connect = milliseconds(200);
  plan.timeout = milliseconds(5000);
  FixedResolver resolver({{"127.0.0.3", "127.0.0.3"}, Reason::None, {}});
  const ProbeResult result = run_probe(plan, resolver);
  ASSERT_EQ(result.failed_attempts.size(), 2U);
  expect_wait(seconds_of(result.failed_attempts[0].took), 0.2);
  expect_wait(seconds_of(result.failed_attempts[1].took), 0.2);
  EXPECT_TRUE(failure_of(result).starts_with("connect connect_timeout no answer from 127.0.0.3 "))
      << failure_of(result);
  expect_wait(seconds_of(result.step(Step::Connect)->took), 0.4);
  expect_wait(seconds_of(result.ended - result.began), 0.4);
  EXPECT_EQ(result.addresses, 2U);
}

TEST(ConnectTest, ASingleAddressHasAllTheTime) {
  const DeafListener deaf("127.0.0.3");
  for (const char* host : {"127.0.0.3", "mx.test"}) {
    ProbePlan plan = plan_for_port(deaf.port(), host);
    plan.dialogue.limits.connect = milliseconds(100);
    plan.timeout = milliseconds(500);
    FixedResolver resolver({{"127.0.0.3"}, Reason::None, {}});
    const ProbeResult result = run_probe(plan, resolver);
    ASSERT_EQ(result.failed_attempts.size(), 1U);
    EXPECT_GE(result.failed_attempts[0].took, milliseconds(400));
    EXPECT_TRUE(failure_of(result).starts_with("connect connect_timeout")) << failure_of(result);
  }
}

TEST(ConnectTest, AHealthyAddressAfterADeadOneIsReachedAndTalkedTo) {
  FakeServerOptions options;
  const DeafListener deaf("127.0.0.3");
  options.address = kUnshared;
  options.port = deaf.port();
  const FakeServer server = FakeServer::from_text(kGood, options);
  ProbePlan plan = plan_for_port(deaf.port(), "mx.test");
  plan.timeout = milliseconds(1500);
  FixedResolver resolver({{"127.0.0.3", kUnshared}, Reason::None, {}});
  const ProbeResult result = run_probe(plan, resolver);
  EXPECT_EQ(failure_of(result), "");
  EXPECT_EQ(result.endpoint.address, kUnshared);
  ASSERT_EQ(result.failed_attempts.size(), 1U);
  expect_wait(seconds_of(result.failed_attempts[0].took), 0.5);
  EXPECT_EQ(result.addresses, 2U);
}

TEST(ConnectTest, AHealthyAddressIsReachedAfterFifteenDeadOnes) {
  const DeafListener deaf("127.0.0.3");
  FakeServerOptions options;
  options.address = kUnshared;
  options.port = deaf.port();
  const FakeServer server = FakeServer::from_text(kGood, options);
  ProbePlan plan = plan_for_port(deaf.port(), "mx.test");
  plan.timeout = milliseconds(3000);
  std::vector<std::string> addresses(15, "127.0.0.3");
  addresses.emplace_back(kUnshared);
  FixedResolver resolver({addresses, Reason::None, {}});
  const ProbeResult result = run_probe(plan, resolver);
  EXPECT_EQ(failure_of(result), "");
  EXPECT_EQ(result.failed_attempts.size(), 15U);
  EXPECT_LT(result.ended - result.began, plan.timeout);
}

// Under load the loop comes late to a connection that was up in time.
TEST(ConnectTest, AConnectionThatIsNoticedLateCounts) {
  const DeafListener deaf("127.0.0.3");
  std::atomic<bool> done = false;
  std::thread accepting([&] {
    std::this_thread::sleep_for(milliseconds(300));
    while (!done) {
      pollfd one{deaf.fd(), POLLIN, 0};
      if (::poll(&one, 1, 50) == 1) ::close(::accept4(deaf.fd(), nullptr, nullptr, SOCK_CLOEXEC));
    }
  });
  boost::asio::io_context context(1);
  Transport transport(context.get_executor());
  const Instant start = std::chrono::steady_clock::now();
  boost::asio::steady_timer busy(context, start + milliseconds(20));
  // The SYN is sent again after a second.
  busy.async_wait([start](const boost::system::error_code&) {
    std::this_thread::sleep_until(start + milliseconds(2500));
  });
  std::optional<ConnectOutcome> outcome;
  boost::asio::co_spawn(context,
                        connect(transport, *SocketAddress::from_literal("127.0.0.3", deaf.port()),
                                std::nullopt, start + milliseconds(2000)),
                        [&](const std::exception_ptr&, ConnectOutcome got) { outcome = got; });
  context.run_for(std::chrono::seconds(5));
  done = true;
  accepting.join();
  ASSERT_TRUE(outcome);
  EXPECT_EQ(reason_name(outcome->reason), reason_name(Reason::None)) << outcome->detail;
}

// The dead address's time is the network's: not this host's, which had nothing else to do.
TEST(ConnectTest, ASilentServerAfterADeadAddressIsATimeout) {
  const DeafListener deaf("127.0.0.3");
  FakeServerOptions options;
  options.address = kUnshared;
  options.port = deaf.port();
  const FakeServer server = FakeServer::from_text("silence\n", options);
  ProbePlan plan = plan_for_port(deaf.port(), "mx.test");
  plan.timeout = milliseconds(1200);
  std::vector<std::string> addresses(3, "127.0.0.3");
  addresses.emplace_back(kUnshared);
  FixedResolver resolver({addresses, Reason::None, {}});
  const ProbeResult result = run_probe(plan, resolver);
  EXPECT_TRUE(failure_of(result).starts_with("banner timeout no banner in 0."))
      << failure_of(result);
  EXPECT_EQ(result.failed_attempts.size(), 3U);
  EXPECT_EQ(judge(plan, result).state, State::Critical);
}

TEST(ConnectTest, WhereNoneConnectsTheMostTellingIsNamed) {
  const DeafListener deaf("127.0.0.3");
  const std::string port = std::to_string(deaf.port());
  const BoundSocket closed(kUnshared, deaf.port());
  ProbePlan plan = plan_for_port(deaf.port(), "mx.test");
  plan.dialogue.limits.connect = milliseconds(100);
  FixedResolver resolver({{"127.0.0.3", kUnshared, "127.0.0.3"}, Reason::None, {}});
  const ProbeResult result = run_probe(plan, resolver);
  EXPECT_EQ(failure_of(result), "connect connection_refused connection refused by " +
                                    std::string(kUnshared) + " port " + port);
  EXPECT_EQ(result.endpoint.address, kUnshared) << "the address that is named";
  EXPECT_EQ(result.failed_attempts.size(), 3U);
  EXPECT_GE(result.step(Step::Connect)->took, milliseconds(200)) << "of all attempts";
}

TEST(ConnectTest, WhatTheServerDidOutweighsWhatThisHostLacks) {
  const BoundSocket closed("127.0.0.1");
  ProbePlan plan = plan_for_port(closed.port(), "mx.test");
  plan.source_address = "127.0.0.9";
  FixedResolver resolver({{"127.0.0.1", "::1"}, Reason::None, {}});
  const ProbeResult result = run_probe(plan, resolver);
  ASSERT_EQ(result.failed_attempts.size(), 2U);
  EXPECT_EQ(result.failed_attempts[1].reason, Reason::LocalError);
  EXPECT_EQ(result.failure->reason, Reason::ConnectionRefused);
}

TEST(ConnectTest, AnUnresolvableNameFailsAtResolve) {
  FixedResolver resolver({{}, Reason::DnsNxdomain, "no such name"});
  const ProbeResult result = run_probe(plan_for_port(25, "nowhere.test"), resolver);
  EXPECT_EQ(failure_of(result), "resolve dns_nxdomain nowhere.test: no such name");
  EXPECT_EQ(step_names(result), std::vector{Step::Resolve});
  EXPECT_EQ(result.endpoint.address, "");
}

TEST(ConnectTest, AnAddressOfTheOtherVersionIsTheUsersMistake) {
  ProbePlan plan = plan_for_port(25, "::1");
  plan.ip = IpChoice::Ipv4;
  EXPECT_EQ(failure_of(run_probe(plan)), "resolve config ::1 is no IPv4 address");
}

TEST(ConnectTest, TheSourceAddressIsSeen) {
  const BoundSocket listener("127.0.0.1");
  ::listen(listener.fd(), 1);
  ProbePlan plan = plan_for_port(listener.port());
  plan.source_address = "127.0.0.9";
  plan.dialogue.limits.reply = milliseconds(100);
  const ProbeResult result = run_probe(plan);
  EXPECT_TRUE(result.endpoint.local_address.starts_with("127.0.0.9:"));
  const int accepted = ::accept4(listener.fd(), nullptr, nullptr, SOCK_CLOEXEC);
  EXPECT_EQ(SocketAddress::remote_end(accepted).text(), result.endpoint.local_address);
  ::close(accepted);
}

TEST(ConnectTest, ASourceAddressThatIsNotOursIsLocal) {
  ProbePlan plan = plan_for_port(25);
  plan.source_address = "192.0.2.77";
  EXPECT_TRUE(failure_of(run_probe(plan)).starts_with("connect local_error cannot connect to"));
}

TEST(ConnectTest, NoDescriptorLeftIsLocal) {
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const BoundSocket closed("127.0.0.1");
  FixedResolver resolver;
  rlimit none = before;
  none.rlim_cur = 0;
  const ProbeResult result = run_probe(plan_for_port(closed.port()), resolver,
                                       [&none] { ::setrlimit(RLIMIT_NOFILE, &none); });
  ::setrlimit(RLIMIT_NOFILE, &before);
  EXPECT_EQ(failure_of(result), "connect local_error cannot connect to 127.0.0.1 port " +
                                    std::to_string(closed.port()) + ": too many open files");
}

class UnixSocketTest : public testing::Test {
 protected:
  std::string path_ = (std::filesystem::temp_directory_path() /
                       ("smtp-probe-" + std::to_string(::getpid()) + ".sock"))
                          .string();

  ProbePlan plan() const {
    ProbePlan plan = plan_for_port(0, "");
    plan.target.unix_path = path_;
    plan.dialogue.protocol = Protocol::Lmtp;
    return plan;
  }
};

TEST_F(UnixSocketTest, LmtpIsSpokenOverIt) {
  FakeServerOptions options;
  options.address = "unix:" + path_;
  const FakeServer server = FakeServer::from_text(
      "S: 220 mx LMTP\nC: LHLO probe.test\nS: 250 mx\nC: QUIT\nS: 221 bye\nclose\n", options);
  const ProbeResult result = run_probe(plan());
  EXPECT_EQ(failure_of(result), "");
  EXPECT_EQ(result.endpoint.address, path_);
  EXPECT_EQ(result.endpoint.port, 0);
  EXPECT_EQ(result.endpoint.ip_version, 0);
  EXPECT_TRUE(result.endpoint.loopback);
  EXPECT_TRUE(server.wait_idle());
  EXPECT_TRUE(server.mismatches().empty());
}

TEST_F(UnixSocketTest, OneThatIsNotThereIsRefused) {
  EXPECT_EQ(failure_of(run_probe(plan())), "connect connection_refused no such socket " + path_);
}

TEST_F(UnixSocketTest, APathThatDoesNotFitIsTheUsersMistake) {
  path_ = "/" + std::string(107, 'x');
  EXPECT_TRUE(failure_of(run_probe(plan())).starts_with("resolve config"));
}

class ProxyTest : public testing::TestWithParam<std::pair<ProxyHeader, std::size_t>> {};

TEST_P(ProxyTest, TheHeaderComesBeforeTheBannerAndTheSession) {
  const auto [kind, size] = GetParam();
  const std::string read = size == 0 ? "C: PROXY TCP4 *" : "read " + std::to_string(size);
  const FakeServer server = FakeServer::from_text(read + "\n" + kGood);
  ProbePlan plan = plan_for_server(server);
  plan.proxy = kind;
  plan.source_address = "127.0.0.9";
  const ProbeResult result = run_probe(plan);
  EXPECT_EQ(failure_of(result), "");
  EXPECT_TRUE(server.wait_idle());
  EXPECT_TRUE(server.mismatches().empty()) << server.mismatches().front();
  const std::string seen = server.received_bytes();
  if (kind == ProxyHeader::V1) {
    const std::string port = result.endpoint.local_address.substr(10);
    EXPECT_TRUE(seen.starts_with("PROXY TCP4 127.0.0.9 127.0.0.1 " + port + " " +
                                 std::to_string(server.port()) + "\r\nEHLO "))
        << seen;
  } else {
    EXPECT_EQ(seen.substr(12, 1), kind == ProxyHeader::V2 ? "\x21" : "\x20");
  }
}

INSTANTIATE_TEST_SUITE_P(Kinds, ProxyTest,
                         testing::Values(std::pair{ProxyHeader::V1, std::size_t{0}},
                                         std::pair{ProxyHeader::V2, std::size_t{28}},
                                         std::pair{ProxyHeader::Local, std::size_t{16}}));

TEST(ProxyTlsTest, TheHeaderComesBeforeTheClientHello) {
  const BoundSocket listener("127.0.0.1");
  ::listen(listener.fd(), 1);
  ProbePlan plan = plan_for_port(listener.port());
  plan.proxy = ProxyHeader::V2;
  plan.dialogue.tls = TlsMode::Implicit;
  plan.dialogue.limits.reply = milliseconds(200);
  EXPECT_TRUE(failure_of(run_probe(plan)).starts_with("tls timeout"));
  const int accepted = ::accept4(listener.fd(), nullptr, nullptr, SOCK_CLOEXEC);
  std::array<char, 64> seen{};
  ASSERT_EQ(::recv(accepted, seen.data(), seen.size(), MSG_WAITALL),
            static_cast<ssize_t>(seen.size()));
  ::close(accepted);
  EXPECT_EQ(std::string_view(seen.data(), 12), std::string_view("\r\n\r\n\0\r\nQUIT\n", 12));
  EXPECT_EQ(seen[28], '\x16');  // a handshake record
}

TEST(SocketAddressTest, WritesAddressesTheWayEachReaderWantsThem) {
  const auto v4 = SocketAddress::from_literal("192.0.2.1", 25);
  const auto v6 = SocketAddress::from_literal("2001:DB8::1", 465);
  ASSERT_TRUE(v4 && v6);
  EXPECT_EQ(v4->text(), "192.0.2.1:25");
  EXPECT_EQ(v6->text(), "[2001:db8::1]:465");
  EXPECT_EQ(v6->words(), "2001:db8::1 port 465");
  EXPECT_EQ(v4->address_literal(), "[192.0.2.1]");
  EXPECT_EQ(v6->address_literal(), "[IPv6:2001:db8::1]");
  EXPECT_EQ(SocketAddress::from_path("/run/x")->address_literal(), "[127.0.0.1]");
  EXPECT_EQ(SocketAddress::from_literal("fe80::1%lo", 25)->address(), "fe80::1%lo");
  EXPECT_FALSE(SocketAddress::from_literal("fe80::1%nosuchif", 25));
  EXPECT_FALSE(SocketAddress::from_literal("mx.test", 25));
  EXPECT_FALSE(SocketAddress::from_path(""));
  EXPECT_FALSE(v4->loopback());
  EXPECT_TRUE(SocketAddress::from_literal("127.9.9.9", 25)->loopback());
  EXPECT_TRUE(SocketAddress::from_literal("::1", 25)->loopback());
  EXPECT_TRUE(SocketAddress::from_literal("::ffff:127.0.0.1", 25)->loopback());
  EXPECT_FALSE(SocketAddress::from_literal("::ffff:192.0.2.1", 25)->loopback());
}

TEST(SecondsWordsTest, RoundsToTenths) {
  EXPECT_EQ(seconds_words(milliseconds(5049)), "5.0 s");
  EXPECT_EQ(seconds_words(milliseconds(5050)), "5.1 s");
  EXPECT_EQ(seconds_words(milliseconds(-5)), "0.0 s");
}

}  // namespace
}  // namespace smtpprobe
