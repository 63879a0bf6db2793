#include "common/smtp/dialogue.h"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <utility>

#include "common/smtp/helo_refusal.h"
#include "common/smtp/reply_code.h"

namespace smtpprobe {
namespace {

// -e: a text that begins with a code is held against the start of each line, so that a 554 whose
// text holds "220" is no 220; anything else may stand anywhere in the banner.
bool banner_matches(const std::string& expected, const Reply& reply) {
  const std::string wire = reply.wire();
  const bool begins_with_code =
      expected.size() >= 3 && expected.find_first_not_of("0123456789") >= 3;
  if (!begins_with_code) return wire.find(expected) != std::string::npos;
  for (std::size_t line = 0; line != std::string::npos;) {
    if (wire.compare(line, expected.size(), expected) == 0) return true;
    const std::size_t end = wire.find('\n', line);
    line = end == std::string::npos ? end : end + 1;
  }
  return false;
}

bool is_starttls(std::string_view command) {
  constexpr std::string_view kVerb = "STARTTLS";
  return command.size() >= kVerb.size() &&
         std::equal(kVerb.begin(), kVerb.end(), command.begin(),
                    [](char a, char b) { return a == (b >= 'a' && b <= 'z' ? b - 32 : b); });
}

bool begins_with_code_of(const std::string& expected, const Reply& reply) {
  return expected.starts_with(std::to_string(reply.code));
}

}  // namespace

Dialogue::Dialogue(DialoguePlan plan, Instant now, Instant deadline)
    : Dialogue(std::make_shared<const DialoguePlan>(std::move(plan)), now, deadline) {}

Dialogue::Dialogue(std::shared_ptr<const DialoguePlan> plan, Instant now, Instant deadline,
                   TextBudget* texts)
    : plan_(std::move(plan)), deadline_(deadline), path_(session_path(*plan_)), texts_(texts) {
  learn_secrets();
  advance(now);
}

Action Dialogue::next() const {
  switch (phase_) {
    case Phase::Send:
      return {Action::Kind::Send, step_, std::string_view(output_).substr(sent_)};
    case Phase::Receive:
    case Phase::AwaitClose:
      return {Action::Kind::Receive, step_, {}};
    case Phase::StartTls:
      return {Action::Kind::StartTls, step_, {}};
    case Phase::Closed:
      break;
  }
  return {Action::Kind::Close, step_, {}};
}

Instant Dialogue::deadline() const { return std::min(step_deadline_, deadline_); }

void Dialogue::enter(Step step, Instant at) {
  step_ = step;
  step_deadline_ = at + plan_->limits.of(step);
  switch (step) {
    case Step::Resolve:
    case Step::Connect:
      assert(false && "the prober's steps are in no dialogue");
      phase_ = Phase::Closed;
      return;
    case Step::Tls:
      waiting_since_ = at;
      record(at);
      phase_ = Phase::StartTls;
      return;
    case Step::Banner:
      record(at);
      await_reply(at);
      return;
    case Step::EhloTls:
      extensions_.reset();
      [[fallthrough]];
    case Step::Ehlo:
      said_helo_ = plan_->helo;
      say((plan_->protocol == Protocol::Lmtp ? "LHLO "
           : plan_->helo                     ? "HELO "
                                             : "EHLO ") +
              plan_->helo_name,
          at);
      return;
    case Step::Starttls:
      say("STARTTLS", at);
      return;
    case Step::Auth:
      enter_auth(at);
      return;
    case Step::Mail:
      say("MAIL FROM:<" + plan_->from.value_or("") + ">", at);
      return;
    case Step::Rcpt:
      say("RCPT TO:<" + plan_->to[next_recipient_] + ">", at);
      return;
    case Step::Command:
      command_shown_ = shown_command();
      say(plan_->commands[next_command_].text, at, command_shown_);
      return;
    case Step::Data:
      say("DATA", at);
      return;
    case Step::Message:
      message_replies_due_ = plan_->protocol == Protocol::Lmtp ? accepted_recipients_ : 1;
      output_ = dot_stuff(plan_->message);
      sent_ = 0;
      shown_.clear();
      waiting_since_ = at;
      sending_begun_ = sending_counts_ = false;
      phase_ = Phase::Send;
      return;
    case Step::Quit:
      // After a 3yz the server waits for more, and QUIT would be taken for it; after half a line or
      // half a message it would be the rest of that; after the 220 to STARTTLS the server waits for
      // a ClientHello.
      if (last_code_ / 100 == 3 || handshake_due_ || sent_ > 0) {
        phase_ = Phase::Closed;
      } else {
        say("QUIT", at);
      }
      return;
  }
}

void Dialogue::on_reply(Reply reply, Instant at) {
  record_elapsed(at);
  // "220 2.3.19 ready" is a version, not a status (RFC 2034 s4 leaves out banner and EHLO).
  const bool hello = step_ == Step::Banner || step_ == Step::Ehlo || step_ == Step::EhloTls;
  if (hello && reply.klass() == 2) reply.status.reset();
  if (step_ == Step::Auth && reply.code == 334) {
    // A challenge with what was answered is enough to guess a password against (SCRAM's nonce, salt
    // and signature): the books do not hold it.
    Reply challenge = reply;
    challenge.lines = {"****"};
    write_down_reply(challenge, at);
    keep_worst(challenge, at);
  } else {
    write_down_reply(reply, at);
    keep_worst(reply, at);
  }
  notes_ |= reply.notes;
  last_code_ = reply.code;
  answered_ = step_;
  const bool asked_for_tls =
      step_ == Step::Starttls ||
      (step_ == Step::Command && is_starttls(plan_->commands[next_command_].text));
  handshake_due_ = asked_for_tls && reply.code == 220;
  switch (step_) {
    case Step::Resolve:
    case Step::Connect:
    case Step::Tls:
      assert(false && "no reply is due at these steps");
      return;
    case Step::Banner:
      return on_banner_reply(reply, at);
    case Step::Ehlo:
    case Step::EhloTls:
      return on_ehlo_reply(reply, at);
    case Step::Auth:
      return on_auth_reply(reply, at);
    case Step::Rcpt:
      return on_rcpt_reply(reply, at);
    case Step::Command:
      return on_command_reply(reply, at);
    case Step::Message:
      return on_message_reply(reply, at);
    case Step::Quit:
      return on_quit_reply(reply);
    case Step::Starttls:
    case Step::Mail:
    case Step::Data:
      return on_plain_reply(reply, at);
  }
}

Dialogue::Outcome Dialogue::classify_reply(Step step, const Reply& reply) const {
  const std::vector<ReplyPattern>& patterns = plan_->expect[step];
  if (patterns.empty()) {
    switch (fit_of(step, reply.code)) {
      case ReplyFit::Expected:
        return Outcome::Proceed;
      case ReplyFit::OtherCode:
        if (step == Step::Banner && plan_->banner_is_220) return Outcome::Refuse;
        return Outcome::Deviate;
      case ReplyFit::WrongClass:
        return Outcome::Refuse;
    }
  }
  const bool matches = std::any_of(patterns.begin(), patterns.end(),
                                   [&reply](const ReplyPattern& p) { return p.matches(reply); });
  if (!matches) return Outcome::Refuse;
  // A refusal of our own name says nothing of what the refusal was expected for.
  const bool ours =
      step != Step::Command && step != Step::Quit && helo_refusal_of(reply) != nullptr;
  if (ours) return Outcome::Refuse;
  // Expected or not, the session goes on only where the protocol lets it.
  if (step == Step::Auth) return reply.code == 235 ? Outcome::Proceed : Outcome::End;
  const int due = class_due(step);
  return due == 0 || reply.klass() == due ? Outcome::Proceed : Outcome::End;
}

// Senders act on the first digit (RFC 5321 s4.3.2), and so do we; but it is said.
void Dialogue::deviate(Reason reason, const Reply& reply, Instant at) {
  if (reply.code == 200) {
    notes_ |= Note::Code200;
    return;
  }
  // Once for all recipients; EHLO's refusal and HELO's answer are two.
  for (const Failure& known : deviations_) {
    if (known.step == step_ && known.reply->klass() == reply.klass()) return;
  }
  record(at).reason = reason;
  deviations_.push_back({step_, reason, {}, kept(reply)});
}

// What was planned after this reply can no longer run, and a probe that left it out is not OK.
void Dialogue::end_as_expected(const Reply& reply, Instant at) {
  if (path_.empty() || path_.front() == Step::Quit) return leave(at);
  const Reason reason = reply.klass() == 5   ? Reason::Reply5xx
                        : reply.klass() == 4 ? Reason::Reply4xx
                                             : Reason::ReplyUnexpected;
  refuse(reply, reason,
         "as expected, but " + std::string(step_name(path_.front())) + " was planned after it", at);
}

void Dialogue::on_banner_reply(const Reply& reply, Instant at) {
  // A certificate that the user does not put up with has ended the walk already.
  if (failure_) return leave(at);
  if (plan_->expect_banner) {
    if (!banner_matches(*plan_->expect_banner, reply)) {
      return refuse(reply, Reason::ReplyUnexpected,
                    "expected a banner with \"" + *plan_->expect_banner + "\"", at);
    }
    if (reply.klass() == 2) return advance(at);
    // "-e 521" expects the refusal; a host name that stands in one does not make it good.
    if (begins_with_code_of(*plan_->expect_banner, reply)) return leave(at);
    return refuse(reply, refusal_reason(Step::Banner, reply, tls_up_, plan_->greylisting_patterns),
                  {}, at);
  }
  on_plain_reply(reply, at);
}

void Dialogue::on_ehlo_reply(const Reply& reply, Instant at) {
  const Outcome outcome = classify_reply(step_, reply);
  // What the user expects of EHLO is not asked of HELO.
  if (outcome == Outcome::Refuse && reply.klass() == 5 && !said_helo_ &&
      plan_->protocol == Protocol::Smtp && plan_->expect[step_].empty()) {
    said_helo_ = true;
    notes_ |= Note::HeloFallback;
    deviate(Reason::Reply5xx, reply, at);
    // The answer to HELO is the one that counts.
    steps_.back().reply.reset();
    steps_.back().reason = Reason::None;
    return say("HELO " + plan_->helo_name, at);
  }
  if (outcome == Outcome::End || outcome == Outcome::Refuse) return on_plain_reply(reply, at);
  const bool fell_back = said_helo_ && !plan_->helo;
  if (fell_back && Extensions(reply).answers_ehlo()) {
    // Only EHLO is answered with keywords: what came before belonged to something else.
    return break_off(Reason::EarlyTalker, "HELO is answered with the keywords of EHLO", at);
  }
  if (outcome == Outcome::Deviate) deviate(Reason::ReplyUnexpected, reply, at);

  mechanisms_.clear();
  if (!said_helo_) {
    mechanisms_ = Extensions(reply).auth_mechanisms();
    extensions_ = Extensions(masked_keywords(reply));
    if (!texts_.take(extensions_->bytes())) extensions_->shorten();
  }
  if (step_ == Step::Ehlo) {
    mechanisms_before_tls_ = mechanisms_;
  } else if (!mechanisms_before_tls_.empty() && mechanisms_ != mechanisms_before_tls_) {
    notes_ |= Note::CapsChanged;
  }
  if (!path_.empty() && path_.front() == Step::Starttls &&
      !(extensions_ && extensions_->offers("STARTTLS"))) {
    if (plan_->tls == TlsMode::Starttls) {
      fail(Step::Starttls, Reason::StarttlsNotOffered, {});
      return leave(at);
    }
    std::erase_if(path_, [](Step step) {
      return step == Step::Starttls || step == Step::Tls || step == Step::EhloTls;
    });
  }
  advance(at);
}

void Dialogue::on_plain_reply(const Reply& reply, Instant at) {
  switch (classify_reply(step_, reply)) {
    case Outcome::Deviate:
      deviate(Reason::ReplyUnexpected, reply, at);
      return advance(at);
    case Outcome::Proceed:
      return advance(at);
    case Outcome::End:
      return end_as_expected(reply, at);
    case Outcome::Refuse:
      return refuse(reply, refusal_reason(step_, reply, tls_up_, plan_->greylisting_patterns), {},
                    at);
  }
}

void Dialogue::on_rcpt_reply(const Reply& reply, Instant at) {
  switch (classify_reply(Step::Rcpt, reply)) {
    case Outcome::Deviate:
      deviate(Reason::ReplyUnexpected, reply, at);
      ++accepted_recipients_;
      break;
    case Outcome::Proceed:
      ++accepted_recipients_;
      if (reply.code == 251) notes_ |= Note::WillForward;
      break;
    case Outcome::End:
      break;  // the next recipient may still be accepted
    case Outcome::Refuse:
      return refuse(reply, refusal_reason(Step::Rcpt, reply, tls_up_, plan_->greylisting_patterns),
                    {}, at);
  }
  if (++next_recipient_ < plan_->to.size()) return enter(Step::Rcpt, at);
  if (accepted_recipients_ == 0) return end_as_expected(reply, at);
  advance(at);
}

void Dialogue::on_command_reply(const Reply& reply, Instant at) {
  const RawCommand& command = plan_->commands[next_command_];
  if (command.expected) {
    if (!command.expected->matches(reply.wire())) {
      return refuse(reply, Reason::ReplyUnexpected, command_shown_, at);
    }
  } else if (classify_reply(Step::Command, reply) == Outcome::Refuse) {
    return refuse(reply, refusal_reason(Step::Command, reply, tls_up_, plan_->greylisting_patterns),
                  command_shown_, at);
  }
  if (++next_command_ < plan_->commands.size()) return enter(Step::Command, at);
  advance(at);
}

void Dialogue::on_message_reply(const Reply& reply, Instant at) {
  --message_replies_due_;
  switch (classify_reply(Step::Message, reply)) {
    case Outcome::Deviate:
      deviate(Reason::ReplyUnexpected, reply, at);
      break;
    case Outcome::Proceed:
    case Outcome::End:
      break;
    case Outcome::Refuse:
      fail(Step::Message,
           refusal_reason(Step::Message, reply, tls_up_, plan_->greylisting_patterns), {}, reply);
      show_failure_in_record(at);
      break;
  }
  // LMTP answers once for each accepted recipient (RFC 2033 s4.2): QUIT has to wait for them all.
  if (message_replies_due_ > 0) return await_reply(at);
  failure_ ? leave(at) : advance(at);
}

void Dialogue::on_quit_reply(const Reply& reply) {
  if (classify_reply(Step::Quit, reply) == Outcome::Refuse) {
    steps_.back().reason = refusal_reason(Step::Quit, reply, tls_up_, plan_->greylisting_patterns);
  }
  // A reply that was taken for another's shows now: the last one is still to come.
  const bool decided = failure_ && weight(*failure_) == kCritical;
  phase_ = decided ? Phase::Closed : Phase::AwaitClose;
}

void Dialogue::begin_sending(Instant at) {
  if (std::exchange(sending_begun_, true)) return;
  waiting_since_ = std::max(waiting_since_, at);
  step_deadline_ = waiting_since_ + plan_->limits.of(step_);
  // The upload belongs to the message: a server may be slow to read. A command leaves at once.
  sending_counts_ = step_ == Step::Message;
  record(waiting_since_);
}

void Dialogue::on_send_blocked(Instant at) {
  if (phase_ != Phase::Send) return;
  begin_sending(at);
  sending_counts_ = true;
}

void Dialogue::on_sent(std::size_t bytes, Instant at) {
  if (phase_ != Phase::Send) return;
  begin_sending(at);
  sent_ += bytes;
  if (sent_ < output_.size()) {
    sending_counts_ = true;
    return;
  }
  record_sending(at);
  waiting_since_ = at;
  if (step_ == Step::Message) {
    write_down_message(at);
  } else {
    write_down(TranscriptLine::Who::Client, std::exchange(shown_, {}), at);
  }
  output_.clear();
  sent_ = 0;
  await_reply(at);
}

void Dialogue::await_reply(Instant at) {
  // The reply to the message may have begun while that was being sent.
  if (parser_.bytes() == 0) {
    ReplyLimits limits;
    if (step_ == Step::Auth) limits.line_bytes = kAuthLineBytes;
    parser_.reset(limits);
  }
  if (step_ != Step::Message) waiting_since_ = std::max(waiting_since_, at);
  step_deadline_ = at + plan_->limits.of(step_);
  phase_ = Phase::Receive;
}

void Dialogue::on_received(std::string_view bytes, Instant at) {
  if (phase_ == Phase::Closed || bytes.empty()) return;
  bytes_received_ += bytes.size();
  while (!bytes.empty() && reads_reply(bytes, at)) {
    bytes.remove_prefix(parser_.consume(bytes));
    if (parser_.state() == ReplyParser::State::NeedMore) {
      pay_for_reading();
      break;
    }
    if (parser_.state() == ReplyParser::State::Failed) return on_unreadable_reply(at);
    Reply reply = parser_.reply();
    parser_.reset();
    if (interrupted_) {
      on_unsolicited_421(reply, at);
    } else if (phase_ == Phase::Send) {
      on_reply_during_message(std::move(reply), at);
    } else {
      on_reply(std::move(reply), at);
    }
  }
  if (phase_ == Phase::Closed) return;
  if (bytes_received_ > kConnectionBytes) {
    return break_off(Reason::ReplyTooLong,
                     fmt::format("over {} bytes in one session", kConnectionBytes), at);
  }
  if (!bytes.empty()) on_unsolicited(bytes, at);
}

void Dialogue::on_tls_begun(Instant at) {
  if (phase_ != Phase::StartTls) return;
  waiting_since_ = at;
  step_deadline_ = at + plan_->limits.of(step_);
}

void Dialogue::on_tls(const HandshakeReport& report, Instant at) {
  if (phase_ != Phase::StartTls) return;
  if (report.took) waiting_since_ = at - *report.took;
  if (report.reason != Reason::None) return break_off(report.reason, report.detail, at);
  record_elapsed(at);
  write_down(TranscriptLine::Who::Probe, report.detail, at);
  tls_up_ = true;
  handshake_due_ = false;
  tls_verified_ = report.verified;
  // What was offered in clear counts no longer (RFC 3207 s4.2).
  extensions_.reset();
  if (report.certificate != Reason::None && plan_->stop_on_bad_certificate) {
    record(at).reason = report.certificate;
    fail(Step::Tls, report.certificate, report.certificate_detail);
    path_.clear();
    // Nothing is said before the banner, not even QUIT.
    if (plan_->tls == TlsMode::Implicit) return enter(Step::Banner, at);
    return leave(at);
  }
  advance(at);
}

void Dialogue::on_channel_end(Reason how, std::string detail, Instant at) {
  if (phase_ == Phase::AwaitClose) phase_ = Phase::Closed;
  if (phase_ == Phase::Closed) return;
  for (const std::string& more : {received_so_far(), replies_missing()}) {
    if (!more.empty()) detail += (detail.empty() ? "" : ", ") + more;
  }
  break_off(how, std::move(detail), at);
}

void Dialogue::on_deadline(Instant at, std::optional<Duration> took) {
  if (phase_ == Phase::AwaitClose) phase_ = Phase::Closed;
  if (phase_ == Phase::Closed) return;
  if (interrupted_) return on_unsolicited({}, at);
  if (took) waiting_since_ = at - *took;
  break_off(Reason::Timeout, waited_for(at), at);
}

void Dialogue::advance(Instant at) {
  if (path_.empty()) {
    phase_ = Phase::Closed;
    return;
  }
  const Step step = path_.front();
  path_.erase(path_.begin());
  enter(step, at);
}

void Dialogue::leave(Instant at) {
  path_.clear();
  enter(Step::Quit, at);
}

void Dialogue::say(std::string line, Instant at, std::string shown) {
  shown_ = shown.empty() ? line : std::move(shown);
  output_ = std::move(line);
  output_ += "\r\n";
  sent_ = 0;
  waiting_since_ = at;
  sending_begun_ = sending_counts_ = false;
  phase_ = Phase::Send;
}

}  // namespace smtpprobe
