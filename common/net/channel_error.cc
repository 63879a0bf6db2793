#include "common/net/channel_error.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/sslerr.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

namespace smtpprobe {
namespace {

struct ErrnoRow {
  int error;
  Reason connecting;
  Reason established;
};

constexpr std::array kErrnos = {
    // The peer. A port that answers a retransmission with ICMP is out of reach, not refusing.
    ErrnoRow{ECONNREFUSED, Reason::ConnectionRefused, Reason::HostUnreachable},
    ErrnoRow{ECONNRESET, Reason::ConnectionReset, Reason::ConnectionReset},
    ErrnoRow{ECONNABORTED, Reason::ConnectionReset, Reason::ConnectionReset},
    // Its end was read, or could have been, before our write met the reset.
    ErrnoRow{EPIPE, Reason::ConnectionClosed, Reason::ConnectionClosed},
    ErrnoRow{ESHUTDOWN, Reason::ConnectionClosed, Reason::ConnectionClosed},
    // The error that ended the connection was read before (SO_ERROR).
    ErrnoRow{ENOTCONN, Reason::ConnectionReset, Reason::ConnectionReset},
    // No SYN was answered; later, no retransmission was acknowledged.
    ErrnoRow{ETIMEDOUT, Reason::ConnectTimeout, Reason::Timeout},
    // The network: no route here, or ICMP from a router. A connection that is up survives single
    // ones; the last one names the cause when its retransmissions end.
    ErrnoRow{ENETUNREACH, Reason::HostUnreachable, Reason::HostUnreachable},
    ErrnoRow{EHOSTUNREACH, Reason::HostUnreachable, Reason::HostUnreachable},
    ErrnoRow{EHOSTDOWN, Reason::HostUnreachable, Reason::HostUnreachable},
    ErrnoRow{ENONET, Reason::HostUnreachable, Reason::HostUnreachable},
    ErrnoRow{EOPNOTSUPP, Reason::HostUnreachable, Reason::HostUnreachable},
    ErrnoRow{EPROTO, Reason::HostUnreachable, Reason::HostUnreachable},
    ErrnoRow{ENOPROTOOPT, Reason::HostUnreachable, Reason::HostUnreachable},
    // This host: its interface, memory, descriptors, addresses, ports and rules.
    ErrnoRow{ENETDOWN, Reason::LocalError, Reason::LocalError},
    ErrnoRow{ENETRESET, Reason::LocalError, Reason::LocalError},
    ErrnoRow{ENOBUFS, Reason::LocalError, Reason::LocalError},
    ErrnoRow{ENOMEM, Reason::LocalError, Reason::LocalError},
    ErrnoRow{EMFILE, Reason::LocalError, Reason::LocalError},
    ErrnoRow{ENFILE, Reason::LocalError, Reason::LocalError},
    ErrnoRow{EADDRNOTAVAIL, Reason::LocalError, Reason::LocalError},
    ErrnoRow{EADDRINUSE, Reason::LocalError, Reason::LocalError},
    ErrnoRow{EAFNOSUPPORT, Reason::LocalError, Reason::LocalError},
    ErrnoRow{EACCES, Reason::LocalError, Reason::LocalError},
    ErrnoRow{EPERM, Reason::LocalError, Reason::LocalError},
    ErrnoRow{EMSGSIZE, Reason::LocalError, Reason::LocalError},
    ErrnoRow{EINVAL, Reason::LocalError, Reason::LocalError},
    ErrnoRow{EBADF, Reason::LocalError, Reason::LocalError},
};

struct SslRow {
  int reason;
  Reason first;  // before the server's first message: what speaks no TLS shows itself there
  Reason later;  // in the handshake; when that is over, all are faults of a record
  LegacyHelp legacy = LegacyHelp::No;
};

constexpr SslRow version(int reason, LegacyHelp legacy = LegacyHelp::No) {
  return {reason, Reason::TlsVersion, Reason::TlsVersion, legacy};
}
constexpr SslRow framing(int reason) { return {reason, Reason::TlsNotTls, Reason::TlsRecord}; }
constexpr SslRow record(int reason) { return {reason, Reason::TlsRecord, Reason::TlsRecord}; }
constexpr SslRow certificate(int reason) {
  return {reason, Reason::CertMalformed, Reason::CertMalformed};
}
constexpr SslRow too_old(int reason) {
  return {reason, Reason::TlsHandshake, Reason::TlsHandshake, LegacyHelp::Yes};
}
constexpr SslRow alert(int number, Reason means, LegacyHelp legacy = LegacyHelp::No) {
  return {SSL_AD_REASON_OFFSET + number, means, means, legacy};
}

// Every other code is TlsHandshake, every other alert TlsAlert.
constexpr std::array kSslErrors = {
    version(SSL_R_UNSUPPORTED_PROTOCOL, LegacyHelp::Yes),
    version(SSL_R_UNSUPPORTED_SSL_VERSION, LegacyHelp::Yes),
    version(SSL_R_VERSION_TOO_LOW, LegacyHelp::Yes),
    version(SSL_R_UNKNOWN_SSL_VERSION),
    version(SSL_R_WRONG_SSL_VERSION),
    version(SSL_R_VERSION_TOO_HIGH),
    version(SSL_R_BAD_PROTOCOL_VERSION_NUMBER),
    version(SSL_R_NO_PROTOCOLS_AVAILABLE),
    framing(SSL_R_WRONG_VERSION_NUMBER),
    framing(SSL_R_HTTP_REQUEST),
    framing(SSL_R_HTTPS_PROXY_REQUEST),
    framing(SSL_R_PACKET_LENGTH_TOO_LONG),
    framing(SSL_R_ENCRYPTED_LENGTH_TOO_LONG),
    framing(SSL_R_DATA_LENGTH_TOO_LONG),
    framing(SSL_R_BAD_RECORD_TYPE),
    framing(SSL_R_RECORD_LENGTH_MISMATCH),
    framing(SSL_R_RECORD_TOO_SMALL),
    framing(SSL_R_UNEXPECTED_RECORD),
    record(SSL_R_DECRYPTION_FAILED),
    record(SSL_R_DECRYPTION_FAILED_OR_BAD_RECORD_MAC),
    record(SSL_R_BLOCK_CIPHER_PAD_IS_WRONG),
    record(SSL_R_NOT_ON_RECORD_BOUNDARY),
    record(SSL_R_MIXED_HANDSHAKE_AND_NON_HANDSHAKE_DATA),
    record(SSL_R_APP_DATA_IN_HANDSHAKE),
    certificate(SSL_R_CERT_LENGTH_MISMATCH),
    certificate(SSL_R_UNABLE_TO_FIND_PUBLIC_KEY_PARAMETERS),
    certificate(SSL_R_UNKNOWN_CERTIFICATE_TYPE),
    certificate(SSL_R_BAD_ECPOINT),
    SslRow{SSL_R_UNEXPECTED_EOF_WHILE_READING, Reason::ConnectionClosed, Reason::ConnectionClosed},
    too_old(SSL_R_UNSAFE_LEGACY_RENEGOTIATION_DISABLED),
    too_old(SSL_R_DH_KEY_TOO_SMALL),
    too_old(SSL_R_EE_KEY_TOO_SMALL),
    too_old(SSL_R_CA_KEY_TOO_SMALL),
    too_old(SSL_R_CA_MD_TOO_WEAK),
    too_old(SSL_R_WRONG_SIGNATURE_TYPE),
    too_old(SSL_R_LEGACY_SIGALG_DISALLOWED_OR_UNSUPPORTED),
    too_old(SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM),
    too_old(SSL_R_NO_SUITABLE_DIGEST_ALGORITHM),
    too_old(SSL_R_NO_SHARED_SIGNATURE_ALGORITHMS),
    // We offer every version from 1.2 on: what remains is an older one. What of our offer another
    // server cannot use, a digest or a cipher, its alert does not say.
    alert(SSL_AD_PROTOCOL_VERSION, Reason::TlsVersion, LegacyHelp::Maybe),
    alert(SSL_AD_HANDSHAKE_FAILURE, Reason::TlsAlert, LegacyHelp::Maybe),
};

bool is_alert(int ssl_reason) {
  return ssl_reason >= SSL_AD_REASON_OFFSET && ssl_reason < SSL_AD_REASON_OFFSET + 256;
}

const SslRow* row_of(int ssl_reason) {
  const auto* const found =
      std::find_if(kSslErrors.begin(), kSslErrors.end(),
                   [&](const SslRow& row) { return row.reason == ssl_reason; });
  return found == kSslErrors.end() ? nullptr : found;
}

}  // namespace

Reason reason_of_errno(int error, ChannelPhase phase) {
  const auto* const found = std::find_if(kErrnos.begin(), kErrnos.end(),
                                         [&](const ErrnoRow& row) { return row.error == error; });
  if (found == kErrnos.end()) return Reason::LocalError;
  return phase == ChannelPhase::Connecting ? found->connecting : found->established;
}

std::string words_of_errno(int error) {
  const char* words = ::strerrordesc_np(error);
  std::string text = words != nullptr ? words : "error " + std::to_string(error);
  if (text.size() > 1 && text[0] >= 'A' && text[0] <= 'Z' && text[1] >= 'a' && text[1] <= 'z')
    text[0] = static_cast<char>(text[0] - 'A' + 'a');
  return text;
}

std::string detail_of_errno(int error, Reason reason) {
  if (reason == Reason::ConnectionClosed || reason == Reason::ConnectionReset) return {};
  if (reason == Reason::Timeout) return "the server stopped acknowledging";
  return words_of_errno(error);
}

Reason reason_of_ssl_error(int ssl_reason, TlsPhase phase) {
  const SslRow* const row = row_of(ssl_reason);
  if (phase == TlsPhase::Established) {
    if (is_alert(ssl_reason)) return Reason::TlsAlert;
    const bool end = row != nullptr && row->later == Reason::ConnectionClosed;
    return end ? Reason::ConnectionClosed : Reason::TlsRecord;
  }
  if (row != nullptr) return phase == TlsPhase::BeforeServerHello ? row->first : row->later;
  return is_alert(ssl_reason) ? Reason::TlsAlert : Reason::TlsHandshake;
}

LegacyHelp legacy_help(unsigned long code, TlsPhase phase) {
  if (ERR_GET_LIB(code) != ERR_LIB_SSL || phase == TlsPhase::Established) return LegacyHelp::No;
  const int reason = ERR_GET_REASON(code);
  const SslRow* const row = row_of(reason);
  if (row == nullptr) return LegacyHelp::No;
  // An alert refuses our offer only while that is all the server has.
  if (is_alert(reason) && phase != TlsPhase::BeforeServerHello) return LegacyHelp::No;
  return row->legacy;
}

std::string legacy_hint(LegacyHelp help) {
  switch (help) {
    case LegacyHelp::No:
      break;
    case LegacyHelp::Maybe:
      return " (--tls-legacy or tls.legacy may accept it)";
    case LegacyHelp::Yes:
      return " (--tls-legacy or tls.legacy accepts it)";
  }
  return {};
}

}  // namespace smtpprobe
