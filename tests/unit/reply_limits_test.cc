// The limits of the reply parser, each exactly at it and one over it.
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "common/smtp/reply.h"
#include "tests/unit/reply_cases.h"

namespace smtpprobe {
namespace {

using namespace reply_cases;

std::string line_of(std::size_t bytes, std::string_view start, std::string_view end) {
  return std::string(start) + std::string(bytes - start.size() - end.size(), 'x') +
         std::string(end);
}

TEST(ReplyLimits, NotesALineOverTheStandard) {
  for (const std::string& end : {"\r\n"s, "\n"s}) {
    const Note lf = end == "\n" ? Note::BareLf : Note::None;
    for (const std::size_t size : {511U, 512U, 513U, 4095U, 4096U}) {
      const std::string line = line_of(size, "250 ", end);
      const Note longer = size > 512 ? Note::LongLine : Note::None;
      run(complete(line, 250, {line.substr(4, size - 4 - end.size())}, lf | longer));
    }
  }
}

TEST(ReplyLimits, BoundsTheLine) {
  for (const std::size_t limit : {16U, 512U, 4096U, 12288U}) {
    const ReplyLimits limits{.line_bytes = limit};
    const Note longer = limit > 512 ? Note::LongLine : Note::None;
    const std::string at_limit = line_of(limit, "334 ", "\r\n");
    run(complete(at_limit, 334, {at_limit.substr(4, limit - 6)}, longer), limits);
    const std::string lf_at_limit = line_of(limit, "334 ", "\n");
    run(complete(lf_at_limit, 334, {lf_at_limit.substr(4, limit - 5)}, longer | Note::BareLf),
        limits);
    // One under: it can still end well.
    const std::string under = line_of(limit - 1, "334 ", "");
    run(need_more(under, 0, {}, under), limits);
    // `limit` bytes without LF are too many, whatever comes.
    for (const std::string& last : {"x"s, "\r"s}) {
      const std::string over = line_of(limit, "334 ", last);
      run(failed(over, Reason::ReplyLineTooLong, over), limits);
      ReplyParser parser(limits);
      EXPECT_EQ(parser.consume(over + "\n250 ok\r\n"), limit);
      EXPECT_EQ(parser.failure(), Reason::ReplyLineTooLong);
    }
    run(failed("250-a\r\n" + line_of(limit, "250-", "x"), Reason::ReplyLineTooLong,
               line_of(limit, "250-", "x"), 250, {"a"}),
        limits);
  }
}

TEST(ReplyLimits, BoundsTheLines) {
  for (const std::size_t limit : {1U, 2U, 128U}) {
    const ReplyLimits limits{.lines = limit};
    std::string input;
    std::vector<std::string> lines;
    for (std::size_t i = 1; i < limit; ++i) {
      input += "220-x\r\n";
      lines.emplace_back("x");
    }
    lines.emplace_back("x");
    run(complete(input + "220 x\r\n", 220, lines), limits);
    run(failed(input + "220-x\r\n", Reason::ReplyTooLong, "", 220, lines), limits);
  }
}

TEST(ReplyLimits, BoundsTheReply) {
  const ReplyLimits limits{.line_bytes = 100, .lines = 1000, .reply_bytes = 250};
  const std::string start = line_of(100, "250-", "\r\n") + line_of(100, "250-", "\r\n");
  const std::string text(94, 'x');
  const std::string last = line_of(50, "250 ", "\r\n");
  run(complete(start + last, 250, {text, text, std::string(44, 'x')}), limits);
  const std::string over = line_of(50, "250 ", "\r");
  run(failed(start + over, Reason::ReplyTooLong, over, 250, {text, text}), limits);
  run(failed(start + line_of(50, "250-", "\r\n"), Reason::ReplyTooLong, "", 250,
             {text, text, std::string(44, 'x')}),
      limits);
  run(need_more(start + line_of(49, "250 ", ""), 250, {text, text}, line_of(49, "250 ", "")),
      limits);
}

TEST(ReplyLimits, HoldByDefaultAgainstAnEndlessReply) {
  std::string endless;
  while (endless.size() < 1024 * 1024) endless += "220-" + std::string(996, 'x') + "\r\n";
  ReplyParser parser;
  EXPECT_EQ(parser.consume(endless), 64U * 1024);
  EXPECT_EQ(parser.failure(), Reason::ReplyTooLong);
  parser.reset();
  EXPECT_EQ(parser.consume("220 " + std::string(128 * 1024, 'x')), 4096U);
  EXPECT_EQ(parser.failure(), Reason::ReplyLineTooLong);
  EXPECT_EQ(parser.unfinished_line().size(), 4096U);
}

TEST(ReplyLimits, AreReplacedByReset) {
  const std::string challenge = line_of(kAuthLineBytes, "334 ", "\r\n");
  ReplyParser parser;
  parser.consume(challenge);
  EXPECT_EQ(parser.failure(), Reason::ReplyLineTooLong);
  parser.reset({.line_bytes = kAuthLineBytes});
  parser.consume(challenge);
  EXPECT_EQ(parser.state(), State::Complete);
  parser.reset();
  parser.consume(challenge);
  EXPECT_EQ(parser.state(), State::Complete) << "reset() keeps the limits";
}

TEST(ReplyLimits, OfNothingEndAtOnce) {
  ReplyParser no_line({.line_bytes = 0});
  EXPECT_EQ(no_line.consume("250 ok\r\n"), 0U);
  EXPECT_EQ(no_line.failure(), Reason::ReplyLineTooLong);
  ReplyParser no_bytes({.reply_bytes = 0});
  EXPECT_EQ(no_bytes.consume("250 ok\r\n"), 0U);
  EXPECT_EQ(no_bytes.failure(), Reason::ReplyTooLong);
  ReplyParser no_lines({.lines = 0});
  no_lines.consume("250 ok\r\n");
  EXPECT_EQ(no_lines.failure(), Reason::ReplyTooLong);
}

}  // namespace
}  // namespace smtpprobe
