// The passwords that wait to be hashed, which takes a thread some 0.1 s each. Invariants: clients
// (client_id.h) are served in turn, those without a wrong password in the last minute first; where
// more clients wait than LoginLimits::in_turn, the newest first, for the oldest will not be served
// in time anyway. So a flood from many addresses delays another client by few hashes. What waits is
// bounded for a client and for all; nobody waits past a deadline, and a client that hangs up is
// forgotten.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/thread_pool.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include "common/smtp/time.h"

namespace smtpprobe {

struct LoginLimits {
  std::size_t waiting = 256;  // one more takes the place of one of the client with most of them
  std::size_t waiting_of_client = 16;
  std::size_t in_turn = 16;  // clients; of more the newest is served first
  Duration patience = std::chrono::seconds(10);
  Duration after_failure = std::chrono::minutes(1);  // how long a client comes after the others
  std::size_t failures = 4096;                       // clients that are remembered for that
};

// Any thread.
class LoginQueue {
 public:
  // `hashers` outlives this. What waits may outlive it, as the frames of a loop that ends do.
  explicit LoginQueue(boost::asio::thread_pool& hashers, const LoginLimits& limits = {});

  // On the thread of `loop`. What `check` says, which runs on a thread of the hashers; nullopt when
  // it did not run: too many wait, the deadline has passed or the coroutine was cancelled.
  boost::asio::awaitable<std::optional<bool>> check(boost::asio::io_context& loop,
                                                    std::uint64_t client,
                                                    std::function<bool()> check);
  std::size_t waiting() const;

 private:
  struct Waiter;
  class Turns;

  boost::asio::thread_pool& hashers_;
  Duration patience_;
  std::shared_ptr<Turns> turns_;
};

}  // namespace smtpprobe
