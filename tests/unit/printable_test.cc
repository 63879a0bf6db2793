// The sanitiser against everything a server may say.
#include "common/probe/printable.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <random>
#include <string>
#include <vector>

namespace smtpprobe {
namespace {

constexpr std::size_t kAll = 1 << 20;

std::string shown(std::string_view raw, std::size_t max = kAll) { return printable(raw, max); }

// Reads an output back: the escapes become bytes again.
std::string unescaped(std::string_view text) {
  const auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text.substr(i).starts_with("\\x")) {
      out += static_cast<char>(digit(text[i + 2]) * 16 + digit(text[i + 3]));
      i += 3;
    } else {
      out += text[i];
    }
  }
  return out;
}

// An independent judge of UTF-8: every code point encoded anew must give the same bytes.
std::string encoded(char32_t point) {
  const auto c = [](char32_t value) {
    return static_cast<char>(static_cast<unsigned char>(value));
  };
  if (point < 0x80) return {c(point)};
  if (point < 0x800) return {c(0xc0 | (point >> 6)), c(0x80 | (point & 63))};
  if (point < 0x10000) {
    return {c(0xe0 | (point >> 12)), c(0x80 | ((point >> 6) & 63)), c(0x80 | (point & 63))};
  }
  return {c(0xf0 | (point >> 18)), c(0x80 | ((point >> 12) & 63)), c(0x80 | ((point >> 6) & 63)),
          c(0x80 | (point & 63))};
}

bool valid_utf8_line(std::string_view text) {
  while (!text.empty()) {
    const auto first = static_cast<unsigned char>(text[0]);
    const std::size_t bytes = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    if (text.size() < bytes) return false;
    char32_t point = bytes == 1 ? first : first & (0x7fU >> bytes);
    for (std::size_t i = 1; i < bytes; ++i) {
      point = (point << 6) | (static_cast<unsigned char>(text[i]) & 0x3fU);
    }
    if (point < 0x20 || point == 0x7f || point > 0x10ffff) return false;
    if (point >= 0xd800 && point <= 0xdfff) return false;
    if (encoded(point) != text.substr(0, bytes)) return false;
    text.remove_prefix(bytes);
  }
  return true;
}

std::string hex_escape(std::string_view bytes) {
  std::string out;
  for (const char c : bytes) {
    char buffer[8];
    std::snprintf(buffer, sizeof buffer, "\\x%02x", static_cast<unsigned char>(c));
    out += buffer;
  }
  return out;
}

TEST(Printable, EverySingleByte) {
  for (int value = 0; value < 256; ++value) {
    const std::string raw(1, static_cast<char>(value));
    const bool plain = value >= 0x20 && value < 0x7f;
    EXPECT_EQ(shown(raw), plain ? raw : hex_escape(raw)) << value;
    EXPECT_EQ(shown("a" + raw + "b"), "a" + (plain ? raw : hex_escape(raw)) + "b") << value;
  }
}

bool hides(char32_t p) {
  return p < 0x20 || (p >= 0x7f && p <= 0x9f) || p == 0xad || p == 0x61c || p == 0x180e ||
         (p >= 0x200b && p <= 0x200f) || (p >= 0x2028 && p <= 0x202e) ||
         (p >= 0x2060 && p <= 0x206f) || p == 0xfeff || (p >= 0xfff9 && p <= 0xfffb) ||
         (p >= 0xe0000 && p <= 0xe007f);
}

TEST(Printable, EveryCodePoint) {
  for (char32_t point = 0; point <= 0x110000; ++point) {
    const std::string raw = encoded(point);
    const bool surrogate = point >= 0xd800 && point <= 0xdfff;
    const bool escape = hides(point) || surrogate || point > 0x10ffff;
    ASSERT_EQ(shown(raw), escape ? hex_escape(raw) : raw)
        << std::hex << static_cast<unsigned>(point);
  }
}

TEST(Printable, InvalidUtf8IsEscapedByteForByte) {
  for (const std::string& raw : std::vector<std::string>{
           "\xc0\x80", "\xc1\xbf", "\xe0\x80\x80", "\xe0\x9f\xbf", "\xed\xa0\x80",
           "\xf0\x80\x80\x80", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80",
           "\xff\xfe", "\xe2\x82", "\xc3", "\xf0\x9f\x98", "\x80", "\xbf"}) {
    EXPECT_EQ(shown(raw), hex_escape(raw));
  }
  EXPECT_EQ(shown("\xc3\xc3\xa4"),
            "\\xc3\xc3\xa4");  // a lost byte does not cost the next character
  EXPECT_EQ(shown("\xe2\x82"
                  "a"),
            "\\xe2\\x82a");
}

TEST(Printable, TerminalTricks) {
  EXPECT_EQ(shown("\x1b[2J\x1b]8;;http://x\x07y"), "\\x1b[2J\\x1b]8;;http://x\\x07y");
  EXPECT_EQ(shown("\xc2\x9b"
                  "31m"),
            "\\xc2\\x9b31m");
  EXPECT_EQ(shown("a\b\x7f"
                  "b\r\nc\td"),
            "a\\x08\\x7fb\\x0d\\x0ac\\x09d");
  EXPECT_EQ(shown(std::string_view("a\0b", 3)), "a\\x00b");
  EXPECT_EQ(shown("\xe2\x80\xae"
                  "moc"),
            "\\xe2\\x80\\xaemoc");
  EXPECT_EQ(shown("\xe2\x80\xa8"), "\\xe2\\x80\\xa8");
  EXPECT_EQ(shown("Gr\xc3\xbc\xc3\x9f"
                  "e \xf0\x9f\x98\x80"),
            "Gr\xc3\xbc\xc3\x9f"
            "e \xf0\x9f\x98\x80");
}

TEST(Printable, BackslashesStayUnambiguous) {
  EXPECT_EQ(shown("a\\b"), "a\\b");
  EXPECT_EQ(shown("\\"), "\\");
  EXPECT_EQ(shown("\\x41"), "\\x5cx41");
  EXPECT_EQ(shown("\\\\x41"), "\\\\x5cx41");
  EXPECT_EQ(shown("\\\x01"), "\\\\x01");
  EXPECT_EQ(shown("\\X41"), "\\X41");
}

TEST(Printable, TheBarOfNagios) {
  EXPECT_EQ(shown("a|b"), "a|b");
  EXPECT_EQ(printable_for_nagios("a|b||", kAll),
            "a\xc2\xa6"
            "b\xc2\xa6\xc2\xa6");
  EXPECT_EQ(printable_for_nagios("|||", 6), "\xc2\xa6\xc2\xa6\xc2\xa6");
  EXPECT_EQ(printable_for_nagios("|||", 5), "\xc2\xa6...");
  EXPECT_EQ(printable_for_nagios("\xc2\xa6\x1b", kAll), "\xc2\xa6\\x1b");
}

TEST(Printable, TheCut) {
  EXPECT_EQ(shown("abcdef", 6), "abcdef");
  EXPECT_EQ(shown("abcdefg", 6), "abc...");
  EXPECT_EQ(shown("abcd", 3), "...");
  EXPECT_EQ(shown("abc", 3), "abc");
  EXPECT_EQ(shown("abc", 2), "..");
  EXPECT_EQ(shown("abc", 0), "");
  EXPECT_EQ(shown("", 0), "");
  EXPECT_EQ(shown("ab\x01"
                  "cdef",
                  9),
            "ab\\x01...");
  EXPECT_EQ(shown("ab\x01"
                  "cdef",
                  8),
            "ab...");  // never inside an escape
  EXPECT_EQ(shown("ab\xc3\xbc"
                  "cdef",
                  6),
            "ab...");  // never inside a character
  EXPECT_EQ(shown("ab\xc3\xbc"
                  "cdef",
                  7),
            "ab\xc3\xbc...");
  EXPECT_EQ(shown("ab\xe2\x80\xa8"
                  "cdef",
                  14),
            "ab...");  // nor inside an escaped character
}

TEST(Printable, AnyBytesGiveOneValidLineThatCanBeReadBack) {
  std::mt19937 random(20261123);
  const std::vector<std::string> pieces = {
      "\\",           "x",    "|",    "\xc3", "\xbc", "\xe2\x80",          "\xa8", "\\x41",
      "\xf0\x9f\x98", "\x80", "\x1b", "a",    "\r\n", std::string(1, '\0')};
  for (int round = 0; round < 20000; ++round) {
    std::string raw;
    const std::size_t length = random() % 12;
    for (std::size_t i = 0; i < length; ++i) {
      raw += random() % 2 == 0 ? pieces[random() % pieces.size()]
                               : std::string(1, static_cast<char>(random() % 256));
    }
    const std::string all = shown(raw);
    ASSERT_TRUE(valid_utf8_line(all)) << hex_escape(raw);
    ASSERT_EQ(unescaped(all), raw) << hex_escape(raw);
    const std::size_t max = random() % 40;
    for (const std::string& cut : {shown(raw, max), printable_for_nagios(raw, max)}) {
      ASSERT_LE(cut.size(), max);
      ASSERT_TRUE(valid_utf8_line(cut)) << hex_escape(raw) << " " << max;
    }
    const std::string bars = printable_for_nagios(raw, kAll);
    ASSERT_EQ(bars.find('|'), std::string::npos);
    const std::string cut = shown(raw, max);
    if (all.size() <= max) {
      ASSERT_EQ(cut, all);
    } else if (max >= 3) {
      ASSERT_TRUE(cut.ends_with("..."));
      ASSERT_TRUE(all.starts_with(cut.substr(0, cut.size() - 3)));
    }
  }
}

// A link in a text is shown whole or not at all, whatever the limit.
TEST(Printable, NeverCutsALink) {
  const std::string link = "https://mx.test/why?a=1&b=2";
  const std::string raw = "see " + link + " (" + link + ") now";
  for (std::size_t max = 3; max <= raw.size() + 1; ++max) {
    for (const std::string& cut : {shown(raw, max), printable_for_nagios(raw, max)}) {
      ASSERT_LE(cut.size(), max);
      std::string rest = cut;
      for (std::size_t at = rest.find(link); at != std::string::npos; at = rest.find(link))
        rest.erase(at, link.size());
      EXPECT_EQ(rest.find("ht"), std::string::npos) << max << ": " << cut;
    }
  }
  EXPECT_EQ(shown("a b http://mx.test/12345", 22), "a b ...");
  // Where there is nothing else, a part says more than nothing.
  EXPECT_EQ(shown("http://mx.test/" + std::string(100, 'x'), 25), "http://mx.test/xxxxxxx...");
  EXPECT_EQ(shown("the http of it, at large", 20), "the http of it, a...");
  EXPECT_EQ(before_link("ab https://c d", 5), 3U);
  EXPECT_EQ(before_link("ab https://c d", 12), 12U);
  EXPECT_EQ(before_link("ab https://c d", 3), 3U);
  EXPECT_EQ(before_link("ab https://c", 12), 12U);
}

TEST(Printable, ABarInALinkIsEncoded) {
  EXPECT_EQ(printable_for_nagios("a|b http://x/?q=a|b|c> d|e https://y|", kAll),
            "a\xc2\xa6"
            "b http://x/?q=a%7Cb%7Cc> d\xc2\xa6"
            "e https://y%7C");
  EXPECT_EQ(shown("http://x/|"), "http://x/|");
}

TEST(Printable, HugeInputIsCutEarly) {
  const std::string huge(1 << 20, '\x01');
  EXPECT_EQ(shown(huge, 256).size(), 255U);  // 63 escapes and the mark
}

}  // namespace
TEST(Utf8, ValidBytesEndAtTheFirstThatIsNone) {
  EXPECT_EQ(valid_utf8_bytes(""), 0U);
  EXPECT_EQ(valid_utf8_bytes("plain"), 5U);
  EXPECT_EQ(valid_utf8_bytes("gr\xc3\xbcn"), 5U);
  EXPECT_EQ(valid_utf8_bytes("gr\xfc"
                             "n"),
            2U);
  EXPECT_EQ(valid_utf8_bytes("cut \xe2\x82"), 4U);
}

}  // namespace smtpprobe
