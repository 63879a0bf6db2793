// What to probe, as a user writes it: "host", "host:port", "[v6]:port", a bare IPv6 address,
// smtp://, smtps://, submission://, submissions://, lmtp:// URLs, "unix:/path" (LMTP).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/smtp/error.h"

namespace smtpprobe {

struct Target {
  std::string host;           // a name or an IP literal without brackets; empty for a unix socket
  std::optional<int> port;    // as given, or as its scheme has it
  std::string unix_path;      // "/run/dovecot/lmtp"
  bool implicit_tls = false;  // smtps://, submissions://
  bool lmtp = false;          // lmtp://, unix:
  bool smtp = false;          // smtp://, smtps://, submission://, submissions://

  // "mx.example.net:25", "[::1]:25", "unix:/path": for messages and metrics
  std::string text(int default_port) const;
};

// Refuses anything else with what it got and what is wanted: other schemes, blanks, control bytes,
// names over 253 or labels over 63 bytes, ports outside 1..65535, paths, queries and credentials in
// URLs.
Result<Target> parse_target(std::string_view text);

// A decimal port 1..65535.
Result<int> parse_port(std::string_view text);

// The one form of a host's spellings: lower case, and a name without its final dot, which only says
// that no search list is meant.
std::string normal_host(std::string_view host);

// "192.0.2.1", "::1", "fe80::1%eth0"
bool is_ip_literal(std::string_view host);

// Whether `target` by itself says that its peer is this host: a unix socket, a literal loopback
// address, or "localhost" and the names below it (RFC 6761 s6.3). Another name does not, whatever
// it resolves to: who answers for the name would decide where credentials go.
bool names_this_host(const Target& target);

inline constexpr int kSmtpPort = 25;
inline constexpr int kSmtpsPort = 465;
inline constexpr int kSubmissionPort = 587;
inline constexpr int kLmtpPort = 24;

}  // namespace smtpprobe
