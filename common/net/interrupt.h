// Ends one running operation early, from any thread: how a probe makes room for one of another
// client. Invariant: nothing is emitted after close(), and at most once.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <memory>
#include <string>

namespace smtpprobe {

class Interrupt : public std::enable_shared_from_this<Interrupt> {
 public:
  // The operation runs on `executor`, which runs one handler at a time; `signal` cancels it and
  // stays until close().
  Interrupt(boost::asio::any_io_executor executor, boost::asio::cancellation_signal& signal)
      : executor_(std::move(executor)), signal_(&signal) {}

  // From any thread. Only the first request counts.
  void request(std::string why);

  // On the executor: the operation has ended.
  void close() { signal_ = nullptr; }
  // On the executor: why the operation was cancelled; empty where it was not by this object.
  const std::string& why() const { return why_; }

 private:
  boost::asio::any_io_executor executor_;
  boost::asio::cancellation_signal* signal_;
  std::string why_;
};

}  // namespace smtpprobe
