// The exporter as a service: from its configuration to the last answer. SIGHUP reloads; SIGTERM and
// SIGINT drain: not ready any more, no new probe, the end when those in flight have been answered;
// a second one ends at once.
#pragma once

#include "exporter/options.h"

namespace smtpprobe {

// Reads the configuration, and that of the web, and says what is wrong. The exit code: 0 or 1.
int check_config(const ExporterOptions& options);

// The exit code: 0 after a signal, 1 where it could not start, with the reason in the log.
int serve(const ExporterOptions& options);

}  // namespace smtpprobe
