#include "exporter/client_shares.h"

#include <algorithm>
#include <utility>

namespace smtpprobe {

bool ClientShares::enter(Probe& probe) {
  const std::lock_guard lock(mutex_);
  if (taken_ >= places_) {
    const auto own = clients_.find(probe.client);
    Probe* const victim = last_of_largest(own == clients_.end() ? 1 : own->second.size() + 1);
    if (victim == nullptr || leaving_ > places_ / 4 + 16) return false;
    victim->interrupt->request(
        "ended for a probe of another client: too many probes are in flight, most of them of this "
        "client");
    remove(*victim);
    victim->leaving = true;
    ++leaving_;
  }
  Probes& mine = clients_[probe.client];
  probe.index = static_cast<std::uint32_t>(mine.size());
  probe.entered = probe.listed = true;
  mine.push_back(&probe);
  ++taken_;
  return true;
}

void ClientShares::leave(Probe& probe) {
  const std::lock_guard lock(mutex_);
  if (probe.listed) remove(probe);
  if (std::exchange(probe.leaving, false)) --leaving_;
}

// Of the client that has most, where that is more than `above`; null where there is none.
ClientShares::Probe* ClientShares::last_of_largest(std::size_t above) {
  const auto largest = std::max_element(
      clients_.begin(), clients_.end(),
      [](const auto& a, const auto& b) { return a.second.size() < b.second.size(); });
  if (largest == clients_.end() || largest->second.size() <= above) return nullptr;
  Probe* const last = largest->second.back();
  return last->interrupt ? last : nullptr;
}

// The last one takes the index of the one that goes.
void ClientShares::remove(Probe& probe) {
  const auto found = clients_.find(probe.client);
  Probes& mine = found->second;
  mine[probe.index] = mine.back();
  mine[probe.index]->index = probe.index;
  mine.pop_back();
  probe.listed = false;
  --taken_;
  if (mine.empty()) clients_.erase(found);
}

}  // namespace smtpprobe
