// The lock is held for a look at the queues, never while something is hashed: clients are spread
// over the loops, and their turn is one of the whole process.
#include "exporter/login_queue.h"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <deque>
#include <iterator>
#include <list>
#include <mutex>
#include <unordered_map>
#include <utility>

namespace smtpprobe {
namespace asio = boost::asio;

struct LoginQueue::Waiter {
  Waiter(asio::io_context& its_loop, std::uint64_t its_client, std::function<bool()> its_check,
         Duration patience)
      : loop(its_loop),
        client(its_client),
        check(std::move(its_check)),
        ended(its_loop, patience) {}

  asio::io_context& loop;
  const std::uint64_t client;
  const std::function<bool()> check;
  // Of the loop's thread:
  asio::steady_timer ended;
  std::optional<bool> answer;
};

// Who is next.
class LoginQueue::Turns {
 public:
  explicit Turns(const LoginLimits& limits) : limits_(limits) {}

  bool enter(std::shared_ptr<Waiter> waiter, Instant now);
  // Whether another task is to be posted for those that wait; counted then, until its next().
  bool needs_task();
  void leave(const std::shared_ptr<Waiter>& waiter);
  // Null: nobody waits.
  std::shared_ptr<Waiter> next(Instant now);
  void ended(std::uint64_t client, bool right, Instant now);
  std::size_t waiting() const {
    const std::lock_guard guard(mutex_);
    return waiting_;
  }

 private:
  struct Client {
    std::uint64_t id;
    std::deque<std::shared_ptr<Waiter>> waiters;  // never empty
  };
  using Clients = std::list<Client>;

  bool has_failed(std::uint64_t client, Instant now) const {
    const auto failed = failed_.find(client);
    return failed != failed_.end() && failed->second > now;
  }
  bool make_room(std::uint64_t client, std::size_t had, Instant now);
  void displace_one_of(Clients::iterator client);

  const LoginLimits limits_;
  mutable std::mutex mutex_;
  Clients clients_;                                    // the next one first
  std::unordered_map<std::uint64_t, Instant> failed_;  // until when they come after the others
  std::size_t waiting_ = 0;
  std::size_t tasks_ = 0;  // posted and not begun
};

bool LoginQueue::Turns::enter(std::shared_ptr<Waiter> waiter, Instant now) {
  const std::lock_guard guard(mutex_);
  auto own = std::find_if(clients_.begin(), clients_.end(),
                          [&waiter](const Client& one) { return one.id == waiter->client; });
  const std::size_t had = own == clients_.end() ? 0 : own->waiters.size();
  if (had >= limits_.waiting_of_client) return false;
  if (waiting_ >= limits_.waiting && !make_room(waiter->client, had, now)) return false;
  if (own == clients_.end()) own = clients_.insert(clients_.end(), {waiter->client, {}});
  own->waiters.push_back(std::move(waiter));
  ++waiting_;
  return true;
}

// In place of a client that had a wrong password, of one that has more waiting, or of the one that
// waited the longest: where so many wait its time will be over first.
bool LoginQueue::Turns::make_room(std::uint64_t client, std::size_t had, Instant now) {
  if (!has_failed(client, now)) {
    const auto failed =
        std::find_if(clients_.begin(), clients_.end(),
                     [this, now](const Client& one) { return has_failed(one.id, now); });
    if (failed != clients_.end()) {
      displace_one_of(failed);
      return true;
    }
  }
  const auto largest = std::max_element(
      clients_.begin(), clients_.end(),
      [](const Client& a, const Client& b) { return a.waiters.size() < b.waiters.size(); });
  if (largest == clients_.end()) return false;
  if (largest->waiters.size() > had + 1) {
    displace_one_of(largest);
    return true;
  }
  if (had > 0 || has_failed(client, now)) return false;
  displace_one_of(clients_.begin());
  return true;
}

// The last to come.
void LoginQueue::Turns::displace_one_of(Clients::iterator client) {
  std::shared_ptr<Waiter> last = std::move(client->waiters.back());
  client->waiters.pop_back();
  --waiting_;
  if (client->waiters.empty()) clients_.erase(client);
  asio::io_context& loop = last->loop;
  asio::post(loop, [last = std::move(last)] { last->ended.cancel(); });
}

void LoginQueue::Turns::leave(const std::shared_ptr<Waiter>& waiter) {
  const std::lock_guard guard(mutex_);
  const auto own = std::find_if(clients_.begin(), clients_.end(),
                                [&waiter](const Client& one) { return one.id == waiter->client; });
  if (own == clients_.end()) return;
  const auto place = std::find(own->waiters.begin(), own->waiters.end(), waiter);
  if (place == own->waiters.end()) return;  // its turn came
  own->waiters.erase(place);
  --waiting_;
  if (own->waiters.empty()) clients_.erase(own);
}

std::shared_ptr<LoginQueue::Waiter> LoginQueue::Turns::next(Instant now) {
  const std::lock_guard guard(mutex_);
  --tasks_;
  if (clients_.empty()) return nullptr;
  const auto good = [this, now](const Client& one) { return !has_failed(one.id, now); };
  const bool newest_first = clients_.size() > limits_.in_turn;
  auto first = clients_.begin();
  if (!newest_first) {
    first = std::find_if(clients_.begin(), clients_.end(), good);
    if (first == clients_.end()) first = clients_.begin();
  } else if (const auto newest = std::find_if(clients_.rbegin(), clients_.rend(), good);
             newest != clients_.rend()) {
    first = std::prev(newest.base());
  }
  std::shared_ptr<Waiter> waiter = std::move(first->waiters.front());
  first->waiters.pop_front();
  --waiting_;
  if (first->waiters.empty())
    clients_.erase(first);
  else
    clients_.splice(newest_first ? clients_.begin() : clients_.end(), clients_, first);
  return waiter;
}

bool LoginQueue::Turns::needs_task() {
  const std::lock_guard guard(mutex_);
  if (tasks_ >= waiting_) return false;
  ++tasks_;
  return true;
}

// Where too many failed, one that does not matter any more is forgotten, or any.
void LoginQueue::Turns::ended(std::uint64_t client, bool right, Instant now) {
  const std::lock_guard guard(mutex_);
  if (right) {
    failed_.erase(client);
    return;
  }
  if (failed_.size() >= limits_.failures && failed_.find(client) == failed_.end()) {
    std::erase_if(failed_, [now](const auto& one) { return one.second <= now; });
    if (failed_.size() >= limits_.failures) failed_.erase(failed_.begin());
  }
  failed_[client] = now + limits_.after_failure;
}

LoginQueue::LoginQueue(asio::thread_pool& hashers, const LoginLimits& limits)
    : hashers_(hashers), patience_(limits.patience), turns_(std::make_shared<Turns>(limits)) {}

std::size_t LoginQueue::waiting() const { return turns_->waiting(); }

asio::awaitable<std::optional<bool>> LoginQueue::check(asio::io_context& loop, std::uint64_t client,
                                                       std::function<bool()> check) {
  struct Leaving {
    ~Leaving() { turns->leave(waiter); }
    std::shared_ptr<Turns> turns;
    std::shared_ptr<Waiter> waiter;
  };
  const auto waiter = std::make_shared<Waiter>(loop, client, std::move(check), patience_);
  if (!turns_->enter(waiter, std::chrono::steady_clock::now())) co_return std::nullopt;
  const Leaving leaving{turns_, waiter};
  // Which one a task serves is decided when a thread is free.
  const auto serve_one = [turns = turns_] {
    std::shared_ptr<Waiter> served = turns->next(std::chrono::steady_clock::now());
    if (served == nullptr) return;
    const bool answer = served->check();
    turns->ended(served->client, answer, std::chrono::steady_clock::now());
    asio::io_context& its_loop = served->loop;
    asio::post(its_loop, [served = std::move(served), answer] {
      served->answer = answer;
      served->ended.cancel();
    });
  };
  if (turns_->needs_task()) asio::post(hashers_, serve_one);
  auto waiting = waiter->ended.async_wait(asio::as_tuple(asio::use_awaitable));
  static_cast<void>(co_await std::move(waiting));
  co_return waiter->answer;
}

}  // namespace smtpprobe
