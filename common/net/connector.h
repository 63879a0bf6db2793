// Connects one address, and says whose fault it is when that fails: the server's and the network's
// (connection_refused, host_unreachable, connect_timeout), or our own (local_error).
#pragma once

#include <boost/asio/awaitable.hpp>
#include <optional>
#include <string>

#include "common/net/socket_address.h"
#include "common/net/transport.h"
#include "common/smtp/reason.h"
#include "common/smtp/time.h"

namespace smtpprobe {

struct ConnectOutcome {
  Instant began{};
  Instant ended{};
  Reason reason = Reason::None;  // None: connected
  std::string detail;            // "connection refused by 192.0.2.1 port 25"
};

// `transport` has the connection afterwards, without Nagle's delay, bound to `source` where that is
// given (its port is 0); it has none when this fails. `transport` outlives the call.
boost::asio::awaitable<ConnectOutcome> connect(Transport& transport, SocketAddress peer,
                                               std::optional<SocketAddress> source,
                                               Instant deadline);

// "5.0 s", for messages.
std::string seconds_words(Duration duration);

}  // namespace smtpprobe
