#include "common/net/descriptor_shortage.h"

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

namespace smtpprobe {

int descriptor_shortage() {
  const int fd = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return errno;
  ::close(fd);
  return 0;
}

}  // namespace smtpprobe
