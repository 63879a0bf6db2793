// Everything one probe is told: whom to probe, how to get there, what to say, and how to judge it.
// Made by the check's options or by a module of the configuration, read by the prober and the
// verdict. Data only.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/probe/dns_settings.h"
#include "common/probe/target.h"
#include "common/probe/threshold.h"
#include "common/smtp/dialogue_plan.h"
#include "common/smtp/error.h"
#include "common/smtp/message.h"
#include "common/smtp/reply_code.h"
#include "common/smtp/step.h"

namespace smtpprobe {

enum class IpChoice : std::uint8_t { Any, Ipv4, Ipv6, PreferIpv4, PreferIpv6 };
enum class ProxyHeader : std::uint8_t { None, V1, V2, Local };
enum class TlsVerify : std::uint8_t { Off, Report, Warn, Require };
enum class TlsVersion : std::uint8_t { Tls1_0, Tls1_1, Tls1_2, Tls1_3 };

std::string_view tls_verify_name(TlsVerify verify);     // "require"
std::string_view tls_version_name(TlsVersion version);  // "TLSv1.2"
std::optional<TlsVersion> tls_version_from_name(
    std::string_view name);  // "TLS1.2", "TLSv1.2", "1.2", any case

struct TlsPlan {
  std::optional<TlsVerify> verify;  // unset: see effective_verify()
  std::string server_name;  // --tls-name: for SNI and the name check; empty: the target's host
  std::string ca_file;      // PEM; with ca_path instead of the system's trust
  std::string ca_path;      // hashed directory
  std::string cert_file;    // PEM chain of the client's certificate
  std::string key_file;     // PEM; empty: in cert_file
  std::optional<TlsVersion> min_version;
  std::optional<ExpiryThresholds> expiry;
  bool ignore_expiration = false;
  bool legacy = false;  // TLS 1.0, SHA-1, small keys and groups, no RFC 5746
};

struct ProbePlan {
  Target target;
  int port = kSmtpPort;  // resolved: the option's, the target's or the protocol's
  IpChoice ip = IpChoice::Any;
  DnsSettings dns;
  std::string source_address;  // an IP literal; empty: the kernel's choice
  ProxyHeader proxy = ProxyHeader::None;
  TlsPlan tls;
  DialoguePlan dialogue;               // dialogue.message is composed by the prober, with the date
  std::optional<MessagePlan> message;  // what to compose; only with dialogue.until Message
  Duration timeout = std::chrono::seconds(10);  // overall

  // How to judge.
  State timeout_state = State::Critical;
  Thresholds total;
  FewSteps<Thresholds> step;
  std::vector<std::string> require_extensions;  // upper case
  std::vector<std::string> forbid_extensions;   // upper case
};

// How deep a plan goes when the user did not say: as far as what it was given needs, Ehlo at least.
// A message: Message. Recipients: Rcpt. A sender: Mail. Commands: Command. Credentials: Auth.
// STARTTLS: EhloTls.
Step default_until(const ProbePlan& plan);

// 465 with implicit TLS, 24 with LMTP, else 25: where neither an option nor the target says.
int default_port(const ProbePlan& plan);

// What contradicts itself or lacks a part ("until rcpt needs a recipient"); both programs call it
// when a plan is complete and put the place in front. In the words of neither: `from`, `to`,
// `until`.
Result<void> check_plan(const ProbePlan& plan);

// What would fail for a reason of ours in the middle of a session: a message that cannot be
// composed, a mechanism that cannot be had. Costs more than check_plan().
Result<void> check_means(const ProbePlan& plan);

// Whether what is sent to this peer stays on this host, and the user meant that:
// names_this_host().
bool stays_on_this_host(const ProbePlan& plan, bool loopback_peer);

// How certificates are judged when `plan` meets this peer: as the user said; else `require` with
// credentials, unless they may go without verified TLS or stay on this host; else `report`.
TlsVerify effective_verify(const ProbePlan& plan, bool loopback_peer);

}  // namespace smtpprobe
