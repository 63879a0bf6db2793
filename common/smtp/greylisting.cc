#include "common/smtp/greylisting.h"

#include <algorithm>
#include <array>
#include <string>
#include <string_view>

#include "common/smtp/quoted_value.h"
#include "common/smtp/reply_phrase.h"

namespace smtpprobe {
namespace {

constexpr char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool says_greylisting(std::string_view text) {
  std::string words = without_addresses(text);
  std::transform(words.begin(), words.end(), words.begin(), lower);
  for (std::size_t i = 0; i < words.size(); ++i) {
    std::string_view rest = std::string_view(words).substr(i);
    if (!rest.starts_with("grey") && !rest.starts_with("gray")) continue;
    rest.remove_prefix(4);
    if (rest.starts_with('-') || rest.starts_with(' ')) rest.remove_prefix(1);
    if (rest.starts_with("list")) return true;
  }
  return false;
}

// Greylisting that does not work is an outage.
bool is_broken(const Reply& reply) {
  constexpr auto kPhrases = std::to_array<std::string_view>(
      {"greylisting daemon", "greylist daemon", "greylisting server", "greylisting database",
       "greylisting failed"});
  const std::string words = words_of(reply);
  return std::any_of(kPhrases.begin(), kPhrases.end(),
                     [&words](std::string_view phrase) { return has_phrase(words, phrase); });
}

}  // namespace

bool is_greylisting(Step step, const Reply& reply, std::span<const ReplyRegex> patterns) {
  if (step != Step::Rcpt && step != Step::Data && step != Step::Message) return false;
  if (reply.klass() != 4) return false;
  if (says_greylisting(reply.text()) && !is_broken(reply)) return true;
  if (patterns.empty()) return false;
  const std::string wire = reply.wire();
  return std::any_of(patterns.begin(), patterns.end(),
                     [&wire](const ReplyRegex& pattern) { return pattern.matches(wire); });
}

Result<ReplyRegex> parse_greylisting_pattern(std::string_view text) {
  if (text.empty()) return error("got nothing, expected a POSIX extended regular expression");
  return ReplyRegex::compile(std::string(text)).map_error([text](const Error& wrong) {
    return Error{"got " + quoted_value(text) + ": " + wrong.text};
  });
}

}  // namespace smtpprobe
