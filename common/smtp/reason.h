// Why a probe is not OK: a closed list. A reason is added in the table of reason.cc and in this
// enum.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace smtpprobe {

enum class Reason : std::uint8_t {
  None,
  // resolving
  DnsNxdomain,
  DnsNodata,
  DnsServfail,
  DnsTimeout,
  DnsMalformed,
  DnsBogus,
  NullMx,
  // connecting
  ConnectionRefused,
  HostUnreachable,
  ConnectTimeout,
  LocalError,
  // any step
  Timeout,
  ConnectionClosed,
  ConnectionReset,
  // replies
  Reply4xx,
  Reply5xx,
  ReplyUnexpected,
  ReplyMalformed,
  ReplyMixedCodes,
  ReplyLineTooLong,
  ReplyTooLong,
  ReplyCount,
  EarlyTalker,
  Greylisted,
  RateLimited,
  // TLS
  StarttlsNotOffered,
  StarttlsRefused,
  PlaintextAfterStarttls,
  TlsNotTls,
  TlsAlert,
  TlsVersion,
  TlsHandshake,
  TlsRecord,
  // certificates
  CertUntrusted,
  CertExpired,
  CertNotYetValid,
  CertNameMismatch,
  CertMalformed,
  CertExpiring,
  // AUTH
  AuthNotOffered,
  AuthMechanism,
  AuthRejected,
  AuthProtocol,
  AuthLimits,
  AuthServerSignature,
  AuthNeedsTls,
  // expectations and the probe itself
  ExtensionMissing,
  ExtensionForbidden,
  Slow,
  ProbeRejected,
  Config,
};

inline constexpr std::size_t kReasonCount = static_cast<std::size_t>(Reason::Config) + 1;

// "starttls_not_offered"; "ok" for None.
std::string_view reason_name(Reason reason);

// A few plain words for the first line: "STARTTLS not offered". Empty for None.
std::string_view reason_words(Reason reason);

std::optional<Reason> reason_from_name(std::string_view name);

}  // namespace smtpprobe
