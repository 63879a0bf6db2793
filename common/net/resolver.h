// Host names to addresses. An interface, for tests bring their own. Its law: no name outlives its
// deadline, and no name server can hold up any other name.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <memory>
#include <string>
#include <vector>

#include "common/net/resolv_conf.h"
#include "common/probe/plan.h"
#include "common/smtp/reason.h"
#include "common/smtp/time.h"

namespace smtpprobe {

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
  // PreferIpv6 put it first, Any has RFC 6724's order.
  virtual boost::asio::awaitable<Resolved> resolve(std::string name, IpChoice choice,
                                                   Instant deadline) = 0;
};

// c-ares on the executor's thread: the hosts file, then DNS; 2 s a try, 2 tries. Nothing is read or
// opened before the first resolve(); a resolv.conf that changes later is read again for the names
// that come then. Any number of names at a time. May be destroyed while names are pending: their
// coroutines then end with LocalError.
class CaresResolver : public Resolver {
 public:
  // `name_servers` ("127.0.0.1:5353", "[::1]:53"): instead of those of resolv.conf.
  explicit CaresResolver(boost::asio::any_io_executor executor,
                         std::vector<std::string> name_servers = {});
  ~CaresResolver() override;
  CaresResolver(const CaresResolver&) = delete;
  CaresResolver& operator=(const CaresResolver&) = delete;

  boost::asio::awaitable<Resolved> resolve(std::string name, IpChoice choice,
                                           Instant deadline) override;

 private:
  struct Channel;
  struct Waiting;
  int prepare();  // ARES_SUCCESS: there is a channel for the next name
  // `cut_off`: it failed for a lost connection, which may have been another name's.
  static boost::asio::awaitable<Resolved> ask(std::weak_ptr<Channel> channel, std::string name,
                                              IpChoice choice, Instant deadline, bool& cut_off);

  boost::asio::any_io_executor executor_;
  std::vector<std::string> name_servers_;
  std::shared_ptr<Channel> channel_;                // made by the first resolve()
  std::vector<std::shared_ptr<Channel>> outdated_;  // they finish the names that they have
  ResolvConf resolv_conf_;
};

}  // namespace smtpprobe
