// Keeps a burst from measuring itself: of those that come at once, some at a time do what costs
// this host time, the others wait in the order in which they came. One event loop's, without locks.
// Law: the wait is ours and belongs to no step; a place is one's own for a moment only, so that a
// server that hangs holds up nobody.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include "common/smtp/time.h"

namespace smtpprobe {

class Pace {
 public:
  // `places` at a time, each for `hold` at the longest. Those that wait and the places may outlive
  // it, as the frames of an event loop do that ends: they are then on their own.
  Pace(const boost::asio::any_io_executor& executor, std::size_t places, Duration hold);
  ~Pace();
  Pace(const Pace&) = delete;
  Pace& operator=(const Pace&) = delete;

 private:
  struct Queue;
  struct Waiter;

 public:
  // Given back when it is destroyed.
  class Place {
   public:
    Place(std::weak_ptr<Queue> queue, std::uint64_t number)
        : queue_(std::move(queue)), number_(number) {}
    Place(Place&& other) noexcept = default;  // leaves nothing to give back
    Place& operator=(Place&& other) noexcept {
      std::swap(queue_, other.queue_);
      std::swap(number_, other.number_);
      return *this;
    }
    ~Place();

   private:
    std::weak_ptr<Queue> queue_;
    std::uint64_t number_;
  };

  // At once, or nullopt when there is no place or others wait already.
  std::optional<Place> try_enter();
  // nullopt: `deadline` has passed first, or the coroutine was cancelled.
  boost::asio::awaitable<std::optional<Place>> enter(Instant deadline);

 private:
  std::shared_ptr<Queue> queue_;
};

}  // namespace smtpprobe
