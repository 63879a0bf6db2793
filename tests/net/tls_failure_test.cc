// What classify_tls_failure() makes of every way a server can spoil TLS.
#include <sys/socket.h>
#include <unistd.h>

#include "tests/net/tls_pair.h"

namespace smtpprobe {
namespace {

SslSession session(const TlsPlan& plan = {}, const std::string& host = "mx.test") {
  return context_of(plan, TlsVerify::Off)->new_session(host);
}

// A server that answers the ClientHello with these bytes.
TlsFailure answered(std::string_view bytes) {
  TlsPair pair(session(), nullptr);
  EXPECT_FALSE(pair.handshake().has_value());
  pair.feed(bytes);
  return pair.handshake().value_or(TlsFailure{Reason::None, ""});
}

std::string record(char type, std::string_view body) {
  std::string bytes{type, '\x03', '\x03'};
  bytes += static_cast<char>(body.size() >> 8);
  bytes += static_cast<char>(body.size() & 0xff);
  return bytes.append(body);
}

std::string message(char type, std::string_view body) {
  std::string bytes{type, '\0'};
  bytes += static_cast<char>(body.size() >> 8);
  bytes += static_cast<char>(body.size() & 0xff);
  return bytes.append(body);
}

// ECDHE-RSA-AES128-GCM-SHA256, with the extension that says renegotiation is safe.
std::string server_hello(char minor_version) {
  std::string body{'\x03', minor_version};
  body.append(32, 'r').append(1, '\0').append("\xc0\x2f").append(1, '\0');
  body.append(std::string_view("\x00\x05\xff\x01\x00\x01\x00", 7));
  return message(2, body);
}

// A Certificate message of TLS 1.2 with this for its one certificate.
std::string certificate_message(std::string_view der) {
  const auto sized = [](std::string_view bytes) {
    std::string all(1, '\0');
    all += static_cast<char>(bytes.size() >> 8);
    all += static_cast<char>(bytes.size() & 0xff);
    return all.append(bytes);
  };
  return message(11, sized(sized(der)));
}

TEST(TlsFailureTest, WhatIsNotTls) {
  for (const std::string_view bytes :
       {"220 mx.test ESMTP\r\n", "HTTP/1.1 400 Bad Request\r\n", "500 5.5.1 unknown command\r\n"}) {
    const TlsFailure failure = answered(bytes);
    EXPECT_EQ(failure.reason, Reason::TlsNotTls) << failure.detail;
    EXPECT_EQ(failure.detail, "wrong version number");
  }
}

TEST(TlsFailureTest, AlertsHaveNameAndNumber) {
  const TlsFailure failure = answered(record(21, "\x02\x28"));
  EXPECT_EQ(failure.reason, Reason::TlsAlert);
  EXPECT_EQ(failure.detail,
            "handshake failure (alert 40) (--tls-legacy or tls.legacy may accept it)");
  const TlsFailure internal = answered(record(21, "\x02\x50"));
  EXPECT_EQ(internal.detail, "internal error (alert 80)");
  const TlsFailure name = answered(record(21, "\x02\x70"));
  EXPECT_EQ(name.detail, "unrecognized name (alert 112)");
  const TlsFailure unknown = answered(record(21, "\x02\xc8"));
  EXPECT_EQ(unknown.reason, Reason::TlsAlert);
  EXPECT_NE(unknown.detail.find("(alert 200)"), std::string::npos) << unknown.detail;
}

TEST(TlsFailureTest, VersionsThatDoNotMeet) {
  const TlsFailure alert = answered(record(21, "\x02\x46"));
  EXPECT_EQ(alert.reason, Reason::TlsVersion);
  EXPECT_EQ(alert.detail, "protocol version (alert 70) (--tls-legacy or tls.legacy may accept it)");
  const TlsFailure old = answered(record(22, server_hello('\x01')));
  EXPECT_EQ(old.reason, Reason::TlsVersion);
  EXPECT_EQ(old.detail, "unsupported protocol (--tls-legacy or tls.legacy accepts it)");
  TlsPlan plan;
  plan.min_version = TlsVersion::Tls1_3;
  ServerSettings settings;
  settings.max_version = TLS1_2_VERSION;
  const ContextHandle server = server_context(pki().server, settings);
  TlsPair pair(session(plan), server.get());
  const std::optional<TlsFailure> failure = pair.handshake();
  ASSERT_TRUE(failure.has_value());
  EXPECT_EQ(failure->reason, Reason::TlsVersion) << failure->detail;
  EXPECT_EQ(failure->detail.find("legacy"), std::string::npos) << failure->detail;
}

TEST(TlsFailureTest, AMalformedCertificate) {
  for (const std::string_view der : {"garbage", "\x30\x05\x30\x03\x02\x01\x01"}) {
    const TlsFailure failure =
        answered(record(22, server_hello('\x03') + certificate_message(der)));
    EXPECT_EQ(failure.reason, Reason::CertMalformed) << failure.detail;
    EXPECT_EQ(failure.detail.find("the certificate is unreadable: "), 0u) << failure.detail;
  }
}

TEST(TlsFailureTest, AMalformedHelloIsNoCertificate) {
  const TlsFailure failure = answered(record(22, message(2, "short")));
  EXPECT_EQ(failure.reason, Reason::TlsHandshake);
  EXPECT_EQ(failure.detail, "length mismatch");
}

TEST(TlsFailureTest, AnEndInTheMiddleOfTheHandshake) {
  TlsPair pair(session(), nullptr);
  EXPECT_FALSE(pair.handshake().has_value());
  pair.end_of_stream();
  const std::optional<TlsFailure> failure = pair.handshake();
  ASSERT_TRUE(failure.has_value());
  EXPECT_EQ(failure->reason, Reason::ConnectionClosed) << failure->detail;
}

TEST(TlsFailureTest, ACloseAlertInsteadOfAHello) {
  const TlsFailure failure = answered(record(21, std::string_view("\x01\x00", 2)));
  EXPECT_EQ(failure.reason, Reason::ConnectionClosed) << failure.detail;
}

TEST(TlsFailureTest, AReset) {
  int ends[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
  const SslSession ssl = session();
  SSL_set_fd(ssl.get(), ends[0]);
  ASSERT_EQ(SSL_get_error(ssl.get(), SSL_do_handshake(ssl.get())), SSL_ERROR_WANT_READ);
  ::close(ends[1]);  // with the ClientHello unread: a reset
  ERR_clear_error();
  const int outcome = SSL_do_handshake(ssl.get());
  const int system = errno;
  const TlsFailure failure =
      classify_tls_failure(ssl.get(), SSL_get_error(ssl.get(), outcome), system);
  EXPECT_EQ(failure.reason, Reason::ConnectionReset) << failure.detail;
  ::close(ends[0]);
}

class EstablishedTest : public testing::Test {
 protected:
  EstablishedTest() : server_(server_context(pki().server, {})), pair_(session(), server_.get()) {
    EXPECT_FALSE(pair_.handshake().has_value());
    EXPECT_TRUE(pair_.facts().established());
  }

  // Reads until something other than an incomplete record happens.
  TlsFailure read_failure() {
    std::string text;
    return pair_.read(&text).value_or(TlsFailure{Reason::None, text});
  }

  ContextHandle server_;
  TlsPair pair_;
};

TEST_F(EstablishedTest, TextArrives) {
  pair_.server_says("250 ok\r\n");
  EXPECT_EQ(read_failure().detail, "250 ok\r\n");
}

TEST_F(EstablishedTest, PlaintextIsARecordFault) {
  pair_.feed("250 mx.test\r\n");
  const TlsFailure failure = read_failure();
  EXPECT_EQ(failure.reason, Reason::TlsRecord) << failure.detail;
}

TEST_F(EstablishedTest, AChangedByteIsARecordFault) {
  pair_.server_says("250 ok\r\n", [](std::string& bytes) { bytes.back() ^= 1; });
  const TlsFailure failure = read_failure();
  EXPECT_EQ(failure.reason, Reason::TlsRecord);
  EXPECT_EQ(failure.detail, "decryption failed or bad record mac");
}

TEST_F(EstablishedTest, AnEndWithoutCloseNotify) {
  pair_.end_of_stream();
  EXPECT_EQ(read_failure().reason, Reason::ConnectionClosed);
}

TEST_F(EstablishedTest, ACloseNotify) {
  SSL_shutdown(pair_.server());
  pair_.server_says("");
  const TlsFailure failure = read_failure();
  EXPECT_EQ(failure.reason, Reason::ConnectionClosed);
  EXPECT_EQ(failure.detail, "the server closed TLS");
}

TEST(TlsFailureTest, TheChainIsThereWhenTheHandshakeFailedAfterIt) {
  ServerSettings settings;
  settings.wants_client_certificate = true;
  settings.max_version = TLS1_2_VERSION;
  const ContextHandle server = server_context(pki().server, settings);
  const TrustingPlan trust;
  TlsPair pair(context_of(trust.plan())->new_session("other.test"), server.get());
  const std::optional<TlsFailure> failure = pair.handshake();
  ASSERT_TRUE(failure.has_value());
  EXPECT_EQ(failure->reason, Reason::TlsAlert) << failure->detail;
  const TlsFacts facts = pair.facts();
  EXPECT_FALSE(facts.established());
  EXPECT_EQ(facts.version, "");
  EXPECT_EQ(facts.chain.size(), 2u);
  ASSERT_EQ(facts.problems.size(), 1u);
  EXPECT_EQ(facts.problems[0].reason, Reason::CertNameMismatch);
  EXPECT_TRUE(facts.verified_chain.empty());
}

TEST(TlsFailureTest, ALateRefusalOfTls13IsAnAlertOnReading) {
  ServerSettings settings;
  settings.wants_client_certificate = true;
  const ContextHandle server = server_context(pki().server, settings);
  TlsPair pair(session(), server.get());
  std::optional<TlsFailure> failure = pair.handshake();
  std::string text;
  if (!failure) failure = pair.read(&text);
  ASSERT_TRUE(failure.has_value());
  EXPECT_EQ(failure->reason, Reason::TlsAlert);
  EXPECT_EQ(failure->detail, "certificate required (alert 116)");
}

}  // namespace
}  // namespace smtpprobe
