// HTTP/1.1 over Boost.Beast, on the event loops of the probes. Laws: a client costs bounded memory
// and bounded time, whatever it does; one that hangs up cancels what it asked for; what a handler
// answers is all it sees of HTTP. RFC 9110, 9112.
#pragma once

#include <atomic>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/thread_pool.hpp>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/smtp/error.h"
#include "exporter/event_loop.h"
#include "exporter/http_door.h"
#include "exporter/http_message.h"
#include "exporter/login_queue.h"
#include "exporter/options.h"
#include "exporter/web_access.h"

namespace smtpprobe {

struct HttpLimits {
  std::size_t header_bytes = 16UL * 1024;
  std::size_t body_bytes = 1024;  // nobody reads one
  // At one time. One more takes the place of the one that has been idle longest.
  std::size_t connections = 12'288;
  std::chrono::seconds request_time{10};   // from the first byte (the first time: from the connect)
  std::chrono::seconds idle_time{300};     // between requests
  std::chrono::seconds response_time{30};  // to take our answer
};

// Runs on the loop of its connection. Cancelled (terminal) when the client hangs up. The request
// stays until the answer is there.
using HttpHandler =
    std::function<boost::asio::awaitable<HttpResponse>(EventLoop&, const HttpRequest&)>;

class HttpServer {
 public:
  // All but the handler's parts outlive the server, and the server its loops' run(). Passwords are
  // hashed on `hashers`.
  HttpServer(EventLoops& loops, boost::asio::thread_pool& workers,
             boost::asio::thread_pool& hashers, const HttpLimits& limits, WebAccess& access,
             HttpHandler handler);
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  // Gives what it is bound to: "[::]:9725". Before run(); the error names the address.
  Result<std::string> listen(const ListenAddress& address);
  // The same with a socket that listens already, which becomes ours.
  Result<std::string> listen_on(int descriptor);

  // From any thread: from now on each connection closes behind its answer.
  void drain();
  // Requests that came and are not answered to the last byte.
  int answering() const { return answering_->load(); }

 private:
  template <typename Stream>
  class Session;

  std::string accept_on(boost::asio::ip::tcp::acceptor acceptor);
  boost::asio::awaitable<void> accept(boost::asio::ip::tcp::acceptor acceptor);
  boost::asio::awaitable<void> prepare_for(EventLoop& loop, int connections);
  boost::asio::awaitable<void> serve(std::shared_ptr<HttpConnection> connection);
  boost::asio::awaitable<void> serve_tls(std::shared_ptr<HttpConnection> connection,
                                         std::shared_ptr<SSL_CTX> context);
  boost::asio::awaitable<HttpResponse> guarded(EventLoop& loop, const HttpRequest& request);
  // nullopt: too many wait, or for too long.
  boost::asio::awaitable<std::optional<bool>> knows_password(EventLoop& loop,
                                                             std::shared_ptr<const WebState> state,
                                                             const HttpRequest& request);

  EventLoops& loops_;
  boost::asio::thread_pool& workers_;
  LoginQueue logins_;
  HttpLimits limits_;
  WebAccess& access_;
  HttpHandler handler_;
  std::atomic<bool> draining_{false};
  // Shared with what is on the loops, which may outlive the server there.
  std::shared_ptr<std::atomic<int>> answering_ = std::make_shared<std::atomic<int>>(0);
  std::vector<std::shared_ptr<HttpDoor>> doors_;         // one a loop
  std::vector<std::shared_ptr<std::atomic<int>>> open_;  // connections, by loop
  std::vector<int> most_open_;  // that it is prepared for; of the acceptors' loop
};

}  // namespace smtpprobe
