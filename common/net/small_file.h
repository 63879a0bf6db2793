// A file of the system's, such as /etc/hosts, at a look.
#pragma once

#include <cstddef>
#include <string>

namespace smtpprobe {

// At most its first `max_bytes`; empty where it cannot be read.
std::string small_file(const std::string& path, std::size_t max_bytes);

}  // namespace smtpprobe
