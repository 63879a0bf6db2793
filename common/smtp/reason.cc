#include "common/smtp/reason.h"

namespace smtpprobe {
namespace {

struct Row {
  Reason reason;
  std::string_view name;
  std::string_view words;
};

constexpr std::array<Row, kReasonCount> kTable = {{
    {Reason::None, "ok", ""},
    {Reason::DnsNxdomain, "dns_nxdomain", "no such domain name"},
    {Reason::DnsNodata, "dns_nodata", "the name has no address"},
    {Reason::DnsServfail, "dns_servfail", "the name server failed"},
    {Reason::DnsTimeout, "dns_timeout", "no answer from the name server"},
    {Reason::DnsMalformed, "dns_malformed", "malformed DNS answer"},
    {Reason::DnsBogus, "dns_bogus", "DNSSEC validation failed"},
    {Reason::NullMx, "null_mx", "the domain accepts no mail (null MX)"},
    {Reason::ConnectionRefused, "connection_refused", "connection refused"},
    {Reason::HostUnreachable, "host_unreachable", "host unreachable"},
    {Reason::ConnectTimeout, "connect_timeout", "connection attempt timed out"},
    {Reason::LocalError, "local_error", "local error"},
    {Reason::Timeout, "timeout", "timed out"},
    {Reason::ConnectionClosed, "connection_closed", "connection closed by the server"},
    {Reason::ConnectionReset, "connection_reset", "connection reset by the server"},
    {Reason::Reply4xx, "reply_4xx", "temporary refusal"},
    {Reason::Reply5xx, "reply_5xx", "permanent refusal"},
    {Reason::ReplyUnexpected, "reply_unexpected", "unexpected reply"},
    {Reason::ReplyMalformed, "reply_malformed", "malformed reply"},
    {Reason::ReplyMixedCodes, "reply_mixed_codes", "different codes in one reply"},
    {Reason::ReplyLineTooLong, "reply_line_too_long", "reply line too long"},
    {Reason::ReplyTooLong, "reply_too_long", "reply too long"},
    {Reason::ReplyCount, "reply_count", "wrong number of replies"},
    {Reason::EarlyTalker, "early_talker", "data before it was due"},
    {Reason::Greylisted, "greylisted", "greylisted"},
    {Reason::RateLimited, "rate_limited", "rate limited"},
    {Reason::StarttlsNotOffered, "starttls_not_offered", "STARTTLS not offered"},
    {Reason::StarttlsRefused, "starttls_refused", "STARTTLS refused"},
    {Reason::PlaintextAfterStarttls, "plaintext_after_starttls",
     "plaintext behind the STARTTLS reply"},
    {Reason::TlsNotTls, "tls_not_tls", "the answer to the handshake is not TLS"},
    {Reason::TlsAlert, "tls_alert", "TLS alert from the server"},
    {Reason::TlsVersion, "tls_version", "no TLS version in common"},
    {Reason::TlsHandshake, "tls_handshake", "TLS handshake failed"},
    {Reason::TlsRecord, "tls_record", "bad TLS record"},
    {Reason::CertUntrusted, "cert_untrusted", "certificate not trusted"},
    {Reason::CertExpired, "cert_expired", "certificate expired"},
    {Reason::CertNotYetValid, "cert_not_yet_valid", "certificate not yet valid"},
    {Reason::CertNameMismatch, "cert_name_mismatch", "certificate is for another name"},
    {Reason::CertMalformed, "cert_malformed", "malformed certificate"},
    {Reason::CertExpiring, "cert_expiring", "certificate expires soon"},
    {Reason::AuthNotOffered, "auth_not_offered", "AUTH not offered"},
    {Reason::AuthMechanism, "auth_mechanism", "AUTH mechanism not accepted"},
    {Reason::AuthRejected, "auth_rejected", "credentials rejected"},
    {Reason::AuthProtocol, "auth_protocol", "AUTH exchange out of order"},
    {Reason::AuthLimits, "auth_limits", "AUTH exchange exceeds a limit"},
    {Reason::AuthServerSignature, "auth_server_signature", "the server's SCRAM signature is wrong"},
    {Reason::AuthNeedsTls, "auth_needs_tls", "AUTH needs verified TLS"},
    {Reason::ExtensionMissing, "extension_missing", "required extension not offered"},
    {Reason::ExtensionForbidden, "extension_forbidden", "forbidden extension offered"},
    {Reason::Slow, "slow", "too slow"},
    {Reason::ProbeRejected, "probe_rejected", "too many probes at once"},
    {Reason::Config, "config", "the probe's own configuration is at fault"},
}};

constexpr bool rows_stand_at_their_index() {
  for (std::size_t i = 0; i < kReasonCount; ++i) {
    if (static_cast<std::size_t>(kTable[i].reason) != i) return false;
  }
  return true;
}
static_assert(rows_stand_at_their_index(), "rows are looked up by index");

}  // namespace

std::string_view reason_name(Reason reason) {
  return kTable[static_cast<std::size_t>(reason)].name;
}

std::string_view reason_words(Reason reason) {
  return kTable[static_cast<std::size_t>(reason)].words;
}

std::optional<Reason> reason_from_name(std::string_view name) {
  for (const Row& row : kTable) {
    if (row.name == name) return row.reason;
  }
  return std::nullopt;
}

}  // namespace smtpprobe
