// How many descriptors the process may have, and what can be done with so many. getrlimit(2).
#pragma once

#include <cstddef>
#include <cstdint>

namespace smtpprobe {

// What is not for probes or HTTP: the log, the event loops, listeners, name servers, files of a
// reload.
inline constexpr std::size_t kReservedDescriptors = 64;
// What an operating system gives at most, by default; more are not needed either.
inline constexpr std::size_t kMostDescriptors = 1UL << 20;

// Raises the limit as far as it goes; gives how many there may be.
std::size_t raise_descriptor_limit();

struct Capacity {
  std::int64_t probes = 0;      // at a time, at least 1
  std::size_t connections = 0;  // of HTTP clients, at least as many as probes
};

// `probes` and `connections` as wanted, or less: a probe takes a descriptor for its server and one
// for its client. Pure.
Capacity capacity_of(std::size_t descriptors, std::int64_t probes, std::size_t connections);

}  // namespace smtpprobe
