// The transport on its own: arrival by the kernel's clock, waiting with a deadline, ends.
#include "common/net/transport.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <optional>
#include <thread>

#include "common/net/socket_address.h"
#include "tests/net/kernel_stamps.h"

namespace smtpprobe {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

// Both ends of a TCP connection on the loopback; ours goes to the transport.
struct TcpPair {
  TcpPair() {
    const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const auto any = SocketAddress::from_literal("127.0.0.1", 0);
    EXPECT_EQ(::bind(listener, any->native(), any->length()), 0);
    ::listen(listener, 1);
    const SocketAddress address = SocketAddress::local_end(listener);
    ours = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    ::connect(ours, address.native(), address.length());
    theirs = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    ::close(listener);
  }
  ~TcpPair() { hang_up(); }
  TcpPair(const TcpPair&) = delete;
  TcpPair& operator=(const TcpPair&) = delete;

  void say(std::string_view text) const {
    EXPECT_EQ(::send(theirs, text.data(), text.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(text.size()));
  }
  void hang_up() {
    if (theirs >= 0) ::close(theirs);
    theirs = -1;
  }
  void reset() {
    const linger now{1, 0};
    ::setsockopt(theirs, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    hang_up();
  }

  int ours = -1;
  int theirs = -1;
};

class TransportTest : public testing::Test {
 protected:
  TransportTest() {
    transport_.adopt(pair_.ours);
    transport_.connected(Clock::now());
  }

  IoResult read() { return transport_.read(buffer_); }
  // Reads after `pause` without having waited for anything, as a busy loop does.
  IoResult read_late(milliseconds pause) {
    std::this_thread::sleep_for(pause);
    return read();
  }
  static boost::asio::awaitable<void> wait(Transport& transport, Instant deadline,
                                           std::optional<bool>& in_time) {
    auto waiting = transport.wait(deadline);
    in_time = co_await std::move(waiting);
  }
  bool wait_until(Instant deadline) {
    std::optional<bool> in_time;
    boost::asio::co_spawn(context_, wait(transport_, deadline, in_time), boost::asio::detached);
    context_.restart();
    while (!in_time && context_.run_one_for(std::chrono::seconds(3)) > 0) {
    }
    EXPECT_TRUE(in_time);
    return in_time.value_or(false);
  }

  TcpPair pair_;
  boost::asio::io_context context_{1};
  Transport transport_{context_.get_executor()};
  std::array<char, 64> buffer_{};
};

// The kernel stamps with the wall clock, and a time service moves that against the steady one by up
// to 500 parts per million: 0.1 ms in the 200 ms that a test waits.
constexpr milliseconds kClockDrift{1};

TEST(TransportConnect, NoticedLateItIsUpSinceTheKernelSaysSo) {
  boost::asio::io_context context(1);
  Transport transport(context.get_executor());
  const Instant before = Clock::now();
  TcpPair pair;
  const Instant after = Clock::now();
  transport.adopt(pair.ours);
  std::this_thread::sleep_for(milliseconds(100));
  const Instant up = transport.connected(before);
  EXPECT_GT(up, before);
  EXPECT_LE(up, after);
  // What comes next is measured from there, and not from when it was noticed.
  pair.say("220 mx\r\n");
  std::array<char, 64> buffer{};
  const IoResult heard = transport.read(buffer);
  ASSERT_EQ(heard.state, IoState::Done);
  EXPECT_GE(heard.at + kClockDrift, after);
}

TEST_F(TransportTest, AReadThatComesLateStillTellsTheArrival) {
  await_stamps();
  transport_.connected(Clock::now());
  const Instant before = Clock::now();
  pair_.say("220 mx\r\n");
  const Instant after = Clock::now();
  const IoResult heard = read_late(milliseconds(200));
  ASSERT_EQ(heard.state, IoState::Done);
  EXPECT_EQ(heard.bytes, 8U);
  EXPECT_GE(heard.at + kClockDrift, before);
  EXPECT_LE(heard.at, after + milliseconds(100));
}

TEST_F(TransportTest, NothingArrivesBeforeWhatItAnswers) {
  await_stamps();
  pair_.say("early");
  std::this_thread::sleep_for(milliseconds(20));
  const IoResult sent = transport_.write("x");
  ASSERT_EQ(sent.state, IoState::Done);
  const IoResult heard = read_late(milliseconds(10));
  EXPECT_EQ(heard.at, sent.at);
}

TEST_F(TransportTest, NotYetIsAStateAndWaitingHasADeadline) {
  EXPECT_EQ(read().state, IoState::NotYet);
  const Instant began = Clock::now();
  EXPECT_FALSE(wait_until(began + milliseconds(100)));
  EXPECT_GE(Clock::now() - began, milliseconds(100));
  EXPECT_LT(Clock::now() - began, std::chrono::seconds(3));
  pair_.say("220 mx\r\n");
  EXPECT_TRUE(wait_until(Clock::now() + milliseconds(500)));
  EXPECT_EQ(read().state, IoState::Done);
}

TEST_F(TransportTest, DeadlinesMoveBothWays) {
  read();
  const Instant start = Clock::now();
  EXPECT_FALSE(wait_until(start + milliseconds(50)));
  pair_.say("a");
  EXPECT_TRUE(wait_until(start + std::chrono::seconds(60)));
  read();
  read();
  EXPECT_FALSE(wait_until(Clock::now() + milliseconds(50)));  // sooner than the one before
  const Instant later = Clock::now() + milliseconds(100);
  pair_.say("b");
  EXPECT_TRUE(wait_until(Clock::now() + milliseconds(50)));
  read();
  read();
  EXPECT_FALSE(wait_until(later));  // later than the one that is set
  EXPECT_GE(Clock::now(), later);
  EXPECT_FALSE(wait_until(start));  // long past
}

TEST_F(TransportTest, TheEndsOfTheChannel) {
  pair_.say("bye");
  pair_.hang_up();
  EXPECT_EQ(read_late(milliseconds(10)).bytes, 3U);
  const IoResult end = read();
  EXPECT_EQ(end.state, IoState::Ended);
  EXPECT_EQ(end.reason, Reason::ConnectionClosed);
  EXPECT_FALSE(end.no_close_notify);
}

TEST_F(TransportTest, AResetIsOneAndWritingToItRaisesNoSignal) {
  pair_.reset();
  const IoResult end = read_late(milliseconds(10));
  EXPECT_EQ(end.state, IoState::Ended);
  EXPECT_EQ(end.reason, Reason::ConnectionReset);
  const IoResult sent = transport_.write("x");
  EXPECT_EQ(sent.state, IoState::Ended);
  EXPECT_EQ(sent.reason, Reason::ConnectionClosed);
}

TEST_F(TransportTest, AFullSocketIsWaitedFor) {
  const std::string block(1 << 20, 'x');
  IoResult sent;
  std::size_t total = 0;
  do {
    sent = transport_.write(block);
    total += sent.bytes;
  } while (sent.state == IoState::Done && total < (64UL << 20));
  ASSERT_EQ(sent.state, IoState::NotYet);
  EXPECT_FALSE(wait_until(Clock::now() + milliseconds(50)));
  std::thread reader([this] {
    std::array<char, 65536> sink;
    while (::recv(pair_.theirs, sink.data(), sink.size(), 0) > 0) {
    }
  });
  EXPECT_TRUE(wait_until(Clock::now() + std::chrono::seconds(2)));
  EXPECT_EQ(transport_.write(block).state, IoState::Done);
  transport_.close(false);
  reader.join();
}

TEST_F(TransportTest, ClosedItIsOfNoUseAndCanTakeAnother) {
  transport_.close(false);
  EXPECT_EQ(transport_.fd(), -1);
  EXPECT_EQ(read().state, IoState::Ended);
  TcpPair other;
  transport_.adopt(other.ours);
  transport_.connected(Clock::now());
  other.say("x");
  EXPECT_EQ(read_late(milliseconds(10)).bytes, 1U);
}

}  // namespace
}  // namespace smtpprobe
