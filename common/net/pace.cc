#include "common/net/pace.h"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace smtpprobe {
namespace asio = boost::asio;

// In the queue until it is let in or its coroutine's frame goes, however it goes.
struct Pace::Waiter {
  Waiter(Pace& all, Instant deadline)
      : pace(all),
        wake(all.executor_, deadline),
        spot(all.waiting_.insert(all.waiting_.end(), this)) {}
  Waiter(const Waiter&) = delete;
  Waiter& operator=(const Waiter&) = delete;
  ~Waiter() {
    if (queued) pace.waiting_.erase(spot);
  }

  Pace& pace;
  asio::steady_timer wake;  // runs until the deadline
  std::list<Waiter*>::iterator spot;
  bool queued = true;
  std::optional<Place> place;
};

Pace::Pace(asio::any_io_executor executor, std::size_t places, Duration hold)
    : executor_(std::move(executor)), expiry_(executor_), hold_(hold), taken_(places) {}

std::optional<Pace::Place> Pace::take(Instant now) {
  const auto free = std::find_if(taken_.begin(), taken_.end(), [now](const Taken& one) {
    return one.number == 0 || one.until <= now;
  });
  if (free == taken_.end()) return std::nullopt;
  *free = {++last_number_, now + hold_};
  return Place(this, last_number_);
}

std::optional<Pace::Place> Pace::try_enter() {
  if (!waiting_.empty()) return std::nullopt;
  return take(std::chrono::steady_clock::now());
}

asio::awaitable<std::optional<Pace::Place>> Pace::enter(Instant deadline) {
  std::optional<Place> place = try_enter();
  if (place) co_return place;
  Waiter waiter(*this, deadline);
  if (waiting_.size() == 1) let_in();
  if (waiter.queued) {
    auto waiting = waiter.wake.async_wait(asio::as_tuple(asio::use_awaitable));
    [[maybe_unused]] const auto woken = co_await std::move(waiting);
  }
  place = std::exchange(waiter.place, std::nullopt);
  co_return place;
}

void Pace::leave(std::uint64_t number) {
  const auto mine = std::find_if(taken_.begin(), taken_.end(),
                                 [number](const Taken& one) { return one.number == number; });
  if (mine == taken_.end()) return;  // held too long, and another's by now
  *mine = {};
  if (!waiting_.empty()) let_in();
}

void Pace::let_in() {
  const Instant now = std::chrono::steady_clock::now();
  while (!waiting_.empty()) {
    std::optional<Place> place = take(now);
    if (!place) break;
    Waiter* const next = waiting_.front();
    waiting_.pop_front();
    next->queued = false;
    next->place = std::move(place);
    next->wake.cancel();
  }
  if (waiting_.empty()) return;
  const auto first =
      std::min_element(taken_.begin(), taken_.end(),
                       [](const Taken& a, const Taken& b) { return a.until < b.until; });
  expiry_.expires_at(first->until);
  expiry_.async_wait([this](const boost::system::error_code& failure) {
    if (!failure) let_in();
  });
}

}  // namespace smtpprobe
