// Passwords and tokens: read from files, taken out of argv. Law: no message holds any part of one.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "common/smtp/error.h"

namespace smtpprobe {

inline constexpr std::size_t kMaxSecretBytes = 65'536;

// Neither empty nor longer than kMaxSecretBytes, and without NUL, CR and LF. The error says only
// which of these is wrong.
Result<void> check_secret(std::string_view secret);

// The file's content without one trailing line end, checked. The error names the file.
Result<std::string> read_secret(const std::string& path);

// Overwrites the C string with zero bytes, for the kernel shows argv to every user.
void wipe(char* text);

}  // namespace smtpprobe
