#include "common/net/transport.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>
#include <cstring>
#include <utility>

#include "common/net/channel_error.h"
#include "common/net/tls_report.h"

namespace smtpprobe {
namespace asio = boost::asio;
namespace {

constexpr std::size_t kShownFirstBytes = 60;
// A flood of records without data would keep OpenSSL reading for ever; a wait in between lets the
// deadline and other sessions in. These are up to 600 KeyUpdates, a few tens of milliseconds.
constexpr std::size_t kTlsBytesPerCall = 16UL * 1024;

constexpr char kHandshakeRecord = 0x16;
constexpr char kAlertRecord = 0x15;

}  // namespace

// Rings once for many waits: a deadline that moved on is looked at when the timer ends, and not
// before. Lives as long as its timer's handler, which the transport does not.
struct Transport::Alarm {
  Alarm(asio::any_io_executor executor, Transport* transport)
      : timer(std::move(executor)), owner(transport) {}

  static void start(const std::shared_ptr<Alarm>& alarm) {
    alarm->set = alarm->wanted;
    alarm->timer.expires_at(alarm->set);
    alarm->timer.async_wait([alarm](const boost::system::error_code& error) {
      if (error || alarm->owner == nullptr) return;  // moved to another time, or no longer needed
      alarm->set = Instant::max();
      if (!alarm->owner->waiting_) return;
      if (std::chrono::steady_clock::now() < alarm->wanted) return start(alarm);
      boost::system::error_code ignored;
      alarm->owner->descriptor_.cancel(ignored);
    });
  }

  asio::steady_timer timer;
  Transport* owner;
  unsigned waits = 0;  // that are over
  Instant wanted = Instant::max();
  Instant set = Instant::max();
};

// OpenSSL's view of the socket: our own, for its BIO knows neither MSG_NOSIGNAL nor timestamps.
struct Transport::Bio {
  static Transport& transport(BIO* bio) { return *static_cast<Transport*>(BIO_get_data(bio)); }

  static int read(BIO* bio, char* data, int size) {
    Transport& t = transport(bio);
    BIO_clear_retry_flags(bio);
    const std::size_t room = std::min(static_cast<std::size_t>(size), t.bytes_per_call_);
    const StreamSocket::Outcome got =
        room == 0 ? StreamSocket::Outcome{0, EAGAIN, false} : t.socket_.receive({data, room});
    if (got.error != 0) {
      if (got.error == EAGAIN) BIO_set_retry_read(bio);
      errno = got.error;
      return -1;
    }
    t.tls_ended_ = got.ended;
    t.bytes_per_call_ -= got.bytes;
    if (!t.handshake_done_ && t.first_bytes_.size() < kShownFirstBytes)
      t.first_bytes_.append(data, std::min(got.bytes, kShownFirstBytes - t.first_bytes_.size()));
    errno = 0;
    return static_cast<int>(got.bytes);
  }

  static int write(BIO* bio, const char* data, int size) {
    BIO_clear_retry_flags(bio);
    const StreamSocket::Outcome sent =
        transport(bio).socket_.send({data, static_cast<std::size_t>(size)});
    if (sent.error != 0) {
      if (sent.error == EAGAIN) BIO_set_retry_write(bio);
      errno = sent.error;
      return -1;
    }
    return static_cast<int>(sent.bytes);
  }

  static long control(BIO* bio, int command, long, void*) {
    if (command == BIO_CTRL_FLUSH) return 1;
    if (command == BIO_CTRL_EOF) return transport(bio).tls_ended_ ? 1 : 0;
    return 0;
  }

  static BIO_METHOD* method() {
    static BIO_METHOD* const made = [] {
      BIO_METHOD* fresh =
          BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "smtp-probe socket");
      BIO_meth_set_read(fresh, read);
      BIO_meth_set_write(fresh, write);
      BIO_meth_set_ctrl(fresh, control);
      return fresh;
    }();
    return made;
  }
};

Transport::Transport(asio::any_io_executor executor)
    : descriptor_(executor), alarm_(std::make_shared<Alarm>(executor, this)) {}

Transport::~Transport() {
  alarm_->owner = nullptr;
  close(false);
}

void Transport::adopt(int fd) {
  close(false);
  boost::system::error_code error;
  descriptor_.assign(fd, error);
  if (error) {  // epoll has no room; the caller sees an invalid descriptor
    ::close(fd);
    return;
  }
  socket_ = StreamSocket(fd);
  want_ = Want::Write;
}

IoResult Transport::not_yet(Want want) {
  want_ = want;
  return {IoState::NotYet, 0, {}, Reason::None, {}, false};
}

IoResult Transport::failed_call(int error) const {
  const Reason reason = reason_of_errno(error, ChannelPhase::Established);
  IoResult result{IoState::Ended, 0, std::chrono::steady_clock::now(), reason, {}, false};
  result.detail = detail_of_errno(error, reason);
  return result;
}

IoResult Transport::read(std::span<char> buffer) {
  if (ssl_) {
    ERR_clear_error();
    std::size_t bytes = 0;
    bytes_per_call_ = kTlsBytesPerCall;
    const int returned = SSL_read_ex(ssl_.get(), buffer.data(), buffer.size(), &bytes);
    IoResult result = tls_outcome(returned, bytes);
    if (result.state == IoState::Done) result.at = socket_.arrival();
    return result;
  }
  const StreamSocket::Outcome got = socket_.receive(buffer);
  if (got.error == EAGAIN) return not_yet(Want::Read);
  if (got.error != 0) return failed_call(got.error);
  if (got.ended) return {IoState::Ended, 0, socket_.arrival(), Reason::ConnectionClosed, {}, false};
  return {IoState::Done, got.bytes, socket_.arrival(), Reason::None, {}, false};
}

IoResult Transport::write(std::string_view bytes) {
  if (ssl_) {
    ERR_clear_error();
    std::size_t written = 0;
    bytes_per_call_ = kTlsBytesPerCall;
    const int returned = SSL_write_ex(ssl_.get(), bytes.data(), bytes.size(), &written);
    IoResult result = tls_outcome(returned, written);
    if (result.state == IoState::Done) result.at = socket_.sent();
    return result;
  }
  const StreamSocket::Outcome sent = socket_.send(bytes);
  if (sent.error == EAGAIN) return not_yet(Want::Write);
  if (sent.error != 0) return failed_call(sent.error);
  return {IoState::Done, sent.bytes, socket_.sent(), Reason::None, {}, false};
}

void Transport::start_tls(SslSession session) {
  ssl_ = std::move(session);
  socket_.restart_clock();
  BIO* bio = BIO_new(Bio::method());
  if (bio == nullptr) return;  // handshake() then fails with OpenSSL's "BIO not set"
  BIO_set_data(bio, this);
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl_.get(), bio, bio);
  SSL_set_mode(ssl_.get(), SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                               SSL_MODE_RELEASE_BUFFERS);
  tls_healthy_ = true;
}

IoResult Transport::handshake() {
  ERR_clear_error();
  bytes_per_call_ = kTlsBytesPerCall;
  const int returned = SSL_connect(ssl_.get());
  IoResult result = tls_outcome(returned, 0);
  if (!first_bytes_are_tls()) return not_tls();
  if (result.state == IoState::Done) {
    handshake_done_ = true;
    first_bytes_ = {};
    // Whose word was the last depends on the version of TLS.
    result.at = std::max(socket_.sent(), socket_.arrival());
  }
  return result;
}

IoResult Transport::tls_outcome(int returned, std::size_t bytes) {
  const int error_number = errno;
  if (returned == 1) {
    return {IoState::Done, bytes, {}, Reason::None, {}, false};
  }
  const int ssl_error = SSL_get_error(ssl_.get(), returned);
  if (ssl_error == SSL_ERROR_WANT_READ) return not_yet(Want::Read);
  if (ssl_error == SSL_ERROR_WANT_WRITE) return not_yet(Want::Write);
  IoResult result{IoState::Ended,           0,  std::chrono::steady_clock::now(),
                  Reason::ConnectionClosed, {}, false};
  if (ssl_error == SSL_ERROR_ZERO_RETURN) return result;
  tls_healthy_ = false;
  TlsFailure failure = classify_tls_failure(ssl_.get(), ssl_error, error_number);
  result.reason = failure.reason;
  result.detail = std::move(failure.detail);
  result.no_close_notify = handshake_done_ && result.reason == Reason::ConnectionClosed;
  return result;
}

bool Transport::first_bytes_are_tls() const {
  return first_bytes_.empty() || first_bytes_[0] == kHandshakeRecord ||
         first_bytes_[0] == kAlertRecord;
}

// OpenSSL has taken a record's header of five bytes: the rest of what the server said is what tells
// an operator which service answered.
IoResult Transport::not_tls() {
  char more[kShownFirstBytes];
  const auto got = socket_.receive({more, kShownFirstBytes - first_bytes_.size()});
  first_bytes_.append(more, got.bytes);
  first_bytes_.erase(std::min(first_bytes_.find_first_of("\r\n"), first_bytes_.size()));
  tls_healthy_ = false;
  ERR_clear_error();
  return {IoState::Ended, 0, socket_.arrival(), Reason::TlsNotTls, "\"" + first_bytes_ + "\"",
          false};
}

void Transport::set_alarm(Instant deadline) {
  alarm_->wanted = deadline;
  if (deadline < alarm_->set) Alarm::start(alarm_);
}

// A second wait beside the one for room to write; what ends either ends both.
void Transport::watch_for_input() {
  readable_ = false;
  descriptor_.async_wait(asio::posix::descriptor_base::wait_read,
                         [alarm = alarm_, number = alarm_->waits](const auto& error) {
                           Transport* const owner = alarm->owner;
                           const bool over = number != alarm->waits;
                           if (error || owner == nullptr || over) return;
                           owner->readable_ = true;
                           boost::system::error_code ignored;
                           owner->descriptor_.cancel(ignored);
                         });
}

asio::awaitable<bool> Transport::wait(Instant deadline, bool or_readable) {
  if (std::chrono::steady_clock::now() >= deadline) co_return false;
  if (want_ == Want::Read) socket_.acknowledge();
  set_alarm(deadline);
  waiting_ = true;
  const bool both = or_readable && want_ == Want::Write;
  if (both) watch_for_input();
  const auto kind = want_ == Want::Read ? asio::posix::descriptor_base::wait_read
                                        : asio::posix::descriptor_base::wait_write;
  constexpr auto token = asio::as_tuple(asio::use_awaitable);
  auto waiting = descriptor_.async_wait(kind, token);
  const auto outcome = co_await std::move(waiting);
  waiting_ = false;
  ++alarm_->waits;
  if (both && !std::exchange(readable_, false)) {
    boost::system::error_code ignored;
    descriptor_.cancel(ignored);
  } else if (both) {
    co_return true;
  }
  // Anything but the alarm, an error of the socket too, is for the next call to meet.
  co_return std::get<0>(outcome) != asio::error::operation_aborted;
}

void Transport::close(bool in_sync) {
  if (ssl_ && handshake_done_ && tls_healthy_ && in_sync) {
    ERR_clear_error();
    SSL_shutdown(ssl_.get());
    ERR_clear_error();
  }
  ssl_.reset();
  handshake_done_ = tls_healthy_ = tls_ended_ = false;
  first_bytes_.clear();
  socket_ = StreamSocket();
  alarm_->set = Instant::max();
  alarm_->timer.cancel();
  boost::system::error_code ignored;
  descriptor_.close(ignored);
}

}  // namespace smtpprobe
