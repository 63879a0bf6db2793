// What the files of sasl.cc share: the clients of the mechanisms and the check of a SCRAM
// challenge. Not for the rest of the program, which sees sasl.h alone.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "common/smtp/sasl.h"

namespace smtpprobe {

// What a decoded challenge may hold: a 334 line of 12288 octets (RFC 4954 s4) holds less.
inline constexpr std::size_t kMaxChallengeBytes = 12'288;

// A response that ends the exchange with `reason`.
SaslClient::Answer give_up(Reason reason, std::string detail);

// Overwrites what `secret` holds, in a way that the compiler keeps, and empties it.
void wipe(std::string& secret);

// PLAIN, LOGIN, CRAM-MD5 and SCRAM. Null with a `why` when the library refuses.
std::unique_ptr<SaslClient> make_gsasl_client(Mechanism mechanism, const Credentials& credentials,
                                              std::string* why);

// XOAUTH2 and OAUTHBEARER.
std::unique_ptr<SaslClient> make_oauth_client(Mechanism mechanism, const Credentials& credentials);

// The nonce of a client-first-message (RFC 5802 s7); empty when there is none.
std::string_view scram_nonce(std::string_view client_first);

// Is this server-first-message one that may be answered? A reason of None says yes. `nonce` is
// ours.
SaslClient::Answer check_scram_server_first(std::string_view server_first, std::string_view nonce);

}  // namespace smtpprobe
