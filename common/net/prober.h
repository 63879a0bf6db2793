// The driver: one coroutine that connects and does what the Dialogue says next. It decides nothing
// about SMTP, and is the only code that touches the network. The same one runs the one probe of a
// check and the many of an exporter.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <memory>

#include "common/net/address_turns.h"
#include "common/net/pace.h"
#include "common/net/resolver.h"
#include "common/net/tls_context.h"
#include "common/probe/plan.h"
#include "common/probe/result.h"

namespace smtpprobe {

// What keeps the many probes of one process apart; they outlive the probes. Null: nothing does. The
// waits are in ProbeResult::waited and the time of no step.
struct Restraint {
  AddressTurns* turns = nullptr;  // at each address
  Pace* starts = nullptr;         // while it connects; of the probe's own loop, as the next
  Pace* handshakes = nullptr;     // while it computes for TLS
  TurnClaim* claim = nullptr;     // what this probe presents to `turns`; outlives it
  TextBudget* texts = nullptr;    // of all sessions' transcripts and replies
};

// One endpoint of `plan`: of several addresses the first that connects. `tls` is made from the
// plan's TlsPlan; null when no TLS is planned. `resolver` outlives the call and is not asked for an
// address or a unix socket. Where `restraint` took the time that the probe would have needed, it is
// probe_rejected. Ends within plan->timeout, QUIT included; whatever the peer does is in the
// result. May be dropped or cancelled (terminal) at any wait: it then throws operation_aborted, or
// ends with a result that says nothing. By the claim's interrupt it is cancelled before QUIT alone;
// once the message is sent it may not be repeated.
boost::asio::awaitable<ProbeResult> probe(std::shared_ptr<const ProbePlan> plan,
                                          std::shared_ptr<const TlsContext> tls, Resolver& resolver,
                                          Restraint restraint = {});

// The same into a new ProbeResult. All arguments outlive the call: where thousands wait at a time,
// room for a second one of each counts.
boost::asio::awaitable<void> probe_into(ProbeResult& result,
                                        const std::shared_ptr<const ProbePlan>& plan,
                                        const std::shared_ptr<const TlsContext>& tls,
                                        Resolver& resolver, const Restraint& restraint);

}  // namespace smtpprobe
