// The server's end of one connection, in clear or in TLS, for a thread that may block: every wait
// ends when the peer goes, when the time is over or when the server is told to stop.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "tests/fake_server/fake_server.h"

struct ssl_st;
struct ssl_ctx_st;

namespace smtpprobe {

// The context of FakeServerOptions, made at the first handshake.
class ServerTls {
 public:
  explicit ServerTls(const FakeServerOptions& options);
  ~ServerTls();
  ServerTls(const ServerTls&) = delete;
  ServerTls& operator=(const ServerTls&) = delete;

  ssl_ctx_st* context() const { return context_; }

 private:
  ssl_ctx_st* context_;
};

// What ended a read.
enum class ReadEnd : std::uint8_t { Done, PeerGone, TooLate };

class Channel {
 public:
  using Millis = std::chrono::milliseconds;
  static constexpr Millis kPatience = std::chrono::seconds(60);  // for each read
  static constexpr std::size_t kMaxInput = 32 * 1024 * 1024;     // of a line or message

  // Owns `socket`; `stop` becomes readable when the server ends. `heard` sees all bytes read.
  Channel(int socket, int stop, std::function<void(std::string_view)> heard);
  ~Channel();
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  // A line without its line end (CRLF or LF).
  ReadEnd read_line(std::string& line);
  // Up to and with the line of the final dot.
  ReadEnd read_message(std::string& message);
  ReadEnd read_bytes(std::size_t count, std::string& bytes);
  // Some bytes: what comes first. Beneath TLS, and before it.
  ReadEnd read_raw(std::string& bytes);
  // Whatever comes until the peer goes, for `limit` at the longest.
  std::string read_all(Millis limit);

  // False when the peer is gone.
  bool write(std::string_view bytes);
  bool write_raw(std::string_view bytes);
  // The server's side of the handshake.
  bool start_tls(const ServerTls& tls, TlsSeen& seen);
  bool in_tls() const { return tls_ != nullptr; }
  // False when the server was told to stop.
  bool pause(Millis time) const;

  // No more will be said: close_notify (with `notify`, in TLS), then the end of our stream. Reading
  // goes on.
  void end_output(bool notify);
  void reset();

 private:
  struct Closed {
    void operator()(ssl_st* tls) const;
  };
  enum class Ready : std::uint8_t { Yes, Stopped, TooLate };
  using Deadline = std::chrono::steady_clock::time_point;
  Ready wait_for(short events, Deadline deadline) const;
  ReadEnd fill(Deadline deadline);
  ReadEnd fill_raw(Deadline deadline, std::string& into);
  ReadEnd fill_tls(Deadline deadline);

  int socket_;
  int stop_;
  std::function<void(std::string_view)> heard_;
  std::unique_ptr<ssl_st, Closed> tls_;
  std::string input_;  // read and not yet taken
};

}  // namespace smtpprobe
