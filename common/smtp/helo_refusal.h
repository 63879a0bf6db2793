// Refusals of the name that we sent with EHLO, HELO or LHLO, whatever step they come at: many
// servers judge it at RCPT alone. A table of texts; a new one is a row there and a transcript.
// A demand to say EHLO at all ("send HELO first") is none, and sendmail's "Domain name required for
// sender address" speaks of the sender.
#pragma once

#include <span>
#include <string_view>

#include "common/smtp/reply.h"

namespace smtpprobe {

struct HeloRefusal {
  std::string_view name;    // tests/transcripts/helo-NAME.txt has a reply of it
  std::string_view phrase;  // see has_phrase(); "helo" stands for EHLO, LHLO and HELO/EHLO too
  std::string_view source;
};

std::span<const HeloRefusal> helo_refusal_table();

// The first row that `reply` meets; null when it does not refuse our name.
const HeloRefusal* helo_refusal_of(const Reply& reply);

}  // namespace smtpprobe
