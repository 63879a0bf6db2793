#include "common/smtp/enhanced_status.h"

#include <gtest/gtest.h>

namespace smtpprobe {
namespace {

using namespace std::string_literals;

struct Case {
  std::string text;
  std::string status;  // empty: none
};

std::string shown(const std::optional<EnhancedStatus>& status) {
  return status ? to_string(*status) : "";
}

const std::vector<Case> kWhole = {
    {"2.0.0", "2.0.0"},         {"4.7.1", "4.7.1"},    {"5.7.26", "5.7.26"},
    {"5.999.999", "5.999.999"}, {"2.01.005", "2.1.5"}, {"5.000.000", "5.0.0"},
    {"5.7.030", "5.7.30"},
};

const std::vector<Case> kNone = {
    {"", ""},         {"2", ""},         {"2.", ""},        {"2.1", ""},      {"2.1.", ""},
    {".1.0", ""},     {"2..0", ""},      {"2.1.0evil", ""}, {"2.1.0.", ""},   {"2.1.0.1", ""},
    {"2.1.0:", ""},   {"2.1.0-", ""},    {"2.1.0\0"s, ""},  {"2.1.0\r", ""},  {"0.1.0", ""},
    {"1.1.0", ""},    {"3.1.0", ""},     {"6.1.0", ""},     {"9.1.0", ""},    {"22.1.0", ""},
    {"2.1234.0", ""}, {"2.1.1234", ""},  {"2.1.0001", ""},  {"2.0001.1", ""}, {"2,1,0", ""},
    {"a.1.0", ""},    {"2.a.0", ""},     {"2.1.a", ""},     {"2.-1.0", ""},   {"2.+1.0", ""},
    {"2. 1.0", ""},   {"2.1 .0", ""},    {"2 .1.0", ""},    {"x2.1.0", ""},   {"250 2.1.0", ""},
    {"\xff.1.0", ""}, {"2.1.0\xff", ""}, {"2.1.0<", ""},
};

TEST(EnhancedStatus, IsReadAtTheStartOfAText) {
  for (const Case& one : kWhole) {
    SCOPED_TRACE(one.text);
    for (const std::string& behind : {""s, " "s, " text"s, "\t"s, "\ttext"s, " 5.5.5"s, " \0"s}) {
      EXPECT_EQ(shown(leading_enhanced_status(one.text + behind)), one.status);
    }
    for (const std::string& before : {" "s, "\t"s, "a"s, "#"s}) {
      EXPECT_EQ(leading_enhanced_status(before + one.text), std::nullopt);
    }
  }
  for (const Case& one : kNone) {
    SCOPED_TRACE(one.text);
    EXPECT_EQ(leading_enhanced_status(one.text), std::nullopt);
    EXPECT_EQ(leading_enhanced_status(one.text + " text"), std::nullopt);
  }
}

TEST(EnhancedStatus, IsParsedAsAWhole) {
  for (const Case& one : kWhole) {
    SCOPED_TRACE(one.text);
    EXPECT_EQ(shown(parse_enhanced_status(one.text)), one.status);
    for (const std::string& behind : {" "s, "\t"s, " text"s, "x"s, "."s, "\n"s, "\0"s}) {
      EXPECT_EQ(parse_enhanced_status(one.text + behind), std::nullopt);
    }
    EXPECT_EQ(parse_enhanced_status(" " + one.text), std::nullopt);
  }
  for (const Case& one : kNone)
    EXPECT_EQ(parse_enhanced_status(one.text), std::nullopt) << one.text;
}

TEST(EnhancedStatus, MustBeFollowedByABlankOrTheEnd) {
  for (int byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(byte);
    const std::string text = "5.71.9"s + c;
    const bool digit = c >= '0' && c <= '9';
    const bool found = c == ' ' || c == '\t' || digit;
    EXPECT_EQ(leading_enhanced_status(text).has_value(), found) << byte;
    EXPECT_EQ(parse_enhanced_status(text).has_value(), digit) << byte;
  }
}

TEST(EnhancedStatus, SurvivesItsText) {
  for (const unsigned klass : {2U, 4U, 5U}) {
    for (unsigned subject = 0; subject < 1000; subject += 7) {
      for (const unsigned detail : {0U, 1U, 9U, 10U, 99U, 100U, 999U}) {
        const EnhancedStatus status{static_cast<std::uint16_t>(klass),
                                    static_cast<std::uint16_t>(subject),
                                    static_cast<std::uint16_t>(detail)};
        ASSERT_EQ(parse_enhanced_status(to_string(status)), status);
      }
    }
  }
}

}  // namespace
}  // namespace smtpprobe
