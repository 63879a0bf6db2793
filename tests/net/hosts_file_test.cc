#include "common/net/hosts_file.h"

#include <gtest/gtest.h>

namespace smtpprobe {
namespace {

using Addresses = std::vector<std::string>;

constexpr const char* kHosts =
    "# 192.0.2.9 mx.test\n"
    "192.0.2.1 other.test MX.test. # mail.test\n"
    "  2001:db8::1\tmx.test\r\n"
    "nonsense mx.test\n"
    "192.0.2.1 mx.test\n"
    "192.0.2.2\n"
    "192.0.2.3 mx.test.example\n";

TEST(HostsFile, AddressesOfAName) {
  EXPECT_EQ(hosts_addresses(kHosts, "mx.test", IpChoice::Any),
            (Addresses{"192.0.2.1", "2001:db8::1"}));
  EXPECT_EQ(hosts_addresses(kHosts, "Mx.Test", IpChoice::Ipv4), Addresses{"192.0.2.1"});
  EXPECT_EQ(hosts_addresses(kHosts, "mx.test", IpChoice::Ipv6), Addresses{"2001:db8::1"});
  for (const char* name : {"mail.test", "test", "192.0.2.2", "mx", ""})
    EXPECT_EQ(hosts_addresses(kHosts, name, IpChoice::Any), Addresses{}) << name;
  EXPECT_EQ(hosts_addresses("", "mx.test", IpChoice::Any), Addresses{});
  EXPECT_EQ(hosts_addresses("192.0.2.1 mx.test", "mx.test", IpChoice::Any), Addresses{"192.0.2.1"});
}

TEST(HostsFile, AtMostSixteenOfAFamily) {
  std::string hosts;
  for (int i = 1; i <= 30; ++i) hosts += "192.0.2." + std::to_string(i) + " mx.test\n";
  EXPECT_EQ(hosts_addresses(hosts, "mx.test", IpChoice::Any).size(), 16u);
  hosts += "2001:db8::1 mx.test\n";
  EXPECT_EQ(hosts_addresses(hosts, "mx.test", IpChoice::Any).size(), 17u);
}

TEST(HostsFile, Localhost) {
  for (const char* name : {"localhost", "LOCALHOST", "a.localhost", "a.b.LocalHost"})
    EXPECT_TRUE(is_localhost(name)) << name;
  for (const char* name : {"", "ocalhost", "alocalhost", "localhost.test", "host"})
    EXPECT_FALSE(is_localhost(name)) << name;
  EXPECT_EQ(local_addresses("a.localhost", IpChoice::Any), (Addresses{"127.0.0.1", "::1"}));
  EXPECT_EQ(local_addresses("a.localhost", IpChoice::Ipv6), Addresses{"::1"});
}

}  // namespace
}  // namespace smtpprobe
