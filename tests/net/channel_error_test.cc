// The table from errno and OpenSSL errors to reasons: every row, and the same answer in clear and
// in TLS.
#include "common/net/channel_error.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <cerrno>

#include "tests/net/tls_pair.h"

namespace smtpprobe {
namespace {

struct ErrnoCase {
  int error;
  Reason connecting;
  Reason established;
};

constexpr ErrnoCase kErrnos[] = {
    {ECONNREFUSED, Reason::ConnectionRefused, Reason::HostUnreachable},
    {ECONNRESET, Reason::ConnectionReset, Reason::ConnectionReset},
    {ECONNABORTED, Reason::ConnectionReset, Reason::ConnectionReset},
    {ENOTCONN, Reason::ConnectionReset, Reason::ConnectionReset},
    {EPIPE, Reason::ConnectionClosed, Reason::ConnectionClosed},
    {ESHUTDOWN, Reason::ConnectionClosed, Reason::ConnectionClosed},
    {ETIMEDOUT, Reason::ConnectTimeout, Reason::Timeout},
    {ENETUNREACH, Reason::HostUnreachable, Reason::HostUnreachable},
    {EHOSTUNREACH, Reason::HostUnreachable, Reason::HostUnreachable},
    {EHOSTDOWN, Reason::HostUnreachable, Reason::HostUnreachable},
    {ENONET, Reason::HostUnreachable, Reason::HostUnreachable},
    {EOPNOTSUPP, Reason::HostUnreachable, Reason::HostUnreachable},
    {EPROTO, Reason::HostUnreachable, Reason::HostUnreachable},
    {ENOPROTOOPT, Reason::HostUnreachable, Reason::HostUnreachable},
};
constexpr int kOfThisHost[] = {ENETDOWN, ENETRESET, ENOBUFS,       ENOMEM,     EMFILE,
                               ENFILE,   EINVAL,    EADDRNOTAVAIL, EADDRINUSE, EAFNOSUPPORT,
                               EACCES,   EPERM,     EMSGSIZE,      EBADF,      EIO};

TEST(ChannelErrorTest, EveryErrno) {
  for (const auto& [error, connecting, established] : kErrnos) {
    EXPECT_EQ(reason_of_errno(error, ChannelPhase::Connecting), connecting) << error;
    EXPECT_EQ(reason_of_errno(error, ChannelPhase::Established), established) << error;
  }
  for (const int error : kOfThisHost) {
    EXPECT_EQ(reason_of_errno(error, ChannelPhase::Connecting), Reason::LocalError) << error;
    EXPECT_EQ(reason_of_errno(error, ChannelPhase::Established), Reason::LocalError) << error;
  }
}

// Whatever is not in these lists is this host's.
TEST(ChannelErrorTest, NoOtherErrnoBlamesThePeer) {
  int blamed = 0;
  for (int error = 1; error < 200; ++error) {
    if (reason_of_errno(error, ChannelPhase::Established) != Reason::LocalError) ++blamed;
  }
  EXPECT_EQ(blamed, static_cast<int>(std::size(kErrnos)));
}

TEST(ChannelErrorTest, TheSameInClearAndInTls) {
  const SslSession ssl = context_of({}, TlsVerify::Off)->new_session("mx.test");
  for (int error = 1; error < 134; ++error) {
    const Reason clear = reason_of_errno(error, ChannelPhase::Established);
    const TlsFailure tls = classify_tls_failure(ssl.get(), SSL_ERROR_SYSCALL, error);
    EXPECT_EQ(tls.reason, clear) << error;
    EXPECT_EQ(tls.detail, detail_of_errno(error, clear)) << error;
  }
}

TEST(ChannelErrorTest, WordsOfErrno) {
  EXPECT_EQ(words_of_errno(EHOSTUNREACH), "no route to host");
  EXPECT_EQ(words_of_errno(EIO), "input/output error");
  EXPECT_EQ(words_of_errno(4000), "error 4000");
  EXPECT_EQ(detail_of_errno(EPIPE, Reason::ConnectionClosed), "");
  EXPECT_EQ(detail_of_errno(ECONNRESET, Reason::ConnectionReset), "");
  EXPECT_EQ(detail_of_errno(ETIMEDOUT, Reason::Timeout), "the server stopped acknowledging");
  EXPECT_EQ(detail_of_errno(ENOBUFS, Reason::LocalError), "no buffer space available");
}

struct SslCase {
  int reason;
  Reason first;
  Reason later;
  LegacyHelp legacy = LegacyHelp::No;
};

constexpr SslCase kSslErrors[] = {
    {SSL_R_UNSUPPORTED_PROTOCOL, Reason::TlsVersion, Reason::TlsVersion, LegacyHelp::Yes},
    {SSL_R_UNSUPPORTED_SSL_VERSION, Reason::TlsVersion, Reason::TlsVersion, LegacyHelp::Yes},
    {SSL_R_VERSION_TOO_LOW, Reason::TlsVersion, Reason::TlsVersion, LegacyHelp::Yes},
    {SSL_R_UNKNOWN_SSL_VERSION, Reason::TlsVersion, Reason::TlsVersion},
    {SSL_R_WRONG_SSL_VERSION, Reason::TlsVersion, Reason::TlsVersion},
    {SSL_R_VERSION_TOO_HIGH, Reason::TlsVersion, Reason::TlsVersion},
    {SSL_R_BAD_PROTOCOL_VERSION_NUMBER, Reason::TlsVersion, Reason::TlsVersion},
    {SSL_R_NO_PROTOCOLS_AVAILABLE, Reason::TlsVersion, Reason::TlsVersion},
    {SSL_R_WRONG_VERSION_NUMBER, Reason::TlsNotTls, Reason::TlsRecord},
    {SSL_R_HTTP_REQUEST, Reason::TlsNotTls, Reason::TlsRecord},
    {SSL_R_HTTPS_PROXY_REQUEST, Reason::TlsNotTls, Reason::TlsRecord},
    {SSL_R_PACKET_LENGTH_TOO_LONG, Reason::TlsNotTls, Reason::TlsRecord},
    {SSL_R_ENCRYPTED_LENGTH_TOO_LONG, Reason::TlsNotTls, Reason::TlsRecord},
    {SSL_R_DATA_LENGTH_TOO_LONG, Reason::TlsNotTls, Reason::TlsRecord},
    {SSL_R_BAD_RECORD_TYPE, Reason::TlsNotTls, Reason::TlsRecord},
    {SSL_R_RECORD_LENGTH_MISMATCH, Reason::TlsNotTls, Reason::TlsRecord},
    {SSL_R_RECORD_TOO_SMALL, Reason::TlsNotTls, Reason::TlsRecord},
    {SSL_R_UNEXPECTED_RECORD, Reason::TlsNotTls, Reason::TlsRecord},
    {SSL_R_DECRYPTION_FAILED, Reason::TlsRecord, Reason::TlsRecord},
    {SSL_R_DECRYPTION_FAILED_OR_BAD_RECORD_MAC, Reason::TlsRecord, Reason::TlsRecord},
    {SSL_R_BLOCK_CIPHER_PAD_IS_WRONG, Reason::TlsRecord, Reason::TlsRecord},
    {SSL_R_NOT_ON_RECORD_BOUNDARY, Reason::TlsRecord, Reason::TlsRecord},
    {SSL_R_MIXED_HANDSHAKE_AND_NON_HANDSHAKE_DATA, Reason::TlsRecord, Reason::TlsRecord},
    {SSL_R_APP_DATA_IN_HANDSHAKE, Reason::TlsRecord, Reason::TlsRecord},
    {SSL_R_CERT_LENGTH_MISMATCH, Reason::CertMalformed, Reason::CertMalformed},
    {SSL_R_UNABLE_TO_FIND_PUBLIC_KEY_PARAMETERS, Reason::CertMalformed, Reason::CertMalformed},
    {SSL_R_UNKNOWN_CERTIFICATE_TYPE, Reason::CertMalformed, Reason::CertMalformed},
    {SSL_R_BAD_ECPOINT, Reason::CertMalformed, Reason::CertMalformed},
    {SSL_R_UNEXPECTED_EOF_WHILE_READING, Reason::ConnectionClosed, Reason::ConnectionClosed},
    {SSL_R_UNSAFE_LEGACY_RENEGOTIATION_DISABLED, Reason::TlsHandshake, Reason::TlsHandshake,
     LegacyHelp::Yes},
    {SSL_R_DH_KEY_TOO_SMALL, Reason::TlsHandshake, Reason::TlsHandshake, LegacyHelp::Yes},
    {SSL_R_EE_KEY_TOO_SMALL, Reason::TlsHandshake, Reason::TlsHandshake, LegacyHelp::Yes},
    {SSL_R_CA_KEY_TOO_SMALL, Reason::TlsHandshake, Reason::TlsHandshake, LegacyHelp::Yes},
    {SSL_R_CA_MD_TOO_WEAK, Reason::TlsHandshake, Reason::TlsHandshake, LegacyHelp::Yes},
    {SSL_R_WRONG_SIGNATURE_TYPE, Reason::TlsHandshake, Reason::TlsHandshake, LegacyHelp::Yes},
    {SSL_R_LEGACY_SIGALG_DISALLOWED_OR_UNSUPPORTED, Reason::TlsHandshake, Reason::TlsHandshake,
     LegacyHelp::Yes},
    {SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM, Reason::TlsHandshake, Reason::TlsHandshake,
     LegacyHelp::Yes},
    {SSL_R_NO_SUITABLE_DIGEST_ALGORITHM, Reason::TlsHandshake, Reason::TlsHandshake,
     LegacyHelp::Yes},
    {SSL_R_NO_SHARED_SIGNATURE_ALGORITHMS, Reason::TlsHandshake, Reason::TlsHandshake,
     LegacyHelp::Yes},
    {SSL_AD_REASON_OFFSET + SSL_AD_PROTOCOL_VERSION, Reason::TlsVersion, Reason::TlsVersion,
     LegacyHelp::Maybe},
    {SSL_AD_REASON_OFFSET + SSL_AD_HANDSHAKE_FAILURE, Reason::TlsAlert, Reason::TlsAlert,
     LegacyHelp::Maybe},
    // Not in the table.
    {SSL_AD_REASON_OFFSET + SSL_AD_INTERNAL_ERROR, Reason::TlsAlert, Reason::TlsAlert},
    {SSL_R_LENGTH_MISMATCH, Reason::TlsHandshake, Reason::TlsHandshake},
};

TEST(ChannelErrorTest, EveryOpensslError) {
  for (const auto& [reason, first, later, legacy] : kSslErrors) {
    EXPECT_EQ(reason_of_ssl_error(reason, TlsPhase::BeforeServerHello), first) << reason;
    EXPECT_EQ(reason_of_ssl_error(reason, TlsPhase::Handshake), later) << reason;
    const bool alert = reason >= SSL_AD_REASON_OFFSET;
    const Reason over = alert                               ? Reason::TlsAlert
                        : later == Reason::ConnectionClosed ? Reason::ConnectionClosed
                                                            : Reason::TlsRecord;
    EXPECT_EQ(reason_of_ssl_error(reason, TlsPhase::Established), over) << reason;
    const unsigned long code = ERR_PACK(ERR_LIB_SSL, 0, static_cast<unsigned long>(reason));
    EXPECT_EQ(legacy_help(code, TlsPhase::BeforeServerHello), legacy) << reason;
    EXPECT_EQ(legacy_help(code, TlsPhase::Handshake), alert ? LegacyHelp::No : legacy) << reason;
    EXPECT_EQ(legacy_help(code, TlsPhase::Established), LegacyHelp::No) << reason;
  }
  EXPECT_EQ(legacy_help(ERR_PACK(ERR_LIB_X509, 0, SSL_R_DH_KEY_TOO_SMALL), TlsPhase::Handshake),
            LegacyHelp::No);
}

TEST(ChannelErrorTest, TheHintNamesTheOptionOfBothPrograms) {
  EXPECT_EQ(legacy_hint(LegacyHelp::No), "");
  EXPECT_EQ(legacy_hint(LegacyHelp::Yes), " (--tls-legacy or tls.legacy accepts it)");
  EXPECT_EQ(legacy_hint(LegacyHelp::Maybe), " (--tls-legacy or tls.legacy may accept it)");
}

}  // namespace
}  // namespace smtpprobe
