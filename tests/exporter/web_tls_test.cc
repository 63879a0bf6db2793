// The server's side of TLS against clients of OpenSSL, joined in memory.
#include "exporter/web_tls.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <openssl/pem.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tests/net/tls_pair.h"

namespace smtpprobe {
namespace {

using Context = std::shared_ptr<SSL_CTX>;

WebTlsConfig settings(const TestCertificate& pair = pki().server) {
  WebTlsConfig config;
  config.cert.text = pair.chain;
  config.key.text = pair.key;
  return config;
}

WebTlsConfig asking(ClientAuth mode) {
  WebTlsConfig config = settings();
  config.client_auth = mode;
  if (mode != ClientAuth::RequireAny) config.client_ca.text = pki().root.chain;
  return config;
}

Context made(const WebTlsConfig& config) {
  Result<Context> context = make_web_tls(config);
  EXPECT_TRUE(context) << (context ? "" : context.error().text);
  return context ? *context : nullptr;
}

std::string fault(const WebTlsConfig& config) {
  const Result<Context> context = make_web_tls(config);
  return context ? "none" : context.error().text;
}

struct Client {
  const TestCertificate* certificate = nullptr;
  int min_version = 0;  // 0: OpenSSL's own
  int max_version = 0;
  const char* ciphers = nullptr;
  const char* tls13_ciphers = nullptr;
  const char* groups = nullptr;
  std::string protocols{};         // of ALPN, as on the wire
  SSL_SESSION* session = nullptr;  // to be resumed
};

Context client_context(const Client& client) {
  Context context(SSL_CTX_new(TLS_client_method()), &SSL_CTX_free);
  SSL_CTX* const raw = context.get();
  SSL_CTX_set_security_level(raw, 0);
  SSL_CTX_set_min_proto_version(raw, client.min_version);
  SSL_CTX_set_max_proto_version(raw, client.max_version);
  if (client.ciphers != nullptr) {
    EXPECT_EQ(SSL_CTX_set_cipher_list(raw, client.ciphers), 1);
  }
  if (client.tls13_ciphers != nullptr) {
    EXPECT_EQ(SSL_CTX_set_ciphersuites(raw, client.tls13_ciphers), 1);
  }
  if (client.groups != nullptr) {
    std::string groups = client.groups;
    EXPECT_EQ(SSL_CTX_ctrl(raw, SSL_CTRL_SET_GROUPS_LIST, 0, groups.data()), 1);
  }
  if (client.certificate != nullptr) {
    const Folder files;
    const std::string chain = files.write("chain.pem", client.certificate->chain);
    const std::string key = files.write("key.pem", client.certificate->key);
    EXPECT_EQ(SSL_CTX_use_certificate_chain_file(raw, chain.c_str()), 1);
    EXPECT_EQ(SSL_CTX_use_PrivateKey_file(raw, key.c_str(), SSL_FILETYPE_PEM), 1);
  }
  return context;
}

// One connection: the handshake, and a byte each way behind it.
class Meeting {
 public:
  Meeting(const Context& server, const Client& client) : server_(new_web_session(server.get())) {
    const Context context = client_context(client);
    client_.reset(SSL_new(context.get()));
    SSL_set_connect_state(client_.get());
    if (!client.protocols.empty()) {
      const void* bytes = client.protocols.data();
      SSL_set_alpn_protos(client_.get(), static_cast<const unsigned char*>(bytes),
                          static_cast<unsigned>(client.protocols.size()));
    }
    if (client.session != nullptr) SSL_set_session(client_.get(), client.session);
    BIO* ours = nullptr;
    BIO* theirs = nullptr;
    constexpr std::size_t kPipeBytes = 65'536;
    BIO_new_bio_pair(&ours, kPipeBytes, &theirs, kPipeBytes);
    SSL_set_bio(server_.get(), ours, ours);
    SSL_set_bio(client_.get(), theirs, theirs);
    talk();
  }

  bool good() const { return good_; }
  SSL* client() const { return client_.get(); }
  std::string version() const { return good_ ? SSL_get_version(client_.get()) : "none"; }
  std::string cipher() const { return good_ ? SSL_get_cipher_name(client_.get()) : "none"; }
  std::string protocol() const {
    const unsigned char* name = nullptr;
    unsigned size = 0;
    SSL_get0_alpn_selected(client_.get(), &name, &size);
    return good_ ? std::string(name, name + size) : "none";
  }

 private:
  void talk() {
    constexpr int kTurns = 10;  // a handshake has three flights
    for (int turn = 0; turn < kTurns && !handshake_done(); ++turn) {
      SSL_do_handshake(client_.get());
      SSL_do_handshake(server_.get());
    }
    char byte = 0;
    // A client of TLS 1.3 is done before the server has judged it.
    good_ = handshake_done() && SSL_write(client_.get(), "a", 1) == 1 &&
            SSL_read(server_.get(), &byte, 1) == 1 && SSL_write(server_.get(), "b", 1) == 1 &&
            SSL_read(client_.get(), &byte, 1) == 1 && byte == 'b';
    ERR_clear_error();
  }
  bool handshake_done() const {
    return SSL_is_init_finished(client_.get()) == 1 && SSL_is_init_finished(server_.get()) == 1;
  }

  SslSession server_;
  SslSession client_;
  bool good_ = false;
};

std::string version_of(const WebTlsConfig& config, const Client& client) {
  return Meeting(made(config), client).version();
}
std::string cipher_of(const WebTlsConfig& config, const Client& client) {
  return Meeting(made(config), client).cipher();
}

TEST(WebTls, ShowsItsChain) {
  const Meeting meeting(made(settings()), {});
  ASSERT_TRUE(meeting.good());
  EXPECT_EQ(meeting.version(), "TLSv1.3");
  EXPECT_EQ(sk_X509_num(SSL_get_peer_cert_chain(meeting.client())), 2);
}

TEST(WebTls, SessionOutlivesItsContext) {
  Context context = made(settings());
  const SslSession session = new_web_session(context.get());
  context.reset();
  ASSERT_NE(session, nullptr);
  EXPECT_EQ(SSL_is_server(session.get()), 1);
  EXPECT_NE(SSL_get_certificate(session.get()), nullptr);
}

TEST(WebTls, Versions) {
  const Client old{.min_version = TLS1_VERSION, .max_version = TLS1_1_VERSION};
  const Client middle{.max_version = TLS1_2_VERSION};
  WebTlsConfig config = settings();
  EXPECT_EQ(version_of(config, old), "none");
  EXPECT_EQ(version_of(config, middle), "TLSv1.2");
  config.max_version = TlsVersion::Tls1_2;
  EXPECT_EQ(version_of(config, {}), "TLSv1.2");
  config.min_version = TlsVersion::Tls1_1;
  EXPECT_EQ(version_of(config, old), "TLSv1.1");
  EXPECT_EQ(version_of(config, {.min_version = TLS1_VERSION, .max_version = TLS1_VERSION}), "none");
  config.min_version = TlsVersion::Tls1_0;
  EXPECT_EQ(version_of(config, {.min_version = TLS1_VERSION, .max_version = TLS1_VERSION}),
            "TLSv1");
  config.min_version = config.max_version = TlsVersion::Tls1_3;
  EXPECT_EQ(version_of(config, middle), "none");
  EXPECT_EQ(version_of(config, {}), "TLSv1.3");
}

TEST(WebTls, CiphersOfTheFile) {
  constexpr const char* kBoth = "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256";
  const Client client{.max_version = TLS1_2_VERSION, .ciphers = kBoth};
  WebTlsConfig config = settings();
  config.ciphers = {"ECDHE-ECDSA-AES128-GCM-SHA256"};
  EXPECT_EQ(cipher_of(config, client), "ECDHE-ECDSA-AES128-GCM-SHA256");
  EXPECT_EQ(cipher_of(config,
                      {.max_version = TLS1_2_VERSION, .ciphers = "ECDHE-ECDSA-AES256-GCM-SHA384"}),
            "none");
  EXPECT_EQ(version_of(config, {}), "TLSv1.3");  // whose suites the list does not speak of

  config.ciphers.emplace_back("ECDHE-ECDSA-AES256-GCM-SHA384");
  EXPECT_EQ(cipher_of(config, client), "ECDHE-ECDSA-AES128-GCM-SHA256");
  config.prefer_server_ciphers = false;
  EXPECT_EQ(cipher_of(config, client), "ECDHE-ECDSA-AES256-GCM-SHA384");

  config.tls13_ciphers = {"TLS_CHACHA20_POLY1305_SHA256"};
  EXPECT_EQ(cipher_of(config, {}), "TLS_CHACHA20_POLY1305_SHA256");
  EXPECT_EQ(
      cipher_of(config, {.min_version = TLS1_3_VERSION, .tls13_ciphers = "TLS_AES_128_GCM_SHA256"}),
      "none");
}

TEST(WebTls, CiphersWithoutAList) {
  CertificateRequest request = TestPki::server_request();
  request.rsa = true;
  const WebTlsConfig rsa = settings(pki().issue(request));
  for (const auto& [cipher, config, good] :
       {std::tuple{"ECDHE-ECDSA-CHACHA20-POLY1305", settings(), true},
        {"ECDHE-ECDSA-AES128-SHA", settings(), true},
        {"ECDHE-ECDSA-AES128-SHA256", settings(), false},
        {"ECDHE-RSA-AES256-GCM-SHA384", rsa, true},
        {"AES128-GCM-SHA256", rsa, false},
        {"DHE-RSA-AES128-GCM-SHA256", rsa, false}}) {
    EXPECT_EQ(cipher_of(config, {.max_version = TLS1_2_VERSION, .ciphers = cipher}),
              good ? cipher : "none");
  }
}

TEST(WebTls, EveryNameOfTheFileIsOneOfOpenSsl) {
  const Result<WebConfig> config = parse_web_config(R"(
tls_server_config:
  cert_file: a
  key_file: a
  curve_preferences: [CurveP256, CurveP384, CurveP521, X25519, X25519MLKEM768]
  cipher_suites:
  - TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
  - TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256
  - TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384
  - TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384
  - TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256
  - TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256
  - TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA
  - TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA
  - TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA
  - TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA
  - TLS_RSA_WITH_AES_128_GCM_SHA256
  - TLS_RSA_WITH_AES_256_GCM_SHA384
  - TLS_RSA_WITH_AES_128_CBC_SHA
  - TLS_RSA_WITH_AES_256_CBC_SHA
  - TLS_AES_128_GCM_SHA256
  - TLS_AES_256_GCM_SHA384
  - TLS_CHACHA20_POLY1305_SHA256
)",
                                                    "web.yml");
  ASSERT_TRUE(config) << config.error().text;
  WebTlsConfig tls = settings();
  tls.ciphers = config->tls->ciphers;
  tls.tls13_ciphers = config->tls->tls13_ciphers;
  tls.groups = config->tls->groups;
  const Context context = made(tls);
  ASSERT_NE(context, nullptr);
  const STACK_OF(SSL_CIPHER)* known = SSL_CTX_get_ciphers(context.get());
  EXPECT_EQ(sk_SSL_CIPHER_num(known), 17);
  // Go's names are those of the standards, but for a suffix that it leaves away.
  std::vector<std::string> names;
  names.reserve(17);
  for (int at = 0; at < sk_SSL_CIPHER_num(known); ++at)
    names.emplace_back(SSL_CIPHER_get_name(sk_SSL_CIPHER_value(known, at)));
  std::vector<std::string> wanted = tls.tls13_ciphers;
  wanted.insert(wanted.end(), tls.ciphers.begin(), tls.ciphers.end());
  EXPECT_EQ(names, wanted);
}

TEST(WebTls, Curves) {
  WebTlsConfig config = settings();
  config.groups = {"P-384", "P-256"};
  const Meeting meeting(made(config), {.groups = "X25519:P-384"});
  ASSERT_TRUE(meeting.good());
  EXPECT_EQ(SSL_get_negotiated_group(meeting.client()), NID_secp384r1);
  EXPECT_FALSE(Meeting(made(config), {.groups = "X25519"}).good());
  EXPECT_TRUE(Meeting(made(settings()), {.groups = "X25519"}).good());
}

// Not every OpenSSL has all that Go has; that is no reason to refuse the others.
TEST(WebTls, UnknownCurvesArePassedOver) {
  WebTlsConfig config = settings();
  config.groups = {"no-such-group", "P-384"};
  EXPECT_TRUE(Meeting(made(config), {.groups = "X25519:P-384"}).good());
  EXPECT_FALSE(Meeting(made(config), {.groups = "X25519"}).good());
  config.groups = {"no-such-group"};
  EXPECT_TRUE(fault(config).starts_with("tls_server_config: curve_preferences: ")) << fault(config);
}

TEST(WebTls, SpeaksHttp11Alone) {
  const Context server = made(settings());
  EXPECT_EQ(Meeting(server, {.protocols = "\x02h2\x08http/1.1"}).protocol(), "http/1.1");
  EXPECT_EQ(Meeting(server, {.protocols = "\x02h2"}).protocol(), "none");
  EXPECT_EQ(Meeting(server, {}).protocol(), "");
}

TEST(WebTls, ClientCertificates) {
  CertificateRequest request;
  request.common_name = "stranger";
  const TestCertificate stranger = make_certificate(request);
  request.not_after = -std::chrono::hours(1);
  const TestCertificate expired = make_certificate(request, &pki().root);
  struct Row {
    ClientAuth mode;
    bool none, known, unknown, late;  // who gets in
  };
  for (const Row& row : {Row{ClientAuth::None, true, true, true, true},
                         Row{ClientAuth::Request, true, true, true, true},
                         Row{ClientAuth::RequireAny, false, true, true, true},
                         Row{ClientAuth::VerifyIfGiven, true, true, false, false},
                         Row{ClientAuth::RequireAndVerify, false, true, false, false}}) {
    const Context server = made(asking(row.mode));
    for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
      const auto enters = [&](const TestCertificate* certificate) {
        return Meeting(server, {.certificate = certificate, .max_version = version}).good();
      };
      SCOPED_TRACE(fmt::format("mode {}, version {:x}", static_cast<int>(row.mode), version));
      EXPECT_EQ(enters(nullptr), row.none);
      EXPECT_EQ(enters(&pki().client), row.known);
      EXPECT_EQ(enters(&stranger), row.unknown);
      EXPECT_EQ(enters(&expired), row.late);
    }
  }
}

// Where no authorities are given the system's count, which SSL_CERT_FILE names here.
TEST(WebTls, SystemAuthoritiesStandInForClientAuthorities) {
  const Folder folder;
  const Environment file("SSL_CERT_FILE", folder.write("root.pem", pki().root.chain));
  const Environment directory("SSL_CERT_DIR", folder.path() + "/none");
  CertificateRequest request;
  request.common_name = "stranger";
  const TestCertificate stranger = make_certificate(request);
  for (const ClientAuth mode : {ClientAuth::VerifyIfGiven, ClientAuth::RequireAndVerify}) {
    WebTlsConfig config = settings();
    config.client_auth = mode;
    const Context server = made(config);
    EXPECT_TRUE(Meeting(server, {.certificate = &pki().client}).good());
    EXPECT_FALSE(Meeting(server, {.certificate = &stranger}).good());
    EXPECT_EQ(Meeting(server, {}).good(), mode == ClientAuth::VerifyIfGiven);
    config.client_ca.text = stranger.chain;  // then the system's do not count
    const Context own = made(config);
    EXPECT_FALSE(Meeting(own, {.certificate = &pki().client}).good());
    EXPECT_TRUE(Meeting(own, {.certificate = &stranger}).good());
  }
}

TEST(WebTls, AnIntermediateMayBeTheAuthority) {
  WebTlsConfig config = asking(ClientAuth::RequireAndVerify);
  config.client_ca.text = pki().intermediate.chain;
  const Context server = made(config);
  CertificateRequest request;
  request.common_name = "client";
  const TestCertificate leaf = make_certificate(request, &pki().intermediate);
  EXPECT_TRUE(Meeting(server, {.certificate = &leaf}).good());
  EXPECT_FALSE(Meeting(server, {.certificate = &pki().client}).good());
}

TEST(WebTls, AllowedNames) {
  CertificateRequest request;
  request.common_name = "cn.test";
  request.dns_names = {"one.test", "two.test", "*.wild.test"};
  request.ip_addresses = {"192.0.2.1", "2001:db8::1"};
  const TestCertificate client = make_certificate(request, &pki().root);
  const TestCertificate stranger = make_certificate(request);
  for (const auto& [name, good] : {std::pair{"one.test", true},
                                   {"two.test", true},
                                   {"*.wild.test", true},
                                   {"192.0.2.1", true},
                                   {"2001:db8::1", true},
                                   {"a.wild.test", false},
                                   {"test", false},
                                   {"one.test.", false},
                                   {"cn.test", false},
                                   {"192.0.2.10", false}}) {
    WebTlsConfig config = asking(ClientAuth::RequireAndVerify);
    config.client_allowed_sans = std::vector<std::string>{"nobody.test", name};
    const Context server = made(config);
    EXPECT_EQ(Meeting(server, {.certificate = &client}).good(), good) << name;
    EXPECT_FALSE(Meeting(server, {.certificate = &stranger}).good()) << name;
    EXPECT_FALSE(Meeting(server, {}).good()) << name;
    config = asking(ClientAuth::RequireAny);
    config.client_allowed_sans = std::vector<std::string>{name};
    EXPECT_EQ(Meeting(made(config), {.certificate = &stranger}).good(), good) << name;
  }
  WebTlsConfig nobody = asking(ClientAuth::RequireAndVerify);
  nobody.client_allowed_sans.emplace();
  EXPECT_FALSE(Meeting(made(nobody), {.certificate = &client}).good());
}

// A resumed session would show no certificate.
TEST(WebTls, ClientsWithCertificatesResumeNothing) {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    for (const bool verified : {false, true}) {
      const Context server = made(verified ? asking(ClientAuth::RequireAndVerify) : settings());
      Client client{.certificate = &pki().client, .max_version = version};
      const Meeting first(server, client);
      ASSERT_TRUE(first.good());
      const std::unique_ptr<SSL_SESSION, decltype(&SSL_SESSION_free)> session(
          SSL_get1_session(first.client()), &SSL_SESSION_free);
      client.session = session.get();
      const Meeting second(server, client);
      ASSERT_TRUE(second.good());
      EXPECT_EQ(SSL_session_reused(second.client()) == 1, !verified) << version;
    }
  }
}

std::string encrypted_key() {
  const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(EVP_EC_gen("P-256"),
                                                                &EVP_PKEY_free);
  const std::unique_ptr<BIO, decltype(&BIO_free_all)> out(BIO_new(BIO_s_mem()), &BIO_free_all);
  char password[] = "secret";
  PEM_write_bio_PKCS8PrivateKey(out.get(), key.get(), EVP_aes_128_cbc(), password, 6, nullptr,
                                nullptr);
  std::string text(BIO_ctrl_pending(out.get()), '\0');
  BIO_read(out.get(), text.data(), static_cast<int>(text.size()));
  return text;
}

TEST(WebTls, BadPem) {
  const std::string no_end = pki().server.chain.substr(0, pki().server.chain.size() / 3);
  const std::string garbage = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
  const std::string other = pki().client.key;
  struct Row {
    const char* key;
    PemSource WebTlsConfig::*source;
    std::string text;
    const char* words;
  };
  for (const Row& row :
       {Row{"cert", &WebTlsConfig::cert, "", "holds no certificate, wanted PEM certificates"},
        {"cert", &WebTlsConfig::cert, pki().server.key, "holds no certificate, wanted PEM"},
        {"cert", &WebTlsConfig::cert, no_end, "wanted PEM certificates"},
        {"cert", &WebTlsConfig::cert, garbage, "wanted PEM certificates"},
        {"cert", &WebTlsConfig::cert, pki().server.chain + garbage, "wanted PEM certificates"},
        {"key", &WebTlsConfig::key, "", "wanted the certificate's private key in PEM"},
        {"key", &WebTlsConfig::key, pki().server.chain, "wanted the certificate's private key"},
        {"key", &WebTlsConfig::key, other, "wanted the certificate's private key in PEM"},
        {"key", &WebTlsConfig::key, encrypted_key(), "is encrypted, wanted the certificate's"},
        {"client_ca", &WebTlsConfig::client_ca, "x", "holds no certificate, wanted PEM"}}) {
    const Folder folder;
    WebTlsConfig config = asking(ClientAuth::RequireAndVerify);
    (config.*row.source) = {folder.write("bad.pem", row.text), ""};
    const std::string said = fault(config);
    const std::string where =
        fmt::format("tls_server_config.{}_file: {}/bad.pem: ", row.key, folder.path());
    EXPECT_TRUE(said.starts_with(where)) << said;
    EXPECT_NE(said.find(row.words), std::string::npos) << said;
    if (row.text.empty()) continue;  // in the configuration itself that is none at all
    (config.*row.source) = {"", row.text};
    EXPECT_TRUE(fault(config).starts_with(fmt::format("tls_server_config.{}: ", row.key)))
        << fault(config);
  }
}

TEST(WebTls, MissingFiles) {
  for (const auto& [key, source] : {std::pair{"cert", &WebTlsConfig::cert},
                                    {"key", &WebTlsConfig::key},
                                    {"client_ca", &WebTlsConfig::client_ca}}) {
    WebTlsConfig config = asking(ClientAuth::RequireAndVerify);
    (config.*source) = {"/nonexistent/web.pem", ""};
    const std::string said = fault(config);
    EXPECT_TRUE(said.starts_with(fmt::format("tls_server_config.{}_file: ", key))) << said;
    EXPECT_NE(said.find("/nonexistent/web.pem"), std::string::npos) << said;
  }
}

TEST(WebTls, SizeOfAFile) {
  const Folder folder;
  const auto padded = [&](std::size_t size) {
    std::string text = pki().server.chain;
    while (text.size() + 64 < size) text += std::string(63, '#') + "\n";
    text.resize(size, '#');
    return folder.write("web.pem", text);
  };
  WebTlsConfig config = settings();
  config.cert = {padded(kMaxPemBytes), ""};
  EXPECT_EQ(fault(config), "none");
  config.cert.file = padded(kMaxPemBytes + 1);
  EXPECT_NE(fault(config).find(fmt::format("over {} bytes", kMaxPemBytes)), std::string::npos);
}

TEST(WebTls, CertificateAndKeyInOneFile) {
  const Folder folder;
  const std::string file = folder.write("both.pem", pki().server.key + pki().server.chain);
  WebTlsConfig config;
  config.cert.file = config.key.file = file;
  EXPECT_TRUE(Meeting(made(config), {}).good());
}

}  // namespace
}  // namespace smtpprobe
