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

  int fd() const { return fd_; }
  // When the last byte that receive() returned was here: not before sent(), not after now.
  Instant arrival() const { return arrival_; }
  // When the last send() began: what arrives from here on may be an answer to it.
  Instant sent() const { return sent_; }
  // The same for what is no send(): a connection made, a handshake done.
  Instant mark_sent();

 private:
  int fd_ = -1;
  Instant sent_{};
  Instant arrival_{};
};

}  // namespace smtpprobe
