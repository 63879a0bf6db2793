#include "common/smtp/step.h"

#include <algorithm>

namespace smtpprobe {
namespace {

constexpr std::array<std::string_view, kStepCount> kNames = {
    "resolve", "connect", "tls",  "banner",  "ehlo", "starttls", "ehlo_tls",
    "auth",    "mail",    "rcpt", "command", "data", "message",  "quit",
};

constexpr bool steps_stand_at_their_index() {
  for (std::size_t i = 0; i < kStepCount; ++i) {
    if (index(kSteps[i]) != i) return false;
  }
  return true;
}
static_assert(steps_stand_at_their_index(), "names are looked up by index");

}  // namespace

std::string_view step_name(Step step) { return kNames[index(step)]; }

std::optional<Step> step_from_name(std::string_view name) {
  const auto found = std::find(kNames.begin(), kNames.end(), name);
  if (found == kNames.end()) return std::nullopt;
  return kSteps[static_cast<std::size_t>(found - kNames.begin())];
}

}  // namespace smtpprobe
