// An answer that needs no wait, for handlers that promise one.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <utility>

#include "exporter/http_message.h"

namespace smtpprobe {

inline boost::asio::awaitable<HttpResponse> answered(HttpResponse response) {
  co_return std::move(response);
}

}  // namespace smtpprobe
