// c-ares without threads: it says which of its sockets it waits for and until when, Asio waits, and
// c-ares is called again. c-ares owns and closes its sockets; Asio only watches them. Of the
// executor's thread.
#pragma once

#include <ares.h>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "common/net/dns_question.h"
#include "common/net/dns_sockets.h"
#include "common/net/resolv_conf.h"
#include "common/probe/dns_settings.h"

namespace smtpprobe {

// What a channel is opened with: resolv.conf, and what of it the plan overrides.
struct DnsChannelOptions {
  DnsChannelOptions(const std::string& resolv_conf_path, const ResolvConf& conf,
                    const DnsSettings& settings);

  std::string resolv_conf;  // path; c-ares reads its name servers
  std::string servers;      // instead of those, comma-separated; or empty
  int timeout_ms = 0;
  int tries = 0;
  int flags = 0;  // ARES_FLAG_*
  bool rotate = false;
};

// Handlers hold it weakly, so it can go at any time.
class DnsChannel : public std::enable_shared_from_this<DnsChannel> {
 public:
  DnsChannel(const boost::asio::any_io_executor& executor,
             std::shared_ptr<const DnsChannelOptions> options)
      : executor_(executor), options_(std::move(options)), timer_(executor) {}
  ~DnsChannel() { close(); }
  DnsChannel(const DnsChannel&) = delete;
  DnsChannel& operator=(const DnsChannel&) = delete;

  // ARES_SUCCESS, or why not. DNS only: no hosts file, no search list.
  int open();
  // Ends every question: each family's status is ARES_EDESTRUCTION then.
  void close();

  // Asks for `family`, a part of `question`, which may be answered before this returns. Once closed
  // that is ARES_EDESTRUCTION.
  void ask(const std::shared_ptr<DnsQuestion>& question, FamilyAnswer& family,
           const std::string& name);
  // c-ares cannot forget one question. When nobody waits for any, it forgets all, so that the event
  // loop has nothing left to wait for; else it finishes what is left by its own timeouts.
  void give_up();

  const boost::asio::any_io_executor& executor() const { return executor_; }
  const std::shared_ptr<const DnsChannelOptions>& options() const { return options_; }
  int waiting() const { return waiting_; }

  // Counts a coroutine among those that wait, for as long as it lives.
  class Waiting {
   public:
    explicit Waiting(const std::shared_ptr<DnsChannel>& channel) : channel_(channel) {
      ++channel->waiting_;
    }
    ~Waiting() {
      if (const std::shared_ptr<DnsChannel> alive = channel_.lock()) --alive->waiting_;
    }
    Waiting(const Waiting&) = delete;
    Waiting& operator=(const Waiting&) = delete;

   private:
    std::weak_ptr<DnsChannel> channel_;
  };

 private:
  struct Watch;
  struct Asked;

  void process(ares_socket_t readable, ares_socket_t writable);
  void wait_for_sockets();
  void wait_for_timeout();
  void start_read(ares_socket_t fd, const std::shared_ptr<Watch>& watch);
  void start_write(ares_socket_t fd, const std::shared_ptr<Watch>& watch);
  static void on_socket_state(void* self, ares_socket_t fd, int readable, int writable);
  static void on_answer(void* argument, int status, int timeouts, ares_addrinfo* info);

  boost::asio::any_io_executor executor_;
  std::shared_ptr<const DnsChannelOptions> options_;
  boost::asio::steady_timer timer_;  // c-ares's next retry
  std::map<ares_socket_t, std::shared_ptr<Watch>> watches_;
  ares_channel handle_ = nullptr;
  DnsReading reading_;
  int waiting_ = 0;  // coroutines with a question open
};

}  // namespace smtpprobe
