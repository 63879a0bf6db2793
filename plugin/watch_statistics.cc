#include "plugin/watch_statistics.h"

#include <algorithm>
#include <cmath>

namespace smtpprobe {
namespace {

enum class Fate { Ran, Lost, NotDue };

struct Outcome {
  Fate fate = Fate::NotDue;
  Duration took{};
};

// What is not reached behind a failure is lost with it; what did not run in a probe without one was
// not due. A failure that is OK by the user's choice is none.
Outcome outcome_of(Step step, const ProbeResult& result, const Verdict& verdict) {
  const bool failed = result.failure && verdict.excused.empty();
  const StepRecord* const record = result.step(step);
  if (record == nullptr) return {failed ? Fate::Lost : Fate::NotDue, {}};
  // A QUIT that fails is no failure of the probe, but the step's all the same.
  const bool quit_failed = step == Step::Quit && record->reason != Reason::None;
  if (quit_failed || (failed && result.failure->step == step)) return {Fate::Lost, {}};
  return {Fate::Ran, record->took};
}

Outcome worse_of(const Outcome& a, const Outcome& b) {
  if (a.fate == Fate::Lost || b.fate == Fate::NotDue) return a;
  if (b.fate == Fate::Lost || a.fate == Fate::NotDue) return b;
  return a.took < b.took ? b : a;
}

void keep(const Outcome& outcome, WatchedTimes& times) {
  if (outcome.fate == Fate::Ran) times.add(outcome.took);
  if (outcome.fate == Fate::Lost) times.add(std::nullopt);
}

std::vector<Step> steps_in_order(const ProbePlan& plan) {
  std::vector<Step> order = {Step::Resolve, Step::Connect};
  const std::vector<Step> planned = planned_steps(plan.dialogue);
  order.insert(order.end(), planned.begin(), planned.end());
  return order;
}

WatchRow row_of(std::string_view name, const WatchedTimes& times) {
  constexpr double kPercent = 100;
  WatchRow row;
  row.name = name;
  row.last = times.last();
  row.min = times.quantile(0);
  row.median = times.quantile(0.5);
  row.p95 = times.quantile(0.95);
  row.max = times.quantile(1);
  if (times.size() > 0) {
    row.loss = kPercent * static_cast<double>(times.lost()) / static_cast<double>(times.size());
  }
  return row;
}

}  // namespace

void WatchedTimes::add(std::optional<Duration> took) {
  if (ring_.size() < capacity_) {
    ring_.push_back(took);
  } else {
    std::optional<Duration>& oldest = ring_[next_];
    if (oldest) sorted_.erase(std::lower_bound(sorted_.begin(), sorted_.end(), *oldest));
    oldest = took;
  }
  next_ = (next_ + 1) % capacity_;
  if (took) sorted_.insert(std::upper_bound(sorted_.begin(), sorted_.end(), *took), *took);
}

std::optional<Duration> WatchedTimes::last() const {
  if (ring_.empty()) return std::nullopt;
  return ring_[(next_ + capacity_ - 1) % capacity_];
}

std::optional<Duration> WatchedTimes::quantile(double share) const {
  if (sorted_.empty()) return std::nullopt;
  const auto count = static_cast<double>(sorted_.size());
  const auto rank = static_cast<std::size_t>(std::ceil(share * count));
  return sorted_[std::clamp<std::size_t>(rank, 1, sorted_.size()) - 1];
}

WatchStatistics::WatchStatistics(const ProbePlan& plan, std::size_t capacity)
    : order_(steps_in_order(plan)),
      optional_tls_(plan.dialogue.tls == TlsMode::Opportunistic),
      steps_(order_.size(), WatchedTimes(capacity)),
      total_(capacity) {}

void WatchStatistics::add(std::span<const ProbeResult> results, std::span<const Verdict> verdicts) {
  State state = State::Ok;
  Outcome total;
  std::vector<Outcome> outcomes(order_.size());
  for (std::size_t i = 0; i < results.size(); ++i) {
    state = worse(state, verdicts[i].state);
    const bool failed = results[i].failure && verdicts[i].excused.empty();
    total = worse_of(total, {failed ? Fate::Lost : Fate::Ran, results[i].response_time()});
    for (std::size_t k = 0; k < order_.size(); ++k) {
      if (results[i].step(order_[k]) != nullptr) seen_[order_[k]] = true;
      outcomes[k] = worse_of(outcomes[k], outcome_of(order_[k], results[i], verdicts[i]));
    }
  }
  ++probes_;
  ++states_[place_of(state)];
  keep(total, total_);
  for (std::size_t k = 0; k < order_.size(); ++k) {
    // A name is not resolved where the target is an address.
    const bool no_name = order_[k] == Step::Resolve && !seen_[Step::Resolve];
    if (!no_name) keep(outcomes[k], steps_[k]);
  }
}

std::vector<WatchRow> WatchStatistics::rows() const {
  std::vector<WatchRow> rows;
  for (std::size_t k = 0; k < order_.size(); ++k) {
    const Step step = order_[k];
    const bool of_tls = step == Step::Starttls || step == Step::Tls || step == Step::EhloTls;
    if (steps_[k].size() == 0 || (optional_tls_ && of_tls && !seen_[step])) continue;
    rows.push_back(row_of(step_name(step), steps_[k]));
  }
  rows.push_back(row_of("total", total_));
  return rows;
}

}  // namespace smtpprobe
