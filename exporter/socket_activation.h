// The sockets that a service manager opened for us: systemd's socket activation, by its stable
// protocol and without libsystemd (sd_listen_fds(3), "Notes").
#pragma once

#include <vector>

#include "common/smtp/error.h"

namespace smtpprobe {

// The descriptors of $LISTEN_FDS, from 3 on, where $LISTEN_PID is this process; close-on-exec.
// Takes the variables out of the environment. The error: none was passed. Before any thread is
// started.
Result<std::vector<int>> take_passed_sockets();

}  // namespace smtpprobe
