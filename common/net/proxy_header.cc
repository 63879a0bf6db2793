#include "common/net/proxy_header.h"

#include <string_view>

namespace smtpprobe {
namespace {

using namespace std::string_view_literals;

constexpr std::string_view kSignature = "\r\n\r\n\0\r\nQUIT\n"sv;
constexpr std::string_view kLocal = "\x20\0\0\0"sv;  // version 2 LOCAL, unspecified, no addresses

void append_port(std::string& out, std::uint16_t port) {
  out += static_cast<char>(port >> 8);
  out += static_cast<char>(port & 0xff);
}

std::string version_1(const ProxyEnd& source, const ProxyEnd& destination) {
  std::string out = source.ip_version == 4 ? "PROXY TCP4 " : "PROXY TCP6 ";
  out.append(source.ip_text).append(" ").append(destination.ip_text).append(" ");
  out.append(std::to_string(source.port)).append(" ").append(std::to_string(destination.port));
  return out.append("\r\n");
}

std::string version_2(const ProxyEnd& source, const ProxyEnd& destination) {
  const bool v4 = source.ip_version == 4;
  const std::size_t ip_size = v4 ? 4 : 16;
  std::string out{kSignature};
  out += '\x21';                                                  // version 2 PROXY
  out += v4 ? '\x11' : '\x21';                                    // TCP over IPv4 or IPv6
  append_port(out, static_cast<std::uint16_t>(2 * ip_size + 4));  // the length is 16 bits, too
  for (const ProxyEnd* end : {&source, &destination})
    out.append(end->ip.begin(), end->ip.begin() + ip_size);
  append_port(out, source.port);
  append_port(out, destination.port);
  return out;
}

}  // namespace

std::string proxy_header(ProxyHeader kind, const ProxyEnd& source, const ProxyEnd& destination) {
  const bool addressed = source.ip_version != 0 && source.ip_version == destination.ip_version;
  switch (kind) {
    case ProxyHeader::None:
      return {};
    case ProxyHeader::V1:
      return addressed ? version_1(source, destination) : "PROXY UNKNOWN\r\n";
    case ProxyHeader::V2:
      if (addressed) return version_2(source, destination);
      break;
    case ProxyHeader::Local:
      break;
  }
  return std::string{kSignature}.append(kLocal);
}

}  // namespace smtpprobe
