// One name that is being asked for, its two address families independent of each other. Shared by
// the coroutine that waits and by c-ares, for either may be done with it first.
#pragma once

#include <array>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <string>
#include <vector>

#include "common/probe/plan.h"
#include "common/smtp/time.h"

namespace smtpprobe {

// How long the other family is waited for once one has addresses (RFC 8305 section 3 calls it the
// resolution delay): a network that drops AAAA costs this much. Far above what an answer takes that
// is on its way, and it holds whichever family is preferred: a probe should not wait for the sake
// of an order.
inline constexpr Duration kResolutionDelay = std::chrono::milliseconds(500);
inline constexpr std::size_t kMaxAddresses = 16;  // of a name, and of each family before that

struct FamilyAnswer {
  bool wanted = false;
  bool done = false;
  int status = 0;  // of c-ares; when done
  std::vector<std::string> addresses;
};

struct DnsQuestion {
  DnsQuestion(const boost::asio::any_io_executor& executor, IpChoice choice);

  bool all_done() const;
  bool has_addresses() const;
  // Whether what is not done yet is waited for only a little longer: one family has addresses, or
  // the A query says that the name does not exist, which is said for both (RFC 8020 section 2). Not
  // the AAAA query: there are name servers that deny a name for which they have no AAAA.
  bool settled() const;
  // Of c-ares's: why there is no address. What failed counts more than what is not there.
  int status() const;
  // IPv4 first.
  std::vector<std::string> take_addresses();

  FamilyAnswer& ipv4() { return families[0]; }
  FamilyAnswer& ipv6() { return families[1]; }

  boost::asio::steady_timer wake;  // cancelled by every answer
  bool news = false;               // an answer came since this was last set to false
  Instant answered{};              // when the last answer was here
  std::array<FamilyAnswer, 2> families;
};

}  // namespace smtpprobe
