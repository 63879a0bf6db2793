// Servers that only TlsPlan::legacy accepts: refused without it, and the option is named; accepted
// with it.
#include <optional>

#include "tests/net/probe_harness.h"
#include "tests/net/tls_pair.h"

namespace smtpprobe {
namespace {

constexpr const char* kAccepts = "(--tls-legacy or tls.legacy accepts it)";
constexpr const char* kMayAccept = "(--tls-legacy or tls.legacy may accept it)";

TestCertificate rsa_certificate() {
  CertificateRequest request = TestPki::server_request();
  request.rsa = true;
  return make_certificate(request);
}

// What ends the handshake, or nothing.
std::optional<TlsFailure> failure_of(const ServerSettings& settings, const TlsPlan& plan) {
  static const TestCertificate certificate = rsa_certificate();
  const ContextHandle server = server_context(certificate, settings);
  TlsPair pair(context_of(plan)->new_session("mx.test"), server.get());
  return pair.handshake();
}

TlsPlan legacy_plan() {
  TlsPlan plan;
  plan.legacy = true;
  return plan;
}

bool names(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

void expect_only_with_legacy(const ServerSettings& settings, Reason reason, std::string_view why,
                             std::string_view hint) {
  const std::optional<TlsFailure> refused = failure_of(settings, {});
  ASSERT_TRUE(refused.has_value()) << why;
  EXPECT_EQ(refused->reason, reason) << refused->detail;
  EXPECT_TRUE(names(refused->detail, why)) << refused->detail;
  EXPECT_TRUE(names(refused->detail, hint)) << refused->detail;
  const std::optional<TlsFailure> accepted = failure_of(settings, legacy_plan());
  EXPECT_FALSE(accepted.has_value()) << accepted->detail;
}

TEST(TlsLegacyTest, OldVersions) {
  for (const int version : {TLS1_VERSION, TLS1_1_VERSION}) {
    ServerSettings settings;
    settings.min_version = TLS1_VERSION;
    settings.max_version = version;
    // OpenSSL's server refuses the versions that are offered; another one answers with its own.
    expect_only_with_legacy(settings, Reason::TlsVersion, "protocol", "--tls-legacy or tls.legacy");
  }
}

TEST(TlsLegacyTest, ASmallDiffieHellmanGroup) {
  ServerSettings settings;
  settings.max_version = TLS1_2_VERSION;
  settings.ciphers = "DHE-RSA-AES256-GCM-SHA384:@SECLEVEL=0";
  settings.group_1024 = true;
  expect_only_with_legacy(settings, Reason::TlsHandshake, "dh key too small", kAccepts);
}

TEST(TlsLegacyTest, ASignatureWithSha1) {
  ServerSettings settings;
  settings.max_version = TLS1_2_VERSION;
  settings.signatures = "RSA+SHA1";
  expect_only_with_legacy(settings, Reason::TlsAlert, "alert 40", kMayAccept);
}

TEST(TlsLegacyTest, NoSecureRenegotiation) {
  // A ServerHello of TLS 1.2 without extensions.
  std::string body{'\x03', '\x03'};
  body.append(32, 'r').append(1, '\0').append("\xc0\x2f").append(1, '\0');
  std::string hello{'\x16',
                    '\x03',
                    '\x03',
                    '\0',
                    static_cast<char>(body.size() + 4),
                    '\x02',
                    '\0',
                    '\0',
                    static_cast<char>(body.size())};
  hello += body;
  for (const bool legacy : {false, true}) {
    TlsPlan plan;
    plan.legacy = legacy;
    TlsPair pair(context_of(plan)->new_session("mx.test"), nullptr);
    EXPECT_FALSE(pair.handshake().has_value());
    pair.feed(hello);
    const std::optional<TlsFailure> failure = pair.handshake();
    ASSERT_EQ(failure.has_value(), !legacy);
    if (legacy) continue;
    EXPECT_EQ(failure->reason, Reason::TlsHandshake);
    EXPECT_TRUE(names(failure->detail, "unsafe legacy renegotiation disabled")) << failure->detail;
    EXPECT_TRUE(names(failure->detail, kAccepts)) << failure->detail;
  }
}

TEST(TlsLegacyTest, AChosenVersionThatIsMissedIsNoMatterOfLegacy) {
  ServerSettings settings;
  settings.max_version = TLS1_2_VERSION;
  TlsPlan plan;
  plan.min_version = TlsVersion::Tls1_3;
  const std::optional<TlsFailure> failure = failure_of(settings, plan);
  ASSERT_TRUE(failure.has_value());
  EXPECT_FALSE(names(failure->detail, "legacy")) << failure->detail;
}

TEST(TlsLegacyTest, ACertificateSignedWithSha1) {
  TrustingPlan trust;
  CertificateRequest request = TestPki::server_request();
  request.sha1 = true;
  const ContextHandle server = server_context(pki().issue(request), {});
  TlsPair refused(context_of(trust.plan())->new_session("mx.test"), server.get());
  EXPECT_FALSE(refused.handshake().has_value());
  const TlsFacts facts = refused.facts();
  ASSERT_EQ(facts.problems.size(), 1u);
  EXPECT_EQ(facts.problems[0].reason, Reason::CertUntrusted);
  EXPECT_TRUE(names(facts.problems[0].text, kAccepts)) << facts.problems[0].text;
  trust.plan().legacy = true;
  TlsPair accepted(context_of(trust.plan())->new_session("mx.test"), server.get());
  EXPECT_FALSE(accepted.handshake().has_value());
  EXPECT_TRUE(accepted.facts().verified());
}

TEST(TlsLegacyTest, AClientCertificateSignedWithSha1) {
  const Folder folder;
  CertificateRequest request = TestPki::server_request();
  request.sha1 = true;
  const TestCertificate own = pki().issue(request);
  TlsPlan plan;
  plan.cert_file = folder.write("own.pem", own.chain);
  plan.key_file = folder.write("own.key", own.key);
  const auto refused = TlsContext::create(plan, TlsVerify::Off);
  ASSERT_FALSE(refused.has_value());
  EXPECT_TRUE(names(refused.error().text, kAccepts)) << refused.error().text;
  plan.legacy = true;
  EXPECT_TRUE(TlsContext::create(plan, TlsVerify::Off).has_value());
}

// It still verifies what can be verified, and anonymous servers stay out.
TEST(TlsLegacyTest, StaysTlsWithCertificates) {
  TrustingPlan trust;
  trust.plan().legacy = true;
  const ContextHandle server = server_context(make_certificate(TestPki::server_request()), {});
  TlsPair pair(context_of(trust.plan())->new_session("mx.test"), server.get());
  EXPECT_FALSE(pair.handshake().has_value());
  EXPECT_FALSE(pair.facts().verified());
  ServerSettings anonymous;
  anonymous.max_version = TLS1_2_VERSION;
  anonymous.ciphers = "aNULL:@SECLEVEL=0";
  EXPECT_TRUE(failure_of(anonymous, legacy_plan()).has_value());
}

}  // namespace
}  // namespace smtpprobe
