// Cases of the reply parser, and how each of them runs: whole, cut in two, byte by byte, and with
// trailing bytes, which the parser must leave alone.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "common/smtp/reply.h"

namespace smtpprobe::reply_cases {

using namespace std::string_literals;
using State = ReplyParser::State;

struct Case {
  std::string input;
  State state = State::Complete;
  Reason failure = Reason::None;
  int code = 0;
  std::vector<std::string> lines;
  std::string unfinished;
  Note notes = Note::None;
  std::string status;
};

inline Case complete(std::string input, int code, std::vector<std::string> lines,
                     Note notes = Note::None, std::string status = {}) {
  return {std::move(input), State::Complete, Reason::None, code, std::move(lines), {}, notes,
          std::move(status)};
}
inline Case need_more(std::string input, int code, std::vector<std::string> lines,
                      std::string unfinished, Note notes = Note::None) {
  return {std::move(input), State::NeedMore,       Reason::None, code,
          std::move(lines), std::move(unfinished), notes,        {}};
}
inline Case failed(std::string input, Reason reason, std::string unfinished, int code = 0,
                   std::vector<std::string> lines = {}, Note notes = Note::None) {
  return {std::move(input), State::Failed,         reason, code,
          std::move(lines), std::move(unfinished), notes,  {}};
}

inline std::string shown(const std::string& bytes) { return testing::PrintToString(bytes); }

inline void expect_outcome(const ReplyParser& parser, const Case& wanted) {
  EXPECT_EQ(parser.state(), wanted.state);
  EXPECT_EQ(reason_name(parser.failure()), reason_name(wanted.failure));
  EXPECT_EQ(parser.reply().code, wanted.code);
  EXPECT_EQ(parser.reply().lines, wanted.lines);
  EXPECT_EQ(note_names(parser.reply().notes), note_names(wanted.notes));
  const std::optional<EnhancedStatus>& status = parser.reply().status;
  EXPECT_EQ(status ? to_string(*status) : "", wanted.status);
}

// Feeds `input` in portions of `sizes` bytes (the last one repeated) while more is wanted.
inline std::size_t feed(ReplyParser& parser, std::string_view input,
                        std::vector<std::size_t> sizes) {
  std::size_t taken = 0;
  for (std::size_t i = 0; taken < input.size() && parser.state() == State::NeedMore; ++i) {
    const std::size_t size = sizes[std::min(i, sizes.size() - 1)];
    const std::size_t now = parser.consume(input.substr(taken, size));
    EXPECT_GT(now, 0U);
    taken += now;
  }
  return taken;
}

// A garbage first byte fails before the line is there, so what is shown depends on the portions.
inline bool fails_at_first_byte(const Case& wanted) {
  const std::string& line = wanted.unfinished;
  return wanted.failure == Reason::ReplyMalformed &&
         (line.empty() || line[0] < '2' || line[0] > '5');
}

inline void expect_unfinished(const ReplyParser& parser, const Case& wanted, bool in_one_portion) {
  if (in_one_portion || !fails_at_first_byte(wanted)) {
    EXPECT_EQ(parser.unfinished_line(), wanted.unfinished);
  } else {
    EXPECT_TRUE((wanted.unfinished + "\r").starts_with(parser.unfinished_line()));
  }
}

inline void run(const Case& wanted, ReplyLimits limits = {}) {
  SCOPED_TRACE(shown(wanted.input.substr(0, 200)));
  {
    SCOPED_TRACE("whole");
    ReplyParser parser(limits);
    EXPECT_EQ(parser.consume(wanted.input), wanted.input.size());
    EXPECT_EQ(parser.bytes(), wanted.input.size());
    expect_outcome(parser, wanted);
    expect_unfinished(parser, wanted, true);
    parser.reset();
    EXPECT_EQ(parser.bytes(), 0U);
    expect_outcome(parser, need_more("", 0, {}, ""));
    EXPECT_EQ(parser.consume(wanted.input), wanted.input.size()) << "after reset()";
    expect_outcome(parser, wanted);
  }
  {
    SCOPED_TRACE("byte by byte");
    ReplyParser parser(limits);
    const std::size_t taken = feed(parser, wanted.input, {1});
    EXPECT_TRUE(taken == wanted.input.size() || fails_at_first_byte(wanted));
    expect_outcome(parser, wanted);
    expect_unfinished(parser, wanted, false);
  }
  const std::size_t step = wanted.input.size() > 300 ? wanted.input.size() / 50 : 1;
  for (std::size_t cut = 1; cut < wanted.input.size(); cut += step) {
    SCOPED_TRACE("cut at " + std::to_string(cut));
    ReplyParser parser(limits);
    feed(parser, wanted.input, {cut, wanted.input.size()});
    expect_outcome(parser, wanted);
    expect_unfinished(parser, wanted, false);
  }
  if (wanted.state == State::NeedMore) return;
  for (const std::string& trailing :
       {"250 more\r\n"s, "\r\n"s, "\n"s, "\x16\x03\x01"s, "2"s, "\0"s, " "s}) {
    // Without a line end of its own a failed line would go on into the trailing bytes.
    if (!wanted.input.ends_with('\n')) break;
    SCOPED_TRACE("trailing " + shown(trailing));
    ReplyParser parser(limits);
    EXPECT_EQ(parser.consume(wanted.input + trailing), wanted.input.size());
    EXPECT_EQ(parser.bytes(), wanted.input.size());
    expect_outcome(parser, wanted);
    expect_unfinished(parser, wanted, true);
    EXPECT_EQ(parser.consume(trailing), 0U);
    expect_outcome(parser, wanted);
  }
}

}  // namespace smtpprobe::reply_cases
