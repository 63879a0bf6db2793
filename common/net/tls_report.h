// What a TLS session showed and why one failed, in the project's words. Reads an SSL made by
// TlsContext::new_session; never changes it.
#pragma once

#include <openssl/ssl.h>

#include <string>

#include "common/probe/tls_facts.h"
#include "common/smtp/reason.h"

namespace smtpprobe {

// After a handshake, finished or failed: then the version is empty, and the chain is there when it
// arrived.
TlsFacts read_tls_facts(SSL* ssl);

struct TlsFailure {
  Reason reason = Reason::TlsHandshake;  // by the tables of channel_error.h
  std::string detail;                    // "internal error (alert 80)", "wrong version number"
};

// Why SSL_connect, SSL_read, SSL_write or SSL_shutdown failed. `ssl_error` is what SSL_get_error
// said (not WANT_READ or WANT_WRITE), `sys_errno` the errno right after the call. Takes the calling
// thread's OpenSSL error queue and leaves it empty. Call ERR_clear_error() before each SSL call.
TlsFailure classify_tls_failure(SSL* ssl, int ssl_error, int sys_errno);

}  // namespace smtpprobe
