#include "common/smtp/base64.h"

#include <gtest/gtest.h>

#include <random>

#include "common/smtp/quoted_value.h"

namespace smtpprobe {
namespace {

using namespace std::string_literals;

TEST(Base64, HasTheVectorsOfTheRfc) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", ""},
      {"f", "Zg=="},
      {"fo", "Zm8="},
      {"foo", "Zm9v"},
      {"foob", "Zm9vYg=="},
      {"fooba", "Zm9vYmE="},
      {"foobar", "Zm9vYmFy"},
      {"\0"s, "AA=="},
      {"\0\0\0"s, "AAAA"},
      {"\xff\xff\xff", "////"},
      {"\xfb\xef\xbe", "++++"},
      {"\0user\0pass"s, "AHVzZXIAcGFzcw=="},
      {"Username:", "VXNlcm5hbWU6"},
  };
  for (const auto& [bytes, text] : cases) {
    EXPECT_EQ(base64_encode(bytes), text);
    EXPECT_EQ(base64_decode(text), bytes);
  }
}

TEST(Base64, SurvivesEveryLength) {
  std::mt19937 random(4648);
  for (std::size_t length = 0; length < 300; ++length) {
    std::string bytes;
    for (std::size_t i = 0; i < length; ++i) bytes += static_cast<char>(random() & 0xffU);
    const std::string text = base64_encode(bytes);
    ASSERT_EQ(text.size(), (length + 2) / 3 * 4);
    ASSERT_EQ(base64_decode(text), bytes);
  }
  for (int byte = 0; byte < 256; ++byte) {
    const std::string bytes(1, static_cast<char>(byte));
    ASSERT_EQ(base64_decode(base64_encode(bytes)), bytes);
  }
}

TEST(Base64, RefusesWhatIsNotStrict) {
  for (const std::string& text :
       {"Z"s,     "Zg"s,    "Zg="s,      "Zm8"s,     "Zm9vY"s, "Zg==="s,    "Zg=a"s,
        "Z==="s,  "===="s,  "=="s,       "="s,       "=Zg="s,  "Zg==Zg=="s, "Zm8=Zm9v"s,
        " Zg=="s, "Zg== "s, "Zg==\r\n"s, "Zm9v\n"s,  "Zm9\n"s, "Zm 9v"s,    "Zm9-"s,
        "Zm9_"s,  "Zm9*"s,  "Zm9\0"s,    "Zm9\xff"s, "Zh=="s,  "Zm9="s,     "Zn=="s}) {
    EXPECT_EQ(base64_decode(text), std::nullopt) << testing::PrintToString(text);
  }
}

TEST(Base64, KnowsEveryByte) {
  for (int byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(byte);
    const bool digit = (byte < 0x80 && std::isalnum(byte) != 0) || c == '+' || c == '/';
    EXPECT_EQ(base64_decode("AAA"s + c).has_value(), digit || c == '=') << byte;
    EXPECT_EQ(base64_decode(c + "AAA"s).has_value(), digit) << byte;
  }
}

TEST(QuotedValue, StaysOnOneLineOfAscii) {
  EXPECT_EQ(quoted_value(""), "''");
  EXPECT_EQ(quoted_value("a b"), "'a b'");
  EXPECT_EQ(quoted_value("a\r\n\0\x1b\x7f\xff"s), "'a\\x0d\\x0a\\x00\\x1b\\x7f\\xff'");
  EXPECT_EQ(quoted_value(std::string(60, 'x')), "'" + std::string(60, 'x') + "'");
  EXPECT_EQ(quoted_value(std::string(61, 'x')), "'" + std::string(60, 'x') + "...'");
  for (int byte = 0; byte < 256; ++byte) {
    for (const char c : quoted_value(std::string(3, static_cast<char>(byte)))) {
      EXPECT_TRUE(c >= 0x20 && c < 0x7f) << byte;
    }
  }
}

}  // namespace
}  // namespace smtpprobe
