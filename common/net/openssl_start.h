// OpenSSL started with no more than a client's TLS needs: most of a TLS check's instructions go
// into libcrypto's start. Its law: what is left out is either unused or fetched when it is needed.
#pragma once

#include <string>

#include "common/probe/plan.h"

namespace smtpprobe {

// Before anything else of OpenSSL; again is harmless. Where another part of the process started
// OpenSSL first, that start stands, which works as well and costs more.
void start_openssl();

// TLS1_2_VERSION and its kin.
int protocol_number(TlsVersion version);

// OpenSSL's words for an error's reason, "wrong version number"; never empty.
std::string openssl_reason(unsigned long code);

}  // namespace smtpprobe
