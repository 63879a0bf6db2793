#include "common/net/stream_socket.h"

#include <linux/errqueue.h>
#include <linux/net_tstamp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <optional>

namespace smtpprobe {
namespace {

// The kernel stamps what comes before we can read it.
constexpr auto kStampSlack = std::chrono::milliseconds(1);

// The kernel stamps with CLOCK_REALTIME. Only the age of a stamp is used, so that a clock that is
// set meanwhile concerns one reply at the most.
std::optional<Instant> arrival_of(msghdr& message, Instant now) {
  for (cmsghdr* part = CMSG_FIRSTHDR(&message); part != nullptr;
       part = CMSG_NXTHDR(&message, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_TIMESTAMPING ||
        part->cmsg_len < CMSG_LEN(sizeof(scm_timestamping)))
      continue;
    scm_timestamping stamps;
    std::memcpy(&stamps, CMSG_DATA(part), sizeof stamps);
    const timespec& stamp = stamps.ts[0];  // the software one
    timespec wall{};
    if (stamp.tv_sec == 0 || ::clock_gettime(CLOCK_REALTIME, &wall) != 0) break;
    return now - (std::chrono::seconds(wall.tv_sec - stamp.tv_sec) +
                  std::chrono::nanoseconds(wall.tv_nsec - stamp.tv_nsec));
  }
  return std::nullopt;
}

// What the SYN and its answer took; nullopt where the kernel does not know, as when the SYN had to
// be sent again.
std::optional<Duration> syn_round_trip(int fd) {
  tcp_info info{};
  socklen_t size = sizeof info;
  if (::getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) != 0) return std::nullopt;
  if (info.tcpi_rtt == 0 || info.tcpi_total_retrans != 0) return std::nullopt;
  return std::chrono::microseconds(info.tcpi_rtt);
}

// Not every family of sockets has stamps; arrival is the moment of the read then.
void ask_for_stamps(int fd) {
  const int flags = SOF_TIMESTAMPING_RX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE;
  ::setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPING, &flags, sizeof flags);
}

}  // namespace

ReceiveStamps::ReceiveStamps() : fd_(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
  if (fd_ >= 0) ask_for_stamps(fd_);
}

ReceiveStamps::~ReceiveStamps() {
  if (fd_ >= 0) ::close(fd_);
}

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
  iovec part{buffer.data(), buffer.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(scm_timestamping)) + 64];
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  const Instant looked = std::chrono::steady_clock::now();
  ssize_t got = 0;
  do {
    got = ::recvmsg(fd_, &message, MSG_DONTWAIT);
  } while (got < 0 && errno == EINTR);
  if (got < 0) {
    if (errno == EAGAIN) empty_ = looked;
    return {0, errno, false};
  }
  const Instant now = std::chrono::steady_clock::now();
  std::optional<Instant> stamp = got == 0 ? now : arrival_of(message, now);
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

void StreamSocket::acknowledge() {
  if (!heard_) return;
  const int on = 1;
  ::setsockopt(fd_, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof on);
}

}  // namespace smtpprobe
