// When the kernel had what we read: its software receive timestamps (SO_TIMESTAMPING). It stamps
// with CLOCK_REALTIME; what is told here is of the steady clock.
#pragma once

#include <sys/socket.h>

#include <array>
#include <cstddef>
#include <optional>

#include "common/smtp/time.h"

namespace smtpprobe {

// Not every family of sockets has stamps, and not every kernel.
void ask_for_stamps(int fd);

// Room for a stamp in recvmsg(2)'s msg_control.
struct StampRoom {
  alignas(cmsghdr) std::array<char, 128> bytes;
};

// Of what recvmsg(2) has just filled in, at `now`. Only the age of a stamp is used, so that a clock
// that is set meanwhile concerns one message at the most. nullopt: no stamp.
std::optional<Instant> arrival_of(msghdr& message, Instant now);

// Keeps the stamping switched on while it lives. The first socket that asks for stamps and the last
// one that had them make the kernel patch its own code on all cores, which costs more than a probe:
// for programs that make many.
class ReceiveStamps {
 public:
  ReceiveStamps();
  ~ReceiveStamps();
  ReceiveStamps(const ReceiveStamps&) = delete;
  ReceiveStamps& operator=(const ReceiveStamps&) = delete;

 private:
  int fd_ = -1;
};

}  // namespace smtpprobe
