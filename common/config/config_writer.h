// The configuration in force as YAML, for whoever asks a running program what it does. Laws: no
// secret is ever in it; what has none is read back by parse_config() as the same configuration.
#pragma once

#include <string>
#include <string_view>

#include "common/config/config.h"
#include "common/smtp/time.h"

namespace smtpprobe {

// What stands in the place of a secret and of its file.
inline constexpr std::string_view kHiddenSecret = "<secret>";

// The whole of it, the built-in modules included, sorted by name. Ends with a line end.
std::string config_text(const Config& config);

// One module under its name: what stands below `modules:`. Ends with a line end.
std::string module_text(const Module& module);

// What parse_duration() makes the same of, as short as it goes: "2m", not "120s". Parts of
// milliseconds are dropped, and what is below 0 is "0s".
std::string duration_text(Duration duration);

}  // namespace smtpprobe
