#include "common/probe/dns_settings.h"

#include <gtest/gtest.h>

namespace smtpprobe {
namespace {

TEST(DnsSettings, Servers) {
  const std::pair<const char*, const char*> good[] = {
      {"192.0.2.1", "192.0.2.1:53"},
      {"192.0.2.1:5353", "192.0.2.1:5353"},
      {"2001:db8::1", "[2001:db8::1]:53"},
      {"[2001:db8::1]", "[2001:db8::1]:53"},
      {"[2001:db8::1]:65535", "[2001:db8::1]:65535"},
  };
  for (const auto& [text, wanted] : good) {
    EXPECT_EQ(parse_dns_server(text), wanted) << text;
    EXPECT_EQ(parse_dns_server(wanted), wanted);
  }
  for (const char* text :
       {"", ":", ":53", "ns.test", "192.0.2.1:", "192.0.2.1:0", "192.0.2.1:65536", "192.0.2.1:x",
        "192.0.2.256", "192.0.2.1,192.0.2.2", "192.0.2.1 ", "[192.0.2.1]:53", "[2001:db8::1",
        "[2001:db8::1]53", "[2001:db8::1]:", "2001:db8::1:99999", "fe80::1%eth0", "[]:53"}) {
    EXPECT_EQ(parse_dns_server(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace smtpprobe
