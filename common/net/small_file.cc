#include "common/net/small_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>

namespace smtpprobe {

std::string small_file(const std::string& path, std::size_t max_bytes) {
  constexpr std::size_t kBlock = 4096;
  std::string text;
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return text;
  while (text.size() < max_bytes) {
    const std::size_t had = text.size();
    text.resize(std::min(had + std::max(kBlock, had), max_bytes));
    const ssize_t got = ::read(fd, text.data() + had, text.size() - had);
    text.resize(had + static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
    if (got <= 0) break;
  }
  ::close(fd);
  return text;
}

}  // namespace smtpprobe
