// The one sanitiser: nothing a server said reaches an output but through here. Escapes every byte
// below 0x20, 0x7f, C1 controls, invalid UTF-8, bidirectional and zero-width characters and
// U+2028/9 as \xHH (of each byte). Law: the result is valid UTF-8 on one line, whatever came in.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace smtpprobe {

// For the transcript, JSON and pages. Cut at `max_bytes` of output, never inside a character or an
// escape or a link; "..." marks the cut and counts.
std::string printable(std::string_view raw, std::size_t max_bytes);

// The same, and '|' becomes U+00A6 (broken bar), in a link %7C: for every line that Nagios reads.
std::string printable_for_nagios(std::string_view raw, std::size_t max_bytes);

// Where a text that is cut at `cut` has to be cut instead so that no http or https link is broken:
// at the start of a link that goes on after `cut`, else at `cut`.
std::size_t before_link(std::string_view text, std::size_t cut);

// How many bytes at the start of `text` are whole, valid UTF-8 characters; text.size() when all
// are.
std::size_t valid_utf8_bytes(std::string_view text);

inline constexpr std::size_t kFirstLineTextBytes = 256;  // of one reply on the first line
inline constexpr std::size_t kReplyTextBytes = 1024;     // of one reply in JSON and transcripts
inline constexpr std::size_t kCertificateTextBytes = 256;

}  // namespace smtpprobe
