// Trusted certificates in a directory that names each by the hash of its subject (openssl rehash).
// They are read when a handshake asks for them. OpenSSL's own look-up opens whatever has such a
// name and waits for the writer of a FIFO; this one reads regular files alone, for a probe runs on
// a loop that others need.
#pragma once

#include <openssl/ssl.h>

#include <string_view>

namespace smtpprobe {

// `directories` as SSL_CERT_DIR has them, with colons between them; one that is not there has no
// certificates. False: no memory.
bool add_trust_directories(SSL_CTX* context, std::string_view directories);

}  // namespace smtpprobe
