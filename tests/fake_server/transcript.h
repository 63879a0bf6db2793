// One scripted connection as text: what the server says and expects to hear, what the probe is to
// do, and what must come of it. The format is described in tests/transcripts/README.md. Pure: the
// same value drives the Dialogue's tests and the server on the socket.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/smtp/error.h"

namespace smtpprobe {

struct TranscriptEvent {
  enum class Kind : std::uint8_t {
    Say,             // S:, S>: `text`, `count` times, a byte every `pause` where that is not 0
    RawSay,          // raw>: the same, but beneath TLS
    Expect,          // C: one line that matches `text`
    ExpectMessage,   // C: <message>, up to and with the line that holds only a dot
    ReadBytes,       // read N: `count` bytes, whatever they are
    Tls,             // the server's side of the handshake, now
    TlsFailAlert,    // after the ClientHello the alert `count`
    TlsFailGarbage,  // after the ClientHello plain text
    TlsFailHang,     // after the ClientHello silence until the client goes
    TlsFailClose,    // after the ClientHello the end
    Wait,            // `pause`
    Silence,         // until the client goes
    Close,           // TLS is ended by close_notify, then the connection
    Cut,             // the connection ends without close_notify
    Reset,           // RST
  };
  Kind kind = Kind::Say;
  int line = 0;           // in the file, from 1
  std::string text;       // bytes of Say and RawSay; of Expect the text without escapes
  bool open_end = false;  // of Expect: `text` is how the line begins
  std::size_t count = 1;
  std::chrono::milliseconds pause{0};

  bool by_server() const {
    return kind != Kind::Expect && kind != Kind::ExpectMessage && kind != Kind::ReadBytes;
  }
};

struct Transcript {
  using Settings = std::vector<std::pair<std::string, std::string>>;  // in order, repeats allowed

  std::string name;  // the file's, without folder and ".txt"
  Settings plan;     // of all `plan:` lines; see transcript_plan.h
  Settings outcome;  // of all `outcome:` lines
  std::vector<TranscriptEvent> events;
};

// The error names `name`, the line, what it holds and what is wanted.
Result<Transcript> parse_transcript(std::string_view text, const std::string& name);
Result<Transcript> read_transcript(const std::string& path);

// Does the line that the client said (without line end) match an Expect?
bool matches(const TranscriptEvent& expect, std::string_view line);

// The message ends in the text seen so far: a line that holds only a dot. npos when it does not;
// else the number of bytes up to and with that line's end.
std::size_t end_of_message(std::string_view text);

// C escapes for what is not printable ASCII, for messages and logs.
std::string escaped(std::string_view bytes);

}  // namespace smtpprobe
