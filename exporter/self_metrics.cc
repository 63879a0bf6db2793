#include "exporter/self_metrics.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace smtpprobe {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

constexpr std::array<std::string_view, 4> kStateLabels = {"ok", "warning", "critical", "unknown"};

MetricFamily family(std::string_view name, std::string_view help, MetricType type) {
  return {"smtp_probe_exporter_" + std::string(name), std::string(help), type, {}};
}

ClientMetric counted(const Count& count, std::vector<ClientMetric::Label> labels = {}) {
  ClientMetric metric;
  metric.label = std::move(labels);
  metric.counter.value = static_cast<double>(count.load(std::memory_order_relaxed));
  return metric;
}

ClientMetric gauged(double value) {
  ClientMetric metric;
  metric.gauge.value = value;
  return metric;
}

MetricFamily single(std::string_view name, std::string_view help, double value) {
  MetricFamily one = family(name, help, MetricType::Gauge);
  one.metric.push_back(gauged(value));
  return one;
}

MetricFamily single(std::string_view name, std::string_view help, const Count& count) {
  MetricFamily one = family(name, help, MetricType::Counter);
  one.metric.push_back(counted(count));
  return one;
}

MetricFamily build_info() {
  MetricFamily info = family(
      "build_info", "Version and revision that this exporter was built from.", MetricType::Gauge);
  ClientMetric metric = gauged(1);
  metric.label = {{"version", SMTPPROBE_VERSION}, {"revision", SMTPPROBE_REVISION}};
  info.metric.push_back(std::move(metric));
  return info;
}

}  // namespace

const std::array<double, Histogram::kBuckets>& Histogram::bounds() {
  static const std::array<double, kBuckets> made = [] {
    std::array<double, kBuckets> bounds{};
    double bound = 50e-6;
    for (double& one : bounds) {
      one = bound;
      bound *= 2;
    }
    return bounds;
  }();
  return made;
}

std::string_view state_label(State state) { return kStateLabels[static_cast<std::size_t>(state)]; }

void Histogram::observe(double seconds) {
  const auto& limits = bounds();
  const auto bucket = std::lower_bound(limits.begin(), limits.end(), seconds) - limits.begin();
  counts_[static_cast<std::size_t>(bucket)].fetch_add(1, std::memory_order_relaxed);
  sum_.fetch_add(seconds, std::memory_order_relaxed);
}

ClientMetric Histogram::metric() const {
  ClientMetric metric;
  std::uint64_t total = 0;
  for (std::size_t i = 0; i <= kBuckets; ++i) {
    total += counts_[i].load(std::memory_order_relaxed);
    const double bound = i < kBuckets ? bounds()[i] : std::numeric_limits<double>::infinity();
    metric.histogram.bucket.push_back({total, bound});
  }
  metric.histogram.sample_count = total;
  metric.histogram.sample_sum = sum_.load(std::memory_order_relaxed);
  return metric;
}

void ModuleCounts::count(const ProbeRecord& record) {
  const Verdict& verdict = record.verdict;
  states[static_cast<std::size_t>(verdict.state)].fetch_add(1, std::memory_order_relaxed);
  if (!verdict.findings.empty()) {
    const Finding& first = verdict.findings.front();
    failures[index(first.step)][static_cast<std::size_t>(first.reason)].fetch_add(
        1, std::memory_order_relaxed);
  }
  for (const StepRecord& step : record.result.steps)
    steps[index(step.step)].observe(std::chrono::duration<double>(step.took).count());
}

ModuleCounts& SelfMetrics::of_module(const std::string& name) {
  const std::lock_guard lock(mutex_);
  std::unique_ptr<ModuleCounts>& counts = modules_[name];
  if (!counts) counts = std::make_unique<ModuleCounts>();
  return *counts;
}

std::vector<MetricFamily> SelfMetrics::families() const {
  std::vector<MetricFamily> families;
  families.push_back(build_info());
  families.push_back(single("config_last_reload_successful",
                            "Whether the last attempt to load the configuration went well.",
                            last_reload_successful.load() ? 1 : 0));
  families.push_back(single("config_last_reload_success_timestamp_seconds",
                            "When a configuration was last loaded, in seconds since the epoch.",
                            last_reload_success_time.load()));
  MetricFamily probes = family("probes_total", "Probes made, by module and by what came of them.",
                               MetricType::Counter);
  MetricFamily failures =
      family("probe_failures_total",
             "Probes that were not OK, by module and by the step and reason of the first finding.",
             MetricType::Counter);
  MetricFamily durations =
      family("step_duration_seconds", "Time that the steps of probes took, by module.",
             MetricType::Histogram);
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [name, counts] : modules_) {
      for (std::size_t state = 0; state < kStateLabels.size(); ++state)
        probes.metric.push_back(
            counted(counts->states[state],
                    {{"module", name}, {"state", std::string(kStateLabels[state])}}));
      for (const Step step : kSteps) {
        for (std::size_t reason = 0; reason < kReasonCount; ++reason) {
          const Count& count = counts->failures[index(step)][reason];
          if (count.load(std::memory_order_relaxed) == 0) continue;
          failures.metric.push_back(
              counted(count, {{"module", name},
                              {"step", std::string(step_name(step))},
                              {"reason", std::string(reason_name(static_cast<Reason>(reason)))}}));
        }
        ClientMetric histogram = counts->steps[index(step)].metric();
        if (histogram.histogram.sample_count == 0) continue;
        histogram.label = {{"module", name}, {"step", std::string(step_name(step))}};
        durations.metric.push_back(std::move(histogram));
      }
    }
  }
  families.push_back(std::move(probes));
  families.push_back(std::move(failures));
  families.push_back(std::move(durations));
  families.push_back(single("probes_in_flight", "Probes that are running or wait for their turn.",
                            static_cast<double>(probes_in_flight.load())));
  families.push_back(single("probes_rejected_total",
                            "Requests for a probe that were answered with 503, for too many were "
                            "in flight or the exporter was shutting down, and probes that gave "
                            "their place to another client's: the queue of their target was full, "
                            "or they were interrupted and did not begin again.",
                            probes_rejected));
  families.push_back(single("unstamped_probes_total",
                            "Probes of which some reply had no timestamp of the kernel's and so "
                            "counts from when it was read, as on unix sockets.",
                            unstamped_probes));
  families.push_back(single("unknown_module_total",
                            "Requests for a probe with a module that the configuration lacks.",
                            unknown_module));
  MetricFamily lag = family("event_loop_lag_seconds",
                            "How late timers of the event loops rang; high values mean that the "
                            "exporter is short of CPU.",
                            MetricType::Histogram);
  lag.metric.push_back(event_loop_lag.metric());
  families.push_back(std::move(lag));
  return families;
}

}  // namespace smtpprobe
