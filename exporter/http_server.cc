#include "exporter/http_server.h"

#include <sys/socket.h>

#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <cerrno>
#include <ctime>
#include <optional>
#include <utility>

#include "exporter/elsewhere.h"
#include "exporter/http_listener.h"
#include "exporter/log.h"

namespace smtpprobe {
namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using tcp = asio::ip::tcp;
using boost::system::error_code;

namespace {

constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);
constexpr auto kPauseWhenShort = std::chrono::milliseconds(100);  // of descriptors
constexpr std::size_t kWorthCompressing = 1024;
// What a client still says behind an answer that ends the connection is read, or the reset would
// take the answer with it.
constexpr std::size_t kLingerBytes = 1024UL * 1024;
constexpr auto kLingerTime = std::chrono::seconds(2);
constexpr int kMaxHashing = 64;  // requests that wait for a hash, each some 0.1 s

Instant now() { return std::chrono::steady_clock::now(); }

using Parser = http::request_parser<http::string_body>;
using Response = http::response<http::string_body>;

HttpRequest plain(const Parser::value_type& message) {
  HttpRequest request;
  request.method = std::string(message.method_string());
  request.target = std::string(message.target());
  request.scrape_timeout = std::string(message["X-Prometheus-Scrape-Timeout-Seconds"]);
  request.authorization = std::string(message[http::field::authorization]);
  request.accept_encoding = std::string(message[http::field::accept_encoding]);
  request.wants_html = message[http::field::accept].find("text/html") != std::string_view::npos;
  return request;
}

// RFC 9110 s6.6.1. Made once a second.
std::string_view http_date() {
  thread_local std::time_t made = 0;
  thread_local std::array<char, 32> text{};
  const std::time_t second = std::time(nullptr);
  if (second != made) {
    std::tm parts{};
    ::gmtime_r(&second, &parts);
    std::strftime(text.data(), text.size(), "%a, %d %b %Y %H:%M:%S GMT", &parts);
    made = second;
  }
  return text.data();
}

// What Beast lets pass. A body that we cannot find the end of would be the next request.
std::optional<HttpResponse> fault_of(const Parser& parser) {
  const auto& message = parser.get();
  if (message.count(http::field::transfer_encoding) > 0 && !parser.chunked())
    return plain_response(400, "Transfer-Encoding: chunked alone is understood");
  for (const char* name : {"X-Prometheus-Scrape-Timeout-Seconds", "Authorization", "Host"})
    if (message.count(name) > 1) return plain_response(400, std::string(name) + " is there twice");
  // RFC 9112 section 3.2.
  if (message.version() == 11 && message.count(http::field::host) == 0)
    return plain_response(400, "Host is missing");
  return std::nullopt;
}

// What is wrong with a request that could not be read; nullopt when there is nobody to tell.
std::optional<HttpResponse> refusal_of(const error_code& failure) {
  if (failure == http::error::end_of_stream || failure == http::error::partial_message)
    return std::nullopt;
  if (failure == http::error::header_limit || failure == http::error::buffer_overflow)
    return plain_response(431, "the request's header is too large");
  if (failure == http::error::body_limit)
    return plain_response(413, "the request's body is too large");
  if (failure == http::error::bad_version)
    return plain_response(505, "wanted version 1.0 or 1.1 of HTTP");
  if (failure.category() == http::make_error_code(http::error::bad_method).category())
    return plain_response(400, "not a request: " + failure.message());
  return std::nullopt;
}

}  // namespace

// One connection over TCP or TLS, from its first request to its last.
template <typename Stream>
class HttpServer::Session {
 public:
  Session(HttpServer& server, std::shared_ptr<HttpConnection> connection, Stream& stream)
      : server_(server), connection_(std::move(connection)), stream_(stream) {}

  asio::awaitable<void> run() {
    bool again = true;
    while (again) {
      auto exchange = answer_one();
      again = co_await std::move(exchange);
      if (again) allow(server_.limits_.idle_time, true);
    }
  }

 private:
  void allow(std::chrono::seconds time, bool idle = false) {
    connection_->expires = now() + time;
    server_.doors_[connection_->loop.index()]->becomes(*connection_, idle);
  }

  struct Incoming {
    HttpRequest request;
    unsigned version = 11;
    bool keep_alive = false;
  };

  // nullopt: none came, or it was refused.
  asio::awaitable<std::optional<Incoming>> next_request() {
    Parser parser;
    parser.header_limit(static_cast<std::uint32_t>(server_.limits_.header_bytes));
    parser.body_limit(server_.limits_.body_bytes);
    parser.eager(true);
    auto reading = read(parser);
    const error_code failure = co_await std::move(reading);
    std::optional<HttpResponse> refusal = failure ? refusal_of(failure) : fault_of(parser);
    if (!failure && !refusal)
      co_return Incoming{plain(parser.get()), parser.get().version(), parser.get().keep_alive()};
    if (!refusal) co_return std::nullopt;
    add_web_headers(*server_.access_.state(now()), *refusal);
    auto writing = write(std::move(*refusal), 11, false, false, false);
    co_await std::move(writing);
    auto lingering = linger();
    co_await std::move(lingering);
    co_return std::nullopt;
  }

  // Whether another request may come.
  asio::awaitable<bool> answer_one() {
    auto waiting = next_request();
    std::optional<Incoming> incoming = co_await std::move(waiting);
    if (!incoming) co_return false;
    // A probe may last for minutes; what the next request needs is for the next request.
    if (buffer_.size() == 0) buffer_.shrink_to_fit();
    const Counted answering(server_.answering_);
    incoming->request.client = {connection_->client, &connection_->hang_up};
    auto handling = handle(incoming->request);
    HttpResponse response = co_await std::move(handling);
    const bool stay = incoming->keep_alive && !server_.draining_.load(std::memory_order_relaxed);
    auto writing = write(std::move(response), incoming->version, incoming->request.method == "HEAD",
                         accepts_gzip(incoming->request.accept_encoding), stay);
    co_return co_await std::move(writing) && stay;
  }

  asio::awaitable<error_code> read(Parser& parser) {
    bool begun = !connection_->idle;
    if (!begun && buffer_.size() > 0) {  // it came with the one before
      allow(server_.limits_.request_time);
      begun = true;
    }
    while (!parser.is_done()) {
      auto reading = http::async_read_some(stream_, buffer_, parser, kTuple);
      const auto [failure, bytes] = co_await std::move(reading);
      if (failure) co_return failure;
      if (!begun) allow(server_.limits_.request_time);
      begun = true;
    }
    co_return error_code();
  }

  asio::awaitable<HttpResponse> handle(const HttpRequest& request) {
    connection_->expires = Instant::max();
    watch_for_hang_up();
    auto asking = server_.guarded(connection_->loop, request);
    HttpResponse response = co_await std::move(asking);
    connection_->handling = false;
    error_code ignored;
    connection_->socket.cancel(ignored);
    co_return response;
  }

  // Between a request and its answer a client has nothing to say but that it has gone.
  void watch_for_hang_up() {
    connection_->handling = true;
    connection_->spoke_early = false;
    connection_->socket.async_wait(
        tcp::socket::wait_read, [connection = connection_](const error_code& failure) {
          if (failure || !connection->handling) return;
          char byte = 0;
          const auto got =
              ::recv(connection->socket.native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
          // In TLS the end is announced by an alert; the next request, early, is neither.
          constexpr char kAlertRecord = 0x15;
          constexpr bool kTls = !std::is_same_v<Stream, tcp::socket>;
          const bool gone = got == 0 || (got < 0 && errno != EAGAIN) ||
                            (kTls && got == 1 && byte == kAlertRecord);
          if (gone) connection->hang_up.emit(asio::cancellation_type::terminal);
          // Behind the bytes there may be an end, now or later; in TLS 1.3 they are its alert.
          connection->spoke_early = !gone;
        });
  }

  asio::awaitable<bool> write(HttpResponse response, unsigned version, bool head, bool gzip,
                              bool keep) {
    connection_->expires = now() + server_.limits_.response_time;
    Response message(static_cast<http::status>(response.status), version);
    message.set(http::field::date, http_date());
    message.set(http::field::content_type, response.content_type);
    for (const auto& [name, value] : response.headers) message.set(name, value);
    message.keep_alive(keep);
    const bool compress = response.body.size() >= kWorthCompressing;
    if (compress) message.set(http::field::vary, "Accept-Encoding");
    if (compress && gzip) {
      std::string small = connection_->loop.gzip().compress(response.body);
      if (!small.empty()) {
        message.set(http::field::content_encoding, "gzip");
        response.body = std::move(small);
      }
    }
    message.content_length(response.body.size());
    if (!head) message.body() = std::move(response.body);
    http::response_serializer<http::string_body> serializer(message);
    if (head) {
      auto writing = http::async_write_header(stream_, serializer, kTuple);
      const auto [failure, bytes] = co_await std::move(writing);
      co_return !failure;
    }
    auto writing = http::async_write(stream_, serializer, kTuple);
    const auto [failure, bytes] = co_await std::move(writing);
    co_return !failure;
  }

  asio::awaitable<void> linger() {
    connection_->expires = now() + kLingerTime;
    error_code ignored;
    connection_->socket.shutdown(tcp::socket::shutdown_send, ignored);
    std::vector<char> waste(16UL * 1024);
    for (std::size_t read = 0; read < kLingerBytes;) {
      auto reading = connection_->socket.async_read_some(asio::buffer(waste), kTuple);
      const auto [failure, bytes] = co_await std::move(reading);
      if (failure) co_return;
      read += bytes;
    }
  }

  HttpServer& server_;
  std::shared_ptr<HttpConnection> connection_;
  Stream& stream_;
  beast::flat_buffer buffer_{server_.limits_.header_bytes + server_.limits_.body_bytes};
};

HttpServer::HttpServer(EventLoops& loops, asio::thread_pool& workers, asio::thread_pool& hashers,
                       const HttpLimits& limits, WebAccess& access, HttpHandler handler)
    : loops_(loops),
      workers_(workers),
      hashers_(hashers),
      limits_(limits),
      access_(access),
      handler_(std::move(handler)) {
  for (std::size_t i = 0; i < loops.size(); ++i) {
    doors_.push_back(std::make_shared<HttpDoor>(loops[i], limits.connections / loops.size() + 1));
    doors_.back()->start();
    open_.push_back(std::make_shared<std::atomic<int>>(0));
    most_open_.push_back(0);
  }
}

HttpServer::~HttpServer() = default;

Result<std::string> HttpServer::listen(const ListenAddress& address) {
  Result<tcp::acceptor> opened = open_listener(loops_[0].context(), address);
  if (!opened)
    return error(address.host + ":" + std::to_string(address.port) + ": " + opened.error().text);
  std::string bound = bound_address(*opened);
  asio::co_spawn(loops_[0].context(), accept(std::move(*opened)), asio::detached);
  return bound;
}

asio::awaitable<void> HttpServer::accept(tcp::acceptor acceptor) {
  while (true) {
    EventLoop& loop = loops_.next();
    auto accepting = acceptor.async_accept(loop.context(), kTuple);
    auto [failure, socket] = co_await std::move(accepting);
    if (failure == asio::error::operation_aborted) co_return;
    if (failure) {
      log_limited(LogKind::Request, LogLevel::Warn,
                  {"cannot accept a connection", {}, failure.message()},
                  {{"why", failure.message()}});
      asio::steady_timer pause(loops_[0].context(), kPauseWhenShort);
      auto waiting = pause.async_wait(kTuple);
      co_await std::move(waiting);
      continue;
    }
    auto connection =
        std::make_shared<HttpConnection>(loop, std::move(socket), open_[loop.index()]);
    if (connection->counted.number > most_open_[loop.index()]) {
      auto preparing = prepare_for(loop, connection->counted.number);
      co_await std::move(preparing);
    }
    // The signal has to outlive the coroutine that listens to it.
    const auto done = [connection](const std::exception_ptr&) {};
    asio::co_spawn(loop.context(), serve(connection),
                   asio::bind_cancellation_slot(connection->hang_up.slot(), done));
  }
}

// Each may have a probe's descriptor beside its own, and many may be here before the first of
// those is.
asio::awaitable<void> HttpServer::prepare_for(EventLoop& loop, int connections) {
  constexpr int kAhead = 128;
  most_open_[loop.index()] = connections + kAhead - 1;
  const auto take = [](EventLoop* one, std::size_t count) -> asio::awaitable<void> {
    one->spare_descriptors(count);
    co_return;
  };
  auto taking = asio::co_spawn(
      workers_, take(&loop, static_cast<std::size_t>(connections + 2 * kAhead)), elsewhere());
  co_await std::move(taking);
}

asio::awaitable<void> HttpServer::serve(std::shared_ptr<HttpConnection> connection) {
  struct Leaving {
    ~Leaving() { from->leave(who); }
    std::shared_ptr<HttpDoor> from;
    HttpConnection& who;
  };
  std::shared_ptr<HttpDoor> door = doors_[connection->loop.index()];
  if (!door->admit(*connection)) co_return;
  const Leaving leaving{std::move(door), *connection};
  connection->expires = now() + limits_.request_time;
  error_code ignored;
  connection->socket.set_option(tcp::no_delay(true), ignored);
  try {
    const std::shared_ptr<SSL_CTX> context = access_.state(now())->tls;
    if (context) {
      auto running = serve_tls(connection, context);
      co_await std::move(running);
    } else {
      Session<tcp::socket> session(*this, connection, connection->socket);
      auto running = session.run();
      co_await std::move(running);
    }
  } catch (const boost::system::system_error& ended) {
    if (ended.code() != asio::error::operation_aborted)
      log_limited(LogKind::Request, LogLevel::Error, {"internal error", {}, ended.what()},
                  {{"what", ended.what()}});
  } catch (const std::exception& fault) {
    log_limited(LogKind::Request, LogLevel::Error, {"internal error", {}, fault.what()},
                {{"what", fault.what()}});
  }
}

asio::awaitable<void> HttpServer::serve_tls(std::shared_ptr<HttpConnection> connection,
                                            std::shared_ptr<SSL_CTX> context) {
  SslSession session = new_web_session(context.get());
  if (!session) co_return;
  asio::ssl::stream<tcp::socket&> stream(connection->socket, session.release());
  auto greeting = stream.async_handshake(asio::ssl::stream_base::server, kTuple);
  const auto [failure] = co_await std::move(greeting);
  if (failure) {
    log_limited(LogKind::Request, LogLevel::Debug,
                {"TLS handshake of a client failed", {}, failure.message()},
                {{"why", failure.message()}});
    co_return;
  }
  Session<asio::ssl::stream<tcp::socket&>> served(*this, connection, stream);
  auto running = served.run();
  co_await std::move(running);
  connection->expires = now() + kLingerTime;
  auto leaving = stream.async_shutdown(kTuple);
  co_await std::move(leaving);
}

// What the web configuration has to say, before and behind the handler.
asio::awaitable<HttpResponse> HttpServer::guarded(EventLoop& loop, const HttpRequest& request) {
  const std::shared_ptr<const WebState> state = access_.state(now());
  if (!may_proceed(*state, now())) co_return rate_limited_response();
  AuthDecision decision = access_.decide(*state, request.authorization);
  if (decision == AuthDecision::Hashing) {
    auto looking = knows_password(state, request.authorization);
    const std::optional<bool> known = co_await std::move(looking);
    if (!known) {
      HttpResponse busy = plain_response(503, "too many passwords are being checked");
      busy.headers.emplace_back("Retry-After", "1");
      add_web_headers(*state, busy);
      co_return busy;
    }
    decision = *known ? AuthDecision::Allowed : AuthDecision::Denied;
  }
  HttpResponse response = unauthorized_response();
  if (decision == AuthDecision::Allowed) {
    try {
      auto handling = handler_(loop, request);
      response = co_await std::move(handling);
    } catch (const boost::system::system_error& ended) {
      if (ended.code() == asio::error::operation_aborted) throw;
      log_limited(LogKind::Request, LogLevel::Error, {"internal error", {}, ended.what()},
                  {{"what", ended.what()}});
      response = plain_response(500, "internal error");
    } catch (const std::exception& fault) {
      log_limited(LogKind::Request, LogLevel::Error, {"internal error", {}, fault.what()},
                  {{"what", fault.what()}});
      response = plain_response(500, "internal error");
    }
  }
  add_web_headers(*state, response);
  co_return response;
}

// A hash takes as long as hundreds of probes: not on a loop, and not without a bound.
asio::awaitable<std::optional<bool>> HttpServer::knows_password(
    std::shared_ptr<const WebState> state, const std::string& authorization) {
  const Counted counted(hashing_);
  if (counted.number > kMaxHashing) co_return std::nullopt;
  const auto look = [](WebAccess* access, std::shared_ptr<const WebState> in_force,
                       std::string said) -> asio::awaitable<bool> {
    co_return access->check_slowly(*in_force, said);
  };
  auto looking =
      asio::co_spawn(hashers_, look(&access_, std::move(state), authorization), elsewhere());
  co_return co_await std::move(looking);
}

void HttpServer::drain() { draining_.store(true, std::memory_order_relaxed); }

}  // namespace smtpprobe
