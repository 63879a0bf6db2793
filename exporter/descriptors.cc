#include "exporter/descriptors.h"

#include <sys/resource.h>

#include <algorithm>

namespace smtpprobe {

std::size_t raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 1024;
  const rlim_t most = std::min<rlim_t>(limit.rlim_max, kMostDescriptors);
  if (limit.rlim_cur < most) {
    const rlimit raised{most, limit.rlim_max};
    if (::setrlimit(RLIMIT_NOFILE, &raised) == 0) limit.rlim_cur = most;
  }
  return std::min<rlim_t>(limit.rlim_cur, kMostDescriptors);
}

Capacity capacity_of(std::size_t descriptors, std::int64_t probes, std::size_t connections) {
  const std::size_t room =
      descriptors > kReservedDescriptors ? descriptors - kReservedDescriptors : 0;
  Capacity capacity;
  capacity.probes = std::clamp<std::int64_t>(
      probes, 1, std::max<std::int64_t>(1, static_cast<std::int64_t>(room / 2)));
  const auto taken = static_cast<std::size_t>(capacity.probes);
  // Scrapers that wait, and a few that only look.
  const std::size_t wanted = std::max(connections, taken + taken / 4);
  capacity.connections = std::max(taken, std::min(wanted, room - std::min(room, taken)));
  return capacity;
}

}  // namespace smtpprobe
