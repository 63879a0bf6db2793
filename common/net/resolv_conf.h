// What of resolv.conf(5) c-ares 1.18 does not read as glibc does: the search list, ndots, timeout,
// attempts and the options. The name servers are left to c-ares.
#pragma once

#include <sys/stat.h>

#include <string>
#include <string_view>
#include <vector>

#include "common/smtp/time.h"

namespace smtpprobe {

struct ResolvConf {
  std::vector<std::string> domains;  // the search list, at most 32; "." is the root
  int ndots = 1;
  // Where the file has no `timeout`, not glibc's 5 s: one lost packet would take half of the 10 s
  // that a probe has.
  Duration timeout = std::chrono::seconds(2);
  int attempts = 2;
  bool rotate = false;
  bool use_vc = false;  // TCP only
  bool edns0 = false;
};

// What stands beside the file; an empty text is one that is not set.
struct ResolverEnvironment {
  std::string localdomain;  // $LOCALDOMAIN: instead of the search list
  std::string res_options;  // $RES_OPTIONS: further options
  std::string host_name;    // its domain is the search list where nothing else names one
};
ResolverEnvironment resolver_environment();

// What is unknown or no number is ignored; numbers are cut at glibc's limits (ndots 15, timeout
// 30 s, attempts 5). A timeout or attempts of 0 count as 1.
ResolvConf parse_resolv_conf(std::string_view text, const ResolverEnvironment& environment);

// Whether the file is another one than when it was last read: a DHCP client or an administrator
// rewrites it under a program that runs for months. Invariant: a look costs one stat(2) a second at
// most; a file that is away is one that is just being replaced, and counts as unchanged.
class ResolvConfFile {
 public:
  explicit ResolvConfFile(std::string path = "/etc/resolv.conf") : path_(std::move(path)) {}

  const std::string& path() const { return path_; }
  // True the first time, too.
  bool has_changed(Instant now);
  // What changes from now on will be noticed. A file that cannot be read is an empty one.
  ResolvConf read(Instant now);

 private:
  std::string path_;
  bool was_read_ = false;
  struct stat read_ {};
  Instant looked_{};
};

}  // namespace smtpprobe
