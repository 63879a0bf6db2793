// The ranges of the Development Guidelines, valid and invalid, and what they alert on.
#include "common/probe/threshold.h"

#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <vector>

namespace smtpprobe {
namespace {

struct Case {
  std::string text;
  std::vector<double> quiet;
  std::vector<double> alert;
  std::string perfdata;
};

const double kInf = std::numeric_limits<double>::infinity();

TEST(Range, WhatItAlertsOn) {
  const std::vector<Case> cases = {
      {"10", {0, 5, 10}, {-0.001, 10.001, -5, kInf}, "10.000000"},
      {"0", {0}, {-1, 0.000001}, "0.000000"},
      {"-0", {0}, {-1, 0.000001}, "0.000000"},
      {"010", {0, 9, 10}, {10.5, -1}, "10.000000"},
      {"1.5", {0, 1.5}, {1.6}, "1.500000"},
      {"0.000001", {0}, {0.000002}, "0.000001"},
      {".5", {0.5}, {0.6}, "0.500000"},
      {"5.", {5}, {5.1}, "5.000000"},
      {"10:", {10, 11, kInf}, {9.999, -1}, "10:"},
      {"~:10", {-kInf, -5, 10}, {10.001, kInf}, "~:10"},
      {"~:", {-kInf, 0, kInf}, {}, "~:"},
      {"10:20", {10, 15, 20}, {9.999, 20.001}, "10:20"},
      {"10:10", {10}, {9.9, 10.1}, "10:10"},
      {"@10:20", {9.999, 20.001}, {10, 15, 20}, "@10:20"},
      {"@10", {-0.001, 10.001}, {0, 5, 10}, "@10"},
      {"@~:10", {10.001}, {-kInf, 10}, "@~:10"},
      {"@10:", {9.9}, {10, kInf}, "@10:"},
      {":10", {0, 10}, {-1, 11}, ":10"},
      {":5.75", {0, 5.75}, {5.76, -0.1}, ":5.75"},
      {"~:-95.99", {-96, -95.99}, {-95.98, 0}, "~:-95.99"},
      {"-7:23", {-7, 0, 23}, {-7.1, 23.1}, "-7:23"},
      {"-20:-10", {-20, -10}, {-21, -9}, "-20:-10"},
      {"12345678901234567890:", {1.3e19}, {0, 1.2e19}, "12345678901234567890:"},
      {"0:0", {0}, {0.1, -0.1}, "0:0"},
  };
  for (const Case& c : cases) {
    const Result<Range> range = Range::parse(c.text);
    ASSERT_TRUE(range) << c.text << ": " << range.error().text;
    for (const double value : c.quiet) EXPECT_FALSE(range->alerts(value)) << c.text << " " << value;
    for (const double value : c.alert) EXPECT_TRUE(range->alerts(value)) << c.text << " " << value;
    EXPECT_EQ(range->perfdata(), c.perfdata);
    EXPECT_EQ(range->text(), c.text);
  }
}

TEST(Range, WhatIsNone) {
  const std::vector<std::string> bad = {
      "",
      ":",
      "@",
      "@:",
      "~",
      "@~",
      "1:~",
      "10:~",
      "~:~",
      "foo",
      "1-10",
      "1-10:2.4",
      "1,10",
      "1:2:3",
      "::",
      "2:1",
      "@2:1",
      "-1",
      "@-1",
      ":-1",
      "0:-0.1",
      "%",
      "%%",
      ":%",
      "1:%5",
      "1%2",
      "1:12%x",
      "5x",
      "5s",
      "1e3",
      "0x1",
      "0x1p3",
      "inf",
      "nan",
      "-inf:",
      "~:inf",
      "+5",
      " 5",
      "5 ",
      "1: 2",
      "1 :2",
      ".",
      "-",
      "-.",
      "1.2.3",
      "--1:",
      "1-",
      "@@1",
      "1@",
      "~1:2",
      "1~:2",
      "\xd9\xa1",
      "1\n",
      "1;2",
      "|",
      "10,5",
      "1_000",
      "1'000",
      "-~:1",
      std::string("1\0", 2),
      std::string(400, '9'),
  };
  for (const std::string& text : bad) {
    const Result<Range> range = Range::parse(text);
    ASSERT_FALSE(range) << text;
    EXPECT_NE(range.error().text.find("wanted a range"), std::string::npos);
    EXPECT_EQ(range.error().text.find_first_of("|\n"), std::string::npos);
    EXPECT_LT(range.error().text.size(), 200U);
  }
  EXPECT_NE(Range::parse("5x").error().text.find("\"5x\""), std::string::npos);
  EXPECT_NE(Range::parse("2:1").error().text.find("starts above its end"), std::string::npos);
}

// As parse_range_string() of the Monitoring Plugins, whose own test has "1:12%%".
TEST(Range, PercentSignsAtTheEndAreIgnored) {
  for (const char* text : {"1:12%%", "1:12%", "1:12"}) {
    const Result<Range> range = Range::parse(text);
    ASSERT_TRUE(range) << text;
    EXPECT_EQ(range->text(), "1:12");
    EXPECT_EQ(range->perfdata(), "1:12");
    EXPECT_TRUE(range->alerts(0.9));
    EXPECT_FALSE(range->alerts(12));
    EXPECT_TRUE(range->alerts(12.1));
  }
  const Result<Range> plain = Range::parse("5%");
  ASSERT_TRUE(plain);
  EXPECT_EQ(plain->perfdata(), "5.000000");
  EXPECT_EQ(plain->text(), "5");
}

TEST(Range, LongNumbersNeverPrintAsExponents) {
  const Result<Range> range = Range::parse("100000000000000000000");
  ASSERT_TRUE(range);
  EXPECT_EQ(range->perfdata(), "100000000000000000000.000000");
}

TEST(Range, WhatIsNotANumberAlerts) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_TRUE(Range::parse("10")->alerts(nan));
}

// Every string of up to five of these characters against the grammar, read by another hand.
bool grammar_number(std::string_view text, double* value) {
  const std::string copy(text);
  std::size_t i = copy.starts_with('-') ? 1 : 0;
  std::size_t digits = 0;
  std::size_t points = 0;
  for (; i < copy.size(); ++i) {
    if (copy[i] == '.') {
      ++points;
    } else if (copy[i] >= '0' && copy[i] <= '9') {
      ++digits;
    } else {
      return false;
    }
  }
  if (digits == 0 || points > 1) return false;
  *value = std::strtod(copy.c_str(), nullptr);
  return true;
}

bool grammar_range(std::string_view text) {
  if (text.starts_with('@')) text.remove_prefix(1);
  double start = 0;
  double end = kInf;
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos) return grammar_number(text, &end) && end >= 0;
  const std::string_view left = text.substr(0, colon);
  const std::string_view right = text.substr(colon + 1);
  if (left.empty() && right.empty()) return false;
  if (left == "~") start = -kInf;
  if (!left.empty() && left != "~" && !grammar_number(left, &start)) return false;
  if (!right.empty() && !grammar_number(right, &end)) return false;
  return start <= end;
}

TEST(Range, EveryShortString) {
  const std::string alphabet = "@~:-.12x";
  std::size_t valid = 0;
  for (std::size_t length = 0; length <= 5; ++length) {
    std::size_t count = 1;
    for (std::size_t i = 0; i < length; ++i) count *= alphabet.size();
    for (std::size_t number = 0; number < count; ++number) {
      std::string text;
      for (std::size_t rest = number, i = 0; i < length; ++i, rest /= alphabet.size()) {
        text += alphabet[rest % alphabet.size()];
      }
      const bool wanted = grammar_range(text);
      ASSERT_EQ(Range::parse(text).has_value(), wanted) << text;
      valid += wanted ? 1 : 0;
    }
  }
  EXPECT_GT(valid, 500U);
}

}  // namespace
}  // namespace smtpprobe
