// How many probes may be at one address at a time: mail servers ban clients that come in crowds.
// Those that find no room wait in the order in which they came. Shared by all event loops of a
// process. Law: its locks are striped by address and held for a look-up, never across a wait.
#pragma once

#include <array>
#include <atomic>
#include <boost/asio/awaitable.hpp>
#include <cstddef>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>

#include "common/net/socket_address.h"
#include "common/smtp/time.h"

namespace smtpprobe {

class AddressTurns {
 public:
  // 0: no limit.
  explicit AddressTurns(int per_address) : limit_(per_address) {}
  AddressTurns(const AddressTurns&) = delete;
  AddressTurns& operator=(const AddressTurns&) = delete;

  // For those that come from now on.
  void set_limit(int per_address) { limit_.store(per_address, std::memory_order_relaxed); }

  // The right to be at one address, until it is destroyed; the turns outlive it.
  class Turn {
   public:
    Turn(AddressTurns* turns, std::string key) : turns_(turns), key_(std::move(key)) {}
    Turn(Turn&& other) noexcept
        : turns_(std::exchange(other.turns_, nullptr)), key_(std::move(other.key_)) {}
    Turn& operator=(Turn&& other) noexcept {
      std::swap(turns_, other.turns_);
      std::swap(key_, other.key_);
      return *this;
    }
    ~Turn() {
      if (turns_ != nullptr) turns_->leave(key_);
    }

   private:
    AddressTurns* turns_;
    std::string key_;
  };

  // At once, or nullopt when there is no room or others wait already.
  std::optional<Turn> try_take(const SocketAddress& address);
  // nullopt: `deadline` has passed first, or the coroutine was cancelled.
  boost::asio::awaitable<std::optional<Turn>> take(SocketAddress address, Instant deadline);

 private:
  struct Waiter;
  struct Place;
  struct Entry {
    int inside = 0;
    std::deque<std::shared_ptr<Waiter>> waiting;
  };
  struct alignas(64) Stripe {
    std::mutex mutex;
    std::unordered_map<std::string, Entry> entries;  // only of addresses somebody is at
  };

  Stripe& stripe_of(const std::string& key);
  void leave(const std::string& key);

  std::atomic<int> limit_;
  std::array<Stripe, 64> stripes_;
};

}  // namespace smtpprobe
