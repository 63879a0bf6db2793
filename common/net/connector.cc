#include "common/net/connector.h"

#include <ifaddrs.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>
#include <cstring>
#include <utility>

#include "common/net/channel_error.h"

namespace smtpprobe {
namespace asio = boost::asio;
namespace {

constexpr auto kFullBacklogPause = std::chrono::milliseconds(20);

Instant now() { return std::chrono::steady_clock::now(); }

bool is_local(const sockaddr& address) {
  if (address.sa_family == AF_INET6) {
    sockaddr_in6 six;
    std::memcpy(&six, &address, sizeof six);
    return IN6_IS_ADDR_LOOPBACK(&six.sin6_addr) || IN6_IS_ADDR_LINKLOCAL(&six.sin6_addr);
  }
  sockaddr_in four;
  std::memcpy(&four, &address, sizeof four);
  const std::uint32_t number = ntohl(four.sin_addr.s_addr);
  return number >> 24 == 127 || number >> 16 == 0xa9fe;  // 127/8, 169.254/16
}

// An address of that family beyond the host itself and its links.
bool host_has(sa_family_t family) {
  ifaddrs* list = nullptr;
  if (::getifaddrs(&list) != 0) return true;
  bool found = false;
  for (const ifaddrs* one = list; one != nullptr && !found; one = one->ifa_next)
    found =
        one->ifa_addr != nullptr && one->ifa_addr->sa_family == family && !is_local(*one->ifa_addr);
  ::freeifaddrs(list);
  return found;
}

struct Fault {
  Reason reason;
  std::string detail;
};

Fault fault_of(int error, const SocketAddress& peer, Duration waited) {
  const std::string whom = peer.words();
  if (peer.family() == AF_UNIX && (error == ENOENT || error == ENOTDIR))
    return {Reason::ConnectionRefused, "no such socket " + whom};
  if (error == ENETUNREACH && !host_has(peer.ip_version() == 6 ? AF_INET6 : AF_INET))
    return {Reason::LocalError, "this host has no IPv" + std::to_string(peer.ip_version()) +
                                    ", cannot connect to " + whom};
  // ICMPv6 of a router whose policy prohibits the way is EACCES; ICMP for IPv4 is EHOSTUNREACH.
  if (error == EACCES && peer.ip_version() == 6)
    return {Reason::HostUnreachable, "cannot reach " + whom + ": administratively prohibited"};
  const Reason reason = reason_of_errno(error, ChannelPhase::Connecting);
  switch (reason) {
    case Reason::ConnectionRefused:
      return {reason, "connection refused by " + whom};
    case Reason::ConnectionClosed:
      return {reason, "connection closed by " + whom};
    case Reason::ConnectionReset:
      return {reason, "connection reset by " + whom};
    case Reason::ConnectTimeout:
      return {reason, "no answer from " + whom + " in " + seconds_words(waited)};
    case Reason::HostUnreachable:
      return {reason, "cannot reach " + whom + ": " + words_of_errno(error)};
    default:
      return {Reason::LocalError, "cannot connect to " + whom + ": " + words_of_errno(error)};
  }
}

// errno of what went wrong, 0 when connected, EINPROGRESS when that is still to come.
int start(Transport& transport, const SocketAddress& peer,
          const std::optional<SocketAddress>& source) {
  const int fd = ::socket(peer.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return errno;
  transport.adopt(fd);
  if (transport.fd() < 0) return EMFILE;
  if (source) {
    // The port is the kernel's choice at connect time, when it knows the peer: with many probes at
    // once a port may serve several of them.
    const int on = 1;
    ::setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    if (::bind(fd, source->native(), source->length()) != 0) return errno;
  }
  if (peer.family() != AF_UNIX) {
    const int on = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }
  return ::connect(fd, peer.native(), peer.length()) == 0 ? 0 : errno;
}

int result_of_connect(int fd) {
  int error = 0;
  socklen_t size = sizeof error;
  if (::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0) return errno;
  return error;
}

bool decided(int fd) {
  pollfd one{fd, POLLOUT, 0};
  return ::poll(&one, 1, 0) == 1;
}

}  // namespace

std::string seconds_words(Duration duration) {
  const auto tenths = (std::max(duration, Duration::zero()) + std::chrono::milliseconds(50)) /
                      std::chrono::milliseconds(100);
  return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10) + " s";
}

asio::awaitable<ConnectOutcome> connect(Transport& transport, SocketAddress peer,
                                        std::optional<SocketAddress> source, Instant deadline) {
  ConnectOutcome outcome;
  outcome.began = now();
  int error = 0;
  if (source && source->family() != peer.family()) {
    outcome.ended = outcome.began;
    outcome.reason = Reason::LocalError;
    outcome.detail = "cannot connect to " + peer.words() + " from " + source->address();
    co_return outcome;
  }
  error = start(transport, peer, source);
  // A unix socket whose backlog is full has no event to wait for.
  while (error == EAGAIN && peer.family() == AF_UNIX) {
    const Instant later = now() + kFullBacklogPause;
    if (later >= deadline) {
      error = ETIMEDOUT;
      break;
    }
    const auto executor = co_await asio::this_coro::executor;
    asio::steady_timer pause(executor, later);
    auto waiting = pause.async_wait(asio::use_awaitable);
    co_await std::move(waiting);
    error = start(transport, peer, source);
  }
  if (error == EINPROGRESS) {
    // On the loopback it is done by now; noticed later, its time would hold some of the banner's.
    bool in_time = decided(transport.fd());
    if (!in_time) in_time = co_await transport.wait(deadline);
    // Under load we may be late, not the server.
    if (!in_time) in_time = decided(transport.fd());
    error = in_time ? result_of_connect(transport.fd()) : ETIMEDOUT;
  }
  if (error == 0) {
    outcome.ended = transport.connected(outcome.began);
    co_return outcome;
  }
  outcome.ended = now();
  transport.close(false);
  Fault fault = fault_of(error, peer, outcome.ended - outcome.began);
  outcome.reason = fault.reason;
  outcome.detail = std::move(fault.detail);
  co_return outcome;
}

}  // namespace smtpprobe
