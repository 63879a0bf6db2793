// A whole dialogue out of a fuzzed input: the plan, the server, the network and the time. Plays the
// driver (common/net/prober.cc) for the pure Dialogue and holds the dialogue to its laws while it
// goes; what comes of it is a ProbeResult for whoever judges and renders it.
//
// The input is chunks (fuzz.h), the first byte of each says what it is:
//   p  key=value: a setting of tests/transcripts/README.md; those that are not sound are left out.
//      Passwords and tokens are always kPassword and kToken.
//   S  the server says these bytes      L  the same and CRLF      B  the same, byte by byte
//   s  bytes that are there before the client says what it has to say, or while it does
//   P  and a byte n: the kernel takes n² of the bytes that the client has to say
//   d, x  as D and X, before the client has said all
//   R  and a byte n: the line that follows, 16n times
//   F  0xff and the text (the separator itself)
//   E  the text and the line that the client said last    e  the same with its last word decoded
//   C  334 and the text in base64       N  334 and a SCRAM challenge that extends the client's
//   nonce T  and a byte: how the handshake ends; the text is its detail and the certificate's
//   subject X  and a byte: how the channel ends D  the deadline      W  and a byte: time passes
// Anything else is nothing.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/probe/plan.h"
#include "common/probe/result.h"

namespace smtpprobe::fuzz {

inline constexpr std::string_view kPassword = "Hemmelig7Zq";
inline constexpr std::string_view kToken = "Token9xKqPw";

struct Play {
  ProbePlan plan;
  ProbeResult result;
  std::vector<std::string> auth_words;  // what the client said to log in, as it went
};

// nullopt where the settings make no plan, or the input itself holds a secret.
std::optional<Play> play(std::string_view input);

}  // namespace smtpprobe::fuzz
