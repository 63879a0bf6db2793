#include "common/probe/dns_settings.h"

#include "common/probe/target.h"

namespace smtpprobe {

std::optional<std::string> parse_dns_server(std::string_view text) {
  constexpr std::string_view kDnsPort = "53";
  std::string_view address = text;
  std::string_view port = kDnsPort;
  if (text.starts_with('[')) {
    const std::size_t close = text.find(']');
    if (close == std::string_view::npos) return std::nullopt;
    address = text.substr(1, close - 1);
    const std::string_view rest = text.substr(close + 1);
    if (!rest.empty() && !rest.starts_with(':')) return std::nullopt;
    if (!rest.empty()) port = rest.substr(1);
    if (address.find(':') == std::string_view::npos) return std::nullopt;
  } else if (const std::size_t colon = text.find(':');
             colon != std::string_view::npos && text.find(':', colon + 1) == text.npos) {
    address = text.substr(0, colon);
    port = text.substr(colon + 1);
  }
  // c-ares 1.18 takes no zone in a list of servers.
  if (!is_ip_literal(address) || address.find('%') != std::string_view::npos) return std::nullopt;
  const Result<int> number = parse_port(port);
  if (!number) return std::nullopt;
  const bool six = address.find(':') != std::string_view::npos;
  std::string server = six ? "[" + std::string(address) + "]" : std::string(address);
  server += ':';
  server += std::to_string(*number);
  return server;
}

}  // namespace smtpprobe
