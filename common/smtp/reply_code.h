// What reply codes mean, and what the probe makes of them where they were not expected. One table;
// a code is added there and nowhere else (RFC 5321, 3207, 4954, 1985, 7504, 5248 and 3463 for the
// enhanced ones).
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "common/smtp/enhanced_status.h"
#include "common/smtp/reason.h"
#include "common/smtp/reply.h"
#include "common/smtp/reply_regex.h"
#include "common/smtp/step.h"

namespace smtpprobe {

// The four states of Nagios. The values are the exit codes.
enum class State : std::uint8_t { Ok = 0, Warning = 1, Critical = 2, Unknown = 3 };

// "OK", "WARNING", "CRITICAL", "UNKNOWN"
std::string_view state_name(State state);
// "ok", "Warning", "2": any of the names in any case, or the number. nullopt otherwise.
std::optional<State> state_from_name(std::string_view name);
// CRITICAL over WARNING over UNKNOWN over OK, the order of the Monitoring Plugins.
State worse(State a, State b);

struct ReplyCodeMeaning {
  int code;
  std::string_view meaning;  // "mailbox unavailable, or refused by policy"
  std::string_view source;   // "RFC 5321"
  std::string_view typical;  // the steps where servers send it, "mail, rcpt, message"
  std::string_view advice;   // what an operator should look at; one sentence
  State state;               // where the code is not expected
  State state_at_rcpt;       // the same at rcpt
};

// The row of `code`, or the row of its class (code 0 in the row) for one that the table lacks; null
// when it is no reply code at all (below 200, over 559, or a second digit over 5).
const ReplyCodeMeaning* reply_code_meaning(int code);
std::span<const ReplyCodeMeaning> reply_code_table();

// What an enhanced status says (RFC 3463 and the IANA registry); nullopt for one nobody registered.
std::optional<std::string_view> enhanced_status_meaning(const EnhancedStatus& status);

// What a reply code is to a step where the user expects nothing else.
enum class ReplyFit : std::uint8_t {
  Expected,    // 220 for the banner, 250 or 251 for RCPT, 354 for DATA, 235 for AUTH, ...
  OtherCode,   // of the class that is due: senders go on (RFC 5321 s4.3.2)
  WrongClass,  // a refusal, or an answer to something else
};
ReplyFit fit_of(Step step, int code);
// The class that lets a session go on after `step`: 3 at Data, else 2. Command has none: 0.
int class_due(Step step);
// The state of an OtherCode: WARNING, but 200 is the non-standard success of old servers, OK.
State other_code_state(int code);
// The state where EHLO was refused with `code`, any 5yz, and HELO was accepted.
State helo_fallback_state(int code);
// "250 or 251": for messages.
std::string_view expected_reply_words(Step step);

// The reason of a reply that was not expected: Reply4xx, Reply5xx or ReplyUnexpected, refined to
// Greylisted, RateLimited, StarttlsRefused, AuthRejected, AuthMechanism, AuthNeedsTls or Config.
// `tls`: the channel is encrypted (a demand for encryption is then the server's fault, else ours).
// `greylisting`: further texts of a greylisting answer (--greylisting-pattern).
Reason refusal_reason(Step step, const Reply& reply, bool tls,
                      std::span<const ReplyRegex> greylisting = {});

// Does `reply` refuse the name that we sent with EHLO? A 501 to EHLO itself does, and at any step a
// text that names it as the cause (helo_refusal.h). A raw command is the user's own affair.
bool refuses_helo_name(Step step, const Reply& reply);

// The default state of such a reply. Greylisted is for the caller to judge by the plan.
State refusal_state(Step step, const Reply& reply, Reason reason);

// The answer to --explain: several lines of plain text, or nullopt for what is neither a reply code
// nor an enhanced status, a step or a reason.
std::optional<std::string> explain(std::string_view code);

}  // namespace smtpprobe
