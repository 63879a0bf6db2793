#include "exporter/web_tls.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <optional>
#include <string_view>

#include "common/config/config_values.h"
#include "common/net/openssl_start.h"
#include "common/probe/printable.h"

namespace smtpprobe {
namespace {

constexpr std::size_t kShownPathBytes = 200;
constexpr long kMaxClientChainBytes = 100L * 1024;
// What Go takes by default: forward secrecy, no SHA-2 CBC.
constexpr const char* kDefaultCiphers =
    "ECDHE+AESGCM:ECDHE+CHACHA20:ECDHE-ECDSA-AES128-SHA:ECDHE-RSA-AES128-SHA:"
    "ECDHE-ECDSA-AES256-SHA:ECDHE-RSA-AES256-SHA";

template <auto Free>
struct Freed {
  template <typename T>
  void operator()(T* handle) const {
    Free(handle);
  }
};
using BioPtr = std::unique_ptr<BIO, Freed<BIO_free_all>>;
using CertificatePtr = std::unique_ptr<X509, Freed<X509_free>>;
using KeyPtr = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;
using NamesPtr = std::unique_ptr<GENERAL_NAMES, Freed<GENERAL_NAMES_free>>;

// What OpenSSL said first, which is nearest to the cause.
std::string openssl_words() {
  const unsigned long code = ERR_get_error();
  ERR_clear_error();
  return code == 0 ? "unusable for OpenSSL" : openssl_reason(code);
}

Unexpected refuse(std::string_view what) {
  return error(fmt::format("tls_server_config: {}: {}", what, openssl_words()));
}

// One of the three sources, with the name of its key.
struct Pem {
  std::string where;  // "tls_server_config.cert_file: /etc/web.pem"
  std::string text;

  Unexpected refuse(std::string_view problem, std::string_view wanted) const {
    return error(fmt::format("{}: {}, wanted {}", where, problem, wanted));
  }
  BioPtr reader() const {
    return BioPtr(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
  }
};

Result<Pem> read_pem(std::string_view key, const PemSource& source) {
  if (source.file.empty()) return Pem{fmt::format("tls_server_config.{}", key), source.text};
  const std::string where = fmt::format("tls_server_config.{}_file: ", key);
  const Result<std::string> file = readable_file(source.file);
  if (!file) return error(where + file.error().text);
  Result<std::string> text = read_config_file(*file, kMaxPemBytes);
  if (!text) return error(where + text.error().text);
  return Pem{where + printable(source.file, kShownPathBytes), std::move(*text)};
}

// A server must never stop and ask.
int refuse_passphrase(char*, int, int, void*) { return -1; }

// Other kinds of PEM in between, as a key, are passed over.
Result<std::vector<CertificatePtr>> read_certificates(const Pem& pem) {
  constexpr std::string_view kWanted = "PEM certificates";
  std::vector<CertificatePtr> all;
  const BioPtr reader = pem.reader();
  ERR_clear_error();
  while (X509* one = PEM_read_bio_X509(reader.get(), nullptr, &refuse_passphrase, nullptr))
    all.emplace_back(one);
  const unsigned long code = ERR_peek_last_error();
  const bool ended =
      ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_NO_START_LINE;
  if (!ended) return pem.refuse(openssl_words(), kWanted);
  ERR_clear_error();
  if (all.empty()) return pem.refuse("holds no certificate", kWanted);
  return all;
}

Result<void> load_certificate(SSL_CTX* context, const WebTlsConfig& config) {
  const Result<Pem> pem = read_pem("cert", config.cert);
  if (!pem) return Unexpected(pem.error());
  Result<std::vector<CertificatePtr>> all = read_certificates(*pem);
  if (!all) return Unexpected(all.error());
  constexpr std::string_view kWanted = "the server's certificate, then those of its issuers";
  if (SSL_CTX_use_certificate(context, all->front().get()) != 1)
    return pem->refuse(openssl_words(), kWanted);
  for (std::size_t i = 1; i < all->size(); ++i) {
    if (SSL_CTX_add1_chain_cert(context, (*all)[i].get()) != 1)
      return pem->refuse(openssl_words(), kWanted);
  }
  return {};
}

Result<void> load_key(SSL_CTX* context, const WebTlsConfig& config) {
  const Result<Pem> pem = read_pem("key", config.key);
  if (!pem) return Unexpected(pem.error());
  constexpr std::string_view kWanted = "the certificate's private key in PEM, without a passphrase";
  const BioPtr reader = pem->reader();
  ERR_clear_error();
  const KeyPtr key(PEM_read_bio_PrivateKey(reader.get(), nullptr, &refuse_passphrase, nullptr));
  if (key == nullptr) {
    const bool encrypted = pem->text.find("ENCRYPTED") != std::string::npos;
    const std::string words = openssl_words();
    return pem->refuse(encrypted ? "is encrypted" : words, kWanted);
  }
  if (SSL_CTX_use_PrivateKey(context, key.get()) != 1 || SSL_CTX_check_private_key(context) != 1)
    return pem->refuse(openssl_words(), kWanted);
  return {};
}

bool verifies_clients(const WebTlsConfig& config) {
  return config.client_auth == ClientAuth::VerifyIfGiven ||
         config.client_auth == ClientAuth::RequireAndVerify;
}

// Also an intermediate authority may be the anchor, as with Go; and as with Go the system's
// authorities stand in where none is given.
Result<void> load_client_ca(SSL_CTX* context, const WebTlsConfig& config) {
  X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(context), X509_V_FLAG_PARTIAL_CHAIN);
  if (config.client_ca.empty()) {
    if (!verifies_clients(config) || SSL_CTX_set_default_verify_paths(context) == 1) return {};
    return refuse("the system's authorities");
  }
  const Result<Pem> pem = read_pem("client_ca", config.client_ca);
  if (!pem) return Unexpected(pem.error());
  const Result<std::vector<CertificatePtr>> all = read_certificates(*pem);
  if (!all) return Unexpected(all.error());
  for (const CertificatePtr& authority : *all) {
    if (X509_STORE_add_cert(SSL_CTX_get_cert_store(context), authority.get()) != 1 ||
        SSL_CTX_add_client_CA(context, authority.get()) != 1)
      return pem->refuse(openssl_words(), "PEM certificates of authorities");
  }
  return {};
}

// What the verification of a client is told; belongs to the SSL_CTX.
struct ClientCheck {
  bool verifies = false;
  std::optional<std::vector<std::string>> allowed_names;  // absent: any
};

void free_check(void*, void* check, CRYPTO_EX_DATA*, int, long, void*) {
  delete static_cast<ClientCheck*>(check);
}

int check_index() {
  static const int index = SSL_CTX_get_ex_new_index(0, nullptr, nullptr, nullptr, &free_check);
  return index;
}

// DNS names, mail addresses, URIs and IP addresses as the configuration writes them; empty for any
// other kind.
std::string name_text(const GENERAL_NAME& name) {
  int type = 0;
  const void* value = GENERAL_NAME_get0_value(&name, &type);
  const auto* text = static_cast<const ASN1_STRING*>(value);
  if (type == GEN_DNS || type == GEN_EMAIL || type == GEN_URI) {
    const unsigned char* data = ASN1_STRING_get0_data(text);
    return {data, data + ASN1_STRING_length(text)};
  }
  if (type != GEN_IPADD) return {};
  const int size = ASN1_STRING_length(text);
  if (size != 4 && size != 16) return {};
  std::array<char, INET6_ADDRSTRLEN> shown{};
  const char* address = inet_ntop(size == 4 ? AF_INET : AF_INET6, ASN1_STRING_get0_data(text),
                                  shown.data(), shown.size());
  return address == nullptr ? std::string() : std::string(address);
}

bool has_name(const X509* certificate, const std::vector<std::string>& allowed) {
  void* found = X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr);
  const NamesPtr names(static_cast<GENERAL_NAMES*>(found));
  for (int i = 0; names != nullptr && i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const std::string name = name_text(*sk_GENERAL_NAME_value(names.get(), i));
    if (!name.empty() && std::find(allowed.begin(), allowed.end(), name) != allowed.end())
      return true;
  }
  return false;
}

// In place of OpenSSL's own verification. Not called for a client without a certificate, which
// the mode deals with.
int check_client(X509_STORE_CTX* store, void* data) {
  const auto& check = *static_cast<const ClientCheck*>(data);
  if (check.verifies) {
    const int verdict = X509_verify_cert(store);
    if (verdict <= 0) return verdict;
  } else {
    X509_STORE_CTX_set_error(store, X509_V_OK);
  }
  if (!check.allowed_names || has_name(X509_STORE_CTX_get0_cert(store), *check.allowed_names))
    return 1;
  X509_STORE_CTX_set_error(store, X509_V_ERR_APPLICATION_VERIFICATION);
  return 0;
}

Result<void> set_client_auth(SSL_CTX* context, const WebTlsConfig& config) {
  if (config.client_auth == ClientAuth::None) return {};
  auto check = std::make_unique<ClientCheck>();
  check->verifies = verifies_clients(config);
  check->allowed_names = config.client_allowed_sans;
  if (SSL_CTX_set_ex_data(context, check_index(), check.get()) != 1)
    return refuse("client_auth_type");
  SSL_CTX_set_cert_verify_callback(context, &check_client, check.release());
  const bool required = config.client_auth == ClientAuth::RequireAny ||
                        config.client_auth == ClientAuth::RequireAndVerify;
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER | (required ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0),
                     nullptr);
  SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
  SSL_CTX_set_num_tickets(context, 0);
  return load_client_ca(context, config);
}

std::string joined(const std::vector<std::string>& names) {
  return fmt::format("{}", fmt::join(names, ":"));
}

// Go knows curves that an older OpenSSL does not: they are passed over while another one is left.
Result<void> set_groups(SSL_CTX* context, const WebTlsConfig& config) {
  // SSL_CTX_set1_groups_list() spelt out: the macro casts const away.
  const auto set = [context](std::string groups) {
    return SSL_CTX_ctrl(context, SSL_CTRL_SET_GROUPS_LIST, 0, groups.data()) == 1;
  };
  std::vector<std::string> known;
  std::copy_if(config.groups.begin(), config.groups.end(), std::back_inserter(known), set);
  if (!config.groups.empty() && (known.empty() || !set(joined(known))))
    return refuse("curve_preferences");
  ERR_clear_error();
  return {};
}

Result<void> set_algorithms(SSL_CTX* context, const WebTlsConfig& config) {
  if (config.min_version < TlsVersion::Tls1_2) {
    // Their signatures are SHA-1 and MD5, which level 0 alone lets pass; certificates are held to
    // the level they were held to before.
    X509_VERIFY_PARAM_set_auth_level(SSL_CTX_get0_param(context),
                                     SSL_CTX_get_security_level(context));
    SSL_CTX_set_security_level(context, 0);
  }
  if (SSL_CTX_set_min_proto_version(context, protocol_number(config.min_version)) != 1 ||
      SSL_CTX_set_max_proto_version(context, protocol_number(config.max_version)) != 1)
    return refuse("min_version");
  const std::string ciphers = config.ciphers.empty() ? kDefaultCiphers : joined(config.ciphers);
  if (SSL_CTX_set_cipher_list(context, ciphers.c_str()) != 1) return refuse("cipher_suites");
  if (!config.tls13_ciphers.empty() &&
      SSL_CTX_set_ciphersuites(context, joined(config.tls13_ciphers).c_str()) != 1)
    return refuse("cipher_suites");
  if (config.prefer_server_ciphers) SSL_CTX_set_options(context, SSL_OP_CIPHER_SERVER_PREFERENCE);
  return set_groups(context, config);
}

// RFC 7301 s3.2: a client that names others only is refused.
int choose_http11(SSL*, const unsigned char** out, unsigned char* out_size, const unsigned char* in,
                  unsigned in_size, void*) {
  static constexpr unsigned char kOurs[] = {8, 'h', 't', 't', 'p', '/', '1', '.', '1'};
  unsigned char* chosen = nullptr;
  if (SSL_select_next_proto(&chosen, out_size, kOurs, sizeof kOurs, in, in_size) !=
      OPENSSL_NPN_NEGOTIATED)
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

void set_modes(SSL_CTX* context) {
  SSL_CTX_set_max_cert_list(context, kMaxClientChainBytes);
  // Tickets need no memory here; a cache would be shared by all threads, behind a lock.
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION);
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_alpn_select_cb(context, &choose_http11, nullptr);
}

}  // namespace

Result<std::shared_ptr<SSL_CTX>> make_web_tls(const WebTlsConfig& config) {
  start_openssl();
  const std::shared_ptr<SSL_CTX> context(SSL_CTX_new(TLS_server_method()), &SSL_CTX_free);
  if (context == nullptr) return refuse("no TLS");
  set_modes(context.get());
  for (const auto set : {&set_algorithms, &load_certificate, &load_key, &set_client_auth}) {
    const Result<void> good = set(context.get(), config);
    if (!good) return Unexpected(good.error());
  }
  return context;
}

SslSession new_web_session(SSL_CTX* context) {
  SslSession session(SSL_new(context));
  if (session != nullptr) SSL_set_accept_state(session.get());
  return session;
}

}  // namespace smtpprobe
