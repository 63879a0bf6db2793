#include "common/probe/plan.h"

#include <algorithm>
#include <array>

#include "common/probe/printable.h"
#include "common/smtp/message.h"
#include "common/smtp/sasl.h"

namespace smtpprobe {

namespace {

constexpr std::array<std::string_view, 4> kTlsVersions = {"TLSv1.0", "TLSv1.1", "TLSv1.2",
                                                          "TLSv1.3"};

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

using Text = std::string;

// The checks below give what is wrong, empty when nothing is.

bool speaks_starttls(const DialoguePlan& dialogue) {
  return dialogue.tls == TlsMode::Starttls || dialogue.tls == TlsMode::Opportunistic;
}

// `until` asks for a step that lacks its part.
Text until_lacks(const ProbePlan& plan) {
  const DialoguePlan& dialogue = plan.dialogue;
  const Step until = dialogue.until;
  const Text name(step_name(until));
  if (until < Step::Banner || until == Step::Quit) {
    return "until " + name + ": wanted a step from banner to message";
  }
  if ((until == Step::Starttls || until == Step::EhloTls) && !speaks_starttls(dialogue)) {
    return "until " + name + " needs STARTTLS";
  }
  if (until == Step::Auth && !dialogue.auth) return "until auth needs credentials";
  if (until == Step::Command && dialogue.commands.empty()) return "until command needs a command";
  const bool transaction = until == Step::Rcpt || until == Step::Data || until == Step::Message;
  if ((transaction || until == Step::Mail) && !dialogue.from) {
    return "until " + name + " needs a sender (from)";
  }
  if (transaction && dialogue.to.empty()) return "until " + name + " needs a recipient (to)";
  if (until == Step::Message && !plan.message) return "until message needs a message";
  return {};
}

// `until` stops before something that was asked for, so that it would silently not be checked.
// Addresses may go unused: one keeps them and varies the depth.
Text until_too_early(const ProbePlan& plan) {
  const DialoguePlan& dialogue = plan.dialogue;
  const Step until = dialogue.until;
  const Text name(step_name(until));
  if (dialogue.tls == TlsMode::Starttls && until < Step::Ehlo) {
    return "until " + name + " stops before STARTTLS";
  }
  if (dialogue.auth && until < Step::Auth) return "until " + name + " stops before auth";
  if (!dialogue.commands.empty() && until != Step::Command) {
    return until < Step::Command
               ? "until " + name + " stops before the commands"
               : "until " + name + " and commands exclude each other: commands come last";
  }
  if (plan.message && until != Step::Message) {
    return "until " + name + " stops before the message";
  }
  const bool extensions = !plan.require_extensions.empty() || !plan.forbid_extensions.empty();
  if (extensions && until < Step::Ehlo) return "until " + name + " stops before the extensions";
  return {};
}

// An expectation of a reply that will never be asked for would never fail.
Text idle_expectation(const DialoguePlan& dialogue) {
  const std::vector<Step> steps = planned_steps(dialogue);
  for (const Step step : kSteps) {
    if (dialogue.expect[step].empty()) continue;
    const Text name(step_name(step));
    if (step < Step::Banner) return "expect " + name + ": no reply belongs to that step";
    if (std::find(steps.begin(), steps.end(), step) == steps.end()) {
      return "expect " + name + ": the probe does not go to that step";
    }
  }
  return {};
}

// A message that is never sent would never be refused.
Text unreachable_message(const ProbePlan& plan) {
  if (!plan.message) return {};
  const std::vector<Step> steps = session_path(plan.dialogue);
  if (std::find(steps.begin(), steps.end(), Step::Message) != steps.end()) return {};
  for (auto step = steps.rbegin(); step != steps.rend(); ++step) {
    if (plan.dialogue.expect[*step].empty() || *step == Step::Quit) continue;
    return "expect " + Text(step_name(*step)) + " ends the session before the message; wanted " +
           std::to_string(class_due(*step)) + "xx among the replies, or no message";
  }
  return {};
}

// A limit on a step that is never taken would never be exceeded.
Text idle_threshold(const ProbePlan& plan) {
  const std::vector<Step> steps = planned_steps(plan.dialogue);
  for (const Step step : kSteps) {
    if (!plan.step[step].warning && !plan.step[step].critical) continue;
    if (step == Step::Resolve || step == Step::Connect) continue;
    if (std::find(steps.begin(), steps.end(), step) == steps.end()) {
      return "threshold " + Text(step_name(step)) + ": the probe does not go to that step";
    }
  }
  return {};
}

Text extension_fault(const ProbePlan& plan) {
  for (const Text& name : plan.require_extensions) {
    const auto& forbidden = plan.forbid_extensions;
    if (std::find(forbidden.begin(), forbidden.end(), name) != forbidden.end()) {
      return name + " is both required and forbidden";
    }
  }
  return {};
}

Text auth_fault(const AuthPlan& auth) {
  const Credentials& credentials = auth.credentials;
  const Text mechanism(mechanism_name(auth.mechanism));
  if (auth.mechanism == Mechanism::Auto) {
    if (credentials.password.empty() && credentials.token.empty()) {
      return "auth needs a password or a token";
    }
  } else if (needs_token(auth.mechanism)) {
    if (credentials.token.empty()) return "auth " + mechanism + " needs a token";
  } else if (credentials.password.empty()) {
    return "auth " + mechanism + " needs a password";
  }
  // RFC 7628 s3.1: the token of OAUTHBEARER names the user where nothing else does.
  const bool nameless = auth.mechanism == Mechanism::Oauthbearer;
  if (credentials.username.empty() && !nameless) return "auth needs a user name";
  return {};
}

Text helo_fault(const ProbePlan& plan) {
  const DialoguePlan& dialogue = plan.dialogue;
  if (!dialogue.helo) return {};
  if (dialogue.protocol == Protocol::Lmtp) return "helo and LMTP exclude each other";
  if (dialogue.tls == TlsMode::Starttls) return "helo and STARTTLS exclude each other";
  if (dialogue.auth) return "helo and auth exclude each other";
  if (!plan.require_extensions.empty() || !plan.forbid_extensions.empty()) {
    return "helo shows no extensions to require or forbid";
  }
  return {};
}

Text tls_fault(const ProbePlan& plan) {
  const TlsPlan& tls = plan.tls;
  if (!tls.key_file.empty() && tls.cert_file.empty()) return "a client key needs its certificate";
  if (tls.legacy && tls.min_version.value_or(TlsVersion::Tls1_0) != TlsVersion::Tls1_0) {
    return "legacy TLS and a minimum version of " + Text(tls_version_name(*tls.min_version)) +
           " exclude each other: wanted TLSv1.0, or one of the two";
  }
  if (plan.dialogue.tls != TlsMode::Off) return {};
  if (tls.verify == TlsVerify::Warn || tls.verify == TlsVerify::Require) {
    return "certificate verification needs TLS";
  }
  if (tls.expiry) return "certificate expiry needs TLS";
  if (tls.min_version) return "a minimum TLS version needs TLS";
  if (tls.legacy) return "legacy TLS needs TLS";
  if (!tls.server_name.empty()) return "a name for the certificate needs TLS";
  if (!tls.ca_file.empty() || !tls.ca_path.empty()) return "trusted certificates need TLS";
  if (!tls.cert_file.empty()) return "a client certificate needs TLS";
  return {};
}

Text unix_fault(const ProbePlan& plan) {
  if (plan.dialogue.protocol != Protocol::Lmtp) return "a unix socket is for LMTP only";
  if (plan.dialogue.tls == TlsMode::Implicit) {
    return "a unix socket and implicit TLS exclude each other";
  }
  if (plan.proxy == ProxyHeader::V1 || plan.proxy == ProxyHeader::V2) {
    return "a unix socket has no addresses for a PROXY v1 or v2 header; wanted local";
  }
  if (!plan.source_address.empty()) return "a unix socket takes no source address";
  return {};
}

// Whether the IP literal `address` may be used under `ip`.
bool allows(IpChoice ip, std::string_view address) {
  const bool v6 = address.find(':') != std::string_view::npos;
  return v6 ? ip != IpChoice::Ipv4 : ip != IpChoice::Ipv6;
}

Text address_fault(const ProbePlan& plan) {
  const std::string_view source = plan.source_address;
  const std::string_view host = plan.target.host;
  const bool literal = is_ip_literal(host);
  const Text shown = "\"" + printable_for_nagios(source, 60) + "\"";
  if (!source.empty() && !is_ip_literal(source)) {
    return "source address " + shown + ": wanted an IP address";
  }
  if (!source.empty() && !allows(plan.ip, source)) {
    return "source address " + shown + " is not of the chosen IP version";
  }
  if (literal && !allows(plan.ip, host)) {
    return "target \"" + Text(host) + "\" is not of the chosen IP version";
  }
  const auto is_v6 = [](std::string_view text) { return text.find(':') != std::string_view::npos; };
  if (literal && !source.empty() && is_v6(source) != is_v6(host)) {
    return "source address " + shown + " and target \"" + Text(host) +
           "\" are of different IP versions";
  }
  return {};
}

Text place_fault(const ProbePlan& plan) {
  if (plan.timeout <= Duration::zero()) return "wanted a timeout above 0";
  if (!plan.target.unix_path.empty()) return unix_fault(plan);
  if (plan.port < 1 || plan.port > 65535) {
    return "port " + std::to_string(plan.port) + ": wanted 1 to 65535";
  }
  // RFC 2033 s5: LMTP MUST NOT be used on TCP port 25.
  if (plan.dialogue.protocol == Protocol::Lmtp && plan.port == kSmtpPort) {
    return "port 25 is never LMTP (RFC 2033 s5)";
  }
  return address_fault(plan);
}

}  // namespace

std::string_view tls_verify_name(TlsVerify verify) {
  switch (verify) {
    case TlsVerify::Off:
      return "off";
    case TlsVerify::Report:
      return "report";
    case TlsVerify::Warn:
      return "warn";
    case TlsVerify::Require:
      return "require";
  }
  return "";
}

std::string_view tls_version_name(TlsVersion version) {
  return kTlsVersions[static_cast<std::size_t>(version)];
}

std::optional<TlsVersion> tls_version_from_name(std::string_view name) {
  constexpr std::string_view kPrefix = "tlsv";
  std::size_t common = 0;
  while (common < name.size() && common < kPrefix.size() &&
         lower(name[common]) == kPrefix[common]) {
    ++common;
  }
  if (common != 0 && common < 3) return std::nullopt;
  const std::string_view number = name.substr(common);
  if (number == "1" && common != 0) return TlsVersion::Tls1_0;  // as OpenSSL writes it: TLSv1
  for (std::size_t i = 0; i < kTlsVersions.size(); ++i) {
    if (number == kTlsVersions[i].substr(kPrefix.size())) return static_cast<TlsVersion>(i);
  }
  return std::nullopt;
}

Step default_until(const ProbePlan& plan) {
  const DialoguePlan& dialogue = plan.dialogue;
  if (plan.message) return Step::Message;
  if (!dialogue.commands.empty()) return Step::Command;
  if (!dialogue.to.empty()) return Step::Rcpt;
  if (dialogue.from) return Step::Mail;
  if (dialogue.auth) return Step::Auth;
  return dialogue.tls == TlsMode::Starttls ? Step::EhloTls : Step::Ehlo;
}

int default_port(const ProbePlan& plan) {
  if (plan.dialogue.tls == TlsMode::Implicit) return kSmtpsPort;
  return plan.dialogue.protocol == Protocol::Lmtp ? kLmtpPort : kSmtpPort;
}

Result<void> check_plan(const ProbePlan& plan) {
  const DialoguePlan& dialogue = plan.dialogue;
  Text fault = until_lacks(plan);
  if (fault.empty() && !dialogue.to.empty() && !dialogue.from) {
    fault = "a recipient (to) needs a sender (from)";
  }
  if (fault.empty()) fault = until_too_early(plan);
  if (fault.empty() && dialogue.auth) fault = auth_fault(*dialogue.auth);
  if (fault.empty()) fault = helo_fault(plan);
  if (fault.empty()) fault = tls_fault(plan);
  if (fault.empty()) fault = place_fault(plan);
  if (fault.empty()) fault = unreachable_message(plan);
  if (fault.empty()) fault = idle_expectation(dialogue);
  if (fault.empty()) fault = idle_threshold(plan);
  if (fault.empty()) fault = extension_fault(plan);
  if (!fault.empty()) return error(std::move(fault));
  return {};
}

Result<void> check_means(const ProbePlan& plan) {
  if (plan.dialogue.until == Step::Message && plan.message) {
    Result<void> message = check_message(*plan.message);
    if (!message) return message;
  }
  const std::optional<AuthPlan>& auth = plan.dialogue.auth;
  if (auth && auth->mechanism != Mechanism::Auto) {
    std::string why;
    if (!make_sasl_client(auth->mechanism, auth->credentials, &why))
      return error(std::string(mechanism_name(auth->mechanism)) + " cannot be had: " + why);
  }
  return {};
}

bool stays_on_this_host(const ProbePlan& plan, bool loopback_peer) {
  return loopback_peer && names_this_host(plan.target);
}

TlsVerify effective_verify(const ProbePlan& plan, bool loopback_peer) {
  if (plan.tls.verify) return *plan.tls.verify;
  const std::optional<AuthPlan>& auth = plan.dialogue.auth;
  const bool secrets =
      auth && !auth->without_verified_tls && !stays_on_this_host(plan, loopback_peer);
  return secrets ? TlsVerify::Require : TlsVerify::Report;
}

}  // namespace smtpprobe
