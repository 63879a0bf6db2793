// Files that options name: read whole, with a bound.
#pragma once

#include <cstddef>
#include <string>

#include "common/smtp/error.h"

namespace smtpprobe {

// The error names the file: "FILE: No such file or directory", "FILE: over 65536 bytes".
Result<std::string> read_file(const std::string& path, std::size_t max_bytes);
// The same, with another name for the file in the error.
Result<std::string> read_file(const std::string& path, std::size_t max_bytes,
                              const std::string& shown);

// The same from an open descriptor, which stays open; `name` stands for it in messages.
Result<std::string> read_descriptor(int descriptor, const std::string& name, std::size_t max_bytes);

}  // namespace smtpprobe
