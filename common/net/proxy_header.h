// The header of the PROXY protocol, versions 1 and 2: bytes only, no socket. Its law: the addresses
// are true; what has no address a server could use is said as such ("UNKNOWN", LOCAL).
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "common/probe/plan.h"

namespace smtpprobe {

// One end of a connection. ip_version 0 stands for what is no TCP over IP, a unix socket.
struct ProxyEnd {
  int ip_version = 0;
  std::array<std::uint8_t, 16> ip{};  // network order; the first 4 for IPv4
  std::string ip_text;                // without interface name
  std::uint16_t port = 0;
};

// V1: "PROXY TCP4 192.0.2.7 192.0.2.1 41234 25\r\n", at most 107 bytes. V2: 28 bytes with IPv4, 52
// with IPv6. Local: the 16 bytes of a v2 LOCAL. Empty for None. Where an end is no IP or the two
// differ in version, V1 is "PROXY UNKNOWN\r\n" and V2 is Local.
std::string proxy_header(ProxyHeader kind, const ProxyEnd& source, const ProxyEnd& destination);

}  // namespace smtpprobe
