#include "exporter/served_config.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>

#include "tests/unit/config_files.h"

namespace smtpprobe {
namespace {

class ServedConfigTest : public testing::Test {
 protected:
  Result<std::shared_ptr<const ServedConfig>> load(const std::string& yaml) {
    return load_served_config(folder_.write("config.yml", yaml), metrics_);
  }

  TestFolder folder_;
  SelfMetrics metrics_;
};

TEST_F(ServedConfigTest, ModulesOfTheSameTrustShareOneTlsContext) {
  const auto served = load(
      "modules:\n  plain: {}\n  relay: {until: ehlo}\n"
      "  tls: {tls: {mode: starttls, server_name: mx.test}}\n"
      "  tls_elsewhere: {tls: {mode: starttls, server_name: other.test}}\n"
      "  old: {tls: {mode: starttls, legacy: true}}\n"
      "  strict: {tls: {mode: starttls, min_version: \"1.3\"}}\n");
  ASSERT_TRUE(served) << served.error().text;
  const auto context = [&](std::string_view name) {
    return (*served)->modules.find(name)->second.tls;
  };
  EXPECT_NE(context("plain"), nullptr);
  EXPECT_EQ(context("plain"), context("relay"));
  EXPECT_EQ(context("tls"), context("tls_elsewhere"));
  EXPECT_NE(context("tls"), context("old"));
  EXPECT_NE(context("tls"), context("strict"));
}

TEST_F(ServedConfigTest, EachModuleWithABadFileIsNamed) {
  const std::string bad = folder_.write("bad.pem", "no certificate\n");
  const auto served = load("modules:\n  a: {tls: {mode: starttls, ca_file: " + bad +
                           "}}\n  b: {tls: {mode: starttls, ca_file: " + bad + "}}\n");
  ASSERT_FALSE(served);
  EXPECT_NE(served.error().text.find("module a: "), std::string::npos) << served.error().text;
  ASSERT_EQ(served.error().others.size(), 1U);
  EXPECT_NE(served.error().others[0].find("module b: "), std::string::npos);
}

}  // namespace
}  // namespace smtpprobe
