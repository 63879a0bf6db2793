#include "common/probe/time_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace smtpprobe {

std::string rfc3339(WallTime time) {
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(time - day);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                     clock.hours().count(), clock.minutes().count(), clock.seconds().count());
}

long days_between(WallTime now, WallTime time) {
  return std::chrono::floor<std::chrono::days>(time - now).count();
}

// Integers throughout: exact, and far less code at start-up than printing a double.
std::string fixed_seconds(Duration duration, unsigned decimals) {
  std::int64_t unit = 1'000'000'000;  // nanoseconds in the last digit shown
  std::int64_t per_second = 1;
  for (unsigned i = 0; i < decimals; ++i) {
    unit /= 10;
    per_second *= 10;
  }
  const std::int64_t nanoseconds = std::max<std::int64_t>(
      0, std::chrono::duration_cast<std::chrono::nanoseconds>(duration).count());
  const std::int64_t units = nanoseconds / unit + (nanoseconds % unit >= unit / 2 ? 1 : 0);
  std::string text = std::to_string(units / per_second);
  if (decimals == 0) return text;
  const std::string fraction = std::to_string(units % per_second);
  return text + '.' + std::string(decimals - fraction.size(), '0') + fraction;
}

}  // namespace smtpprobe
