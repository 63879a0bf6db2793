// c-ares as a whole: initialised once by a program's main(), while there is one thread, for
// ares_library_init(3) is not thread-safe. Resolvers live within its lifetime.
#pragma once

namespace smtpprobe {

class DnsLibrary {
 public:
  DnsLibrary();
  ~DnsLibrary();
  DnsLibrary(const DnsLibrary&) = delete;
  DnsLibrary& operator=(const DnsLibrary&) = delete;

 private:
  bool ready_;  // else every channel says why it cannot be opened
};

}  // namespace smtpprobe
