// One probe from start to end on the calling thread, for programs that make just one. No thread is
// started, no signal handler is set, SIGPIPE cannot occur.
#pragma once

#include <vector>

#include "common/probe/plan.h"
#include "common/probe/result.h"
#include "common/smtp/error.h"

namespace smtpprobe {

// The error is the user's: an unreadable CA, certificate or key file, a message that cannot be
// composed, a mechanism that cannot be had. Nothing has been sent then. All else is in the results
// (one per endpoint; one today). Where `interrupt`, a descriptor or -1, becomes readable, the probe
// ends at once, without QUIT, and there are no results.
Result<std::vector<ProbeResult>> probe_once(const ProbePlan& plan, int interrupt = -1);

}  // namespace smtpprobe
