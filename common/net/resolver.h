// Host names to addresses. An interface, for tests bring their own. Invariants: no name outlives
// its deadline, and no name server can hold up any other name.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <memory>
#include <string>
#include <vector>

#include "common/net/resolv_conf.h"
#include "common/probe/dns_settings.h"
#include "common/probe/plan.h"
#include "common/smtp/reason.h"
#include "common/smtp/time.h"

namespace smtpprobe {

class DnsChannel;

struct Resolved {
  std::vector<std::string> addresses;  // IP literals in the order to try; at most 16
  Reason reason = Reason::None;        // Dns* or LocalError; None exactly when there are addresses
  std::string detail;                  // "mx.test has no IPv6 address"
  Instant answered{};                  // when it was here, which is before it was read

  bool ok() const { return reason == Reason::None; }
};

class Resolver {
 public:
  virtual ~Resolver() = default;

  // For names only, never IP literals. Ipv4 and Ipv6 ask for that family alone, PreferIpv4 and
  // PreferIpv6 put it first, Any has RFC 6724's order. `settings` beat the host's resolv.conf.
  virtual boost::asio::awaitable<Resolved> resolve(std::string name, IpChoice choice,
                                                   Instant deadline, DnsSettings settings) = 0;
};

// The hosts file and localhost, then DNS by c-ares on the executor's thread: the search list as
// glibc has it (search_list.h), A and AAAA independent of each other (dns_question.h). A search
// domain that fails or is silent is no answer for the name as it stands, which is always asked, and
// whose answer is the reason when none has an address.
// Nothing is read or opened before the first resolve(); a resolv.conf that changes later is read
// again for the names that come then. Any number of names at a time. May be destroyed while names
// are pending: their coroutines then end with LocalError. DnsLibrary has to be there.
class CaresResolver : public Resolver {
 public:
  explicit CaresResolver(boost::asio::any_io_executor executor,
                         std::string resolv_conf = "/etc/resolv.conf");
  ~CaresResolver() override;
  CaresResolver(const CaresResolver&) = delete;
  CaresResolver& operator=(const CaresResolver&) = delete;

  boost::asio::awaitable<Resolved> resolve(std::string name, IpChoice choice, Instant deadline,
                                           DnsSettings settings) override;

 private:
  // One for each of the settings that are in use.
  struct Entry {
    DnsSettings settings;
    std::shared_ptr<DnsChannel> channel;
    unsigned conf = 0;  // which reading of resolv.conf it has
  };

  // Null, and why in `failure`, when no channel can be opened.
  std::shared_ptr<DnsChannel> channel_for(const DnsSettings& settings, int& failure);
  void drop_idle();

  boost::asio::any_io_executor executor_;
  std::vector<Entry> entries_;                         // the one used last comes last
  std::vector<std::shared_ptr<DnsChannel>> outdated_;  // they finish the names that they have
  ResolvConfFile file_;
  ResolvConf conf_;
  unsigned conf_number_ = 0;
};

}  // namespace smtpprobe
