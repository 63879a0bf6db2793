// What a server makes of a secret, and what remains of it.
#include "common/smtp/secret_mask.h"

#include <gtest/gtest.h>

#include <chrono>

#include "common/smtp/base64.h"

namespace smtpprobe {
namespace {

// 23 characters.
constexpr std::string_view kSecret = "Tr0ub4dor&3-correct/hor";

std::string hex(std::string_view text, std::string_view before = "", std::string_view after = "") {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string result;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    result.append(before) += kDigits[byte >> 4U];
    (result += kDigits[byte & 15U]).append(after);
  }
  return result;
}

std::string upper(std::string text) {
  for (char& c : text) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
  return text;
}

SecretMask mask_of(std::string_view secret) {
  SecretMask mask;
  mask.add_secret(secret);
  return mask;
}

std::string masked(const std::string& text) { return mask_of(kSecret).masked(text); }

TEST(SecretMask, HidesEveryRunOfSix) {
  const std::string secret(kSecret);
  EXPECT_EQ(masked("no " + secret + " here"), "no **** here");
  EXPECT_EQ(masked("no " + secret.substr(1) + " here"), "no **** here");
  EXPECT_EQ(masked("no " + secret.substr(0, 22) + " here"), "no **** here");
  EXPECT_EQ(masked(upper(secret)), "****");
  for (std::size_t size = 1; size <= secret.size(); ++size) {
    for (std::size_t at = 0; at + size <= secret.size(); ++at) {
      const std::string run = secret.substr(at, size);
      EXPECT_EQ(masked("<" + run + ">"), size < 6 ? "<" + run + ">" : "<****>");
    }
  }
}

TEST(SecretMask, HidesBase64) {
  const std::string encoded = base64_encode(kSecret);
  EXPECT_EQ(masked("535 " + encoded + "."), "535 ****.");
  EXPECT_EQ(masked("535 " + upper(encoded.substr(3, 9))), "535 ****");
  // Within a longer text, at each of the three places that base64 has; what surrounds it may stay.
  for (const std::string before : {"", "a", "ab", "abc"}) {
    const std::string text = base64_encode(before + std::string(kSecret) + "xyz");
    EXPECT_LE(masked(text).size(), 16U) << text << " " << masked(text);
  }
}

TEST(SecretMask, HidesWhatWasSent) {
  SecretMask mask;
  mask.add_sent("AHByb2JlAHNlY3JldA==");
  EXPECT_EQ(mask.masked("unknown: AHByb2JlAHNlY3JldA="), "unknown: ****");
  EXPECT_EQ(mask.masked("unknown: ahbyb2jlahnl"), "unknown: ****");
  EXPECT_EQ(mask.masked("unknown: " + hex("AHByb2JlAHNl")), "unknown: ****");
}

TEST(SecretMask, HidesHexadecimalDigits) {
  EXPECT_EQ(masked(hex(kSecret)), "****");
  EXPECT_EQ(masked(upper(hex(kSecret))), "****");
  EXPECT_EQ(masked("x" + hex(kSecret.substr(2, 6)) + "y"), "x****y");
  EXPECT_EQ(masked(hex("tR0UB4")), "****");
  EXPECT_EQ(masked("got " + hex(kSecret, "", ":") + " here"), "got ****: here");
  EXPECT_EQ(masked("got " + hex(kSecret, "\\x")), "got ****");
  EXPECT_EQ(masked("got " + hex(kSecret, "0x", ", ")), "got 0x****, ");
  EXPECT_EQ(masked("got " + hex(kSecret, "%")), "got ****");
  EXPECT_EQ(masked("got " + hex(kSecret, "<", ">")), "got <****>");
  EXPECT_EQ(masked("got " + hex(kSecret, "\"", "\",")), "got \"****\",");
  EXPECT_EQ(masked("got " + hex(kSecret, "0x")), "got 0x****");
  EXPECT_EQ(masked("got " + hex(kSecret, "U+00", " ")), "got U+00**** ");
  EXPECT_EQ(masked("got " + hex(kSecret, "\\u00")), "got \\u00****");
  EXPECT_EQ(masked("got " + hex(kSecret, "{", "}")), "got {****}");
  EXPECT_EQ(masked("got " + hex(kSecret, "", "h ")), "got ****h ");
  EXPECT_EQ(masked("got " + hex(kSecret, "\\U000000")), "got \\U000000****");
  EXPECT_EQ(masked("got Tr0ub4dor%263%2dcorrect%2Fhor"), "got ****");
  EXPECT_EQ(masked("got Tr0ub4dor=263\\x2dcorrect"), "got ****");
  EXPECT_EQ(masked(hex(kSecret.substr(0, 5))), hex(kSecret.substr(0, 5)));
}

TEST(SecretMask, HidesWhatLineEndsInterrupt) {
  const std::string secret(kSecret);
  EXPECT_EQ(masked("a " + secret.substr(0, 3) + "\r\n" + secret.substr(3, 3) + "!"),
            "a ****\r\n****!");
  EXPECT_EQ(masked("535-5.7.8 " + secret.substr(0, 5) + "\r\n535 5.7.8 " + secret.substr(5, 5)),
            "535-5.7.8 ****\r\n535 5.7.8 ****");
  EXPECT_EQ(masked(secret.substr(0, 4) + "  \n\t" + secret.substr(4, 4)), "****  \n\t****");
  // A character a line.
  std::vector<std::string> lines;
  for (const char c : secret) lines.push_back("5.7.8 " + std::string(1, c));
  mask_of(kSecret).mask_lines(lines);
  EXPECT_EQ(lines, std::vector<std::string>(secret.size(), "5.7.8 ****"));
  const std::string digits = hex(kSecret);
  lines = {digits.substr(0, 11), digits.substr(11)};
  mask_of(kSecret).mask_lines(lines);
  EXPECT_EQ(lines, (std::vector<std::string>{"****", "****"}));
}

TEST(SecretMask, LeavesAllElse) {
  for (const std::string text :
       {"", "5.7.8 Error: authentication failed: (reason unavailable)",
        "mx.test ESMTP Postfix (Debian/GNU)", "STARTTLS", "queued as 4cQ7Zk1x2Yz9", "Tr0ub",
        "r&3-c", "deadbeefcafe0123456789", "a\r\n\r\nb\n", "   "}) {
    EXPECT_EQ(masked(text), text);
  }
  std::vector<std::string> lines = {"", "a", "", "b c", ""};
  const std::vector<std::string> same = lines;
  mask_of(kSecret).mask_lines(lines);
  EXPECT_EQ(lines, same);
  lines.clear();
  mask_of(kSecret).mask_lines(lines);
  EXPECT_TRUE(lines.empty());
}

TEST(SecretMask, OfAShortSecretOnlyTheWhole) {
  const SecretMask mask = mask_of("pass");
  EXPECT_EQ(mask.masked("a pass b pas c PASS"), "a **** b pas c PASS");
  EXPECT_EQ(mask.masked("cGFzcw=="), "****");
  EXPECT_EQ(mask_of("abc").masked("xabcx YWJj ab"), "x****x **** ab");
  std::vector<std::string> lines = {"pa", "ss"};
  mask.mask_lines(lines);
  EXPECT_EQ(lines, (std::vector<std::string>{"****", "****"}));
  SecretMask none = mask_of("ab");
  EXPECT_TRUE(none.empty());
  EXPECT_EQ(none.masked("ab YWI="), "ab YWI=");
  EXPECT_EQ(mask_of("aaaaa").masked("aaaaaaa aaaa"), "**** aaaa");
}

TEST(SecretMask, OfATextThatBreaksOffAlsoTheBeginning) {
  const SecretMask mask = mask_of(kSecret);
  EXPECT_EQ(mask.masked_unfinished("is Tr0"), "is ****");
  EXPECT_EQ(mask.masked_unfinished("is Tr0ub"), "is ****");
  EXPECT_EQ(mask.masked_unfinished("is Tr0ub4d"), "is ****");
  EXPECT_EQ(mask.masked_unfinished("is Tr"), "is Tr");
  EXPECT_EQ(mask.masked_unfinished("is " + base64_encode(kSecret).substr(0, 4)), "is ****");
  EXPECT_EQ(mask.masked("is Tr0ub"), "is Tr0ub");
  EXPECT_EQ(mask_of("pass").masked_unfinished("is pas"), "is ****");
  std::vector<std::string> lines = {"5.7.8 Tr0ub", "4dor", "Tr0"};
  mask.mask_unfinished_lines(lines);
  EXPECT_EQ(lines, (std::vector<std::string>{"5.7.8 ****", "****", "****"}));
}

// 64 KiB against a secret of 64 KiB, both as repetitive as can be: nothing is quadratic.
TEST(SecretMask, TakesLargeTexts) {
  const auto began = std::chrono::steady_clock::now();
  const std::string all_a(65536, 'a');
  EXPECT_EQ(mask_of(all_a).masked(all_a), "****");
  const SecretMask mask = mask_of(all_a.substr(0, 32768) + "b");
  EXPECT_EQ(mask.masked(hex(all_a)), "****");
  std::string folded;
  for (std::size_t i = 0; i < 32768; ++i) folded += "a\n";
  EXPECT_EQ(mask.masked(folded).size(), 5U * 32768);
  const std::string blanks = "61" + std::string(65536, ' ') + hex("aaaaaaaa");
  EXPECT_EQ(mask.masked(blanks), "****");
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(20));
}

}  // namespace
}  // namespace smtpprobe
