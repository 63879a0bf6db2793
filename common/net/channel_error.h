// What an errno and an OpenSSL error of a connection mean: the one table of both, for a channel in
// clear and in TLS alike. errno: connect(2), tcp(7), ip(7), and Linux's icmp_err_convert for what
// ICMP becomes. OpenSSL: sslerr.h; RFC 8446 section 6 for alerts.
#pragma once

#include <cstdint>
#include <string>

#include "common/smtp/reason.h"

namespace smtpprobe {

enum class ChannelPhase : std::uint8_t {
  Connecting,   // from socket() to the end of connect()
  Established,  // the transport connection is up: reads, writes, the handshake
};

// Which of the three a TLS error came in.
enum class TlsPhase : std::uint8_t {
  BeforeServerHello,
  Handshake,
  Established,
};

// The reason of `error`, an errno above 0. Where an established connection ends, only the peer, the
// network or this host can be the cause; a connection attempt that failed has a reason of its own
// for each of them. An errno that is not in the table is this host's: LocalError.
Reason reason_of_errno(int error, ChannelPhase phase);

// "no route to host": for the middle of a sentence; an abbreviation at its start stays as it is.
std::string words_of_errno(int error);

// What a failure of this reason says beside the reason's own words; empty where these say it all.
std::string detail_of_errno(int error, Reason reason);

// The reason of an SSL_R_ code: of the library's own errors and of alerts (1000 and above).
Reason reason_of_ssl_error(int ssl_reason, TlsPhase phase);

// Whether `code`, an error of OpenSSL's queue, comes from a limit that TlsPlan::legacy lifts: the
// version, the size of a Diffie-Hellman group or key, a digest, RFC 5746.
enum class LegacyHelp : std::uint8_t { No, Maybe, Yes };
LegacyHelp legacy_help(unsigned long code, TlsPhase phase);

// " (--tls-legacy or tls.legacy accepts it)"; empty for No.
std::string legacy_hint(LegacyHelp help);

}  // namespace smtpprobe
