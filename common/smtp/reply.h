// One SMTP reply (RFC 5321 s4.2) and the bounded parser that reads it. Laws: bytes, never C
// strings; a byte behind the reply's last line end is never consumed; every limit is data.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/smtp/enhanced_status.h"
#include "common/smtp/reason.h"

namespace smtpprobe {

// Oddities that are worth showing and are never by themselves the reason of a failure.
enum class Note : std::uint16_t {
  None = 0,
  ControlChars = 1 << 0,   // NUL or other control bytes in the text
  BareLf = 1 << 1,         // a line ended in LF alone
  LongLine = 1 << 2,       // a line over the 512 octets of RFC 5321 s4.5.3.1.5
  EscMismatch = 1 << 3,    // the enhanced status is of another class than the code
  CapsChanged = 1 << 4,    // AUTH was offered before TLS and not after, or with other mechanisms
  HeloFallback = 1 << 5,   // EHLO was refused, HELO accepted
  WillForward = 1 << 6,    // 251 at RCPT
  NoCloseNotify = 1 << 7,  // TLS ended without close_notify
  Code200 = 1 << 8,        // 200 where another 2yz was due: a success that no RFC knows
  TlsLegacy = 1 << 9       // the limits for old servers were lifted (TlsPlan::legacy)
};
constexpr Note operator|(Note a, Note b) {
  return static_cast<Note>(static_cast<unsigned>(a) | static_cast<unsigned>(b));
}
constexpr Note& operator|=(Note& a, Note b) { return a = a | b; }
constexpr bool has(Note notes, Note one) {
  return (static_cast<unsigned>(notes) & static_cast<unsigned>(one)) != 0;
}
// "bare_lf", ...: the names of all set flags, in order.
std::vector<std::string_view> note_names(Note notes);

struct Reply {
  int code = 0;                    // 200..559
  std::vector<std::string> lines;  // text behind "250-" or "250 ", without line end; raw bytes
  std::optional<EnhancedStatus>
      status;  // of 2yz, 4yz and 5yz; none when its class is not the code's
  Note notes = Note::None;

  int klass() const { return code / 100; }
  // All lines joined with one blank; an enhanced status that the lines repeat stands there once.
  std::string text() const;
  // As on the wire, "250-a\n250 b", without the last line end: what -e and -R are matched against.
  std::string wire() const;
};

struct ReplyLimits {
  std::size_t line_bytes = 4096;  // with code and line end; AUTH's 334 may have kAuthLineBytes
  std::size_t lines = 128;
  std::size_t reply_bytes = std::size_t{64} * 1024;
};
inline constexpr std::size_t kAuthLineBytes = 12288;  // RFC 4954 s4
inline constexpr std::size_t kConnectionBytes = std::size_t{256} * 1024;

class ReplyParser {
 public:
  enum class State : std::uint8_t { NeedMore, Complete, Failed };

  explicit ReplyParser(ReplyLimits limits = {}) : limits_(limits) {}

  // Reads from `bytes` up to the end of the reply at the most and returns how many it took. Takes
  // nothing once it is Complete or Failed.
  std::size_t consume(std::string_view bytes);

  State state() const { return state_; }
  // When Failed: ReplyMalformed, ReplyMixedCodes, ReplyLineTooLong or ReplyTooLong.
  Reason failure() const { return failure_; }
  // When Complete: the reply. Before that, or when Failed: the lines read so far (an operator wants
  // the half reply, too), code 0 while there is none.
  const Reply& reply() const { return reply_; }
  // The line that is not finished yet, or the one that failed; raw bytes, at most
  // limits.line_bytes.
  std::string_view unfinished_line() const { return line_; }
  std::size_t bytes() const { return bytes_; }
  // From here on lines are read and cut to `bytes`, or with 0 not kept, but for the reply's last.
  void keep_of_lines(std::size_t bytes) { kept_of_lines_ = bytes; }
  // Back to the start, for the next reply.
  void reset();
  void reset(ReplyLimits limits);

 private:
  void end_line();
  void fail(Reason reason);

  ReplyLimits limits_;
  State state_ = State::NeedMore;
  Reason failure_ = Reason::None;
  Reply reply_;
  std::string line_;
  std::size_t bytes_ = 0;
  std::size_t lines_ = 0;                     // those that were read to their end
  std::optional<std::size_t> kept_of_lines_;  // see keep_of_lines()
};

}  // namespace smtpprobe
