// The mechanisms' names, the choice among them, and the maker of their clients (RFC 4954, RFC
// 4422).
#include "common/smtp/sasl.h"

#include <string.h>

#include <algorithm>
#include <array>

#include "common/smtp/quoted_value.h"
#include "common/smtp/sasl_mechanism.h"

namespace smtpprobe {
namespace {

struct Name {
  Mechanism mechanism;
  std::string_view name;
};

constexpr std::array kNames = {
    Name{Mechanism::Auto, "auto"},
    Name{Mechanism::Plain, "PLAIN"},
    Name{Mechanism::Login, "LOGIN"},
    Name{Mechanism::CramMd5, "CRAM-MD5"},
    Name{Mechanism::ScramSha1, "SCRAM-SHA-1"},
    Name{Mechanism::ScramSha256, "SCRAM-SHA-256"},
    Name{Mechanism::Xoauth2, "XOAUTH2"},
    Name{Mechanism::Oauthbearer, "OAUTHBEARER"},
};

// The strongest first. A token speaks for itself: whoever has one is not asked for a password.
constexpr std::array kWithToken = {Mechanism::Oauthbearer, Mechanism::Xoauth2};
constexpr std::array kWithPassword = {Mechanism::ScramSha256, Mechanism::ScramSha1,
                                      Mechanism::CramMd5, Mechanism::Plain, Mechanism::Login};

constexpr char upper(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; }

bool same_word(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return upper(x) == upper(y); });
}

std::optional<Mechanism> first_offered(std::span<const Mechanism> wanted,
                                       std::span<const std::string> offered) {
  for (const Mechanism mechanism : wanted) {
    const std::string_view name = mechanism_name(mechanism);
    if (std::any_of(offered.begin(), offered.end(),
                    [name](const std::string& word) { return same_word(word, name); }))
      return mechanism;
  }
  return std::nullopt;
}

bool has_nul(std::string_view text) { return text.find('\0') != std::string_view::npos; }

bool has_control(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte < 0x20 || byte == 0x7f;
  });
}

// The framing of the mechanisms is NUL, or 0x01 and control bytes, and has no escape for them.
std::string_view unsendable(Mechanism mechanism, const Credentials& credentials) {
  if (needs_token(mechanism)) {
    if (has_control(credentials.username)) return "the user name holds a control character";
    if (has_control(credentials.token)) return "the token holds a control character";
    if (has_control(credentials.host)) return "the host name holds a control character";
    return {};
  }
  if (has_nul(credentials.username)) return "the user name holds a NUL";
  if (has_nul(credentials.password)) return "the password holds a NUL";
  return {};
}

}  // namespace

std::string_view mechanism_name(Mechanism mechanism) {
  for (const Name& row : kNames)
    if (row.mechanism == mechanism) return row.name;
  return {};
}

std::optional<Mechanism> mechanism_from_name(std::string_view name) {
  for (const Name& row : kNames)
    if (same_word(row.name, name)) return row.mechanism;
  return std::nullopt;
}

bool is_like_mechanism(std::string_view word) {
  // The others that servers offer (IANA's registry of SASL mechanisms, and NTLM).
  std::vector<std::string_view> names = {"ANONYMOUS", "DIGEST-MD5",  "EXTERNAL", "GSSAPI",
                                         "GS2-KRB5",  "KERBEROS_V4", "NTLM",     "OTP"};
  for (const Name& row : kNames) names.push_back(row.name);
  return is_like_one_of(word, names);
}

bool needs_token(Mechanism mechanism) {
  return mechanism == Mechanism::Xoauth2 || mechanism == Mechanism::Oauthbearer;
}

std::optional<Mechanism> choose_mechanism(std::span<const std::string> offered, bool has_password,
                                          bool has_token) {
  std::optional<Mechanism> chosen;
  if (has_token) chosen = first_offered(kWithToken, offered);
  if (!chosen && has_password) chosen = first_offered(kWithPassword, offered);
  return chosen;
}

SaslClient::Answer give_up(Reason reason, std::string detail) {
  return {.response = {}, .reason = reason, .detail = std::move(detail)};
}

void wipe(std::string& secret) {
  if (!secret.empty()) explicit_bzero(secret.data(), secret.size());
  secret.clear();
}

std::unique_ptr<SaslClient> make_sasl_client(Mechanism mechanism, const Credentials& credentials,
                                             std::string* why) {
  if (const std::string_view fault = unsendable(mechanism, credentials); !fault.empty()) {
    if (why) *why = fault;
    return nullptr;
  }
  if (needs_token(mechanism)) return make_oauth_client(mechanism, credentials);
  return make_gsasl_client(mechanism, credentials, why);
}

}  // namespace smtpprobe
