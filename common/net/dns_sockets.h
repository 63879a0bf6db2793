// The sockets of c-ares as it would make them itself, but with the kernel's receive timestamps: a
// name counts as answered from when the answer was here.
#pragma once

#include <ares.h>

#include <optional>

#include "common/smtp/time.h"

namespace smtpprobe {

// Before the channel's first question. `arrival`, which outlives the channel, holds the arrival of
// what c-ares has read last.
void use_stamped_sockets(ares_channel channel, std::optional<Instant>* arrival);

}  // namespace smtpprobe
