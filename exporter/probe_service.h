// Makes the probes: admits them, runs them on the loop of whoever asks, judges, counts, logs and
// keeps them. Law: on this path there is no lock that all probes share, and no wait but the
// probe's.
#pragma once

#include <atomic>
#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <memory>
#include <string>

#include "common/net/address_turns.h"
#include "exporter/event_loop.h"
#include "exporter/probe_order.h"
#include "exporter/probe_record.h"
#include "exporter/self_metrics.h"

namespace smtpprobe {

class ProbeService {
 public:
  // All outlive the service.
  ProbeService(SelfMetrics& metrics, AddressTurns& turns, std::size_t loops,
               std::int64_t max_in_flight)
      : metrics_(metrics), turns_(turns), loops_(loops), max_in_flight_(max_in_flight) {}

  // The right to make one probe; given back when it is destroyed.
  class Admission {
   public:
    explicit Admission(SelfMetrics* metrics) : metrics_(metrics) {}
    Admission(Admission&& other) noexcept : metrics_(std::exchange(other.metrics_, nullptr)) {}
    Admission& operator=(Admission&&) = delete;
    ~Admission() {
      if (metrics_ != nullptr) --metrics_->probes_in_flight;
    }
    explicit operator bool() const { return metrics_ != nullptr; }

   private:
    SelfMetrics* metrics_;
  };
  // False when too many are in flight or the process is ending; counted then.
  Admission admit();
  void drain() { draining_.store(true); }
  bool draining() const { return draining_.load(std::memory_order_relaxed); }
  std::int64_t in_flight() const { return metrics_.probes_in_flight.load(); }

  // On `loop`, of which it must be called. The order outlives the call, its plan is taken over. The
  // record is in the loop's history too.
  boost::asio::awaitable<std::shared_ptr<const ProbeRecord>> run(EventLoop& loop,
                                                                 const ProbeOrder& order);

  // The loop whose history has that record.
  std::size_t loop_of(std::uint64_t id) const { return id % loops_; }

 private:
  SelfMetrics& metrics_;
  AddressTurns& turns_;
  std::size_t loops_;
  std::int64_t max_in_flight_;
  std::atomic<bool> draining_{false};
  std::atomic<std::uint64_t> made_{0};
};

}  // namespace smtpprobe
