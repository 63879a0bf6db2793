// The values of options that have a grammar of their own. Pure; every error reads "got 'x',
// expected
// ..." and waits for the option's name in front. Numbers are decimal, in the C locale.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/probe/dns_settings.h"
#include "common/probe/threshold.h"
#include "common/smtp/error.h"
#include "common/smtp/reply_code.h"
#include "common/smtp/reply_pattern.h"
#include "common/smtp/step.h"
#include "plugin/options.h"

namespace smtpprobe {

// -t: "N", "N:STATE" or ":STATE"; N in whole seconds, 0 to 86400, 0 for no limit.
struct TimeoutValue {
  std::optional<std::chrono::seconds> seconds;
  std::optional<State> state;
};
Result<TimeoutValue> parse_timeout(std::string_view text);

// --dns-server, --dns-timeout (seconds, also in parts of one) and --dns-tries; their limits are
// those of dns_settings.h.
Result<std::string> parse_dns_server_option(std::string_view text);
Result<Duration> parse_dns_timeout(std::string_view text);
Result<int> parse_dns_tries(std::string_view text);

// --watch: "N" or "N,COUNT"; N in seconds, 0.1 to 86400, COUNT 1 to a million million.
Result<WatchPlan> parse_watch(std::string_view text);

// -D: "W" or "W,C" in days; W below C is accepted, as check_smtp does.
Result<ExpiryThresholds> parse_expiry(std::string_view text);

// --until: banner, ehlo to message, without tls.
Result<Step> parse_until(std::string_view text);

// --step-warning, --step-critical: "rcpt=2:5", any step.
struct StepRange {
  Step step;
  Range range;
};
Result<StepRange> parse_step_range(std::string_view text);

// --expect: "rcpt=550,5.7.1", any step that has a reply.
struct Expectation {
  Step step;
  std::vector<ReplyPattern> patterns;
};
Result<Expectation> parse_expectation(std::string_view text);

// An EHLO keyword (RFC 5321 s4.1.1.1), in upper case.
Result<std::string> parse_keyword(std::string_view text);

// --header: "Name: text" into name and text, blanks round the text apart.
Result<std::pair<std::string, std::string>> parse_header(std::string_view text);

}  // namespace smtpprobe
