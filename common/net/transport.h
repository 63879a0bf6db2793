// One connection to a server, in clear or, from start_tls() on, in TLS: non-blocking reads and
// writes on the same socket, and one coroutine that waits until the next one is worth trying. Its
// law: "not yet" is a state, not an error; every wait has a deadline. One executor, one thread.
#pragma once

#include <openssl/bio.h>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "common/net/stream_socket.h"
#include "common/net/tls_context.h"
#include "common/smtp/reason.h"
#include "common/smtp/time.h"

namespace smtpprobe {

enum class IoState : std::uint8_t {
  Done,
  NotYet,  // wait(), then ask again
  Ended,   // the channel is of no more use: see reason
};

struct IoResult {
  IoState state = IoState::Done;
  std::size_t bytes = 0;         // read or written
  Instant at{};                  // arrival of what was read; else the moment it was done
  Reason reason = Reason::None;  // of Ended: Connection*, Tls*, CertMalformed, LocalError
  std::string detail;            // "connection timed out"; may be empty
  bool no_close_notify = false;  // of Ended: TLS was cut off
};

class Transport {
 public:
  explicit Transport(boost::asio::any_io_executor executor);
  ~Transport();
  Transport(const Transport&) = delete;
  Transport& operator=(const Transport&) = delete;

  // Takes `fd`, a stream socket that does not block; closes what it had before.
  void adopt(int fd);
  // The connection that was asked for at `began` is up, and since when: from here read() and
  // write() may be called.
  Instant connected(Instant began) { return socket_.connected(began); }
  int fd() const { return socket_.fd(); }

  // What is there already, up to the buffer's size; never waits.
  IoResult read(std::span<char> buffer);
  // As much of `bytes` as the kernel takes now. After NotYet in TLS the same bytes must come again.
  IoResult write(std::string_view bytes);

  // `session` is on the socket from here; then handshake() until it is not NotYet.
  void start_tls(SslSession session);
  IoResult handshake();
  // The peer's and the network's part of the handshake so far, without what we computed in between.
  Duration handshake_time() const { return socket_.peer_time(); }
  // The same of one that still waits for the peer at `now`.
  Duration handshake_time_until(Instant now) const { return socket_.peer_time_until(now); }
  SSL* tls() const { return ssl_.get(); }  // nullptr in clear

  // Until the socket is ready for what the last NotYet wanted, or writable while it connects; with
  // `or_readable` also until there is something to read. False: `deadline` has passed first, or
  // the coroutine was cancelled.
  boost::asio::awaitable<bool> wait(Instant deadline, bool or_readable = false);

  // Some of what was read has no timestamp of the kernel's, but counts from when it was read.
  bool unstamped() const { return socket_.unstamped(); }

  // Ends the connection. `in_sync`: the session came to its regular end, so that a TLS channel that
  // is whole says close_notify.
  void close(bool in_sync);

 private:
  struct Alarm;
  struct Bio;
  enum class Want : std::uint8_t { Read, Write };

  IoResult not_yet(Want want);
  IoResult failed_call(int error) const;
  IoResult tls_outcome(int returned, std::size_t bytes);
  bool first_bytes_are_tls() const;
  IoResult not_tls();
  void set_alarm(Instant deadline);
  void watch_for_input();

  boost::asio::posix::stream_descriptor descriptor_;
  StreamSocket socket_;
  std::shared_ptr<Alarm> alarm_;
  bool waiting_ = false;
  bool readable_ = false;  // of a wait that ends for input, too
  Want want_ = Want::Write;
  SslSession ssl_;
  bool handshake_done_ = false;
  bool tls_healthy_ = false;
  bool tls_ended_ = false;          // the peer has sent its last byte
  std::size_t bytes_per_call_ = 0;  // what one call of OpenSSL may still take from the socket
  std::string first_bytes_;         // of the peer's side of the handshake
};

}  // namespace smtpprobe
