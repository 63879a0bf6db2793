// What all TLS sessions of one plan share: trust, the client's certificate, versions. Its law: what
// is wrong with the server's certificate is written down and never ends the handshake, so that a
// failed check can show the whole chain. RFC 5246, 8446, 6066 section 3 (SNI), 9525 (names).
#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <string>
#include <vector>

#include "common/probe/plan.h"
#include "common/probe/tls_facts.h"
#include "common/smtp/error.h"

namespace smtpprobe {

struct SslDeleter {
  void operator()(SSL* ssl) const { SSL_free(ssl); }
};
using SslSession = std::unique_ptr<SSL, SslDeleter>;

// What one session was told and what its verification found; lives as long as its SSL.
struct TlsSessionRecord {
  std::string server_name;   // the SNI; empty: none
  std::string checked_name;  // DNS name or IP address the certificate is held against
  bool checked = false;
  bool legacy = false;                       // the plan's: limits for old servers are lifted
  bool chosen_version = false;               // the plan names the lowest version
  std::vector<CertificateProblem> problems;  // as met, one per reason and depth
};

// nullptr for an SSL that new_session() did not make.
const TlsSessionRecord* tls_session_record(const SSL* ssl);

class TlsContext {
 public:
  // Reads every file the plan names. `verify` is the one in force for this peer: with Off no trust
  // is loaded and no chain is built. The error is the user's: it names the file, what is wrong with
  // it and what is wanted. Costs most of a TLS check: make one per process or module.
  static Result<std::shared_ptr<const TlsContext>> create(const TlsPlan& plan, TlsVerify verify);

  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;
  ~TlsContext();

  // A client session, ready for SSL_set_bio or SSL_set_fd and SSL_connect. `host` is the target's:
  // a name, or an IP literal; SNI and the name check go by the plan's server_name where there is
  // one. No SNI for an IP literal; an empty host (a unix socket) without server_name has no SNI and
  // no name check. May outlive the context. Partial writes from moving buffers are allowed. nullptr
  // when memory is out or the name is not one TLS can carry.
  SslSession new_session(const std::string& host) const;

  SSL_CTX* native() const { return context_; }  // owned by this

 private:
  TlsContext(SSL_CTX* context, const TlsPlan& plan, bool checked)
      : context_(context),
        server_name_(plan.server_name),
        checked_(checked),
        legacy_(plan.legacy),
        chosen_version_(plan.min_version.has_value()) {}

  SSL_CTX* context_;
  std::string server_name_;
  bool checked_;
  bool legacy_;
  bool chosen_version_;
};

}  // namespace smtpprobe
