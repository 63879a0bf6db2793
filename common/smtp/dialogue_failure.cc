// How a session fails: which failure is the cause, what its words are, and what ends the session at
// once. Invariant: the first failure is the cause, unless it is one that might pass (greylisting, a
// rate limit, our own fault) and what comes after it might not. Of two refusals of equal weight at
// one step, 5yz is the worse.
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
      return plan_->greylisting == State::Critical ? 2 : 0;
    case Reason::RateLimited:
    case Reason::Config:
    case Reason::AuthNeedsTls:
    case Reason::LocalError:
      return 1;
    default:
      break;
  }
  if (!failure.reply || !plan_->expect[failure.step].empty()) return kCritical;
  // What does not match -e or -R is a WARNING.
  const bool banner_text = failure.step == Step::Banner && plan_->expect_banner.has_value() &&
                           failure.reason == Reason::ReplyUnexpected;
  if (banner_text || failure.step == Step::Command) return 1;
  return refusal_state(failure.step, *failure.reply, failure.reason) == State::Critical ? kCritical
                                                                                        : 1;
}

void Dialogue::fail(Failure next) {
  if (failure_) {
    const int before = weight(*failure_);
    const int after = weight(next);
    const bool worse_reply = failure_->step == next.step && failure_->reply && next.reply &&
                             failure_->reply->klass() < next.reply->klass();
    if (before > after || (before == after && !worse_reply)) return;
  }
  next.detail = masked(std::move(next.detail));
  if (next.reply) next.reply = kept(*next.reply);
  failure_ = std::move(next);
}

void Dialogue::fail(Step step, Reason reason, std::string detail, std::optional<Reply> reply) {
  fail(Failure{step, reason, std::move(detail), std::move(reply)});
}

void Dialogue::refuse(const Reply& reply, Reason reason, std::string detail, Instant at) {
  record(at).reason = reason;
  record(at).detail = masked(detail);
  fail(step_, reason, std::move(detail), reply);
  show_failure_in_record(at);
  leave(at);
}

// Of several refusals at one step all outputs name the one that is the cause.
void Dialogue::show_failure_in_record(Instant at) {
  if (failure_->step != step_ || !failure_->reply) return;
  record(at).reason = failure_->reason;
  record(at).reply = failure_->reply;
}

void Dialogue::break_off(Reason reason, std::string detail, Instant at) {
  // An end that is found before we speak has no part in how long we took to speak.
  if (reason == Reason::Timeout) sending_counts_ = true;
  phase_ == Phase::Send ? record_sending(at) : record_elapsed(at);
  if (phase_ == Phase::Send && step_ == Step::Message) write_down_upload(at);
  write_down_partial_reply(at);
  detail = masked(std::move(detail));
  StepRecord& now = record(at);
  // A challenge is not the reply to AUTH.
  if (step_ == Step::Auth) now.reply.reset();
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

std::string Dialogue::waited_for(Instant at) const {
  const double waited = std::max(0.0, seconds(at - waiting_since_));
  std::string what = phase_ == Phase::StartTls ? "no handshake"
                     : step_ == Step::Banner   ? "no banner"
                     : phase_ == Phase::Send   ? "not taken by the server"
                                               : "no reply";
  std::string detail = fmt::format("{} in {:.1f} s", what, waited);
  for (const std::string& more : {received_so_far(), replies_missing()}) {
    if (!more.empty()) detail += ", " + more;
  }
  if (phase_ == Phase::Receive && step_ == Step::Message) {
    detail += ", the message may have been accepted";
  }
  if (deadline_ <= step_deadline_) detail += ", the overall limit is reached";
  return detail;
}

// LMTP has a reply for each accepted recipient (RFC 2033 s4.2).
std::string Dialogue::replies_missing() const {
  if (step_ != Step::Message || plan_->protocol != Protocol::Lmtp) return {};
  if (phase_ != Phase::Receive || accepted_recipients_ < 2) return {};
  return fmt::format("{} of {} replies arrived", accepted_recipients_ - message_replies_due_,
                     accepted_recipients_);
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
