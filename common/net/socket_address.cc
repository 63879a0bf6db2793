#include "common/net/socket_address.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <algorithm>
#include <cstddef>
#include <cstring>

namespace smtpprobe {
namespace {

// The storage is read and written by copies: no pointer of one type looks at an object of another.
template <typename T>
T copy_of(const sockaddr_storage& storage) {
  T address;
  std::memcpy(&address, &storage, sizeof address);
  return address;
}

}  // namespace

std::optional<SocketAddress> SocketAddress::from_literal(const std::string& literal, int port) {
  SocketAddress result;
  const auto net_port = htons(static_cast<std::uint16_t>(port));
  sockaddr_in v4{};
  if (::inet_pton(AF_INET, literal.c_str(), &v4.sin_addr) == 1) {
    v4.sin_family = AF_INET;
    v4.sin_port = net_port;
    std::memcpy(&result.storage_, &v4, sizeof v4);
    result.length_ = sizeof v4;
    return result;
  }
  const std::size_t percent = literal.find('%');
  sockaddr_in6 v6{};
  if (::inet_pton(AF_INET6, literal.substr(0, percent).c_str(), &v6.sin6_addr) != 1)
    return std::nullopt;
  if (percent != std::string::npos) {
    v6.sin6_scope_id = ::if_nametoindex(literal.c_str() + percent + 1);
    if (v6.sin6_scope_id == 0) return std::nullopt;
  }
  v6.sin6_family = AF_INET6;
  v6.sin6_port = net_port;
  std::memcpy(&result.storage_, &v6, sizeof v6);
  result.length_ = sizeof v6;
  return result;
}

std::optional<SocketAddress> SocketAddress::from_path(const std::string& path) {
  sockaddr_un un{};
  if (path.empty() || path.size() >= sizeof un.sun_path) return std::nullopt;
  un.sun_family = AF_UNIX;
  path.copy(un.sun_path, path.size());
  SocketAddress result;
  std::memcpy(&result.storage_, &un, sizeof un);
  result.length_ = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + 1);
  return result;
}

SocketAddress SocketAddress::end_of(int fd, int (*ask)(int, sockaddr*, socklen_t*)) {
  SocketAddress result;
  result.length_ = sizeof result.storage_;
  if (ask(fd, reinterpret_cast<sockaddr*>(&result.storage_), &result.length_) != 0) return {};
  return result;
}

SocketAddress SocketAddress::local_end(int fd) { return end_of(fd, ::getsockname); }
SocketAddress SocketAddress::remote_end(int fd) { return end_of(fd, ::getpeername); }

int SocketAddress::ip_version() const {
  if (family() == AF_INET) return 4;
  return family() == AF_INET6 ? 6 : 0;
}

bool SocketAddress::loopback() const {
  const auto ip = ip_bytes();
  if (family() == AF_INET) return ip[0] == 127;
  if (family() == AF_UNIX) return true;
  if (family() != AF_INET6) return false;
  const auto in6 = copy_of<sockaddr_in6>(storage_).sin6_addr;
  return IN6_IS_ADDR_LOOPBACK(&in6) || (IN6_IS_ADDR_V4MAPPED(&in6) && ip[12] == 127);
}

int SocketAddress::port() const {
  if (family() == AF_INET) return ntohs(copy_of<sockaddr_in>(storage_).sin_port);
  if (family() == AF_INET6) return ntohs(copy_of<sockaddr_in6>(storage_).sin6_port);
  return 0;
}

std::string SocketAddress::address() const {
  if (family() == AF_UNIX) return copy_of<sockaddr_un>(storage_).sun_path;
  if (ip_version() == 0) return {};
  std::array<char, INET6_ADDRSTRLEN> text{};
  const auto ip = ip_bytes();
  ::inet_ntop(family(), ip.data(), text.data(), text.size());
  std::string result = text.data();
  if (family() == AF_INET6) {
    std::array<char, IF_NAMESIZE> name{};
    const auto scope = copy_of<sockaddr_in6>(storage_).sin6_scope_id;
    if (scope != 0 && ::if_indextoname(scope, name.data()) != nullptr)
      result.append("%").append(name.data());
  }
  return result;
}

std::string SocketAddress::text() const {
  if (ip_version() == 4) return address() + ":" + std::to_string(port());
  if (ip_version() == 6) return "[" + address() + "]:" + std::to_string(port());
  return address();
}

std::string SocketAddress::words() const {
  return ip_version() == 0 ? address() : address() + " port " + std::to_string(port());
}

std::string SocketAddress::address_literal() const {
  if (ip_version() == 0) return "[127.0.0.1]";
  std::string ip = address();
  ip = ip.substr(0, ip.find('%'));  // an interface's name means nothing to the server
  return ip_version() == 4 ? "[" + ip + "]" : "[IPv6:" + ip + "]";
}

std::array<std::uint8_t, 16> SocketAddress::ip_bytes() const {
  std::array<std::uint8_t, 16> bytes{};
  if (family() == AF_INET) {
    const auto in = copy_of<sockaddr_in>(storage_).sin_addr;
    std::memcpy(bytes.data(), &in, sizeof in);
  } else if (family() == AF_INET6) {
    const auto in6 = copy_of<sockaddr_in6>(storage_).sin6_addr;
    std::memcpy(bytes.data(), &in6, sizeof in6);
  }
  return bytes;
}

const sockaddr* SocketAddress::native() const {
  return reinterpret_cast<const sockaddr*>(&storage_);
}

}  // namespace smtpprobe
