// What arrives when no reply is due. Invariant: it is never the answer to what we say next. A 421
// that comes by itself is the reply to what we were about to say (RFC 5321 s3.8); a refusal while
// the message is being sent is its reply; all else is an early talker, and the channel is out of
// sync.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "common/smtp/dialogue.h"
#include "common/smtp/reply_code.h"

namespace smtpprobe {
namespace {

constexpr std::size_t kShown = 200;

bool may_be_421(std::string_view bytes) {
  const std::string_view code = bytes.substr(0, 3);
  return code == std::string_view("421").substr(0, code.size());
}

}  // namespace

// Whether `bytes` are read as a reply.
bool Dialogue::reads_reply(std::string_view bytes, Instant at) {
  switch (phase_) {
    case Phase::Receive:
      if (!interrupted_ || !parser_.reply().lines.empty()) return true;
      return may_be_421(std::string(parser_.unfinished_line()).append(bytes.substr(0, 3)));
    case Phase::Send:
      if (step_ == Step::Message && sent_ > 0) {
        // Only a refusal may begin before the message is complete.
        return parser_.bytes() > 0 || bytes.front() == '4' || bytes.front() == '5';
      }
      if (!may_be_421(bytes)) return false;
      interrupted_ = true;
      record_sending(at);
      waiting_since_ = at;
      step_deadline_ = at + plan_->limits.of(step_);
      phase_ = Phase::Receive;
      return true;
    case Phase::StartTls:
    case Phase::AwaitClose:
    case Phase::Closed:
      return false;
  }
  return false;
}

void Dialogue::on_unreadable_reply(Instant at) {
  if (interrupted_ || phase_ == Phase::Send) return on_unsolicited({}, at);
  break_off(parser_.failure(), received_so_far() + other_protocol(), at);
}

void Dialogue::on_unsolicited_421(const Reply& reply, Instant at) {
  interrupted_ = false;
  if (reply.code != 421) return on_unsolicited(reply.wire(), at);
  record_elapsed(at);
  write_down_reply(reply, at);
  keep_worst(reply, at);
  notes_ |= reply.notes;
  // After a 354 it is still text that the server waits for, and QUIT would be a line of it.
  if (step_ != Step::Message) last_code_ = reply.code;
  answered_ = step_;
  const Reason reason = refusal_reason(step_, reply, tls_up_, plan_->greylisting_patterns);
  if (step_ == Step::Quit) {  // all that was planned is done
    record(at).reason = reason;
    phase_ = Phase::Closed;
    return;
  }
  if (classify_reply(step_, reply) == Outcome::End) return end_as_expected(reply, at);
  refuse(reply, reason, step_ == Step::Command ? command_shown_ : std::string(), at);
}

// A server need not read the whole message to refuse it. The rest is not sent, for QUIT would be a
// line of it.
void Dialogue::on_reply_during_message(Reply reply, Instant at) {
  if (reply.klass() < 4) return on_unsolicited(reply.wire(), at);
  write_down_upload(at);
  message_replies_due_ = 1;
  on_reply(std::move(reply), at);
}

void Dialogue::on_unsolicited(std::string_view bytes, Instant at) {
  if (phase_ == Phase::AwaitClose) return on_surplus_after_quit(bytes, at);
  const bool uploading = phase_ == Phase::Send && step_ == Step::Message && sent_ > 0;
  if (uploading) write_down_upload(at);
  if (parser_.state() == ReplyParser::State::Failed) write_down_partial_reply(at);
  // Masked before it is cut: half a secret is one, too.
  const std::string all = std::string(parser_.unfinished_line()).append(bytes);
  std::string shown = masked_cut(all).substr(0, kShown);
  while (!shown.empty() && (shown.back() == '\n' || shown.back() == '\r')) shown.pop_back();
  if (!bytes.empty()) write_down(TranscriptLine::Who::Server, shown, at);

  Reason reason = Reason::EarlyTalker;
  Step blamed = answered_.value_or(step_);
  if (phase_ == Phase::StartTls) {
    reason = answered_ ? Reason::PlaintextAfterStarttls : Reason::TlsNotTls;
  } else if (blamed == Step::Starttls && tls_up_) {
    blamed = step_;  // the first thing that was said inside TLS
  } else if (blamed == Step::Message && plan_->protocol == Protocol::Lmtp) {
    reason = Reason::ReplyCount;
  }
  if (phase_ == Phase::StartTls && answered_) steps_.pop_back();  // the handshake never began
  for (StepRecord& one : steps_) {
    if (one.step == blamed && one.reason == Reason::None) one.reason = reason;
  }
  fail(blamed, reason, "\"" + shown + "\"");
  phase_ = Phase::Closed;
}

// QUIT was answered by what belonged to an earlier command, or the server says more than it was
// asked for. After the 221 an empty line, which is no reply, and a 421 change nothing.
void Dialogue::on_surplus_after_quit(std::string_view bytes, Instant at) {
  const bool empty = bytes.find_first_not_of("\r\n") == std::string_view::npos;
  if (last_code_ == 221 && (empty || interrupted_ || may_be_421(bytes))) {
    interrupted_ = interrupted_ || !empty;
    return;
  }
  std::string shown = masked_cut(std::string(bytes)).substr(0, kShown);
  while (!shown.empty() && (shown.back() == '\n' || shown.back() == '\r')) shown.pop_back();
  write_down(TranscriptLine::Who::Server, shown, at);
  steps_.back().reason = Reason::EarlyTalker;
  fail(Step::Quit, Reason::EarlyTalker,
       fmt::format("\"{}\" after QUIT was answered with {}", shown, last_code_));
  phase_ = Phase::Closed;
}

}  // namespace smtpprobe
