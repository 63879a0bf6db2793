// How the names of a plan are looked up where that is not as the host's resolv.conf has it:
// `--dns-server`, `--dns-timeout`, `--dns-tries` and the key `dns` of a module. Data and its
// parsers; nothing is looked up here.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/smtp/error.h"
#include "common/smtp/time.h"

namespace smtpprobe {

struct DnsSettings {
  std::vector<std::string> servers;  // "192.0.2.1:53", "[2001:db8::1]:53"; empty: resolv.conf's
  std::optional<Duration> timeout;   // of the first try of a server; later rounds double it
  std::optional<int> tries;          // rounds over the servers

  bool operator==(const DnsSettings&) const = default;
};

// "192.0.2.1", "192.0.2.1:5353", "2001:db8::1", "[2001:db8::1]", "[2001:db8::1]:53" into the form
// above. Names are refused: whom would one ask for them?
inline constexpr std::string_view kDnsServerWanted =
    "an IP address with or without a port: ADDR, ADDR:PORT or [IPv6]:PORT";
std::optional<std::string> parse_dns_server(std::string_view text);

inline constexpr std::size_t kMostDnsServers = 16;
inline constexpr Duration kShortestDnsTimeout = std::chrono::milliseconds(10);
inline constexpr Duration kLongestDnsTimeout = std::chrono::seconds(60);
inline constexpr int kMostDnsTries = 10;

}  // namespace smtpprobe
