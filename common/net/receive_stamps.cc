#include "common/net/receive_stamps.h"

#include <linux/errqueue.h>
#include <linux/net_tstamp.h>
#include <netinet/in.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>

namespace smtpprobe {
namespace {

struct BothClocks {
  timespec wall{};
  Instant steady;
};

// One moment on both clocks. A pause between the two readings would move the arrival by as much, so
// that a slow pair is read again.
std::optional<BothClocks> read_both_clocks() {
  constexpr int kTries = 3;
  constexpr std::chrono::microseconds kClose{50};
  BothClocks read;
  Instant before = std::chrono::steady_clock::now();
  for (int tries = 0; tries < kTries; ++tries) {
    if (::clock_gettime(CLOCK_REALTIME, &read.wall) != 0) return std::nullopt;
    read.steady = std::chrono::steady_clock::now();
    if (read.steady - before <= kClose) break;
    before = read.steady;
  }
  return read;
}

std::optional<Instant> arrival_of(msghdr& message) {
  for (cmsghdr* part = CMSG_FIRSTHDR(&message); part != nullptr;
       part = CMSG_NXTHDR(&message, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_TIMESTAMPING ||
        part->cmsg_len < CMSG_LEN(sizeof(scm_timestamping)))
      continue;
    scm_timestamping stamps;
    std::memcpy(&stamps, CMSG_DATA(part), sizeof stamps);
    const timespec& stamp = stamps.ts[0];  // the software one
    if (stamp.tv_sec == 0) break;
    const auto now = read_both_clocks();
    if (!now) break;
    return now->steady - (std::chrono::seconds(now->wall.tv_sec - stamp.tv_sec) +
                          std::chrono::nanoseconds(now->wall.tv_nsec - stamp.tv_nsec));
  }
  return std::nullopt;
}

}  // namespace

void ask_for_stamps(int fd) {
  const int flags = SOF_TIMESTAMPING_RX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE;
  ::setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPING, &flags, sizeof flags);
}

ssize_t receive_stamped(int fd, std::span<char> buffer, std::optional<Instant>& arrival,
                        sockaddr* from, socklen_t* from_size) {
  iovec part{buffer.data(), buffer.size()};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(scm_timestamping)) + 64> room;
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = room.data();
  message.msg_controllen = room.size();
  if (from != nullptr) {
    message.msg_name = from;
    message.msg_namelen = *from_size;
  }
  ssize_t got = 0;
  do {
    got = ::recvmsg(fd, &message, MSG_DONTWAIT);
  } while (got < 0 && errno == EINTR);
  if (got < 0) return got;
  if (from != nullptr) *from_size = message.msg_namelen;
  arrival = arrival_of(message);
  return got;
}

ReceiveStamps::ReceiveStamps() : fd_(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
  if (fd_ >= 0) ask_for_stamps(fd_);
}

ReceiveStamps::~ReceiveStamps() {
  if (fd_ >= 0) ::close(fd_);
}

}  // namespace smtpprobe
