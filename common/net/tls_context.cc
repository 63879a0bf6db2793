// OpenSSL's client context, built for least start-up: no configuration file, no bundle of
// authorities (the hashed directory is read one certificate at a time), no session cache.
#include "common/net/tls_context.h"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <cstdlib>
#include <string_view>

#include "common/base/regular_file.h"
#include "common/net/channel_error.h"
#include "common/net/openssl_start.h"
#include "common/net/trust_directory.h"
#include "common/probe/target.h"

namespace smtpprobe {
namespace {

constexpr long kMaxCertificateBytes = 100L * 1024;
constexpr std::size_t kMaxPemBytes = 1024UL * 1024;         // a certificate with its chain, a key
constexpr std::size_t kMaxTrustBytes = 16UL * 1024 * 1024;  // the system's bundle has 0.2 MiB

Reason problem_reason(int x509_error) {
  switch (x509_error) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
      return Reason::CertExpired;
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return Reason::CertNotYetValid;
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
      return Reason::CertNameMismatch;
    case X509_V_ERR_ERROR_IN_CERT_NOT_BEFORE_FIELD:
    case X509_V_ERR_ERROR_IN_CERT_NOT_AFTER_FIELD:
    case X509_V_ERR_UNABLE_TO_DECRYPT_CERT_SIGNATURE:
    case X509_V_ERR_UNABLE_TO_DECODE_ISSUER_PUBLIC_KEY:
    case X509_V_ERR_INVALID_EXTENSION:
    case X509_V_ERR_EC_KEY_EXPLICIT_PARAMS:
      return Reason::CertMalformed;
    default:
      return Reason::CertUntrusted;
  }
}

// Keys and digests below the security level.
bool is_too_weak(int x509_error) {
  return x509_error == X509_V_ERR_EE_KEY_TOO_SMALL || x509_error == X509_V_ERR_CA_KEY_TOO_SMALL ||
         x509_error == X509_V_ERR_CA_MD_TOO_WEAK;
}

void free_record(void*, void* record, CRYPTO_EX_DATA*, int, long, void*) {
  delete static_cast<TlsSessionRecord*>(record);
}

int record_index() {
  static const int index = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, &free_record);
  return index;
}

// Returns 1 always: the handshake goes on and the probe gets to see the rest.
int note_problem(int ok, X509_STORE_CTX* store) {
  if (ok == 1) return 1;
  const void* ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
  void* data = SSL_get_ex_data(static_cast<const SSL*>(ssl), record_index());
  auto* record = static_cast<TlsSessionRecord*>(data);
  if (record == nullptr) return 1;
  const int code = X509_STORE_CTX_get_error(store);
  const Reason reason = problem_reason(code);
  const int depth = X509_STORE_CTX_get_error_depth(store);
  const bool known = std::any_of(
      record->problems.begin(), record->problems.end(),
      [&](const auto& problem) { return problem.reason == reason && problem.depth == depth; });
  if (!known) {
    std::string words = X509_verify_cert_error_string(code);
    if (!record->legacy && is_too_weak(code)) words += legacy_hint(LegacyHelp::Yes);
    record->problems.push_back({reason, depth, std::move(words)});
  }
  return 1;
}

// In place of the whole verification, which OpenSSL does even for SSL_VERIFY_NONE.
int skip_verification(X509_STORE_CTX*, void*) { return 1; }

// A check must never stop and ask.
int refuse_passphrase(char*, int, int, void*) { return -1; }

// What OpenSSL said first, which is nearest to the cause.
std::string openssl_words() {
  const unsigned long code = ERR_get_error();
  ERR_clear_error();
  if (code == 0) return "unreadable for OpenSSL";
  return openssl_reason(code) + legacy_hint(legacy_help(code, TlsPhase::BeforeServerHello));
}

// `what` is the plan's own word, as in the configuration; who has others puts theirs in its place.
std::string file_error(std::string_view what, const std::string& path, std::string_view problem,
                       std::string_view wanted) {
  return fmt::format("{}: got '{}' ({}), expected {}", what, path, problem, wanted);
}

// Of a directory.
std::string directory_problem(const std::string& path) {
  const RegularFile file(path);
  if (file.is_directory()) return {};
  return file.mode() == 0 ? file.problem() : "not a directory";
}

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

void free_infos(STACK_OF(X509_INFO) * infos) { sk_X509_INFO_pop_free(infos, X509_INFO_free); }
using InfosPtr = std::unique_ptr<STACK_OF(X509_INFO), Freed<free_infos>>;

// A PEM file, read before OpenSSL sees it: OpenSSL's own readers take a path and would wait for the
// writer of a FIFO. Wiped at the end, for it may be a key.
class PemFile {
 public:
  PemFile(const std::string& path, std::size_t max_bytes) {
    RegularFile file(path);
    text_ = file.read(max_bytes).value_or("");
    problem_ = file.is_directory() ? "is a directory" : file.problem();
  }
  ~PemFile() { OPENSSL_cleanse(text_.data(), text_.size()); }
  PemFile(const PemFile&) = delete;
  PemFile& operator=(const PemFile&) = delete;

  const std::string& problem() const { return problem_; }  // empty: it was read
  BioPtr reader() const {
    return BioPtr(BIO_new_mem_buf(text_.data(), static_cast<int>(text_.size())));
  }
  // By the two forms' own marks: what OpenSSL says of them depends on which ciphers it was started
  // with.
  bool holds_encrypted_key() const {
    return text_.find("-----BEGIN ENCRYPTED PRIVATE KEY-----") != std::string::npos ||
           text_.find("Proc-Type: 4,ENCRYPTED") != std::string::npos;
  }

 private:
  std::string text_;
  std::string problem_;
};

// What SSL_CTX_load_verify_file() does with a path: certificates and revocation lists.
bool add_trust(SSL_CTX* context, BIO* pem) {
  const InfosPtr infos(PEM_X509_INFO_read_bio(pem, nullptr, &refuse_passphrase, nullptr));
  if (infos == nullptr) return false;
  X509_STORE* store = SSL_CTX_get_cert_store(context);
  int count = 0;
  for (int i = 0; i < sk_X509_INFO_num(infos.get()); ++i) {
    const X509_INFO* info = sk_X509_INFO_value(infos.get(), i);
    if (info->x509 != nullptr && X509_STORE_add_cert(store, info->x509) != 1) return false;
    if (info->crl != nullptr && X509_STORE_add_crl(store, info->crl) != 1) return false;
    count += (info->x509 != nullptr ? 1 : 0) + (info->crl != nullptr ? 1 : 0);
  }
  if (count == 0) ERR_raise(ERR_LIB_X509, X509_R_NO_CERTIFICATE_OR_CRL_FOUND);
  return count != 0;
}

// What SSL_CTX_use_certificate_chain_file() does with a path.
bool use_chain(SSL_CTX* context, BIO* pem) {
  const CertificatePtr own(PEM_read_bio_X509_AUX(pem, nullptr, &refuse_passphrase, nullptr));
  if (own == nullptr || SSL_CTX_use_certificate(context, own.get()) != 1) return false;
  ERR_clear_error();
  while (true) {
    const CertificatePtr next(PEM_read_bio_X509(pem, nullptr, &refuse_passphrase, nullptr));
    if (next == nullptr) break;
    if (SSL_CTX_add1_chain_cert(context, next.get()) != 1) return false;
  }
  const unsigned long code = ERR_peek_last_error();
  const bool ended =
      ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_NO_START_LINE;
  if (ended) ERR_clear_error();
  return ended;
}

using ContextHandle = std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)>;

Result<void> load_ca_file(SSL_CTX* context, std::string_view what, const std::string& path) {
  constexpr std::string_view kWanted = "a readable file of PEM certificates";
  const PemFile file(path, kMaxTrustBytes);
  if (!file.problem().empty()) return error(file_error(what, path, file.problem(), kWanted));
  ERR_clear_error();
  if (!add_trust(context, file.reader().get())) {
    return error(file_error(what, path, openssl_words(), kWanted));
  }
  return {};
}

Result<void> load_directory(SSL_CTX* context, std::string_view what, const std::string& path) {
  ERR_clear_error();
  if (add_trust_directories(context, path)) return {};
  return error(file_error(what, path, openssl_words(), "a directory made by openssl rehash"));
}

// The system's trust is its directory alone, for reading the bundle costs more than a whole check.
// A missing directory is no error here: then no certificate verifies, and the probe says so.
Result<void> load_system_trust(SSL_CTX* context) {
  const char* file = ::secure_getenv(X509_get_default_cert_file_env());
  if (file != nullptr && *file != '\0') {
    Result<void> loaded = load_ca_file(context, X509_get_default_cert_file_env(), file);
    if (!loaded) return loaded;
  }
  const char* directory = ::secure_getenv(X509_get_default_cert_dir_env());
  if (directory == nullptr || *directory == '\0') directory = X509_get_default_cert_dir();
  return load_directory(context, "trust directory", directory);
}

Result<void> load_trust(SSL_CTX* context, const TlsPlan& plan) {
  if (plan.ca_file.empty() && plan.ca_path.empty()) return load_system_trust(context);
  if (!plan.ca_file.empty()) {
    Result<void> loaded = load_ca_file(context, "ca_file", plan.ca_file);
    if (!loaded) return loaded;
  }
  if (plan.ca_path.empty()) return {};
  const std::string problem = directory_problem(plan.ca_path);
  if (!problem.empty()) {
    return error(
        file_error("ca_path", plan.ca_path, problem, "a directory made by openssl rehash"));
  }
  return load_directory(context, "ca_path", plan.ca_path);
}

Result<void> load_client_key(SSL_CTX* context, const TlsPlan& plan) {
  constexpr std::string_view kWanted = "a PEM private key without a passphrase";
  const std::string& path = plan.key_file.empty() ? plan.cert_file : plan.key_file;
  const PemFile file(path, kMaxPemBytes);
  if (!file.problem().empty()) return error(file_error("key_file", path, file.problem(), kWanted));
  ERR_clear_error();
  const KeyPtr key(
      PEM_read_bio_PrivateKey(file.reader().get(), nullptr, &refuse_passphrase, nullptr));
  const bool loaded = key != nullptr && SSL_CTX_use_PrivateKey(context, key.get()) == 1;
  if (loaded && SSL_CTX_check_private_key(context) == 1) return {};
  if (!loaded && file.holds_encrypted_key()) {
    return error(file_error("key_file", path, "is encrypted", kWanted));
  }
  const unsigned long code = ERR_peek_error();
  const int reason = ERR_GET_REASON(code);
  // A key of another type than the certificate's finds no certificate at all.
  const bool mismatch =
      loaded || (ERR_GET_LIB(code) == ERR_LIB_X509 &&
                 (reason == X509_R_KEY_VALUES_MISMATCH || reason == X509_R_KEY_TYPE_MISMATCH));
  const std::string words = openssl_words();
  if (!mismatch) return error(file_error("key_file", path, words, kWanted));
  return error(file_error("key_file", path, words, "the key of certificate " + plan.cert_file));
}

Result<void> load_client_certificate(SSL_CTX* context, const TlsPlan& plan) {
  if (plan.cert_file.empty()) {
    if (plan.key_file.empty()) return {};
    return error(file_error("key_file", plan.key_file, "has no certificate to go with",
                            "a client certificate too"));
  }
  constexpr std::string_view kWanted = "PEM certificates, the client's own first";
  const PemFile file(plan.cert_file, kMaxPemBytes);
  if (!file.problem().empty()) {
    return error(file_error("cert_file", plan.cert_file, file.problem(), kWanted));
  }
  ERR_clear_error();
  if (!use_chain(context, file.reader().get())) {
    return error(file_error("cert_file", plan.cert_file, openssl_words(), kWanted));
  }
  return load_client_key(context, plan);
}

// Everything that old servers need: level 0 takes small keys and groups, MD5 and SHA-1, in the
// handshake and in certificates; anonymous ciphers stay out.
void accept_legacy_servers(SSL_CTX* context) {
  SSL_CTX_set_min_proto_version(context, TLS1_VERSION);
  SSL_CTX_set_security_level(context, 0);
  SSL_CTX_set_options(context, SSL_OP_LEGACY_SERVER_CONNECT);  // no RFC 5746
}

void set_versions(SSL_CTX* context, const TlsPlan& plan) {
  if (plan.legacy) return accept_legacy_servers(context);
  const TlsVersion minimum = plan.min_version.value_or(TlsVersion::Tls1_2);
  SSL_CTX_set_min_proto_version(context, protocol_number(minimum));
  if (minimum == TlsVersion::Tls1_0 || minimum == TlsVersion::Tls1_1) {
    // Their handshake signs with SHA-1 and MD5, which level 0 alone lets pass; certificates are
    // held to the level they were held to before.
    X509_VERIFY_PARAM_set_auth_level(SSL_CTX_get0_param(context),
                                     SSL_CTX_get_security_level(context));
    SSL_CTX_set_security_level(context, 0);
  }
}

void set_modes(SSL_CTX* context) {
  SSL_CTX_set_max_cert_list(context, kMaxCertificateBytes);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET);
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_default_passwd_cb(context, &refuse_passphrase);
}

// "mx.example.net." and "fe80::1%eth0" as certificates have them.
std::string reference_name(std::string_view name, bool ip) {
  if (ip) return std::string(name.substr(0, name.find('%')));
  if (name.ends_with('.')) name.remove_suffix(1);
  return std::string(name);
}

// SSL_set_tlsext_host_name() spelt out: the macro casts const away. OpenSSL copies the name.
bool send_server_name(SSL* ssl, std::string name) {
  return SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, name.data()) == 1;
}

bool hold_against(SSL* ssl, const std::string& name, bool ip) {
  X509_VERIFY_PARAM* param = SSL_get0_param(ssl);
  X509_VERIFY_PARAM_set_hostflags(
      param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
  if (ip) return X509_VERIFY_PARAM_set1_ip_asc(param, name.c_str()) == 1;
  return X509_VERIFY_PARAM_set1_host(param, name.data(), name.size()) == 1;
}

}  // namespace

const TlsSessionRecord* tls_session_record(const SSL* ssl) {
  return static_cast<const TlsSessionRecord*>(SSL_get_ex_data(ssl, record_index()));
}

Result<std::shared_ptr<const TlsContext>> TlsContext::create(const TlsPlan& plan,
                                                             TlsVerify verify) {
  start_openssl();
  ContextHandle context(SSL_CTX_new(TLS_client_method()), &SSL_CTX_free);
  if (!context) return error("TLS cannot be set up: " + openssl_words());
  set_versions(context.get(), plan);
  set_modes(context.get());
  const bool checked = verify != TlsVerify::Off;
  if (checked) {
    SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, &note_problem);
    Result<void> trusted = load_trust(context.get(), plan);
    if (!trusted) return tl::unexpected(trusted.error());
  } else {
    SSL_CTX_set_verify(context.get(), SSL_VERIFY_NONE, nullptr);
    SSL_CTX_set_cert_verify_callback(context.get(), &skip_verification, nullptr);
  }
  Result<void> own = load_client_certificate(context.get(), plan);
  if (!own) return tl::unexpected(own.error());
  return std::shared_ptr<const TlsContext>(new TlsContext(context.release(), plan, checked));
}

TlsContext::~TlsContext() { SSL_CTX_free(context_); }

SslSession TlsContext::new_session(const std::string& host) const {
  SslSession ssl(SSL_new(context_));
  if (!ssl) return nullptr;
  auto record = std::make_unique<TlsSessionRecord>();
  const std::string& wanted = server_name_.empty() ? host : server_name_;
  const bool ip = is_ip_literal(wanted);
  const std::string name = reference_name(wanted, ip);
  record->checked = checked_;
  record->legacy = legacy_;
  record->chosen_version = chosen_version_;
  if (!name.empty() && !ip) {
    if (!send_server_name(ssl.get(), name)) return nullptr;
    record->server_name = name;
  }
  if (!name.empty() && checked_) {
    if (!hold_against(ssl.get(), name, ip)) return nullptr;
    record->checked_name = name;
  }
  if (SSL_set_ex_data(ssl.get(), record_index(), record.get()) != 1) return nullptr;
  record.release();  // free_record() has it now
  SSL_set_connect_state(ssl.get());
  return ssl;
}

}  // namespace smtpprobe
