#include "common/config/config_values.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>

#include "common/probe/printable.h"
#include "common/probe/target.h"
#include "common/smtp/quoted_value.h"

namespace smtpprobe {
namespace {

constexpr std::size_t kShownBytes = 80;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }
char upper(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; }
bool is_alnum(char c) { return is_digit(c) || (lower(c) >= 'a' && lower(c) <= 'z'); }

std::string lower_case(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), lower);
  return out;
}

Unexpected refuse(std::string_view text, std::string_view wanted) {
  return error(fmt::format("got {}, wanted {}", rejected_value(text), wanted));
}

bool has_control(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte < 0x20 || byte == 0x7f;
  });
}

// Digits alone, at most `limit`; -1 otherwise.
std::int64_t whole_number(std::string_view digits, std::int64_t limit) {
  if (digits.empty() || !std::all_of(digits.begin(), digits.end(), is_digit)) return -1;
  std::int64_t value = 0;
  const auto [end, fault] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  const bool whole = fault == std::errc() && end == digits.data() + digits.size();
  return whole && value <= limit ? value : -1;
}

struct Unit {
  std::string_view name;
  std::chrono::milliseconds length;
};

constexpr std::array kUnits = {
    Unit{"ms", std::chrono::milliseconds(1)}, Unit{"s", std::chrono::seconds(1)},
    Unit{"m", std::chrono::minutes(1)},       Unit{"h", std::chrono::hours(1)},
    Unit{"d", std::chrono::hours(24)},
};

bool is_cidr(std::string_view text, std::size_t slash) {
  const std::string_view address = text.substr(0, slash);
  if (!is_ip_literal(address) || address.find('%') != std::string_view::npos) return false;
  const std::string_view bits = text.substr(slash + 1);
  if (bits.size() > 1 && bits.front() == '0') return false;
  const bool v6 = address.find(':') != std::string_view::npos;
  return whole_number(bits, v6 ? 128 : 32) >= 0;
}

}  // namespace

std::string rejected_value(std::string_view text) {
  if (may_hold_secret(text)) return described_value(text);
  return fmt::format("\"{}\"", printable(text, kShownBytes));
}

std::string shown_key(std::string_view key) {
  if (key.find_first_of(":@=") != std::string_view::npos)
    return fmt::format("(a key of {} bytes)", key.size());
  return printable(key, kShownBytes);
}

Result<Duration> parse_duration(std::string_view text) {
  constexpr std::string_view kWanted = "a duration such as 500ms, 10s, 1m, 2h or 21d";
  const std::size_t split = std::min(text.find_first_not_of("0123456789"), text.size());
  constexpr std::chrono::milliseconds kMax = std::chrono::hours(24 * 36'500);
  for (const Unit& unit : kUnits) {
    if (text.substr(split) != unit.name) continue;
    const std::int64_t count = whole_number(text.substr(0, split), kMax / unit.length);
    if (count < 0) break;
    return Duration(count * unit.length);
  }
  return refuse(text, kWanted);
}

Result<int> parse_count(std::string_view text) {
  constexpr int kMaxCount = 100'000;
  const std::int64_t count = whole_number(text, kMaxCount);
  if (count < 0) return refuse(text, fmt::format("a whole number from 0 to {}", kMaxCount));
  return static_cast<int>(count);
}

Result<std::string> parse_extension_name(std::string_view text) {
  constexpr std::size_t kMaxKeyword = 64;
  const bool good =
      !text.empty() && text.size() <= kMaxKeyword && is_alnum(text.front()) &&
      std::all_of(text.begin(), text.end(), [](char c) { return is_alnum(c) || c == '-'; });
  if (!good) return refuse(text, "an EHLO keyword such as STARTTLS");
  std::string name(text);
  std::transform(name.begin(), name.end(), name.begin(), upper);
  return name;
}

Result<std::string> parse_host_name(std::string_view text) {
  const Result<Target> target = parse_target(text);
  if (!target || target->host != text) return refuse(text, "a host name or an IP address");
  return std::string(text);
}

Result<std::string> parse_ip_literal(std::string_view text) {
  if (!is_ip_literal(text)) return refuse(text, "an IP address");
  return std::string(text);
}

Result<std::string> parse_allowed_target(std::string_view text) {
  constexpr std::string_view kWanted =
      "a host name with * and ? in it, an IP network such as 192.0.2.0/24, or unix:/path";
  const auto names = [](std::string_view part, std::string_view more) {
    return !part.empty() && std::all_of(part.begin(), part.end(), [more](char c) {
      return is_alnum(c) || more.find(c) != std::string_view::npos;
    });
  };
  if (text.starts_with("unix:/")) {
    if (!has_control(text)) return std::string(text);
  } else if (const std::size_t slash = text.find('/'); slash != std::string_view::npos) {
    if (is_cidr(text, slash)) return lower_case(text);
  } else if (is_ip_literal(text) || names(text, "-_.*?")) {
    return lower_case(text);
  }
  return refuse(text, kWanted);
}

Result<std::string> parse_auth_target(std::string_view text) {
  if (text.find("://") != std::string_view::npos)
    return refuse(text, "host, host:port or unix:/path");
  const Result<Target> target = parse_target(text);
  if (!target) return Unexpected(target.error());
  if (!target->unix_path.empty()) return "unix:" + target->unix_path;
  return lower_case(text);
}

Result<std::string> parse_words(std::string_view text) {
  if (text.empty() || has_control(text))
    return error("got " + described_value(text) + ", wanted a text without control characters");
  return std::string(text);
}

bool is_module_name(std::string_view name) {
  constexpr std::size_t kMaxModuleName = 64;
  return !name.empty() && name.size() <= kMaxModuleName &&
         std::all_of(name.begin(), name.end(),
                     [](char c) { return is_alnum(c) || c == '_' || c == '-' || c == '.'; });
}

}  // namespace smtpprobe
