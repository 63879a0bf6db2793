// allowed_targets: which targets an exporter that anybody may ask will probe at all. Law: a target
// is judged by what its user wrote, and no name is ever resolved for it. The answer to a DNS query
// belongs to whoever owns the name: had it a say, an address inside a listed network would open the
// list to any name, and could be another one when the probe asks again. Hence a name is allowed by
// a name and an address by an address.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/probe/target.h"

namespace smtpprobe {

// `allowed` are entries as parse_allowed_target() makes them; an empty list allows every target.
//   "*.example.net"  host names, in any case: '*' is any run of characters, dots too, '?' any one;
//                    the name's trailing dot does not count
//   "192.0.2.0/24"   IP literals within; "192.0.2.1": this one, however it is spelt.
//   ::ffff:192.0.2.1
//                    is 192.0.2.1, on both sides; zones do not count
//   "unix:/run/lmtp" this very path
// The port and the scheme are not looked at.
bool is_allowed(const std::vector<std::string>& allowed, const Target& target);

// The same where an empty list allows none: unix sockets through an exporter, whose clients are not
// on this host.
inline bool is_listed(const std::vector<std::string>& allowed, const Target& target) {
  return !allowed.empty() && is_allowed(allowed, target);
}

// Whether the whole of `text` is what `glob` describes; case counts. Time: the product of the two
// lengths at worst.
bool glob_matches(std::string_view glob, std::string_view text);

}  // namespace smtpprobe
