// What a status of c-ares's means for the probe: whose fault it is, and the words for it.
#pragma once

#include <string>

#include "common/net/resolver.h"

namespace smtpprobe {

// `status` is one of ARES_*; ARES_SUCCESS stands for an answer without an address of that choice.
Resolved dns_failure(const std::string& name, IpChoice choice, int status);
Resolved dns_timed_out(const std::string& name);

}  // namespace smtpprobe
