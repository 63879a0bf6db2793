// A blocking client on a plain socket or OpenSSL, for the tests of the scripted server: it shares
// nothing with the probe that the server is there to test.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "tests/fake_server/fake_server.h"
#include "tests/fake_server/transcript.h"

namespace smtpprobe {

// A blocking client; every read ends after 5 seconds at the latest.
class PlainClient {
 public:
  explicit PlainClient(const FakeServer& server) {
    sockaddr_storage address{};
    socklen_t size = 0;
    if (server.address().starts_with("unix:")) {
      sockaddr_un local{};
      local.sun_family = AF_UNIX;
      std::strncpy(local.sun_path, server.address().c_str() + 5, sizeof local.sun_path - 1);
      std::memcpy(&address, &local, size = sizeof local);
    } else if (server.address().find(':') != std::string::npos) {
      sockaddr_in6 v6{};
      v6.sin6_family = AF_INET6;
      v6.sin6_addr = in6addr_loopback;
      v6.sin6_port = htons(static_cast<std::uint16_t>(server.port()));
      std::memcpy(&address, &v6, size = sizeof v6);
    } else {
      sockaddr_in v4{};
      v4.sin_family = AF_INET;
      v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
      v4.sin_port = htons(static_cast<std::uint16_t>(server.port()));
      std::memcpy(&address, &v4, size = sizeof v4);
    }
    socket_ = ::socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const timeval limit = {5, 0};
    ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    if (::connect(socket_, reinterpret_cast<sockaddr*>(&address), size) != 0) {
      ADD_FAILURE() << "connect: " << std::strerror(errno);
    }
  }
  ~PlainClient() {
    SSL_free(tls_);
    SSL_CTX_free(context_);
    ::close(socket_);
  }
  PlainClient(const PlainClient&) = delete;
  PlainClient& operator=(const PlainClient&) = delete;

  void say(std::string_view bytes) {
    if (tls_) {
      SSL_write(tls_, bytes.data(), static_cast<int>(bytes.size()));
    } else {
      ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    }
  }

  // As much as one read gives; empty at the end, `problem()` then says which.
  std::string read() {
    char block[4096];
    const ssize_t count =
        tls_ ? SSL_read(tls_, block, sizeof block) : ::recv(socket_, block, sizeof block, 0);
    problem_ = count < 0 ? errno : 0;
    if (tls_ && count <= 0) tls_problem_ = SSL_get_error(tls_, static_cast<int>(count));
    return count > 0 ? std::string(block, static_cast<std::size_t>(count)) : std::string();
  }
  // Until that many bytes are there, or the end.
  std::string read(std::size_t size) {
    std::string all;
    while (all.size() < size) {
      const std::string some = read();
      if (some.empty()) break;
      all += some;
    }
    return all;
  }
  testing::AssertionResult hears(std::string_view wanted) {
    const std::string got = read(wanted.size());
    if (got == wanted) return testing::AssertionSuccess();
    return testing::AssertionFailure() << "heard \"" << escaped(got) << '"';
  }
  testing::AssertionResult hears_end() {
    const std::string got = read();
    if (got.empty() && problem_ == 0) return testing::AssertionSuccess();
    return testing::AssertionFailure() << "heard \"" << escaped(got) << "\", errno " << problem_;
  }
  int problem() const { return problem_; }
  int tls_problem() const { return tls_problem_; }

  // With a trust anchor the chain and `name` are verified.
  bool start_tls(const std::string& anchor = {}, const char* name = "mx.test",
                 const TestCertificate& identity = {}, int version = 0) {
    ERR_clear_error();
    context_ = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_security_level(context_, 0);
    SSL_CTX_set_max_proto_version(context_, version);
    SSL_CTX_set_min_proto_version(context_, version);
    if (!anchor.empty()) {
      X509* certificate = read_certificate(anchor);
      X509_STORE_add_cert(SSL_CTX_get_cert_store(context_), certificate);
      X509_free(certificate);
      SSL_CTX_set_verify(context_, SSL_VERIFY_PEER, nullptr);
    }
    if (!identity.empty()) use(identity);
    tls_ = SSL_new(context_);
    // What SSL_set_tlsext_host_name() is, without its C cast.
    SSL_ctrl(tls_, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
             const_cast<char*>(name));
    if (!anchor.empty()) SSL_set1_host(tls_, name);
    SSL_set_fd(tls_, socket_);
    const int done = SSL_connect(tls_);
    if (done != 1) tls_problem_ = SSL_get_error(tls_, done);
    return done == 1;
  }
  // Of the last failure: the reason of the alert or of the record.
  static int tls_reason() { return ERR_GET_REASON(ERR_peek_last_error()); }
  long verification() const { return SSL_get_verify_result(tls_); }
  std::string tls_version() const { return SSL_get_version(tls_); }
  int chain_length() const { return sk_X509_num(SSL_get_peer_cert_chain(tls_)); }
  int socket() const { return socket_; }

 private:
  static X509* read_certificate(const std::string& pem) {
    BIO* bio = BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()));
    X509* certificate = PEM_read_bio_X509(bio, nullptr, nullptr, nullptr);
    BIO_free(bio);
    return certificate;
  }
  void use(const TestCertificate& identity) {
    X509* certificate = read_certificate(identity.chain);
    SSL_CTX_use_certificate(context_, certificate);
    X509_free(certificate);
    BIO* bio = BIO_new_mem_buf(identity.key.data(), static_cast<int>(identity.key.size()));
    EVP_PKEY* key = PEM_read_bio_PrivateKey(bio, nullptr, nullptr, nullptr);
    SSL_CTX_use_PrivateKey(context_, key);
    EVP_PKEY_free(key);
    BIO_free(bio);
  }

  int socket_ = -1;
  int problem_ = 0;
  int tls_problem_ = SSL_ERROR_NONE;
  SSL_CTX* context_ = nullptr;
  SSL* tls_ = nullptr;
};

}  // namespace smtpprobe
