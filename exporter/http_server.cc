#include "exporter/http_server.h"

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
#include <boost/asio/write.hpp>
#include <boost/beast/core/buffers_to_string.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/read_size.hpp>
#include <boost/beast/http.hpp>
#include <ctime>
#include <optional>
#include <utility>

#include "exporter/client_end.h"
#include "exporter/elsewhere.h"
#include "exporter/http_framing.h"
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
constexpr std::size_t kReadBytes = 64UL * 1024;  // at the most, by the buffer's limit
constexpr std::size_t kWorthCompressing = 1024;
// What a client still says behind an answer that ends the connection is read, or the reset would
// take the answer with it.
constexpr std::size_t kLingerBytes = 1024UL * 1024;
constexpr auto kLingerTime = std::chrono::seconds(2);

Instant now() { return std::chrono::steady_clock::now(); }

using Response = http::response<http::string_body>;

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

// All of it, or the header alone.
std::string text_of(http::response_serializer<http::string_body>& serializer, bool head) {
  std::string text;
  error_code failure;
  serializer.split(head);
  while (!failure && !(head ? serializer.is_header_done() : serializer.is_done())) {
    serializer.next(failure, [&text, &serializer](error_code&, const auto& buffers) {
      text += beast::buffers_to_string(buffers);
      serializer.consume(beast::buffer_bytes(buffers));
    });
  }
  return text;
}

HttpResponse busy_response(const WebState& state) {
  HttpResponse busy = plain_response(503, "too many passwords are being checked");
  busy.headers.emplace_back("Retry-After", "1");
  add_web_headers(state, busy);
  return busy;
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

  // Into `incoming`, which is new: while a probe lasts there is no room for a second one. False:
  // none came, or it was refused.
  asio::awaitable<bool> next_request(Incoming& incoming) {
    HttpParser parser;
    parser.header_limit(static_cast<std::uint32_t>(server_.limits_.header_bytes));
    parser.body_limit(server_.limits_.body_bytes);
    auto reading = read(parser, true);
    error_code failure = co_await std::move(reading);
    std::optional<HttpResponse> refusal = failure ? refusal_of(failure) : fault_of_framing(parser);
    if (!failure && !refusal) {
      std::optional<HttpResponse> fault = fault_of_fields(parser);
      incoming = {request_of(parser), parser.get().version(), parser.get().keep_alive()};
      if (!parser.is_done()) {
        auto rest = read_body(parser);
        failure = co_await std::move(rest);
        if (failure) refusal = refusal_of(failure);
      }
      if (!failure) refusal = std::move(fault);
    }
    connection_->receiving = false;
    if (!failure && !refusal) co_return true;
    if (!refusal) co_return false;
    add_web_headers(*server_.access_.state(), *refusal);
    auto writing = write(std::move(*refusal), 11, false, false, false);
    co_await std::move(writing);
    auto lingering = linger();
    co_await std::move(lingering);
    co_return false;
  }

  // Whether another request may come.
  asio::awaitable<bool> answer_one() {
    Incoming incoming;
    auto waiting = next_request(incoming);
    const bool came = co_await std::move(waiting);
    if (!came) co_return false;
    // A probe may last for minutes; what the next request needs is for the next request.
    if (buffer_.size() == 0) buffer_.shrink_to_fit();
    const Counted answering(server_.answering_);
    incoming.request.client = {connection_->client, &connection_->hang_up, &connection_->gone};
    auto handling = handle(incoming.request);
    HttpResponse response = co_await std::move(handling);
    const bool stay = incoming.keep_alive && !server_.draining_.load(std::memory_order_relaxed);
    auto writing = write(std::move(response), incoming.version, incoming.request.method == "HEAD",
                         accepts_gzip(incoming.request.accept_encoding), stay);
    co_return co_await std::move(writing) && stay;
  }

  // The header, or what follows it. Not Beast's async_read_some(), which does not return before the
  // header is whole: the time of a request begins with its first byte.
  asio::awaitable<error_code> read(HttpParser& parser, bool header) {
    // Only then does the parser stop at the end of the header.
    parser.eager(!header);
    while (true) {
      if (buffer_.size() > 0) {
        if (!connection_->receiving && connection_->idle) allow(server_.limits_.request_time);
        connection_->receiving = true;
        error_code failure;
        const std::size_t used = parser.put(buffer_.data(), failure);
        buffer_.consume(used);
        if (failure && failure != http::error::need_more) co_return failure;
        if (header ? parser.is_header_done() : parser.is_done()) co_return error_code();
        if (!failure && used > 0) continue;
      }
      const std::size_t room = beast::read_size(buffer_, kReadBytes);
      if (room == 0) co_return http::error::buffer_overflow;
      auto reading = stream_.async_read_some(buffer_.prepare(room), kTuple);
      const auto [failure, bytes] = co_await std::move(reading);
      if (failure && connection_->late) co_return asio::error::timed_out;
      if (failure) co_return failure;
      buffer_.commit(bytes);
    }
  }

  asio::awaitable<error_code> read_body(HttpParser& parser) {
    // A client that has sent a part already is not waiting.
    if (buffer_.size() == 0 && expects_continue(parser)) {
      static constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
      auto writing = asio::async_write(stream_, asio::buffer(kContinue), kTuple);
      const auto [failure, bytes] = co_await std::move(writing);
      if (failure) co_return failure;
    }
    auto reading = read(parser, false);
    co_return co_await std::move(reading);
  }

  asio::awaitable<HttpResponse> handle(const HttpRequest& request) {
    connection_->expires = Instant::max();
    connection_->handling = true;
    connection_->spoke_early = false;
    connection_->half_closed = false;
    watch_for_end(connection_);
    auto asking = server_.guarded(connection_->loop, request);
    HttpResponse response = co_await std::move(asking);
    connection_->handling = false;
    error_code ignored;
    connection_->socket.cancel(ignored);
    co_return response;
  }

  asio::awaitable<bool> write(HttpResponse response, unsigned version, bool head, bool gzip,
                              bool keep) {
    connection_->expires = now() + server_.limits_.response_time;
    Response message(static_cast<http::status>(response.status), version);
    message.set(http::field::date, http_date());
    message.set(http::field::content_type, response.content_type);
    message.set("X-Content-Type-Options", "nosniff");
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
    if (const std::size_t sent = std::exchange(connection_->answer_bytes_sent, 0); sent > 0) {
      const std::string text = text_of(serializer, head);
      const auto rest = asio::buffer(text) + sent;
      auto writing = asio::async_write(stream_, rest, kTuple);
      const auto [failure, bytes] = co_await std::move(writing);
      co_return !failure;
    }
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
      logins_(hashers),
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
  return accept_on(std::move(*opened));
}

Result<std::string> HttpServer::listen_on(int descriptor) {
  Result<tcp::acceptor> adopted = adopt_listener(loops_[0].context(), descriptor);
  if (!adopted) return Unexpected(adopted.error());
  return accept_on(std::move(*adopted));
}

std::string HttpServer::accept_on(tcp::acceptor acceptor) {
  std::string bound = bound_address(acceptor);
  asio::co_spawn(loops_[0].context(), accept(std::move(acceptor)), asio::detached);
  return bound;
}

asio::awaitable<void> HttpServer::accept(tcp::acceptor acceptor) {
  while (true) {
    EventLoop& loop = loops_.next();
    auto accepting = acceptor.async_accept(loop.context(), kTuple);
    auto [failure, socket] = co_await std::move(accepting);
    if (failure == asio::error::operation_aborted) co_return;
    if (failure) {
      log_limited(LogKind::Request, LogLevel::Warn, 0,
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
    const std::shared_ptr<SSL_CTX> context = access_.state()->tls;
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
      log_limited(LogKind::Request, LogLevel::Error, 0, {"internal error", {}, ended.what()},
                  {{"what", ended.what()}});
  } catch (const std::exception& fault) {
    log_limited(LogKind::Request, LogLevel::Error, 0, {"internal error", {}, fault.what()},
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
    log_limited(LogKind::Request, LogLevel::Debug, 0,
                {"TLS handshake of a client failed", {}, failure.message()},
                {{"why", failure.message()}});
    co_return;
  }
  connection->tls = true;
  Session<asio::ssl::stream<tcp::socket&>> served(*this, connection, stream);
  auto running = served.run();
  co_await std::move(running);
  connection->expires = now() + kLingerTime;
  auto leaving = stream.async_shutdown(kTuple);
  co_await std::move(leaving);
}

// What the web configuration has to say, before and behind the handler. Its frame stays as long as
// the probe.
asio::awaitable<HttpResponse> HttpServer::guarded(EventLoop& loop, const HttpRequest& request) {
  const std::shared_ptr<const WebState> state = access_.state();
  if (!may_proceed(*state, now())) co_return rate_limited_response();
  AuthDecision decision = access_.decide(*state, request.authorization);
  if (decision == AuthDecision::Hashing) {
    auto looking = knows_password(loop, state, request);
    const std::optional<bool> known = co_await std::move(looking);
    if (!known) co_return busy_response(*state);
    decision = *known ? AuthDecision::Allowed : AuthDecision::Denied;
  }
  HttpResponse response = unauthorized_response();
  if (decision == AuthDecision::Allowed) {
    try {
      auto handling = handler_(loop, request);
      response = co_await std::move(handling);
    } catch (const boost::system::system_error& ended) {
      if (ended.code() == asio::error::operation_aborted) throw;
      log_limited(LogKind::Request, LogLevel::Error, request.client.id,
                  {"internal error", {}, ended.what()}, {{"what", ended.what()}});
      response = plain_response(500, "internal error");
    } catch (const std::exception& fault) {
      log_limited(LogKind::Request, LogLevel::Error, request.client.id,
                  {"internal error", {}, fault.what()}, {{"what", fault.what()}});
      response = plain_response(500, "internal error");
    }
  }
  add_web_headers(*state, response);
  co_return response;
}

// A hash takes as long as hundreds of probes: not on a loop, and not without a bound.
asio::awaitable<std::optional<bool>> HttpServer::knows_password(
    EventLoop& loop, std::shared_ptr<const WebState> state, const HttpRequest& request) {
  std::function<bool()> look = [access = &access_, in_force = std::move(state),
                                said = request.authorization] {
    return access->check_slowly(*in_force, said);
  };
  auto looking = logins_.check(loop.context(), request.client.id, std::move(look));
  co_return co_await std::move(looking);
}

void HttpServer::drain() { draining_.store(true, std::memory_order_relaxed); }

}  // namespace smtpprobe
