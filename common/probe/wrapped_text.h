// Help texts as a terminal shows them.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace smtpprobe {

// `text` broken at blanks into lines of at most 80 columns, each behind `indent` blanks.
std::string wrapped(std::string_view text, std::size_t indent);

}  // namespace smtpprobe
