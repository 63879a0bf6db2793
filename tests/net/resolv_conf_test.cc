// What is read of resolv.conf, LOCALDOMAIN and RES_OPTIONS.
#include "common/net/resolv_conf.h"

#include <gtest/gtest.h>

namespace smtpprobe {
namespace {

using namespace std::chrono_literals;
using Domains = std::vector<std::string>;

ResolvConf read(std::string_view text) { return parse_resolv_conf(text, {}); }

TEST(ResolvConf, DefaultsWhereNothingIsSaid) {
  for (const char* text :
       {"", "nameserver 192.0.2.1\n", "# search a.test\n;options ndots:3\n", "search\n",
        "searching a.test\n", "options\n", "options ndots: ndots:x\n",
        "options timeout:-3 attempts:-1 ndots:-1\n", "\xff\n\0"}) {
    const ResolvConf conf = read(text);
    EXPECT_EQ(conf.domains, Domains{}) << text;
    EXPECT_EQ(conf.ndots, 1) << text;
    EXPECT_EQ(conf.timeout, 2s) << text;
    EXPECT_EQ(conf.attempts, 2) << text;
    EXPECT_FALSE(conf.rotate || conf.use_vc || conf.edns0) << text;
  }
}

TEST(ResolvConf, TheLastListOfEitherKindCounts) {
  EXPECT_EQ(read("search a.test\tb.test \n").domains, (Domains{"a.test", "b.test"}));
  EXPECT_EQ(read("search a.test\ndomain c.test d.test\n").domains, Domains{"c.test"});
  EXPECT_EQ(read("domain c.test\nsearch a.test b.test\r\n").domains, (Domains{"a.test", "b.test"}));
  EXPECT_EQ(read("search .").domains, Domains{"."});
  std::string many = "search";
  for (int i = 0; i < 100; ++i) many += " d" + std::to_string(i) + ".test";
  EXPECT_EQ(read(many).domains.size(), 32u);
}

TEST(ResolvConf, Options) {
  const ResolvConf conf =
      read("options ndots:5 timeout:3\noptions attempts:4 rotate use-vc edns0 single-request\n");
  EXPECT_EQ(conf.ndots, 5);
  EXPECT_EQ(conf.timeout, 3s);
  EXPECT_EQ(conf.attempts, 4);
  EXPECT_TRUE(conf.rotate && conf.use_vc && conf.edns0);
}

TEST(ResolvConf, NumbersHaveGlibcsLimits) {
  const ResolvConf high = read("options ndots:16 timeout:31 attempts:99999999999999\n");
  EXPECT_EQ(high.ndots, 15);
  EXPECT_EQ(high.timeout, 30s);
  EXPECT_EQ(high.attempts, 5);
  const ResolvConf low = read("options ndots:0 timeout:0 attempts:0\n");
  EXPECT_EQ(low.ndots, 0);
  EXPECT_EQ(low.timeout, 1s);
  EXPECT_EQ(low.attempts, 1);
}

TEST(ResolvConf, TheEnvironment) {
  const std::string_view text = "search a.test\noptions ndots:2\n";
  EXPECT_EQ(parse_resolv_conf(text, {"b.test c.test", "", "host.d.test"}).domains,
            (Domains{"b.test", "c.test"}));
  EXPECT_EQ(parse_resolv_conf(text, {"", "", "host.d.test"}).domains, Domains{"a.test"});
  EXPECT_EQ(parse_resolv_conf("", {"", "", "host.d.test"}).domains, Domains{"d.test"});
  EXPECT_EQ(parse_resolv_conf("", {"", "", "host"}).domains, Domains{});
  const ResolvConf conf = parse_resolv_conf(text, {"", "ndots:4 timeout:7", ""});
  EXPECT_EQ(conf.ndots, 4);
  EXPECT_EQ(conf.timeout, 7s);
}

}  // namespace
}  // namespace smtpprobe
