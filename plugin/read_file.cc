#include "plugin/read_file.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "common/probe/printable.h"
#include "common/smtp/quoted_value.h"

namespace smtpprobe {
namespace {

constexpr std::size_t kNameBytes = 200;

Unexpected failed(const std::string& name, const std::string& why) {
  return error(printable(name, kNameBytes) + ": " + why);
}

// For a pipe, as the shell's <(...) is one.
bool comes_in_time(int descriptor) {
  constexpr int kMilliseconds = 5000;
  pollfd one{descriptor, POLLIN, 0};
  const bool ready = poll(&one, 1, kMilliseconds) == 1;
  errno = EAGAIN;
  return ready;
}

}  // namespace

Result<std::string> read_descriptor(int descriptor, const std::string& name,
                                    std::size_t max_bytes) {
  std::string text;
  std::array<char, 4096> buffer;
  while (true) {
    const ssize_t got = read(descriptor, buffer.data(), buffer.size());
    if (got == 0) return text;
    if (got < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN && comes_in_time(descriptor)) continue;
      if (errno == EAGAIN) return failed(name, "nothing to read in 5 s");
      return failed(name, std::strerror(errno));
    }
    text.append(buffer.data(), static_cast<std::size_t>(got));
    if (text.size() > max_bytes)
      return failed(name, "over " + std::to_string(max_bytes) + " bytes");
  }
}

Result<std::string> read_file(const std::string& path, std::size_t max_bytes,
                              const std::string& shown) {
  // O_NONBLOCK: a FIFO without a writer would hold us up beyond every time limit.
  const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
  if (descriptor < 0) return failed(shown, std::strerror(errno));
  Result<std::string> text = read_descriptor(descriptor, shown, max_bytes);
  close(descriptor);
  return text;
}

Result<std::string> read_file(const std::string& path, std::size_t max_bytes) {
  return read_file(path, max_bytes, may_hold_secret(path) ? described_value(path) : path);
}

}  // namespace smtpprobe
