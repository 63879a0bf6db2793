// Enhanced status codes, "class.subject.detail" (RFC 3463, RFC 2034). Law: the status refines a
// reply code, it never overrules its class.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace smtpprobe {

struct EnhancedStatus {
  std::uint16_t klass = 0;  // 2, 4 or 5
  std::uint16_t subject = 0;
  std::uint16_t detail = 0;

  bool operator==(const EnhancedStatus&) const = default;
};

// The status at the start of a reply's text. It must be followed by a blank or the end; 1 to 3
// digits each, leading zeros tolerated (RFC 2034 s4). nullopt when there is none. "2.1.0evil" is
// none.
std::optional<EnhancedStatus> leading_enhanced_status(std::string_view text);

// The whole of `text`, as in "5.7.1".
std::optional<EnhancedStatus> parse_enhanced_status(std::string_view text);

std::string to_string(const EnhancedStatus& status);

}  // namespace smtpprobe
