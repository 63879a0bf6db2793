// The server's side of TLS, made from the web configuration. Laws: HTTP/1.1 alone is spoken; a
// client's certificate is looked at in each handshake, so that no resumed session outlives it; a
// message names the key, and the file where there is one. RFC 5246, 8446, 7301 (ALPN).
#pragma once

#include <memory>

#include "common/net/tls_context.h"
#include "common/smtp/error.h"
#include "exporter/web_config.h"

namespace smtpprobe {

inline constexpr std::size_t kMaxPemBytes = 1'048'576;  // of one file

// Reads the files that `config` names. The context may be used from any thread.
Result<std::shared_ptr<SSL_CTX>> make_web_tls(const WebTlsConfig& config);

// A server's session, ready for SSL_set_bio, SSL_set_fd or asio::ssl::stream (which takes over
// what release() gives). May outlive `context`. nullptr when memory is out.
SslSession new_web_session(SSL_CTX* context);

}  // namespace smtpprobe
