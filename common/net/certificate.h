// One X.509 certificate in words: names, dates, key, fingerprint. RFC 5280, RFC 2253 for names.
#pragma once

#include <openssl/x509.h>

#include <string>

#include "common/probe/tls_facts.h"

namespace smtpprobe {

struct CertificateReading {
  Certificate certificate;
  std::string malformed;  // what could not be read: "notAfter is no date"; empty: all could
};

CertificateReading read_certificate(X509* x509);

}  // namespace smtpprobe
