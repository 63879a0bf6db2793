#include "common/smtp/enhanced_status.h"

namespace smtpprobe {
namespace {

constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Takes 1 to 3 digits off the front of `text`; RFC 3463 s2 knows no longer numbers.
std::optional<std::uint16_t> take_number(std::string_view& text) {
  unsigned value = 0;
  std::size_t digits = 0;
  while (digits < text.size() && is_digit(text[digits])) {
    if (digits == 3) return std::nullopt;
    value = value * 10 + static_cast<unsigned>(text[digits] - '0');
    ++digits;
  }
  if (digits == 0) return std::nullopt;
  text.remove_prefix(digits);
  return static_cast<std::uint16_t>(value);
}

bool take_dot(std::string_view& text) {
  if (!text.starts_with('.')) return false;
  text.remove_prefix(1);
  return true;
}

// Takes a status off the front of `text`; what follows is the caller's to judge.
std::optional<EnhancedStatus> take_status(std::string_view& text) {
  if (text.empty() || (text[0] != '2' && text[0] != '4' && text[0] != '5')) return std::nullopt;
  EnhancedStatus status;
  status.klass = static_cast<std::uint16_t>(text[0] - '0');
  text.remove_prefix(1);
  if (!take_dot(text)) return std::nullopt;
  const std::optional<std::uint16_t> subject = take_number(text);
  if (!subject || !take_dot(text)) return std::nullopt;
  const std::optional<std::uint16_t> detail = take_number(text);
  if (!detail) return std::nullopt;
  status.subject = *subject;
  status.detail = *detail;
  return status;
}

}  // namespace

std::optional<EnhancedStatus> leading_enhanced_status(std::string_view text) {
  const std::optional<EnhancedStatus> status = take_status(text);
  if (!text.empty() && text[0] != ' ' && text[0] != '\t') return std::nullopt;
  return status;
}

std::optional<EnhancedStatus> parse_enhanced_status(std::string_view text) {
  const std::optional<EnhancedStatus> status = take_status(text);
  if (!text.empty()) return std::nullopt;
  return status;
}

std::string to_string(const EnhancedStatus& status) {
  std::string text = std::to_string(status.klass);
  text += '.';
  text += std::to_string(status.subject);
  text += '.';
  text += std::to_string(status.detail);
  return text;
}

}  // namespace smtpprobe
