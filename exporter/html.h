// Text for an HTML page. Law: what came from outside is in a page only through escaped().
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "common/probe/printable.h"

namespace smtpprobe {

// Sanitised, cut at `max_bytes` before escaping, and without markup: good as content and between
// double quotes.
std::string escaped(std::string_view raw, std::size_t max_bytes = kReplyTextBytes);

// The same of text that is ours and has several lines: nothing is sanitised or cut.
std::string escaped_lines(std::string_view text);

}  // namespace smtpprobe
