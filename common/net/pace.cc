#include "common/net/pace.h"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <list>
#include <vector>

namespace smtpprobe {
namespace asio = boost::asio;

struct Pace::Queue : std::enable_shared_from_this<Pace::Queue> {
  struct Taken {
    std::uint64_t number = 0;  // 0: free
    Instant until{};
  };

  Queue(const asio::any_io_executor& executor, std::size_t places, Duration hold_of_each)
      : expiry(executor), hold(hold_of_each), taken(places) {}

  std::optional<Place> take(Instant now);
  void leave(std::uint64_t number);
  void let_in();

  asio::steady_timer expiry;  // of the place that is taken the longest, while others wait
  Duration hold;
  std::uint64_t last_number = 0;
  std::vector<Taken> taken;
  std::list<Waiter*> waiting;
};

// In the queue until it is let in or its coroutine's frame goes, however it goes.
struct Pace::Waiter {
  Waiter(Queue& all, Instant deadline)
      : queue(all.weak_from_this()),
        wake(all.expiry.get_executor(), deadline),
        spot(all.waiting.insert(all.waiting.end(), this)) {}
  Waiter(const Waiter&) = delete;
  Waiter& operator=(const Waiter&) = delete;
  ~Waiter() {
    if (const auto alive = queue.lock(); alive && queued) alive->waiting.erase(spot);
  }

  std::weak_ptr<Queue> queue;
  asio::steady_timer wake;  // runs until the deadline
  std::list<Waiter*>::iterator spot;
  bool queued = true;
  std::optional<Place> place;
};

std::optional<Pace::Place> Pace::Queue::take(Instant now) {
  const auto free = std::find_if(taken.begin(), taken.end(), [now](const Taken& one) {
    return one.number == 0 || one.until <= now;
  });
  if (free == taken.end()) return std::nullopt;
  *free = {++last_number, now + hold};
  return Place(weak_from_this(), last_number);
}

void Pace::Queue::leave(std::uint64_t number) {
  const auto mine = std::find_if(taken.begin(), taken.end(),
                                 [number](const Taken& one) { return one.number == number; });
  if (mine == taken.end()) return;  // held too long, and another's by now
  *mine = {};
  if (!waiting.empty()) let_in();
}

void Pace::Queue::let_in() {
  const Instant now = std::chrono::steady_clock::now();
  while (!waiting.empty()) {
    std::optional<Place> place = take(now);
    if (!place) break;
    Waiter* const next = waiting.front();
    waiting.pop_front();
    next->queued = false;
    next->place = std::move(place);
    next->wake.cancel();
  }
  if (waiting.empty()) return;
  const auto first = std::min_element(
      taken.begin(), taken.end(), [](const Taken& a, const Taken& b) { return a.until < b.until; });
  expiry.expires_at(first->until);
  expiry.async_wait([self = weak_from_this()](const boost::system::error_code& failure) {
    if (const auto alive = self.lock(); alive && !failure) alive->let_in();
  });
}

Pace::Pace(const asio::any_io_executor& executor, std::size_t places, Duration hold)
    : queue_(std::make_shared<Queue>(executor, places, hold)) {}

Pace::~Pace() = default;

Pace::Place::~Place() {
  if (const auto alive = queue_.lock()) alive->leave(number_);
}

std::optional<Pace::Place> Pace::try_enter() {
  if (!queue_->waiting.empty()) return std::nullopt;
  return queue_->take(std::chrono::steady_clock::now());
}

asio::awaitable<std::optional<Pace::Place>> Pace::enter(Instant deadline) {
  std::optional<Place> place = try_enter();
  if (place) co_return place;
  Waiter waiter(*queue_, deadline);
  if (queue_->waiting.size() == 1) queue_->let_in();
  if (waiter.queued) {
    // From here on the queue may be gone.
    auto waiting = waiter.wake.async_wait(asio::as_tuple(asio::use_awaitable));
    [[maybe_unused]] const auto woken = co_await std::move(waiting);
  }
  place = std::exchange(waiter.place, std::nullopt);
  co_return place;
}

}  // namespace smtpprobe
