// Ranges of the Monitoring Plugins Development Guidelines, "[@]start:end". The ends are inclusive;
// alert outside, with '@' inside. Numbers are decimal, in the C locale.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "common/smtp/error.h"

namespace smtpprobe {

class Range {
 public:
  // "10", "10:", "~:10", "10:20", "@10:20", ":5.75". The error says what it got and what is wanted.
  static Result<Range> parse(std::string_view text);

  bool alerts(double value) const;
  // For perfdata: a plain "10" as "10.000000" (the old form, which every reader takes), anything
  // else as the user wrote it.
  std::string perfdata() const;
  const std::string& text() const { return text_; }

 private:
  double start_ = 0;  // may be -infinity
  double end_ = 0;    // may be +infinity
  bool inside_ = false;
  bool plain_ = false;
  std::string text_;
};

struct Thresholds {
  std::optional<Range> warning;
  std::optional<Range> critical;
};

// -D W[,C], in days; C is 0 where it is not given.
struct ExpiryThresholds {
  double warning_days = 0;
  double critical_days = 0;
};

}  // namespace smtpprobe
