#include "exporter/http_door.h"

#include <chrono>

#include "exporter/client_end.h"

namespace smtpprobe {
namespace {

using boost::system::error_code;

constexpr auto kSweep = std::chrono::seconds(1);

void close(HttpConnection& connection) {
  error_code ignored;
  connection.socket.close(ignored);
}

// One that owes us the rest of a request is answered with 408 first.
void end_late_one(HttpConnection& connection) {
  if (!connection.receiving || connection.late) return close(connection);
  connection.late = true;
  error_code ignored;
  connection.socket.cancel(ignored);
}

}  // namespace

void HttpDoor::start() {
  sweep_.expires_after(kSweep);
  sweep_.async_wait([self = shared_from_this()](const error_code& failure) {
    if (failure) return;
    self->close_late_ones();
    self->start();
  });
}

void HttpDoor::close_late_ones() {
  const Instant now = std::chrono::steady_clock::now();
  for (const auto* list : {&idle_, &busy_}) {
    for (HttpConnection* one : *list) {
      if (one->expires <= now) end_late_one(*one);
      if (one->handling && one->spoke_early) look_for_end(*one);
    }
  }
}

bool HttpDoor::admit(HttpConnection& connection) {
  if (idle_.size() + busy_.size() >= room_) {
    if (idle_.empty()) return false;
    HttpConnection& oldest = *idle_.front();
    becomes(oldest, false);
    close(oldest);
  }
  connection.place = busy_.insert(busy_.end(), &connection);
  return true;
}

void HttpDoor::becomes(HttpConnection& connection, bool idle) {
  if (connection.idle == idle) return;
  auto& from = connection.idle ? idle_ : busy_;
  auto& to = idle ? idle_ : busy_;
  to.splice(to.end(), from, connection.place);
  connection.idle = idle;
}

void HttpDoor::leave(HttpConnection& connection) {
  (connection.idle ? idle_ : busy_).erase(connection.place);
}

}  // namespace smtpprobe
