// Keeps a burst from measuring itself: of those that come at once, some at a time do what costs
// this host time, the others wait in the order in which they came. One event loop's, without locks.
// Law: the wait is ours and belongs to no step; a place is one's own for a moment only, so that a
// server that hangs holds up nobody.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "common/smtp/time.h"

namespace smtpprobe {

class Pace {
 public:
  // `places` at a time, each for `hold` at the longest. Outlives those that wait and its places.
  Pace(boost::asio::any_io_executor executor, std::size_t places, Duration hold);
  Pace(const Pace&) = delete;
  Pace& operator=(const Pace&) = delete;

  // Given back when it is destroyed.
  class Place {
   public:
    Place(Pace* pace, std::uint64_t number) : pace_(pace), number_(number) {}
    Place(Place&& other) noexcept
        : pace_(std::exchange(other.pace_, nullptr)), number_(other.number_) {}
    Place& operator=(Place&& other) noexcept {
      std::swap(pace_, other.pace_);
      std::swap(number_, other.number_);
      return *this;
    }
    ~Place() {
      if (pace_ != nullptr) pace_->leave(number_);
    }

   private:
    Pace* pace_;
    std::uint64_t number_;
  };

  // At once, or nullopt when there is no place or others wait already.
  std::optional<Place> try_enter();
  // nullopt: `deadline` has passed first, or the coroutine was cancelled.
  boost::asio::awaitable<std::optional<Place>> enter(Instant deadline);

 private:
  struct Taken {
    std::uint64_t number = 0;  // 0: free
    Instant until{};
  };
  struct Waiter;

  std::optional<Place> take(Instant now);
  void leave(std::uint64_t number);
  void let_in();

  boost::asio::any_io_executor executor_;
  boost::asio::steady_timer expiry_;  // of the place that is taken the longest, while others wait
  Duration hold_;
  std::uint64_t last_number_ = 0;
  std::vector<Taken> taken_;
  std::list<Waiter*> waiting_;
};

}  // namespace smtpprobe
