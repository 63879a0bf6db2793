// RFC 6724 section 6: in which order to try the addresses of a name. c-ares would do it too, but
// for every address of an answer, and there may be thousands: four system calls each, while the
// event loop waits.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace smtpprobe {

struct Destination {
  std::string address;                // IP literal
  std::optional<std::string> source;  // what this host would speak from; nullopt: it cannot
};

// Best first; what the rules do not tell apart stays as it is. Rules 3, 4 and 7, which are about
// what only the kernel knows of our own addresses, are left out.
void order_destinations(std::vector<Destination>& destinations);

// The same with the sources that the kernel would take: asks it, sends nothing.
void order_addresses(std::vector<std::string>& addresses);

}  // namespace smtpprobe
