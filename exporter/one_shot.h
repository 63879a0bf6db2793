// --once: probes its targets side by side, prints what /probe would say of them, pushes it or
// writes it to a file, and ends. Law: whatever becomes of the push or the file, the text is
// printed; the exit code is the worst state, or 3 where something was lost.
#pragma once

#include "exporter/options.h"

namespace smtpprobe {

// The exit code. `options.once` is there. Blocks until all is done.
int run_once(const ExporterOptions& options);

}  // namespace smtpprobe
