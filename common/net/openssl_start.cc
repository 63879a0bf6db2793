// What a plain start costs of a STARTTLS check, in millions of instructions: the texts of all
// errors 1.0, the names of all ciphers and digests that a program might look up 2.5, the clean-up
// at exit 1.4; the configuration file several more.
#include "common/net/openssl_start.h"

#include <fmt/format.h>
// The loaders of single libraries' texts are deprecated because a plain start loads all of them.
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/cryptoerr_legacy.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/sslerr_legacy.h>

namespace smtpprobe {
namespace {

bool begin() {
  const bool started =
      OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_LOAD_CRYPTO_STRINGS |
                              OPENSSL_INIT_NO_ADD_ALL_CIPHERS | OPENSSL_INIT_NO_ADD_ALL_DIGESTS |
                              OPENSSL_INIT_NO_ATEXIT,
                          nullptr) == 1 &&
      OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_LOAD_SSL_STRINGS, nullptr) ==
          1;
  // The digests of certificates' signatures are looked up by name, not fetched.
  for (const EVP_MD* digest :
       {EVP_sha256(), EVP_sha384(), EVP_sha512(), EVP_sha224(), EVP_sha1(), EVP_md5(),
        EVP_md5_sha1(), EVP_sha512_256(), EVP_sha3_256(), EVP_sha3_384(), EVP_sha3_512()}) {
    EVP_add_digest(digest);
  }
  return started;
}

bool load_words() {
  ERR_load_ERR_strings();
  ERR_load_SSL_strings();
  ERR_load_ASN1_strings();
  ERR_load_BIO_strings();
  ERR_load_BN_strings();
  ERR_load_CRYPTO_strings();
  ERR_load_DH_strings();
  ERR_load_EC_strings();
  ERR_load_EVP_strings();
  ERR_load_PEM_strings();
  ERR_load_RAND_strings();
  ERR_load_RSA_strings();
  ERR_load_X509_strings();
  ERR_load_X509V3_strings();
  return true;
}

}  // namespace

void start_openssl() { [[maybe_unused]] static const bool started = begin(); }

int protocol_number(TlsVersion version) {
  switch (version) {
    case TlsVersion::Tls1_0:
      return TLS1_VERSION;
    case TlsVersion::Tls1_1:
      return TLS1_1_VERSION;
    case TlsVersion::Tls1_2:
      return TLS1_2_VERSION;
    case TlsVersion::Tls1_3:
      return TLS1_3_VERSION;
  }
  return TLS1_2_VERSION;
}

std::string openssl_reason(unsigned long code) {
  [[maybe_unused]] static const bool loaded = load_words();
  const char* text = ERR_reason_error_string(code);
  return text == nullptr ? fmt::format("OpenSSL error {:x}", code) : std::string(text);
}

}  // namespace smtpprobe
