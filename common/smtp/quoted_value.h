// A user's value, fit to stand in the one line of an Error. Law: no control byte passes, and the
// length is bounded.
#pragma once

#include <string>
#include <string_view>

namespace smtpprobe {

// "'us\\x0aer'": bytes that are not printable ASCII as \xHH, cut with "..." after 60 bytes.
std::string quoted_value(std::string_view value);

}  // namespace smtpprobe
