// The token for awaiting a coroutine on another thread's executor. Law: a cancellation never goes
// there. Boost 1.81 posts it as a bare pointer to a signal that may be gone by then, so a client
// that hangs up at the wrong moment would end the process; and what is waited for is short.
#pragma once

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace smtpprobe {

inline auto elsewhere() {
  return boost::asio::bind_cancellation_slot(boost::asio::cancellation_slot(),
                                             boost::asio::use_awaitable);
}

}  // namespace smtpprobe
