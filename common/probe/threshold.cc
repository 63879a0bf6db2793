#include "common/probe/threshold.h"

#include <fmt/format.h>

#include <charconv>
#include <limits>

#include "common/probe/printable.h"
#include "common/smtp/quoted_value.h"

namespace smtpprobe {

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr std::size_t kShownBytes = 60;

// "-7", "5.75", ".5": no blanks, no plus, no exponent, no hexadecimal, no words.
std::optional<double> parse_number(std::string_view text) {
  std::string_view digits = text;
  if (digits.starts_with('-')) digits.remove_prefix(1);
  bool digit = false;
  bool point = false;
  for (const char c : digits) {
    if (c == '.' && !point) {
      point = true;
    } else if (c >= '0' && c <= '9') {
      digit = true;
    } else {
      return std::nullopt;
    }
  }
  if (!digit) return std::nullopt;
  double value = 0;
  const auto [end, failure] =
      std::from_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed);
  if (failure != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::string_view without_percent_signs(std::string_view text) {
  while (text.ends_with('%')) text.remove_suffix(1);
  return text;
}

Unexpected not_a_range(std::string_view text, std::string_view why) {
  const std::string shown = may_hold_secret(text)
                                ? described_value(text)
                                : "\"" + printable_for_nagios(text, kShownBytes) + "\"";
  return error(
      fmt::format("got {}{}, wanted a range such as 10, 10:, ~:10, 10:20 or @10:20", shown, why));
}

}  // namespace

Result<Range> Range::parse(std::string_view text) {
  Range range;
  // "1:12%%" means 1:12, as for the Monitoring Plugins. The sign is left out of perfdata, whose
  // readers know none in a range.
  range.text_ = std::string(without_percent_signs(text));
  std::string_view rest = range.text_;
  if (rest.starts_with('@')) {
    range.inside_ = true;
    rest.remove_prefix(1);
  }
  const std::size_t colon = rest.find(':');
  range.plain_ = colon == std::string_view::npos && !range.inside_;
  std::string_view start = "0";
  std::string_view end = rest;
  if (colon != std::string_view::npos) {
    start = rest.substr(0, colon);
    end = rest.substr(colon + 1);
    if (start.empty() && end.empty()) return not_a_range(text, "");
    if (start.empty()) start = "0";
    if (start == "~") range.start_ = -kInfinity;
  }
  if (start != "~") {
    const std::optional<double> value = parse_number(start);
    if (!value) return not_a_range(text, "");
    range.start_ = *value;
  }
  if (end.empty() && colon != std::string_view::npos) {
    range.end_ = kInfinity;
  } else {
    const std::optional<double> value = parse_number(end);
    if (!value) return not_a_range(text, "");
    range.end_ = *value;
  }
  if (range.start_ > range.end_) return not_a_range(text, ", which starts above its end");
  return range;
}

bool Range::alerts(double value) const {
  const bool within = value >= start_ && value <= end_;
  return inside_ ? within : !within;
}

// The sum turns "-0" into 0.
std::string Range::perfdata() const { return plain_ ? fmt::format("{:f}", end_ + 0.0) : text_; }

}  // namespace smtpprobe
