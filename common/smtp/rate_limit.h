// Rate limits: 4yz replies by which a server tells this client to come less often, recognised by a
// table of texts and enhanced statuses. A new one is a row there and a transcript of its name.
// A 5yz is none: senders give the mail up on it, whatever its text says. Nor is a server that is
// busy by itself ("All server ports are busy", "Temporary System Problem").
#pragma once

#include <span>
#include <string_view>

#include "common/smtp/enhanced_status.h"
#include "common/smtp/reply.h"

namespace smtpprobe {

struct RateLimit {
  std::string_view name;    // tests/transcripts/limit-NAME.txt has a reply of it
  std::string_view phrase;  // see has_phrase(); empty: the status is enough
  EnhancedStatus status;    // 4.7.28; without class: the phrase is enough
  std::string_view source;  // who says so, and where it is documented or reported
};

std::span<const RateLimit> rate_limit_table();

// The first row that `reply` meets; null when it is no rate limit.
const RateLimit* rate_limit_of(const Reply& reply);

}  // namespace smtpprobe
