// AUTH's client with a hostile server. The first byte chooses the mechanism; each chunk is a
// challenge: raw, or behind 'N' one that begins with the client's SCRAM nonce, or behind 'B' the
// text of one, in base64.
#include <array>
#include <charconv>

#include "common/smtp/base64.h"
#include "common/smtp/sasl.h"
#include "common/smtp/sasl_mechanism.h"
#include "tests/fuzz/fuzz.h"

namespace smtpprobe::fuzz {
namespace {

constexpr std::string_view kPassword = "Hemmelig7Zq";
constexpr std::string_view kToken = "Token9xKqPw";
constexpr std::array kMechanisms = {
    Mechanism::Plain,       Mechanism::Login,   Mechanism::CramMd5,    Mechanism::ScramSha1,
    Mechanism::ScramSha256, Mechanism::Xoauth2, Mechanism::Oauthbearer};

bool is_scram(Mechanism mechanism) {
  return mechanism == Mechanism::ScramSha1 || mechanism == Mechanism::ScramSha256;
}

// What is allowed may still take half a second; not what this looks for.
bool costs_much(std::string_view challenge) {
  const std::size_t at = challenge.find("i=");
  if (at == std::string_view::npos) return false;
  unsigned count = 0;
  std::from_chars(challenge.data() + at + 2, challenge.data() + challenge.size(), count);
  return count > kMinScramIterations;
}

void check_base64(std::string_view text) {
  SMTPPROBE_HOLDS(base64_decode(base64_encode(text)) == text, text);
  const std::optional<std::string> decoded = base64_decode(text);
  if (decoded) SMTPPROBE_HOLDS(base64_encode(*decoded) == text, text);
}

void check_answer(Mechanism mechanism, const SaslClient::Answer& answer) {
  const auto tells = [](std::string_view text, std::string_view secret) {
    return text.find(secret) != std::string_view::npos;
  };
  const bool clear = mechanism == Mechanism::Plain || mechanism == Mechanism::Login;
  SMTPPROBE_HOLDS(clear || !tells(answer.response, kPassword), answer.response);
  SMTPPROBE_HOLDS(needs_token(mechanism) || !tells(answer.response, kToken), answer.response);
  SMTPPROBE_HOLDS(answer.reason == Reason::None || answer.response.empty(), answer.response);
  SMTPPROBE_HOLDS(!tells(answer.detail, kPassword) && !tells(answer.detail, kToken), answer.detail);
}

void check(std::string_view input) {
  const Mechanism mechanism = kMechanisms[take_byte(input) % kMechanisms.size()];
  Credentials credentials;
  credentials.username = "user";
  credentials.password = kPassword;
  credentials.token = kToken;
  credentials.host = "mx.test";
  credentials.port = 25;
  std::string why;
  const std::unique_ptr<SaslClient> client = make_sasl_client(mechanism, credentials, &why);
  SMTPPROBE_HOLDS(client != nullptr, why);

  std::string first;
  if (client->speaks_first()) {
    const SaslClient::Answer answer = client->step({});
    check_answer(mechanism, answer);
    SMTPPROBE_HOLDS(answer.reason == Reason::None, answer.detail);
    first = answer.response;
  }
  for (int round = 0; round <= kMaxAuthRounds && !input.empty(); ++round) {
    std::string challenge(take_chunk(input));
    check_base64(challenge);
    if (challenge.starts_with('N')) {
      challenge = "r=" + std::string(scram_nonce(first)) + challenge.substr(1);
    } else if (challenge.starts_with('B')) {
      const std::optional<std::string> decoded = base64_decode(challenge.substr(1));
      if (decoded) challenge = *decoded;
    }
    if (is_scram(mechanism) && costs_much(challenge)) return;
    const SaslClient::Answer answer = client->step(challenge);
    check_answer(mechanism, answer);
    // The server never proves that it knows the password.
    SMTPPROBE_HOLDS(!is_scram(mechanism) || !client->complete(), challenge);
    if (answer.reason != Reason::None) return;
  }
}

}  // namespace
}  // namespace smtpprobe::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input = smtpprobe::fuzz::bytes_of(data, size);
  // A server that knows the secret may say it.
  for (const std::string_view secret : {smtpprobe::fuzz::kPassword, smtpprobe::fuzz::kToken}) {
    if (input.find(secret) != std::string_view::npos) return 0;
  }
  smtpprobe::fuzz::check(input);
  return 0;
}
