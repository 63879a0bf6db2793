// Time, as the probe knows it. Its law: the pure parts never ask for the time, they are told.
#pragma once

#include <chrono>

namespace smtpprobe {

// A point on the monotonic clock: steps, deadlines, latency.
using Instant = std::chrono::steady_clock::time_point;
using Duration = std::chrono::steady_clock::duration;

// A point on the calendar, in whole seconds: certificates and Date headers. Never compared with
// Instant.
using WallTime = std::chrono::sys_seconds;

}  // namespace smtpprobe
