#include "common/smtp/address.h"

#include <gtest/gtest.h>

#include <vector>

namespace smtpprobe {
namespace {

using namespace std::string_literals;

void expect_one_good_line(const Error& error) {
  EXPECT_TRUE(error.text.starts_with("got ")) << error.text;
  EXPECT_NE(error.text.find(", expected "), std::string::npos) << error.text;
  for (const char c : error.text) EXPECT_TRUE(c >= 0x20 && c < 0x7f) << error.text;
}

// `length` bytes of good domain (no multiple of 50).
std::string domain_of(std::size_t length) {
  std::string domain;
  while (domain.size() < length) domain += domain.size() % 50 == 49 ? '.' : 'd';
  return domain;
}

TEST(Address, IsTakenWithAndWithoutBrackets) {
  for (const std::string& address : {"user@example.net"s,
                                     "postmaster"s,
                                     "a@b"s,
                                     "USER@EXAMPLE.NET"s,
                                     "user+tag@example.net"s,
                                     "user.name@sub.example.net"s,
                                     "user%other.example@example.net"s,
                                     "!#$%&'*+-/=?^_`{|}~@a"s,
                                     "user@[192.0.2.1]"s,
                                     "user@[IPv6:2001:db8::1]"s,
                                     "user@my_host.example"s,
                                     "1@2.a"s,
                                     "\"a b\"@example.net"s,
                                     "\"a@b\"@example.net"s,
                                     "\"<>\"@example.net"s,
                                     "\"a\\\"b\"@example.net"s,
                                     "\"a\\\\\"@example.net"s,
                                     "\"\"@example.net"s,
                                     "\"a b\""s,
                                     "a:b@example.net"s,
                                     "user@xn--bcher-kva.example"s,
                                     "@relay.example:user@example.net"s,
                                     "@a,@b:user@example.net"s,
                                     "a\\b@example.net"s}) {
    for (const std::string& text : {address, "<" + address + ">"}) {
      const Result<std::string> parsed = parse_address(text);
      ASSERT_TRUE(parsed.has_value()) << text << ": " << parsed.error().text;
      EXPECT_EQ(*parsed, address);
    }
  }
}

TEST(Address, IsRefused) {
  for (const std::string& text : {""s,
                                  "<>"s,
                                  "<"s,
                                  ">"s,
                                  "@"s,
                                  "@example.net"s,
                                  "user@"s,
                                  "<user@example.net"s,
                                  "user@example.net>"s,
                                  "<<user@example.net>>"s,
                                  "<user@example.net> "s,
                                  " user@example.net"s,
                                  "user@example.net "s,
                                  "us er@example.net"s,
                                  "user@exam ple.net"s,
                                  "user@a@b"s,
                                  "user@@b"s,
                                  "user@.a"s,
                                  "user@a."s,
                                  "user@a..b"s,
                                  "user@-a"s,
                                  "user@a-"s,
                                  "user@a-.b"s,
                                  "user@a,b"s,
                                  "user@a:25"s,
                                  "user@192.0.2.1"s,
                                  "user@[192.0.2.256]"s,
                                  "user@[192.0.2]"s,
                                  "user@[2001:db8::1]"s,
                                  "user@[IPv6:1::2::3]"s,
                                  "user@[]"s,
                                  "user@["s,
                                  "user@]"s,
                                  "user@[192.0.2.1"s,
                                  "a<b@example.net"s,
                                  "a>b@example.net"s,
                                  "a\"b@example.net"s,
                                  "\"a@example.net"s,
                                  "\"a\"b@example.net"s,
                                  "\"a\\\"@example.net"s,
                                  "\"a\tb\"@example.net"s,
                                  "\""s,
                                  "\"\\"s,
                                  "b\xc3\xbc@example.net"s,
                                  "b@\xc3\xbc.example"s,
                                  "\"\xc3\xbc\"@example.net"s,
                                  "user@example.net,other@example.net"s,
                                  "a\x7f@example.net"s,
                                  "a\x1b@example.net"s,
                                  "@a:"s,
                                  "@:user@b"s,
                                  "@a user@b"s,
                                  "a,@b:user@c"s,
                                  "@a,b:user@c"s,
                                  "User <user@example.net>"s}) {
    const Result<std::string> parsed = parse_address(text);
    ASSERT_FALSE(parsed.has_value()) << text;
    expect_one_good_line(parsed.error());
  }
}

TEST(Address, NeverLetsALineBreakerPass) {
  const std::string good = "\"a b\"@example.net";
  for (const char breaker : {'\r', '\n', '\0'}) {
    for (const std::string& text : {"<" + good + ">", good, "postmaster"s, "user@[192.0.2.1]"s}) {
      for (std::size_t at = 0; at <= text.size(); ++at) {
        std::string broken = text;
        broken.insert(at, 1, breaker);
        const Result<std::string> parsed = parse_address(broken);
        ASSERT_FALSE(parsed.has_value()) << testing::PrintToString(broken);
        expect_one_good_line(parsed.error());
        EXPECT_FALSE(parse_helo_name(broken).has_value());
        EXPECT_FALSE(parse_command(broken).has_value());
      }
    }
  }
}

TEST(Address, HasTheLimitsOfTheRfc) {
  const std::string local(kMaxLocalPart, 'l');
  EXPECT_TRUE(parse_address(local + "@example.net").has_value());
  EXPECT_FALSE(parse_address(local + "l@example.net").has_value());
  EXPECT_TRUE(parse_address(local).has_value());
  EXPECT_FALSE(parse_address(local + "l").has_value());
  const std::string quoted = "\"" + std::string(kMaxLocalPart - 2, 'l') + "\"";
  EXPECT_TRUE(parse_address(quoted + "@a").has_value());
  EXPECT_FALSE(parse_address("\"l" + quoted.substr(1) + "@a").has_value());

  const std::string label(63, 'd');
  EXPECT_TRUE(parse_address("a@" + label + ".net").has_value());
  EXPECT_FALSE(parse_address("a@d" + label + ".net").has_value());

  // The path with its brackets: 256.
  EXPECT_TRUE(parse_address("a@" + domain_of(kMaxPath - 4)).has_value());
  EXPECT_FALSE(parse_address("a@" + domain_of(kMaxPath - 3)).has_value());
  EXPECT_TRUE(parse_address("<a@" + domain_of(kMaxPath - 4) + ">").has_value());
  EXPECT_FALSE(parse_address("<a@" + domain_of(kMaxPath - 3) + ">").has_value());
}

TEST(HeloName, IsAHostNameOrAnAddressLiteral) {
  for (const std::string& name : {"a"s,
                                  "localhost"s,
                                  "probe.example.net"s,
                                  "PROBE"s,
                                  "a-b.c"s,
                                  "my_host"s,
                                  "1a"s,
                                  "1.2.3"s,
                                  "1.2.3.4.5"s,
                                  "[192.0.2.1]"s,
                                  "[0.0.0.0]"s,
                                  "[255.255.255.255]"s,
                                  "[IPv6:::]"s,
                                  "[IPv6:::1]"s,
                                  "[IPv6:1::]"s,
                                  "[ipv6:2001:DB8::1]"s,
                                  "[IPv6:1:2:3:4:5:6:7:8]"s,
                                  "[IPv6:1:2:3:4:5:6:1.2.3.4]"s,
                                  "[IPv6:::ffff:192.0.2.1]"s,
                                  "[IPv6:1:2:3:4:5:6:7::]"s,
                                  "[IPv6:::2:3:4:5:6:7:8]"s,
                                  domain_of(kMaxDomain)}) {
    const Result<std::string> parsed = parse_helo_name(name);
    ASSERT_TRUE(parsed.has_value()) << name << ": " << parsed.error().text;
    EXPECT_EQ(*parsed, name);
  }
  for (const std::string& name : {""s,
                                  " "s,
                                  "a b"s,
                                  "a."s,
                                  ".a"s,
                                  "a..b"s,
                                  "-a"s,
                                  "a-"s,
                                  "a/b"s,
                                  "a:25"s,
                                  "a@b"s,
                                  "<a>"s,
                                  "\xc3\xbc.example"s,
                                  "192.0.2.1"s,
                                  "2001:db8::1"s,
                                  "[2001:db8::1]"s,
                                  "[192.0.2.1"s,
                                  "192.0.2.1]"s,
                                  "[192.0.2]"s,
                                  "[192.0.2.1.1]"s,
                                  "[192.0.2.256]"s,
                                  "[192.0.2.0001]"s,
                                  "[192.0..1]"s,
                                  "[192.0.2.x]"s,
                                  "[]"s,
                                  "[IPv6:]"s,
                                  "[IPv6::]"s,
                                  "[IPv6::::]"s,
                                  "[IPv6:1:2:3:4:5:6:7]"s,
                                  "[IPv6:1:2:3:4:5:6:7:8:9]"s,
                                  "[IPv6:1:2:3:4:5:6:7:8::]"s,
                                  "[IPv6:1::2::3]"s,
                                  "[IPv6:12345::]"s,
                                  "[IPv6:g::]"s,
                                  "[IPv6:1:2:3:4:5:6:7:1.2.3.4]"s,
                                  "[IPv6:1.2.3.4::]"s,
                                  "[IPv6:::1.2.3.4:1]"s,
                                  "[IPv6:::1%eth0]"s,
                                  "[IPv6:1:2:3:4:5:6:7:]"s,
                                  "[IPv6::1:2:3:4:5:6:7]"s,
                                  "[Tag:x]"s,
                                  domain_of(kMaxDomain + 1),
                                  std::string(64, 'a') + ".net"}) {
    const Result<std::string> parsed = parse_helo_name(name);
    ASSERT_FALSE(parsed.has_value()) << name;
    expect_one_good_line(parsed.error());
  }
}

TEST(Command, IsOneLineWithinTheLimit) {
  for (const std::string& command : {""s, "NOOP"s, "MAIL FROM:<a@b>"s, "HELP a, b; c|d"s,
                                     "X \t \x1b \xff"s, std::string(kMaxCommandLine - 2, 'x')}) {
    const Result<std::string> parsed = parse_command(command);
    ASSERT_TRUE(parsed.has_value()) << command;
    EXPECT_EQ(*parsed, command);
  }
  for (const std::string& command :
       {"a\r\nb"s, "a\n"s, "\r"s, "a\0"s, "NOOP\r\nQUIT"s, std::string(kMaxCommandLine - 1, 'x')}) {
    const Result<std::string> parsed = parse_command(command);
    ASSERT_FALSE(parsed.has_value());
    expect_one_good_line(parsed.error());
  }
}

TEST(Input, OfEveryByteIsTakenOnlyWhereItIsHarmless) {
  for (int byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(byte);
    SCOPED_TRACE(byte);
    const bool visible = byte > 0x20 && byte < 0x7f;
    const bool in_local = visible && c != '<' && c != '>' && c != '"' && c != '@';
    EXPECT_EQ(parse_address("a"s + c + "b@example.net").has_value(), in_local);
    const bool in_host =
        byte < 0x80 && (std::isalnum(byte) != 0 || c == '-' || c == '_' || c == '.');
    EXPECT_EQ(parse_address("user@a"s + c + "b").has_value(), in_host);
    EXPECT_EQ(parse_helo_name("a"s + c + "b").has_value(), in_host);
    EXPECT_EQ(parse_command("a"s + c + "b").has_value(), c != '\r' && c != '\n' && c != '\0');
  }
}

}  // namespace
}  // namespace smtpprobe
