// What TlsContext verifies and read_tls_facts() reports, against a TLS server in memory.
#include <openssl/x509v3.h>
#include <unistd.h>

#include <cstdlib>

#include "common/net/openssl_start.h"
#include "tests/net/tls_pair.h"

namespace smtpprobe {
namespace {

// Before any test starts OpenSSL in full: they all run on what a check runs on.
[[maybe_unused]] const bool kStarted = (start_openssl(), true);

struct Seen {
  std::optional<TlsFailure> failure;
  TlsFacts facts;

  // The reasons in their order, "cert_untrusted@0"; empty when verified.
  std::string problems() const {
    std::string text;
    for (const CertificateProblem& problem : facts.problems) {
      if (!text.empty()) text += ' ';
      text +=
          std::to_string(static_cast<int>(problem.reason)) + "@" + std::to_string(problem.depth);
    }
    return text;
  }
};

std::string at(Reason reason, int depth) {
  return std::to_string(static_cast<int>(reason)) + "@" + std::to_string(depth);
}

Seen look(const TestCertificate& certificate, const TlsPlan& plan, const std::string& host,
          TlsVerify verify = TlsVerify::Report, const ServerSettings& settings = {}) {
  Seen seen;
  const ContextHandle server = server_context(certificate, settings);
  const std::shared_ptr<const TlsContext> context = context_of(plan, verify);
  if (!context) return seen;
  TlsPair pair(context->new_session(host), server.get());
  seen.failure = pair.handshake();
  seen.facts = pair.facts();
  return seen;
}

Seen look(const TestCertificate& certificate, const std::string& host) {
  const TrustingPlan trust;
  return look(certificate, trust.plan(), host);
}

TestCertificate issue(const std::function<void(CertificateRequest&)>& change) {
  CertificateRequest request = TestPki::server_request();
  change(request);
  return pki().issue(request);
}

TEST(TlsFactsTest, AGoodChainIsVerified) {
  const Seen seen = look(pki().server, "mx.test");
  EXPECT_FALSE(seen.failure.has_value());
  EXPECT_TRUE(seen.facts.verified()) << seen.problems();
  EXPECT_EQ(seen.facts.version, "TLSv1.3");
  EXPECT_EQ(seen.facts.cipher, "TLS_AES_256_GCM_SHA384");
  EXPECT_EQ(seen.facts.cipher_iana, "TLS_AES_256_GCM_SHA384");
  EXPECT_EQ(seen.facts.group, "x25519");
  EXPECT_EQ(seen.facts.server_name, "mx.test");
  EXPECT_EQ(seen.facts.checked_name, "mx.test");
  ASSERT_EQ(seen.facts.chain.size(), 2u);
  ASSERT_EQ(seen.facts.verified_chain.size(), 3u);
  EXPECT_EQ(seen.facts.verified_chain[2].subject, "CN=Test Root CA");
}

TEST(TlsFactsTest, ACertificateIsReadWhole) {
  const Seen seen = look(pki().server, "mx.test");
  ASSERT_FALSE(seen.facts.chain.empty());
  const Certificate& leaf = seen.facts.chain[0];
  EXPECT_EQ(leaf.subject, "CN=mx.test");
  EXPECT_EQ(leaf.common_name, "mx.test");
  EXPECT_EQ(leaf.issuer, "CN=Test Intermediate CA");
  EXPECT_EQ(leaf.names,
            (std::vector<std::string>{"DNS:mx.test", "DNS:localhost", "IP:127.0.0.1", "IP:::1"}));
  EXPECT_EQ(leaf.key, "EC prime256v1");
  EXPECT_EQ(leaf.signature, "ecdsa-with-SHA256");
  EXPECT_EQ(leaf.fingerprint_sha256.size(), 64u);
  EXPECT_EQ(leaf.fingerprint_sha256.find_first_not_of("0123456789abcdef"), std::string::npos);
  EXPECT_EQ(leaf.serial.size(), 32u);
  EXPECT_EQ(leaf.serial.find_first_not_of("0123456789ABCDEF"), std::string::npos);
  EXPECT_EQ(leaf.not_after - leaf.not_before, std::chrono::hours(24 * 366));
}

TEST(TlsFactsTest, Tls12AndRsaAreNamed) {
  ServerSettings settings;
  settings.max_version = TLS1_2_VERSION;
  const TrustingPlan trust;
  const Seen seen = look(issue([](auto& request) { request.rsa = true; }), trust.plan(), "mx.test",
                         TlsVerify::Require, settings);
  EXPECT_TRUE(seen.facts.verified()) << seen.problems();
  EXPECT_EQ(seen.facts.version, "TLSv1.2");
  EXPECT_EQ(seen.facts.cipher, "ECDHE-RSA-AES256-GCM-SHA384");
  EXPECT_EQ(seen.facts.cipher_iana, "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384");
  EXPECT_EQ(seen.facts.group, "x25519");
  ASSERT_FALSE(seen.facts.chain.empty());
  EXPECT_EQ(seen.facts.chain[0].key, "RSA 2048");
}

TEST(TlsFactsTest, AChainSignedWithRsaIsVerified) {
  const Folder folder;
  CertificateRequest authority;
  authority.common_name = "RSA Root";
  authority.authority = true;
  authority.rsa = true;
  const TestCertificate root = make_certificate(authority);
  CertificateRequest request = TestPki::server_request();
  request.rsa = true;
  TlsPlan plan;
  plan.ca_file = folder.write("rsa.pem", root.chain);
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    ServerSettings settings;
    settings.max_version = version;
    const Seen seen =
        look(make_certificate(request, &root), plan, "mx.test", TlsVerify::Require, settings);
    EXPECT_TRUE(seen.facts.verified()) << seen.problems();
    ASSERT_FALSE(seen.facts.chain.empty());
    EXPECT_EQ(seen.facts.chain[0].signature, "sha256WithRSAEncryption");
  }
}

TEST(TlsFactsTest, OldVersionsOnlyWhenAskedFor) {
  ServerSettings settings;
  settings.min_version = TLS1_VERSION;
  settings.max_version = TLS1_VERSION;
  TrustingPlan trust;
  const Seen refused = look(pki().server, trust.plan(), "mx.test", TlsVerify::Report, settings);
  ASSERT_TRUE(refused.failure.has_value());
  EXPECT_EQ(refused.failure->reason, Reason::TlsVersion) << refused.failure->detail;
  trust.plan().min_version = TlsVersion::Tls1_0;
  const Seen seen = look(pki().server, trust.plan(), "mx.test", TlsVerify::Report, settings);
  EXPECT_EQ(seen.facts.version, "TLSv1");
  EXPECT_TRUE(seen.facts.verified()) << seen.problems();
}

TEST(TlsFactsTest, OldVersionsDoNotLowerTheBarForCertificates) {
  TrustingPlan trust;
  trust.plan().min_version = TlsVersion::Tls1_0;
  const TestCertificate weak = issue([](auto& request) { request.sha1 = true; });
  EXPECT_EQ(look(weak, trust.plan(), "mx.test").problems(), at(Reason::CertUntrusted, 0));
}

TEST(TlsVerificationTest, SelfSignedIsUntrustedAndTheHandshakeGoesOn) {
  const Seen seen = look(make_certificate(TestPki::server_request()), "mx.test");
  EXPECT_FALSE(seen.failure.has_value());
  EXPECT_TRUE(seen.facts.established());
  EXPECT_EQ(seen.problems(), at(Reason::CertUntrusted, 0));
  ASSERT_FALSE(seen.facts.problems.empty());
  EXPECT_EQ(seen.facts.problems[0].text, "self-signed certificate");
  EXPECT_TRUE(seen.facts.verified_chain.empty());
  EXPECT_EQ(seen.facts.chain.size(), 1u);
}

TEST(TlsVerificationTest, DatesGoFirst) {
  const auto day = std::chrono::hours(24);
  const TestCertificate expired = issue([&](auto& request) {
    request.not_before = -90 * day;
    request.not_after = -3 * day;
    request.dns_names = {"other.test"};
  });
  EXPECT_EQ(look(expired, "mx.test").problems(),
            at(Reason::CertExpired, 0) + " " + at(Reason::CertNameMismatch, 0));
  const TestCertificate early = issue([&](auto& request) { request.not_before = 3 * day; });
  EXPECT_EQ(look(early, "mx.test").problems(), at(Reason::CertNotYetValid, 0));
}

TEST(TlsVerificationTest, EveryProblemIsKept) {
  CertificateRequest request;
  request.common_name = "other.test";
  request.not_before = -std::chrono::hours(48);
  request.not_after = -std::chrono::hours(24);
  EXPECT_EQ(look(make_certificate(request), "mx.test").problems(),
            at(Reason::CertExpired, 0) + " " + at(Reason::CertUntrusted, 0) + " " +
                at(Reason::CertNameMismatch, 0));
}

TEST(TlsVerificationTest, NamesByTheirSanAlone) {
  const auto verified = [](const TestCertificate& certificate, const std::string& host) {
    return look(certificate, host).facts.verified();
  };
  EXPECT_TRUE(verified(pki().server, "MX.test"));
  EXPECT_TRUE(verified(pki().server, "mx.test."));
  EXPECT_TRUE(verified(pki().server, "127.0.0.1"));
  EXPECT_TRUE(verified(pki().server, "::1"));
  EXPECT_FALSE(verified(pki().server, "127.0.0.2"));
  EXPECT_FALSE(verified(pki().server, "a.mx.test"));
  const TestCertificate cn_only = issue([](auto& request) {
    request.dns_names.clear();
    request.ip_addresses.clear();
  });
  EXPECT_EQ(look(cn_only, "mx.test").problems(), at(Reason::CertNameMismatch, 0));
}

TEST(TlsVerificationTest, AWildcardIsOneWholeLeftmostLabel) {
  const auto verified = [](const std::string& pattern, const std::string& host) {
    const TestCertificate certificate =
        issue([&](auto& request) { request.dns_names = {pattern}; });
    return look(certificate, host).facts.verified();
  };
  EXPECT_TRUE(verified("*.mx.test", "a.mx.test"));
  EXPECT_FALSE(verified("*.mx.test", "a.b.mx.test"));
  EXPECT_FALSE(verified("*.mx.test", "mx.test"));
  EXPECT_FALSE(verified("a*.mx.test", "ab.mx.test"));
  EXPECT_FALSE(verified("a.*.test", "a.mx.test"));
}

TEST(TlsVerificationTest, AMissingIntermediateIsUntrustedOnce) {
  const TestCertificate alone = make_certificate(TestPki::server_request(), &pki().intermediate);
  const Seen seen = look(alone, "mx.test");
  EXPECT_EQ(seen.problems(), at(Reason::CertUntrusted, 0));
  ASSERT_FALSE(seen.facts.problems.empty());
  EXPECT_EQ(seen.facts.problems[0].text, "unable to get local issuer certificate");
}

TEST(TlsVerificationTest, OffChecksNothingAndShowsTheChain) {
  const TrustingPlan trust;
  const TestCertificate bad = make_certificate(CertificateRequest{});
  const Seen seen = look(bad, trust.plan(), "mx.test", TlsVerify::Off);
  EXPECT_TRUE(seen.facts.established());
  EXPECT_FALSE(seen.facts.checked);
  EXPECT_FALSE(seen.facts.verified());
  EXPECT_EQ(seen.problems(), "");
  EXPECT_EQ(seen.facts.checked_name, "");
  EXPECT_EQ(seen.facts.server_name, "mx.test");
  EXPECT_EQ(seen.facts.chain.size(), 1u);
}

TEST(TlsVerificationTest, TheServerNameOfThePlanGoesBeforeTheHost) {
  TrustingPlan trust;
  trust.plan().server_name = "mx.test";
  const Seen named = look(pki().server, trust.plan(), "192.0.2.1");
  EXPECT_TRUE(named.facts.verified()) << named.problems();
  EXPECT_EQ(named.facts.server_name, "mx.test");
  trust.plan().server_name = "127.0.0.1";
  const Seen by_address = look(pki().server, trust.plan(), "other.test");
  EXPECT_TRUE(by_address.facts.verified()) << by_address.problems();
  EXPECT_EQ(by_address.facts.server_name, "");
  EXPECT_EQ(by_address.facts.checked_name, "127.0.0.1");
  trust.plan().server_name.clear();
  EXPECT_EQ(look(pki().server, trust.plan(), "fe80::1%eth0").facts.checked_name, "fe80::1");
  const Seen socket = look(pki().server, trust.plan(), "");
  EXPECT_TRUE(socket.facts.verified()) << socket.problems();
  EXPECT_EQ(socket.facts.server_name + socket.facts.checked_name, "");
}

// The SNI the server got: nullopt for none.
std::optional<std::string> sent_sni(const std::string& host) {
  const TrustingPlan trust;
  const ContextHandle server = server_context(pki().server, {});
  TlsPair pair(context_of(trust.plan())->new_session(host), server.get());
  pair.handshake();
  const char* name = SSL_get_servername(pair.server(), TLSEXT_NAMETYPE_host_name);
  return name == nullptr ? std::nullopt : std::optional<std::string>(name);
}

TEST(TlsVerificationTest, SniIsForNamesOnly) {
  EXPECT_EQ(sent_sni("mx.test."), "mx.test");
  EXPECT_EQ(sent_sni("127.0.0.1"), std::nullopt);
  EXPECT_EQ(sent_sni("::1"), std::nullopt);
}

TEST(TlsHostileTest, TextOfCertificatesComesUnchangedAndNeverVerifies) {
  const std::string evil = "mx.test\n|x";
  const TestCertificate certificate = issue([&](auto& request) {
    request.common_name = "a\xc3\xa9|b";
    request.organization = "Line1\r\nLine2";
    request.dns_names = {evil, std::string("mx.test\0.evil", 13)};
  });
  const Seen seen = look(certificate, "mx.test");
  EXPECT_EQ(seen.problems(), at(Reason::CertNameMismatch, 0));
  ASSERT_FALSE(seen.facts.chain.empty());
  const Certificate& leaf = seen.facts.chain[0];
  ASSERT_EQ(leaf.names.size(), 4u);
  EXPECT_EQ(leaf.names[0], "DNS:" + evil);
  EXPECT_EQ(leaf.names[1], "DNS:" + std::string("mx.test\0.evil", 13));
  EXPECT_EQ(leaf.common_name, "a\xc3\xa9|b");
  EXPECT_EQ(leaf.subject, "CN=a\xc3\xa9|b,O=Line1\\0D\\0ALine2");
}

TEST(TlsHostileTest, BmpStringsBecomeUtf8) {
  const TestCertificate certificate = issue([](auto& request) { request.bmp_strings = true; });
  const Seen seen = look(certificate, "mx.test");
  ASSERT_FALSE(seen.facts.chain.empty());
  EXPECT_EQ(seen.facts.chain[0].common_name, "mx.test");
  EXPECT_EQ(seen.facts.chain[0].subject, "CN=mx.test");
}

TEST(TlsHostileTest, NamesAndChainsAreCapped) {
  const TestCertificate crowded = issue([](auto& request) {
    for (int i = 0; i < 200; ++i) request.dns_names.push_back("n" + std::to_string(i) + ".test");
  });
  const Seen names = look(crowded, "n199.test");
  EXPECT_TRUE(names.facts.verified()) << names.problems();
  EXPECT_EQ(names.facts.chain[0].names.size(), 64u);
  const TestCertificate long_chain =
      with_chain(pki().server, std::vector<TestCertificate>(12, pki().intermediate));
  const Seen chain = look(long_chain, "mx.test");
  EXPECT_TRUE(chain.facts.verified()) << chain.problems();
  EXPECT_EQ(chain.facts.chain.size(), 10u);
}

TEST(TlsHostileTest, AChainBeyond100KiBEndsTheHandshake) {
  const TestCertificate huge = issue([](auto& request) {
    for (int i = 0; i < 10000; ++i) request.dns_names.push_back("n" + std::to_string(i) + ".test");
  });
  const Seen seen = look(huge, "mx.test");
  ASSERT_TRUE(seen.failure.has_value());
  EXPECT_EQ(seen.failure->reason, Reason::TlsHandshake);
  EXPECT_EQ(seen.failure->detail, "excessive message size");
}

// `certificate` with the first `from` of its DER replaced by `to`: the signature breaks too.
TestCertificate tampered(const TestCertificate& certificate, std::string_view from,
                         std::string_view to) {
  std::unique_ptr<BIO, decltype(&BIO_free)> in(
      BIO_new_mem_buf(certificate.chain.data(), static_cast<int>(certificate.chain.size())),
      &BIO_free);
  char* name = nullptr;
  char* header = nullptr;
  unsigned char* data = nullptr;
  long size = 0;
  EXPECT_EQ(PEM_read_bio(in.get(), &name, &header, &data, &size), 1);
  std::string der(data, data + size);
  const std::size_t where = der.find(from);
  EXPECT_NE(where, std::string::npos);
  if (where != std::string::npos) der.replace(where, from.size(), to);
  std::unique_ptr<BIO, decltype(&BIO_free)> out(BIO_new(BIO_s_mem()), &BIO_free);
  PEM_write_bio(out.get(), name, header, reinterpret_cast<const unsigned char*>(der.data()), size);
  OPENSSL_free(name);
  OPENSSL_free(header);
  OPENSSL_free(data);
  char* pem = nullptr;
  const long length = BIO_get_mem_data(out.get(), &pem);
  return {std::string(pem, static_cast<std::size_t>(length)), certificate.key};
}

TEST(TlsHostileTest, AnUnreadableDateIsMalformed) {
  const TestCertificate alone = make_certificate(TestPki::server_request());
  const TestCertificate wrong = tampered(alone,
                                         std::string_view("\x17\x0d"
                                                          "2",
                                                          3),
                                         std::string_view("\x17\x0d"
                                                          "x",
                                                          3));
  const Seen seen = look(wrong, "mx.test");
  ASSERT_FALSE(seen.facts.problems.empty());
  EXPECT_EQ(seen.facts.problems.back().reason, Reason::CertMalformed);
  EXPECT_EQ(seen.facts.problems.back().depth, 0);
}

}  // namespace
}  // namespace smtpprobe
