// Plays one transcript on one connection and writes down what the client said and where it strayed
// from the script.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "tests/fake_server/channel.h"
#include "tests/fake_server/fake_server.h"
#include "tests/fake_server/transcript.h"

namespace smtpprobe {

// What the connections of one server saw; shared by their threads.
class Recorder {
 public:
  explicit Recorder(const FakeServerOptions& options) : log_(options.log) {}

  int connection_began();  // its number, from 1
  void connection_ended();
  void heard(int connection, std::string entry);
  void heard_bytes(std::string_view bytes);
  void said(int connection, std::string_view bytes);
  void mismatch(int connection, int line, const std::string& what);
  void handshake(int connection, TlsSeen seen);

  std::vector<std::string> received() const;
  std::string received_bytes() const;
  std::vector<std::string> mismatches() const;
  std::vector<TlsSeen> handshakes() const;
  int connections() const;
  int open_connections() const;

 private:
  void log_line(int connection, const std::string& line) const;

  std::function<void(int, const std::string&)> log_;
  mutable std::mutex mutex_;
  std::vector<std::string> received_;
  std::string bytes_;
  std::vector<std::string> mismatches_;
  std::vector<TlsSeen> handshakes_;
  int connections_ = 0;
  int open_ = 0;
};

void play(const Transcript& script, Channel& channel, const ServerTls& tls, Recorder& recorder,
          int connection);

}  // namespace smtpprobe
