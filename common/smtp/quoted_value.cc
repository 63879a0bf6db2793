#include "common/smtp/quoted_value.h"

#include <algorithm>

namespace smtpprobe {
namespace {

constexpr std::size_t kMaxShown = 60;
constexpr std::size_t kMaxName = 40;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }
bool is_letter(char c) { return lower(c) >= 'a' && lower(c) <= 'z'; }

std::string lower_case(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(), lower);
  return result;
}

// "user:secret", "http://user:secret": a name, a colon, and no port. Not an IPv6 address, not the
// path of a socket, and not the domain of "mx:example.net".
bool has_user_and_secret(std::string_view value) {
  const std::size_t scheme = value.find("://");
  if (scheme != std::string_view::npos) value.remove_prefix(scheme + 3);
  const std::size_t colon = value.find(':');
  if (colon == std::string_view::npos || colon == 0 || value.front() == '[') return false;
  const std::string_view user = value.substr(0, colon);
  const std::string_view rest = value.substr(colon + 1);
  if (user == "mx" || user == "unix") return false;
  if (std::none_of(user.begin(), user.end(), is_letter)) return false;
  if (user.find_first_of(" \t\r\n") != std::string_view::npos) return false;
  const auto in_ipv6 = [](char c) {
    return is_digit(c) || (lower(c) >= 'a' && lower(c) <= 'f') || c == ':' || c == '.';
  };
  if (rest.find(':') != std::string_view::npos && std::all_of(value.begin(), value.end(), in_ipv6))
    return false;
  // A path belongs to a URL alone.
  const std::string_view port =
      scheme == std::string_view::npos ? rest : rest.substr(0, rest.find('/'));
  return port.find_first_not_of("0123456789:") != std::string_view::npos;
}

bool has_named_secret(const std::string& value) {
  const std::size_t equals = value.find('=');
  if (equals == std::string::npos) return false;
  const std::string_view name = std::string_view(value).substr(0, equals);
  for (const std::string_view word : {"pass", "secret", "token", "auth", "key"}) {
    if (name.find(word) != std::string_view::npos) return true;
  }
  return false;
}

}  // namespace

std::string quoted_value(std::string_view value) {
  if (may_hold_secret(value)) return described_value(value);
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string text = "'";
  for (const char c : value.substr(0, kMaxShown)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7f) {
      text += c;
    } else {
      text += "\\x";
      text += kHex[byte >> 4U];
      text += kHex[byte & 0xfU];
    }
  }
  text += value.size() > kMaxShown ? "...'" : "'";
  return text;
}

std::string described_value(std::string_view value) {
  return "a value of " + std::to_string(value.size()) + (value.size() == 1 ? " byte" : " bytes");
}

bool may_hold_secret(std::string_view value) {
  const std::size_t at = value.rfind('@');
  if (at != std::string_view::npos && value.substr(0, at).find(':') != std::string_view::npos)
    return true;
  const std::string small = lower_case(value);
  const bool auth_command = small.starts_with("auth ") &&
                            small.find(' ', small.find_first_not_of(' ', 4)) != std::string::npos;
  return has_user_and_secret(value) || has_named_secret(small) || auth_command ||
         small.find("private key") != std::string::npos;
}

bool is_one_slip(std::string_view a, std::string_view b) {
  const auto [in_a, in_b] = std::mismatch(a.begin(), a.end(), b.begin(), b.end());
  const std::string_view left(in_a, a.end());
  const std::string_view right(in_b, b.end());
  const auto behind = [](std::string_view text, std::size_t gone) {
    return text.substr(std::min(gone, text.size()));
  };
  if (left.empty() && right.empty()) return false;
  if (behind(left, 1) == right || left == behind(right, 1) || behind(left, 1) == behind(right, 1))
    return true;
  return left.size() > 1 && right.size() > 1 && left[0] == right[1] && left[1] == right[0] &&
         left.substr(2) == right.substr(2);
}

bool is_like_one_of(std::string_view value, std::span<const std::string_view> known) {
  constexpr std::size_t kSameBeginning = 4;
  constexpr std::size_t kMoreBytes = 3;
  const std::string small = lower_case(value);
  return std::any_of(known.begin(), known.end(), [&small](std::string_view word) {
    const std::string small_word = lower_case(word);
    const std::string_view beginning = std::string_view(small_word).substr(0, kSameBeginning);
    return small == small_word || is_one_slip(small, small_word) ||
           (beginning.size() == kSameBeginning && small.starts_with(beginning) &&
            small.size() <= word.size() + kMoreBytes);
  });
}

std::string shown_name(std::string_view name) {
  const bool plain =
      !name.empty() && name.size() <= kMaxName && std::all_of(name.begin(), name.end(), [](char c) {
        return is_letter(c) || c == '-' || c == '.' || c == '_';
      });
  return plain ? std::string(name) : described_value(name);
}

}  // namespace smtpprobe
