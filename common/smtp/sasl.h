// The client's side of AUTH (RFC 4954): mechanisms by libgsasl (PLAIN, LOGIN, CRAM-MD5, SCRAM),
// XOAUTH2 and OAUTHBEARER (RFC 7628) by hand. It sees decoded challenges and gives raw responses:
// base64 and the 334 flow are the dialogue's. Law: a secret never leaves by any other way than a
// response.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/smtp/reason.h"

namespace smtpprobe {

enum class Mechanism : std::uint8_t {
  Auto,
  Plain,
  Login,
  CramMd5,
  ScramSha1,
  ScramSha256,
  Xoauth2,
  Oauthbearer,
};

std::string_view mechanism_name(Mechanism mechanism);                 // "SCRAM-SHA-256"
std::optional<Mechanism> mechanism_from_name(std::string_view name);  // any case
// Whether it may be meant as one, so that messages may show it: beside it stands a secret.
bool is_like_mechanism(std::string_view word);
bool needs_token(Mechanism mechanism);  // XOAUTH2, OAUTHBEARER

inline constexpr int kMaxAuthRounds = 8;
inline constexpr unsigned kMinScramIterations = 4096;
inline constexpr unsigned kMaxScramIterations = 600'000;

// What Auto takes of `offered` (upper-case names): the strongest that `has_password` or `has_token`
// allow.
std::optional<Mechanism> choose_mechanism(std::span<const std::string> offered, bool has_password,
                                          bool has_token);

struct Credentials {
  std::string username;
  std::string password;
  std::string token;
  std::string host;  // for OAUTHBEARER's host=; may be empty
  int port = 0;      // for OAUTHBEARER's port=; 0 leaves it out
};

class SaslClient {
 public:
  struct Answer {
    std::string response;  // raw; the dialogue encodes it
    Reason reason =
        Reason::None;    // not None: give up. AuthProtocol, AuthLimits, AuthServerSignature or
                         // LocalError (the library could not be used)
    std::string detail;  // why, in words without a secret
  };

  virtual ~SaslClient() = default;
  // The mechanism can speak first (the initial response of RFC 4954 s4).
  virtual bool speaks_first() const = 0;
  // `challenge` is decoded; empty for the first call of a mechanism that speaks first.
  virtual Answer step(std::string_view challenge) = 0;
  // May a 235 come now? SCRAM: not before the server's signature was verified.
  virtual bool complete() const = 0;
};

// Never Auto. Null only when the library cannot be had; `why` then says so.
std::unique_ptr<SaslClient> make_sasl_client(Mechanism mechanism, const Credentials& credentials,
                                             std::string* why);

}  // namespace smtpprobe
