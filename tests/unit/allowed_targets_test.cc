// Which targets a list lets through, and that neither spelling nor a clever name gets round it.
#include "common/config/allowed_targets.h"

#include <gtest/gtest.h>

#include <string>

#include "common/config/config_values.h"

namespace smtpprobe {
namespace {

// `entries` as a configuration would have read them.
bool allows(const std::vector<std::string>& entries, std::string_view text) {
  std::vector<std::string> read;
  for (const std::string& entry : entries) {
    const Result<std::string> parsed = parse_allowed_target(entry);
    EXPECT_TRUE(parsed) << parsed.error().text;
    if (parsed) read.push_back(*parsed);
  }
  const Result<Target> target = parse_target(text);
  EXPECT_TRUE(target) << target.error().text;
  return target && is_allowed(read, *target);
}

TEST(AllowedTargets, AnEmptyListAllowsEverything) {
  EXPECT_TRUE(allows({}, "mx.example.net"));
  EXPECT_TRUE(allows({}, "192.0.2.1"));
  EXPECT_TRUE(allows({}, "unix:/run/lmtp"));
  EXPECT_FALSE(is_listed({}, *parse_target("unix:/run/lmtp")));
  EXPECT_FALSE(is_listed({"*"}, *parse_target("unix:/run/lmtp")));
  EXPECT_TRUE(is_listed({"unix:/run/lmtp"}, *parse_target("unix:/run/lmtp")));
}

TEST(AllowedTargets, NamesByGlobsInAnyCase) {
  EXPECT_TRUE(allows({"mx.example.net"}, "mx.example.net"));
  EXPECT_TRUE(allows({"MX.example.NET"}, "mx.Example.net:587"));
  EXPECT_FALSE(allows({"mx.example.net"}, "mx2.example.net"));
  EXPECT_TRUE(allows({"*.example.net"}, "a.b.example.net"));
  EXPECT_FALSE(allows({"*.example.net"}, "example.net"));
  EXPECT_FALSE(allows({"*.example.net"}, "mx.example.net.evil.test"));
  EXPECT_FALSE(allows({"*.example.net"}, "badexample.net"));
  EXPECT_TRUE(allows({"mx?.example.net"}, "mx1.example.net"));
  EXPECT_FALSE(allows({"mx?.example.net"}, "mx.example.net"));
  EXPECT_TRUE(allows({"other.test", "*.example.net"}, "smtps://mx.example.net"));
  EXPECT_TRUE(allows({"*"}, "mx.example.net"));
}

TEST(AllowedTargets, ATrailingDotIsTheSameName) {
  EXPECT_TRUE(allows({"mx.example.net"}, "mx.example.net."));
  EXPECT_TRUE(allows({"mx.example.net."}, "mx.example.net"));
  EXPECT_TRUE(allows({"*.example.net"}, "mx.example.net."));
  EXPECT_TRUE(allows({"MX.example.net."}, "mx.Example.NET.:25"));
  EXPECT_FALSE(allows({"mx.example"}, "mx.example.net."));
}

TEST(AllowedTargets, NamesAreNeverAddressesAndAddressesNeverNames) {
  EXPECT_FALSE(allows({"*"}, "192.0.2.1"));
  EXPECT_FALSE(allows({"192.0.2.*"}, "192.0.2.1"));
  EXPECT_FALSE(allows({"*"}, "2001:db8::1"));
  EXPECT_FALSE(allows({"0.0.0.0/0", "::/0"}, "localhost"));
  EXPECT_FALSE(allows({"127.0.0.0/8"}, "localhost"));
  EXPECT_FALSE(allows({"*"}, "unix:/run/lmtp"));
}

TEST(AllowedTargets, AddressesByNetworksAndLiterals) {
  EXPECT_TRUE(allows({"192.0.2.1"}, "192.0.2.1:2525"));
  EXPECT_FALSE(allows({"192.0.2.1"}, "192.0.2.10"));
  EXPECT_TRUE(allows({"192.0.2.0/24"}, "192.0.2.255"));
  EXPECT_FALSE(allows({"192.0.2.0/24"}, "192.0.3.0"));
  EXPECT_TRUE(allows({"192.0.2.77/24"}, "192.0.2.1"));  // the host's bits do not count
  EXPECT_TRUE(allows({"0.0.0.0/0"}, "203.0.113.9"));
  EXPECT_TRUE(allows({"2001:db8::/32"}, "[2001:DB8:ffff::1]:25"));
  EXPECT_FALSE(allows({"2001:db8::/32"}, "2001:db9::1"));
  EXPECT_TRUE(allows({"2001:db8:0:0::1"}, "2001:db8::1"));
  EXPECT_TRUE(allows({"2001:db8::1/128"}, "2001:db8::1"));
  EXPECT_TRUE(allows({"::/0"}, "2001:db8::1"));
}

// Every prefix length, at the last address within and the first one beyond.
TEST(AllowedTargets, EveryPrefixLengthEndsWhereItShould) {
  for (unsigned bits = 1; bits <= 32; ++bits) {
    const auto quad = [](std::uint32_t address) {
      std::string text;
      for (int shift = 24; shift >= 0; shift -= 8)
        text += (text.empty() ? "" : ".") + std::to_string((address >> shift) & 0xffU);
      return text;
    };
    const std::uint32_t mask = ~std::uint32_t{0} << (32 - bits);
    const std::uint32_t base = 0xaa55aa55U & mask;
    const std::vector<std::string> list = {quad(base) + "/" + std::to_string(bits)};
    EXPECT_TRUE(allows(list, quad(base | ~mask))) << list[0];
    EXPECT_TRUE(allows(list, "::ffff:" + quad(base | ~mask))) << list[0];
    EXPECT_FALSE(allows(list, quad((base | ~mask) + 1))) << list[0];
    EXPECT_FALSE(allows(list, quad(base - 1))) << list[0];
  }
  EXPECT_TRUE(allows({"2001:db8::8000/113"}, "2001:db8::ffff"));
  EXPECT_FALSE(allows({"2001:db8::8000/113"}, "2001:db8::7fff"));
  EXPECT_FALSE(allows({"2001:db8::8000/113"}, "2001:db8::1:8000"));
}

TEST(AllowedTargets, AMappedAddressCountsAsItsIpv4OnBothSides) {
  EXPECT_TRUE(allows({"192.0.2.0/24"}, "[::ffff:192.0.2.1]:25"));
  EXPECT_TRUE(allows({"192.0.2.1"}, "::ffff:c000:201"));
  EXPECT_TRUE(allows({"::ffff:192.0.2.0/120"}, "192.0.2.1"));
  EXPECT_FALSE(allows({"::ffff:192.0.2.0/120"}, "192.0.3.1"));
  // All of IPv6 is no way into IPv4.
  EXPECT_FALSE(allows({"::/0"}, "::ffff:192.0.2.1"));
  EXPECT_FALSE(allows({"::/0"}, "192.0.2.1"));
  EXPECT_FALSE(allows({"::/95"}, "192.0.2.1"));
  EXPECT_TRUE(allows({"::ffff:0:0/96"}, "192.0.2.1"));
  EXPECT_FALSE(allows({"0.0.0.0/0"}, "2001:db8::1"));
  EXPECT_FALSE(allows({"0.0.0.0/0"}, "::192.0.2.1"));  // the compatible form is IPv6
}

TEST(AllowedTargets, ZonesDoNotCount) {
  EXPECT_TRUE(allows({"fe80::/10"}, "fe80::1%eth0"));
  EXPECT_TRUE(allows({"fe80::1"}, "[fe80::1%eth0]:25"));
  EXPECT_FALSE(allows({"fe80::2"}, "fe80::1%eth0"));
}

TEST(AllowedTargets, APathIsThisVeryPath) {
  EXPECT_TRUE(allows({"unix:/run/lmtp"}, "unix:/run/lmtp"));
  EXPECT_FALSE(allows({"unix:/run/lmtp"}, "unix:/run/LMTP"));
  EXPECT_FALSE(allows({"unix:/run/*"}, "unix:/run/lmtp"));
  EXPECT_TRUE(allows({"unix:/run/*"}, "unix:/run/*"));
  EXPECT_FALSE(allows({"mx.example.net"}, "unix:/run/lmtp"));
}

TEST(Globs, MatchTheWholeText) {
  EXPECT_TRUE(glob_matches("", ""));
  EXPECT_FALSE(glob_matches("", "a"));
  EXPECT_FALSE(glob_matches("a", ""));
  EXPECT_TRUE(glob_matches("*", ""));
  EXPECT_FALSE(glob_matches("?", ""));
  EXPECT_TRUE(glob_matches("**a**", "bab"));
  EXPECT_TRUE(glob_matches("*ab", "aab"));
  EXPECT_TRUE(glob_matches("a*b*c", "abbbcbc"));
  EXPECT_FALSE(glob_matches("a*b*c", "abbbcbcd"));
  EXPECT_FALSE(glob_matches("a?c", "ac"));
  EXPECT_TRUE(glob_matches("?*?", "ab"));
  EXPECT_FALSE(glob_matches("?*?", "a"));
}

// By the definition, one case after the other: exponential, and right.
bool matches_by_definition(std::string_view glob, std::string_view text) {
  if (glob.empty()) return text.empty();
  if (glob[0] == '*')
    return matches_by_definition(glob.substr(1), text) ||
           (!text.empty() && matches_by_definition(glob, text.substr(1)));
  return !text.empty() && (glob[0] == '?' || glob[0] == text[0]) &&
         matches_by_definition(glob.substr(1), text.substr(1));
}

// All texts of the letters up to a length.
std::vector<std::string> all_texts(std::string_view letters, std::size_t longest) {
  std::vector<std::string> all = {""};
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (all[i].size() == longest) continue;
    for (const char c : letters) all.push_back(all[i] + c);
  }
  return all;
}

TEST(Globs, AgreeWithTheirDefinition) {
  const std::vector<std::string> texts = all_texts("ab", 5);
  for (const std::string& glob : all_texts("ab*?", 5)) {
    for (const std::string& text : texts)
      ASSERT_EQ(glob_matches(glob, text), matches_by_definition(glob, text))
          << glob << " and " << text;
  }
}

// One that tries every way of sharing would not end: over a hundred stars, and no match.
TEST(Globs, ManyStarsCostLittle) {
  std::string glob;
  for (int i = 0; i < 120; ++i) glob += "*a";
  EXPECT_TRUE(glob_matches(glob, std::string(250, 'a')));
  EXPECT_FALSE(glob_matches(glob + "b", std::string(250, 'a')));
}

}  // namespace
}  // namespace smtpprobe
