// What a user may expect of a reply: "250", "5xx" or "5.7.1" (--expect, expect:).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "common/smtp/error.h"
#include "common/smtp/reply.h"

namespace smtpprobe {

class ReplyPattern {
 public:
  // Accepts a code 200..599, a class "2xx" to "5xx" (x in either case) or an enhanced status of
  // class 2, 4 or 5. The error names what it got and what is wanted.
  static Result<ReplyPattern> parse(std::string_view text);

  bool matches(const Reply& reply) const;
  // Whether a reply of this class (2 to 5) can match.
  bool may_match_class(int klass) const;
  std::string text() const;

 private:
  int code_ = 0;   // 250, or 0
  int klass_ = 0;  // 5 of "5xx", or 0
  std::optional<EnhancedStatus> status_;
};

}  // namespace smtpprobe
