// The exporter's metrics of itself. Law: counting on the path of a probe takes no lock and
// allocates nothing; families are made when somebody scrapes.
#pragma once

#include <prometheus/metric_family.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "exporter/probe_record.h"

namespace smtpprobe {

using Count = std::atomic<std::uint64_t>;

// Seconds, in buckets that double from 50 us to 26 s.
class Histogram {
 public:
  void observe(double seconds);
  prometheus::ClientMetric metric() const;

 private:
  static constexpr std::size_t kBuckets = 20;
  static const std::array<double, kBuckets>& bounds();

  std::array<Count, kBuckets + 1> counts_{};  // the last is of what is above all bounds
  std::atomic<double> sum_{0};
};

// A state as a label's value: "critical".
std::string_view state_label(State state);

// Of the probes of one module, in all configurations since the start.
struct ModuleCounts {
  std::array<Count, 4> states{};  // by State
  std::array<std::array<Count, kReasonCount>, kStepCount> failures{};
  std::array<Histogram, kStepCount> steps{};

  void count(const ProbeRecord& record);
};

class SelfMetrics {
 public:
  // The counts of a module; the same ones for the same name, for ever. Takes a lock: for reloads.
  ModuleCounts& of_module(const std::string& name);

  std::vector<prometheus::MetricFamily> families() const;

  std::atomic<std::int64_t> probes_in_flight{0};
  Count probes_rejected{0};
  Count unknown_module{0};
  Count unstamped_probes{0};
  std::atomic<bool> last_reload_successful{true};
  std::atomic<double> last_reload_success_time{0};  // seconds since the epoch
  Histogram event_loop_lag;

 private:
  mutable std::mutex mutex_;  // of the map alone
  std::map<std::string, std::unique_ptr<ModuleCounts>, std::less<>> modules_;
};

}  // namespace smtpprobe
