// Times and durations as every output writes them. In the C locale.
#pragma once

#include <string>

#include "common/smtp/time.h"

namespace smtpprobe {

std::string rfc3339(WallTime time);  // "2026-11-23T12:00:00Z"

// Whole days to `time`, rounded down; negative in the past.
long days_between(WallTime now, WallTime time);

// "0.042133": rounded, never negative. `decimals` 0 to 6.
std::string fixed_seconds(Duration duration, unsigned decimals);

}  // namespace smtpprobe
