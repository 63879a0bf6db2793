#include "plugin/perfdata.h"

#include <array>
#include <charconv>
#include <cmath>
#include <string_view>

#include "common/probe/time_text.h"

namespace smtpprobe {
namespace {

std::string limit(const std::optional<Range>& range) { return range ? range->perfdata() : ""; }

// Whole days as the user wrote them; a fraction only where there is one.
std::string days(double value) {
  std::array<char, 400> digits{};  // room for any double in fixed form
  const auto end = std::to_chars(digits.begin(), digits.end(), value, std::chars_format::fixed).ptr;
  return std::string(digits.begin(), end);
}

std::string duration_item(std::string_view label, Duration duration, const Thresholds& thresholds) {
  std::string item(label);
  item += '=' + fixed_seconds(duration, 6) + "s;";
  item += limit(thresholds.warning) + ';';
  item += limit(thresholds.critical) + ";0.000000";
  return item;
}

}  // namespace

std::string perfdata(const ProbePlan& plan, const ProbeResult& result, std::size_t number) {
  if (result.steps.empty()) return {};
  const std::string suffix = number > 1 ? '_' + std::to_string(number) : std::string();
  std::string text = duration_item("time" + suffix, result.response_time(), plan.total);
  for (const StepRecord& record : result.steps) {
    const std::string label = "time_" + std::string(step_name(record.step)) + suffix;
    text += ' ' + duration_item(label, record.took, plan.step[record.step]);
  }
  if (const std::optional<double> left = result.cert_days_left()) {
    text += " cert_days_left" + suffix + '=' + days(std::floor(*left) + 0.0);
    if (plan.tls.expiry) {
      // Ranges: alert below.
      text += ';' + days(plan.tls.expiry->warning_days) + ':';
      text += ';' + days(plan.tls.expiry->critical_days) + ':';
    }
  }
  return text;
}

}  // namespace smtpprobe
