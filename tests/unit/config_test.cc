// Configurations that load, what becomes of their keys, and modules aimed at targets. What does not
// load is in config_errors_test.cc.
#include "common/config/config.h"

#include <gtest/gtest.h>

#include <string>

#include "common/config/config_values.h"
#include "common/config/yaml_tree.h"
#include "tests/unit/config_files.h"

namespace smtpprobe {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

Config good(const std::string& text) {
  const Result<Config> config = parse_config(text, "probe.yml");
  EXPECT_TRUE(config) << config.error().text;
  return config ? *config : Config{};
}

Module only_module(const std::string& body) {
  const Config config = good("modules:\n  m: " + body + "\n");
  const auto found = config.modules.find("m");
  EXPECT_NE(found, config.modules.end());
  return found == config.modules.end() ? Module{} : found->second;
}

Target target(std::string_view text) {
  const Result<Target> parsed = parse_target(text);
  EXPECT_TRUE(parsed) << parsed.error().text;
  return parsed ? *parsed : Target{};
}

const Module& built_in(const Config& config, std::string_view name) {
  return config.modules.find(name)->second;
}

// What `module` makes of `text`; the error's words when it makes nothing.
std::string fault_of(const Module& module, std::string_view text) {
  const Result<ProbePlan> plan = plan_for(module, target(text));
  return plan ? std::string() : plan.error().text;
}

constexpr std::string_view kContractExample =
    R"(allowed_targets: ["*.example.net", "192.0.2.0/24"]   # optional; everything if absent
max_probes_per_host: 1      # probes at a time to one address and port
modules:
  submission:
    protocol: smtp            # or lmtp
    timeout: 10s              # durations: 500ms, 10s, 1m, 21d; absent: only the scrape's
    helo: probe.example.net
    until: rcpt
    ip_protocol: any          # any | ipv4 | ipv6 | prefer_ipv4 | prefer_ipv6
    dns: {servers: ["192.0.2.53:5353"], timeout: 1s, tries: 3}
    source_address: 192.0.2.7
    proxy_protocol: local
    tls:  {mode: starttls, verify: require, server_name: x, ca_file: f, ca_path: d, cert_file: f,
           key_file: f, min_version: TLS1.2, expiry: {warning: 21d, critical: 7d}, legacy:  false}     # mode: off | opportunistic
    auth: {mechanism: auto, username: u, password_file: f, token_file: f, targets: ["mail.example.net:587"]}
    mail: {from: "probe@example.net", to: ["postmaster@example.net"]}
    message: {subject: s, headers: {X: y}, body_file: f}
    expect: {rcpt: ["550", "5.7.1"]}
    require_extensions: [STARTTLS]
    forbid_extensions: []
    thresholds: {total: {warning: "2", critical: "5"}, rcpt: {warning: "1"}}
    greylisting: warning
)";

TEST(Config, TheContractsExampleLoadsInEveryKey) {
  const TestFolder folder;
  const std::string file = folder.write("f", "hunter2\n");
  const std::string text = with(with(std::string(kContractExample), ": f", ": " + file), ": d,",
                                ": " + folder.path() + ",");
  const Config config = good(text);
  EXPECT_EQ(config.allowed_targets, (std::vector<std::string>{"*.example.net", "192.0.2.0/24"}));
  EXPECT_EQ(config.max_probes_per_host, 1);
  ASSERT_EQ(config.modules.size(), 5U);
  const Module& module = built_in(config, "submission");
  const ProbePlan& plan = module.plan;
  EXPECT_EQ(module.timeout, Duration(seconds(10)));
  EXPECT_EQ(module.auth_targets, std::vector<std::string>{"mail.example.net:587"});
  EXPECT_EQ(plan.port, 587);
  EXPECT_EQ(plan.dialogue.protocol, Protocol::Smtp);
  EXPECT_EQ(plan.dialogue.helo_name, "probe.example.net");
  EXPECT_EQ(plan.dialogue.until, Step::Rcpt);
  EXPECT_EQ(plan.ip, IpChoice::Any);
  EXPECT_EQ(plan.dns, (DnsSettings{{"192.0.2.53:5353"}, seconds(1), 3}));
  EXPECT_EQ(plan.source_address, "192.0.2.7");
  EXPECT_EQ(plan.proxy, ProxyHeader::Local);
  EXPECT_EQ(plan.dialogue.tls, TlsMode::Starttls);
  EXPECT_EQ(plan.tls.verify, TlsVerify::Require);
  EXPECT_EQ(plan.tls.server_name, "x");
  EXPECT_EQ(plan.tls.ca_file, file);
  EXPECT_EQ(plan.tls.ca_path, folder.path());
  EXPECT_EQ(plan.tls.cert_file, file);
  EXPECT_EQ(plan.tls.key_file, file);
  EXPECT_EQ(plan.tls.min_version, TlsVersion::Tls1_2);
  EXPECT_FALSE(plan.tls.legacy);
  ASSERT_TRUE(plan.tls.expiry);
  EXPECT_EQ(plan.tls.expiry->warning_days, 21);
  EXPECT_EQ(plan.tls.expiry->critical_days, 7);
  ASSERT_TRUE(plan.dialogue.auth);
  EXPECT_EQ(plan.dialogue.auth->mechanism, Mechanism::Auto);
  EXPECT_EQ(plan.dialogue.auth->credentials.username, "u");
  EXPECT_EQ(plan.dialogue.auth->credentials.password, "hunter2");
  EXPECT_EQ(plan.dialogue.auth->credentials.token, "hunter2");
  EXPECT_FALSE(plan.dialogue.auth->without_verified_tls);
  EXPECT_EQ(plan.dialogue.from, "probe@example.net");
  EXPECT_EQ(plan.dialogue.to, std::vector<std::string>{"postmaster@example.net"});
  EXPECT_FALSE(plan.message) << "until rcpt sends nothing";
  ASSERT_EQ(plan.dialogue.expect[Step::Rcpt].size(), 2U);
  EXPECT_EQ(plan.dialogue.expect[Step::Rcpt][1].text(), "5.7.1");
  EXPECT_EQ(plan.require_extensions, std::vector<std::string>{"STARTTLS"});
  EXPECT_TRUE(plan.forbid_extensions.empty());
  EXPECT_EQ(plan.total.warning->text(), "2");
  EXPECT_EQ(plan.total.critical->text(), "5");
  EXPECT_EQ(plan.step[Step::Rcpt].warning->text(), "1");
  EXPECT_FALSE(plan.step[Step::Rcpt].critical);
  EXPECT_EQ(plan.dialogue.greylisting, State::Warning);
}

TEST(Config, LoadsAFileAndSaysWhenItCannot) {
  const TestFolder folder;
  const Result<Config> config =
      load_config(folder.write("probe.yml", "modules: {a: {protocol: lmtp}}\n"));
  ASSERT_TRUE(config) << config.error().text;
  EXPECT_EQ(built_in(*config, "a").plan.dialogue.protocol, Protocol::Lmtp);
  const std::string bad = folder.write("bad.yml", "modules: {a: {timeout: 10}}\n");
  EXPECT_EQ(load_config(bad).error().text.find(bad + ":1: modules.a.timeout: got \"10\""), 0U);
  EXPECT_EQ(load_config(folder.path() + "/none").error().text,
            folder.path() + "/none: No such file or directory");
  EXPECT_NE(load_config(folder.path()).error().text.find("is a directory"), std::string::npos);
  const std::string at_limit = folder.write("limit", "#" + std::string(kMaxConfigBytes - 1, 'x'));
  EXPECT_TRUE(load_config(at_limit));
  const std::string over = folder.write("over", "#" + std::string(kMaxConfigBytes, 'x'));
  EXPECT_NE(load_config(over).error().text.find("over 1048576 bytes"), std::string::npos);
}

TEST(Config, NothingInItMeansTheBuiltInModules) {
  for (const char* text : {"", "# only a comment\n", "---\n", "{}\n", "modules: {}\n"}) {
    const Config config = good(text);
    EXPECT_EQ(config.modules.size(), 5U) << text;
    EXPECT_TRUE(config.allowed_targets.empty());
    EXPECT_EQ(config.max_probes_per_host, 1);
  }
}

TEST(Config, TheBuiltInModules) {
  struct Row {
    const char* name;
    Protocol protocol;
    TlsMode tls;
    int port;
  };
  const Config config = built_in_config();
  for (const Row& row : {Row{"smtp", Protocol::Smtp, TlsMode::Opportunistic, 25},
                         Row{"smtp_starttls", Protocol::Smtp, TlsMode::Starttls, 25},
                         Row{"submission", Protocol::Smtp, TlsMode::Starttls, 587},
                         Row{"submissions", Protocol::Smtp, TlsMode::Implicit, 465},
                         Row{"lmtp", Protocol::Lmtp, TlsMode::Opportunistic, 24}}) {
    SCOPED_TRACE(row.name);
    const auto found = config.modules.find(row.name);
    ASSERT_NE(found, config.modules.end());
    EXPECT_EQ(found->second.name, row.name);
    const ProbePlan& plan = found->second.plan;
    EXPECT_EQ(plan.dialogue.protocol, row.protocol);
    EXPECT_EQ(plan.dialogue.tls, row.tls);
    EXPECT_EQ(plan.dialogue.until, Step::Ehlo);
    EXPECT_EQ(plan.port, row.port);
    EXPECT_FALSE(found->second.timeout);
    const Result<ProbePlan> aimed = plan_for(found->second, target("mx.example.net"));
    ASSERT_TRUE(aimed) << aimed.error().text;
    EXPECT_EQ(aimed->port, row.port);
  }
}

TEST(Config, UntilIsAsDeepAsTheModuleNeeds) {
  EXPECT_EQ(only_module("{}").plan.dialogue.until, Step::Ehlo);
  EXPECT_EQ(only_module("{}").plan.dialogue.tls, TlsMode::Opportunistic);
  EXPECT_EQ(only_module("{tls: {verify: report}}").plan.dialogue.tls, TlsMode::Opportunistic);
  // What is demanded of TLS is not met by none, unless the module says that it may be.
  for (const std::string demand :
       {"verify: warn", "verify: require", "min_version: TLS1.3", "expiry: {warning: 21d}"}) {
    EXPECT_EQ(only_module("{tls: {" + demand + "}}").plan.dialogue.tls, TlsMode::Starttls);
    EXPECT_EQ(only_module("{tls: {mode: opportunistic, " + demand + "}}").plan.dialogue.tls,
              TlsMode::Opportunistic);
  }
  EXPECT_TRUE(only_module("{tls: {legacy: true}}").plan.tls.legacy);
  EXPECT_EQ(only_module("{tls: {legacy: true}}").plan.dialogue.tls, TlsMode::Opportunistic);
  EXPECT_EQ(only_module("{tls: {mode: starttls}}").plan.dialogue.until, Step::EhloTls);
  EXPECT_EQ(only_module("{mail: {from: ''}}").plan.dialogue.until, Step::Mail);
  EXPECT_EQ(only_module("{mail: {from: ''}}").plan.dialogue.from, "");
  EXPECT_EQ(only_module("{mail: {from: a@b.example, to: c@d.example}}").plan.dialogue.until,
            Step::Rcpt);
  const Module sends = only_module(
      "{mail: {from: a@b.example, to: [c@d.example]}, message: {subject: s, headers: {X-A: '1', "
      "X-B: b}}}");
  EXPECT_EQ(sends.plan.dialogue.until, Step::Message);
  ASSERT_TRUE(sends.plan.message);
  EXPECT_EQ(sends.plan.message->subject, "s");
  ASSERT_EQ(sends.plan.message->headers.size(), 2U);
  EXPECT_EQ(sends.plan.message->headers[1].first, "X-B");
  EXPECT_EQ(sends.plan.message->headers[1].second, "b");
}

TEST(Config, ReadsValuesInTheirForms) {
  const Module module = only_module(
      "{timeout: 1500ms, ip_protocol: prefer_ipv6, proxy_protocol: v2, greylisting: critical,\n"
      "   tls: {mode: off}, expect: {quit: '221', ehlo: [250, 5xx]}, require_extensions: [size, "
      "8BitMime],\n"
      "   thresholds: {connect: {warning: 0.5, critical: '@1:2'}}}");
  const ProbePlan& plan = module.plan;
  EXPECT_EQ(module.timeout, Duration(milliseconds(1500)));
  EXPECT_EQ(plan.ip, IpChoice::PreferIpv6);
  EXPECT_EQ(plan.proxy, ProxyHeader::V2);
  EXPECT_EQ(plan.dialogue.greylisting, State::Critical);
  EXPECT_EQ(plan.dialogue.tls, TlsMode::Off);
  EXPECT_EQ(plan.dialogue.expect[Step::Quit][0].text(), "221");
  EXPECT_EQ(plan.dialogue.expect[Step::Ehlo].size(), 2U);
  EXPECT_EQ(plan.require_extensions, (std::vector<std::string>{"SIZE", "8BITMIME"}));
  EXPECT_TRUE(plan.step[Step::Connect].warning->alerts(0.6));
  EXPECT_TRUE(plan.step[Step::Connect].critical->alerts(1.5));
  EXPECT_EQ(good("max_probes_per_host: 0\n").max_probes_per_host, 0);
}

TEST(Config, Durations) {
  EXPECT_EQ(*parse_duration("500ms"), Duration(milliseconds(500)));
  EXPECT_EQ(*parse_duration("10s"), Duration(seconds(10)));
  EXPECT_EQ(*parse_duration("1m"), Duration(minutes(1)));
  EXPECT_EQ(*parse_duration("2h"), Duration(hours(2)));
  EXPECT_EQ(*parse_duration("21d"), Duration(hours(21 * 24)));
  EXPECT_EQ(*parse_duration("36500d"), Duration(hours(36'500 * 24)));
  for (const char* text : {"", "10", "s", "1.5s", "-1s", "+1s", "1 s", "1s ", "1S", "1w", "1m30s",
                           "36501d", "99999999999999999999s", "ms", "0x1s"})
    EXPECT_FALSE(parse_duration(text)) << text;
}

TEST(Config, AnchorsAndSeveralDocumentsAreFine) {
  const Config config = good(
      "modules:\n  a: {tls: &t {mode: starttls, verify: require}}\n  b: {tls: *t, protocol: lmtp}\n"
      "---\nmax_probes_per_host: 3\nmodules:\n  c: {tls: {mode: implicit}}\n");
  EXPECT_EQ(config.modules.size(), 8U);
  EXPECT_EQ(built_in(config, "b").plan.tls.verify, TlsVerify::Require);
  EXPECT_EQ(built_in(config, "c").plan.port, 465);
  EXPECT_EQ(config.max_probes_per_host, 3);
}

TEST(PlanFor, TheTargetsPortAndSchemeWin) {
  const Config config = built_in_config();
  const Module& smtp = built_in(config, "smtp");
  EXPECT_EQ(plan_for(smtp, target("h.example:2525"))->port, 2525);
  EXPECT_EQ(plan_for(smtp, target("submission://h.example"))->port, 587);
  EXPECT_EQ(plan_for(smtp, target("submission://h.example"))->dialogue.tls, TlsMode::Opportunistic);
  for (const char* name : {"smtp", "smtp_starttls", "submission", "submissions"}) {
    for (const char* url : {"smtps://h.example", "submissions://h.example"}) {
      const Result<ProbePlan> plan = plan_for(built_in(config, name), target(url));
      ASSERT_TRUE(plan) << plan.error().text;
      EXPECT_EQ(plan->dialogue.tls, TlsMode::Implicit);
      EXPECT_EQ(plan->port, 465);
      EXPECT_EQ(plan->target.host, "h.example");
    }
  }
  EXPECT_EQ(plan_for(smtp, target("smtps://h.example:4650"))->port, 4650);
  const Module deep = only_module("{tls: {mode: starttls}, until: ehlo_tls}");
  EXPECT_EQ(plan_for(deep, target("h.example"))->dialogue.until, Step::EhloTls);
  EXPECT_EQ(plan_for(deep, target("smtps://h.example"))->dialogue.until, Step::Ehlo);
  const Module shallow = only_module("{tls: {mode: opportunistic}, until: starttls}");
  EXPECT_EQ(plan_for(shallow, target("smtps://h.example"))->dialogue.until, Step::Banner);
  const Module expects = only_module("{tls: {mode: starttls}, expect: {starttls: '220'}}");
  EXPECT_NE(fault_of(expects, "smtps://h.example").find("expect starttls"), std::string::npos);
}

TEST(PlanFor, LmtpIsTheTargetsOrTheModules) {
  const Config config = built_in_config();
  const Module& smtp = built_in(config, "smtp");
  const Module& lmtp = built_in(config, "lmtp");
  EXPECT_EQ(plan_for(smtp, target("lmtp://h.example"))->dialogue.protocol, Protocol::Lmtp);
  EXPECT_EQ(plan_for(smtp, target("lmtp://h.example"))->port, 24);
  EXPECT_EQ(plan_for(smtp, target("unix:/run/lmtp"))->dialogue.protocol, Protocol::Lmtp);
  EXPECT_EQ(plan_for(lmtp, target("unix:/run/lmtp"))->target.unix_path, "/run/lmtp");
  EXPECT_EQ(plan_for(lmtp, target("h.example"))->port, 24);
  for (const char* url : {"smtp://h.example", "smtp://h.example:24", "smtps://h.example",
                          "submission://h.example", "submissions://h.example"})
    EXPECT_NE(fault_of(lmtp, url).find("module lmtp speaks LMTP"), std::string::npos) << url;
  EXPECT_NE(fault_of(lmtp, "h.example:25").find("port 25"), std::string::npos);
  EXPECT_NE(fault_of(built_in(config, "submissions"), "unix:/run/lmtp").find("unix socket"),
            std::string::npos);
}

TEST(PlanFor, CredentialsGoOnlyWhereTheyMay) {
  const TestFolder folder;
  const std::string secret = folder.write("secret", "pencil");
  const Config config = good(
      "modules:\n  submission:\n    tls: {mode: starttls}\n    auth: {username: u, "
      "password_file: " +
      secret +
      ",\n      targets: [Mail.Example.net, 'other.example:2525', '[2001:DB8::1]:587', "
      "dot.example., "
      "'unix:/run/Lmtp']}\n");
  const Module& module = built_in(config, "submission");
  EXPECT_EQ(module.plan.dialogue.until, Step::Auth);
  for (const char* text : {"mail.example.net", "MAIL.example.NET:587", "other.example:2525",
                           "submission://mail.example.net", "[2001:db8::1]", "unix:/run/Lmtp",
                           "mail.example.net.", "Mail.Example.NET.:587", "dot.example",
                           "DOT.example.:587", "submission://other.example.:2525"}) {
    const Result<ProbePlan> plan = plan_for(module, target(text));
    ASSERT_TRUE(plan) << plan.error().text;
    EXPECT_TRUE(may_have_credentials(module, target(text))) << text;
    EXPECT_EQ(plan->dialogue.auth->credentials.password, "pencil");
    EXPECT_EQ(plan->dialogue.auth->credentials.host, normal_host(plan->target.host));
    EXPECT_EQ(plan->dialogue.auth->credentials.port, plan->port);
  }
  for (const char* text :
       {"mail.example.net:25", "smtp://mail.example.net", "smtps://mail.example.net",
        "other.example", "evil.example", "mail.example.net.evil.example", "xmail.example.net",
        "unix:/run/lmtp", "[2001:db8::2]", "mail.example.net.:25", "mail.example"}) {
    EXPECT_FALSE(may_have_credentials(module, target(text))) << text;
    const std::string fault = fault_of(module, text);
    EXPECT_NE(fault.find("not in the auth.targets of module submission"), std::string::npos)
        << text;
    EXPECT_EQ(fault.find("pencil"), std::string::npos);
  }
  EXPECT_FALSE(may_have_credentials(built_in(config, "smtp"), target("mail.example.net")));
}

}  // namespace
}  // namespace smtpprobe
