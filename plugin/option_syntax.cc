#include "plugin/option_syntax.h"

#include <charconv>

#include "plugin/setting.h"

namespace smtpprobe {
namespace {

constexpr long kMaxTimeout = 86'400;
constexpr double kMaxDays = 36'500;
constexpr double kShortestWatch = 0.1;
constexpr double kLongestWatch = 86'400;
constexpr std::uint64_t kMaxWatched = 1'000'000'000'000;
constexpr std::size_t kMaxKeyword = 64;

// All of `text` as digits, at most one '.' among them where `Number` is a floating one.
template <typename Number>
std::optional<Number> unsigned_number(std::string_view text) {
  if (text.empty() || text.find_first_not_of("0123456789.") != std::string_view::npos) {
    return std::nullopt;
  }
  Number number{};
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (fault != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return number;
}

bool has_reply(Step step) {
  return step != Step::Resolve && step != Step::Connect && step != Step::Tls;
}

bool can_end(Step step) { return has_reply(step) && step != Step::Quit; }

// "banner, ehlo, ..." of the steps that `suits` takes.
template <typename Suits>
std::string steps_list(Suits suits) {
  std::string list;
  for (const Step step : kSteps) {
    if (!suits(step)) continue;
    if (!list.empty()) list += ", ";
    list += step_name(step);
  }
  return list;
}

// What stands before and behind the first '='.
std::optional<std::pair<std::string_view, std::string_view>> halves(std::string_view text) {
  const std::size_t equals = text.find('=');
  if (equals == std::string_view::npos) return std::nullopt;
  return std::pair{text.substr(0, equals), text.substr(equals + 1)};
}

bool is_letter_or_digit(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

}  // namespace

Result<TimeoutValue> parse_timeout(std::string_view text) {
  constexpr std::string_view kExpected =
      "whole seconds from 0 to 86400, then perhaps :ok, :warning, :critical or :unknown";
  const std::size_t colon = text.find(':');
  const std::string_view number = text.substr(0, colon);
  TimeoutValue value;
  if (colon != std::string_view::npos) {
    value.state = state_from_name(text.substr(colon + 1));
    if (!value.state) return wanted(text, kExpected);
    if (number.empty()) return value;
  }
  const std::optional<long> seconds = unsigned_number<long>(number);
  if (!seconds || *seconds > kMaxTimeout) return wanted(text, kExpected);
  value.seconds = std::chrono::seconds(*seconds);
  return value;
}

Result<std::string> parse_dns_server_option(std::string_view text) {
  std::optional<std::string> server = parse_dns_server(text);
  if (!server) return wanted(text, kDnsServerWanted);
  return *std::move(server);
}

Result<Duration> parse_dns_timeout(std::string_view text) {
  using Seconds = std::chrono::duration<double>;
  const std::optional<double> seconds = unsigned_number<double>(text);
  const bool good = seconds && *seconds >= Seconds(kShortestDnsTimeout).count() &&
                    *seconds <= Seconds(kLongestDnsTimeout).count();
  if (!good) return wanted(text, "seconds from 0.01 to 60");
  return std::chrono::duration_cast<Duration>(Seconds(*seconds));
}

Result<int> parse_dns_tries(std::string_view text) {
  const std::optional<int> tries = unsigned_number<int>(text);
  if (!tries || *tries < 1 || *tries > kMostDnsTries) {
    return wanted(text, "a whole number from 1 to 10");
  }
  return *tries;
}

Result<ExpiryThresholds> parse_expiry(std::string_view text) {
  const std::size_t comma = text.find(',');
  const std::optional<double> warning = unsigned_number<double>(text.substr(0, comma));
  std::optional<double> critical = 0;
  if (comma != std::string_view::npos) {
    critical = unsigned_number<double>(text.substr(comma + 1));
  }
  if (!warning || !critical || *warning > kMaxDays || *critical > kMaxDays) {
    return wanted(text, "W or W,C in days, 0 to 36500");
  }
  return ExpiryThresholds{*warning, *critical};
}

Result<WatchPlan> parse_watch(std::string_view text) {
  constexpr std::string_view kExpected =
      "N or N,COUNT: seconds from 0.1 to 86400, and perhaps after how many probes to end";
  const std::size_t comma = text.find(',');
  const std::optional<double> every = unsigned_number<double>(text.substr(0, comma));
  std::optional<std::uint64_t> count = 0;
  if (comma != std::string_view::npos) {
    count = unsigned_number<std::uint64_t>(text.substr(comma + 1));
    if (!count || *count == 0 || *count > kMaxWatched) return wanted(text, kExpected);
  }
  if (!every || *every < kShortestWatch || *every > kLongestWatch) return wanted(text, kExpected);
  return WatchPlan{std::chrono::duration_cast<Duration>(std::chrono::duration<double>(*every)),
                   *count};
}

Result<Step> parse_until(std::string_view text) {
  const std::optional<Step> step = step_from_name(text);
  if (!step || !can_end(*step)) return wanted(text, "one of " + steps_list(can_end));
  return *step;
}

Result<StepRange> parse_step_range(std::string_view text) {
  const auto parts = halves(text);
  const std::optional<Step> step = parts ? step_from_name(parts->first) : std::nullopt;
  if (!step) {
    return wanted(text, "STEP=RANGE with a step of " + steps_list([](Step) { return true; }));
  }
  Result<Range> range = Range::parse(parts->second);
  if (!range) return Unexpected(range.error());
  return StepRange{*step, *std::move(range)};
}

Result<Expectation> parse_expectation(std::string_view text) {
  const auto parts = halves(text);
  const std::optional<Step> step = parts ? step_from_name(parts->first) : std::nullopt;
  if (!step || !has_reply(*step)) {
    return wanted(text, "STEP=CODE[,CODE...] with a step of " + steps_list(has_reply));
  }
  Expectation expectation{*step, {}};
  std::string_view rest = parts->second;
  while (true) {
    const std::size_t comma = rest.find(',');
    const Result<ReplyPattern> pattern = ReplyPattern::parse(rest.substr(0, comma));
    if (!pattern) return Unexpected(pattern.error());
    expectation.patterns.push_back(*pattern);
    if (comma == std::string_view::npos) return expectation;
    rest.remove_prefix(comma + 1);
  }
}

Result<std::string> parse_keyword(std::string_view text) {
  bool good = !text.empty() && text.size() <= kMaxKeyword && text.front() != '-';
  std::string upper(text);
  for (char& c : upper) {
    good = good && (is_letter_or_digit(c) || c == '-');
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  if (!good) return wanted(text, "an EHLO keyword such as STARTTLS");
  return upper;
}

Result<std::pair<std::string, std::string>> parse_header(std::string_view text) {
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos || colon == 0) return wanted(text, "\"Name: text\"");
  std::string_view value = text.substr(colon + 1);
  while (value.starts_with(' ') || value.starts_with('\t')) value.remove_prefix(1);
  while (value.ends_with(' ') || value.ends_with('\t')) value.remove_suffix(1);
  return std::pair{std::string(text.substr(0, colon)), std::string(value)};
}

}  // namespace smtpprobe
