#include "common/smtp/reply_code.h"

#include <array>
#include <cstddef>

#include "common/smtp/greylisting.h"
#include "common/smtp/helo_refusal.h"
#include "common/smtp/rate_limit.h"

namespace smtpprobe {

namespace {

constexpr State kWarning = State::Warning;
constexpr State kCritical = State::Critical;

// In the order of the codes; the rows of the classes (code 0) come last, in the order of the
// classes. The states are those of a code that nobody expected; what an enhanced status or a step
// changes about them is in refusal_reason() and refusal_state().
constexpr auto kTable = std::to_array<ReplyCodeMeaning>({
    {200, "non-standard success", "no RFC", "any", "No RFC knows 200: see what answers there.",
     kCritical, kCritical},
    {211, "system status, or help", "RFC 5321", "HELP",
     "The answer to another command: see the transcript.", kCritical, kCritical},
    {214, "help message", "RFC 5321", "HELP", "The answer to another command: see the transcript.",
     kCritical, kCritical},
    {220, "service ready; go ahead with TLS", "RFC 5321, RFC 3207", "banner, starttls",
     "Elsewhere server and client are out of step: see the transcript.", kCritical, kCritical},
    {221, "closing the channel", "RFC 5321", "quit",
     "Nobody said QUIT: see why the server gave up.", kCritical, kCritical},
    {235, "authentication succeeded", "RFC 4954", "auth",
     "Success without an exchange of credentials is a security fault: see the server's SASL.",
     kCritical, kCritical},
    {250, "completed", "RFC 5321", "ehlo, mail, rcpt, message",
     "Another reply was due: a proxy or a filter in front may answer for the server.", kCritical,
     kCritical},
    {251, "user not local, will forward", "RFC 5321", "rcpt",
     "Fine at rcpt; see the server's forwarding.", kCritical, kCritical},
    {252, "cannot verify the user, will try delivery", "RFC 5321", "VRFY, rcpt",
     "An answer to VRFY; at rcpt the recipient may have been accepted.", kCritical, kWarning},
    {253, "pending messages started", "RFC 1985", "ETRN", "An answer to ETRN: see the transcript.",
     kCritical, kCritical},
    {334, "server challenge, in base64", "RFC 4954", "auth", "Belongs to an AUTH exchange alone.",
     kCritical, kCritical},
    {354, "start mail input", "RFC 5321", "data", "Belongs to DATA alone.", kCritical, kCritical},
    {421, "service not available, closing the channel", "RFC 5321", "any",
     "Shutting down, overloaded, a timeout, or a limit on the client's connections: see the "
     "server's log.",
     kCritical, kCritical},
    {432, "a password transition is needed", "RFC 4954", "auth",
     "Log in once with PLAIN over TLS, so that the server can store the password anew.", kWarning,
     kWarning},
    {450, "mailbox busy, or refused for now", "RFC 5321", "mail, rcpt, data, message",
     "A busy mailbox, or greylisting where the text says so; if it stays, see the server's policy "
     "and its log.",
     kCritical, kWarning},
    {451, "local error in processing", "RFC 5321", "any",
     "See the server's log: a milter, DNS or a backend fails.", kCritical, kCritical},
    {452, "insufficient storage, or too many recipients", "RFC 5321", "mail, rcpt, message",
     "See the disk of the server's queue.", kCritical, kCritical},
    {454, "TLS temporarily not available; temporary authentication failure", "RFC 3207, RFC 4954",
     "starttls, auth, rcpt",
     "A temporary failure: at auth the authentication backend, or too many logins (Google: wait, "
     "and "
     "log in less often); at starttls the server's TLS key and certificate; at rcpt Postfix's "
     "refusal "
     "to relay.",
     kCritical, kCritical},
    {455, "unable to accommodate the parameters", "RFC 5321", "mail, rcpt",
     "See which extension parameters were sent.", kWarning, kWarning},
    {458, "unable to queue messages for the node", "RFC 1985", "ETRN", "An answer to ETRN.",
     kWarning, kWarning},
    {459, "node not allowed", "RFC 1985", "ETRN", "An answer to ETRN.", kWarning, kWarning},
    {500, "command not recognised", "RFC 5321", "any",
     "The server offers what it does not know, or a filter in front changes commands.", kCritical,
     kCritical},
    {501, "syntax error in the parameters", "RFC 5321", "any",
     "See what was sent: the HELO name, the addresses, the base64 of AUTH.", kCritical, kCritical},
    {502, "command not implemented", "RFC 5321", "ehlo, VRFY, EXPN",
     "The server offers what it does not implement, or it is a very old one.", kCritical,
     kCritical},
    {503, "bad sequence of commands", "RFC 5321", "any",
     "Server and client are out of step, or AUTH is wanted first: see the transcript.", kCritical,
     kCritical},
    {504, "parameter not implemented; unknown AUTH mechanism", "RFC 5321, RFC 4954", "ehlo, auth",
     "Choose a mechanism that the server offers.", kCritical, kCritical},
    {521, "host never accepts mail", "RFC 7504", "banner",
     "The host says that it is no mail server: see the MX record or the target.", kCritical,
     kCritical},
    {523, "encryption needed", "RFC 5248", "auth, mail", "Run the check with TLS.", kCritical,
     kCritical},
    {524, "encryption needed for this AUTH mechanism", "RFC 5248", "auth",
     "Run the check with TLS.", kCritical, kCritical},
    {525, "user account disabled", "RFC 5248", "auth", "Enable the account, or use another one.",
     kCritical, kCritical},
    {530, "authentication required, or STARTTLS first", "RFC 4954, RFC 3207",
     "ehlo, auth, mail, rcpt",
     "Run the check with TLS and credentials (Microsoft's 5.7.57: by OAuth), or expect the "
     "refusal: "
     "--expect mail=530.",
     kCritical, kCritical},
    {534, "AUTH mechanism too weak", "RFC 4954", "auth",
     "Choose a stronger mechanism. Google (5.7.9) and Yahoo want an app password or OAuth, "
     "Microsoft "
     "OAuth: -A XOAUTH2 with a token.",
     kCritical, kCritical},
    {535, "credentials invalid", "RFC 4954", "auth",
     "The check's password is wrong, or the server's authentication backend is at fault. Large "
     "providers take no plain password any more: Microsoft (5.7.139, 5.7.30) wants OAuth, -A "
     "XOAUTH2 "
     "with a token; Google (5.7.8) an app password or OAuth.",
     kCritical, kCritical},
    {538, "encryption needed for this AUTH mechanism", "RFC 2554 (obsolete), RFC 5248", "auth",
     "Run the check with TLS.", kCritical, kCritical},
    {541, "refused as spam", "no RFC", "rcpt, message",
     "See the server's filter, and what it thinks of the check's address and text.", kWarning,
     kWarning},
    {550, "mailbox unavailable, or refused by policy", "RFC 5321", "ehlo, mail, rcpt, message",
     "See whether the mailbox exists and the server's policy lets the check's address relay to it.",
     kCritical, kCritical},
    {551, "user not local, try another path", "RFC 5321", "rcpt",
     "See where the recipient's mail goes now.", kCritical, kCritical},
    {552, "storage exceeded, message too big, or too many recipients", "RFC 5321",
     "mail, rcpt, message", "See the mailbox's quota and the server's size limit.", kCritical,
     kWarning},
    {553, "mailbox name not allowed", "RFC 5321", "mail, rcpt",
     "See the address and whether the login owns the sender.", kCritical, kCritical},
    {554, "transaction failed, or no service here", "RFC 5321", "banner, rcpt, data, message",
     "See the text and the server's log; at the banner the client's address is often on a "
     "blocklist.",
     kCritical, kCritical},
    {555, "parameters of MAIL or RCPT not recognised", "RFC 5321", "mail, rcpt",
     "See which extension parameters were sent.", kCritical, kCritical},
    {556, "domain accepts no mail", "RFC 7504", "rcpt",
     "See the null MX of the recipient's domain.", kCritical, kCritical},
    {0, "success, of a code that no RFC knows", "RFC 5321 s4.2.1", "none",
     "See what answers there.", kCritical, kCritical},
    {0, "go on, of a code that no RFC knows", "RFC 5321 s4.2.1", "none", "See what answers there.",
     kCritical, kCritical},
    {0, "transient refusal; a client acts on the first digit, as on 450", "RFC 5321 s4.2.1", "any",
     "See the text and the server's log; a later try may succeed.", kCritical, kWarning},
    {0, "permanent refusal; a client acts on the first digit, as on 550", "RFC 5321 s4.2.1", "any",
     "See the text and the server's log.", kCritical, kCritical},
});

constexpr std::size_t kClassRows = 4;

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool starts_without_case(std::string_view text, std::string_view word) {
  if (text.size() < word.size()) return false;
  for (std::size_t i = 0; i < word.size(); ++i) {
    if (lower(text[i]) != word[i]) return false;
  }
  return true;
}

// The server shows that what it was told by us, or how we came, is at fault. A raw command is the
// user's own affair, and QUIT is nobody's.
bool blames_our_configuration(Step step, const Reply& reply, bool tls) {
  if (step == Step::Command || step == Step::Quit) return false;
  if (reply.code == 523 || reply.code == 524 || reply.code == 538) return !tls;
  if (reply.code != 501) return false;
  const bool bad_address =
      reply.status == EnhancedStatus{5, 1, 7} || reply.status == EnhancedStatus{5, 1, 3};
  return bad_address && (step == Step::Mail || step == Step::Rcpt);
}

}  // namespace

std::string_view state_name(State state) {
  switch (state) {
    case State::Ok:
      return "OK";
    case State::Warning:
      return "WARNING";
    case State::Critical:
      return "CRITICAL";
    case State::Unknown:
      return "UNKNOWN";
  }
  return "UNKNOWN";
}

std::optional<State> state_from_name(std::string_view name) {
  constexpr std::array<std::string_view, 4> kNames = {"ok", "warning", "critical", "unknown"};
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    const bool number = name.size() == 1 && name.front() == static_cast<char>('0' + i);
    const bool word = name.size() == kNames[i].size() && starts_without_case(name, kNames[i]);
    if (number || word) return static_cast<State>(i);
  }
  return std::nullopt;
}

State worse(State a, State b) {
  constexpr std::array<int, 4> kWeight = {0, 2, 3, 1};  // UNKNOWN stands below WARNING
  return kWeight[static_cast<std::size_t>(a)] >= kWeight[static_cast<std::size_t>(b)] ? a : b;
}

const ReplyCodeMeaning* reply_code_meaning(int code) {
  if (code < 200 || code > 559 || code / 10 % 10 > 5) return nullptr;
  for (const ReplyCodeMeaning& row : kTable) {
    if (row.code == code) return &row;
  }
  return &kTable[kTable.size() - kClassRows + static_cast<std::size_t>(code / 100 - 2)];
}

std::span<const ReplyCodeMeaning> reply_code_table() { return kTable; }

namespace {

bool is_expected(Step step, int code) {
  switch (step) {
    case Step::Banner:
    case Step::Starttls:
      return code == 220;
    case Step::Ehlo:
    case Step::EhloTls:
    case Step::Mail:
    case Step::Message:
      return code == 250;
    case Step::Auth:
      return code == 235;
    case Step::Rcpt:
      return code == 250 || code == 251;
    case Step::Command:
      return code >= 200 && code < 400;
    case Step::Data:
      return code == 354;
    case Step::Quit:
      return code == 221;
    case Step::Resolve:
    case Step::Connect:
    case Step::Tls:
      return false;
  }
  return false;
}

}  // namespace

int class_due(Step step) {
  switch (step) {
    case Step::Banner:
    case Step::Ehlo:
    case Step::Starttls:
    case Step::EhloTls:
    case Step::Auth:
    case Step::Mail:
    case Step::Rcpt:
    case Step::Message:
    case Step::Quit:
      return 2;
    case Step::Data:
      return 3;
    case Step::Resolve:
    case Step::Connect:
    case Step::Tls:
    case Step::Command:
      return 0;
  }
  return 0;
}

ReplyFit fit_of(Step step, int code) {
  if (is_expected(step, code)) return ReplyFit::Expected;
  // Only a 235 says that we are logged in, and nothing follows QUIT.
  if (step == Step::Auth || step == Step::Quit) return ReplyFit::WrongClass;
  const int due = class_due(step);
  return due != 0 && code / 100 == due ? ReplyFit::OtherCode : ReplyFit::WrongClass;
}

State other_code_state(int code) { return code == 200 ? State::Ok : State::Warning; }

State helo_fallback_state(int code) {
  return code == 500 || code == 502 || code == 504 ? State::Ok : State::Warning;
}

std::string_view expected_reply_words(Step step) {
  switch (step) {
    case Step::Banner:
    case Step::Starttls:
      return "220";
    case Step::Ehlo:
    case Step::EhloTls:
    case Step::Mail:
    case Step::Message:
      return "250";
    case Step::Auth:
      return "235";
    case Step::Rcpt:
      return "250 or 251";
    case Step::Command:
      return "2xx or 3xx";
    case Step::Data:
      return "354";
    case Step::Quit:
      return "221";
    case Step::Resolve:
    case Step::Connect:
    case Step::Tls:
      return "no reply";
  }
  return "no reply";
}

bool refuses_helo_name(Step step, const Reply& reply) {
  if (step == Step::Command || step == Step::Quit) return false;
  if (reply.code == 501 && (step == Step::Ehlo || step == Step::EhloTls)) return true;
  return helo_refusal_of(reply) != nullptr;
}

Reason refusal_reason(Step step, const Reply& reply, bool tls,
                      std::span<const ReplyRegex> greylisting) {
  const int klass = reply.klass();
  if (is_greylisting(step, reply, greylisting)) return Reason::Greylisted;
  if (rate_limit_of(reply) != nullptr) return Reason::RateLimited;
  if (refuses_helo_name(step, reply)) return Reason::Config;
  if (step == Step::Starttls && (klass == 4 || klass == 5) && reply.code != 421) {
    return Reason::StarttlsRefused;
  }
  if (step == Step::Auth) {
    if (reply.code == 535) return Reason::AuthRejected;
    if (reply.code == 504 || reply.code == 534) return Reason::AuthMechanism;
  }
  if (blames_our_configuration(step, reply, tls)) {
    return step == Step::Auth ? Reason::AuthNeedsTls : Reason::Config;
  }
  if (klass == 4) return Reason::Reply4xx;
  if (klass == 5) return Reason::Reply5xx;
  return Reason::ReplyUnexpected;
}

State refusal_state(Step step, const Reply& reply, Reason reason) {
  if (reason == Reason::Config || reason == Reason::AuthNeedsTls) return State::Unknown;
  if (reason == Reason::RateLimited || reason == Reason::Greylisted) return State::Warning;
  if (reason == Reason::StarttlsRefused) return State::Critical;
  // Nothing hangs on the 221, so a bad one is at most worth a look.
  if (step == Step::Quit) return State::Warning;
  if (step == Step::Command && reply.klass() >= 4) return State::Warning;
  if (reply.code == 452 && reply.status == EnhancedStatus{4, 5, 3}) return State::Warning;
  const ReplyCodeMeaning* row = reply_code_meaning(reply.code);
  if (row == nullptr) return State::Critical;
  return step == Step::Rcpt ? row->state_at_rcpt : row->state;
}

}  // namespace smtpprobe
