// What users write: targets, addresses, names, commands, ranges, patterns, durations. Each parser
// gets the same text; what it takes is fit for the wire and is read back as what it was.
#include "common/config/allowed_targets.h"
#include "common/config/config_values.h"
#include "common/config/config_writer.h"
#include "common/probe/target.h"
#include "common/probe/threshold.h"
#include "common/smtp/address.h"
#include "common/smtp/reply_code.h"
#include "common/smtp/reply_pattern.h"
#include "tests/fuzz/fuzz.h"

namespace smtpprobe::fuzz {
namespace {

// An error is one line that can be shown as it is.
template <typename T>
void check_error(const Result<T>& result, std::string_view input) {
  if (result) return;
  SMTPPROBE_HOLDS(!result.error().text.empty(), input);
  SMTPPROBE_HOLDS(is_plain(result.error().text, false), result.error().text);
  SMTPPROBE_HOLDS(is_clean_utf8(result.error().text), result.error().text);
}

bool is_called_unix(std::string_view host) {
  return host.size() == 4 && (host[0] | 32) == 'u' && (host[1] | 32) == 'n' &&
         (host[2] | 32) == 'i' && (host[3] | 32) == 'x';
}

void check_target(std::string_view input) {
  const Result<Target> target = parse_target(input);
  check_error(target, input);
  if (!target) return;
  SMTPPROBE_HOLDS(target->host.empty() != target->unix_path.empty(), input);
  SMTPPROBE_HOLDS(is_plain(target->host, false) && is_plain(target->unix_path, false), input);
  SMTPPROBE_HOLDS(target->host.find_first_of(" @/?#[]") == std::string::npos, target->host);
  SMTPPROBE_HOLDS(target->host.size() <= 254, target->host);
  SMTPPROBE_HOLDS(!target->port || (*target->port >= 1 && *target->port <= 65535), input);
  SMTPPROBE_HOLDS(!(target->smtp && target->lmtp), input);
  const std::string text = target->text(kSmtpPort);
  const Result<Target> again = parse_target(text);
  // With a port a host of that name reads as a socket; its text is for people.
  if (is_called_unix(target->host)) return;
  SMTPPROBE_HOLDS(again.has_value(), text);
  SMTPPROBE_HOLDS(again->host == target->host && again->unix_path == target->unix_path, text);
  SMTPPROBE_HOLDS(target->host.empty() || again->port == target->port.value_or(kSmtpPort), text);
  SMTPPROBE_HOLDS(again->text(kSmtpPort) == text, text);
  SMTPPROBE_HOLDS(is_allowed({}, *target), text);
}

void check_wire_text(const Result<std::string>& taken, std::string_view input) {
  check_error(taken, input);
  if (!taken) return;
  const std::string_view breakers("\r\n\0", 3);
  SMTPPROBE_HOLDS(taken->find_first_of(breakers) == std::string::npos, *taken);
}

void check_addresses(std::string_view input) {
  const Result<std::string> address = parse_address(input);
  check_wire_text(address, input);
  if (address) {
    SMTPPROBE_HOLDS(address->size() <= kMaxPath, *address);
    SMTPPROBE_HOLDS(parse_address("<" + *address + ">") == *address, *address);
    SMTPPROBE_HOLDS(is_plain(*address, false) && is_clean_utf8(*address), *address);
  }
  const Result<std::string> helo = parse_helo_name(input);
  check_wire_text(helo, input);
  if (helo) {
    SMTPPROBE_HOLDS(!helo->empty() && helo->find(' ') == std::string::npos, *helo);
    SMTPPROBE_HOLDS(parse_helo_name(*helo) == *helo, *helo);
  }
  const Result<std::string> command = parse_command(input);
  check_wire_text(command, input);
  if (command) SMTPPROBE_HOLDS(command->size() + 2 <= kMaxCommandLine, *command);
}

void check_values(std::string_view input) {
  const Result<Range> range = Range::parse(input);
  check_error(range, input);
  if (range) {
    const Result<Range> again = Range::parse(range->text());
    SMTPPROBE_HOLDS(again.has_value(), range->text());
    for (const double value : {-1e9, -1.0, 0.0, 0.5, 1.0, 10.0, 20.0, 1e9})
      SMTPPROBE_HOLDS(again->alerts(value) == range->alerts(value), range->text());
    SMTPPROBE_HOLDS(range->perfdata().find_first_of(" ;|'") == std::string::npos, input);
  }
  const Result<ReplyPattern> pattern = ReplyPattern::parse(input);
  check_error(pattern, input);
  if (pattern) {
    const Result<ReplyPattern> again = ReplyPattern::parse(pattern->text());
    SMTPPROBE_HOLDS(again && again->text() == pattern->text(), pattern->text());
  }
  const Result<Duration> duration = parse_duration(input);
  check_error(duration, input);
  if (duration) {
    SMTPPROBE_HOLDS(*duration >= Duration::zero(), input);
    SMTPPROBE_HOLDS(parse_duration(duration_text(*duration)) == *duration, input);
  }
  check_error(parse_count(input), input);
  check_error(parse_extension_name(input), input);
  check_error(parse_host_name(input), input);
  check_error(parse_ip_literal(input), input);
  check_error(parse_words(input), input);
  const Result<std::string> auth = parse_auth_target(input);
  check_error(auth, input);
  if (auth) SMTPPROBE_HOLDS(parse_target(*auth).has_value(), *auth);
  const std::optional<EnhancedStatus> status = parse_enhanced_status(input);
  if (status) SMTPPROBE_HOLDS(parse_enhanced_status(to_string(*status)) == status, input);
  const std::optional<std::string> told = explain(input);
  if (told) SMTPPROBE_HOLDS(is_plain(*told, true) && is_clean_utf8(*told), *told);
}

// "ENTRY 0xff TARGET": no more than a crash can be told from outside, but that what is listed
// literally is allowed.
void check_allowed(std::string_view input) {
  const Result<std::string> entry = parse_allowed_target(take_chunk(input));
  check_error(entry, input);
  const Result<Target> target = parse_target(input);
  if (!entry || !target) return;
  is_allowed({*entry}, *target);
  const Result<std::string> itself =
      parse_allowed_target(target->unix_path.empty() ? target->host : "unix:" + target->unix_path);
  if (itself) SMTPPROBE_HOLDS(is_allowed({*entry, *itself}, *target), input);
}

}  // namespace
}  // namespace smtpprobe::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace fuzz = smtpprobe::fuzz;
  const std::string_view input = fuzz::bytes_of(data, size);
  fuzz::check_target(input);
  fuzz::check_addresses(input);
  fuzz::check_values(input);
  fuzz::check_allowed(input);
  return 0;
}
