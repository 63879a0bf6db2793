// The HTTP connections of one event loop, and who shows out those that are late. Law: of the loop's
// thread alone; a connection costs bounded time, and one more than there is room for takes the
// place of the one that has been idle longest.
#pragma once

#include <atomic>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <utility>

#include "common/smtp/time.h"
#include "exporter/client_id.h"
#include "exporter/event_loop.h"

namespace smtpprobe {

// One of those that are counted, for as long as it lives.
struct Counted {
  explicit Counted(std::shared_ptr<std::atomic<int>> all)
      : count(std::move(all)), number(++*count) {}
  ~Counted() { --*count; }
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;

  std::shared_ptr<std::atomic<int>> count;
  int number;
};

struct HttpConnection {
  HttpConnection(EventLoop& its_loop, boost::asio::ip::tcp::socket accepted,
                 std::shared_ptr<std::atomic<int>> open)
      : loop(its_loop),
        socket(std::move(accepted)),
        counted(std::move(open)),
        client(client_id_of(socket)) {}

  EventLoop& loop;
  boost::asio::ip::tcp::socket socket;
  Counted counted;  // among those of its loop
  std::uint64_t client;
  boost::asio::cancellation_signal hang_up;
  Instant expires{};
  bool gone = false;  // the client, as hang_up said
  bool idle = false;
  bool tls = false;
  bool receiving = false;  // a request that has begun: too late, it is answered with 408
  bool late = false;
  bool handling = false;
  bool spoke_early = false;  // while its request was handled
  // See client_end.h; of one request.
  bool half_closed = false;
  std::size_t answer_bytes_sent = 0;
  std::list<HttpConnection*>::iterator place;
};

class HttpDoor : public std::enable_shared_from_this<HttpDoor> {
 public:
  HttpDoor(EventLoop& loop, std::size_t room) : room_(room), sweep_(loop.context()) {}

  // From here on it looks once a second who is late, or has gone.
  void start();

  // False: there is no room, and nobody is idle. The connection outlives its leave().
  bool admit(HttpConnection& connection);
  void becomes(HttpConnection& connection, bool idle);
  void leave(HttpConnection& connection);

 private:
  void close_late_ones();

  std::size_t room_;
  boost::asio::steady_timer sweep_;
  std::list<HttpConnection*> idle_;  // the longest so in front
  std::list<HttpConnection*> busy_;
};

}  // namespace smtpprobe
