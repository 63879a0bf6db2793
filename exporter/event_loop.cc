#include "exporter/event_loop.h"

#include <fcntl.h>
#include <unistd.h>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <chrono>
#include <exception>

#include "exporter/log.h"

namespace smtpprobe {
namespace {

constexpr auto kPulse = std::chrono::milliseconds(500);

// At a time, and for how long a peer that lets us wait counts. A loop connects some ten thousand
// times a second and shakes hands a thousand times.
constexpr std::size_t kStarts = 64;
constexpr auto kStartHold = std::chrono::milliseconds(10);
constexpr std::size_t kHandshakes = 16;
constexpr auto kHandshakeHold = std::chrono::milliseconds(20);

}  // namespace

EventLoop::EventLoop(std::size_t index, const HistoryLimits& history, Histogram& lag)
    : index_(index),
      context_(1),
      work_(context_.get_executor()),
      resolver_(context_.get_executor()),
      starts_(context_.get_executor(), kStarts, kStartHold),
      handshakes_(context_.get_executor(), kHandshakes, kHandshakeHold),
      history_(history),
      pulse_(context_),
      lag_(lag) {
  watch_lag();
}

// How late a timer of this loop rings is how late it hears anything.
void EventLoop::watch_lag() {
  pulse_.expires_after(kPulse);
  pulse_.async_wait([this](const boost::system::error_code& failure) {
    if (failure) return;
    const auto late = std::chrono::steady_clock::now() - pulse_.expiry();
    lag_.observe(std::chrono::duration<double>(late).count());
    watch_lag();
  });
}

// A descriptor that epoll does not take, as that of /dev/null, gets its block all the same, and the
// same one as often as we like.
void EventLoop::spare_descriptors(std::size_t count) {
  const int nothing = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (nothing < 0) return;
  std::vector<boost::asio::posix::stream_descriptor> spare;
  spare.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    boost::system::error_code failure;
    spare.emplace_back(context_).assign(nothing, failure);
    if (failure) spare.pop_back();
  }
  for (auto& descriptor : spare) descriptor.release();
  ::close(nothing);
}

void EventLoop::run() {
  while (!context_.stopped()) {
    try {
      context_.run();
    } catch (const std::exception& fault) {
      log(LogLevel::Error, "internal error", {{"what", fault.what()}});
    }
  }
}

EventLoops::EventLoops(std::size_t count, const HistoryLimits& history, Histogram& lag) {
  for (std::size_t i = 0; i < count; ++i)
    loops_.push_back(std::make_unique<EventLoop>(i, history.share_of(count), lag));
}

EventLoops::~EventLoops() {
  stop();
  for (std::thread& thread : threads_) thread.join();
}

void EventLoops::run() {
  for (std::size_t i = 1; i < loops_.size(); ++i)
    threads_.emplace_back([loop = loops_[i].get()] { loop->run(); });
  loops_[0]->run();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

void EventLoops::destroy_waiting() {
  for (const auto& loop : loops_) loop->destroy_waiting();
}

void EventLoops::stop() {
  for (const auto& loop : loops_) loop->stop();
}

}  // namespace smtpprobe
