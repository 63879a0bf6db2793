// What a SCRAM server may ask of us (RFC 5802 s5.1, s7), judged before the library sees it: a nonce
// that does not extend ours is an old conversation replayed, a huge iteration count costs us
// seconds, a small one makes the password cheap to guess.
#include <algorithm>
#include <charconv>
#include <string>
#include <string_view>

#include "common/smtp/base64.h"
#include "common/smtp/sasl_mechanism.h"

namespace smtpprobe {
namespace {

constexpr std::size_t kMaxShownDigits = 20;

SaslClient::Answer malformed(std::string_view what) {
  return give_up(Reason::AuthProtocol, "SCRAM challenge: " + std::string(what));
}

// Takes "`name`=value," off the front of `rest`. False when something else stands there.
bool take_attribute(std::string_view& rest, char name, std::string_view& value) {
  if (rest.size() < 2 || rest[0] != name || rest[1] != '=') return false;
  const std::size_t comma = std::min(rest.find(','), rest.size());
  value = rest.substr(2, comma - 2);
  rest.remove_prefix(std::min(comma + 1, rest.size()));
  return true;
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

SaslClient::Answer check_iterations(std::string_view text) {
  if (text.empty() || text[0] == '0' || !std::all_of(text.begin(), text.end(), is_digit))
    return malformed("the iteration count is no positive decimal number");
  unsigned count = 0;
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), count);
  const bool fits = fault == std::errc() && end == text.data() + text.size();
  if (fits && count >= kMinScramIterations && count <= kMaxScramIterations) return {};
  std::string shown(text.substr(0, kMaxShownDigits));
  if (text.size() > kMaxShownDigits) shown += "...";
  return give_up(Reason::AuthLimits, "SCRAM iteration count " + shown + ", wanted " +
                                         std::to_string(kMinScramIterations) + " to " +
                                         std::to_string(kMaxScramIterations));
}

}  // namespace

std::string_view scram_nonce(std::string_view client_first) {
  constexpr std::string_view kAttribute = ",r=";
  const std::size_t at = client_first.rfind(kAttribute);
  if (at == std::string_view::npos) return {};
  const std::string_view rest = client_first.substr(at + kAttribute.size());
  return rest.substr(0, rest.find(','));
}

SaslClient::Answer check_scram_server_first(std::string_view server_first, std::string_view nonce) {
  if (std::any_of(server_first.begin(), server_first.end(), [](char c) {
        const auto byte = static_cast<unsigned char>(c);
        return byte < 0x20 || byte == 0x7f;
      }))
    return malformed("control characters");
  std::string_view rest = server_first;
  std::string_view value;
  if (!take_attribute(rest, 'r', value)) return malformed("no r= at its start");
  if (nonce.empty() || !value.starts_with(nonce) || value.size() == nonce.size())
    return malformed("the nonce does not extend ours");
  if (!take_attribute(rest, 's', value)) return malformed("no s= behind the nonce");
  if (value.empty() || !base64_decode(value)) return malformed("the salt is not base64");
  if (!take_attribute(rest, 'i', value)) return malformed("no i= behind the salt");
  return check_iterations(value);
}

}  // namespace smtpprobe
