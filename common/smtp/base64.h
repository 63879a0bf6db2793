// Base64 (RFC 4648 s4), as AUTH and MIME use it. Strict: no line ends, no blanks, padding demanded.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace smtpprobe {

std::string base64_encode(std::string_view bytes);
std::optional<std::string> base64_decode(std::string_view text);

}  // namespace smtpprobe
