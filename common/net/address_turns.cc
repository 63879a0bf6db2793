#include "common/net/address_turns.h"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <functional>
#include <string_view>
#include <utility>

namespace smtpprobe {
namespace asio = boost::asio;

namespace {

// One server, however it is written: an IPv4 address mapped into IPv6 (RFC 4291 s2.5.5.2) is that
// address.
std::string key_of(const SocketAddress& address) {
  constexpr std::string_view kMapped = "[::ffff:";
  std::string key = address.text();
  if (!key.starts_with(kMapped) || key.find('.') == std::string::npos) return key;
  key.erase(key.find(']'), 1);
  return key.substr(kMapped.size());
}

}  // namespace

struct AddressTurns::Waiter {
  explicit Waiter(const asio::any_io_executor& executor) : wake(executor) {}

  // From any thread: the timer is its own loop's.
  static void call(std::shared_ptr<Waiter> waiter) {
    const auto executor = waiter->wake.get_executor();
    asio::post(executor, [waiter = std::move(waiter)] { waiter->wake.cancel(); });
  }

  asio::steady_timer wake;  // runs until the deadline
  bool granted = false;     // under the stripe's lock
};

// A place in the queue; given up when the coroutine's frame goes, however it goes.
struct AddressTurns::Place {
  Place(AddressTurns& all, std::string where, std::shared_ptr<Waiter> who)
      : turns(all), key(std::move(where)), waiter(std::move(who)) {}
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;
  ~Place() { [[maybe_unused]] const auto unused = resolve(); }

  // The turn when it was granted; out of the queue in any case.
  std::optional<Turn> resolve() {
    if (!waiter) return std::nullopt;
    const std::shared_ptr<Waiter> mine = std::exchange(waiter, nullptr);
    Stripe& stripe = turns.stripe_of(key);
    const std::lock_guard lock(stripe.mutex);
    if (mine->granted) return Turn(&turns, key);
    if (const auto found = stripe.entries.find(key); found != stripe.entries.end())
      std::erase(found->second.waiting, mine);
    return std::nullopt;
  }

  AddressTurns& turns;
  std::string key;
  std::shared_ptr<Waiter> waiter;
};

AddressTurns::Stripe& AddressTurns::stripe_of(const std::string& key) {
  return stripes_[std::hash<std::string_view>()(key) % stripes_.size()];
}

std::optional<AddressTurns::Turn> AddressTurns::try_take(const SocketAddress& address) {
  const int limit = limit_.load(std::memory_order_relaxed);
  if (limit == 0) return Turn(nullptr, {});
  std::string key = key_of(address);
  Stripe& stripe = stripe_of(key);
  const std::lock_guard lock(stripe.mutex);
  Entry& entry = stripe.entries[key];
  if (entry.inside >= limit || !entry.waiting.empty()) return std::nullopt;
  ++entry.inside;
  return Turn(this, std::move(key));
}

asio::awaitable<std::optional<AddressTurns::Turn>> AddressTurns::take(SocketAddress address,
                                                                      Instant deadline) {
  std::optional<Turn> now = try_take(address);
  if (now) co_return now;
  const auto executor = co_await asio::this_coro::executor;
  auto waiter = std::make_shared<Waiter>(executor);
  waiter->wake.expires_at(deadline);
  Place place(*this, key_of(address), waiter);
  bool granted = false;
  {
    Stripe& stripe = stripe_of(place.key);
    const std::lock_guard lock(stripe.mutex);
    Entry& entry = stripe.entries[place.key];
    const int limit = limit_.load(std::memory_order_relaxed);
    if (entry.waiting.empty() && (limit == 0 || entry.inside < limit)) {
      ++entry.inside;  // somebody left between the two looks
      waiter->granted = granted = true;
    } else {
      entry.waiting.push_back(waiter);
    }
  }
  if (!granted) {
    // Who grants it now lets our executor cancel the timer, which is not before it runs.
    auto waiting = waiter->wake.async_wait(asio::as_tuple(asio::use_awaitable));
    [[maybe_unused]] const auto woken = co_await std::move(waiting);
  }
  co_return place.resolve();
}

void AddressTurns::leave(const std::string& key) {
  Stripe& stripe = stripe_of(key);
  const std::lock_guard lock(stripe.mutex);
  const auto found = stripe.entries.find(key);
  if (found == stripe.entries.end()) return;
  Entry& entry = found->second;
  --entry.inside;
  const int limit = limit_.load(std::memory_order_relaxed);
  while (!entry.waiting.empty() && (limit == 0 || entry.inside < limit)) {
    const std::shared_ptr<Waiter> next = std::move(entry.waiting.front());
    entry.waiting.pop_front();
    next->granted = true;
    ++entry.inside;
    Waiter::call(next);
  }
  if (entry.inside == 0 && entry.waiting.empty()) stripe.entries.erase(found);
}

}  // namespace smtpprobe
