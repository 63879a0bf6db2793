// The names that are known without DNS: those of hosts(5), and localhost (RFC 6761 section 6.3).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/probe/plan.h"

namespace smtpprobe {

// The addresses that stand beside `name` (in any case, without final dot) in a hosts file, of the
// families that `choice` allows, at most 16 of each, none twice. What is no address is ignored.
std::vector<std::string> hosts_addresses(std::string_view hosts, std::string_view name,
                                         IpChoice choice);

// "localhost" and what is below it.
bool is_localhost(std::string_view name);

// Those of /etc/hosts, which is read anew; else, for localhost, the loopback's.
std::vector<std::string> local_addresses(std::string_view name, IpChoice choice);

}  // namespace smtpprobe
