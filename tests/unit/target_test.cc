// Targets as users write them, good and bad.
#include "common/probe/target.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace smtpprobe {
namespace {

struct Good {
  std::string text;
  std::string host;
  std::optional<int> port;
  bool implicit_tls = false;
  bool lmtp = false;
};

const std::string kNotAscii = "b\303\274cher.example";
const std::string kLabel63(63, 'a');
const std::string kName253 =
    kLabel63 + "." + kLabel63 + "." + kLabel63 + "." + std::string(61, 'b');

TEST(Target, GoodOnes) {
  const std::vector<Good> cases = {
      {"mx.example.net", "mx.example.net", {}},
      {"localhost", "localhost", {}},
      {"MX.Example.NET", "MX.Example.NET", {}},
      {"mx.example.net.", "mx.example.net.", {}},
      {"mx.example.net:587", "mx.example.net", 587},
      {"mx.example.net.:25", "mx.example.net.", 25},
      {"mx:1", "mx", 1},
      {"mx:65535", "mx", 65535},
      {"mx:00025", "mx", 25},
      {"my_host.internal", "my_host.internal", {}},
      {"_smtp._tcp", "_smtp._tcp", {}},
      {"a-b.c--d", "a-b.c--d", {}},
      {"xn--bcher-kva.example", "xn--bcher-kva.example", {}},
      {"1host.2com4", "1host.2com4", {}},
      {"192.0.2.1", "192.0.2.1", {}},
      {"192.0.2.1:25", "192.0.2.1", 25},
      {"0.0.0.0", "0.0.0.0", {}},
      {"255.255.255.255", "255.255.255.255", {}},
      {"::1", "::1", {}},
      {"::", "::", {}},
      {"::1:25", "::1:25", {}},  // an address; a port needs brackets
      {"2001:db8::1", "2001:db8::1", {}},
      {"1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8", {}},
      {"fe80::1%eth0", "fe80::1%eth0", {}},
      {"fe80::1%br-lan.100", "fe80::1%br-lan.100", {}},
      {"::ffff:192.0.2.1", "::ffff:192.0.2.1", {}},
      {"[::1]", "::1", {}},
      {"[::1]:25", "::1", 25},
      {"[2001:DB8::A]:465", "2001:DB8::A", 465},
      {"[fe80::1%eth0]:587", "fe80::1%eth0", 587},
      {"smtp://mx.example.net", "mx.example.net", 25},
      {"SMTP://mx", "mx", 25},
      {"smtp://mx:2525/", "mx", 2525},
      {"smtp://mx:2525", "mx", 2525},
      {"smtps://mx", "mx", 465, true},
      {"smtps://mx:10465", "mx", 10465, true},
      {"submission://mx", "mx", 587},
      {"submissions://mx", "mx", 465, true},
      {"submissions://[::1]:1465", "::1", 1465, true},
      {"lmtp://mx", "mx", 24, false, true},
      {"lmtp://[2001:db8::1]", "2001:db8::1", 24, false, true},
      {"lmtp://127.0.0.1:10024", "127.0.0.1", 10024, false, true},
      {kName253, kName253, {}},
      {kName253 + ".", kName253 + ".", {}},
      {kName253 + ":25", kName253, 25},
  };
  for (const Good& c : cases) {
    const Result<Target> target = parse_target(c.text);
    ASSERT_TRUE(target) << c.text << ": " << target.error().text;
    EXPECT_EQ(target->host, c.host) << c.text;
    EXPECT_EQ(target->port, c.port) << c.text;
    EXPECT_EQ(target->implicit_tls, c.implicit_tls) << c.text;
    EXPECT_EQ(target->lmtp, c.lmtp) << c.text;
    EXPECT_EQ(target->unix_path, "") << c.text;
  }
}

TEST(Target, UnixSockets) {
  for (const std::string text :
       {"unix:/run/dovecot/lmtp", "UNIX:/run/dovecot/lmtp", "unix:///run/dovecot/lmtp"}) {
    const Result<Target> target = parse_target(text);
    ASSERT_TRUE(target) << text;
    EXPECT_EQ(target->unix_path, "/run/dovecot/lmtp");
    EXPECT_EQ(target->host, "");
    EXPECT_EQ(target->port, std::nullopt);
    EXPECT_TRUE(target->lmtp);
    EXPECT_FALSE(target->implicit_tls);
  }
  EXPECT_TRUE(parse_target("unix:/" + std::string(106, 'p')));
  EXPECT_FALSE(parse_target("unix:/" + std::string(107, 'p')));
  EXPECT_EQ(parse_target("unix:/a:b?c@d")->unix_path, "/a:b?c@d");
  // Written as a target again it would be a URL with a host.
  EXPECT_EQ(parse_target("unix:////run//x")->unix_path, "/run//x");
  EXPECT_FALSE(parse_target("unix:////"));
}

TEST(Target, BadOnes) {
  const std::vector<std::string> bad = {
      "",
      " ",
      "mx ",
      " mx",
      "m x",
      "mx\t",
      "mx\n",
      "mx\r\nRCPT TO:<x>",
      "mx:25\n",
      "mx\x7f",
      "mx\x1b[0m",
      std::string("mx\0", 3),
      std::string("\0", 1),
      kNotAscii,
      "\xff",
      // schemes
      "file:///etc/passwd",
      "http://mx",
      "https://mx:443",
      "smtp+tls://mx",
      "://mx",
      "smtp://",
      "smtps://",
      "lmtp://:24",
      "javascript:alert(1)",
      "gopher://mx:70/_x",
      "dict://mx",
      "smtp:/mx",
      "smtp:mx",
      "smtp//mx",
      "mx:example.net",
      "unix:",
      "unix:/",
      "unix:run/x",
      "unix://run/x",
      "unix:@abstract",
      "unix:\\x",
      "unix:///",
      // what URLs have and targets do not
      "smtp://mx/path",
      "smtp://mx?x=1",
      "smtp://mx#x",
      "smtp://user@mx",
      "smtp://user:pw@mx:25",
      "mx/",
      "mx/path",
      "user@mx",
      "mx?x",
      "mx#x",
      "smtp://mx:25/x",
      "smtp://mx:25//",
      "smtp://smtp://mx",
      "smtp://::1",
      // ports
      "mx:",
      "mx:0",
      "mx:65536",
      "mx:70000",
      "mx:-1",
      "mx:+25",
      "mx:25x",
      "mx:0x19",
      "mx:25:25",
      "mx:000025",
      "mx:smtp",
      "mx: 25",
      "192.0.2.1:0",
      "[::1]:",
      "[::1]:0",
      "[::1]:70000",
      "[::1]:x",
      "smtp://mx:",
      // hosts
      ".",
      "..",
      ":25",
      ".mx",
      "mx..net",
      "mx.net..",
      "-mx",
      "mx-",
      "a.-b",
      "a.b-.c",
      "mx,net",
      "mx;id",
      "$(id)",
      "mx'",
      "mx\"",
      "mx\\",
      "mx|x",
      "<mx>",
      "*",
      "*.example.net",
      "mx%eth0",
      "`id`",
      "mx&x",
      "{mx}",
      "m=x",
      kLabel63 + "a",
      kLabel63 + "a.net",
      kName253 + "b",
      std::string(300, 'a'),
      std::string(100000, 'a'),
      // addresses
      "256.0.0.1",
      "1.2.3",
      "1.2.3.4.5",
      "1.2.3.4.",
      "01.2.3.4",
      "1.2.3.04",
      "1.2.3.1000",
      "2130706433",
      "1..2.3",
      ":",
      ":::",
      "1:::2",
      "::1::2",
      "1:2:3:4:5:6:7",
      "1:2:3:4:5:6:7:8:9",
      "1:2:3:4:5:6:7::8",
      "12345::",
      "::g",
      ":1",
      "1:",
      "1:2:3:4:5:6:7:",
      ":1:2:3:4:5:6:7:8",
      "::1%",
      "::1%eth 0",
      "::1%a/b",
      "::1%0123456789abcdef",
      "::1.2.3",
      "::1.2.3.4:5",
      "1.2.3.4::",
      "[::1",
      "::1]",
      "[]",
      "[]:25",
      "[mx]",
      "[mx]:25",
      "[192.0.2.1]",
      "[[::1]]",
      "[::1]x",
      "[::1]25",
      "[::1]x25",
      "[::1]:25:25",
      "x[::1]",
      "[::1]]",
      "[25",
      "[:25",
  };
  for (const std::string& text : bad) {
    const Result<Target> target = parse_target(text);
    ASSERT_FALSE(target) << text;
    const std::string& words = target.error().text;
    EXPECT_TRUE(words.starts_with("got \"") || words.starts_with("got a value of ")) << words;
    EXPECT_EQ(words.find_first_of(std::string("|\n\r\x1b\0", 5)), std::string::npos) << text;
    EXPECT_LE(words.size(), 256U) << words;
  }
}

std::string fault(std::string_view text) {
  const Result<Target> target = parse_target(text);
  return target ? "none" : target.error().text;
}

bool says(const std::string& text, std::string_view words) {
  return text.find(words) != std::string::npos;
}

TEST(Target, ErrorsSayWhatIsWanted) {
  EXPECT_TRUE(says(fault("http://mx"), "smtp, smtps, submission"));
  EXPECT_TRUE(says(fault(""), "wanted host"));
  EXPECT_TRUE(says(fault("mx:70000"), "port from 1 to 65535"));
  EXPECT_TRUE(says(fault("m x"), "blank"));
  EXPECT_TRUE(says(fault("mx\n"), "control character"));
  EXPECT_TRUE(says(fault("mx\n"), "\\x0a"));
  EXPECT_TRUE(says(fault(kNotAscii), "A-label (xn--"));
  EXPECT_TRUE(says(fault("smtp://u:p@mx"), "no credentials"));
  EXPECT_TRUE(says(fault("[mx]"), "[IPv6]:port"));
  EXPECT_TRUE(says(fault("unix:run"), "absolute path"));
  EXPECT_TRUE(says(fault(kLabel63 + "a"), "label over 63"));
  EXPECT_TRUE(says(fault(kName253 + "b"), "over 253"));
  EXPECT_TRUE(says(fault("1.2.3"), "neither an IP address nor a host name"));
  EXPECT_TRUE(says(fault(":25"), "empty host"));
}

TEST(Target, TextForMessages) {
  EXPECT_EQ(parse_target("mx.example.net")->text(25), "mx.example.net:25");
  EXPECT_EQ(parse_target("mx:587")->text(25), "mx:587");
  EXPECT_EQ(parse_target("::1")->text(465), "[::1]:465");
  EXPECT_EQ(parse_target("[fe80::1%eth0]:26")->text(25), "[fe80::1%eth0]:26");
  EXPECT_EQ(parse_target("unix:/run/lmtp")->text(24), "unix:/run/lmtp");
  for (const std::string text : {"mx:25", "[2001:db8::1]:25", "192.0.2.1:25", "unix:/run/x"}) {
    EXPECT_EQ(parse_target(text)->text(1), text);
  }
}

TEST(Port, EveryOneAndNoOther) {
  for (int port = -5; port < 70000; ++port) {
    const Result<int> parsed = parse_port(std::to_string(port));
    const bool good = port >= 1 && port <= 65535;
    ASSERT_EQ(parsed.has_value(), good) << port;
    if (good) {
      ASSERT_EQ(*parsed, port);
    }
  }
  for (const char* bad :
       {"", " 25", "25 ", "+25", "0x19", "25.0", "2 5", "000025", "99999999999999999999"}) {
    EXPECT_FALSE(parse_port(bad)) << bad;
  }
}

TEST(IpLiteral, YesAndNo) {
  for (const char* good :
       {"192.0.2.1", "0.0.0.0", "::", "::1", "::ffff", "1::", "fe80::1%eth0", "1:2:3:4:5:6:1.2.3.4",
        "::1.2.3.4", "1::8", "1:2:3:4:5:6:7::", "::2:3:4:5:6:7:8", "ABCD:EF01::"}) {
    EXPECT_TRUE(is_ip_literal(good)) << good;
  }
  for (const char* bad : {"", "mx", "1.2.3", "192.0.2.1%eth0", "[::1]", "::1]", "1.2.3.4:25",
                          "1:2:3:4:5:6:7:1.2.3.4", "1.2.3.4::1", "::1.2.3.256", "-"}) {
    EXPECT_FALSE(is_ip_literal(bad)) << bad;
  }
}

// Whatever the bytes, the parser answers, and what it takes it takes again.
TEST(Target, ShortStringsOfAnyKind) {
  const std::string alphabet = "a1:.[]%/-@";
  std::size_t good = 0;
  for (std::size_t length = 1; length <= 6; ++length) {
    std::size_t count = 1;
    for (std::size_t i = 0; i < length; ++i) count *= alphabet.size();
    for (std::size_t number = 0; number < count; number += length == 6 ? 7 : 1) {
      std::string text;
      for (std::size_t rest = number, i = 0; i < length; ++i, rest /= alphabet.size()) {
        text += alphabet[rest % alphabet.size()];
      }
      const Result<Target> target = parse_target(text);
      if (!target) continue;
      ++good;
      const Result<Target> again = parse_target(target->text(25));
      ASSERT_TRUE(again) << text;
      ASSERT_EQ(again->host, target->host) << text;
      ASSERT_EQ(again->port, target->port.value_or(25)) << text;
    }
  }
  EXPECT_GT(good, 500U);
}

}  // namespace
}  // namespace smtpprobe
