#include "tests/fake_server/test_certificates.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string_view>
#include <utility>

namespace smtpprobe {
namespace {

template <auto Free>
struct Freed {
  template <typename T>
  void operator()(T* handle) const {
    Free(handle);
  }
};
using CertificatePtr = std::unique_ptr<X509, Freed<X509_free>>;
using KeyPtr = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;
using BioPtr = std::unique_ptr<BIO, Freed<BIO_free_all>>;
using ExtensionPtr = std::unique_ptr<X509_EXTENSION, Freed<X509_EXTENSION_free>>;

constexpr std::string_view kBegin = "-----BEGIN CERTIFICATE-----";

void must(bool good, const char* what) {
  if (good) return;
  std::fprintf(stderr, "test certificate: %s failed\n", what);
  ERR_print_errors_fp(stderr);
  std::abort();
}

std::string contents(const BioPtr& bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return std::string(data, static_cast<std::size_t>(size));
}

BioPtr reader(const std::string& pem) {
  return BioPtr(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
}

CertificatePtr first_certificate(const TestCertificate& from) {
  CertificatePtr certificate(
      PEM_read_bio_X509(reader(from.chain).get(), nullptr, nullptr, nullptr));
  must(certificate != nullptr, "reading the issuer");
  return certificate;
}

KeyPtr key_of(const TestCertificate& from) {
  KeyPtr key(PEM_read_bio_PrivateKey(reader(from.key).get(), nullptr, nullptr, nullptr));
  must(key != nullptr, "reading the issuer's key");
  return key;
}

void add_name(X509_NAME* name, int nid, const std::string& bytes, bool bmp) {
  if (bytes.empty()) return;
  std::string value = bytes;
  int type = V_ASN1_UTF8STRING;
  if (bmp) {
    type = V_ASN1_BMPSTRING;
    value.clear();
    for (const char c : bytes) {
      value += '\0';
      value += c;
    }
  }
  must(X509_NAME_add_entry_by_NID(name, nid, type,
                                  reinterpret_cast<const unsigned char*>(value.data()),
                                  static_cast<int>(value.size()), -1, 0) == 1,
       "X509_NAME_add_entry_by_NID");
}

void add_extension(X509* certificate, const X509V3_CTX& context, int nid,
                   const std::string& value) {
  X509V3_CTX copy = context;
  const ExtensionPtr extension(X509V3_EXT_conf_nid(nullptr, &copy, nid, value.c_str()));
  must(extension != nullptr && X509_add_ext(certificate, extension.get(), -1) == 1, value.c_str());
}

// Set by hand, not from a configuration string: a name may hold commas and worse.
void add_alternative_names(X509* certificate, const CertificateRequest& request) {
  if (request.dns_names.empty() && request.ip_addresses.empty()) return;
  const std::unique_ptr<GENERAL_NAMES, Freed<GENERAL_NAMES_free>> names(GENERAL_NAMES_new());
  for (const std::string& dns : request.dns_names) {
    GENERAL_NAME* name = GENERAL_NAME_new();
    ASN1_IA5STRING* text = ASN1_IA5STRING_new();
    must(ASN1_STRING_set(text, dns.data(), static_cast<int>(dns.size())) == 1, "ASN1_STRING_set");
    GENERAL_NAME_set0_value(name, GEN_DNS, text);
    sk_GENERAL_NAME_push(names.get(), name);
  }
  for (const std::string& address : request.ip_addresses) {
    GENERAL_NAME* name = GENERAL_NAME_new();
    ASN1_OCTET_STRING* bytes = a2i_IPADDRESS(address.c_str());
    must(bytes != nullptr, "a2i_IPADDRESS");
    GENERAL_NAME_set0_value(name, GEN_IPADD, bytes);
    sk_GENERAL_NAME_push(names.get(), name);
  }
  must(
      X509_add1_ext_i2d(certificate, NID_subject_alt_name, names.get(), 0, X509V3_ADD_DEFAULT) == 1,
      "subjectAltName");
}

void set_dates(X509* certificate, const CertificateRequest& request) {
  const std::time_t now = std::time(nullptr);
  const auto set = [now](ASN1_TIME* field, std::chrono::seconds offset) {
    must(ASN1_TIME_set(field, now + offset.count()) != nullptr, "ASN1_TIME_set");
  };
  set(X509_getm_notBefore(certificate), request.not_before);
  set(X509_getm_notAfter(certificate), request.not_after);
}

void set_serial(X509* certificate) {
  const std::unique_ptr<BIGNUM, Freed<BN_free>> number(BN_new());
  must(BN_rand(number.get(), 127, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) == 1, "BN_rand");
  must(BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(certificate)) != nullptr, "serial");
}

void write_file(Result<void>& result, const std::string& path, const std::string& text, int mode) {
  if (!result) return;
  // A key that is already there might be readable by others: it is made anew.
  ::unlink(path.c_str());
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
  const bool good =
      file >= 0 && ::write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  const int problem = errno;
  if (file >= 0) ::close(file);
  if (!good) result = error(fmt::format("{}: cannot write: {}", path, std::strerror(problem)));
}

}  // namespace

TestCertificate make_certificate(const CertificateRequest& request, const TestCertificate* issuer) {
  const KeyPtr key(request.rsa ? EVP_RSA_gen(2048) : EVP_EC_gen("P-256"));
  must(key != nullptr, "making a key");
  const CertificatePtr certificate(X509_new());
  X509_set_version(certificate.get(), X509_VERSION_3);
  set_serial(certificate.get());
  set_dates(certificate.get(), request);
  X509_set_pubkey(certificate.get(), key.get());
  X509_NAME* subject = X509_get_subject_name(certificate.get());
  add_name(subject, NID_organizationName, request.organization, request.bmp_strings);
  add_name(subject, NID_commonName, request.common_name, request.bmp_strings);

  const CertificatePtr parent = issuer ? first_certificate(*issuer) : nullptr;
  const KeyPtr parent_key = issuer ? key_of(*issuer) : nullptr;
  X509* signer = parent ? parent.get() : certificate.get();
  X509_set_issuer_name(certificate.get(), X509_get_subject_name(signer));

  X509V3_CTX context;
  X509V3_set_ctx(&context, signer, certificate.get(), nullptr, nullptr, 0);
  add_extension(certificate.get(), context, NID_basic_constraints,
                request.authority ? "critical,CA:TRUE" : "critical,CA:FALSE");
  add_extension(certificate.get(), context, NID_key_usage,
                request.authority ? "critical,keyCertSign,cRLSign" : "critical,digitalSignature");
  add_extension(certificate.get(), context, NID_subject_key_identifier, "hash");
  if (parent) add_extension(certificate.get(), context, NID_authority_key_identifier, "keyid");
  add_alternative_names(certificate.get(), request);

  must(X509_sign(certificate.get(), parent_key ? parent_key.get() : key.get(),
                 request.sha1 ? EVP_sha1() : EVP_sha256()) > 0,
       "X509_sign");
  const BioPtr text(BIO_new(BIO_s_mem()));
  const BioPtr secret(BIO_new(BIO_s_mem()));
  must(PEM_write_bio_X509(text.get(), certificate.get()) == 1 &&
           PEM_write_bio_PrivateKey(secret.get(), key.get(), nullptr, nullptr, 0, nullptr,
                                    nullptr) == 1,
       "writing PEM");
  return {contents(text), contents(secret)};
}

TestCertificate with_chain(const TestCertificate& leaf,
                           const std::vector<TestCertificate>& issuers) {
  TestCertificate all = leaf;
  for (const TestCertificate& issuer : issuers) all.chain += issuer.chain;
  return all;
}

TestPki TestPki::make() {
  TestPki pki;
  CertificateRequest authority;
  authority.common_name = "Test Root CA";
  authority.authority = true;
  authority.not_after = std::chrono::hours(24 * 3650);
  pki.root = make_certificate(authority);
  authority.common_name = "Test Intermediate CA";
  authority.not_after = std::chrono::hours(24 * 1825);
  pki.intermediate = make_certificate(authority, &pki.root);
  pki.server = pki.issue(server_request());
  CertificateRequest client;
  client.common_name = "client.test";
  pki.client = make_certificate(client, &pki.root);
  return pki;
}

TestCertificate TestPki::issue(const CertificateRequest& request) const {
  return with_chain(make_certificate(request, &intermediate), {intermediate});
}

CertificateRequest TestPki::server_request() {
  CertificateRequest request;
  request.dns_names = {"mx.test", "localhost"};
  request.ip_addresses = {"127.0.0.1", "::1"};
  return request;
}

Result<void> write_certificates(const std::string& directory) {
  using std::chrono::hours;
  const TestPki pki = TestPki::make();
  const auto varied = [](auto change) {
    CertificateRequest request = TestPki::server_request();
    change(request);
    return request;
  };
  const std::pair<const char*, TestCertificate> pairs[] = {
      {"server", pki.server},
      {"client", pki.client},
      {"expired", pki.issue(varied([](auto& r) {
         r.not_before = -hours(24 * 90);
         r.not_after = -hours(24 * 3);
       }))},
      {"not-yet-valid", pki.issue(varied([](auto& r) { r.not_before = hours(24 * 3); }))},
      {"expiring", pki.issue(varied([](auto& r) { r.not_after = hours(24 * 5 + 1); }))},
      {"wrong-name", pki.issue(varied([](auto& r) {
         r.common_name = "other.test";
         r.dns_names = {"other.test"};
         r.ip_addresses = {"192.0.2.1"};
       }))},
      {"cn-only", pki.issue(varied([](auto& r) {
         r.common_name = "localhost";
         r.dns_names.clear();
         r.ip_addresses.clear();
       }))},
      {"self-signed", make_certificate(TestPki::server_request())},
      {"no-intermediate", make_certificate(TestPki::server_request(), &pki.intermediate)},
      {"rsa", pki.issue(varied([](auto& r) { r.rsa = true; }))},
      {"hostile", pki.issue(varied([](auto& r) {
         r.common_name = "evil|'x'=1\n\x1b[31m\"</script>";
         r.organization = "Line1\r\nLine2|\xe2\x80\xae";
       }))},
  };
  Result<void> result;
  write_file(result, directory + "/ca.pem", pki.root.chain, 0644);
  write_file(result, directory + "/intermediate.pem", pki.intermediate.chain, 0644);
  for (const auto& [name, certificate] : pairs) {
    write_file(result, fmt::format("{}/{}.pem", directory, name), certificate.chain, 0644);
    write_file(result, fmt::format("{}/{}.key", directory, name), certificate.key, 0600);
  }
  return result;
}

std::size_t count_certificates(const std::string& pem) {
  std::size_t count = 0;
  for (std::size_t at = pem.find(kBegin); at != std::string::npos; at = pem.find(kBegin, at + 1)) {
    ++count;
  }
  return count;
}

std::string last_certificate(const std::string& pem) {
  const std::size_t at = pem.rfind(kBegin);
  return at == std::string::npos ? std::string() : pem.substr(at);
}

}  // namespace smtpprobe
