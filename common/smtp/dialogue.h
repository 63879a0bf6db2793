// The SMTP dialogue (RFC 5321, 3207, 4954, 2033) as a pure state machine: bytes in, next action
// out, time as an argument. No sockets, no clock, no logging, no threads.
//
// The driver asks next(), does it, and reports what happened and when; it never decides.
// Invariants:
//   - nothing is said before the banner, and nothing while a reply is due;
//   - what arrives when no reply is due is an early talker, never an answer, except a 421
//     (RFC 5321 s3.8) and a refusal while the message is being sent;
//   - after the 220 to STARTTLS not one byte may follow; the keywords from before TLS are
//     forgotten;
//   - the first refusal ends the session; QUIT follows where the channel is in sync;
//   - what arrives after QUIT's reply shows that an earlier reply was taken for another's.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/smtp/dialogue_plan.h"
#include "common/smtp/extensions.h"
#include "common/smtp/reply.h"
#include "common/smtp/secret_mask.h"
#include "common/smtp/text_budget.h"
#include "common/smtp/time.h"

namespace smtpprobe {

// One step that ran. `took` is the server's and the network's time only: from the moment our bytes
// left (or the channel was up) to the arrival of the last byte of the answer. The upload of the
// message counts, and a command that the peer does not take at once. Steps of several commands
// (rcpt, command, auth) are the sum, with the worst reply.
struct StepRecord {
  Step step = Step::Banner;
  Instant began{};
  Instant ended{};
  Duration took{};
  Duration sending{};  // the part of `took` in which the peer was to take what we sent
  std::optional<Reply> reply;
  Reason reason = Reason::None;
  std::string
      detail;  // what reason alone does not say: "received 5 bytes, no line end"; raw, unsanitised
};

// Why the session ended early, or what was odd and did not end it. `step` need not have run
// ("starttls_not_offered").
struct Failure {
  Step step = Step::Banner;
  Reason reason = Reason::None;
  std::string detail;          // raw; at Command the command that was refused
  std::optional<Reply> reply;  // the reply that gave the reason, if one did
};

struct TranscriptLine {
  enum class Who : std::uint8_t {
    Client,
    Server,
    Probe
  };  // Probe: "TLS handshake done", "connection closed"
  Who who = Who::Server;
  Instant at{};
  std::string text;  // raw bytes without line end, secrets already masked
};

struct Action {
  enum class Kind : std::uint8_t { Send, Receive, StartTls, Close };
  Kind kind = Kind::Close;
  Step step = Step::Banner;
  std::string_view bytes;  // of Send; valid until the next call of a member that is not const
};

// How the handshake ended, as far as the dialogue has to know.
struct HandshakeReport {
  Reason reason = Reason::None;       // Tls*, Timeout, Connection*, Cert*: the handshake failed
  Reason certificate = Reason::None;  // the handshake is done, verification said this
  bool verified = false;              // chain and name were checked and are good
  std::string detail;  // of reason, or "TLSv1.3, TLS_AES_256_GCM_SHA384" for the transcript
  std::string certificate_detail;  // of certificate
  // The server's and the network's part; absent: all the time since the step began.
  std::optional<Duration> took = std::nullopt;
};

class Dialogue {
 public:
  // `deadline` is the overall one. The channel is connected at `now`.
  Dialogue(DialoguePlan plan, Instant now, Instant deadline);
  // A plan that many dialogues share; never null. `texts` bounds what all sessions of the process
  // keep of their servers' texts; null: no common bound. It outlives the dialogue.
  Dialogue(std::shared_ptr<const DialoguePlan> plan, Instant now, Instant deadline,
           TextBudget* texts = nullptr);

  // What to do now. Pure: asking twice gives the same answer.
  Action next() const;
  // When the current action is too late: the earlier of the step's and the overall deadline.
  Instant deadline() const;

  // So many more bytes of Send have been given to the kernel, in a call that began at `at`; next()
  // then has the rest.
  void on_sent(std::size_t bytes, Instant at);
  // The same for all that is left.
  void on_sent(Instant at) { on_sent(output_.size() - sent_, at); }
  // The kernel takes no more of Send's bytes for now: the peer does not read them, or not so fast.
  void on_send_blocked(Instant at);
  // Bytes from the peer, in any portion, whatever action is pending: before a Send or StartTls the
  // driver looks whether something is there already, and reports it here. `at` is their arrival.
  void on_received(std::string_view bytes, Instant at);
  // Where the handshake begins later than the dialogue asked for it: its time and its limit count
  // from here.
  void on_tls_begun(Instant at);
  void on_tls(const HandshakeReport& report, Instant at);
  // The peer closed (ConnectionClosed) or reset (ConnectionReset) the channel, a TLS record was bad
  // (TlsRecord), or the local side failed (LocalError).
  void on_channel_end(Reason how, std::string detail, Instant at);
  // `took`: how long it was the peer's turn; absent: since the current wait began.
  void on_deadline(Instant at, std::optional<Duration> took = std::nullopt);
  void add_note(Note note) { notes_ |= note; }
  // The next bytes are those of the message: the server may deliver it from here on.
  bool sends_message() const { return step_ == Step::Message; }
  // Nothing but QUIT is left.
  bool is_decided() const { return step_ == Step::Quit; }

  // What came of it; complete once next() is Close, true of the steps so far before that.
  const std::vector<StepRecord>& steps() const { return steps_; }
  const std::optional<Failure>& failure() const { return failure_; }
  // Replies that senders accept and that are not the right ones: another code of the class that was
  // due, a 5yz to EHLO where HELO was accepted. At most one for each step.
  const std::vector<Failure>& deviations() const { return deviations_; }
  const std::vector<TranscriptLine>& transcript() const { return transcript_; }
  // Those of the EHLO that counted; nullopt before any, and after HELO.
  const std::optional<Extensions>& extensions() const { return extensions_; }
  Note notes() const { return notes_; }
  std::optional<Mechanism> auth_mechanism() const { return mechanism_; }
  bool in_tls() const { return tls_up_; }

 private:
  enum class Phase : std::uint8_t {
    Send,
    Receive,
    StartTls,
    AwaitClose,  // QUIT is answered; the server is to close
    Closed
  };
  // What a reply means for the session.
  enum class Outcome : std::uint8_t {
    Proceed,
    Deviate,  // proceed, but the code is another one than was due
    End,      // expected by the user, and nothing can follow it
    Refuse
  };

  // The two switches over Step: what we say on entering a step, and where we go on a reply.
  void enter(Step step, Instant at);
  void on_reply(Reply reply, Instant at);

  void on_banner_reply(const Reply& reply, Instant at);
  void on_ehlo_reply(const Reply& reply, Instant at);
  void on_rcpt_reply(const Reply& reply, Instant at);
  void on_command_reply(const Reply& reply, Instant at);
  void on_message_reply(const Reply& reply, Instant at);
  void on_quit_reply(const Reply& reply);
  void on_plain_reply(const Reply& reply,
                      Instant at);  // starttls, mail, data: one answer, then the next step
  Outcome classify_reply(Step step, const Reply& reply) const;
  void deviate(Reason reason, const Reply& reply, Instant at);
  void end_as_expected(const Reply& reply, Instant at);

  // dialogue_auth.cc
  void enter_auth(Instant at);
  void on_auth_reply(const Reply& reply, Instant at);
  void answer_challenge(const Reply& reply, Instant at);
  void cancel_auth(Reason reason, std::string detail, Instant at);
  void say_secret(std::string_view response, std::string shown, Instant at);

  void advance(Instant at);  // to the next planned step
  void leave(Instant at);    // QUIT, or close where it would be text
  void say(std::string line, Instant at, std::string shown = {});  // one command line
  void await_reply(Instant at);

  // dialogue_unsolicited.cc: what arrives when no reply is due.
  bool reads_reply(std::string_view bytes, Instant at);
  void on_unreadable_reply(Instant at);
  void on_unsolicited(std::string_view bytes, Instant at);
  void on_unsolicited_421(const Reply& reply, Instant at);
  void on_reply_during_message(Reply reply, Instant at);
  void on_surplus_after_quit(std::string_view bytes, Instant at);
  // dialogue_failure.cc
  void refuse(const Reply& reply, Reason reason, std::string detail, Instant at);
  void show_failure_in_record(Instant at);
  void fail(Failure next);
  // kCritical; 2: CRITICAL by the user's choice alone; 1: might pass; 0: will pass
  int weight(const Failure& failure) const;
  void fail(Step step, Reason reason, std::string detail,
            std::optional<Reply> reply = std::nullopt);
  void break_off(Reason reason, std::string detail, Instant at);  // out of sync: no QUIT
  std::string waited_for(Instant at) const;
  std::string replies_missing() const;

  // dialogue_record.cc: the books
  StepRecord& record(Instant at);  // of the current step, begun at the first call
  void record_elapsed(Instant at);
  void begin_sending(Instant at);   // at the first call for each Send
  void record_sending(Instant at);  // until `at`, where it is the step's time
  void keep_worst(const Reply& reply, Instant at);
  void write_down(TranscriptLine::Who who, std::string text, Instant at);
  void append(TranscriptLine masked);
  Reply fitted(Reply stored);  // what is to be stored, short where there is no room for all of it
  Reply kept(const Reply& reply) { return fitted(masked(reply)); }
  void pay_for_reading();
  void write_down_reply(const Reply& reply, Instant at);
  void write_down_message(Instant at);
  void write_down_upload(Instant at);
  void learn_secrets();
  std::string masked(std::string text) const;
  std::string masked_cut(std::string text) const;  // of a text that breaks off
  Reply masked(Reply reply) const;
  Reply masked_keywords(Reply reply) const;
  void learn_raw_secret(std::string_view hidden);
  std::string received_so_far() const;
  std::string other_protocol() const;
  std::string shown_command();
  void write_down_partial_reply(Instant at);

  static constexpr int kCritical = 3;  // of weight()

  std::shared_ptr<const DialoguePlan> plan_;
  Instant deadline_;
  std::vector<Step> path_;  // the steps still to come
  Phase phase_ = Phase::Closed;
  Step step_ = Step::Banner;
  std::optional<Step> answered_;  // the step answered last
  int last_code_ = 0;
  Instant waiting_since_{};
  bool sending_begun_ = false;   // of Send: since waiting_since_
  bool sending_counts_ = false;  // of Send: its time is the step's
  Instant step_deadline_{};
  std::string output_;    // of Send
  std::size_t sent_ = 0;  // of output_; above 0 where half of a line or of the message was sent
  std::string shown_;     // the same as the transcript has it
  ReplyParser parser_;
  bool interrupted_ = false;  // what may be an unsolicited 421 has begun to arrive
  std::size_t bytes_received_ = 0;

  bool tls_up_ = false;
  bool tls_verified_ = false;
  bool said_helo_ = false;
  bool handshake_due_ = false;  // the last reply was the 220 to STARTTLS
  std::vector<std::string> mechanisms_before_tls_;
  std::vector<std::string> mechanisms_;  // of the EHLO that counted
  std::unique_ptr<SaslClient> sasl_;
  std::optional<std::string> unsent_initial_response_;
  std::string auth_detail_;
  bool auth_cancelled_ = false;
  int auth_rounds_ = 0;
  SecretMask secrets_;
  std::size_t next_recipient_ = 0;
  std::size_t accepted_recipients_ = 0;
  std::size_t next_command_ = 0;
  std::string command_shown_;  // the current raw command, without credentials
  std::size_t message_replies_due_ = 0;

  TextAccount texts_;
  bool transcript_ends_ = false;  // there was no room for more
  std::size_t reading_paid_ = 0;  // for the longest reply while it was being read

  std::vector<StepRecord> steps_;
  std::optional<Failure> failure_;
  std::vector<Failure> deviations_;
  std::vector<TranscriptLine> transcript_;
  std::optional<Extensions> extensions_;
  std::optional<Mechanism> mechanism_;
  Note notes_ = Note::None;
};

}  // namespace smtpprobe
