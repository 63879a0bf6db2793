#include "common/smtp/message.h"

#include <gtest/gtest.h>

#include <chrono>

#include "common/smtp/base64.h"

namespace smtpprobe {
namespace {

using namespace std::string_literals;

constexpr WallTime at(int year, unsigned month, unsigned day, int seconds = 0) {
  return std::chrono::sys_days(std::chrono::year(year) / static_cast<int>(month) /
                               static_cast<int>(day)) +
         std::chrono::seconds(seconds);
}

MessageFacts facts() {
  MessageFacts facts;
  facts.from = "probe@example.net";
  facts.to = {"postmaster@example.org"};
  facts.date = at(2026, 11, 23, 12 * 3600);
  facts.unique = "token";
  facts.host_name = "monitor.example";
  return facts;
}

std::string body_of(const std::string& message) {
  return message.substr(message.find("\r\n\r\n") + 4);
}

bool has_line(const std::string& message, const std::string& line) {
  return ("\r\n" + message).find("\r\n" + line + "\r\n") != std::string::npos;
}

// What every composed message owes to RFC 5322, whatever went into it.
void expect_well_formed(const std::string& message) {
  std::size_t begin = 0;
  while (begin < message.size()) {
    const std::size_t end = message.find("\r\n", begin);
    ASSERT_NE(end, std::string::npos) << "no CRLF at the end";
    const std::string line = message.substr(begin, end - begin);
    EXPECT_LE(line.size(), kMaxTextLine);
    for (const char c : line) {
      EXPECT_TRUE(c != '\r' && c != '\n' && c != '\0' && static_cast<unsigned char>(c) < 0x80)
          << testing::PrintToString(line);
    }
    begin = end + 2;
  }
}

TEST(Message, HasItsHeadersAndOneSentence) {
  EXPECT_EQ(compose_message({}, facts()),
            "Date: Mon, 23 Nov 2026 12:00:00 +0000\r\n"
            "From: <probe@example.net>\r\n"
            "To: <postmaster@example.org>\r\n"
            "Subject: smtp-probe\r\n"
            "Message-ID: <token@example.net>\r\n"
            "Auto-Submitted: auto-generated\r\n"
            "Precedence: bulk\r\n"
            "X-Mailer: smtp-probe\r\n"
            "\r\n"
            "This message was sent by smtp-probe to see that mail is accepted; it may be "
            "deleted.\r\n");
}

TEST(Message, NamesItsSenderWhateverTheReversePathIs) {
  struct Case {
    std::string path, from, id;
  };
  for (const Case& one : std::vector<Case>{
           {"", "MAILER-DAEMON@monitor.example", "monitor.example"},
           {"postmaster", "postmaster@monitor.example", "monitor.example"},
           {"a@b.example", "a@b.example", "b.example"},
           {"\"a@b\"", "\"a@b\"@monitor.example", "monitor.example"},
           {"\"a@b\"@c.example", "\"a@b\"@c.example", "c.example"},
           {"a@[192.0.2.1]", "a@[192.0.2.1]", "[192.0.2.1]"},
       }) {
    MessageFacts given = facts();
    given.from = one.path;
    const std::string message = compose_message({}, given);
    EXPECT_TRUE(has_line(message, "From: <" + one.from + ">")) << message;
    EXPECT_TRUE(has_line(message, "Message-ID: <token@" + one.id + ">")) << message;
  }
}

TEST(Message, FoldsManyRecipients) {
  MessageFacts given = facts();
  given.to = {"a@b", "c", "d@e"};
  EXPECT_TRUE(has_line(compose_message({}, given), "To: <a@b>,\r\n <c>,\r\n <d@e>"));
  given.to.assign(100, std::string(64, 'l') + "@" + std::string(63, 'd'));
  expect_well_formed(compose_message({}, given));
  given.to.clear();
  EXPECT_TRUE(has_line(compose_message({}, given), "To: undisclosed-recipients:;"));
}

TEST(Message, LetsTheUserAddAndReplaceHeaders) {
  MessagePlan plan;
  plan.subject = "unused";
  plan.headers = {{"X-Probe", "1"},
                  {"x-probe", "2"},
                  {"sUBJECT", "mine"},
                  {"X-Mailer", ""},
                  {"Precedence", "list"}};
  ASSERT_TRUE(check_message(plan).has_value());
  const std::string message = compose_message(plan, facts());
  for (const char* line : {"X-Probe: 1", "x-probe: 2", "sUBJECT: mine",
                           "X-Mailer: ", "Precedence: list", "Auto-Submitted: auto-generated"}) {
    EXPECT_TRUE(has_line(message, line)) << line;
  }
  for (const char* gone : {"unused", "\r\nSubject:", "smtp-probe\r\n", "bulk"}) {
    EXPECT_EQ(message.find(gone), std::string::npos) << gone;
  }
}

TEST(Message, GivesTheBodyCrlf) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"a", "a\r\n"},
      {"a\n", "a\r\n"},
      {"a\r\n", "a\r\n"},
      {"a\r", "a\r\n"},
      {"a\nb", "a\r\nb\r\n"},
      {"a\r\nb\nc\rd", "a\r\nb\r\nc\r\nd\r\n"},
      {"a\n\n", "a\r\n\r\n"},
      {"\n", "\r\n"},
      {"a\r\r\nb", "a\r\n\r\nb\r\n"},
      {"a\n\rb", "a\r\n\r\nb\r\n"},
      {".\n.a", ".\r\n.a\r\n"},
      {"\t\x1b", "\t\x1b\r\n"},
  };
  for (const auto& [body, wanted] : cases) {
    MessagePlan plan;
    plan.body = body;
    EXPECT_TRUE(check_message(plan).has_value());
    EXPECT_EQ(body_of(compose_message(plan, facts())), wanted) << testing::PrintToString(body);
  }
}

TEST(Message, EncodesABodyThatIsNotAscii) {
  std::string every_byte;
  for (int byte = 0; byte < 256; ++byte) every_byte += static_cast<char>(byte);
  for (const std::string& body :
       {"gr\xc3\xbc\xc3\x9f\n"s, "\xff"s, "a\0b"s, every_byte, std::string(5000, '\xe9')}) {
    MessagePlan plan;
    plan.body = body;
    EXPECT_TRUE(check_message(plan).has_value());
    const std::string message = compose_message(plan, facts());
    expect_well_formed(message);
    EXPECT_TRUE(has_line(message, "MIME-Version: 1.0"));
    EXPECT_TRUE(has_line(message, "Content-Type: text/plain; charset=UTF-8"));
    EXPECT_TRUE(has_line(message, "Content-Transfer-Encoding: base64"));
    std::string joined;
    const std::string encoded = body_of(message);
    for (std::size_t begin = 0; begin < encoded.size();) {
      const std::size_t end = encoded.find("\r\n", begin);
      EXPECT_LE(end - begin, 76U);
      joined += encoded.substr(begin, end - begin);
      begin = end + 2;
    }
    // Decoded it is the body with CRLF line ends, the canonical form of text.
    MessagePlan same;
    same.body = *base64_decode(joined);
    EXPECT_TRUE(same.body.ends_with("\r\n"));
    EXPECT_EQ(compose_message(same, facts()), message);
  }
  MessagePlan ascii;
  ascii.body = "plain";
  EXPECT_EQ(compose_message(ascii, facts()).find("MIME-Version"), std::string::npos);
}

// Takes the encoded words of a Subject apart again.
std::string decoded_subject(const std::string& message) {
  const std::size_t begin = message.find("Subject: ") + 9;
  std::string text;
  std::string lines = message.substr(begin, message.find("\r\nMessage-ID") - begin) + "\r\n ";
  while (!lines.empty()) {
    const std::size_t end = lines.find("\r\n ");
    const std::string word = lines.substr(0, end);
    EXPECT_LE(word.size(), 67U) << "76 with \"Subject: \"";
    EXPECT_TRUE(word.starts_with("=?UTF-8?B?") && word.ends_with("?=")) << word;
    const std::string part = base64_decode(word.substr(10, word.size() - 12)).value_or("bad");
    EXPECT_NE(static_cast<unsigned char>(part[0]) & 0xc0U, 0x80U) << "cut within a character";
    text += part;
    lines.erase(0, end + 3);
  }
  return text;
}

TEST(Message, EncodesASubjectThatIsNotAscii) {
  for (const std::string& character : {"\xc3\xbc"s, "\xe2\x82\xac"s, "\xf0\x9f\x93\xa7"s}) {
    for (std::size_t offset = 0; offset < 5; ++offset) {
      for (const std::size_t count : {1U, 8U, 13U, 20U, 400U}) {
        MessagePlan plan;
        plan.subject = std::string(offset, 'a');
        for (std::size_t i = 0; i < count; ++i) plan.subject += character;
        EXPECT_TRUE(check_message(plan).has_value());
        const std::string message = compose_message(plan, facts());
        expect_well_formed(message);
        EXPECT_EQ(decoded_subject(message), plan.subject);
      }
    }
  }
  MessagePlan no_utf8;
  no_utf8.subject = std::string(300, '\x80');
  expect_well_formed(compose_message(no_utf8, facts()));
}

TEST(MessageCheck, TakesWhatIsGood) {
  MessagePlan plan;
  EXPECT_TRUE(check_message(plan).has_value());
  plan.subject = std::string(kMaxTextLine - 9, 's');
  plan.headers = {{"X", std::string(kMaxTextLine - 3, 'v')},
                  {"!#$~", "tab\there"},
                  {"Y", ""},
                  {"Content-Transfer-Encoding", "quoted-printable"}};
  plan.body = std::string(kMaxTextLine, 'b') + "\n" + std::string(kMaxTextLine, 'b');
  const Result<void> good = check_message(plan);
  ASSERT_TRUE(good.has_value()) << good.error().text;
  expect_well_formed(compose_message(plan, facts()));
}

TEST(MessageCheck, SaysWhatIsWrong) {
  struct Case {
    MessagePlan plan;
    std::string says;
  };
  const std::string too_long(kMaxTextLine + 1, 'x');
  const std::vector<Case> cases = {
      {{"a\r\nBcc: x", {}, ""}, "subject: got 'a\\x0d\\x0aBcc: x', expected no CR, LF or NUL"},
      {{"a\nb", {}, ""}, "subject: got 'a\\x0ab'"},
      {{"a\0b"s, {}, ""}, "subject: got 'a\\x00b'"},
      {{std::string(kMaxTextLine - 8, 's'), {}, ""}, "subject: got 990 bytes"},
      {{"", {{"", "v"}}, ""}, "got the header name ''"},
      {{"", {{"X Y", "v"}}, ""}, "got the header name 'X Y'"},
      {{"", {{"X:", "v"}}, ""}, "got the header name 'X:'"},
      {{"", {{"X\r\nY", "v"}}, ""}, "got the header name 'X\\x0d\\x0aY'"},
      {{"", {{"X\xc3\xbc", "v"}}, ""}, "got the header name"},
      {{"", {{"X", "a\nb"}}, ""}, "header 'X': got a value of 3 bytes, expected no CR, LF or NUL"},
      {{"", {{"X", "a\r"}}, ""}, "header 'X'"},
      {{"", {{"X", "\0"s}}, ""}, "header 'X'"},
      {{"", {{"X", "\xc3\xbc"}}, ""}, "header 'X': got a value of 2 bytes, expected ASCII"},
      {{"", {{"X", std::string(kMaxTextLine - 2, 'v')}}, ""}, "at most 998 bytes"},
      {{"", {{"A", "good"}, {"B", "\n"}}, ""}, "header 'B'"},
      {{"", {{"content-transfer-encoding", "8bit"}}, "\xc3\xbc"}, "is sent as base64"},
      {{"", {}, too_long}, "body: line 1 is too long"},
      {{"", {}, "a\r\n\n" + too_long + "\n" + too_long}, "body: line 3 is too long"},
  };
  for (const Case& one : cases) {
    const Result<void> checked = check_message(one.plan);
    ASSERT_FALSE(checked.has_value()) << one.says;
    EXPECT_NE(checked.error().text.find(one.says), std::string::npos) << checked.error().text;
    EXPECT_EQ(checked.error().text.find('\n'), std::string::npos);
  }
}

TEST(DotStuffing, IsTransparentAndEndsTheMessage) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", ".\r\n"},
      {"a\r\n", "a\r\n.\r\n"},
      {"a", "a\r\n.\r\n"},
      {".", "..\r\n.\r\n"},
      {".\r\n", "..\r\n.\r\n"},
      {"..\r\n", "...\r\n.\r\n"},
      {".a\r\n.b\r\n", "..a\r\n..b\r\n.\r\n"},
      {"a.\r\nb.c\r\n", "a.\r\nb.c\r\n.\r\n"},
      {"a\r\n.\r\nMAIL FROM:<>\r\n", "a\r\n..\r\nMAIL FROM:<>\r\n.\r\n"},
      // The forms of SMTP smuggling.
      {"a\n.\nb", "a\r\n..\r\nb\r\n.\r\n"},
      {"a\n.\r\nb", "a\r\n..\r\nb\r\n.\r\n"},
      {"a\r.\rb", "a\r\n..\r\nb\r\n.\r\n"},
      {"a\r\n.\rb", "a\r\n..\r\nb\r\n.\r\n"},
      {"a\r.\r\nb", "a\r\n..\r\nb\r\n.\r\n"},
      {"a\r\r\n.b", "a\r\n\r\n..b\r\n.\r\n"},
      {"\r\n\r\n", "\r\n\r\n.\r\n"},
  };
  for (const auto& [text, wanted] : cases) {
    EXPECT_EQ(dot_stuff(text), wanted) << testing::PrintToString(text);
  }
}

TEST(DotStuffing, NeverSmuggles) {
  const std::string alphabet = "\r\n.a";
  for (unsigned number = 0; number < 4 * 4 * 4 * 4 * 4 * 4 * 4; ++number) {
    std::string text;
    for (unsigned rest = number, i = 0; i < 7; ++i, rest /= 4) text += alphabet[rest % 4];
    const std::string wire = dot_stuff(text);
    ASSERT_TRUE(wire.ends_with("\r\n.\r\n"));
    const std::string lines = "\r\n" + wire;
    ASSERT_EQ(lines.find("\r\n.\r\n"), lines.size() - 5) << testing::PrintToString(text);
    for (std::size_t i = 0; i < wire.size(); ++i) {
      ASSERT_TRUE(wire[i] != '\r' || wire[i + 1] == '\n');
      ASSERT_TRUE(wire[i] != '\n' || (i > 0 && wire[i - 1] == '\r'));
    }
  }
}

TEST(Date, IsThatOfTheRfc) {
  EXPECT_EQ(rfc5322_date(at(2026, 11, 23, 12 * 3600)), "Mon, 23 Nov 2026 12:00:00 +0000");
  EXPECT_EQ(rfc5322_date(WallTime()), "Thu, 01 Jan 1970 00:00:00 +0000");
  EXPECT_EQ(rfc5322_date(at(2024, 2, 29, 86399)), "Thu, 29 Feb 2024 23:59:59 +0000");
  EXPECT_EQ(rfc5322_date(at(2025, 1, 5, 3661)), "Sun, 05 Jan 2025 01:01:01 +0000");
  EXPECT_EQ(rfc5322_date(at(2038, 1, 19, 11648)), "Tue, 19 Jan 2038 03:14:08 +0000");
  EXPECT_EQ(rfc5322_date(at(2100, 12, 31)), "Fri, 31 Dec 2100 00:00:00 +0000");
  const std::vector<std::string> months = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                           "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  for (unsigned month = 1; month <= 12; ++month) {
    EXPECT_EQ(rfc5322_date(at(2026, month, 15)).substr(8, 3), months[month - 1]);
  }
}

}  // namespace
}  // namespace smtpprobe
