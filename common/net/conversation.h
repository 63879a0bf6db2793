// Does what the Dialogue says next on a connected Transport, and reports what came of it and when.
// Decides nothing about SMTP. Law: before it speaks, and before it starts TLS, it looks whether
// something is there already; what arrived in time counts, however late it is read.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>

#include "common/net/interrupt.h"
#include "common/net/pace.h"
#include "common/net/tls_context.h"
#include "common/net/transport.h"
#include "common/probe/plan.h"
#include "common/probe/result.h"
#include "common/probe/time_ledger.h"
#include "common/smtp/dialogue.h"

namespace smtpprobe {

class Conversation {
 public:
  // All that is referred to outlives the conversation. `tls` is null where no TLS is planned,
  // `handshakes` where handshakes wait for no others, `interrupt` where nothing interrupts it;
  // `texts` as Dialogue has it. The connection is up since `connected`.
  Conversation(ProbeResult& result, TimeLedger& ledger, const ProbePlan& plan,
               const TlsContext* tls, Transport& transport, Pace* handshakes, TextBudget* texts,
               std::shared_ptr<const DialoguePlan> dialogue, Instant connected, Instant deadline,
               Interrupt* interrupt);

  // To the end of the dialogue, and of the connection.
  boost::asio::awaitable<void> run();
  // Adds what the dialogue knows to the result and its time to the ledger.
  void tell();

 private:
  // False: the time went by before it was this one's turn, and the dialogue knows.
  boost::asio::awaitable<bool> enter_handshake();
  std::string words_of_wait() const;
  bool react_to_interrupt();

  // One action of the dialogue as far as it goes without waiting.
  IoState act(const Action& action);
  IoState send(const Action& action);
  IoState receive();
  IoState start_tls();
  void handshake_ended(const IoResult& outcome);
  void channel_ended(IoResult outcome);
  void out_of_time();

  const std::string& tls_name() const {
    return plan_.tls.server_name.empty() ? plan_.target.host : plan_.tls.server_name;
  }

  ProbeResult& result_;
  TimeLedger& ledger_;
  const ProbePlan& plan_;
  const TlsContext* tls_;
  Transport& transport_;
  Pace* handshakes_;
  std::optional<Pace::Place> handshake_place_;
  Instant deadline_;
  Interrupt* interrupt_;
  Dialogue dialogue_;
  bool busy_ = false;  // in the middle of a handshake: it is known that the peer was silent
  bool shaking_hands_ = false;
  Instant handshake_began_{};
  Duration waited_for_place_{};
};

}  // namespace smtpprobe
