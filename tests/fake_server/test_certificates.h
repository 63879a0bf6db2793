// Certificates made at run time for tests and the demo: authorities, leaves with given names and
// dates, and hostile ones. Values only; nothing is kept. Keys are EC P-256 unless RSA is asked for.
// Failing to make one is a bug of the tests and aborts the program.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "common/smtp/error.h"

namespace smtpprobe {

struct TestCertificate {
  std::string chain;  // PEM: the certificate, then what is to be sent behind it, if anything
  std::string key;    // PEM, PKCS#8, not encrypted

  bool empty() const { return chain.empty(); }
};

struct CertificateRequest {
  std::string common_name = "mx.test";  // raw bytes; empty: no CN
  std::string organization;             // raw bytes, e.g. "Evil|Org\n\x1b[31m"
  bool bmp_strings = false;             // common_name and organization as UTF-16 BMPString
  std::vector<std::string> dns_names;   // subjectAltName; none of these two: no such extension
  std::vector<std::string> ip_addresses;
  // Relative to now.
  std::chrono::seconds not_before = -std::chrono::hours(24);
  std::chrono::seconds not_after = std::chrono::hours(24 * 365);
  bool authority = false;  // a CA
  bool rsa = false;        // RSA 2048
  bool sha1 = false;       // signed with SHA-1
};

// Signed by `issuer`, or by itself when that is null. The chain holds the new certificate alone:
// with_chain() adds the issuers.
TestCertificate make_certificate(const CertificateRequest& request,
                                 const TestCertificate* issuer = nullptr);

// `leaf` with the certificates of `issuers` behind it, in that order.
TestCertificate with_chain(const TestCertificate& leaf,
                           const std::vector<TestCertificate>& issuers);

// A root, an intermediate, and good leaves for mx.test, localhost, 127.0.0.1 and ::1; and what can
// be wrong with one.
struct TestPki {
  TestCertificate root;          // CN "Test Root CA"
  TestCertificate intermediate;  // CN "Test Intermediate CA"
  TestCertificate server;        // sent with the intermediate
  TestCertificate client;        // CN "client.test", issued by the root

  static TestPki make();
  // A leaf of the intermediate, sent with it.
  TestCertificate issue(const CertificateRequest& request) const;
  // The names and addresses of `server`, to change one thing about.
  static CertificateRequest server_request();
};

// Writes ca.pem (the root), intermediate.pem, server.pem and .key, and the pairs expired,
// not-yet-valid, expiring (in 5 days), wrong-name, cn-only, self-signed, no-intermediate, rsa,
// hostile, client (NAME.pem, NAME.key; keys mode 0600) into an existing directory.
Result<void> write_certificates(const std::string& directory);

// The number of certificates in a PEM text, and the last of them.
std::size_t count_certificates(const std::string& pem);
std::string last_certificate(const std::string& pem);

}  // namespace smtpprobe
