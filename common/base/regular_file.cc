#include "common/base/regular_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace smtpprobe {

RegularFile::RegularFile(const std::string& path) {
  if (path.find('\0') != std::string::npos) {
    problem_ = "a NUL in a file's name";
    return;
  }
  descriptor_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
  struct stat facts {};
  if (descriptor_ < 0 || ::fstat(descriptor_, &facts) != 0) {
    // A socket cannot be opened: ENXIO, "No such device or address".
    problem_ = errno == ENXIO ? "is no regular file" : std::strerror(errno);
    return;
  }
  mode_ = facts.st_mode;
  is_directory_ = S_ISDIR(facts.st_mode);
  if (!S_ISREG(facts.st_mode)) problem_ = is_directory_ ? "is a directory" : "is no regular file";
}

RegularFile::~RegularFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

std::optional<std::string> RegularFile::read(std::size_t max_bytes) {
  if (!problem_.empty()) return std::nullopt;
  const auto deadline = std::chrono::steady_clock::now() + kFileReadTime;
  constexpr std::size_t kBlock = 64UL * 1024;
  std::string text;
  while (true) {
    const std::size_t had = text.size();
    text.resize(std::min(had + kBlock, max_bytes + 1));
    const ssize_t got = ::read(descriptor_, text.data() + had, text.size() - had);
    const int failure = errno;
    text.resize(had + static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
    if (got == 0) return text;
    if (got < 0 && failure != EINTR) {
      problem_ = std::strerror(failure);
    } else if (text.size() > max_bytes) {
      problem_ = "over " + std::to_string(max_bytes) + " bytes";
    } else if (std::chrono::steady_clock::now() > deadline) {
      problem_ = "not read within " + std::to_string(kFileReadTime.count()) + " s";
    }
    if (!problem_.empty()) return std::nullopt;
  }
}

}  // namespace smtpprobe
