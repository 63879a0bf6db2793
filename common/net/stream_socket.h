// System calls on one stream socket, none of which ever blocks or raises SIGPIPE. Its law: what the
// network does counts from when the kernel saw it, not from when we came to look: bytes by their
// receive timestamps (SO_TIMESTAMPING), the connection by the round trip of its SYN (TCP_INFO).
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include "common/smtp/time.h"

namespace smtpprobe {

class StreamSocket {
 public:
  StreamSocket() = default;
  // Borrows `fd`, which is not to block. Asks for receive timestamps where the kernel has them.
  explicit StreamSocket(int fd);

  struct Outcome {
    std::size_t bytes = 0;
    int error = 0;       // errno; EAGAIN: not now
    bool ended = false;  // of receive: the peer has sent its last byte
  };
  Outcome receive(std::span<char> buffer);
  Outcome send(std::string_view bytes);

  // Before a wait for more of what has begun to come: acknowledges what came, at once. A delayed
  // ACK makes a server with Nagle's algorithm hold back its next segment, and 40 ms of ours would
  // be booked as the server's. What we answer acknowledges by itself.
  void acknowledge();

  // The connection that was asked for at `began` is up. When the kernel saw that, which is what
  // arrives as the next thing is measured from.
  Instant connected(Instant began);

  int fd() const { return fd_; }
  // When the last byte that receive() returned was here: not before sent(), not after now.
  Instant arrival() const { return arrival_; }
  // When the last send() began, or the connection was up: what arrives from here on may be an
  // answer to it.
  Instant sent() const { return sent_; }

  // How long the peer let us wait since restart_clock(): from each of our last bytes to each of its
  // last, without what we did in between.
  Duration peer_time() const { return peer_time_; }
  void restart_clock() { peer_time_ = {}; }
  // The same, with the wait that has not ended at `now`.
  Duration peer_time_until(Instant now) const;

  // Some bytes had no timestamp, as on a unix socket: they count from when they were read.
  bool unstamped() const { return unstamped_; }

 private:
  int fd_ = -1;
  bool heard_ = false;  // something since the last send
  bool unstamped_ = false;
  Instant sent_{};
  Instant empty_{};  // when receive() last began to look and found nothing
  Instant arrival_{};
  Duration peer_time_{};
};

}  // namespace smtpprobe
