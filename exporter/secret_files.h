// The files of a configuration that hold a secret and that every user of the machine can read: a
// fault to warn of, not one that stops the service.
#pragma once

#include <string>

#include "common/config/config.h"
#include "exporter/web_config.h"

namespace smtpprobe {

// password_file, token_file and key_file of the modules. A line of the log for each.
void warn_of_open_secrets(const Config& config);
// The key's file; and `path`, the web configuration itself, where it holds hashes or a key.
void warn_of_open_secrets(const WebConfig& config, const std::string& path);

}  // namespace smtpprobe
