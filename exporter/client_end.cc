#include "exporter/client_end.h"

#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <string_view>

namespace smtpprobe {
namespace {

using boost::asio::ip::tcp;
using boost::system::error_code;

constexpr std::string_view kBeginning = "HTTP/1.";

void hang_up(HttpConnection& connection) {
  connection.gone = true;
  connection.hang_up.emit(boost::asio::cancellation_type::terminal);
}

void send_beginning(HttpConnection& connection) {
  if (connection.half_closed) return;
  connection.half_closed = true;
  const auto sent = ::send(connection.socket.native_handle(), kBeginning.data(), kBeginning.size(),
                           MSG_DONTWAIT | MSG_NOSIGNAL);
  if (sent > 0) connection.answer_bytes_sent = static_cast<std::size_t>(sent);
}

void watch_for_reset(const std::shared_ptr<HttpConnection>& connection) {
  connection->socket.async_wait(tcp::socket::wait_error, [connection](const error_code& failure) {
    if (!failure && connection->handling) hang_up(*connection);
  });
}

}  // namespace

void watch_for_end(const std::shared_ptr<HttpConnection>& connection) {
  connection->socket.async_wait(tcp::socket::wait_read, [connection](const error_code& failure) {
    if (failure || !connection->handling) return;
    char byte = 0;
    const auto got = ::recv(connection->socket.native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    constexpr char kAlertRecord = 0x15;  // RFC 8446 section 5.1
    const bool tls = connection->tls;
    if ((got < 0 && errno != EAGAIN) || (tls && (got == 0 || (got == 1 && byte == kAlertRecord)))) {
      hang_up(*connection);
    } else if (got == 0) {
      send_beginning(*connection);
      watch_for_reset(connection);
    } else {
      // There may be an end after the bytes, now or later; in TLS 1.3 they are its alert.
      connection->spoke_early = true;
    }
  });
}

void look_for_end(HttpConnection& connection) {
  pollfd end{connection.socket.native_handle(), POLLRDHUP, 0};
  if (::poll(&end, 1, 0) != 1) return;
  if (connection.tls || (end.revents & (POLLERR | POLLHUP)) != 0)
    hang_up(connection);
  else
    send_beginning(connection);
}

}  // namespace smtpprobe
