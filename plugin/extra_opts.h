// The ini files of --extra-opts, as the Monitoring Plugins have them: "[section]", "key = value",
// options by their long or short names, those without an argument by name alone, '#' and ';' at the
// start of a line for comments. One pair of quotes round a value is not part of it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/smtp/error.h"
#include "plugin/options.h"
#include "plugin/setting.h"

namespace smtpprobe {

// `locator` is "", "section", "@file" or "section@file"; "@-" is standard input. The section is
// `program` by default, the file the first that exists of $MP_CONFIG_FILE (alone, where it is set),
// the directories of $NAGIOS_CONFIG_PATH, and the standard places.
Result<std::vector<Setting>> read_extra_opts(std::string_view locator, const std::string& program,
                                             const Surroundings& surroundings);

// The settings of one section, of which there may be several by one name. `file` is for messages.
Result<std::vector<Setting>> parse_section(std::string_view text, std::string_view section,
                                           const std::string& file);

}  // namespace smtpprobe
