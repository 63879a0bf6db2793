// Which client a request comes from, where clients are to have equal shares: the peer's IPv4
// address, or the first 64 bits of its IPv6 address, for one host may use all addresses of those.
// Who comes through a proxy shares its address: header fields that name another are anybody's to
// write.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <cstdint>

namespace smtpprobe {

std::uint64_t client_id_of(const boost::asio::ip::address& address);
// 0 where the peer has gone or has no address.
std::uint64_t client_id_of(const boost::asio::ip::tcp::socket& socket);

}  // namespace smtpprobe
