// What --help, -? and --version print: plain text of at most 80 columns, from the table of options.
#pragma once

#include <string>

namespace smtpprobe {

// Every option in its group, with examples.
std::string help_text(const std::string& program);

// At most 23 lines, the Development Guidelines' bound.
std::string short_usage(const std::string& program);

// "check_smtp_probe v0.1.0 (smtp-probe 0.1.0)"
std::string version_text(const std::string& program);

}  // namespace smtpprobe
