// How many probes may be at one address at a time: mail servers ban clients that come in crowds.
// Those that find no room wait. The clients that asked for the probes are served in turn, the one
// first that had the least time at the address, each in the order of its own requests. A probe that
// keeps an address for long is interrupted for another client's.
// Shared by all event loops of a process.
// Invariants: the locks are striped by address and held for a look-up, never across a wait; at most
// kMaxWaiting probes with a claim wait for one address.
#pragma once

#include <array>
#include <atomic>
#include <boost/asio/awaitable.hpp>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "common/net/interrupt.h"
#include "common/net/socket_address.h"
#include "common/smtp/time.h"

namespace smtpprobe {

// Who asked for a probe, as far as fairness is concerned: the peer's address.
using ClientId = std::uint64_t;

// What one probe presents at an address. Outlives its waits and its turns.
struct TurnClaim {
  enum class Refusal : std::uint8_t { None, QueueFull, Displaced };

  ClientId client = 0;
  std::shared_ptr<Interrupt> interrupt;  // null: the probe keeps its turn to its end
  Duration timeout{};                    // what the probe has in all
  // When the first attempt of this probe began, where this is a later one: an interrupted probe
  // begins again within its deadline. Instant{}: this is the first.
  Instant first_began{};

  bool begins_again() const { return first_began != Instant{}; }
  Refusal refusal = Refusal::None;  // set by take(): why there was no turn, beside the deadline
};

class AddressTurns {
 public:
  static constexpr std::size_t kMaxWaiting = 1024;
  static constexpr std::size_t kMaxTimes = 64;

  // 0: no limit.
  explicit AddressTurns(int per_address) : limit_(per_address) {}
  AddressTurns(const AddressTurns&) = delete;
  AddressTurns& operator=(const AddressTurns&) = delete;

  // For those that come from now on.
  void set_limit(int per_address) { limit_.store(per_address, std::memory_order_relaxed); }

  // The right to be at one address, until it is destroyed; the turns outlive it.
  class Turn {
   public:
    Turn(AddressTurns* turns, std::string key, std::uint64_t holder)
        : turns_(turns), key_(std::move(key)), holder_(holder) {}
    Turn(Turn&& other) noexcept
        : turns_(std::exchange(other.turns_, nullptr)),
          key_(std::move(other.key_)),
          holder_(other.holder_) {}
    Turn& operator=(Turn&& other) noexcept {
      std::swap(turns_, other.turns_);
      std::swap(key_, other.key_);
      std::swap(holder_, other.holder_);
      return *this;
    }
    ~Turn() {
      if (turns_ != nullptr) turns_->leave(key_, holder_);
    }

   private:
    AddressTurns* turns_;
    std::string key_;
    std::uint64_t holder_;
  };

  // At once, or nullopt when there is no room or others wait already. Without a claim: as a client
  // of its own that is never interrupted.
  std::optional<Turn> try_take(const SocketAddress& address, const TurnClaim* claim = nullptr);
  // nullopt: `deadline` has passed first, the coroutine was cancelled, or see claim->refusal. One
  // that waits interrupts a probe of another client that keeps the address for long: see the .cc.
  boost::asio::awaitable<std::optional<Turn>> take(SocketAddress address, Instant deadline,
                                                   TurnClaim* claim = nullptr);

 private:
  struct Waiter;
  struct Place;
  struct Holder {
    std::uint64_t number;
    ClientId client;
    Instant since;
    Duration timeout;
    std::shared_ptr<Interrupt> interrupt;
    unsigned attempt;  // that holds the place
  };
  struct ClientQueue {
    ClientId client;
    std::deque<std::shared_ptr<Waiter>> waiting;  // never empty
  };
  struct ClientTime {
    ClientId client;
    Duration used;
  };
  struct Entry {
    std::vector<Holder> inside;
    std::vector<ClientQueue> queues;  // in the order in which the clients are served
    std::size_t waiting = 0;          // in all queues
    std::vector<ClientTime> times;  // of at most kMaxTimes clients; a new one has the least of them
  };
  struct alignas(64) Stripe {
    std::mutex mutex;
    std::unordered_map<std::string, Entry> entries;  // only of addresses somebody is at
  };

  Stripe& stripe_of(const std::string& key);
  void leave(const std::string& key, std::uint64_t holder);
  bool enter_queue(const Place& place);
  std::optional<Instant> interrupt_holder(const Place& place, Duration first_wait);

  // Of one entry, under its stripe's lock.
  bool has_room(const Entry& entry) const;
  std::uint64_t add_holder(Entry& entry, const TurnClaim* claim);
  void grant_next(Entry& entry);
  static bool enqueue(Entry& entry, const std::shared_ptr<Waiter>& waiter);
  static void remove(Entry& entry, const std::shared_ptr<Waiter>& waiter);
  static std::size_t waiting_of(const Entry& entry, ClientId client);
  static std::size_t inside_of(const Entry& entry, ClientId client);
  static Duration& time_of(Entry& entry, ClientId client);

  std::atomic<int> limit_;
  std::atomic<std::uint64_t> holders_{0};
  std::array<Stripe, 64> stripes_;
};

}  // namespace smtpprobe
