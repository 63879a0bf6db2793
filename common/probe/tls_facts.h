// What TLS showed, whether or not it was to the user's liking. Text fields are UTF-8 from the
// certificate, unsanitised.
#pragma once

#include <string>
#include <vector>

#include "common/smtp/reason.h"
#include "common/smtp/time.h"

namespace smtpprobe {

struct Certificate {
  std::string subject;      // RFC 2253 form, "CN=mx.example.net,O=Example"
  std::string common_name;  // of the subject; may be empty
  std::string issuer;
  std::string serial;  // upper-case hex without colons
  std::vector<std::string>
      names;  // subjectAltName: "DNS:mx.example.net", "IP:192.0.2.1"; at most 64
  WallTime not_before{};
  WallTime not_after{};
  std::string fingerprint_sha256;  // lower-case hex without colons
  std::string key;                 // "RSA 2048", "EC prime256v1", "ED25519"
  std::string signature;           // "sha256WithRSAEncryption"
};

// One thing that is wrong with the chain or the name.
struct CertificateProblem {
  Reason reason = Reason::CertUntrusted;  // Cert*; LocalError: we cannot tell
  int depth = 0;                          // 0 is the leaf
  std::string text;                       // OpenSSL's words: "self-signed certificate"
};

struct TlsFacts {
  std::string version;       // "TLSv1.3"; empty when there was no handshake to the end
  std::string cipher;        // OpenSSL's name
  std::string cipher_iana;   // "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"
  std::string group;         // "x25519"; may be empty
  std::string server_name;   // the SNI that was sent; empty: none
  std::string checked_name;  // the DNS name or IP address that the certificate was held against
  bool checked = false;      // verification was asked for (not `off`)
  std::vector<CertificateProblem>
      problems;                    // the one that matters most first; empty and checked: verified
  std::vector<Certificate> chain;  // as the server sent it, leaf first; at most 10
  std::vector<Certificate> verified_chain;  // leaf to root; empty unless verified

  bool established() const { return !version.empty(); }
  bool verified() const { return checked && problems.empty() && established(); }
  // The chain whose dates count: the verified one where there is one, else what was sent.
  const std::vector<Certificate>& judged_chain() const {
    return verified_chain.empty() ? chain : verified_chain;
  }
};

}  // namespace smtpprobe
