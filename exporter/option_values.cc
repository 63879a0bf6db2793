#include "exporter/option_values.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>

#include "common/config/config_values.h"
#include "common/probe/printable.h"
#include "common/probe/target.h"
#include "common/smtp/quoted_value.h"

namespace smtpprobe {
namespace {

constexpr std::string_view kDigits = "0123456789";
constexpr int kMaxPort = 65'535;
constexpr std::size_t kShownBytes = 100;

bool is_alnum(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

// All of `text` as a number of the characters in `allowed`.
template <typename Number>
std::optional<Number> whole_text(std::string_view text, std::string_view allowed) {
  if (text.empty() || text.find_first_not_of(allowed) != std::string_view::npos) {
    return std::nullopt;
  }
  Number number{};
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (fault != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return number;
}

std::optional<int> port_of(std::string_view text, int least) {
  const std::optional<int> port = whole_text<int>(text, kDigits);
  return port && *port >= least && *port <= kMaxPort ? port : std::nullopt;
}

// A host as it stands in front of a port: a name, an IPv4 address or an IPv6 address in brackets.
// Without the brackets, or nullopt.
std::optional<std::string_view> bare_host(std::string_view host) {
  if (host.starts_with('[') && host.ends_with(']')) {
    const std::string_view inner = host.substr(1, host.size() - 2);
    const bool v6 = inner.find(':') != std::string_view::npos && is_ip_literal(inner);
    return v6 ? std::optional(inner) : std::nullopt;
  }
  if (host.find(':') != std::string_view::npos || !parse_host_name(host)) return std::nullopt;
  return host;
}

// "/x/y" of "x/y/", "" of "/"; nullopt where a part is empty, "." or "..", or holds what would have
// to be escaped in a URL or in HTML.
std::optional<std::string> clean_path(std::string_view text) {
  while (text.starts_with('/')) text.remove_prefix(1);
  while (text.ends_with('/')) text.remove_suffix(1);
  std::string path;
  while (!text.empty()) {
    const std::string_view part = text.substr(0, text.find('/'));
    const bool good = !part.empty() && part != "." && part != ".." &&
                      std::all_of(part.begin(), part.end(), [](char c) {
                        return is_alnum(c) || std::string_view("-._~").find(c) != std::string::npos;
                      });
    if (!good) return std::nullopt;
    path.append("/").append(part);
    text.remove_prefix(std::min(part.size() + 1, text.size()));
  }
  return path;
}

struct Authority {
  std::string_view scheme;       // "http", "https"; empty when absent
  std::string_view credentials;  // in front of '@'
  std::string_view host;         // "mx.test:80"; checked
  std::string_view path;         // from the first slash on; unchecked
};

std::optional<Authority> split_url(std::string_view text) {
  Authority parts;
  if (const std::size_t mark = text.find("://"); mark != std::string_view::npos) {
    parts.scheme = text.substr(0, mark);
    if (parts.scheme != "http" && parts.scheme != "https") return std::nullopt;
    text.remove_prefix(mark + 3);
  }
  const std::size_t slash = std::min(text.find('/'), text.size());
  parts.path = text.substr(slash);
  parts.host = text.substr(0, slash);
  if (const std::size_t at = parts.host.rfind('@'); at != std::string_view::npos) {
    parts.credentials = parts.host.substr(0, at);
    parts.host.remove_prefix(at + 1);
  }
  std::string_view name = parts.host;
  const std::size_t colon = name.rfind(':');
  if (colon != std::string_view::npos && !name.ends_with(']')) {
    if (!port_of(name.substr(colon + 1), 1)) return std::nullopt;
    name = name.substr(0, colon);
  }
  return bare_host(name) ? std::optional(parts) : std::nullopt;
}

// What messages may show of a URL: without an '@' it may be the password that one should follow.
std::string shown_url(std::string_view text) {
  const std::size_t at = text.rfind('@');
  if (at == std::string_view::npos && may_hold_secret(text)) return described_value(text);
  std::string shown(text);
  if (at != std::string_view::npos) {
    const std::size_t mark = text.substr(0, at).find("://");
    const std::size_t from = mark == std::string_view::npos ? 0 : mark + 3;
    shown.replace(from, at - from, "***");
  }
  return "'" + printable(shown, kShownBytes) + "'";
}

// Visible ASCII that may stand in a URL's path as it is.
bool is_url_text(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    return is_alnum(c) || std::string_view("-._~%!$&()*+,;=:@/").find(c) != std::string::npos;
  });
}

}  // namespace

Unexpected wanted(std::string_view got, std::string_view expected) {
  const std::string shown =
      may_hold_secret(got) ? described_value(got) : "'" + printable(got, kShownBytes) + "'";
  return error("got " + shown + ", expected " + std::string(expected));
}

Result<int> parse_whole(std::string_view text, int least, int most) {
  const std::optional<int> number = whole_text<int>(text, kDigits);
  if (number && *number >= least && *number <= most) return *number;
  return wanted(text, std::to_string(least) + " to " + std::to_string(most));
}

Result<Duration> parse_timeout_offset(std::string_view text) {
  const std::optional<double> seconds = whole_text<double>(text, "0123456789.");
  const double most = std::chrono::duration<double>(kMaxTimeoutOffset).count();
  if (!seconds || *seconds > most) return wanted(text, "seconds from 0 to 86400, such as 0.5");
  return std::chrono::round<Duration>(std::chrono::duration<double>(*seconds));
}

Result<ListenAddress> parse_listen_address(std::string_view text) {
  constexpr std::string_view kWanted = "host:port, [v6]:port or :port, port 0 to 65535";
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return wanted(text, kWanted);
  const std::optional<int> port = port_of(text.substr(colon + 1), 0);
  if (!port) return wanted(text, kWanted);
  if (colon == 0) return ListenAddress{"", *port};
  const std::optional<std::string_view> host = bare_host(text.substr(0, colon));
  if (!host) return wanted(text, kWanted);
  return ListenAddress{std::string(*host), *port};
}

Result<ExternalUrl> parse_external_url(std::string_view text) {
  constexpr std::string_view kWanted =
      "http(s)://host:port/path, host:port/path or /path; letters, digits and -._~ in the path, no "
      "quotes";
  ExternalUrl external;
  if (text.empty()) return external;
  Authority parts;
  if (text.starts_with('/')) {
    parts.path = text;
  } else if (const std::optional<Authority> split = split_url(text); split) {
    parts = *split;
  } else {
    return error(fmt::format("got {}, expected {}", shown_url(text), kWanted));
  }
  std::optional<std::string> path = clean_path(parts.path);
  if (!path || !parts.credentials.empty())
    return error(fmt::format("got {}, expected {}", shown_url(text), kWanted));
  external.path = *std::move(path);
  if (!parts.host.empty()) {
    external.url.append(parts.scheme.empty() ? "http" : parts.scheme).append("://");
    external.url.append(parts.host);
  }
  external.url += external.path;
  return external;
}

Result<std::string> parse_route_prefix(std::string_view text) {
  std::optional<std::string> path = clean_path(text);
  if (!path) return wanted(text, "a path such as /smtp, of letters, digits and -._~ in each part");
  return *std::move(path);
}

Result<std::string> parse_push_url(std::string_view text) {
  const std::optional<Authority> parts = split_url(text);
  if (!parts || !is_url_text(parts->path) || !is_url_text(parts->credentials)) {
    return error("got " + shown_url(text) + ", expected http(s)://host:port/path or host:port");
  }
  std::string url(text);
  if (parts->scheme.empty()) url.insert(0, "http://");
  while (url.ends_with('/')) url.pop_back();
  return url;
}

Result<std::string> parse_push_user(std::string_view text) {
  const bool good = !text.empty() && std::none_of(text.begin(), text.end(), [](char c) {
    return c == ':' || static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
  });
  if (!good) return error("got " + described_value(text) + ", expected a user name without colon");
  return std::string(text);
}

Result<std::pair<std::string, std::string>> parse_grouping(std::string_view text) {
  const std::size_t equals = text.find('=');
  const std::string_view name = text.substr(0, equals);
  const bool good =
      equals != std::string_view::npos && !name.empty() &&
      (name.front() < '0' || name.front() > '9') && !name.starts_with("__") &&
      std::all_of(name.begin(), name.end(), [](char c) { return is_alnum(c) || c == '_'; });
  if (!good || name == "job") {
    return wanted(text, "NAME=VALUE with the name of a label such as instance, but for job");
  }
  return std::pair(std::string(name), std::string(text.substr(equals + 1)));
}

}  // namespace smtpprobe
