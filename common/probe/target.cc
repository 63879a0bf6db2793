#include "common/probe/target.h"

#include <array>
#include <cstddef>

#include "common/probe/printable.h"
#include "common/smtp/quoted_value.h"

namespace smtpprobe {

namespace {

constexpr std::size_t kMaxName = 253;
constexpr std::size_t kMaxLabel = 63;
constexpr std::size_t kMaxZone = 15;       // IF_NAMESIZE without its NUL
constexpr std::size_t kMaxUnixPath = 107;  // sun_path without its NUL
constexpr std::size_t kShownBytes = 80;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }
bool is_letter(char c) { return lower(c) >= 'a' && lower(c) <= 'z'; }
bool is_hex(char c) { return is_digit(c) || (lower(c) >= 'a' && lower(c) <= 'f'); }

Unexpected refuse(std::string_view text, std::string_view why) {
  std::string message = may_hold_secret(text) || text.find('@') != std::string_view::npos
                            ? "got " + described_value(text) + ": "
                            : "got \"" + printable_for_nagios(text, kShownBytes) + "\": ";
  message += why;
  return error(std::move(message));
}

constexpr std::string_view kWanted =
    "wanted host, host:port, [IPv6]:port, an smtp, smtps, submission, submissions or lmtp URL, or "
    "unix:/path";

// Dotted quad without leading zeros.
bool is_ipv4(std::string_view text) {
  int parts = 0;
  while (true) {
    std::size_t digits = 0;
    int value = 0;
    while (digits < text.size() && digits < 3 && is_digit(text[digits])) {
      value = value * 10 + (text[digits] - '0');
      ++digits;
    }
    if (digits == 0 || value > 255 || (digits > 1 && text.front() == '0')) return false;
    text.remove_prefix(digits);
    if (++parts == 4) return text.empty();
    if (!text.starts_with('.')) return false;
    text.remove_prefix(1);
  }
}

// The colon-separated groups in `text` (RFC 4291 s2.2), 0 for an empty one; -1 when one is bad. A
// dotted quad may stand `at_end` and counts as two.
int count_groups(std::string_view text, bool at_end) {
  int groups = 0;
  while (!text.empty()) {
    const std::size_t colon = text.find(':');
    const std::string_view group = text.substr(0, colon);
    const bool last = colon == std::string_view::npos;
    if (last && at_end && is_ipv4(group)) return groups + 2;
    if (group.empty() || group.size() > 4) return -1;
    for (const char c : group) {
      if (!is_hex(c)) return -1;
    }
    ++groups;
    if (last) break;
    text.remove_prefix(colon + 1);
    if (text.empty()) return -1;
  }
  return groups;
}

bool is_zone(std::string_view zone) {
  if (zone.empty() || zone.size() > kMaxZone) return false;
  for (const char c : zone) {
    if (!is_digit(c) && !is_letter(c) && c != '.' && c != '_' && c != '-') return false;
  }
  return true;
}

bool is_ipv6(std::string_view text) {
  const std::size_t percent = text.find('%');
  if (percent != std::string_view::npos) {
    if (!is_zone(text.substr(percent + 1))) return false;
    text = text.substr(0, percent);
  }
  const std::size_t gap = text.find("::");
  if (gap == std::string_view::npos) return count_groups(text, true) == 8;
  const std::string_view tail = text.substr(gap + 2);
  if (tail.starts_with(':')) return false;
  const int before = count_groups(text.substr(0, gap), false);
  const int after = count_groups(tail, true);
  // The gap stands for one group at least.
  return before >= 0 && after >= 0 && before + after <= 7;
}

// Why `name` is no host name; empty when it is one.
std::string_view name_fault(std::string_view name) {
  if (name.ends_with('.')) name.remove_suffix(1);
  if (name.empty()) return "an empty host name";
  if (name.size() > kMaxName) return "a host name over 253 characters";
  bool numeric = true;  // of the label read last
  while (true) {
    const std::size_t dot = name.find('.');
    const std::string_view label = name.substr(0, dot);
    if (label.empty()) return "an empty label in the host name";
    if (label.size() > kMaxLabel) return "a label over 63 characters in the host name";
    if (label.front() == '-' || label.back() == '-') {
      return "a label that starts or ends with '-' in the host name";
    }
    numeric = true;
    for (const char c : label) {
      if (!is_digit(c) && !is_letter(c) && c != '-' && c != '_') {
        return "a character that no host name has";
      }
      numeric = numeric && is_digit(c);
    }
    if (dot == std::string_view::npos) break;
    name.remove_prefix(dot + 1);
  }
  // No top-level domain is a number; resolvers would read odd addresses into it (RFC 3696 s2).
  return numeric ? "neither an IP address nor a host name" : "";
}

// Why no target may hold these bytes; empty when it may.
std::string_view byte_fault(std::string_view text) {
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte == ' ' || byte == '\t') return "a blank; targets have none";
    if (byte < 0x20 || byte == 0x7f) return "a control character; targets have none";
    if (byte > 0x7f) return "not ASCII; write an international name as its A-label (xn--...)";
  }
  return "";
}

struct Scheme {
  std::string_view name;
  int port;
  bool implicit_tls;
  bool lmtp;
};

constexpr auto kSchemes = std::to_array<Scheme>({
    {"smtp", kSmtpPort, false, false},
    {"smtps", kSmtpsPort, true, false},
    {"submission", kSubmissionPort, false, false},
    {"submissions", kSmtpsPort, true, false},
    {"lmtp", kLmtpPort, false, true},
});

bool same_without_case(std::string_view text, std::string_view lower_case) {
  if (text.size() != lower_case.size()) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (lower(text[i]) != lower_case[i]) return false;
  }
  return true;
}

Result<Target> parse_unix(std::string_view text, std::string_view path) {
  if (path.starts_with("//")) path.remove_prefix(2);     // unix:///path
  while (path.starts_with("//")) path.remove_prefix(1);  // the same file as with one
  if (!path.starts_with('/') || path.size() == 1) {
    return refuse(text, "wanted unix: and the absolute path of a socket");
  }
  if (path.size() > kMaxUnixPath) return refuse(text, "a socket's path has at most 107 characters");
  Target target;
  target.unix_path = std::string(path);
  target.lmtp = true;
  return target;
}

// Where the port begins, behind its colon; npos when there is none.
std::size_t port_position(std::string_view rest) {
  std::size_t colon = rest.find(':');
  if (rest.starts_with('[')) {
    const std::size_t close = rest.find(']');
    if (close == std::string_view::npos) return close;
    colon = rest.substr(close + 1).starts_with(':') ? close + 1 : std::string_view::npos;
  }
  return colon == std::string_view::npos ? colon : colon + 1;
}

// host, host:port, [v6], [v6]:port, and outside URLs a bare IPv6 address.
Result<Target> parse_authority(std::string_view text, std::string_view rest, bool url) {
  Target target;
  if (!url && is_ipv6(rest)) {
    target.host = std::string(rest);
    return target;
  }
  if (rest.find_first_of("@/?#") != std::string_view::npos) {
    return refuse(text, "a target has no credentials, path, query or fragment");
  }
  const std::size_t port_at = port_position(rest);
  std::string_view host = rest;
  if (port_at != std::string_view::npos) {
    host = rest.substr(0, port_at - 1);
    const std::string_view port_text = rest.substr(port_at);
    if (port_text.find(':') != std::string_view::npos) {
      return refuse(text, "neither an IPv6 address nor one host and one port");
    }
    const Result<int> port = parse_port(port_text);
    const bool domain = port_text.find_first_not_of("0123456789") != std::string_view::npos;
    if (!port && domain && same_without_case(host, "mx")) {
      return refuse(text, "every exchanger of a domain is not probed yet; wanted one host");
    }
    if (!port) return refuse(text, "wanted a port from 1 to 65535 behind the colon");
    target.port = *port;
  }
  if (host.starts_with('[')) {
    if (!host.ends_with(']') || !is_ipv6(host.substr(1, host.size() - 2))) {
      return refuse(text, "wanted [IPv6] or [IPv6]:port");
    }
    target.host = std::string(host.substr(1, host.size() - 2));
    return target;
  }
  if (!is_ipv4(host)) {
    const std::string_view fault = name_fault(host);
    if (!fault.empty()) return refuse(text, fault);
  }
  target.host = std::string(host);
  return target;
}

// ::1 and 127/8 mapped into IPv6, in all their spellings.
bool is_ipv6_loopback(std::string_view text) {
  text = text.substr(0, text.find('%'));
  const std::size_t last_colon = text.rfind(':');
  const std::string_view last = text.substr(last_colon + 1);
  const std::string_view before = text.substr(0, last_colon + 1);
  if (is_ipv4(last) && !last.starts_with("127.")) return false;
  if (before.find_first_not_of("0:") == std::string_view::npos) {
    const std::size_t digit = last.find_first_not_of('0');
    return digit != std::string_view::npos && last.substr(digit) == "1";
  }
  const std::size_t mapped = before.find_first_not_of("0:");
  return is_ipv4(last) && same_without_case(before.substr(mapped), "ffff:");
}

}  // namespace

std::string Target::text(int default_port) const {
  if (!unix_path.empty()) return "unix:" + unix_path;
  const bool v6 = host.find(':') != std::string::npos;
  std::string out = v6 ? "[" + host + "]" : host;
  out += ':';
  out += std::to_string(port.value_or(default_port));
  return out;
}

Result<Target> parse_target(std::string_view text) {
  if (text.empty()) return refuse(text, kWanted);
  const std::string_view fault = byte_fault(text);
  if (!fault.empty()) return refuse(text, fault);
  if (text.size() >= 5 && same_without_case(text.substr(0, 5), "unix:")) {
    return parse_unix(text, text.substr(5));
  }
  const std::size_t mark = text.find("://");
  if (mark == std::string_view::npos) return parse_authority(text, text, false);
  for (const Scheme& scheme : kSchemes) {
    if (!same_without_case(text.substr(0, mark), scheme.name)) continue;
    std::string_view authority = text.substr(mark + 3);
    if (authority.ends_with('/')) authority.remove_suffix(1);  // as browsers write it
    Result<Target> target = parse_authority(text, authority, true);
    if (!target) return target;
    if (!target->port) target->port = scheme.port;
    target->implicit_tls = scheme.implicit_tls;
    target->lmtp = scheme.lmtp;
    target->smtp = !scheme.lmtp;
    return target;
  }
  return refuse(text, kWanted);
}

Result<int> parse_port(std::string_view text) {
  int value = 0;
  bool good = !text.empty() && text.size() <= 5;
  for (const char c : text) {
    good = good && is_digit(c);
    if (good) value = value * 10 + (c - '0');
  }
  if (!good || value < 1 || value > 65535) return refuse(text, "wanted a port from 1 to 65535");
  return value;
}

std::string normal_host(std::string_view host) {
  if (host.ends_with('.')) host.remove_suffix(1);
  std::string normal(host);
  for (char& c : normal) c = lower(c);
  return normal;
}

bool is_ip_literal(std::string_view host) { return is_ipv4(host) || is_ipv6(host); }

bool names_this_host(const Target& target) {
  if (!target.unix_path.empty()) return true;
  std::string_view host = target.host;
  if (is_ipv4(host)) return host.starts_with("127.");
  if (is_ipv6(host)) return is_ipv6_loopback(host);
  constexpr std::string_view kLocalhost = "localhost";
  if (host.ends_with('.')) host.remove_suffix(1);
  if (host.size() < kLocalhost.size()) return false;
  const std::size_t at = host.size() - kLocalhost.size();
  return same_without_case(host.substr(at), kLocalhost) && (at == 0 || host[at - 1] == '.');
}

}  // namespace smtpprobe
