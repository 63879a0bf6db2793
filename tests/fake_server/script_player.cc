#include "tests/fake_server/script_player.h"

#include <fmt/format.h>

#include <algorithm>

namespace smtpprobe {
namespace {

using Kind = TranscriptEvent::Kind;

constexpr std::size_t kBlock = 65536;
// How long a client may take to go after the script's end.
constexpr auto kFarewell = std::chrono::seconds(2);

class Player {
 public:
  Player(const Transcript& script, Channel& channel, const ServerTls& tls, Recorder& recorder,
         int connection)
      : script_(script), channel_(channel), tls_(tls), recorder_(recorder), number_(connection) {}

  void play() {
    while (at_ < script_.events.size()) {
      const TranscriptEvent& event = script_.events[at_];
      if (is_plain_say(event)) {
        if (!say_turn()) return;
        continue;
      }
      ++at_;
      if (!perform(event)) return;
    }
    end(true, true);
  }

 private:
  static bool is_plain_say(const TranscriptEvent& event) {
    return event.kind == Kind::Say && event.pause.count() == 0;
  }

  // All that the server says in one go leaves in as few writes as possible: extra bytes are to
  // arrive together with the reply before them.
  bool say_turn() {
    std::string block;
    for (; at_ < script_.events.size() && is_plain_say(script_.events[at_]); ++at_) {
      const TranscriptEvent& event = script_.events[at_];
      for (std::size_t i = 0; i < event.count; ++i) {
        block += event.text;
        if (block.size() < kBlock) continue;
        if (!say(block)) return false;
        block.clear();
      }
    }
    return say(block);
  }

  bool say(std::string_view bytes) {
    recorder_.said(number_, bytes);
    return channel_.write(bytes);
  }

  bool perform(const TranscriptEvent& event) {
    switch (event.kind) {
      case Kind::Say:
      case Kind::RawSay:
        return drip(event);
      case Kind::Expect:
      case Kind::ExpectMessage:
      case Kind::ReadBytes:
        return hear(event);
      case Kind::Tls: {
        TlsSeen seen;
        const bool good = channel_.start_tls(tls_, seen);
        recorder_.handshake(number_, std::move(seen));
        return good;
      }
      case Kind::TlsFailAlert:
      case Kind::TlsFailGarbage:
      case Kind::TlsFailHang:
      case Kind::TlsFailClose:
        fail_handshake(event);
        return false;
      case Kind::Wait:
        return channel_.pause(event.pause);
      case Kind::Silence:
        channel_.read_all(Channel::kPatience);
        return false;
      case Kind::Close:
        end(true, false);
        return false;
      case Kind::Cut:
        end(false, false);
        return false;
      case Kind::Reset:
        channel_.reset();
        return false;
    }
    return false;
  }

  bool drip(const TranscriptEvent& event) {
    for (std::size_t i = 0; i < event.count; ++i) {
      const std::size_t portion = event.pause.count() > 0 ? 1 : event.text.size();
      for (std::size_t at = 0; at < event.text.size(); at += portion) {
        const std::string_view bytes = std::string_view(event.text).substr(at, portion);
        if (!(event.kind == Kind::RawSay ? channel_.write_raw(bytes) : say(bytes))) return false;
        if (event.pause.count() > 0 && !channel_.pause(event.pause)) return false;
      }
    }
    return true;
  }

  bool hear(const TranscriptEvent& event) {
    std::string heard;
    ReadEnd end = ReadEnd::Done;
    std::string wanted;
    if (event.kind == Kind::Expect) {
      end = channel_.read_line(heard);
      wanted = '"' + escaped(event.text) + (event.open_end ? "*\"" : "\"");
    } else if (event.kind == Kind::ExpectMessage) {
      end = channel_.read_message(heard);
      wanted = "a message and its final dot";
    } else {
      end = channel_.read_bytes(event.count, heard);
      wanted = fmt::format("{} bytes", event.count);
    }
    if (end != ReadEnd::Done) {
      recorder_.mismatch(number_, event.line,
                         fmt::format("wanted {}, {}", wanted,
                                     end == ReadEnd::TooLate ? "nothing came" : "the client went"));
      return false;
    }
    recorder_.heard(number_, heard);
    if (event.kind == Kind::Expect && !matches(event, heard)) {
      recorder_.mismatch(number_, event.line,
                         fmt::format("wanted {}, got \"{}\"", wanted, escaped(heard)));
      return false;
    }
    return true;
  }

  void fail_handshake(const TranscriptEvent& event) {
    std::string hello;
    if (channel_.read_raw(hello) != ReadEnd::Done) {
      recorder_.mismatch(number_, event.line, "wanted a ClientHello, the client went");
      return;
    }
    if (!hello.starts_with('\x16')) {
      recorder_.mismatch(number_, event.line,
                         "wanted a ClientHello, got " + escaped(hello.substr(0, 40)));
    }
    if (event.kind == Kind::TlsFailAlert) {
      std::string alert("\x15\x03\x01\x00\x02\x02\x00", 7);
      alert.back() = static_cast<char>(event.count);
      channel_.write_raw(alert);
    } else if (event.kind == Kind::TlsFailGarbage) {
      channel_.write_raw("500 5.5.1 Command unrecognized\r\n");
    }
    if (event.kind == Kind::TlsFailAlert || event.kind == Kind::TlsFailClose) {
      end(false, false);
    } else {
      channel_.read_all(Channel::kPatience);
    }
  }

  // With `watch`, the client may say nothing more.
  void end(bool notify, bool watch) {
    channel_.end_output(notify);
    const std::string rest = channel_.read_all(kFarewell);
    if (!watch || rest.empty()) return;
    recorder_.heard(number_, rest);
    const int line = script_.events.empty() ? 0 : script_.events.back().line;
    recorder_.mismatch(number_, line,
                       fmt::format("wanted no more, got \"{}\"", escaped(rest.substr(0, 200))));
  }

  const Transcript& script_;
  Channel& channel_;
  const ServerTls& tls_;
  Recorder& recorder_;
  int number_;
  std::size_t at_ = 0;
};

}  // namespace

int Recorder::connection_began() {
  const std::lock_guard lock(mutex_);
  ++open_;
  return ++connections_;
}

void Recorder::connection_ended() {
  const std::lock_guard lock(mutex_);
  --open_;
}

void Recorder::log_line(int connection, const std::string& line) const {
  if (log_) log_(connection, line);
}

void Recorder::heard(int connection, std::string entry) {
  log_line(connection, "C: " + escaped(entry));
  const std::lock_guard lock(mutex_);
  received_.push_back(std::move(entry));
}

void Recorder::heard_bytes(std::string_view bytes) {
  constexpr std::size_t kMaxKept = 16 * 1024 * 1024;
  const std::lock_guard lock(mutex_);
  if (bytes_.size() < kMaxKept) bytes_ += bytes;
}

void Recorder::said(int connection, std::string_view bytes) {
  if (!log_) return;
  while (!bytes.empty()) {
    const std::size_t end = std::min(bytes.find('\n'), bytes.size() - 1) + 1;
    std::string_view line = bytes.substr(0, end);
    bytes.remove_prefix(end);
    const bool whole = line.ends_with("\r\n");
    if (whole) line.remove_suffix(2);
    log_line(connection, (whole ? "S: " : "S> ") + escaped(line));
  }
}

void Recorder::mismatch(int connection, int line, const std::string& what) {
  std::string text = fmt::format("connection {}, line {}: {}", connection, line, what);
  log_line(connection, "! " + text);
  const std::lock_guard lock(mutex_);
  mismatches_.push_back(std::move(text));
}

void Recorder::handshake(int connection, TlsSeen seen) {
  log_line(connection, seen.version.empty() ? "! TLS: " + seen.error : "TLS " + seen.version);
  const std::lock_guard lock(mutex_);
  handshakes_.push_back(std::move(seen));
}

std::vector<std::string> Recorder::received() const {
  const std::lock_guard lock(mutex_);
  return received_;
}

std::string Recorder::received_bytes() const {
  const std::lock_guard lock(mutex_);
  return bytes_;
}

std::vector<std::string> Recorder::mismatches() const {
  const std::lock_guard lock(mutex_);
  return mismatches_;
}

std::vector<TlsSeen> Recorder::handshakes() const {
  const std::lock_guard lock(mutex_);
  return handshakes_;
}

int Recorder::connections() const {
  const std::lock_guard lock(mutex_);
  return connections_;
}

int Recorder::open_connections() const {
  const std::lock_guard lock(mutex_);
  return open_;
}

void play(const Transcript& script, Channel& channel, const ServerTls& tls, Recorder& recorder,
          int connection) {
  Player(script, channel, tls, recorder, connection).play();
}

}  // namespace smtpprobe
