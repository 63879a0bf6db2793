#include "common/probe/address_budget.h"

#include <algorithm>

namespace smtpprobe {

AddressBudget::AddressBudget(std::size_t addresses, Duration most, Instant now, Instant deadline)
    : addresses_(addresses),
      most_(most),
      deadline_(deadline),
      for_dialogue_((deadline - now) / 3) {}

Instant AddressBudget::limit(std::size_t index, Instant now) const {
  if (addresses_ <= 1 || now >= deadline_) return deadline_;
  const Duration left = deadline_ - now;
  const std::size_t untried = addresses_ - std::min(index, addresses_ - 1);
  if (untried == 1) return now + std::min(most_, left);
  // Where a queue has eaten the time, the addresses have half of the rest.
  const Duration for_addresses = left - std::min(for_dialogue_, left / 2);
  return now + std::min(most_, for_addresses / static_cast<Duration::rep>(untried));
}

}  // namespace smtpprobe
