#include "common/config/config_writer.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <vector>

namespace smtpprobe {
namespace {

std::string_view word_of(Protocol protocol) {
  switch (protocol) {
    case Protocol::Smtp:
      return "smtp";
    case Protocol::Lmtp:
      return "lmtp";
  }
  return "";
}

std::string_view word_of(TlsMode mode) {
  switch (mode) {
    case TlsMode::Off:
      return "off";
    case TlsMode::Opportunistic:
      return "opportunistic";
    case TlsMode::Starttls:
      return "starttls";
    case TlsMode::Implicit:
      return "implicit";
  }
  return "";
}

std::string_view word_of(IpChoice ip) {
  switch (ip) {
    case IpChoice::Any:
      return "any";
    case IpChoice::Ipv4:
      return "ipv4";
    case IpChoice::Ipv6:
      return "ipv6";
    case IpChoice::PreferIpv4:
      return "prefer_ipv4";
    case IpChoice::PreferIpv6:
      return "prefer_ipv6";
  }
  return "";
}

// None has no word: the key is absent then.
std::string_view word_of(ProxyHeader proxy) {
  switch (proxy) {
    case ProxyHeader::None:
      return "";
    case ProxyHeader::V1:
      return "v1";
    case ProxyHeader::V2:
      return "v2";
    case ProxyHeader::Local:
      return "local";
  }
  return "";
}

// A greylisting answer is never UNKNOWN.
std::string_view word_of(State state) {
  switch (state) {
    case State::Ok:
      return "ok";
    case State::Warning:
      return "warning";
    case State::Critical:
    case State::Unknown:
      return "critical";
  }
  return "";
}

// Words of ours stand as they are, what a user chose in quotes: "yes", "~" and "2" stay texts.
class Writer {
 public:
  void begin(std::string_view key) {
    this->key(key);
    out_ << YAML::Value << YAML::BeginMap;
  }
  void begin() { out_ << YAML::BeginMap; }
  void end() { out_ << YAML::EndMap; }

  // Absent when empty.
  void word(std::string_view name, std::string_view value) {
    if (value.empty()) return;
    key(name);
    out_ << YAML::Value << std::string(value);
  }
  void text(std::string_view name, std::string_view value) {
    if (!value.empty()) text_even_empty(name, value);
  }
  void text_even_empty(std::string_view name, std::string_view value) {
    key(name);
    out_ << YAML::Value << YAML::DoubleQuoted << std::string(value);
  }
  void list(std::string_view name, const std::vector<std::string>& values) {
    if (values.empty()) return;
    key(name);
    out_ << YAML::Value << YAML::Flow << YAML::BeginSeq;
    for (const std::string& value : values) out_ << YAML::DoubleQuoted << value;
    out_ << YAML::EndSeq;
  }

  std::string take() const { return std::string(out_.c_str(), out_.size()) + '\n'; }

 private:
  void key(std::string_view name) { out_ << YAML::Key << std::string(name); }

  YAML::Emitter out_;
};

std::string days_text(double days) {
  using Days = std::chrono::duration<double, std::chrono::days::period>;
  return duration_text(std::chrono::round<std::chrono::milliseconds>(Days(days)));
}

// 0 is what an absent limit becomes, and a critical one above it would not be read again.
void write_expiry(Writer& out, const ExpiryThresholds& expiry) {
  out.begin("expiry");
  if (expiry.warning_days != 0 || expiry.critical_days == 0)
    out.word("warning", days_text(expiry.warning_days));
  if (expiry.critical_days != 0) out.word("critical", days_text(expiry.critical_days));
  out.end();
}

void write_tls(Writer& out, const ProbePlan& plan) {
  const TlsPlan& tls = plan.tls;
  out.begin("tls");
  out.word("mode", word_of(plan.dialogue.tls));
  if (tls.verify) out.word("verify", tls_verify_name(*tls.verify));
  out.text("server_name", tls.server_name);
  out.text("ca_file", tls.ca_file);
  out.text("ca_path", tls.ca_path);
  out.text("cert_file", tls.cert_file);
  out.text("key_file", tls.key_file);
  if (tls.min_version) out.word("min_version", tls_version_name(*tls.min_version));
  if (tls.legacy) out.word("legacy", "true");
  if (tls.expiry) write_expiry(out, *tls.expiry);
  out.end();
}

void write_dns(Writer& out, const DnsSettings& dns) {
  if (dns == DnsSettings{}) return;
  out.begin("dns");
  out.list("servers", dns.servers);
  if (dns.timeout) out.word("timeout", duration_text(*dns.timeout));
  if (dns.tries) out.word("tries", std::to_string(*dns.tries));
  out.end();
}

void write_auth(Writer& out, const Module& module) {
  if (!module.plan.dialogue.auth) return;
  const AuthPlan& auth = *module.plan.dialogue.auth;
  out.begin("auth");
  out.word("mechanism", mechanism_name(auth.mechanism));
  out.text("username", auth.credentials.username);
  if (!auth.credentials.password.empty()) out.text("password_file", kHiddenSecret);
  if (!auth.credentials.token.empty()) out.text("token_file", kHiddenSecret);
  out.list("targets", module.auth_targets);
  out.end();
}

void write_mail(Writer& out, const DialoguePlan& dialogue) {
  if (!dialogue.from && dialogue.to.empty()) return;
  out.begin("mail");
  if (dialogue.from) out.text_even_empty("from", *dialogue.from);
  out.list("to", dialogue.to);
  out.end();
}

void write_message(Writer& out, const Module& module) {
  if (!module.plan.message) return;
  out.begin("message");
  out.text("subject", module.plan.message->subject);
  if (!module.plan.message->headers.empty()) {
    out.begin("headers");
    for (const auto& [name, value] : module.plan.message->headers) out.text_even_empty(name, value);
    out.end();
  }
  out.text("body_file", module.body_file);
  out.end();
}

void write_expect(Writer& out, const DialoguePlan& dialogue) {
  const auto idle = [&](Step step) { return dialogue.expect[step].empty(); };
  if (std::all_of(kSteps.begin(), kSteps.end(), idle)) return;
  out.begin("expect");
  for (const Step step : kSteps) {
    std::vector<std::string> patterns;
    for (const ReplyPattern& pattern : dialogue.expect[step]) patterns.push_back(pattern.text());
    out.list(step_name(step), patterns);
  }
  out.end();
}

void write_limits(Writer& out, std::string_view name, const Thresholds& limits) {
  if (!limits.warning && !limits.critical) return;
  out.begin(name);
  if (limits.warning) out.text("warning", limits.warning->text());
  if (limits.critical) out.text("critical", limits.critical->text());
  out.end();
}

void write_thresholds(Writer& out, const ProbePlan& plan) {
  const auto idle = [](const Thresholds& limits) { return !limits.warning && !limits.critical; };
  if (idle(plan.total) &&
      std::all_of(kSteps.begin(), kSteps.end(), [&](Step step) { return idle(plan.step[step]); }))
    return;
  out.begin("thresholds");
  write_limits(out, "total", plan.total);
  for (const Step step : kSteps) write_limits(out, step_name(step), plan.step[step]);
  out.end();
}

void write_module(Writer& out, const Module& module) {
  const ProbePlan& plan = module.plan;
  out.begin(module.name);
  out.word("protocol", word_of(plan.dialogue.protocol));
  if (module.timeout) out.word("timeout", duration_text(*module.timeout));
  out.text("helo", plan.dialogue.helo_name);
  out.word("until", step_name(plan.dialogue.until));
  out.word("ip_protocol", word_of(plan.ip));
  write_dns(out, plan.dns);
  out.text("source_address", plan.source_address);
  out.word("proxy_protocol", word_of(plan.proxy));
  write_tls(out, plan);
  write_auth(out, module);
  write_mail(out, plan.dialogue);
  write_message(out, module);
  write_expect(out, plan.dialogue);
  out.list("require_extensions", plan.require_extensions);
  out.list("forbid_extensions", plan.forbid_extensions);
  write_thresholds(out, plan);
  out.word("greylisting", word_of(plan.dialogue.greylisting));
  std::vector<std::string> patterns;
  patterns.reserve(plan.dialogue.greylisting_patterns.size());
  for (const ReplyRegex& pattern : plan.dialogue.greylisting_patterns)
    patterns.push_back(pattern.pattern());
  out.list("greylisting_pattern", patterns);
  out.end();
}

struct Unit {
  std::string_view name;
  std::chrono::milliseconds length;
};

}  // namespace

std::string config_text(const Config& config) {
  Writer out;
  out.begin();
  out.list("allowed_targets", config.allowed_targets);
  out.word("max_probes_per_host", std::to_string(config.max_probes_per_host));
  out.begin("modules");
  for (const auto& [name, module] : config.modules) write_module(out, module);
  out.end();
  out.end();
  return out.take();
}

std::string module_text(const Module& module) {
  Writer out;
  out.begin();
  write_module(out, module);
  out.end();
  return out.take();
}

// The largest unit that divides it is the shortest.
std::string duration_text(Duration duration) {
  using std::chrono::hours;
  using std::chrono::milliseconds;
  constexpr std::array kUnits = {Unit{"d", hours(24)}, Unit{"h", hours(1)},
                                 Unit{"m", std::chrono::minutes(1)},
                                 Unit{"s", std::chrono::seconds(1)}};
  const auto whole = std::chrono::duration_cast<milliseconds>(duration);
  if (whole <= milliseconds::zero()) return "0s";
  for (const Unit& unit : kUnits) {
    if (whole % unit.length == milliseconds::zero())
      return std::to_string(whole / unit.length).append(unit.name);
  }
  return std::to_string(whole.count()) + "ms";
}

}  // namespace smtpprobe
