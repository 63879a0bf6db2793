// System calls on one connected stream socket, none of which ever blocks or raises SIGPIPE. Its
// law: bytes count from when the kernel had them, not from when we came to read them
// (SO_TIMESTAMPING).
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

  int fd() const { return fd_; }
  // When the last byte that receive() returned was here: not before sent(), not after now.
  Instant arrival() const { return arrival_; }
  // When the last send() began: what arrives from here on may be an answer to it.
  Instant sent() const { return sent_; }
  // The same for what is no send(): a connection made, a handshake done.
  Instant mark_sent();

 private:
  int fd_ = -1;
  bool heard_ = false;  // something since the last send
  Instant sent_{};
  Instant arrival_{};
};

// Keeps the kernel's receive timestamps switched on while it lives. The first socket that asks for
// them and the last one that had them make the kernel patch its own code on all cores, which costs
// more than a probe: for programs that make many.
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
