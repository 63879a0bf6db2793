#include "exporter/client_id.h"

#include <cstddef>

namespace smtpprobe {
namespace ip = boost::asio::ip;
namespace {

// The prefix 0:0:ffff::/48 is no one's: an IPv4 address looks like no IPv6 client.
constexpr std::uint64_t kIpv4 = std::uint64_t{0xffff} << 32;

}  // namespace

std::uint64_t client_id_of(const ip::address& address) {
  if (address.is_v4()) return kIpv4 | address.to_v4().to_uint();
  const ip::address_v6 v6 = address.to_v6();
  if (v6.is_v4_mapped()) return kIpv4 | ip::make_address_v4(ip::v4_mapped, v6).to_uint();
  const auto bytes = v6.to_bytes();
  std::uint64_t prefix = 0;
  for (std::size_t i = 0; i < 8; ++i) prefix = prefix << 8 | bytes[i];
  return prefix;
}

std::uint64_t client_id_of(const ip::tcp::socket& socket) {
  boost::system::error_code failure;
  const ip::tcp::endpoint peer = socket.remote_endpoint(failure);
  return failure ? 0 : client_id_of(peer.address());
}

}  // namespace smtpprobe
