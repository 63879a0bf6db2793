// The configuration as it is written, and that it is read back as what it was.
#include "common/config/config_writer.h"

#include <gtest/gtest.h>

#include <string>

#include "common/config/config_values.h"
#include "tests/unit/config_files.h"

namespace smtpprobe {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

Config read(const std::string& text) {
  const Result<Config> config = parse_config(text, "probe.yml");
  EXPECT_TRUE(config) << config.error().text << "\n" << text;
  return config ? *config : Config{};
}

std::string limits_of(const Thresholds& limits) {
  return (limits.warning ? limits.warning->text() : "-") + " " +
         (limits.critical ? limits.critical->text() : "-");
}

void expect_same_tls(const TlsPlan& a, const TlsPlan& b) {
  EXPECT_EQ(a.verify, b.verify);
  EXPECT_EQ(a.server_name, b.server_name);
  EXPECT_EQ(a.ca_file, b.ca_file);
  EXPECT_EQ(a.ca_path, b.ca_path);
  EXPECT_EQ(a.cert_file, b.cert_file);
  EXPECT_EQ(a.key_file, b.key_file);
  EXPECT_EQ(a.min_version, b.min_version);
  EXPECT_EQ(a.legacy, b.legacy);
  ASSERT_EQ(a.expiry.has_value(), b.expiry.has_value());
  if (!a.expiry) return;
  EXPECT_EQ(a.expiry->warning_days, b.expiry->warning_days);
  EXPECT_EQ(a.expiry->critical_days, b.expiry->critical_days);
}

void expect_same_dialogue(const DialoguePlan& a, const DialoguePlan& b) {
  EXPECT_EQ(a.protocol, b.protocol);
  EXPECT_EQ(a.helo_name, b.helo_name);
  EXPECT_EQ(a.tls, b.tls);
  EXPECT_EQ(a.until, b.until);
  EXPECT_EQ(a.auth.has_value(), b.auth.has_value());
  EXPECT_EQ(a.from, b.from);
  EXPECT_EQ(a.to, b.to);
  for (const Step step : kSteps) {
    ASSERT_EQ(a.expect[step].size(), b.expect[step].size()) << step_name(step);
    for (std::size_t i = 0; i < a.expect[step].size(); ++i)
      EXPECT_EQ(a.expect[step][i].text(), b.expect[step][i].text());
  }
}

std::vector<std::string> patterns_of(const DialoguePlan& plan) {
  std::vector<std::string> patterns;
  for (const ReplyRegex& pattern : plan.greylisting_patterns) patterns.push_back(pattern.pattern());
  return patterns;
}

void expect_same_module(const Module& a, const Module& b) {
  EXPECT_EQ(a.name, b.name);
  EXPECT_EQ(a.timeout, b.timeout);
  EXPECT_EQ(a.auth_targets, b.auth_targets);
  EXPECT_EQ(a.body_file, b.body_file);
  EXPECT_EQ(a.plan.port, b.plan.port);
  EXPECT_EQ(a.plan.ip, b.plan.ip);
  EXPECT_EQ(a.plan.dns, b.plan.dns);
  EXPECT_EQ(a.plan.source_address, b.plan.source_address);
  EXPECT_EQ(a.plan.proxy, b.plan.proxy);
  EXPECT_EQ(a.plan.dialogue.greylisting, b.plan.dialogue.greylisting);
  EXPECT_EQ(patterns_of(a.plan.dialogue), patterns_of(b.plan.dialogue));
  EXPECT_EQ(a.plan.require_extensions, b.plan.require_extensions);
  EXPECT_EQ(a.plan.forbid_extensions, b.plan.forbid_extensions);
  EXPECT_EQ(limits_of(a.plan.total), limits_of(b.plan.total));
  for (const Step step : kSteps)
    EXPECT_EQ(limits_of(a.plan.step[step]), limits_of(b.plan.step[step])) << step_name(step);
  ASSERT_EQ(a.plan.message.has_value(), b.plan.message.has_value());
  if (a.plan.message) {
    EXPECT_EQ(a.plan.message->subject, b.plan.message->subject);
    EXPECT_EQ(a.plan.message->headers, b.plan.message->headers);
    EXPECT_EQ(a.plan.message->body, b.plan.message->body);
  }
  expect_same_tls(a.plan.tls, b.plan.tls);
  expect_same_dialogue(a.plan.dialogue, b.plan.dialogue);
}

void expect_round_trip(const Config& config) {
  const std::string text = config_text(config);
  SCOPED_TRACE(text);
  const Config again = read(text);
  EXPECT_EQ(config.allowed_targets, again.allowed_targets);
  EXPECT_EQ(config.max_probes_per_host, again.max_probes_per_host);
  ASSERT_EQ(config.modules.size(), again.modules.size());
  for (const auto& [name, module] : config.modules) {
    const auto found = again.modules.find(name);
    ASSERT_NE(found, again.modules.end()) << name;
    expect_same_module(module, found->second);
  }
  EXPECT_EQ(config_text(again), text);
}

Module module_named(std::string name, const std::string& body) {
  const Config config = read("modules:\n  \"" + name + "\": " + body + "\n");
  const auto found = config.modules.find(name);
  EXPECT_NE(found, config.modules.end()) << name;
  return found == config.modules.end() ? Module{} : found->second;
}

TEST(ConfigWriter, TheBuiltInModulesAreReadBack) { expect_round_trip(built_in_config()); }

TEST(ConfigWriter, ABuiltInModuleInFull) {
  EXPECT_EQ(module_text(built_in_config().modules.find("submission")->second),
            "submission:\n"
            "  protocol: smtp\n"
            "  until: ehlo\n"
            "  ip_protocol: any\n"
            "  tls:\n"
            "    mode: starttls\n"
            "  greylisting: warning\n");
}

constexpr std::string_view kEveryKey =
    R"(allowed_targets: ["*.example.net", "192.0.2.0/24", "unix:/run/a b"]
max_probes_per_host: 7
modules:
  everything:
    protocol: smtp
    timeout: 1500ms
    helo: probe.example.net
    until: message
    ip_protocol: prefer_ipv6
    dns: {servers: ["192.0.2.53", "[2001:db8::53]:5353"], timeout: 750ms, tries: 3}
    source_address: 2001:db8::7
    proxy_protocol: v2
    tls: {mode: starttls, verify: warn, server_name: x, ca_file: FILE, ca_path: FOLDER, cert_file: FILE,
          key_file: FILE, min_version: TLS1.0, legacy: true, expiry: {warning: 21d, critical: 36h}}
    mail: {from: "probe@example.net", to: ["a@example.net", "b@example.net"]}
    message: {subject: "s: #1 \"ü\" ~", headers: {X-One: y, "X-#{": "- z"}, body_file: FILE}
    expect: {banner: "220", rcpt: ["550", "5.7.1", "2xx"], quit: "221"}
    require_extensions: [STARTTLS, "8BITMIME"]
    forbid_extensions: [AUTH]
    thresholds: {total: {warning: "2", critical: "@5:6"}, resolve: {warning: "~:0.5"}, rcpt: {critical: ":1"}}
    greylisting: critical
    greylisting_pattern: ["^451 4\\.7\\.1 \"later\"", "come back"]
  secret:
    helo: probe.example.net
    auth: {mechanism: auto, username: "u: x", password_file: SECRET, token_file: TOKEN,
           targets: ["mail.example.net:587", "[2001:db8::1]:25"]}
)";

std::string every_key(const TestFolder& folder) {
  const std::string file = folder.write("a 'file': #1", "a body\n");
  std::string text(kEveryKey);
  text = with(text, "FILE", "\"" + file + "\"");
  text = with(text, "FOLDER", "\"" + folder.path() + "\"");
  text = with(text, "SECRET", folder.write("password", "hunter2\n"));
  return with(text, "TOKEN", folder.write("token", "t0k3n\n"));
}

TEST(ConfigWriter, EveryKeyIsReadBack) {
  const TestFolder folder;
  Config config = read(every_key(folder));
  config.modules.erase("secret");
  expect_round_trip(config);
}

// Of every key that a module may have, as the contract lists them.
TEST(ConfigWriter, EveryKeyIsThere) {
  const TestFolder folder;
  const std::string text = config_text(read(every_key(folder)));
  for (const std::string_view key : {"allowed_targets",
                                     "max_probes_per_host",
                                     "modules",
                                     "protocol",
                                     "timeout",
                                     "helo",
                                     "until",
                                     "ip_protocol",
                                     "dns",
                                     "servers",
                                     "tries",
                                     "source_address",
                                     "proxy_protocol",
                                     "tls",
                                     "mode",
                                     "verify",
                                     "server_name",
                                     "ca_file",
                                     "ca_path",
                                     "cert_file",
                                     "key_file",
                                     "min_version",
                                     "legacy",
                                     "expiry",
                                     "warning",
                                     "critical",
                                     "auth",
                                     "mechanism",
                                     "username",
                                     "password_file",
                                     "token_file",
                                     "targets",
                                     "mail",
                                     "from",
                                     "to",
                                     "message",
                                     "subject",
                                     "headers",
                                     "body_file",
                                     "expect",
                                     "require_extensions",
                                     "forbid_extensions",
                                     "thresholds",
                                     "greylisting",
                                     "greylisting_pattern"}) {
    EXPECT_NE(text.find(std::string(key) + ":"), std::string::npos) << key << "\n" << text;
  }
}

TEST(ConfigWriter, SecretsAreHidden) {
  const TestFolder folder;
  const Config config = read(every_key(folder));
  ASSERT_EQ(config.modules.find("secret")->second.plan.dialogue.auth->credentials.password,
            "hunter2");
  const std::string text = config_text(config);
  EXPECT_EQ(text.find("hunter2"), std::string::npos);
  EXPECT_EQ(text.find("t0k3n"), std::string::npos);
  EXPECT_NE(text.find("\n      username: \"u: x\"\n"
                      "      password_file: \"<secret>\"\n"
                      "      token_file: \"<secret>\"\n"
                      "      targets: [\"mail.example.net:587\", \"[2001:db8::1]:25\"]\n"),
            std::string::npos)
      << text;
}

TEST(ConfigWriter, EveryWordOfAChoiceIsReadBack) {
  for (const std::string_view body :
       {"{protocol: lmtp}",
        "{ip_protocol: any}",
        "{ip_protocol: ipv4}",
        "{ip_protocol: ipv6}",
        "{ip_protocol: prefer_ipv4}",
        "{proxy_protocol: v1}",
        "{proxy_protocol: local}",
        "{tls: {mode: off}}",
        "{tls: {mode: opportunistic}}",
        "{tls: {mode: implicit}}",
        "{tls: {verify: off}}",
        "{tls: {verify: report}}",
        "{tls: {verify: require}}",
        "{tls: {min_version: TLS1.0}}",
        "{tls: {legacy: true}}",
        "{tls: {legacy: false}}",
        "{tls: {min_version: TLS1.3}}",
        "{tls: {expiry: {warning: 21d}}}",
        "{tls: {expiry: {critical: 7d}}}",
        "{tls: {expiry: {warning: 0s}}}",
        "{tls: {expiry: {warning: 1ms, critical: 0s}}}",
        "{tls: {expiry: {warning: 36500d, critical: 7001ms}}}",
        "{greylisting: ok}",
        "{mail: {from: \"\"}}",
        "{mail: {from: a@b.test, to: c@d.test}, until: mail}",
        "{mail: {from: \"\", to: c@d.test}, message: {}}",
        "{mail: {from: \"\", to: c@d.test}, message: {subject: later}, until: rcpt}",
        "{until: banner}",
        "{until: starttls, tls: {mode: starttls}}",
        "{timeout: 1ms}"}) {
    expect_round_trip(read("modules:\n  m: " + std::string(body) + "\n"));
  }
}

TEST(ConfigWriter, NamesThatYamlWouldTakeForSomethingElse) {
  for (const std::string_view name : {"null", "Null", "true", "y", "1", "1.5", "-", "--", "---",
                                      "-a", ".", "...", "1e3", "0x1f"}) {
    Config config = built_in_config();
    config.modules.insert_or_assign(std::string(name), module_named(std::string(name), "{}"));
    expect_round_trip(config);
    const std::string alone = module_text(module_named(std::string(name), "{}"));
    EXPECT_EQ(read("modules:\n  " + with(alone.substr(0, alone.size() - 1), "\n", "\n  ") + "\n")
                  .modules.count(name),
              1U)
        << alone;
  }
}

// All that a header's name and a subject may be made of.
TEST(ConfigWriter, EveryPrintableCharacterIsReadBack) {
  Module module = module_named("m", "{mail: {from: \"\", to: a@b.test}, message: {}}");
  for (char c = ' '; c <= '~'; ++c) {
    if (c != ' ' && c != ':') {
      module.plan.message->headers.emplace_back(std::string(1, c), std::string(1, c));
      module.plan.message->headers.emplace_back(std::string("X") + c, std::string("a ") + c + " b");
    }
    module.plan.message->subject += std::string("a ") + c + c + " ";
  }
  Config config = built_in_config();
  config.modules.emplace("m", module);
  expect_round_trip(config);
}

TEST(ConfigWriter, AMessageThatIsNotSentIsNotShown) {
  const TestFolder folder;
  const std::string file = folder.write("body", "text");
  const Module module = module_named("m",
                                     "{mail: {from: \"\", to: a@b.test}, until: rcpt, message: "
                                     "{body_file: " +
                                         file + "}}");
  EXPECT_EQ(module.body_file, "");
  EXPECT_EQ(module_text(module).find("message:"), std::string::npos);
}

TEST(ConfigWriter, DurationsAreAsShortAsTheyGo) {
  EXPECT_EQ(duration_text(Duration::zero()), "0s");
  EXPECT_EQ(duration_text(milliseconds(1)), "1ms");
  EXPECT_EQ(duration_text(milliseconds(999)), "999ms");
  EXPECT_EQ(duration_text(seconds(1)), "1s");
  EXPECT_EQ(duration_text(milliseconds(1001)), "1001ms");
  EXPECT_EQ(duration_text(seconds(59)), "59s");
  EXPECT_EQ(duration_text(seconds(60)), "1m");
  EXPECT_EQ(duration_text(seconds(61)), "61s");
  EXPECT_EQ(duration_text(hours(1)), "1h");
  EXPECT_EQ(duration_text(hours(24)), "1d");
  EXPECT_EQ(duration_text(hours(25)), "25h");
  EXPECT_EQ(duration_text(std::chrono::nanoseconds(1'999'999)), "1ms");
  EXPECT_EQ(duration_text(seconds(-1)), "0s");
}

TEST(ConfigWriter, DurationsAreReadBack) {
  for (const std::int64_t count : {1, 10, 500, 999, 1000, 1500, 60'000, 90'000, 3'600'000,
                                   5'400'000, 86'400'000, 90'000'000}) {
    const Result<Duration> again = parse_duration(duration_text(milliseconds(count)));
    ASSERT_TRUE(again) << count;
    EXPECT_EQ(*again, Duration(milliseconds(count)));
  }
}

}  // namespace
}  // namespace smtpprobe
