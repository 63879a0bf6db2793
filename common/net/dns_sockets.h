// The sockets of c-ares as it would make them itself, but with the kernel's receive timestamps: a
// name counts as answered from when the answer was here.
#pragma once

#include <ares.h>

#include <optional>

#include "common/smtp/time.h"

namespace smtpprobe {

// What c-ares has read last, and is working on.
struct DnsReading {
  std::optional<Instant> arrival;
  int rcode = 0;  // RFC 1035 section 4.1.1, of a datagram; else 0
};

// Before the channel's first question. `reading` outlives the channel.
void use_stamped_sockets(ares_channel channel, DnsReading* reading);

}  // namespace smtpprobe
