// The reply parser. Three bytes choose limits and portions, the rest is what the server says, reply
// after reply. Whole and in portions it must come to the same.
#include <algorithm>
#include <vector>

#include "common/smtp/reply.h"
#include "tests/fuzz/fuzz.h"

namespace smtpprobe::fuzz {
namespace {

struct Read {
  std::vector<Reply> replies;
  ReplyParser::State state = ReplyParser::State::NeedMore;
  Reason failure = Reason::None;
  std::size_t taken = 0;
  std::string unfinished;
};

void check_reply(const Reply& reply, const ReplyLimits& limits, std::string_view wire) {
  SMTPPROBE_HOLDS(reply.code >= 200 && reply.code <= 559, wire);
  SMTPPROBE_HOLDS(!reply.lines.empty() && reply.lines.size() <= limits.lines, wire);
  for (const std::string& line : reply.lines) {
    SMTPPROBE_HOLDS(line.size() <= limits.line_bytes && line.find('\n') == std::string::npos, line);
  }
  SMTPPROBE_HOLDS(!reply.status || reply.status->klass == reply.klass(), wire);
  SMTPPROBE_HOLDS(reply.wire().size() <= limits.reply_bytes + 2 * limits.lines, wire);
  SMTPPROBE_HOLDS(wire.ends_with('\n'), wire);  // not one byte behind it
}

Read read(std::string_view stream, const ReplyLimits& limits, std::size_t portion) {
  Read read;
  ReplyParser parser(limits);
  std::size_t begin = 0;
  for (std::size_t at = 0; at < stream.size();) {
    std::string_view bytes = stream.substr(at, portion);
    while (!bytes.empty()) {
      const std::size_t taken = parser.consume(bytes);
      SMTPPROBE_HOLDS(taken <= bytes.size(), bytes);
      bytes.remove_prefix(taken);
      at += taken;
      SMTPPROBE_HOLDS(parser.bytes() <= limits.reply_bytes, stream);
      SMTPPROBE_HOLDS(parser.unfinished_line().size() <= limits.line_bytes, stream);
      SMTPPROBE_HOLDS(parser.bytes() == at - begin, stream);
      if (parser.state() == ReplyParser::State::NeedMore) {
        SMTPPROBE_HOLDS(bytes.empty(), stream);
        continue;
      }
      SMTPPROBE_HOLDS(parser.consume(bytes) == 0, stream);
      if (parser.state() == ReplyParser::State::Failed) break;
      check_reply(parser.reply(), limits, stream.substr(begin, at - begin));
      read.replies.push_back(parser.reply());
      parser.reset();
      begin = at;
    }
    if (parser.state() == ReplyParser::State::Failed) break;
  }
  read.state = parser.state();
  read.failure = parser.failure();
  read.taken = begin + parser.bytes();
  read.unfinished = parser.unfinished_line();
  return read;
}

bool is_reason_of_parser(Reason reason) {
  return reason == Reason::ReplyMalformed || reason == Reason::ReplyMixedCodes ||
         reason == Reason::ReplyLineTooLong || reason == Reason::ReplyTooLong;
}

void check(std::string_view input) {
  ReplyLimits limits;
  const unsigned choice = take_byte(input);
  if ((choice & 1U) != 0) limits.line_bytes = 8 + take_byte(input);
  if ((choice & 2U) != 0) limits.lines = 1 + choice / 16;
  if ((choice & 4U) != 0) limits.reply_bytes = limits.line_bytes + choice;
  const std::size_t portion = 1 + take_byte(input);

  const Read whole = read(input, limits, std::max<std::size_t>(input.size(), 1));
  const Read parts = read(input, limits, portion);
  SMTPPROBE_HOLDS(whole.replies.size() == parts.replies.size(), input);
  for (std::size_t i = 0; i < whole.replies.size(); ++i) {
    const Reply& a = whole.replies[i];
    const Reply& b = parts.replies[i];
    SMTPPROBE_HOLDS(a.code == b.code && a.lines == b.lines, input);
    SMTPPROBE_HOLDS(a.status == b.status && a.notes == b.notes, input);
  }
  SMTPPROBE_HOLDS(whole.state == parts.state && whole.failure == parts.failure, input);
  // One byte is enough to tell that a line is none; how much more of it is shown may differ.
  if (whole.failure != Reason::ReplyMalformed) {
    SMTPPROBE_HOLDS(whole.taken == parts.taken && whole.unfinished == parts.unfinished, input);
  }
  const bool failed = whole.state == ReplyParser::State::Failed;
  SMTPPROBE_HOLDS(failed == is_reason_of_parser(whole.failure), input);
}

}  // namespace
}  // namespace smtpprobe::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  smtpprobe::fuzz::check(smtpprobe::fuzz::bytes_of(data, size));
  return 0;
}
