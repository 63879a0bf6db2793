// Greylisting: a 4yz at rcpt, data or message whose text says so. Codes alone never make it: 4.7.1,
// 4.7.0, 4.2.0 and 4.3.2 are also what dead milters, overload and plain refusals say.
#pragma once

#include <span>
#include <string_view>

#include "common/smtp/error.h"
#include "common/smtp/reply.h"
#include "common/smtp/reply_regex.h"
#include "common/smtp/step.h"

namespace smtpprobe {

// "greylist" or "graylist" with or without a hyphen or a blank, in any case, in any line; or a
// match of one of `patterns` (--greylisting-pattern) in the reply as on the wire.
bool is_greylisting(Step step, const Reply& reply, std::span<const ReplyRegex> patterns);

// A --greylisting-pattern. An empty one would match every reply, and is refused.
Result<ReplyRegex> parse_greylisting_pattern(std::string_view text);

}  // namespace smtpprobe
