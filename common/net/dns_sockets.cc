#include "common/net/dns_sockets.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstddef>

#include "common/net/receive_stamps.h"

namespace smtpprobe {
namespace {

ares_socket_t open_socket(int family, int type, int protocol, void*) {
  const int fd = ::socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
  if (fd < 0) return fd;
  ask_for_stamps(fd);
  const int on = 1;
  if (type == SOCK_STREAM) ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return fd;
}

int close_socket(ares_socket_t fd, void*) { return ::close(fd); }

int connect_socket(ares_socket_t fd, const sockaddr* peer, ares_socklen_t size, void*) {
  return ::connect(fd, peer, size);
}

// c-ares asks for no flags, and for the sender of datagrams alone.
ares_ssize_t receive(ares_socket_t fd, void* data, std::size_t size, int, sockaddr* from,
                     ares_socklen_t* from_size, void* argument) {
  constexpr std::size_t kRcodeAt = 3;
  auto& reading = *static_cast<DnsReading*>(argument);
  char* bytes = static_cast<char*>(data);
  const ares_ssize_t got = receive_stamped(fd, {bytes, size}, reading.arrival, from, from_size);
  const bool has_rcode = from != nullptr && got > static_cast<ares_ssize_t>(kRcodeAt);
  reading.rcode = has_rcode ? bytes[kRcodeAt] & 0xf : 0;
  return got;
}

ares_ssize_t send(ares_socket_t fd, const iovec* parts, int count, void*) {
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(parts);
  message.msg_iovlen = static_cast<std::size_t>(count);
  return ::sendmsg(fd, &message, MSG_NOSIGNAL);
}

}  // namespace

void use_stamped_sockets(ares_channel channel, DnsReading* reading) {
  static const ares_socket_functions kFunctions{open_socket, close_socket, connect_socket, receive,
                                                send};
  ares_set_socket_functions(channel, &kFunctions, reading);
}

}  // namespace smtpprobe
