#include "common/smtp/reply_pattern.h"

#include <gtest/gtest.h>

#include "common/smtp/reply_regex.h"

namespace smtpprobe {
namespace {

using namespace std::string_literals;

Reply reply(int code, std::string_view status = {}) {
  Reply result;
  result.code = code;
  result.lines = {"text"};
  if (!status.empty()) result.status = parse_enhanced_status(status);
  return result;
}

TEST(ReplyPattern, TakesCodesClassesAndStatuses) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"200", "200"},     {"250", "250"},     {"559", "559"},        {"2xx", "2xx"},
      {"3XX", "3xx"},     {"4xX", "4xx"},     {"5Xx", "5xx"},        {"5.7.1", "5.7.1"},
      {"2.0.0", "2.0.0"}, {"4.7.1", "4.7.1"}, {"5.07.001", "5.7.1"}, {"259", "259"},
  };
  for (const auto& [text, canonical] : cases) {
    const Result<ReplyPattern> pattern = ReplyPattern::parse(text);
    ASSERT_TRUE(pattern.has_value()) << text;
    EXPECT_EQ(pattern->text(), canonical);
    EXPECT_EQ(ReplyPattern::parse(pattern->text())->text(), canonical);
  }
}

TEST(ReplyPattern, RefusesTheRest) {
  for (const std::string& text :
       {""s,        "2"s,    "25"s,    "2500"s,    "1xx"s,  "6xx"s,   "0xx"s,   "xxx"s,   "2x0"s,
        "25x"s,     "2x"s,   "2xxx"s,  "199"s,     "600"s,  "100"s,   "000"s,   "-250"s,  "+25"s,
        " 250"s,    "250 "s, "250\n"s, "250,550"s, "5.7"s,  "5.7.x"s, "3.7.1"s, "1.7.1"s, "5.7.1 "s,
        "5.7.1.1"s, "ok"s,   "560"s,   "599"s,     "25\0"s, "2**"s}) {
    const Result<ReplyPattern> pattern = ReplyPattern::parse(text);
    ASSERT_FALSE(pattern.has_value()) << testing::PrintToString(text);
    const std::string& words = pattern.error().text;
    EXPECT_TRUE(words.starts_with("got '")) << words;
    EXPECT_NE(words.find("expected a code from 200 to 559"), std::string::npos) << words;
    EXPECT_EQ(words.find('\n'), std::string::npos) << words;
  }
}

TEST(ReplyPattern, MatchesEveryCodeAsItSays) {
  for (int wanted = 200; wanted < 560; wanted += 13) {
    if (wanted / 10 % 10 > 5) continue;  // no reply code
    const ReplyPattern exact = *ReplyPattern::parse(std::to_string(wanted));
    const ReplyPattern klass = *ReplyPattern::parse(std::to_string(wanted / 100) + "xx");
    for (int code = 200; code < 560; ++code) {
      ASSERT_EQ(exact.matches(reply(code)), code == wanted);
      ASSERT_EQ(klass.matches(reply(code)), code / 100 == wanted / 100);
    }
    EXPECT_FALSE(exact.matches(Reply()));
    EXPECT_FALSE(klass.matches(Reply()));
  }
}

TEST(ReplyPattern, MatchesTheStatus) {
  const ReplyPattern pattern = *ReplyPattern::parse("5.7.1");
  EXPECT_TRUE(pattern.matches(reply(550, "5.7.1")));
  EXPECT_TRUE(pattern.matches(reply(554, "5.7.1")));
  EXPECT_FALSE(pattern.matches(reply(550, "5.7.10")));
  EXPECT_FALSE(pattern.matches(reply(550, "5.1.7")));
  EXPECT_FALSE(pattern.matches(reply(450, "4.7.1")));
  EXPECT_FALSE(pattern.matches(reply(550)));
  EXPECT_FALSE(pattern.matches(Reply()));
  EXPECT_FALSE(ReplyPattern().matches(Reply())) << "an unset pattern expects nothing";
}

struct RegexCase {
  std::string pattern;
  std::string text;
  bool matches;
};

TEST(ReplyRegex, IsExtendedUnanchoredAndNewlineSensitive) {
  const std::vector<RegexCase> cases = {
      {"250", "250 ok", true},
      {"250", "x 250", true},
      {"^250", "x 250", false},
      {"^250 ", "250-a\n250 b", true},
      {"a$", "250-a\n250 b", true},
      {"b$", "250-a\n250 b", true},
      {"a.250", "250-a\n250 b", false},
      {"a[^x]250", "250-a\n250 b", false},
      {"^250 b$", "250-a\n250 b", true},
      {"(250|251) ok", "251 ok", true},
      {"^2[0-9]{2}", "299", true},
      {"OK", "250 ok", false},
      {"", "250 ok", true},
      {"", "", true},
      {"b", "a\0b"s, true},
      {"a", "a\0b"s, true},
      {"^250 ok$", "250 ok\0 but not for you"s, false},
      {"a+", "a", true},
      {"\\.", "250 end.", true},
      {"[[:digit:]]+ [[:alpha:]]+", "250 ok", true},
  };
  for (const RegexCase& one : cases) {
    const Result<ReplyRegex> regex = ReplyRegex::compile(one.pattern);
    ASSERT_TRUE(regex.has_value()) << one.pattern;
    EXPECT_EQ(regex->pattern(), one.pattern);
    EXPECT_EQ(regex->matches(one.text), one.matches) << one.pattern << " on " << one.text;
  }
}

TEST(ReplyRegex, SaysWhatIsWrong) {
  for (const std::string& pattern : {"("s, "[a"s, "a{2"s, "*("s, "a{2,1}"s, "[[:nope:]]"s, "\\"s}) {
    const Result<ReplyRegex> regex = ReplyRegex::compile(pattern);
    ASSERT_FALSE(regex.has_value()) << pattern;
    const std::string& words = regex.error().text;
    EXPECT_GT(words.find(", expected a POSIX extended regular expression"), 0U) << words;
    EXPECT_NE(words.find(", expected"), std::string::npos) << words;
  }
  EXPECT_NE(ReplyRegex::compile("(").error().text.find("nmatched"), std::string::npos)
      << "the C library's words";
  const Result<ReplyRegex> nul = ReplyRegex::compile("a\0b"s);
  ASSERT_FALSE(nul.has_value());
  EXPECT_NE(nul.error().text.find("NUL"), std::string::npos);
}

TEST(ReplyRegex, OutlivesItsCopies) {
  std::optional<ReplyRegex> copy;
  {
    const Result<ReplyRegex> regex = ReplyRegex::compile("^220");
    copy = *regex;
  }
  EXPECT_TRUE(copy->matches("220 ready"));
  EXPECT_FALSE(copy->matches("250 ready"));
  EXPECT_FALSE(ReplyRegex().matches("220")) << "an unset expression matches nothing";
}

}  // namespace
}  // namespace smtpprobe
