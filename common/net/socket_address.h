// An address of a stream socket: IPv4, IPv6 or a path (AF_UNIX). A value; knows no name service.
#pragma once

#include <sys/socket.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string>

namespace smtpprobe {

class SocketAddress {
 public:
  SocketAddress() = default;  // AF_UNSPEC

  // "192.0.2.1", "2001:db8::1", "fe80::1%eth0"; nullopt for anything else, an interface that does
  // not exist included.
  static std::optional<SocketAddress> from_literal(const std::string& literal, int port);
  // nullopt when the path is empty or does not fit (107 bytes).
  static std::optional<SocketAddress> from_path(const std::string& path);
  // The two ends of a connected socket; AF_UNSPEC on failure.
  static SocketAddress local_end(int fd);
  static SocketAddress remote_end(int fd);

  int family() const { return storage_.ss_family; }
  int ip_version() const;  // 4, 6 or 0
  bool loopback() const;   // 127/8, ::1, the former mapped into IPv6, every path
  int port() const;        // 0 for a path

  std::string address() const;  // "192.0.2.1", "2001:db8::1" or the path
  std::string text() const;     // "192.0.2.1:25", "[2001:db8::1]:25" or the path
  std::string words() const;    // for messages: "192.0.2.1 port 25" or the path
  // RFC 5321 section 4.1.3: "[192.0.2.7]", "[IPv6:2001:db8::7]"; "[127.0.0.1]" for a path.
  std::string address_literal() const;
  // In network order: 4 or 16 bytes of it, by ip_version().
  std::array<std::uint8_t, 16> ip_bytes() const;

  const sockaddr* native() const;
  socklen_t length() const { return length_; }

 private:
  static SocketAddress end_of(int fd, int (*ask)(int, sockaddr*, socklen_t*));

  sockaddr_storage storage_{};
  socklen_t length_ = 0;
};

}  // namespace smtpprobe
