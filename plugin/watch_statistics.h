// The times of the steps over many probes, for --watch. Pure. Law: memory is bounded: of each step
// the last kWatchedProbes outcomes are kept, and every number of its row is of these.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "common/probe/plan.h"
#include "common/probe/verdict.h"

namespace smtpprobe {

inline constexpr std::size_t kWatchedProbes = 10'000;

// The last outcomes of one thing that takes time or is lost.
class WatchedTimes {
 public:
  explicit WatchedTimes(std::size_t capacity) : capacity_(capacity) {}

  void add(std::optional<Duration> took);  // nullopt: lost

  std::size_t size() const { return ring_.size(); }
  std::size_t lost() const { return ring_.size() - sorted_.size(); }
  std::optional<Duration> last() const;  // nullopt when that one was lost
  // Of those that were not lost: the smallest time that at least `share` (0 to 1) of them do not
  // exceed. 0: the shortest, 1: the longest. nullopt without any.
  std::optional<Duration> quantile(double share) const;

 private:
  std::size_t capacity_;
  std::size_t next_ = 0;                       // what is overwritten next, once the ring is full
  std::vector<std::optional<Duration>> ring_;  // in the order of arrival
  std::vector<Duration> sorted_;               // those of the ring that were not lost
};

struct WatchRow {
  std::string_view name;  // the step's, or "total": the response time
  std::optional<Duration> last;
  std::optional<Duration> min;
  std::optional<Duration> median;
  std::optional<Duration> p95;
  std::optional<Duration> max;
  double loss =
      0;  // percent of the probes in which the step was due and failed, or was not reached
};

class WatchStatistics {
 public:
  explicit WatchStatistics(const ProbePlan& plan, std::size_t capacity = kWatchedProbes);

  // One probe: a result and a verdict of each endpoint, at least one. Of several endpoints a step's
  // time is the longest, and it is lost when it is lost at one of them.
  void add(std::span<const ProbeResult> results, std::span<const Verdict> verdicts);

  std::uint64_t probes() const { return probes_; }  // of all, from the start
  std::uint64_t in_state(State state) const { return states_[place_of(state)]; }  // likewise
  // In the order in which the steps happen, without those that never ran and need not: STARTTLS
  // that is taken where it is offered. The total stands last.
  std::vector<WatchRow> rows() const;

 private:
  static std::size_t place_of(State state) { return static_cast<std::size_t>(state); }

  std::vector<Step> order_;
  bool optional_tls_;
  PerStep<bool> seen_{};
  std::vector<WatchedTimes> steps_;  // by order_
  WatchedTimes total_;
  std::uint64_t probes_ = 0;
  std::array<std::uint64_t, 4> states_{};
};

}  // namespace smtpprobe
