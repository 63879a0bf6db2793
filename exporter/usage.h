// What --help and --version print: plain text of at most 80 columns, from the table of flags.
#pragma once

#include <string>

namespace smtpprobe {

// Every flag in its group, with examples.
std::string help_text();

// "smtp_probe_exporter, version 0.1.0\n", as the exporters of Prometheus begin theirs.
std::string version_text();

}  // namespace smtpprobe
