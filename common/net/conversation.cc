#include "common/net/conversation.h"

#include <algorithm>
#include <array>
#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/system/system_error.hpp>
#include <cstring>
#include <string>
#include <utility>

#include "common/net/connector.h"
#include "common/net/descriptor_shortage.h"
#include "common/net/tls_report.h"
#include "common/probe/verdict.h"

namespace smtpprobe {
namespace asio = boost::asio;
namespace {

// The largest reply line fits, and most replies do.
constexpr std::size_t kReadBytes = 4096;

Instant now() { return std::chrono::steady_clock::now(); }

// Where no descriptor is left, the trusted certificates cannot be read.
void blame_ourselves(TlsFacts& facts) {
  for (CertificateProblem& problem : facts.problems) {
    if (problem.reason != Reason::CertUntrusted) continue;
    const int error = descriptor_shortage();
    if (error == 0) return;
    problem = {Reason::LocalError, problem.depth,
               std::string("cannot read the trusted certificates: ") + ::strerrordesc_np(error)};
  }
}

}  // namespace

Conversation::Conversation(ProbeResult& result, TimeLedger& ledger, const ProbePlan& plan,
                           const TlsContext* tls, Transport& transport, Pace* handshakes,
                           TextBudget* texts, std::shared_ptr<const DialoguePlan> dialogue,
                           Instant connected, Instant deadline, Interrupt* interrupt)
    : result_(result),
      ledger_(ledger),
      plan_(plan),
      tls_(tls),
      transport_(transport),
      handshakes_(handshakes),
      deadline_(deadline),
      interrupt_(interrupt),
      dialogue_(std::move(dialogue), connected, deadline, texts) {}

asio::awaitable<void> Conversation::run() {
  while (true) {
    const Action action = dialogue_.next();
    if (action.kind == Action::Kind::Close) break;
    if (interrupt_ != nullptr && (dialogue_.sends_message() || dialogue_.is_decided())) {
      const bool late = react_to_interrupt();
      if (late) co_await asio::this_coro::reset_cancellation_state();
    }
    if (action.kind == Action::Kind::StartTls && handshakes_ != nullptr && !busy_) {
      auto entering = enter_handshake();
      const bool in = co_await std::move(entering);
      if (!in) continue;
    }
    if (act(action) != IoState::NotYet) continue;
    // The server may refuse a message that it does not read to its end.
    const bool sending = action.kind == Action::Kind::Send;
    const bool in_time = co_await transport_.wait(dialogue_.deadline(), sending);
    // A wait that was cancelled looks like one whose time is over.
    if (!in_time && interrupt_ != nullptr && interrupt_->requested())
      throw boost::system::system_error(asio::error::operation_aborted);
    // One more look before it is too late: under load we are late, not the server.
    if (!in_time && act(dialogue_.next()) == IoState::NotYet) out_of_time();
  }
  result_.unstamped = transport_.unstamped();
  const auto& steps = dialogue_.steps();
  const bool quit_answered =
      !steps.empty() && steps.back().step == Step::Quit && steps.back().reply.has_value();
  transport_.close(quit_answered || !dialogue_.failure());
}

// No mail is sent twice, and no verdict is lost. True: an interruption came too late, and is void.
bool Conversation::react_to_interrupt() {
  if (dialogue_.sends_message() && interrupt_->may_repeat()) {
    if (interrupt_->requested()) throw boost::system::system_error(asio::error::operation_aborted);
    interrupt_->forbid_repeat();
  }
  if (!dialogue_.is_decided()) return false;
  const bool late = interrupt_->requested();
  interrupt_->close();
  return late;
}

asio::awaitable<bool> Conversation::enter_handshake() {
  handshake_place_ = handshakes_->try_enter();
  if (handshake_place_) co_return true;
  const Instant began = now();
  auto waiting = handshakes_->enter(deadline_);
  handshake_place_ = co_await std::move(waiting);
  const Instant ended = now();
  waited_for_place_ = ended - began;
  ledger_.add(TimeUse::Queued, waited_for_place_);
  dialogue_.on_tls_begun(ended);
  if (handshake_place_) co_return true;
  dialogue_.on_channel_end(Reason::ProbeRejected, words_of_wait(), ended);
  co_return false;
}

std::string Conversation::words_of_wait() const {
  return "waited " + seconds_words(waited_for_place_) + " for handshakes of other probes";
}

void Conversation::tell() {
  const auto& steps = dialogue_.steps();
  ledger_.add(steps);
  result_.steps.insert(result_.steps.end(), steps.begin(), steps.end());
  result_.failure = dialogue_.failure();
  result_.deviations = dialogue_.deviations();
  result_.transcript = dialogue_.transcript();
  result_.extensions = dialogue_.extensions();
  result_.auth_mechanism = dialogue_.auth_mechanism();
  result_.notes = dialogue_.notes();
}

IoState Conversation::act(const Action& action) {
  switch (action.kind) {
    case Action::Kind::Send:
      return send(action);
    case Action::Kind::Receive:
      return receive();
    case Action::Kind::StartTls:
      return start_tls();
    case Action::Kind::Close:
      break;
  }
  return IoState::Ended;
}

// What is there before we speak, or while we do, is for the dialogue to know first.
IoState Conversation::send(const Action& action) {
  if (receive() != IoState::NotYet) return IoState::Done;
  IoResult written = transport_.write(action.bytes);
  if (written.state == IoState::NotYet) {
    dialogue_.on_send_blocked(now());
    return IoState::NotYet;
  }
  if (written.state == IoState::Done) {
    dialogue_.on_sent(written.bytes, written.at);
    return IoState::Done;
  }
  // The server's last words may have come between the two calls.
  if (receive() == IoState::NotYet) channel_ended(std::move(written));
  return IoState::Done;
}

// What the peer said, up to one buffer of it.
IoState Conversation::receive() {
  std::array<char, kReadBytes> buffer;
  IoResult heard = transport_.read(buffer);
  if (heard.state == IoState::NotYet) return IoState::NotYet;
  if (heard.state == IoState::Ended) {
    channel_ended(std::move(heard));
  } else if (heard.at >= dialogue_.deadline()) {
    out_of_time();
  } else {
    dialogue_.on_received({buffer.data(), heard.bytes}, heard.at);
  }
  return IoState::Done;
}

IoState Conversation::start_tls() {
  if (!busy_) {
    // With implicit TLS nothing went before, and the handshake itself tells what is no TLS.
    const bool implicit_tls = plan_.dialogue.tls == TlsMode::Implicit;
    if (!implicit_tls && receive() != IoState::NotYet) return IoState::Done;
    SslSession session = tls_ ? tls_->new_session(tls_name()) : nullptr;
    if (!session) {
      HandshakeReport report;
      report.reason = Reason::LocalError;
      report.detail = "cannot make a TLS session";
      dialogue_.on_tls(report, now());
      return IoState::Done;
    }
    handshake_began_ = now();
    dialogue_.on_tls_begun(handshake_began_);
    transport_.start_tls(std::move(session));
    busy_ = true;
    shaking_hands_ = true;
  }
  const IoResult outcome = transport_.handshake();
  if (outcome.state == IoState::NotYet) return IoState::NotYet;
  busy_ = false;
  handshake_ended(outcome);
  return IoState::Done;
}

void Conversation::handshake_ended(const IoResult& outcome) {
  shaking_hands_ = false;
  handshake_place_.reset();
  result_.tls = read_tls_facts(transport_.tls());
  blame_ourselves(*result_.tls);
  const TlsFacts& facts = *result_.tls;
  HandshakeReport report;
  if (outcome.state == IoState::Done) {
    report.detail = facts.version + ", " + facts.cipher;
    const CertificateProblem* problem = first_problem(facts, plan_.tls.ignore_expiration);
    if (plan_.tls.legacy) dialogue_.add_note(Note::TlsLegacy);
    report.verified = facts.checked && facts.established() && problem == nullptr;
    if (facts.checked && problem != nullptr) {
      report.certificate = problem->reason;
      report.certificate_detail = problem_words(facts, *problem);
    }
  } else {
    report.reason = outcome.reason;
    report.detail = outcome.detail;
  }
  report.took = transport_.handshake_time();
  ledger_.add(TimeUse::Computing, outcome.at - handshake_began_ - *report.took);
  dialogue_.on_tls(report, outcome.at);
}

void Conversation::channel_ended(IoResult outcome) {
  // A server that gives up on us while we are busy with others has done nothing wrong.
  const bool given_up = waited_for_place_ > Duration::zero() && !shaking_hands_ &&
                        dialogue_.next().kind == Action::Kind::StartTls;
  if (given_up)
    return dialogue_.on_channel_end(Reason::ProbeRejected,
                                    words_of_wait() + ", then the server had gone", outcome.at);
  if (outcome.no_close_notify) dialogue_.add_note(Note::NoCloseNotify);
  dialogue_.on_channel_end(outcome.reason, std::move(outcome.detail), outcome.at);
}

void Conversation::out_of_time() {
  const Instant at = now();
  if (!shaking_hands_) return dialogue_.on_deadline(at);
  result_.tls = read_tls_facts(transport_.tls());
  const Duration took = std::min(transport_.handshake_time_until(at), at - handshake_began_);
  ledger_.add(TimeUse::Computing, at - handshake_began_ - took);
  dialogue_.on_deadline(at, took);
}

}  // namespace smtpprobe
