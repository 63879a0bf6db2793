// Ends one running operation early, from any thread, so that another client's probe gets its place.
// The operation may then be repeated: a request can be for one attempt alone, and has no effect
// when that has ended. A cancellation may come when the operation has just gone on: it is then seen
// at its next wait. Invariant: at most one cancellation for each attempt, none after close().
#pragma once

#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/io_context.hpp>
#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace smtpprobe {

class Interrupt : public std::enable_shared_from_this<Interrupt> {
 public:
  // The operation runs on `executor`, which runs one handler at a time; `signal` cancels it and
  // stays until close(). There is one for each probe in flight: it is small.
  Interrupt(boost::asio::io_context::executor_type executor,
            boost::asio::cancellation_signal& signal)
      : executor_(std::move(executor)), signal_(&signal) {}

  // From any thread. Of several requests for an attempt the first counts. Without `attempt` the
  // operation ends for good.
  void request(std::string why, std::optional<unsigned> attempt = std::nullopt);

  // These are called on the executor; attempt() by others too while the operation waits for them.
  unsigned attempt() const { return attempt_; }
  // Why this attempt was cancelled; empty where it was not by this object.
  std::string why() const { return why_ ? *why_ : std::string(); }
  bool requested() const { return why_ != nullptr; }
  bool may_repeat() const { return !for_good_; }
  void forbid_repeat() { for_good_ = true; }
  void begin_next_attempt();
  // The operation has ended, or is to be left alone from now on; what was requested is void.
  void close() {
    signal_ = nullptr;
    why_.reset();
  }

 private:
  boost::asio::io_context::executor_type executor_;
  boost::asio::cancellation_signal* signal_;
  unsigned attempt_ = 0;
  bool for_good_ = false;
  std::unique_ptr<const std::string> why_;
};

}  // namespace smtpprobe
