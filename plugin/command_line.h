// argv into settings, as getopt_long() would have it and check_smtp's users wrote it for: options
// in any order, joined values (-p587, -Psecret), grouped letters, unambiguous beginnings of long
// names, -wt -ct -to, --extra-opts with and without a blank, a boolean word after -q. What is left
// is parsed by cxxopts.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "common/smtp/error.h"
#include "plugin/setting.h"

namespace smtpprobe {

struct CommandLine {
  std::vector<Setting> settings;   // in order
  std::vector<std::string> words;  // those that are no option, without the empty ones
  bool short_usage = false;        // -?
};

// `argv` with argv[0]. Values of --authpass are overwritten in place, on an error too.
Result<CommandLine> read_command_line(std::span<char*> argv);

}  // namespace smtpprobe
