// The scripted server itself, spoken to over plain sockets and OpenSSL: what it says and when, how
// it ends, what it notices, and its TLS.
#include "tests/fake_server/fake_server.h"

#include <gtest/gtest.h>
#include <openssl/ssl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "tests/net/plain_client.h"

namespace smtpprobe {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;
using Client = PlainClient;

constexpr const char* kPlain = "S: 220 mx\nC: EHLO probe.test\nS: 250 mx\nC: QUIT\nS: 221 bye\n";

TEST(FakeServer, PlaysAScript) {
  const FakeServer server = FakeServer::from_text(kPlain);
  Client client(server);
  EXPECT_TRUE(client.hears("220 mx\r\n"));
  client.say("EHLO probe.test\r\n");
  EXPECT_TRUE(client.hears("250 mx\r\n"));
  client.say("QUIT\r\n");
  EXPECT_TRUE(client.hears("221 bye\r\n"));
  EXPECT_TRUE(client.hears_end());
  ::shutdown(client.socket(), SHUT_WR);
  EXPECT_TRUE(server.wait_idle());
  EXPECT_EQ(server.received(), (std::vector<std::string>{"EHLO probe.test", "QUIT"}));
  EXPECT_EQ(server.received_bytes(), "EHLO probe.test\r\nQUIT\r\n");
  EXPECT_TRUE(server.mismatches().empty());
  EXPECT_EQ(server.connections(), 1);
}

TEST(FakeServer, NoticesWhatIsNotInTheScript) {
  const FakeServer server = FakeServer::from_text(kPlain);
  {
    Client client(server);
    client.say("HELO probe.test\r\n");
    client.read();
  }
  {
    Client gone(server);
    gone.read();
  }
  ASSERT_TRUE(server.wait_idle());
  std::vector<std::string> found = server.mismatches();
  std::sort(found.begin(), found.end());  // each connection has a thread of its own
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(found[0], "connection 1, line 2: wanted \"EHLO probe.test\", got \"HELO probe.test\"");
  EXPECT_EQ(found[1], "connection 2, line 2: wanted \"EHLO probe.test\", the client went");
}

TEST(FakeServer, NoticesWhatComesBehindTheEnd) {
  const FakeServer server = FakeServer::from_text("S: 220 mx\nC: QUIT\nS: 221 bye\n");
  Client client(server);
  client.say("QUIT\r\nRSET\r\n");
  EXPECT_TRUE(client.hears("220 mx\r\n221 bye\r\n"));
  ::shutdown(client.socket(), SHUT_WR);
  ASSERT_TRUE(server.wait_idle());
  ASSERT_EQ(server.mismatches().size(), 1U);
  EXPECT_EQ(server.mismatches().front(),
            "connection 1, line 3: wanted no more, got \"RSET\\r\\n\"");
}

TEST(FakeServer, ServesIpv6AndUnixSockets) {
  FakeServerOptions options;
  options.address = "::1";
  const FakeServer v6 = FakeServer::from_text(kPlain, options);
  EXPECT_TRUE(Client(v6).hears("220 mx\r\n"));
  const std::string path = testing::TempDir() + "fake_server_test." + std::to_string(getpid());
  options.address = "unix:" + path;
  {
    const FakeServer local = FakeServer::from_text(kPlain, options);
    EXPECT_EQ(local.port(), 0);
    EXPECT_TRUE(Client(local).hears("220 mx\r\n"));
  }
  EXPECT_NE(::access(path.c_str(), F_OK), 0);
}

TEST(FakeServer, GivesEachConnectionItsScript) {
  const FakeServer server(
      {*parse_transcript("S: 220 first\n", "1"), *parse_transcript("S: 220 rest\n", "2")});
  EXPECT_TRUE(Client(server).hears("220 first\r\n"));
  EXPECT_TRUE(Client(server).hears("220 rest\r\n"));
  EXPECT_TRUE(Client(server).hears("220 rest\r\n"));
  EXPECT_EQ(server.connections(), 3);
}

TEST(FakeServer, ServesManyAtOnce) {
  const FakeServer server = FakeServer::from_text(kPlain);
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < 50; ++i) clients.push_back(std::make_unique<Client>(server));
  for (const auto& client : clients) EXPECT_TRUE(client->hears("220 mx\r\n"));
  EXPECT_EQ(server.connections(), 50);
}

TEST(FakeServer, SaysATurnInOnePiece) {
  const FakeServer server = FakeServer::from_text("S: 220 mx\nS: 250 early\nS> 2\nsilence\n");
  Client client(server);
  EXPECT_EQ(client.read(), "220 mx\r\n250 early\r\n2");
}

TEST(FakeServer, Drips) {
  const FakeServer server = FakeServer::from_text("drip 10ms: S: 220 mx\nsilence\n");
  const Clock::time_point began = Clock::now();
  Client client(server);
  // On a busy machine a byte or two more have come before the first look.
  const std::string wanted = "220 mx\r\n";
  const std::string first = client.read();
  EXPECT_LT(first.size(), wanted.size());
  EXPECT_TRUE(wanted.starts_with(first)) << first;
  EXPECT_TRUE(client.hears(wanted.substr(first.size())));
  EXPECT_GE(Clock::now() - began, 70ms);
}

TEST(FakeServer, Waits) {
  const FakeServer server = FakeServer::from_text("wait 80ms\nS: 220 mx\n");
  const Clock::time_point began = Clock::now();
  Client client(server);
  EXPECT_TRUE(client.hears("220 mx\r\n"));
  EXPECT_GE(Clock::now() - began, 80ms);
}

TEST(FakeServer, RepeatsWithoutEnd) {
  const FakeServer server = FakeServer::from_text("repeat 4000000: S: 220-spam\n");
  Client client(server);
  EXPECT_EQ(client.read(1'000'000).substr(0, 20), "220-spam\r\n220-spam\r\n");
}

TEST(FakeServer, EndsAsScripted) {
  const FakeServer closing = FakeServer::from_text("S: 220 mx\nclose\n");
  Client first(closing);
  EXPECT_TRUE(first.hears("220 mx\r\n"));
  EXPECT_TRUE(first.hears_end());
  const FakeServer resetting = FakeServer::from_text("S: 220 mx\nC: EHLO *\nreset\n");
  Client second(resetting);
  EXPECT_TRUE(second.hears("220 mx\r\n"));
  second.say("EHLO x\r\n");
  EXPECT_EQ(second.read(), "");
  EXPECT_EQ(second.problem(), ECONNRESET);
}

TEST(FakeServer, EndsWithConnectionsOpen) {
  const Clock::time_point began = Clock::now();
  {
    const FakeServer server = FakeServer::from_text("silence\n");
    const Client client(server);
    while (server.connections() == 0) std::this_thread::sleep_for(1ms);
  }
  EXPECT_LT(Clock::now() - began, 20s);
}

TEST(FakeServer, ReadsRawBytesAndMessages) {
  const FakeServer server = FakeServer::from_text("read 5\nS: 220 mx\nC: <message>\nS: 250 ok\n");
  Client client(server);
  client.say(std::string_view("\r\n\0x\n", 5));
  EXPECT_TRUE(client.hears("220 mx\r\n"));
  client.say("Subject: x\r\n\r\n..\r\n.\r\n");
  EXPECT_TRUE(client.hears("250 ok\r\n"));
  EXPECT_EQ(server.received(), (std::vector<std::string>{std::string("\r\n\0x\n", 5),
                                                         "Subject: x\r\n\r\n..\r\n.\r\n"}));
}

constexpr const char* kStarttls =
    "S: 220 mx\nC: STARTTLS\nS: 220 go\nTLS\nC: EHLO *\nS: 250 tls\nC: QUIT\nS: 221 bye\n";

TEST(FakeServerTls, UpgradesAndIsVerified) {
  const TestPki pki = TestPki::make();
  FakeServerOptions options;
  options.identity = pki.server;
  const FakeServer server = FakeServer::from_text(kStarttls, options);
  Client client(server);
  EXPECT_TRUE(client.hears("220 mx\r\n"));
  client.say("STARTTLS\r\n");
  EXPECT_TRUE(client.hears("220 go\r\n"));
  ASSERT_TRUE(client.start_tls(pki.root.chain));
  EXPECT_EQ(client.chain_length(), 2);
  client.say("EHLO x\r\n");
  EXPECT_TRUE(client.hears("250 tls\r\n"));
  client.say("QUIT\r\n");
  EXPECT_TRUE(client.hears("221 bye\r\n"));
  EXPECT_EQ(client.read(), "");
  EXPECT_EQ(client.tls_problem(), SSL_ERROR_ZERO_RETURN);  // close_notify came
  const std::vector<TlsSeen> seen = server.handshakes();
  ASSERT_EQ(seen.size(), 1U);
  EXPECT_EQ(seen.front().server_name, "mx.test");
  EXPECT_EQ(seen.front().version, "TLSv1.3");
}

TEST(FakeServerTls, CutsWithoutCloseNotify) {
  const FakeServer server = FakeServer::from_text("TLS\nS: 220 mx\ncut\n");
  Client client(server);
  ASSERT_TRUE(client.start_tls(server.trust_anchor(), "localhost"));
  EXPECT_TRUE(client.hears("220 mx\r\n"));
  EXPECT_EQ(client.read(), "");
  EXPECT_EQ(client.tls_problem(), SSL_ERROR_SSL);  // "unexpected eof while reading"
}

TEST(FakeServerTls, SpeaksInClearBeneath) {
  const FakeServer server = FakeServer::from_text("TLS\nraw> 250 clear\\r\\n\nsilence\n");
  Client client(server);
  ASSERT_TRUE(client.start_tls());
  EXPECT_EQ(client.read(), "");
  EXPECT_EQ(client.tls_problem(), SSL_ERROR_SSL);
}

TEST(FakeServerTls, FailsAsScripted) {
  const FakeServer alerting = FakeServer::from_text("TLS-FAIL alert 40\n");
  EXPECT_FALSE(Client(alerting).start_tls());
  EXPECT_EQ(Client::tls_reason(), SSL_AD_REASON_OFFSET + SSL_AD_HANDSHAKE_FAILURE);
  const FakeServer talking = FakeServer::from_text("TLS-FAIL garbage\n");
  EXPECT_FALSE(Client(talking).start_tls());
  EXPECT_EQ(Client::tls_reason(), SSL_R_WRONG_VERSION_NUMBER);
  const FakeServer closing = FakeServer::from_text("TLS-FAIL close\n");
  EXPECT_FALSE(Client(closing).start_tls());
  const FakeServer hanging = FakeServer::from_text("TLS-FAIL hang\n");
  Client waiting(hanging);
  const timeval limit = {0, 100'000};
  ::setsockopt(waiting.socket(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  EXPECT_FALSE(waiting.start_tls());
  EXPECT_EQ(waiting.tls_problem(), SSL_ERROR_WANT_READ);
}

TEST(FakeServerTls, KeepsToItsVersions) {
  FakeServerOptions options;
  options.max_tls_version = TLS1_1_VERSION;
  const FakeServer old = FakeServer::from_text("TLS\nS: 220 mx\n", options);
  Client modern(old);
  EXPECT_FALSE(modern.start_tls({}, "mx.test", {}, TLS1_2_VERSION));
  Client fitting(old);
  ASSERT_TRUE(fitting.start_tls({}, "mx.test", {}, TLS1_1_VERSION));
  EXPECT_EQ(fitting.tls_version(), "TLSv1.1");
}

TEST(FakeServerTls, DemandsAClientCertificate) {
  const TestPki pki = TestPki::make();
  FakeServerOptions options;
  options.identity = pki.server;
  options.client_ca = pki.root.chain;
  const FakeServer server = FakeServer::from_text("TLS\nS: 220 mx\n", options);
  Client known(server);
  ASSERT_TRUE(known.start_tls(pki.root.chain, "mx.test", pki.client));
  EXPECT_TRUE(known.hears("220 mx\r\n"));
  Client unknown(server);
  unknown.start_tls(pki.root.chain);
  EXPECT_EQ(unknown.read(), "");
  // The alert can be here before the server has written down that it sent one.
  for (int i = 0; i < 500 && server.handshakes().size() < 2; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  const std::vector<TlsSeen> seen = server.handshakes();
  ASSERT_EQ(seen.size(), 2U);
  EXPECT_NE(seen[0].client_subject.find("client.test"), std::string::npos);
  EXPECT_FALSE(seen[1].error.empty());
}

// What OpenSSL says of a server that shows `identity`.
long verification_of(const TestPki& pki, const TestCertificate& identity) {
  FakeServerOptions options;
  options.identity = identity;
  const FakeServer server = FakeServer::from_text("TLS\nS: 220 mx\n", options);
  Client client(server);
  client.start_tls(pki.root.chain);
  return client.verification();
}

TEST(TestCertificates, AreGoodOrBadAsAskedFor) {
  const TestPki pki = TestPki::make();
  CertificateRequest request = TestPki::server_request();
  EXPECT_EQ(verification_of(pki, pki.issue(request)), X509_V_OK);
  EXPECT_EQ(verification_of(pki, make_certificate(request)),
            X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT);
  EXPECT_EQ(verification_of(pki, make_certificate(request, &pki.intermediate)),
            X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY);
  request.not_after = -1h;
  EXPECT_EQ(verification_of(pki, pki.issue(request)), X509_V_ERR_CERT_HAS_EXPIRED);
  request = TestPki::server_request();
  request.not_before = 1h;
  EXPECT_EQ(verification_of(pki, pki.issue(request)), X509_V_ERR_CERT_NOT_YET_VALID);
  request = TestPki::server_request();
  request.dns_names = {"other.test"};
  EXPECT_EQ(verification_of(pki, pki.issue(request)), X509_V_ERR_HOSTNAME_MISMATCH);
  request = TestPki::server_request();
  request.rsa = true;
  request.organization = "Evil|Org\n\x1b[31m";
  request.bmp_strings = true;
  EXPECT_EQ(verification_of(pki, pki.issue(request)), X509_V_OK);
  EXPECT_EQ(count_certificates(pki.server.chain), 2U);
  EXPECT_EQ(last_certificate(pki.server.chain), pki.intermediate.chain);
}

}  // namespace
}  // namespace smtpprobe
