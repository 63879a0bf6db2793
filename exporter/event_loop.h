// One event loop of the process, with what belongs to its thread alone. Law: nothing in it is
// touched from another thread but through its executor; loops share no lock.
#pragma once

#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <memory>
#include <thread>
#include <vector>

#include "common/net/pace.h"
#include "common/net/resolver.h"
#include "common/smtp/error.h"
#include "exporter/gzip.h"
#include "exporter/history.h"
#include "exporter/self_metrics.h"
#include "exporter/served_config.h"

namespace smtpprobe {

// An io_context or thread_pool of Asio that can destroy what waits on it before its own end.
template <typename Asio>
class Ending : public Asio {
 public:
  using Asio::Asio;
  // Destroys handlers and suspended coroutines; nothing runs any more. Not while a thread runs it.
  void destroy_waiting() { this->shutdown(); }
};

class EventLoop {
 public:
  EventLoop(std::size_t index, const HistoryLimits& history, Histogram& lag);
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  boost::asio::io_context& context() { return context_; }
  boost::asio::io_context::executor_type executor() { return context_.get_executor(); }
  std::size_t index() const { return index_; }

  // Of the loop's own thread:
  Resolver& resolver() { return resolver_; }
  Pace& starts() { return starts_; }
  Pace& handshakes() { return handshakes_; }
  Gzip& gzip() { return gzip_; }
  History& history() { return history_; }
  const std::shared_ptr<const ServedConfig>& config() const { return config_; }
  void set_config(std::shared_ptr<const ServedConfig> config) {
    config_ = std::move(config);
    config_fault_.reset();
  }
  // Why the last reload was refused; null when it was not.
  const std::shared_ptr<const Error>& config_fault() const { return config_fault_; }
  void set_config_fault(std::shared_ptr<const Error> fault) { config_fault_ = std::move(fault); }

  // Sees to it that `count` more descriptors can be opened without a new block of Asio's, which has
  // a small one for each and gives none back. Taken one by one they lie between all that comes and
  // goes, and keep its memory from ever being returned. Here they are taken side by side, on a
  // thread that has an arena of its own; any but the loop's.
  void spare_descriptors(std::size_t count);

  // Until stop(). What a handler throws ends that handler alone and is logged.
  void run();
  void stop() { context_.stop(); }
  // What is suspended refers to parts of the service, and has to go before them. After run().
  void destroy_waiting() { context_.destroy_waiting(); }

 private:
  void watch_lag();

  std::size_t index_;
  Ending<boost::asio::io_context> context_;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
  CaresResolver resolver_;
  Pace starts_;
  Pace handshakes_;
  Gzip gzip_;
  History history_;
  std::shared_ptr<const ServedConfig> config_;
  std::shared_ptr<const Error> config_fault_;
  boost::asio::steady_timer pulse_;
  Histogram& lag_;
};

// One loop a core. The first runs on the thread that calls run(), the others on their own.
class EventLoops {
 public:
  EventLoops(std::size_t count, const HistoryLimits& history, Histogram& lag);
  ~EventLoops();

  std::size_t size() const { return loops_.size(); }
  EventLoop& operator[](std::size_t index) { return *loops_[index]; }
  // A new connection's: each in its turn.
  EventLoop& next() { return *loops_[turn_++ % loops_.size()]; }

  void run();
  void stop();
  void destroy_waiting();

 private:
  std::vector<std::unique_ptr<EventLoop>> loops_;
  std::vector<std::thread> threads_;
  std::size_t turn_ = 0;
};

}  // namespace smtpprobe
