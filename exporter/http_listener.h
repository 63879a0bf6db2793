// The sockets that the exporter listens on.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <string>

#include "common/smtp/error.h"
#include "exporter/options.h"

namespace smtpprobe {

// Bound and listening; on both families where the address names no host. The error is the system's
// words.
Result<boost::asio::ip::tcp::acceptor> open_listener(boost::asio::io_context& context,
                                                     const ListenAddress& address);

// The same of a socket that a service manager passed. The error says what it is instead.
Result<boost::asio::ip::tcp::acceptor> adopt_listener(boost::asio::io_context& context,
                                                      int descriptor);

// "127.0.0.1:9725", "[::]:9725"
std::string bound_address(const boost::asio::ip::tcp::acceptor& listener);

}  // namespace smtpprobe
