#include "common/probe/time_ledger.h"

#include <algorithm>
#include <numeric>

namespace smtpprobe {

void TimeLedger::add(TimeUse use, Duration took) {
  totals_[static_cast<std::size_t>(use)] += std::max(Duration::zero(), took);
}

void TimeLedger::add(std::span<const StepRecord> steps) {
  for (const StepRecord& record : steps) {
    add(TimeUse::Sending, record.sending);
    add(TimeUse::Receiving, record.took - record.sending);
  }
}

Duration TimeLedger::unaccounted(Instant now) const {
  const Duration accounted = std::accumulate(totals_.begin(), totals_.end(), Duration::zero());
  return std::max(Duration::zero(), now - began_ - accounted);
}

TimeLedger::Cause TimeLedger::cause_of_timeout(Instant now) const {
  const Duration queued = total(TimeUse::Queued);
  const Duration ours = host_time(now);
  if (now - began_ < allowed_ || 2 * (queued + ours) <= allowed_) return Cause::Server;
  return ours > queued ? Cause::Host : Cause::OtherProbes;
}

}  // namespace smtpprobe
