// How a walk fails: which failure is the cause, what its words are, and what ends the session at
// once. Law: the first failure is the cause, unless it is one that might pass (greylisting, a rate
// limit, our own fault) and what comes behind it might not.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "common/smtp/dialogue.h"
#include "common/smtp/reply_code.h"

namespace smtpprobe {
namespace {

double seconds(Duration duration) { return std::chrono::duration<double>(duration).count(); }

}  // namespace

int Dialogue::weight(const Failure& failure) const {
  switch (failure.reason) {
    case Reason::Greylisted:
      return plan_.greylisting == State::Critical ? 2 : 0;
    case Reason::RateLimited:
    case Reason::Config:
    case Reason::AuthNeedsTls:
    case Reason::LocalError:
      return 1;
    default:
      break;
  }
  if (!failure.reply || !plan_.expect[failure.step].empty()) return 3;
  // What does not match -e or -R is a WARNING.
  const bool banner_text = failure.step == Step::Banner && plan_.expect_banner.has_value() &&
                           failure.reason == Reason::ReplyUnexpected;
  if (banner_text || failure.step == Step::Command) return 1;
  return refusal_state(failure.step, *failure.reply, failure.reason) == State::Critical ? 3 : 1;
}

void Dialogue::fail(Failure next) {
  if (failure_ && weight(*failure_) >= weight(next)) return;
  next.detail = masked(std::move(next.detail));
  if (next.reply) next.reply = masked(*std::move(next.reply));
  failure_ = std::move(next);
}

void Dialogue::fail(Step step, Reason reason, std::string detail, std::optional<Reply> reply) {
  fail(Failure{step, reason, std::move(detail), std::move(reply)});
}

void Dialogue::refuse(const Reply& reply, Reason reason, std::string detail, Instant at) {
  record(at).reason = reason;
  record(at).detail = masked(detail);
  fail(step_, reason, std::move(detail), reply);
  leave(at);
}

void Dialogue::break_off(Reason reason, std::string detail, Instant at) {
  if (phase_ != Phase::Send) stop_watch(at);
  if (phase_ == Phase::Receive) write_down_partial_reply(at);
  detail = masked(std::move(detail));
  StepRecord& now = record(at);
  now.reason = reason;
  now.detail = detail;
  write_down(TranscriptLine::Who::Probe,
             detail.empty() ? std::string(reason_words(reason))
                            : std::string(reason_words(reason)) + ": " + detail,
             at);
  // A missing 221 is no fault of the walk that came before it.
  if (step_ != Step::Quit) fail(step_, reason, std::move(detail));
  phase_ = Phase::Closed;
}

void Dialogue::on_unasked(std::string_view bytes, Instant at) {
  constexpr std::size_t kShown = 200;
  // Masked before it is cut: half a secret is one, too.
  std::string shown = masked_cut(std::string(bytes)).substr(0, kShown);
  while (!shown.empty() && (shown.back() == '\n' || shown.back() == '\r')) shown.pop_back();
  write_down(TranscriptLine::Who::Server, shown, at);

  Reason reason = Reason::EarlyTalker;
  Step blamed = answered_.value_or(step_);
  if (phase_ == Phase::StartTls) {
    reason = answered_ ? Reason::PlaintextAfterStarttls : Reason::TlsNotTls;
  } else if (blamed == Step::Message && plan_.protocol == Protocol::Lmtp) {
    reason = Reason::ReplyCount;
  }
  if (phase_ == Phase::StartTls && answered_) steps_.pop_back();  // the handshake never began
  for (StepRecord& one : steps_) {
    if (one.step == blamed && one.reason == Reason::None) one.reason = reason;
  }
  fail(blamed, reason, "\"" + shown + "\"");
  phase_ = Phase::Closed;
}

std::string Dialogue::waited_for(Instant at) const {
  const double waited = std::max(0.0, seconds(at - waiting_since_));
  std::string what = phase_ == Phase::StartTls ? "no handshake"
                     : step_ == Step::Banner   ? "no banner"
                     : phase_ == Phase::Send   ? "not taken by the server"
                                               : "no reply";
  std::string detail = fmt::format("{} in {:.1f} s", what, waited);
  if (phase_ == Phase::Receive) {
    const std::string so_far = received_so_far();
    if (!so_far.empty()) detail += ", " + so_far;
    if (step_ == Step::Message) detail += ", the message may have been accepted";
  }
  if (deadline_ <= step_deadline_) detail += ", the overall limit is reached";
  return detail;
}

// Who answers instead of an SMTP server, where the first bytes tell.
std::string Dialogue::other_protocol() const {
  if (step_ != Step::Banner) return {};
  constexpr std::pair<std::string_view, std::string_view> kMarks[] = {
      {"SSH-", "an SSH server"},  {"HTTP/", "a web server"},   {"+OK", "a POP3 server"},
      {"* OK", "an IMAP server"}, {"\x16\x03", "TLS at once"}, {"\x15\x03", "TLS at once"},
      {"RFB ", "a VNC server"},
  };
  for (const auto& [mark, who] : kMarks) {
    if (parser_.unfinished_line().starts_with(mark))
      return fmt::format(", this looks like {}", who);
  }
  return {};
}

}  // namespace smtpprobe
