#include "exporter/socket_activation.h"

#include <fcntl.h>
#include <unistd.h>

#include <charconv>
#include <cstdlib>
#include <optional>
#include <string_view>

namespace smtpprobe {
namespace {

constexpr int kFirst = 3;
constexpr int kMost = 1024;

std::optional<int> number_in(const char* variable) {
  const char* const value = std::getenv(variable);
  const std::string_view text = value == nullptr ? "" : value;
  int number = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || failure != std::errc() || end != text.data() + text.size())
    return std::nullopt;
  return number;
}

}  // namespace

Result<std::vector<int>> take_passed_sockets() {
  const std::optional<int> process = number_in("LISTEN_PID");
  const std::optional<int> count = number_in("LISTEN_FDS");
  for (const char* variable : {"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"}) ::unsetenv(variable);
  if (process != ::getpid() || !count || *count < 1 || *count > kMost)
    return error("no socket was passed (LISTEN_FDS, LISTEN_PID); start it by a socket unit");
  std::vector<int> sockets;
  for (int descriptor = kFirst; descriptor < kFirst + *count; ++descriptor) {
    if (::fcntl(descriptor, F_SETFD, FD_CLOEXEC) != 0)
      return error("LISTEN_FDS names descriptors that are not open");
    sockets.push_back(descriptor);
  }
  return sockets;
}

}  // namespace smtpprobe
