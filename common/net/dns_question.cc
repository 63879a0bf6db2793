#include "common/net/dns_question.h"

#include <ares.h>

#include <algorithm>
#include <iterator>

namespace smtpprobe {
namespace {

bool denies(int status) {
  return status == ARES_ENOTFOUND || status == ARES_ENODATA || status == ARES_SUCCESS;
}

}  // namespace

DnsQuestion::DnsQuestion(const boost::asio::any_io_executor& executor, IpChoice choice)
    : wake(executor) {
  ipv4().wanted = choice != IpChoice::Ipv6;
  ipv6().wanted = choice != IpChoice::Ipv4;
}

bool DnsQuestion::all_done() const {
  return std::all_of(families.begin(), families.end(),
                     [](const FamilyAnswer& family) { return family.done || !family.wanted; });
}

bool DnsQuestion::has_addresses() const {
  return std::any_of(families.begin(), families.end(),
                     [](const FamilyAnswer& family) { return !family.addresses.empty(); });
}

bool DnsQuestion::settled() const {
  const FamilyAnswer& four = families[0];
  return has_addresses() || (four.done && four.status == ARES_ENOTFOUND);
}

int DnsQuestion::status() const {
  bool exists = false;
  for (const FamilyAnswer& family : families) {
    if (family.done && !denies(family.status)) return family.status;
    exists = exists || (family.done && family.status != ARES_ENOTFOUND);
  }
  return exists ? ARES_ENODATA : ARES_ENOTFOUND;
}

std::vector<std::string> DnsQuestion::take_addresses() {
  std::vector<std::string> addresses = std::move(ipv4().addresses);
  std::move(ipv6().addresses.begin(), ipv6().addresses.end(), std::back_inserter(addresses));
  return addresses;
}

}  // namespace smtpprobe
