// All of a text to a descriptor that may take it in parts. Blocks as the descriptor does.
#pragma once

#include <string_view>

namespace smtpprobe {

// False, with errno, when not all of it could be written.
bool write_all(int fd, std::string_view text);

}  // namespace smtpprobe
