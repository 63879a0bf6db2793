#include "exporter/http_listener.h"

#include <netdb.h>
#include <sys/socket.h>

#include <boost/asio/ip/v6_only.hpp>
#include <cstring>

namespace smtpprobe {
namespace asio = boost::asio;
using tcp = asio::ip::tcp;
using boost::system::error_code;

namespace {

struct Resolution {
  ~Resolution() {
    if (list != nullptr) ::freeaddrinfo(list);
  }
  addrinfo* list = nullptr;
};

Result<tcp::acceptor> bind_to(asio::io_context& context, const tcp::endpoint& endpoint,
                              bool both_families) {
  tcp::acceptor acceptor(context);
  error_code failure;
  acceptor.open(endpoint.protocol(), failure);
  if (failure) return error(failure.message());
  acceptor.set_option(tcp::acceptor::reuse_address(true), failure);
  if (endpoint.protocol() == tcp::v6())
    acceptor.set_option(asio::ip::v6_only(!both_families), failure);
  acceptor.bind(endpoint, failure);
  if (!failure) acceptor.listen(tcp::acceptor::max_listen_connections, failure);
  if (failure) return error(failure.message());
  return acceptor;
}

Result<tcp::endpoint> endpoint_of(const std::string& host, const std::string& port) {
  Resolution found;
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  const int status = ::getaddrinfo(host.c_str(), port.c_str(), &hints, &found.list);
  if (status != 0) return error(::gai_strerror(status));
  tcp::endpoint endpoint;
  endpoint.resize(found.list->ai_addrlen);
  std::memcpy(endpoint.data(), found.list->ai_addr, found.list->ai_addrlen);
  return endpoint;
}

}  // namespace

std::string bound_address(const tcp::acceptor& listener) {
  error_code ignored;
  const tcp::endpoint endpoint = listener.local_endpoint(ignored);
  const std::string address = endpoint.address().to_string();
  return (endpoint.address().is_v6() ? "[" + address + "]" : address) + ":" +
         std::to_string(endpoint.port());
}

Result<tcp::acceptor> adopt_listener(asio::io_context& context, int descriptor) {
  const std::string name = "descriptor " + std::to_string(descriptor);
  const auto option = [descriptor](int which) {
    int value = 0;
    socklen_t size = sizeof value;
    return ::getsockopt(descriptor, SOL_SOCKET, which, &value, &size) == 0 ? value : -1;
  };
  const int family = option(SO_DOMAIN);
  if ((family != AF_INET && family != AF_INET6) || option(SO_TYPE) != SOCK_STREAM)
    return error(name + ": wanted a TCP socket (ListenStream=)");
  if (option(SO_ACCEPTCONN) != 1) return error(name + ": wanted one that listens (Accept=no)");
  tcp::acceptor acceptor(context);
  error_code failure;
  acceptor.assign(family == AF_INET ? tcp::v4() : tcp::v6(), descriptor, failure);
  if (failure) return error(name + ": " + failure.message());
  return acceptor;
}

Result<tcp::acceptor> open_listener(asio::io_context& context, const ListenAddress& address) {
  const std::string port = std::to_string(address.port);
  if (!address.host.empty()) {
    const Result<tcp::endpoint> endpoint = endpoint_of(address.host, port);
    if (!endpoint) return Unexpected(endpoint.error());
    return bind_to(context, *endpoint, false);
  }
  const auto number = static_cast<asio::ip::port_type>(address.port);
  error_code no_ipv6;
  tcp::acceptor(context).open(tcp::v6(), no_ipv6);
  return bind_to(context, tcp::endpoint(no_ipv6 ? tcp::v4() : tcp::v6(), number), true);
}

}  // namespace smtpprobe
