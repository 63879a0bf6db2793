// When the kernel had what we read: its software receive timestamps (SO_TIMESTAMPING). It stamps
// with CLOCK_REALTIME; what is told here is of the steady clock.
#pragma once

#include <sys/socket.h>

#include <optional>
#include <span>

#include "common/smtp/time.h"

namespace smtpprobe {

// Not every family of sockets has stamps, and not every kernel.
void ask_for_stamps(int fd);

// recv(2), or with `from` recvfrom(2), that never waits; `arrival` is then when the last byte of it
// was here, nullopt where there is no stamp. Only the age of a stamp is used, so that a clock that
// is set meanwhile concerns one message at the most.
ssize_t receive_stamped(int fd, std::span<char> buffer, std::optional<Instant>& arrival,
                        sockaddr* from = nullptr, socklen_t* from_size = nullptr);

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
