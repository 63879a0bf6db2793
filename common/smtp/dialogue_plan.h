// What the dialogue is to say, how deep it goes, and what the user expects: data only.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/smtp/message.h"
#include "common/smtp/reply_code.h"
#include "common/smtp/reply_pattern.h"
#include "common/smtp/reply_regex.h"
#include "common/smtp/sasl.h"
#include "common/smtp/step.h"
#include "common/smtp/time.h"

namespace smtpprobe {

enum class Protocol : std::uint8_t { Smtp, Lmtp };

enum class TlsMode : std::uint8_t {
  Off,
  Opportunistic,  // STARTTLS where it is offered
  Starttls,       // STARTTLS, or it is a failure
  Implicit,
};

struct AuthPlan {
  Mechanism mechanism = Mechanism::Auto;
  Credentials credentials;
  bool without_verified_tls = false;  // --auth-insecure, names_this_host(), dialect check_smtp
};

// One -C with the -R at its index.
struct RawCommand {
  std::string text;  // without line end
  std::optional<ReplyRegex> expected;
};

// RFC 5321 s4.5.3.2 asks for minutes; a check has seconds. All within the overall deadline.
struct StepLimits {
  Duration resolve = std::chrono::seconds(5);
  Duration connect = std::chrono::seconds(5);  // for each address that another one follows
  Duration reply =
      std::chrono::seconds(10);  // banner, each command, each AUTH round, the handshake
  Duration message = std::chrono::seconds(20);
  Duration quit = std::chrono::seconds(2);

  Duration of(Step step) const;
  // The same for an overall limit: one above 10 s stretches all but quit in proportion.
  static StepLimits within(Duration total);
};

struct DialoguePlan {
  Protocol protocol = Protocol::Smtp;
  bool helo = false;      // HELO at once
  std::string helo_name;  // never empty: the caller fills it in
  TlsMode tls = TlsMode::Off;
  bool stop_on_bad_certificate = false;  // verification is required
  Step until = Step::Ehlo;  // how deep to go; any of Banner .. Message. See planned_steps().
  std::optional<AuthPlan> auth;
  std::optional<std::string> from;  // reverse path without <>; "" is the null sender
  std::vector<std::string> to;      // forward paths without <>
  std::vector<RawCommand> commands;
  std::string message;  // composed, CRLF line ends, not dot-stuffed; sent when until is Message
  std::optional<std::string> expect_banner;      // -e
  bool banner_is_220 = false;                    // no other 2yz will do: the rule of check_smtp
  FewSteps<std::vector<ReplyPattern>> expect;    // --expect; an empty list means the protocol's own
  State greylisting = State::Warning;            // how bad it is, also beside other replies
  std::vector<ReplyRegex> greylisting_patterns;  // further texts that are one
  StepLimits limits;
};

// The steps that `plan` sets out to take when nothing goes wrong, in the order in which they
// happen, Quit included (it ends every plan but one that stops after DATA). Resolve and Connect are
// the prober's and not listed. Opportunistic TLS plans Starttls, Tls and EhloTls. With STARTTLS
// planned, `until` Ehlo means the EHLO that counts, EhloTls, and `until` Starttls ends after the
// handshake: a session cannot stop between the two.
std::vector<Step> planned_steps(const DialoguePlan& plan);

// Those of them that a session can take: nothing but Quit follows a step where all replies that the
// user expects end the session (`expect` rcpt 550).
std::vector<Step> session_path(const DialoguePlan& plan);

}  // namespace smtpprobe
