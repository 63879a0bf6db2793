// The exporter's web configuration. "HASH" in the text is a password's hash; a message of the
// parser is one line and shows none that is a user's value.
#include "exporter/web_config.h"
#include "tests/fuzz/fuzz.h"

namespace smtpprobe::fuzz {
namespace {

constexpr std::string_view kHash = "$2y$10$QOauhQNbBCuQDKes6eFzPeMqBSjb7Mr5DUmpZ/VcEd00UAV/LDeSi";

bool is_header_safe(std::string_view text) { return is_plain(text, false); }

void check_tls(const WebTlsConfig& tls, std::string_view input) {
  SMTPPROBE_HOLDS(!tls.cert.empty() && !tls.key.empty(), input);
  SMTPPROBE_HOLDS(tls.min_version <= tls.max_version, input);
}

// Keys are shown, and values that are no user's: under another key nobody can know a hash for one.
bool hash_may_be_shown(std::string_view input) {
  for (const std::string_view other : {"tls_server_config", "http_server_config", "rate_limit"}) {
    if (input.find(other) != std::string_view::npos) return true;
  }
  if (input.find_first_of("\"'?") != std::string_view::npos) return true;
  for (std::size_t at = input.find("HASH"); at != std::string_view::npos;
       at = input.find("HASH", at + 1)) {
    if (at < 2 || input.substr(at - 2, 2) != ": ") return true;
    const std::size_t colon = input.find(':', at);
    if (colon < input.find('\n', at)) return true;
  }
  return false;
}

void check(std::string_view input) {
  bcrypt_cost(input);
  std::string text(input);
  for (std::size_t at = text.find("HASH"); at != std::string::npos; at = text.find("HASH", at))
    text.replace(at, 4, kHash);
  const Result<WebConfig> config = parse_web_config(text, "/etc/web.yml");
  if (!config) {
    const std::string& why = config.error().text;
    SMTPPROBE_HOLDS(why.starts_with("/etc/web.yml:"), why);
    SMTPPROBE_HOLDS(is_plain(why, false) && is_clean_utf8(why), why);
    SMTPPROBE_HOLDS(hash_may_be_shown(input) || why.find(kHash.substr(7)) == std::string::npos,
                    why);
    return;
  }
  for (const auto& [name, value] : config->headers) {
    SMTPPROBE_HOLDS(is_header_safe(name) && is_header_safe(value), value);
  }
  for (const auto& [name, hash] : config->users) {
    const std::optional<int> cost = bcrypt_cost(hash);
    SMTPPROBE_HOLDS(cost && *cost >= kMinBcryptCost && *cost <= kMaxBcryptCost, hash);
    SMTPPROBE_HOLDS(name.find(':') == std::string::npos, name);  // RFC 7617 s2
  }
  if (config->rate_limit) {
    SMTPPROBE_HOLDS(config->rate_limit->interval > Duration::zero(), input);
  }
  if (config->tls) check_tls(*config->tls, input);
}

}  // namespace
}  // namespace smtpprobe::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input = smtpprobe::fuzz::bytes_of(data, size);
  // libFuzzer sees what the hash is compared with, and writes it anywhere.
  if (input.find(smtpprobe::fuzz::kHash.substr(7)) != std::string_view::npos) return 0;
  smtpprobe::fuzz::check(input);
  return 0;
}
