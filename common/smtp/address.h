// What of the user's may reach the wire: mail addresses, the HELO name, raw commands (RFC 5321
// s4.1.2, s4.5.3.1). Law: CR, LF and NUL never pass. The errors say what is wrong with the value
// and what is wanted; the caller puts the option's or key's name in front.
#pragma once

#include <string>
#include <string_view>

#include "common/smtp/error.h"

namespace smtpprobe {

inline constexpr std::size_t kMaxLocalPart = 64;
inline constexpr std::size_t kMaxDomain = 255;
inline constexpr std::size_t kMaxPath = 256;
inline constexpr std::size_t kMaxCommandLine = 512;  // with CRLF

// Takes "user@example.net", "<user@example.net>" and a bare local part ("postmaster"); returns it
// without <>. Printable ASCII only (no SMTPUTF8), no blanks or angle brackets but in a quoted local
// part.
Result<std::string> parse_address(std::string_view text);

// A host name, or an address literal such as [192.0.2.1] or [IPv6:2001:db8::1].
Result<std::string> parse_helo_name(std::string_view text);

// A -C command: no CR, LF or NUL, at most kMaxCommandLine with its line end.
Result<std::string> parse_command(std::string_view text);

}  // namespace smtpprobe
