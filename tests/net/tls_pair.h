// A client session of TlsContext and a TLS server joined in memory: the test carries the bytes and
// may change them on the way. Certificates come from tests/fake_server/test_certificates.h.
#pragma once

#include <gtest/gtest.h>
#include <openssl/dh.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <stdlib.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "common/net/tls_context.h"
#include "common/net/tls_report.h"
#include "tests/fake_server/test_certificates.h"

namespace smtpprobe {

// One for all tests: making keys takes time.
inline const TestPki& pki() {
  static const TestPki made = TestPki::make();
  return made;
}

// A directory that goes away with its files.
class Folder {
 public:
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "smtp-probe-tls-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) ADD_FAILURE() << "no directory " << name;
    path_ = name;
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  const std::string& path() const { return path_; }
  // Its path.
  std::string write(const std::string& name, std::string_view text) const {
    const std::string file = path_ + "/" + name;
    std::ofstream(file, std::ios::binary) << text;
    return file;
  }

 private:
  std::string path_;
};

// Sets a variable of the environment for one test.
class Environment {
 public:
  Environment(const char* name, const std::string& value) : name_(name) {
    const char* old = ::getenv(name);
    if (old != nullptr) old_ = old;
    ::setenv(name, value.c_str(), 1);
  }
  ~Environment() {
    if (old_) {
      ::setenv(name_, old_->c_str(), 1);
    } else {
      ::unsetenv(name_);
    }
  }
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;

 private:
  const char* name_;
  std::optional<std::string> old_;
};

struct ServerSettings {
  int min_version = TLS1_2_VERSION;
  int max_version = TLS1_3_VERSION;
  bool wants_client_certificate = false;
  std::string ciphers;      // of TLS 1.2 and below, as OpenSSL writes them; empty: its own choice
  std::string signatures;   // "RSA+SHA1"; empty: its own choice
  bool group_1024 = false;  // a Diffie-Hellman group of 1024 bits
};

// RFC 5114 section 2.1.
inline EVP_PKEY* diffie_hellman_1024() {
  EVP_PKEY_CTX* context = EVP_PKEY_CTX_new_from_name(nullptr, "DHX", nullptr);
  EVP_PKEY* group = nullptr;
  EXPECT_EQ(EVP_PKEY_paramgen_init(context), 1);
  EXPECT_EQ(EVP_PKEY_CTX_set_dh_rfc5114(context, 1), 1);
  EXPECT_EQ(EVP_PKEY_paramgen(context, &group), 1);
  EVP_PKEY_CTX_free(context);
  return group;
}

using ContextHandle = std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)>;

// The PEM texts `certificate.chain` and `certificate.key`, whatever is in them.
inline ContextHandle server_context(const TestCertificate& certificate,
                                    const ServerSettings& settings) {
  const Folder files;
  ContextHandle context(SSL_CTX_new(TLS_server_method()), &SSL_CTX_free);
  SSL_CTX_set_security_level(context.get(), 0);
  SSL_CTX_set_min_proto_version(context.get(), settings.min_version);
  SSL_CTX_set_max_proto_version(context.get(), settings.max_version);
  if (!settings.ciphers.empty()) {
    EXPECT_EQ(SSL_CTX_set_cipher_list(context.get(), settings.ciphers.c_str()), 1);
  }
  if (!settings.signatures.empty()) {
    EXPECT_EQ(SSL_CTX_set1_sigalgs_list(context.get(), settings.signatures.c_str()), 1);
  }
  if (settings.group_1024) {
    EXPECT_EQ(SSL_CTX_set0_tmp_dh_pkey(context.get(), diffie_hellman_1024()), 1);
  }
  const std::string chain = files.write("chain.pem", certificate.chain);
  const std::string key = files.write("key.pem", certificate.key);
  EXPECT_EQ(SSL_CTX_use_certificate_chain_file(context.get(), chain.c_str()), 1);
  EXPECT_EQ(SSL_CTX_use_PrivateKey_file(context.get(), key.c_str(), SSL_FILETYPE_PEM), 1);
  if (settings.wants_client_certificate) {
    SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
                       [](int, X509_STORE_CTX*) { return 1; });
  }
  return context;
}

// A plan that trusts the root of pki() alone.
class TrustingPlan {
 public:
  TrustingPlan() { plan_.ca_file = files_.write("ca.pem", pki().root.chain); }
  const TlsPlan& plan() const { return plan_; }
  TlsPlan& plan() { return plan_; }

 private:
  Folder files_;
  TlsPlan plan_;
};

inline std::shared_ptr<const TlsContext> context_of(const TlsPlan& plan,
                                                    TlsVerify verify = TlsVerify::Report) {
  Result<std::shared_ptr<const TlsContext>> made = TlsContext::create(plan, verify);
  if (!made) {
    ADD_FAILURE() << made.error().text;
    return nullptr;
  }
  return *made;
}

class TlsPair {
 public:
  using Change = std::function<void(std::string&)>;

  TlsPair(SslSession client, const SSL_CTX* server_settings)
      : client_(std::move(client)), server_(nullptr) {
    attach(client_.get());
    if (server_settings == nullptr) return;
    server_.reset(SSL_new(const_cast<SSL_CTX*>(server_settings)));
    attach(server_.get());
    SSL_set_accept_state(server_.get());
  }

  SSL* client() { return client_.get(); }
  SSL* server() { return server_.get(); }
  TlsFacts facts() { return read_tls_facts(client_.get()); }

  // Until both are done or the client failed.
  std::optional<TlsFailure> handshake() {
    for (int turn = 0; turn < 20; ++turn) {
      const std::optional<TlsFailure> failure =
          step([](SSL* ssl) { return SSL_do_handshake(ssl); });
      if (failure) return failure;
      carry(client_.get(), server_.get(), {});
      if (server_) SSL_do_handshake(server_.get());
      if (server_) carry(server_.get(), client_.get(), {});
      if (SSL_is_init_finished(client_.get()) &&
          (!server_ || SSL_is_init_finished(server_.get()))) {
        return std::nullopt;
      }
    }
    return std::nullopt;
  }

  // What the client reads next, or why it cannot.
  std::optional<TlsFailure> read(std::string* text) {
    char buffer[512];
    int size = 0;
    std::optional<TlsFailure> failure = step([&](SSL* ssl) {
      size = SSL_read(ssl, buffer, sizeof buffer);
      return size;
    });
    if (size > 0) text->assign(buffer, static_cast<std::size_t>(size));
    return failure;
  }

  void server_says(std::string_view text, const Change& change = {}) {
    SSL_write(server_.get(), text.data(), static_cast<int>(text.size()));
    carry(server_.get(), client_.get(), change);
  }
  // Bytes past TLS.
  void feed(std::string_view bytes) {
    BIO_write(SSL_get_rbio(client_.get()), bytes.data(), static_cast<int>(bytes.size()));
  }
  void end_of_stream() { BIO_set_mem_eof_return(SSL_get_rbio(client_.get()), 0); }

 private:
  static void attach(SSL* ssl) {
    BIO* in = BIO_new(BIO_s_mem());
    BIO* out = BIO_new(BIO_s_mem());
    BIO_set_mem_eof_return(in, -1);
    BIO_set_mem_eof_return(out, -1);
    SSL_set_bio(ssl, in, out);
  }

  static void carry(SSL* from, SSL* to, const Change& change) {
    std::string bytes(BIO_ctrl_pending(SSL_get_wbio(from)), '\0');
    if (bytes.empty()) return;
    BIO_read(SSL_get_wbio(from), bytes.data(), static_cast<int>(bytes.size()));
    if (change) change(bytes);
    if (to != nullptr) BIO_write(SSL_get_rbio(to), bytes.data(), static_cast<int>(bytes.size()));
  }

  std::optional<TlsFailure> step(const std::function<int(SSL*)>& action) {
    ERR_clear_error();
    errno = 0;
    const int outcome = action(client_.get());
    const int system = errno;
    if (outcome > 0) return std::nullopt;
    const int said = SSL_get_error(client_.get(), outcome);
    if (said == SSL_ERROR_WANT_READ || said == SSL_ERROR_WANT_WRITE) return std::nullopt;
    return classify_tls_failure(client_.get(), said, system);
  }

  SslSession client_;
  SslSession server_;
};

}  // namespace smtpprobe
