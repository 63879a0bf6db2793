#include "common/net/stream_socket.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <optional>

#include "common/net/receive_stamps.h"

namespace smtpprobe {
namespace {

// The kernel stamps what comes before we can read it.
constexpr auto kStampSlack = std::chrono::milliseconds(1);

// What the SYN and its answer took; nullopt where the kernel does not know, as when the SYN had to
// be sent again.
std::optional<Duration> syn_round_trip(int fd) {
  tcp_info info{};
  socklen_t size = sizeof info;
  if (::getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) != 0) return std::nullopt;
  if (info.tcpi_rtt == 0 || info.tcpi_total_retrans != 0) return std::nullopt;
  return std::chrono::microseconds(info.tcpi_rtt);
}

}  // namespace

StreamSocket::StreamSocket(int fd) : fd_(fd) {
  ask_for_stamps(fd);
  sent_ = std::chrono::steady_clock::now();
}

Instant StreamSocket::connected(Instant began) {
  const Instant now = std::chrono::steady_clock::now();
  const std::optional<Duration> round_trip = syn_round_trip(fd_);
  return sent_ = round_trip ? std::min(now, began + *round_trip) : now;
}

StreamSocket::Outcome StreamSocket::receive(std::span<char> buffer) {
  const Instant looked = std::chrono::steady_clock::now();
  std::optional<Instant> stamp;
  const ssize_t got = receive_stamped(fd_, buffer, stamp);
  if (got < 0) {
    if (errno == EAGAIN) empty_ = looked;
    return {0, errno, false};
  }
  const Instant now = std::chrono::steady_clock::now();
  if (got == 0) stamp = now;
  // It was not there yet: the clock was set.
  if (stamp && *stamp + kStampSlack < empty_) stamp.reset();
  if (!stamp) unstamped_ = true;
  const Instant before = heard_ ? std::max(arrival_, sent_) : sent_;
  heard_ = true;
  arrival_ = std::clamp(stamp.value_or(now), std::min(sent_, now), now);
  peer_time_ += std::max(Duration::zero(), arrival_ - before);
  return {static_cast<std::size_t>(got), 0, got == 0};
}

StreamSocket::Outcome StreamSocket::send(std::string_view bytes) {
  // Taken before the call: on a busy host the answer can be here before send() returns.
  const Instant before = std::chrono::steady_clock::now();
  ssize_t sent = 0;
  do {
    sent = ::send(fd_, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  if (sent < 0) return {0, errno, false};
  sent_ = before;
  heard_ = false;
  return {static_cast<std::size_t>(sent), 0, false};
}

Duration StreamSocket::peer_time_until(Instant now) const {
  const Instant since = heard_ ? std::max(arrival_, sent_) : sent_;
  return peer_time_ + std::max(Duration::zero(), now - since);
}

void StreamSocket::acknowledge() {
  if (!heard_) return;
  const int on = 1;
  ::setsockopt(fd_, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof on);
}

}  // namespace smtpprobe
