// The driver: one coroutine that connects and does what the Dialogue says next. It decides nothing
// about SMTP, and is the only code that touches the network. The same one runs the one probe of a
// check and the many of an exporter.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <memory>

#include "common/net/resolver.h"
#include "common/net/tls_context.h"
#include "common/probe/plan.h"
#include "common/probe/result.h"

namespace smtpprobe {

// One endpoint of `plan`: of several addresses the first that connects. `tls` is made from the
// plan's TlsPlan; null when no TLS is planned. `resolver` outlives the call and is not asked for an
// address or a unix socket. Ends within plan.timeout, QUIT included; whatever the peer does is in
// the result. May be dropped at any wait.
boost::asio::awaitable<ProbeResult> probe(ProbePlan plan, std::shared_ptr<const TlsContext> tls,
                                          Resolver& resolver);

}  // namespace smtpprobe
