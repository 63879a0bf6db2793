#include "common/net/receive_stamps.h"

#include <linux/errqueue.h>
#include <linux/net_tstamp.h>
#include <netinet/in.h>
#include <unistd.h>

#include <cstring>
#include <ctime>

namespace smtpprobe {

void ask_for_stamps(int fd) {
  const int flags = SOF_TIMESTAMPING_RX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE;
  ::setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPING, &flags, sizeof flags);
}

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

ReceiveStamps::ReceiveStamps() : fd_(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
  if (fd_ >= 0) ask_for_stamps(fd_);
}

ReceiveStamps::~ReceiveStamps() {
  if (fd_ >= 0) ::close(fd_);
}

}  // namespace smtpprobe
