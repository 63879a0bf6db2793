#include "common/config/module_reader.h"

#include <array>
#include <chrono>

#include "common/config/config_values.h"
#include "common/smtp/address.h"
#include "common/smtp/greylisting.h"
#include "common/smtp/quoted_value.h"

namespace smtpprobe {
namespace {

// The steps of the configuration: those of a probe that a reply belongs to, in their order.
constexpr std::array kReplySteps = {Step::Banner,  Step::Ehlo, Step::Starttls,
                                    Step::EhloTls, Step::Auth, Step::Mail,
                                    Step::Rcpt,    Step::Data, Step::Message};

void read_tls(Section& module, ProbePlan& plan) {
  const YamlEntry* entry = module.map("tls");
  if (!entry) return;
  Section section(module.faults(), entry->value, module.path("tls"), entry->line);
  TlsPlan& tls = plan.tls;
  const bool said = section.choose<TlsMode>("mode", plan.dialogue.tls,
                                            {{"off", TlsMode::Off},
                                             {"opportunistic", TlsMode::Opportunistic},
                                             {"starttls", TlsMode::Starttls},
                                             {"implicit", TlsMode::Implicit}});
  TlsVerify verify{};
  if (section.choose<TlsVerify>("verify", verify,
                                {{"off", TlsVerify::Off},
                                 {"report", TlsVerify::Report},
                                 {"warn", TlsVerify::Warn},
                                 {"require", TlsVerify::Require}}))
    tls.verify = verify;
  section.read("server_name", tls.server_name, parse_host_name);
  section.read("ca_file", tls.ca_file, readable_file);
  section.read("ca_path", tls.ca_path, readable_folder);
  section.read("cert_file", tls.cert_file, readable_file);
  section.read("key_file", tls.key_file, readable_file);
  TlsVersion version{};
  const auto parse_version = [](std::string_view text) -> Result<TlsVersion> {
    if (const auto known = tls_version_from_name(text)) return *known;
    return error(
        fmt::format("got {}, wanted TLS1.0, TLS1.1, TLS1.2 or TLS1.3", rejected_value(text)));
  };
  if (section.read("min_version", version, parse_version)) tls.min_version = version;
  section.choose<bool>("legacy", tls.legacy, {{"true", true}, {"false", false}});
  if (const YamlEntry* expiry = section.map("expiry")) {
    Section limits(section.faults(), expiry->value, section.path("expiry"), expiry->line);
    Duration warning{};
    Duration critical{};
    const bool warns = limits.read("warning", warning, parse_duration);
    const bool criticals = limits.read("critical", critical, parse_duration);
    if (!warns && !criticals && expiry->value.entries.empty())
      limits.fault("wanted warning, critical or both");
    if (warns && criticals && critical > warning) limits.fault("critical is above warning");
    using Days = std::chrono::duration<double, std::ratio<86'400>>;
    tls.expiry = ExpiryThresholds{.warning_days = Days(warning).count(),
                                  .critical_days = Days(critical).count()};
    limits.finish();
  }
  // What is demanded of TLS is not met by a server that hides STARTTLS.
  const bool demands = tls.expiry || tls.min_version || tls.verify == TlsVerify::Require ||
                       tls.verify == TlsVerify::Warn;
  if (!said && demands) plan.dialogue.tls = TlsMode::Starttls;
  section.finish();
}

Result<Mechanism> parse_mechanism(std::string_view text) {
  if (const auto known = mechanism_from_name(text)) return *known;
  return error(fmt::format(
      "got {}, wanted auto, PLAIN, LOGIN, CRAM-MD5, SCRAM-SHA-1, SCRAM-SHA-256, XOAUTH2 or "
      "OAUTHBEARER",
      is_like_mechanism(text) ? rejected_value(text) : described_value(text)));
}

// Which of the two secrets stands there must be what the mechanism sends. Only `auto` may have
// both, and takes what the server offers.
void check_secrets(Section& section, Mechanism mechanism, bool has_password, bool has_token) {
  if (mechanism == Mechanism::Auto && (has_password || has_token)) return;
  if (has_password && has_token)
    section.fault("password_file and token_file exclude each other");
  else if (!has_password && !has_token)
    section.fault("wanted password_file or token_file");
  else if (needs_token(mechanism) && has_password)
    section.fault(fmt::format("{} wants token_file", mechanism_name(mechanism)));
  else if (!needs_token(mechanism) && has_token)
    section.fault(fmt::format("{} wants password_file", mechanism_name(mechanism)));
}

void read_auth(Section& outer, Module& module) {
  const YamlEntry* entry = outer.map("auth");
  if (!entry) return;
  Section section(outer.faults(), entry->value, outer.path("auth"), entry->line);
  section.hide_unknown_keys();
  AuthPlan auth;
  section.read("mechanism", auth.mechanism, parse_mechanism);
  const YamlEntry* name = section.find("username");
  if (name) section.read("username", auth.credentials.username, parse_words);
  const YamlEntry* password = section.find("password_file");
  if (password) section.read("password_file", auth.credentials.password, read_secret_file);
  const YamlEntry* token = section.find("token_file");
  if (token) section.read("token_file", auth.credentials.token, read_secret_file);
  for (const YamlEntry* secret : {password, token})
    if (secret) module.secret_files.push_back(secret->value.text);
  const YamlEntry* targets = section.find("targets");
  if (targets) section.read_list("targets", module.auth_targets, false, parse_auth_target);
  // RFC 7628 s3.1: OAUTHBEARER's token names the user where nothing else does.
  if (!name && auth.mechanism != Mechanism::Oauthbearer) section.fault("wanted a username");
  check_secrets(section, auth.mechanism, password != nullptr, token != nullptr);
  const bool lists_nothing =
      targets && targets->value.kind == YamlNode::Kind::List && targets->value.items.empty();
  if (!targets || lists_nothing)
    section.fault("wanted targets: the host:port that the credentials may go to");
  module.plan.dialogue.auth = std::move(auth);
  section.finish();
}

void read_mail(Section& module, DialoguePlan& dialogue) {
  const YamlEntry* entry = module.map("mail");
  if (!entry) return;
  Section section(module.faults(), entry->value, module.path("mail"), entry->line);
  std::string from;
  const auto parse_from = [](std::string_view text) -> Result<std::string> {
    return text.empty() ? std::string() : parse_address(text);
  };
  if (section.read("from", from, parse_from)) dialogue.from = std::move(from);
  section.read_list("to", dialogue.to, true, parse_address);
  section.finish();
}

void read_message(Section& module, Module& made) {
  const YamlEntry* entry = module.map("message");
  if (!entry) return;
  const std::size_t faults_before = module.faults().count();
  Section section(module.faults(), entry->value, module.path("message"), entry->line);
  const auto as_it_is = [](std::string_view text) -> Result<std::string> {
    return std::string(text);
  };
  MessagePlan message;
  section.read("subject", message.subject, as_it_is);
  if (const YamlEntry* headers = section.map("headers")) {
    Section list(section.faults(), headers->value, section.path("headers"), headers->line);
    for (const YamlEntry& header : headers->value.entries) {
      std::string value;
      if (list.read(header.key, value, as_it_is))
        message.headers.emplace_back(header.key, std::move(value));
    }
  }
  if (section.read("body_file", message.body, read_body))
    made.body_file = section.find("body_file")->value.text;
  section.finish();
  if (module.faults().count() == faults_before) {
    if (const Result<void> good = check_message(message); !good) section.fault(good.error().text);
  }
  made.plan.message = std::move(message);
}

Result<std::string> parse_dns_server_key(std::string_view text) {
  if (auto server = parse_dns_server(text)) return *std::move(server);
  return error(fmt::format("got {}, wanted {}", rejected_value(text), kDnsServerWanted));
}

Result<Duration> parse_dns_timeout(std::string_view text) {
  Result<Duration> timeout = parse_duration(text);
  if (timeout && *timeout >= kShortestDnsTimeout && *timeout <= kLongestDnsTimeout) return timeout;
  return error(fmt::format("got {}, wanted a duration from 10ms to 60s", rejected_value(text)));
}

Result<int> parse_dns_tries(std::string_view text) {
  Result<int> tries = parse_count(text);
  if (tries && *tries >= 1 && *tries <= kMostDnsTries) return tries;
  return error(fmt::format("got {}, wanted a whole number from 1 to {}", rejected_value(text),
                           kMostDnsTries));
}

void read_expect(Section& module, DialoguePlan& dialogue) {
  const YamlEntry* entry = module.map("expect");
  if (!entry) return;
  Section section(module.faults(), entry->value, module.path("expect"), entry->line);
  const auto read_step = [&section, &dialogue](Step step) {
    std::vector<ReplyPattern>& patterns = dialogue.expect[step];
    if (section.read_list(step_name(step), patterns, true, ReplyPattern::parse) && patterns.empty())
      section.faults().add(section.line(), section.path(step_name(step)),
                           "got an empty list, wanted patterns such as 250, 5xx or 5.7.1");
  };
  for (const Step step : kReplySteps) read_step(step);
  read_step(Step::Quit);
  section.finish();
}

void read_limits(Section& outer, std::string_view key, Thresholds& limits) {
  const YamlEntry* entry = outer.map(key);
  if (!entry) return;
  Section section(outer.faults(), entry->value, outer.path(key), entry->line);
  const auto read_range = [&section](std::string_view name, std::optional<Range>& range) {
    Range parsed;
    if (section.read(name, parsed, Range::parse)) range = std::move(parsed);
  };
  read_range("warning", limits.warning);
  read_range("critical", limits.critical);
  section.finish();
  if (entry->value.entries.empty()) section.fault("wanted warning, critical or both");
}

void read_thresholds(Section& module, ProbePlan& plan) {
  const YamlEntry* entry = module.map("thresholds");
  if (!entry) return;
  Section section(module.faults(), entry->value, module.path("thresholds"), entry->line);
  read_limits(section, "total", plan.total);
  for (const Step step : kSteps) {
    if (step != Step::Command) read_limits(section, step_name(step), plan.step[step]);
  }
  section.finish();
}

void read_extensions(Section& module, ProbePlan& plan) {
  module.read_list("require_extensions", plan.require_extensions, false, parse_extension_name);
  module.read_list("forbid_extensions", plan.forbid_extensions, false, parse_extension_name);
}

void read_dns(Section& outer, DnsSettings& dns) {
  const YamlEntry* entry = outer.map("dns");
  if (!entry) return;
  Section section(outer.faults(), entry->value, outer.path("dns"), entry->line);
  section.read_list("servers", dns.servers, true, parse_dns_server_key);
  if (dns.servers.size() > kMostDnsServers)
    section.fault(fmt::format("wanted at most {} servers", kMostDnsServers));
  Duration timeout{};
  if (section.read("timeout", timeout, parse_dns_timeout)) dns.timeout = timeout;
  int tries{};
  if (section.read("tries", tries, parse_dns_tries)) dns.tries = tries;
  section.finish();
}

void read_network(Section& section, ProbePlan& plan) {
  section.choose<IpChoice>("ip_protocol", plan.ip,
                           {{"any", IpChoice::Any},
                            {"ipv4", IpChoice::Ipv4},
                            {"ipv6", IpChoice::Ipv6},
                            {"prefer_ipv4", IpChoice::PreferIpv4},
                            {"prefer_ipv6", IpChoice::PreferIpv6}});
  read_dns(section, plan.dns);
  section.read("source_address", plan.source_address, parse_ip_literal);
  section.choose<ProxyHeader>(
      "proxy_protocol", plan.proxy,
      {{"v1", ProxyHeader::V1}, {"v2", ProxyHeader::V2}, {"local", ProxyHeader::Local}});
}

Result<Step> parse_until(std::string_view text) {
  const std::optional<Step> step = step_from_name(text);
  std::string wanted;
  for (const Step known : kReplySteps) {
    if (step == known) return known;
    wanted += wanted.empty() ? "" : ", ";
    wanted += step_name(known);
  }
  return error(fmt::format("got {}, wanted one of {}", rejected_value(text), wanted));
}

Result<Duration> parse_timeout(std::string_view text) {
  Result<Duration> timeout = parse_duration(text);
  if (timeout && *timeout == Duration::zero())
    return error(fmt::format("got \"{}\", wanted a time above 0", text));
  return timeout;
}

}  // namespace

int module_port(const Module& module) {
  const int port = default_port(module.plan);
  return module.name == "submission" && port == kSmtpPort ? kSubmissionPort : port;
}

Module read_module(Faults& faults, const YamlEntry& entry) {
  Module module;
  module.name = entry.key;
  ProbePlan& plan = module.plan;
  plan.dialogue.tls = TlsMode::Opportunistic;
  const std::size_t faults_before = faults.count();
  Section section(faults, entry.value, "modules." + shown_key(entry.key), entry.line);
  if (!is_module_name(entry.key))
    section.fault("wanted a name of letters, digits, '_', '-' and '.', at most 64");
  section.choose<Protocol>("protocol", plan.dialogue.protocol,
                           {{"smtp", Protocol::Smtp}, {"lmtp", Protocol::Lmtp}});
  Duration timeout{};
  if (section.read("timeout", timeout, parse_timeout)) module.timeout = timeout;
  section.read("helo", plan.dialogue.helo_name, parse_helo_name);
  Step until{};
  const bool has_until = section.read("until", until, parse_until);
  read_network(section, plan);
  read_tls(section, plan);
  read_auth(section, module);
  read_mail(section, plan.dialogue);
  read_message(section, module);
  read_expect(section, plan.dialogue);
  read_extensions(section, plan);
  read_thresholds(section, plan);
  section.choose<State>(
      "greylisting", plan.dialogue.greylisting,
      {{"ok", State::Ok}, {"warning", State::Warning}, {"critical", State::Critical}});
  section.read_list("greylisting_pattern", plan.dialogue.greylisting_patterns, true,
                    parse_greylisting_pattern);
  section.finish();
  plan.dialogue.until = has_until ? until : default_until(plan);
  // As with addresses, one keeps the message and varies the depth.
  if (plan.dialogue.until != Step::Message) {
    plan.message.reset();
    module.body_file.clear();
  }
  plan.port = module_port(module);
  if (faults.count() == faults_before) {
    if (const Result<void> good = check_plan(plan); !good) section.fault(good.error().text);
  }
  return module;
}

}  // namespace smtpprobe
