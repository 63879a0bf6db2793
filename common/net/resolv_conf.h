// Whether /etc/resolv.conf is another one than when it was last read: a DHCP client or an
// administrator rewrites it under a program that runs for months. Law: a look costs one stat(2) a
// second at most; a file that is away is one that is just being replaced, and counts as unchanged.
#pragma once

#include <sys/stat.h>

#include "common/smtp/time.h"

namespace smtpprobe {

class ResolvConf {
 public:
  // Call before the file is read: what changes meanwhile will be noticed.
  void about_to_read(Instant now);
  bool has_changed(Instant now);

 private:
  struct stat read_ {};
  Instant looked_{};
};

}  // namespace smtpprobe
