#include "common/net/address_turns.h"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <functional>
#include <string_view>
#include <utility>

#include "common/net/connector.h"

namespace smtpprobe {
namespace asio = boost::asio;

namespace {

// When a probe keeps an address from another client for too long. A waiting probe looks after a
// third of its time, so that the rest is enough for a verdict about the server. It interrupts
// another client's probe where
// - that has a longer timeout, or its client has far more probes waiting for the same address; and
// - that has been there for a third of the waiting one's time, and for a third of its own, or
//   kFairHold.
// The interrupted probe begins again within its deadline. Two clients that scrape the same servers
// with the same timeouts and like numbers of probes never interrupt each other.
constexpr int kFirstWaitShare = 3;
constexpr auto kFairHold = std::chrono::seconds(2);
// Times at an address that differ by less count as the same.
constexpr auto kLikeTimes = std::chrono::milliseconds(100);
constexpr std::size_t kManyWaiting = 8;  // beside twice as many as one's own client has

Instant now() { return std::chrono::steady_clock::now(); }

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
  Waiter(const asio::any_io_executor& executor, TurnClaim* its_claim)
      : wake(executor), claim(its_claim) {}

  // From any thread: the timer is its own loop's.
  static void call(std::shared_ptr<Waiter> waiter) {
    const auto executor = waiter->wake.get_executor();
    asio::post(executor, [waiter = std::move(waiter)] { waiter->wake.cancel(); });
  }
  ClientId client() const { return claim != nullptr ? claim->client : 0; }

  asio::steady_timer wake;  // runs until the next look, at most until the deadline
  TurnClaim* claim;         // of the probe that waits; not touched once that has left the queue
  // Under the stripe's lock:
  std::optional<std::uint64_t> granted;  // the holder's number
  bool displaced = false;
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
    if (mine->granted) return Turn(&turns, key, *mine->granted);
    if (mine->displaced && mine->claim != nullptr)
      mine->claim->refusal = TurnClaim::Refusal::Displaced;
    if (const auto found = stripe.entries.find(key); found != stripe.entries.end())
      remove(found->second, mine);
    return std::nullopt;
  }

  AddressTurns& turns;
  std::string key;
  std::shared_ptr<Waiter> waiter;
};

AddressTurns::Stripe& AddressTurns::stripe_of(const std::string& key) {
  return stripes_[std::hash<std::string_view>()(key) % stripes_.size()];
}

bool AddressTurns::has_room(const Entry& entry) const {
  const int limit = limit_.load(std::memory_order_relaxed);
  return limit == 0 || entry.inside.size() < static_cast<std::size_t>(limit);
}

std::uint64_t AddressTurns::add_holder(Entry& entry, const TurnClaim* claim) {
  const std::uint64_t number = holders_.fetch_add(1, std::memory_order_relaxed);
  entry.inside.push_back({number, claim != nullptr ? claim->client : 0, now(),
                          claim != nullptr ? claim->timeout : Duration::zero(),
                          claim != nullptr ? claim->interrupt : nullptr,
                          claim != nullptr && claim->interrupt ? claim->interrupt->attempt() : 0});
  return number;
}

std::optional<AddressTurns::Turn> AddressTurns::try_take(const SocketAddress& address,
                                                         const TurnClaim* claim) {
  if (limit_.load(std::memory_order_relaxed) == 0) return Turn(nullptr, {}, 0);
  std::string key = key_of(address);
  Stripe& stripe = stripe_of(key);
  const std::lock_guard lock(stripe.mutex);
  Entry& entry = stripe.entries[key];
  if (!has_room(entry) || entry.waiting > 0) return std::nullopt;
  const std::uint64_t number = add_holder(entry, claim);
  return Turn(this, std::move(key), number);
}

asio::awaitable<std::optional<AddressTurns::Turn>> AddressTurns::take(SocketAddress address,
                                                                      Instant deadline,
                                                                      TurnClaim* claim) {
  std::optional<Turn> at_once = try_take(address, claim);
  if (at_once) co_return at_once;
  const auto executor = co_await asio::this_coro::executor;
  auto waiter = std::make_shared<Waiter>(executor, claim);
  Place place(*this, key_of(address), waiter);
  const Instant began = now();
  const Duration first_wait =
      deadline > began ? (deadline - began) / kFirstWaitShare : Duration::zero();
  std::optional<Instant> look = began + first_wait;
  if (!enter_queue(place)) look.reset();
  while (look) {
    // Who grants it now lets our executor cancel the timer, which is not before it runs.
    waiter->wake.expires_at(std::min(*look, deadline));
    auto waiting = waiter->wake.async_wait(asio::as_tuple(asio::use_awaitable));
    const auto [cancelled] = co_await std::move(waiting);
    if (cancelled || now() >= deadline) break;
    look = interrupt_holder(place, first_wait);
  }
  co_return place.resolve();
}

// False: nothing is to be waited for.
bool AddressTurns::enter_queue(const Place& place) {
  Stripe& stripe = stripe_of(place.key);
  const std::lock_guard lock(stripe.mutex);
  Entry& entry = stripe.entries[place.key];
  if (entry.waiting == 0 && has_room(entry)) {  // somebody left between the two looks
    place.waiter->granted = add_holder(entry, place.waiter->claim);
    return false;
  }
  if (enqueue(entry, place.waiter)) return true;
  if (TurnClaim* const claim = place.waiter->claim; claim != nullptr)
    claim->refusal = TurnClaim::Refusal::QueueFull;
  return false;
}

// Where the queue is full, the client that has most in it gives up its newest place to one that has
// fewer.
bool AddressTurns::enqueue(Entry& entry, const std::shared_ptr<Waiter>& waiter) {
  const auto of_client = [](ClientId client) {
    return [client](const ClientQueue& one) { return one.client == client; };
  };
  auto mine = std::find_if(entry.queues.begin(), entry.queues.end(), of_client(waiter->client()));
  if (waiter->claim != nullptr && entry.waiting >= kMaxWaiting) {
    const auto longest = std::max_element(entry.queues.begin(), entry.queues.end(),
                                          [](const ClientQueue& a, const ClientQueue& b) {
                                            return a.waiting.size() < b.waiting.size();
                                          });
    const std::size_t own = mine == entry.queues.end() ? 0 : mine->waiting.size();
    if (longest->waiting.size() <= own + 1) return false;
    const std::shared_ptr<Waiter> newest = longest->waiting.back();
    newest->displaced = true;
    remove(entry, newest);
    Waiter::call(newest);
    mine = std::find_if(entry.queues.begin(), entry.queues.end(), of_client(waiter->client()));
  }
  if (mine == entry.queues.end())
    mine = entry.queues.insert(entry.queues.end(), {waiter->client(), {}});
  mine->waiting.push_back(waiter);
  static_cast<void>(time_of(entry, waiter->client()));  // its time counts from now on
  ++entry.waiting;
  return true;
}

void AddressTurns::remove(Entry& entry, const std::shared_ptr<Waiter>& waiter) {
  const auto queue =
      std::find_if(entry.queues.begin(), entry.queues.end(),
                   [&](const ClientQueue& one) { return one.client == waiter->client(); });
  if (queue == entry.queues.end()) return;
  entry.waiting -= std::erase(queue->waiting, waiter);
  if (queue->waiting.empty()) entry.queues.erase(queue);
}

// When to look again; nullopt: this one does not wait any more.
std::optional<Instant> AddressTurns::interrupt_holder(const Place& place, Duration first_wait) {
  Stripe& stripe = stripe_of(place.key);
  const std::lock_guard lock(stripe.mutex);
  const Waiter& mine = *place.waiter;
  const auto found = stripe.entries.find(place.key);
  if (mine.granted || mine.displaced || found == stripe.entries.end()) return std::nullopt;
  const Instant present = now();
  const Entry& entry = found->second;
  const std::size_t of_mine = waiting_of(entry, mine.client());
  const Holder* chosen = nullptr;
  Instant due = Instant::max();  // when the chosen one has been there for long enough
  for (const Holder& holder : entry.inside) {
    if (holder.client == mine.client() || !holder.interrupt || mine.claim == nullptr) continue;
    const bool is_longer = holder.timeout > mine.claim->timeout;
    const bool has_more = waiting_of(entry, holder.client) >= 2 * of_mine + kManyWaiting;
    if (!is_longer && !has_more) continue;
    const Duration fair = std::min<Duration>(holder.timeout / kFirstWaitShare, kFairHold);
    const Instant its_due = holder.since + std::max(first_wait, fair);
    if (its_due < due) chosen = &holder;
    due = std::min(due, its_due);
  }
  if (chosen != nullptr && due > present) return due;
  if (chosen != nullptr) {
    chosen->interrupt->request("interrupted after " + seconds_words(present - chosen->since) +
                                   " at " + place.key + " for a probe of another client",
                               chosen->attempt);
  }
  return present + std::max<Duration>(first_wait, kFairHold / 2);
}

std::size_t AddressTurns::waiting_of(const Entry& entry, ClientId client) {
  for (const ClientQueue& queue : entry.queues) {
    if (queue.client == client) return queue.waiting.size();
  }
  return 0;
}

std::size_t AddressTurns::inside_of(const Entry& entry, ClientId client) {
  return static_cast<std::size_t>(
      std::count_if(entry.inside.begin(), entry.inside.end(),
                    [client](const Holder& one) { return one.client == client; }));
}

Duration& AddressTurns::time_of(Entry& entry, ClientId client) {
  std::vector<ClientTime>& times = entry.times;
  const auto found = std::find_if(times.begin(), times.end(),
                                  [client](const ClientTime& one) { return one.client == client; });
  if (found != times.end()) return found->used;
  const auto least =
      std::min_element(times.begin(), times.end(),
                       [](const ClientTime& a, const ClientTime& b) { return a.used < b.used; });
  const Duration used = least == times.end() ? Duration::zero() : least->used;
  if (times.size() >= kMaxTimes) times.erase(times.begin());
  return times.emplace_back(ClientTime{client, used}).used;
}

// The client that has the fewest probes inside; of several the one that had the least time there,
// so that one whose probes hang does not have every other turn; else the one that was served the
// longest ago.
void AddressTurns::grant_next(Entry& entry) {
  std::vector<std::pair<std::size_t, Duration::rep>> ranks;
  ranks.reserve(entry.queues.size());
  for (const ClientQueue& one : entry.queues)
    ranks.emplace_back(inside_of(entry, one.client), time_of(entry, one.client) / kLikeTimes);
  const auto chosen =
      entry.queues.begin() + (std::min_element(ranks.begin(), ranks.end()) - ranks.begin());
  const std::shared_ptr<Waiter> next = chosen->waiting.front();
  chosen->waiting.pop_front();
  --entry.waiting;
  if (chosen->waiting.empty()) {
    entry.queues.erase(chosen);
  } else {
    std::rotate(chosen, chosen + 1, entry.queues.end());
  }
  next->granted = add_holder(entry, next->claim);
  Waiter::call(next);
}

void AddressTurns::leave(const std::string& key, std::uint64_t holder) {
  Stripe& stripe = stripe_of(key);
  const std::lock_guard lock(stripe.mutex);
  const auto found = stripe.entries.find(key);
  if (found == stripe.entries.end()) return;
  Entry& entry = found->second;
  const auto leaving = std::find_if(entry.inside.begin(), entry.inside.end(),
                                    [holder](const Holder& one) { return one.number == holder; });
  if (leaving == entry.inside.end()) return;
  const auto its_queue =
      std::find_if(entry.queues.begin(), entry.queues.end(),
                   [&](const ClientQueue& one) { return one.client == leaving->client; });
  if (its_queue != entry.queues.end()) std::rotate(its_queue, its_queue + 1, entry.queues.end());
  time_of(entry, leaving->client) += now() - leaving->since;
  entry.inside.erase(leaving);
  while (entry.waiting > 0 && has_room(entry)) grant_next(entry);
  if (entry.inside.empty() && entry.waiting == 0) stripe.entries.erase(found);
}

}  // namespace smtpprobe
