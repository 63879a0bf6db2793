#include "common/smtp/address.h"

#include <algorithm>
#include <charconv>

#include "common/smtp/quoted_value.h"

namespace smtpprobe {
namespace {

constexpr std::size_t kMaxLabel = 63;
constexpr std::string_view kLiteralTag = "IPv6:";

constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }
constexpr bool is_hex(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}
constexpr bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
constexpr bool is_visible(char c) { return c > 0x20 && c < 0x7f; }

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  constexpr auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c; };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [&](char x, char y) { return lower(x) == lower(y); });
}

// The part of `text` up to `separator`; it and the separator are taken off the front.
std::string_view take_until(std::string_view& text, char separator) {
  const std::size_t at = text.find(separator);
  const std::string_view part = text.substr(0, at);
  text.remove_prefix(at == std::string_view::npos ? text.size() : at + 1);
  return part;
}

bool is_ipv4(std::string_view text) {
  if (std::count(text.begin(), text.end(), '.') != 3) return false;
  for (int i = 0; i < 4; ++i) {
    const std::string_view part = take_until(text, '.');
    if (part.empty() || part.size() > 3 || !std::all_of(part.begin(), part.end(), is_digit)) {
      return false;
    }
    int value = 0;
    std::from_chars(part.data(), part.data() + part.size(), value);
    if (value > 255) return false;
  }
  return true;
}

// How many of the eight groups `text` stands for, with an IPv4 address allowed at its end; -1 when
// it is no list of groups.
int count_groups(std::string_view text) {
  if (text.empty()) return 0;
  if (text.ends_with(':')) return -1;
  int groups = 0;
  while (!text.empty()) {
    const std::string_view part = take_until(text, ':');
    if (text.empty() && is_ipv4(part)) return groups + 2;
    if (part.empty() || part.size() > 4 || !std::all_of(part.begin(), part.end(), is_hex)) {
      return -1;
    }
    ++groups;
  }
  return groups;
}

bool is_ipv6(std::string_view text) {
  const std::size_t gap = text.find("::");
  if (gap == std::string_view::npos) return count_groups(text) == 8;
  const std::string_view front = text.substr(0, gap);
  const int before = front.find('.') == std::string_view::npos ? count_groups(front) : -1;
  const int behind = count_groups(text.substr(gap + 2));
  return before >= 0 && behind >= 0 && before + behind < 8;
}

// RFC 5321 s4.1.3; the tag of IPv6 is demanded.
bool is_address_literal(std::string_view text) {
  if (!text.starts_with('[') || !text.ends_with(']') || text.size() < 2) return false;
  text = text.substr(1, text.size() - 2);
  if (!equal_ignoring_case(text.substr(0, kLiteralTag.size()), kLiteralTag)) return is_ipv4(text);
  return is_ipv6(text.substr(kLiteralTag.size()));
}

// RFC 5321 s4.1.2 "Domain", and the underscore that real hosts have.
bool is_host_name(std::string_view text) {
  if (text.empty() || text.size() > kMaxDomain || text.ends_with('.') || is_ipv4(text)) {
    return false;
  }
  while (!text.empty()) {
    const std::string_view label = take_until(text, '.');
    const bool good = std::all_of(label.begin(), label.end(), [](char c) {
      return is_letter(c) || is_digit(c) || c == '-' || c == '_';
    });
    if (!good || label.empty() || label.size() > kMaxLabel || label.starts_with('-') ||
        label.ends_with('-')) {
      return false;
    }
  }
  return true;
}

// The length of the quoted string (RFC 5321 s4.1.2) that `text` begins with; 0 when it is not
// closed or holds more than printable ASCII and blanks.
std::size_t quoted_string_length(std::string_view text) {
  for (std::size_t i = 1; i < text.size(); ++i) {
    if (text[i] == '"') return i + 1;
    if (text[i] == '\\') ++i;
    if (i == text.size() || !(is_visible(text[i]) || text[i] == ' ')) return 0;
  }
  return 0;
}

// What is wrong with `mailbox`; empty when nothing is.
std::string_view fault_of_mailbox(std::string_view mailbox) {
  std::size_t local_length = 0;
  if (mailbox.starts_with('"')) {
    local_length = quoted_string_length(mailbox);
    if (local_length == 0) return "the quoted local part does not end or holds a control character";
    if (local_length < mailbox.size() && mailbox[local_length] != '@') {
      return "something stands between the quoted local part and the @";
    }
  } else {
    local_length = std::min(mailbox.find('@'), mailbox.size());
    const std::string_view local = mailbox.substr(0, local_length);
    if (!std::all_of(local.begin(), local.end(), is_visible)) {
      return "a blank, a control character or one outside ASCII";
    }
    if (local.find_first_of("<>\"") != std::string_view::npos) {
      return "an angle bracket or a quote in the local part";
    }
  }
  if (local_length == 0) return "no local part";
  if (local_length > kMaxLocalPart) return "the local part is over 64 bytes";
  if (local_length == mailbox.size()) return {};
  const std::string_view domain = mailbox.substr(local_length + 1);
  if (domain.size() > kMaxDomain) return "the domain is over 255 bytes";
  if (!is_host_name(domain) && !is_address_literal(domain)) return "the domain is not one";
  return {};
}

// What is wrong with `path`, which may have a source route (RFC 5321 appendix C) in front: relay
// tests use it.
std::string_view fault_of_path(std::string_view path) {
  if (path.size() + 2 > kMaxPath) return "over 256 bytes with its angle brackets";
  if (!path.starts_with('@')) return fault_of_mailbox(path);
  const std::size_t colon = path.find(':');
  if (colon == std::string_view::npos) return "no local part";
  std::string_view route = path.substr(0, colon);
  while (!route.empty()) {
    const std::string_view hop = take_until(route, ',');
    if (!hop.starts_with('@') || !is_host_name(hop.substr(1))) return "a bad source route";
  }
  return fault_of_mailbox(path.substr(colon + 1));
}

}  // namespace

Result<std::string> parse_address(std::string_view text) {
  std::string_view path = text;
  std::string_view fault;
  if (text.empty()) {
    fault = "empty";
  } else if (text.starts_with('<')) {
    path.remove_prefix(1);
    if (path.ends_with('>')) {
      path.remove_suffix(1);
    } else {
      fault = "no > at the end";
    }
  }
  if (fault.empty()) fault = fault_of_path(path);
  if (fault.empty()) return std::string(path);
  return error("got " + quoted_value(text) + " (" + std::string(fault) +
               "), expected a mail address in ASCII such as user@example.net");
}

Result<std::string> parse_helo_name(std::string_view text) {
  if (is_host_name(text) || is_address_literal(text)) return std::string(text);
  return error("got " + quoted_value(text) +
               ", expected a host name or an address literal such as [192.0.2.1] or "
               "[IPv6:2001:db8::1]");
}

Result<std::string> parse_command(std::string_view text) {
  constexpr std::string_view kLineBreakers("\r\n\0", 3);
  constexpr std::size_t kLineEnd = 2;
  if (text.find_first_of(kLineBreakers) != std::string_view::npos) {
    // The answer to a 334 is a secret.
    return error("got " + described_value(text) + ", expected one line without CR, LF or NUL");
  }
  if (text.size() + kLineEnd > kMaxCommandLine) {
    return error("got " + std::to_string(text.size()) + " bytes, expected at most " +
                 std::to_string(kMaxCommandLine - kLineEnd));
  }
  return std::string(text);
}

}  // namespace smtpprobe
