// The PROXY header: the input chooses the version, both addresses and ports; a reader of its own
// takes the header apart again.
#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "common/net/proxy_header.h"
#include "tests/fuzz/fuzz.h"

namespace smtpprobe::fuzz {
namespace {

using namespace std::string_view_literals;

constexpr std::string_view kSignature = "\r\n\r\n\0\r\nQUIT\n"sv;

ProxyEnd take_end(std::string_view& input) {
  constexpr std::array kVersions = {4, 6, 0, 4};
  ProxyEnd end;
  end.ip_version = kVersions[take_byte(input) % kVersions.size()];
  for (std::uint8_t& byte : end.ip) byte = static_cast<std::uint8_t>(take_byte(input));
  end.port = static_cast<std::uint16_t>(take_byte(input) << 8U | take_byte(input));
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (end.ip_version != 0) {
    const int family = end.ip_version == 4 ? AF_INET : AF_INET6;
    inet_ntop(family, end.ip.data(), text.data(), text.size());
    end.ip_text = text.data();
  }
  return end;
}

bool holds_end(std::string_view bytes, std::string_view ports, const ProxyEnd& end) {
  const bool same = std::equal(bytes.begin(), bytes.end(), end.ip.begin(),
                               [](char a, auto b) { return static_cast<std::uint8_t>(a) == b; });
  const auto high = static_cast<unsigned char>(ports[0]);
  const auto low = static_cast<unsigned char>(ports[1]);
  return same && (high << 8U | low) == end.port;
}

void check_version_1(std::string_view header, const ProxyEnd& source, const ProxyEnd& destination) {
  SMTPPROBE_HOLDS(header.size() <= 107 && header.ends_with("\r\n"), header);
  SMTPPROBE_HOLDS(header.find("\r\n") == header.size() - 2, header);
  if (source.ip_version == 0 || source.ip_version != destination.ip_version) {
    SMTPPROBE_HOLDS(header == "PROXY UNKNOWN\r\n", header);
    return;
  }
  const std::string wanted =
      fmt::format("PROXY TCP{} {} {} {} {}\r\n", source.ip_version, source.ip_text,
                  destination.ip_text, source.port, destination.port);
  SMTPPROBE_HOLDS(header == wanted, header);
}

void check_version_2(std::string_view header, const ProxyEnd& source, const ProxyEnd& destination,
                     bool local) {
  SMTPPROBE_HOLDS(header.size() >= 16 && header.starts_with(kSignature), header);
  const std::size_t length =
      static_cast<unsigned char>(header[14]) * 256UL + static_cast<unsigned char>(header[15]);
  SMTPPROBE_HOLDS(header.size() == 16 + length, header);
  const bool addressed =
      !local && source.ip_version != 0 && source.ip_version == destination.ip_version;
  if (!addressed) {
    SMTPPROBE_HOLDS(header.substr(12) == "\x20\0\0\0"sv, header);
    return;
  }
  const std::size_t ip = source.ip_version == 4 ? 4 : 16;
  SMTPPROBE_HOLDS(header[12] == '\x21' && header[13] == (ip == 4 ? '\x11' : '\x21'), header);
  SMTPPROBE_HOLDS(length == 2 * ip + 4, header);
  const std::string_view ports = header.substr(16 + 2 * ip);
  SMTPPROBE_HOLDS(holds_end(header.substr(16, ip), ports.substr(0, 2), source), header);
  SMTPPROBE_HOLDS(holds_end(header.substr(16 + ip, ip), ports.substr(2), destination), header);
}

void check(std::string_view input) {
  constexpr std::array kKinds = {ProxyHeader::None, ProxyHeader::V1, ProxyHeader::V2,
                                 ProxyHeader::Local};
  const ProxyHeader kind = kKinds[take_byte(input) % kKinds.size()];
  const ProxyEnd source = take_end(input);
  const ProxyEnd destination = take_end(input);
  const std::string header = proxy_header(kind, source, destination);
  switch (kind) {
    case ProxyHeader::None:
      SMTPPROBE_HOLDS(header.empty(), header);
      return;
    case ProxyHeader::V1:
      return check_version_1(header, source, destination);
    case ProxyHeader::V2:
    case ProxyHeader::Local:
      return check_version_2(header, source, destination, kind == ProxyHeader::Local);
  }
}

}  // namespace
}  // namespace smtpprobe::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  smtpprobe::fuzz::check(smtpprobe::fuzz::bytes_of(data, size));
  return 0;
}
