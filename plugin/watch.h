// --watch: the same probe again and again, until it is interrupted or has been made often enough.
// Laws: probes never overlap, for a tick that finds one under way is left out; the first SIGINT or
// SIGTERM ends the probe in flight at once, uncounted, one a second later the process; standard
// output that does not take what is said ends it too.
#pragma once

#include "plugin/output.h"

namespace smtpprobe {

// Prints as it goes. What is returned is still to be printed: an error of the user's. The exit code
// is that of the worst probe, of several the last one's; 3 when there was none or when standard
// output failed.
Rendered watch(const Options& options);

}  // namespace smtpprobe
