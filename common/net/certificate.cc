// Every field may have been written by an enemy: strings are taken as UTF-8 with their length,
// numbers of names are capped, and what cannot be read is said.
#include "common/net/certificate.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>

#include <array>
#include <ctime>
#include <memory>
#include <optional>

namespace smtpprobe {
namespace {

constexpr int kMaxNames = 64;

// With ESC_MSB every byte of UTF-8 would show as \xx.
constexpr unsigned long kNameFlags =
    XN_FLAG_RFC2253 & ~static_cast<unsigned long>(ASN1_STRFLGS_ESC_MSB);
// For a string that is not what its type says: its bytes, escaped.
constexpr unsigned long kRawNameFlags =
    (XN_FLAG_RFC2253 & ~static_cast<unsigned long>(ASN1_STRFLGS_UTF8_CONVERT)) |
    ASN1_STRFLGS_IGNORE_TYPE;

std::string hex(const unsigned char* bytes, std::size_t size) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  text.reserve(size * 2);
  for (std::size_t i = 0; i < size; ++i) {
    text += kDigits[bytes[i] >> 4];
    text += kDigits[bytes[i] & 15];
  }
  return text;
}

std::optional<std::string> print_name(const X509_NAME* name, unsigned long flags) {
  const std::unique_ptr<BIO, decltype(&BIO_free)> memory(BIO_new(BIO_s_mem()), &BIO_free);
  if (!memory || X509_NAME_print_ex(memory.get(), name, 0, flags) < 0) return std::nullopt;
  char* data = nullptr;
  const long size = BIO_get_mem_data(memory.get(), &data);
  return size > 0 ? std::string(data, static_cast<std::size_t>(size)) : std::string();
}

std::string name_text(const X509_NAME* name) {
  const std::optional<std::string> text = print_name(name, kNameFlags);
  return text ? *text : print_name(name, kRawNameFlags).value_or("");
}

// Empty when the string is not what its type says it is.
std::string utf8(const ASN1_STRING* string) {
  unsigned char* bytes = nullptr;
  const int size = ASN1_STRING_to_UTF8(&bytes, string);
  if (size < 0) return {};
  std::string text(bytes, bytes + size);
  OPENSSL_free(bytes);
  return text;
}

std::string common_name(const X509_NAME* name) {
  int last = -1;
  for (int i = -1; (i = X509_NAME_get_index_by_NID(name, NID_commonName, i)) >= 0;) last = i;
  if (last < 0) return {};
  return utf8(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, last)));
}

std::string ip_text(const ASN1_OCTET_STRING* octets) {
  const unsigned char* bytes = ASN1_STRING_get0_data(octets);
  const int size = ASN1_STRING_length(octets);
  std::array<char, INET6_ADDRSTRLEN> text{};
  const int family = size == 4 ? AF_INET : AF_INET6;
  const bool address = size == 4 || size == 16;
  if (!address || ::inet_ntop(family, bytes, text.data(), text.size()) == nullptr) {
    return hex(bytes, static_cast<std::size_t>(size));
  }
  return text.data();
}

std::string general_name(const GENERAL_NAME* name) {
  switch (name->type) {
    case GEN_DNS:
      return "DNS:" + utf8(name->d.dNSName);
    case GEN_IPADD:
      return "IP:" + ip_text(name->d.iPAddress);
    case GEN_EMAIL:
      return "email:" + utf8(name->d.rfc822Name);
    case GEN_URI:
      return "URI:" + utf8(name->d.uniformResourceIdentifier);
    default:
      return {};
  }
}

void read_names(const X509* x509, CertificateReading& reading) {
  int critical = 0;
  auto* names =
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(x509, NID_subject_alt_name, &critical, nullptr));
  if (names == nullptr) {
    if (critical != -1) reading.malformed = "unreadable subjectAltName";  // -1: there is none
    return;
  }
  for (int i = 0; i < sk_GENERAL_NAME_num(names); ++i) {
    if (reading.certificate.names.size() == kMaxNames) break;
    std::string text = general_name(sk_GENERAL_NAME_value(names, i));
    if (!text.empty()) reading.certificate.names.push_back(std::move(text));
  }
  GENERAL_NAMES_free(names);
}

std::string serial_text(const X509* x509) {
  const std::unique_ptr<BIGNUM, decltype(&BN_free)> number(
      ASN1_INTEGER_to_BN(X509_get0_serialNumber(x509), nullptr), &BN_free);
  char* digits = number ? BN_bn2hex(number.get()) : nullptr;
  if (digits == nullptr) return {};
  std::string text = digits;
  OPENSSL_free(digits);
  return text;
}

std::optional<WallTime> wall_time(const ASN1_TIME* time) {
  std::tm parts{};
  if (time == nullptr || ASN1_TIME_to_tm(time, &parts) != 1) return std::nullopt;
  return WallTime(std::chrono::seconds(::timegm(&parts)));
}

void read_dates(const X509* x509, CertificateReading& reading) {
  const std::optional<WallTime> begin = wall_time(X509_get0_notBefore(x509));
  const std::optional<WallTime> end = wall_time(X509_get0_notAfter(x509));
  if (begin) reading.certificate.not_before = *begin;
  if (end) reading.certificate.not_after = *end;
  if (!end) reading.malformed = "unreadable notAfter date";
  if (!begin) reading.malformed = "unreadable notBefore date";
}

std::string fingerprint(const X509* x509) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  if (X509_digest(x509, EVP_sha256(), digest.data(), &size) != 1) return {};
  return hex(digest.data(), size);
}

std::string object_text(const ASN1_OBJECT* object) {
  const int nid = OBJ_obj2nid(object);
  if (nid != NID_undef) return OBJ_nid2ln(nid);
  std::array<char, 128> text{};
  OBJ_obj2txt(text.data(), static_cast<int>(text.size()), object, 1);
  return text.data();
}

std::string key_text(const X509* x509) {
  const EVP_PKEY* key = X509_get0_pubkey(x509);
  if (key == nullptr) {
    ASN1_OBJECT* algorithm = nullptr;
    X509_PUBKEY_get0_param(&algorithm, nullptr, nullptr, nullptr, X509_get_X509_PUBKEY(x509));
    return algorithm == nullptr ? std::string() : object_text(algorithm);
  }
  switch (EVP_PKEY_get_base_id(key)) {
    case EVP_PKEY_RSA:
      return fmt::format("RSA {}", EVP_PKEY_get_bits(key));
    case EVP_PKEY_RSA_PSS:
      return fmt::format("RSA-PSS {}", EVP_PKEY_get_bits(key));
    case EVP_PKEY_DSA:
      return fmt::format("DSA {}", EVP_PKEY_get_bits(key));
    case EVP_PKEY_EC: {
      std::array<char, 64> group{};
      std::size_t size = 0;
      EVP_PKEY_get_group_name(key, group.data(), group.size(), &size);
      return fmt::format("EC {}", group.data());
    }
    default: {
      const char* type = EVP_PKEY_get0_type_name(key);
      return type == nullptr ? std::string() : type;
    }
  }
}

}  // namespace

CertificateReading read_certificate(X509* x509) {
  CertificateReading reading;
  Certificate& certificate = reading.certificate;
  certificate.subject = name_text(X509_get_subject_name(x509));
  certificate.common_name = common_name(X509_get_subject_name(x509));
  certificate.issuer = name_text(X509_get_issuer_name(x509));
  certificate.serial = serial_text(x509);
  certificate.fingerprint_sha256 = fingerprint(x509);
  certificate.key = key_text(x509);
  const X509_ALGOR* algorithm = X509_get0_tbs_sigalg(x509);
  certificate.signature = object_text(algorithm->algorithm);
  read_names(x509, reading);
  read_dates(x509, reading);
  ERR_clear_error();  // what could not be read is said in `malformed`
  return reading;
}

}  // namespace smtpprobe
