// The reply parser on good and bad replies; its limits are in reply_limits_test.cc.
#include "common/smtp/reply.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "tests/unit/reply_cases.h"

namespace smtpprobe {
namespace {

using namespace reply_cases;

TEST(ReplyParser, ReadsGoodReplies) {
  const std::vector<Case> cases = {
      complete("220 mail.example.net ESMTP\r\n", 220, {"mail.example.net ESMTP"}),
      complete("250\r\n", 250, {""}),
      complete("250 \r\n", 250, {""}),
      complete("250  two blanks\r\n", 250, {" two blanks"}),
      complete("250-\r\n250 \r\n", 250, {"", ""}),
      complete("250-a\r\n250\r\n", 250, {"a", ""}),
      complete("250-234 Text\r\n250 235\r\n", 250, {"234 Text", "235"}),
      complete("250-250-250\r\n250 250 250\r\n", 250, {"250-250", "250 250"}),
      complete("250--\r\n250 -\r\n", 250, {"-", "-"}),
      complete("250-a\r\n250-b\r\n250-c\r\n250 d\r\n", 250, {"a", "b", "c", "d"}),
      complete("200 non-standard\r\n", 200, {"non-standard"}),
      complete("334 VXNlcm5hbWU6\r\n", 334, {"VXNlcm5hbWU6"}),
      complete("354 Please start mail input, end with CRLF . CRLF\r\n", 354,
               {"Please start mail input, end with CRLF . CRLF"}),
      complete("559 last\r\n", 559, {"last"}),
      complete("250 tab\there\r\n", 250, {"tab\there"}),
      complete("250 gr\xc3\xbc\xc3\x9f \xff\xfe\r\n", 250, {"gr\xc3\xbc\xc3\x9f \xff\xfe"}),
      // Line ends.
      complete("250 ok\n", 250, {"ok"}, Note::BareLf),
      complete("250\n", 250, {""}, Note::BareLf),
      complete("250-a\n250 b\r\n", 250, {"a", "b"}, Note::BareLf),
      complete("250-a\r\n250 b\n", 250, {"a", "b"}, Note::BareLf),
      complete("250 a\rb\r\n", 250, {"a\rb"}, Note::ControlChars),
      complete("250 a\r\r\n", 250, {"a\r"}, Note::ControlChars),
      complete("250 \r250 b\r\n", 250, {"\r250 b"}, Note::ControlChars),
      // Control bytes.
      complete("250 a\0b\r\n"s, 250, {"a\0b"s}, Note::ControlChars),
      complete("250 \0\r\n"s, 250, {"\0"s}, Note::ControlChars),
      complete("250-\x1b[31m\r\n250 b\r\n", 250, {"\x1b[31m", "b"}, Note::ControlChars),
      complete("250 \x7f\n", 250, {"\x7f"}, Note::ControlChars | Note::BareLf),
  };
  for (const Case& one : cases) run(one);
}

TEST(ReplyParser, WaitsForTheRest) {
  const std::vector<Case> cases = {
      need_more("", 0, {}, ""),
      need_more("2", 0, {}, "2"),
      need_more("250", 0, {}, "250"),
      need_more("250 ok", 0, {}, "250 ok"),
      need_more("250 ok\r", 0, {}, "250 ok\r"),
      need_more("250-a\r\n", 250, {"a"}, ""),
      need_more("250-a\n", 250, {"a"}, "", Note::BareLf),
      need_more("250-a\r\n250", 250, {"a"}, "250"),
      need_more("250-a\r\n250-b\r\n250", 250, {"a", "b"}, "250"),
      need_more("250-a\r\n550 b\r", 250, {"a"}, "550 b\r"),
      need_more("299", 0, {}, "299"),
      need_more("250x", 0, {}, "250x"),
  };
  for (const Case& one : cases) run(one);
}

TEST(ReplyParser, RefusesGarbage) {
  for (const std::string& line : {"HTTP/1.1 400 Bad Request"s,
                                  "SSH-2.0-OpenSSH_9.2"s,
                                  "+OK ready"s,
                                  "* OK IMAP4"s,
                                  ""s,
                                  " 250 ok"s,
                                  "\t250"s,
                                  "-250"s,
                                  "099 x"s,
                                  "100 x"s,
                                  "199 x"s,
                                  "600 x"s,
                                  "999 x"s,
                                  "0"s,
                                  "\x16\x03\x01"s,
                                  "\x15\x03\x01\x02"s,
                                  "\0"s,
                                  "\xff"s,
                                  "ok"s,
                                  "\xef\xbb\xbf"s + "250 ok",
                                  "2"s,
                                  "25"s,
                                  "25 ok"s,
                                  "2 50"s,
                                  "250x"s,
                                  "250x ok"s,
                                  "250\tok"s,
                                  "2500 ok"s,
                                  "250.ok"s,
                                  "250\0ok"s,
                                  "250_"s,
                                  "260 ok"s,
                                  "290"s,
                                  "2a0 ok"s,
                                  "25a ok"s,
                                  "560 x"s,
                                  "250\r"s,
                                  "250\r ok"s,
                                  "5O0 letter O"s}) {
    for (const std::string& end : {"\r\n"s, "\n"s}) {
      const bool at_once = line.empty() || line[0] < '2' || line[0] > '5';
      const Note lf = !at_once && end == "\n" && !line.ends_with('\r') ? Note::BareLf : Note::None;
      // "250\r" with LF alone behind it is the good reply "250".
      if (line == "250\r" && end == "\n") continue;
      run(failed(line + end, Reason::ReplyMalformed, line, 0, {}, lf));
      run(failed("250-good\r\n" + line + end, Reason::ReplyMalformed, line, 250, {"good"}, lf));
    }
  }
}

TEST(ReplyParser, RefusesWhatCannotBeACodeWithoutWaitingForALineEnd) {
  for (int byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(byte);
    if (c >= '2' && c <= '5') continue;
    SCOPED_TRACE(byte);
    ReplyParser parser;
    EXPECT_EQ(parser.consume(std::string(1, c)), 1U);
    EXPECT_EQ(parser.state(), State::Failed);
    EXPECT_EQ(parser.failure(), Reason::ReplyMalformed);
  }
  ReplyParser parser;
  const std::string hello =
      "SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3 and more than sixty bytes of it";
  EXPECT_EQ(parser.consume(hello), hello.size());
  EXPECT_EQ(parser.state(), State::Failed);
  EXPECT_EQ(parser.unfinished_line(), hello) << "what is there already is worth showing";
}

TEST(ReplyParser, RefusesMixedCodes) {
  for (const std::string& line : {"550 no"s, "550-no"s, "251 ok"s, "421"s, "251"s, "354 go"s}) {
    run(failed("250-a\r\n" + line + "\r\n", Reason::ReplyMixedCodes, line, 250, {"a"}));
    run(failed("250-a\r\n250-b\r\n" + line + "\r\n", Reason::ReplyMixedCodes, line, 250,
               {"a", "b"}));
    run(failed("250-a\n" + line + "\n", Reason::ReplyMixedCodes, line, 250, {"a"}, Note::BareLf));
  }
}

TEST(ReplyParser, KnowsEveryCode) {
  for (int number = 0; number < 1000; ++number) {
    const std::string code = {static_cast<char>('0' + number / 100),
                              static_cast<char>('0' + number / 10 % 10),
                              static_cast<char>('0' + number % 10)};
    const bool good = number >= 200 && number < 600 && number / 10 % 10 <= 5;
    for (const std::string& rest : {""s, " "s, " text"s}) {
      SCOPED_TRACE(code + rest);
      ReplyParser parser;
      parser.consume(code + rest + "\r\n");
      EXPECT_EQ(parser.state(), good ? State::Complete : State::Failed);
      EXPECT_EQ(parser.failure(), good ? Reason::None : Reason::ReplyMalformed);
      EXPECT_EQ(parser.reply().code, good ? number : 0);
      EXPECT_EQ(parser.reply().klass(), good ? number / 100 : 0);
    }
  }
}

TEST(ReplyParser, KnowsEverySeparator) {
  for (int byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(byte);
    if (c == '\n') continue;
    SCOPED_TRACE(byte);
    ReplyParser parser;
    parser.consume("250"s + c + "text\r\n");
    const State wanted = c == ' ' ? State::Complete : c == '-' ? State::NeedMore : State::Failed;
    EXPECT_EQ(parser.state(), wanted);
  }
}

TEST(ReplyParser, NotesControlBytesAndTakesEveryByteAsText) {
  for (int byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(byte);
    if (c == '\n') continue;
    const bool control = (byte < 0x20 && c != '\t') || byte == 0x7f;
    const std::string text = "a"s + c + "b";
    run(complete("250 " + text + "\r\n", 250, {text}, control ? Note::ControlChars : Note::None));
  }
}

TEST(ReplyParser, ReadsTheEnhancedStatus) {
  const std::vector<Case> cases = {
      complete("250 2.1.0 Ok\r\n", 250, {"2.1.0 Ok"}, Note::None, "2.1.0"),
      complete("250 2.1.0\r\n", 250, {"2.1.0"}, Note::None, "2.1.0"),
      complete("220 2.0.0 Ready to start TLS\r\n", 220, {"2.0.0 Ready to start TLS"}, Note::None,
               "2.0.0"),
      complete("450 4.7.1 try later\r\n", 450, {"4.7.1 try later"}, Note::None, "4.7.1"),
      complete("550 5.1.1 no\r\n", 550, {"5.1.1 no"}, Note::None, "5.1.1"),
      complete("550-5.1.1 no\r\n550 5.1.1 user\r\n", 550, {"5.1.1 no", "5.1.1 user"}, Note::None,
               "5.1.1"),
      complete("550-5.7.1 no\r\n550 5.7.26 user\r\n", 550, {"5.7.1 no", "5.7.26 user"}, Note::None,
               "5.7.1"),
      complete("550-no\r\n550-5.1.1 middle\r\n550 5.1.2 end\r\n", 550,
               {"no", "5.1.1 middle", "5.1.2 end"}, Note::None, "5.1.2"),
      complete("550-no\r\n550-5.1.1 middle\r\n550 end\r\n", 550, {"no", "5.1.1 middle", "end"}),
      complete("250 2.1.0evil\r\n", 250, {"2.1.0evil"}),
      complete("250 a 2.1.0\r\n", 250, {"a 2.1.0"}),
      complete("250 5.7.1 odd\r\n", 250, {"5.7.1 odd"}, Note::EscMismatch),
      complete("550 4.7.1 odd\r\n", 550, {"4.7.1 odd"}, Note::EscMismatch),
      complete("450 5.7.1 odd\r\n", 450, {"5.7.1 odd"}, Note::EscMismatch),
      complete("550-4.7.1 odd\r\n550 5.7.1 end\r\n", 550, {"4.7.1 odd", "5.7.1 end"},
               Note::EscMismatch),
      complete("550-no\r\n550 2.0.0 end\r\n", 550, {"no", "2.0.0 end"}, Note::EscMismatch),
      complete("250 3.1.1 no class\r\n", 250, {"3.1.1 no class"}),
      complete("354 3.0.0 go\r\n", 354, {"3.0.0 go"}),
      complete("354 2.0.0 go\r\n", 354, {"2.0.0 go"}),
      complete("334 5.7.1\r\n", 334, {"5.7.1"}),
  };
  for (const Case& one : cases) run(one);
}

TEST(ReplyParser, TakesEveryPortioningAlike) {
  const std::vector<std::string> tokens = {"250", "550",  "421", "-",     " ",  "\r\n", "\n",
                                           "\r",  "text", "\0"s, "2.1.0", "25", "x",    "5.1.1"};
  std::mt19937 random(20261123);
  const ReplyLimits limits{.line_bytes = 24, .lines = 4, .reply_bytes = 60};
  for (int round = 0; round < 4000; ++round) {
    std::string input = random() % 8 == 0 ? "" : "250";
    for (auto i = random() % 24; i > 0; --i) input += tokens[random() % tokens.size()];
    SCOPED_TRACE(shown(input));
    ReplyParser whole(limits);
    const std::size_t taken = whole.consume(input);
    ASSERT_LE(whole.unfinished_line().size(), limits.line_bytes);
    ASSERT_LE(taken, limits.reply_bytes);
    ASSERT_LE(whole.reply().lines.size(), limits.lines);
    ASSERT_TRUE(taken == input.size() || whole.state() != State::NeedMore);
    ReplyParser cut(limits);
    feed(cut, input, {1 + random() % 5, 1 + random() % 5, 1 + random() % 3});
    ASSERT_EQ(cut.state(), whole.state());
    ASSERT_EQ(cut.failure(), whole.failure());
    ASSERT_EQ(cut.reply().code, whole.reply().code);
    ASSERT_EQ(cut.reply().lines, whole.reply().lines);
    ASSERT_EQ(cut.reply().notes, whole.reply().notes);
    ASSERT_EQ(cut.reply().status, whole.reply().status);
    ASSERT_TRUE(cut.bytes() == taken || whole.state() == State::Failed);
  }
}

TEST(ReplyParser, ReadsOneReplyAfterTheOther) {
  const std::string stream = "220 a\r\n250-b\r\n250 c\r\n550 d\r\n";
  ReplyParser parser;
  std::size_t at = parser.consume(stream);
  EXPECT_EQ(parser.reply().code, 220);
  EXPECT_EQ(parser.consume(std::string_view(stream).substr(at)), 0U);
  parser.reset();
  at += parser.consume(std::string_view(stream).substr(at));
  EXPECT_EQ(parser.reply().wire(), "250-b\n250 c");
  EXPECT_EQ(parser.bytes(), 14U);
  parser.reset();
  at += parser.consume(std::string_view(stream).substr(at));
  EXPECT_EQ(parser.reply().code, 550);
  EXPECT_EQ(at, stream.size());
}

TEST(Reply, JoinsItsLines) {
  const Reply reply{250, {"2.0.0 a", "2.0.0 b", ""}, std::nullopt, Note::None};
  EXPECT_EQ(reply.text(), "2.0.0 a b ");
  EXPECT_EQ(reply.wire(), "250-2.0.0 a\n250-2.0.0 b\n250 ");
  const Reply one{250, {"ok"}, std::nullopt, Note::None};
  EXPECT_EQ(one.text(), "ok");
  EXPECT_EQ(one.wire(), "250 ok");
  const Reply two{550, {"a", "5.1.1 b", "5.1.1", "5.7.1 c", "5.1.1  d"}, std::nullopt, Note::None};
  EXPECT_EQ(two.text(), "a 5.1.1 b 5.7.1 c 5.1.1  d");
  EXPECT_EQ(Reply().text(), "");
  EXPECT_EQ(Reply().wire(), "");
}

}  // namespace
}  // namespace smtpprobe
