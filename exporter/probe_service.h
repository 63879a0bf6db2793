// Makes the probes: admits them, runs them on the loop of the client's connection, judges, counts,
// logs and keeps them. Invariant: on this path there is no wait but the probe's, and no lock that
// all probes share but that of ClientShares.
#pragma once

#include <atomic>
#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "common/net/address_turns.h"
#include "exporter/client_shares.h"
#include "exporter/event_loop.h"
#include "exporter/http_message.h"
#include "exporter/probe_order.h"
#include "exporter/probe_record.h"
#include "exporter/self_metrics.h"

namespace smtpprobe {

// What the sessions in flight keep of their servers' texts, together; see TextAccount for what each
// has beside it.
inline constexpr std::size_t kSessionTextBytes = std::size_t{16} * 1024 * 1024;

class ProbeService {
 public:
  // All outlive the service.
  ProbeService(SelfMetrics& metrics, AddressTurns& turns, std::size_t loops,
               std::int64_t max_in_flight)
      : metrics_(metrics),
        turns_(turns),
        loops_(loops),
        shares_(static_cast<std::size_t>(max_in_flight)) {}

  // The right to make one probe; given back when it is destroyed.
  class Admission {
   public:
    Admission() = default;
    Admission(ProbeService& service, const HttpClient& client, EventLoop& loop);
    Admission(Admission&&) noexcept = default;
    Admission& operator=(Admission&&) = delete;
    ~Admission();
    explicit operator bool() const { return probe_ && probe_->share.entered; }
    bool client_has_gone() const { return probe_ && probe_->gone != nullptr && *probe_->gone; }

   private:
    friend class ProbeService;
    struct Admitted {
      ProbeService& service;
      ClientShares::Probe share;
      TurnClaim claim;
      const bool* gone;  // see HttpClient
    };
    std::unique_ptr<Admitted> probe_;  // does not move: ClientShares knows where it is
  };
  // On `loop`, of which it must be called, where the probe will run. False when too many are in
  // flight or the process is ending; counted then.
  Admission admit(EventLoop& loop, const HttpClient& client);
  void drain() { draining_.store(true); }
  bool draining() const { return draining_.load(std::memory_order_relaxed); }
  std::int64_t in_flight() const { return metrics_.probes_in_flight.load(); }

  // On `loop`, of which it must be called. The order and the admission outlive the call, the
  // order's plan is taken over. Without an admission the probe gives way to no other. The record is
  // in the loop's history too.
  boost::asio::awaitable<std::shared_ptr<const ProbeRecord>> run(
      EventLoop& loop, const ProbeOrder& order, const Admission* admission = nullptr);

  // The loop whose history has that record.
  std::size_t loop_of(std::uint64_t id) const { return id % loops_; }

 private:
  SelfMetrics& metrics_;
  AddressTurns& turns_;
  std::size_t loops_;
  ClientShares shares_;
  TextBudget texts_{kSessionTextBytes};
  std::atomic<bool> draining_{false};
  std::atomic<std::uint64_t> made_{0};
};

}  // namespace smtpprobe
