#include "exporter/service_notify.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <cstring>

#include "common/probe/printable.h"

namespace smtpprobe {
namespace {

constexpr std::size_t kStatusBytes = 200;
constexpr timeval kPatience{1, 0};

}  // namespace

std::string service_reloading(Instant now) {
  const auto since_boot = now.time_since_epoch();
  return fmt::format("RELOADING=1\nMONOTONIC_USEC={}",
                     std::chrono::duration_cast<std::chrono::microseconds>(since_boot).count());
}

std::string service_status(std::string_view text) {
  return "STATUS=" + printable(text, kStatusBytes);
}

void notify_service(std::string_view state) {
  const char* const variable = std::getenv("NOTIFY_SOCKET");
  const std::string_view name = variable == nullptr ? "" : variable;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  // A path has room for its NUL, an abstract name needs none.
  const bool abstract = name.starts_with('@');
  if (!abstract && !name.starts_with('/')) return;
  if (name.size() + (abstract ? 0 : 1) > sizeof address.sun_path) return;
  std::memcpy(address.sun_path, name.data(), name.size());
  if (abstract) address.sun_path[0] = '\0';
  const std::size_t length = offsetof(sockaddr_un, sun_path) + name.size() + (abstract ? 0 : 1);

  const int descriptor = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (descriptor < 0) return;
  setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &kPatience, sizeof kPatience);
  sendto(descriptor, state.data(), state.size(), MSG_NOSIGNAL,
         reinterpret_cast<const sockaddr*>(&address), static_cast<socklen_t>(length));
  close(descriptor);
}

}  // namespace smtpprobe
