#include "common/smtp/reply_pattern.h"

#include "common/smtp/quoted_value.h"

namespace smtpprobe {
namespace {

constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }
constexpr bool is_x(char c) { return c == 'x' || c == 'X'; }

}  // namespace

Result<ReplyPattern> ReplyPattern::parse(std::string_view text) {
  ReplyPattern pattern;
  pattern.status_ = parse_enhanced_status(text);
  if (pattern.status_) return pattern;
  if (text.size() == 3 && text[0] >= '2' && text[0] <= '5') {
    const int klass = text[0] - '0';
    if (is_x(text[1]) && is_x(text[2])) {
      pattern.klass_ = klass;
      return pattern;
    }
    if (is_digit(text[1]) && text[1] <= '5' && is_digit(text[2])) {
      pattern.code_ = klass * 100 + (text[1] - '0') * 10 + (text[2] - '0');
      return pattern;
    }
  }
  return error("got " + quoted_value(text) +
               ", expected a code from 200 to 559, a class from 2xx to 5xx or an enhanced status "
               "such as 5.7.1");
}

bool ReplyPattern::matches(const Reply& reply) const {
  if (status_) return reply.status == status_;
  if (klass_ != 0) return reply.klass() == klass_;
  return code_ != 0 && reply.code == code_;
}

bool ReplyPattern::may_match_class(int klass) const {
  if (status_) return status_->klass == klass;
  return klass_ == klass || code_ / 100 == klass;
}

std::string ReplyPattern::text() const {
  if (status_) return to_string(*status_);
  if (klass_ != 0) return std::to_string(klass_) + "xx";
  return std::to_string(code_);
}

}  // namespace smtpprobe
