#include "common/net/dns_library.h"

#include <ares.h>

namespace smtpprobe {

DnsLibrary::DnsLibrary() : ready_(ares_library_init(ARES_LIB_INIT_ALL) == ARES_SUCCESS) {}

DnsLibrary::~DnsLibrary() {
  if (ready_) ares_library_cleanup();
}

}  // namespace smtpprobe
