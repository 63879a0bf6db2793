#include "common/net/dns_failure.h"

#include <ares.h>
#include <fmt/format.h>

#include <cstring>
#include <string_view>
#include <utility>

#include "common/net/descriptor_shortage.h"

namespace smtpprobe {
namespace {

std::string_view address_words(IpChoice choice) {
  switch (choice) {
    case IpChoice::Ipv4:
      return "no IPv4 address";
    case IpChoice::Ipv6:
      return "no IPv6 address";
    case IpChoice::Any:
    case IpChoice::PreferIpv4:
    case IpChoice::PreferIpv6:
      return "no address";
  }
  return "no address";
}

Resolved failed(Reason reason, std::string detail) { return {{}, reason, std::move(detail)}; }

}  // namespace

Resolved dns_timed_out(const std::string& name) {
  return failed(Reason::DnsTimeout, fmt::format("no answer from the name servers for {}", name));
}

Resolved dns_failure(const std::string& name, IpChoice choice, int status) {
  switch (status) {
    case ARES_ENOTFOUND:
      return failed(Reason::DnsNxdomain, name);
    case ARES_EBADNAME:
      return failed(Reason::DnsNxdomain, fmt::format("{} is not a name DNS can hold", name));
    case ARES_SUCCESS:
    case ARES_ENODATA:
      return failed(Reason::DnsNodata, fmt::format("{} has {}", name, address_words(choice)));
    case ARES_ESERVFAIL:
      return failed(Reason::DnsServfail, fmt::format("the name server failed on {}", name));
    case ARES_EREFUSED:
      return failed(Reason::DnsServfail, fmt::format("the name server refused {}", name));
    case ARES_ENOTIMP:
      return failed(Reason::DnsServfail,
                    fmt::format("the name server does not serve queries as for {}", name));
    case ARES_ECONNREFUSED:  // also what becomes of a socket that cannot be made
      if (const int error = descriptor_shortage(); error != 0) {
        return failed(Reason::LocalError,
                      fmt::format("cannot ask for {}: {}", name, ::strerrordesc_np(error)));
      }
      return failed(Reason::DnsServfail, fmt::format("no name server answered for {}", name));
    case ARES_ETIMEOUT:
      return dns_timed_out(name);
    case ARES_EBADRESP:
    case ARES_EFORMERR:
      return failed(Reason::DnsMalformed,
                    fmt::format("the name server's answer for {} is malformed", name));
    case ARES_EDESTRUCTION:
    case ARES_ECANCELLED:
      return failed(Reason::LocalError, fmt::format("the question for {} was given up", name));
    default:
      return failed(Reason::LocalError, fmt::format("{}: {}", name, ares_strerror(status)));
  }
}

}  // namespace smtpprobe
