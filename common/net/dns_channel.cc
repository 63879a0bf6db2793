#include "common/net/dns_channel.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netdb.h>
#include <sys/time.h>

#include <algorithm>
#include <array>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <chrono>
#include <optional>
#include <utility>

namespace smtpprobe {
namespace {

namespace asio = boost::asio;

std::optional<std::string> address_text(const ares_addrinfo_node& node) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  const void* address = nullptr;
  if (node.ai_family == AF_INET) {
    const void* raw = node.ai_addr;
    address = &static_cast<const sockaddr_in*>(raw)->sin_addr;
  } else if (node.ai_family == AF_INET6) {
    const void* raw = node.ai_addr;
    address = &static_cast<const sockaddr_in6*>(raw)->sin6_addr;
  } else {
    return std::nullopt;
  }
  if (::inet_ntop(node.ai_family, address, text.data(), text.size()) == nullptr) {
    return std::nullopt;
  }
  return text.data();
}

// As many as could be wanted: an answer may have thousands.
std::vector<std::string> address_texts(const ares_addrinfo& info) {
  std::vector<std::string> addresses;
  for (const ares_addrinfo_node* node = info.nodes; node != nullptr; node = node->ai_next) {
    if (addresses.size() == kMaxAddresses) break;
    std::optional<std::string> text = address_text(*node);
    if (!text) continue;
    const bool known = std::find(addresses.begin(), addresses.end(), *text) != addresses.end();
    if (!known) addresses.push_back(std::move(*text));
  }
  return addresses;
}

// When every name server has failed or refused, c-ares 1.18 says only that none could be asked.
int status_of(int status, int rcode) {
  constexpr int kServfail = 2;
  constexpr int kNotimp = 4;
  constexpr int kRefused = 5;
  if (status != ARES_ECONNREFUSED) return status;
  switch (rcode) {
    case kServfail:
      return ARES_ESERVFAIL;
    case kNotimp:
      return ARES_ENOTIMP;
    case kRefused:
      return ARES_EREFUSED;
    default:
      return status;
  }
}

int milliseconds(Duration duration) {
  return static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(duration).count());
}

}  // namespace

// A socket of c-ares while c-ares wants it watched.
struct DnsChannel::Watch {
  Watch(const asio::any_io_executor& executor, int fd) : descriptor(executor) {
    boost::system::error_code failure;  // leaves c-ares to its timeouts
    descriptor.assign(fd, failure);
  }
  ~Watch() { let_go(); }
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

  // c-ares closes the socket, not Asio; and it must be let go of before, for the next socket may
  // get the same number.
  void let_go() {
    if (descriptor.is_open()) descriptor.release();
  }

  asio::posix::stream_descriptor descriptor;
  bool wants_read = false;
  bool wants_write = false;
  bool reading = false;  // a wait is pending
  bool writing = false;
};

// What c-ares has of one query.
struct DnsChannel::Asked {
  std::shared_ptr<DnsQuestion> question;
  FamilyAnswer* family;  // of `question`
  const DnsReading* reading;
};

DnsChannelOptions::DnsChannelOptions(const std::string& resolv_conf_path, const ResolvConf& conf,
                                     const DnsSettings& settings)
    : resolv_conf(resolv_conf_path),
      servers(fmt::format("{}", fmt::join(settings.servers, ","))),
      timeout_ms(milliseconds(settings.timeout.value_or(conf.timeout))),
      tries(settings.tries.value_or(conf.attempts)),
      flags((conf.use_vc ? ARES_FLAG_USEVC : 0) | (conf.edns0 ? ARES_FLAG_EDNS : 0)),
      rotate(conf.rotate) {}

int DnsChannel::open() {
  const DnsChannelOptions& from = *options_;
  std::string resolv_conf = from.resolv_conf;
  std::array<char, 2> lookups{"b"};  // DNS alone
  ares_options options{};
  options.flags = from.flags;
  options.timeout = from.timeout_ms;
  options.tries = from.tries;
  options.ndomains = 0;  // the search list is ours
  options.lookups = lookups.data();
  options.resolvconf_path = resolv_conf.data();
  options.sock_state_cb = &on_socket_state;
  options.sock_state_cb_data = this;
  int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_DOMAINS |
             ARES_OPT_LOOKUPS | ARES_OPT_RESOLVCONF | ARES_OPT_SOCK_STATE_CB |
             (from.rotate ? ARES_OPT_ROTATE : ARES_OPT_NOROTATE);
#ifdef ARES_OPT_QUERY_CACHE  // since 1.23, on by default since 1.31: an answer is to be measured
  options.qcache_max_ttl = 0;
  mask |= ARES_OPT_QUERY_CACHE;
#endif
  const int made = ares_init_options(&handle_, &options, mask);
  if (made != ARES_SUCCESS) {
    handle_ = nullptr;
    return made;
  }
  use_stamped_sockets(handle_, &reading_);
  if (from.servers.empty()) return ARES_SUCCESS;
  return ares_set_servers_ports_csv(handle_, from.servers.c_str());
}

void DnsChannel::close() {
  if (handle_ == nullptr) return;
  ares_destroy(std::exchange(handle_, nullptr));
  watches_.clear();
  timer_.cancel();
}

// Called once for each ares_getaddrinfo(): at the answer, or when the channel is destroyed.
void DnsChannel::on_answer(void* argument, int status, int, ares_addrinfo* info) {
  const std::unique_ptr<Asked> asked(static_cast<Asked*>(argument));
  FamilyAnswer& family = *asked->family;
  family.done = true;
  family.status = status_of(status, asked->reading->rcode);
  if (info != nullptr) {
    if (status == ARES_SUCCESS) family.addresses = address_texts(*info);
    ares_freeaddrinfo(info);
  }
  DnsQuestion& question = *asked->question;
  question.answered = asked->reading->arrival.value_or(std::chrono::steady_clock::now());
  question.news = true;
  question.wake.cancel();
}

void DnsChannel::ask(const std::shared_ptr<DnsQuestion>& question, FamilyAnswer& family,
                     const std::string& name) {
  ares_addrinfo_hints hints{};
  hints.ai_family = &family == &question->ipv4() ? AF_INET : AF_INET6;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = ARES_AI_NOSORT;  // the resolver does it, for those few that are kept
  family.done = handle_ == nullptr;
  family.status = ARES_EDESTRUCTION;
  if (family.done) return;
  reading_ = {};
  auto asked = std::make_unique<Asked>(Asked{question, &family, &reading_});
  ares_getaddrinfo(handle_, name.c_str(), nullptr, &hints, &on_answer, asked.release());
  wait_for_sockets();
  wait_for_timeout();
}

void DnsChannel::give_up() {
  if (handle_ == nullptr || waiting_ > 0) return;
  ares_cancel(handle_);
  wait_for_sockets();
  wait_for_timeout();
}

void DnsChannel::process(ares_socket_t readable, ares_socket_t writable) {
  if (handle_ == nullptr) return;
  reading_ = {};
  ares_process_fd(handle_, readable, writable);
  wait_for_sockets();
  wait_for_timeout();
}

// Called by c-ares in the middle of its work, and before it closes a socket: only notes the wish,
// for a wait may not start until c-ares is done with the socket.
void DnsChannel::on_socket_state(void* self, ares_socket_t fd, int readable, int writable) {
  auto* channel = static_cast<DnsChannel*>(self);
  if (readable == 0 && writable == 0) {
    const auto found = channel->watches_.find(fd);
    if (found == channel->watches_.end()) return;
    found->second->let_go();  // a handler may hold it a while longer
    channel->watches_.erase(found);
    return;
  }
  std::shared_ptr<Watch>& watch = channel->watches_[fd];
  if (!watch) watch = std::make_shared<Watch>(channel->executor_, fd);
  watch->wants_read = readable != 0;
  watch->wants_write = writable != 0;
}

void DnsChannel::wait_for_sockets() {
  for (const auto& [fd, watch] : watches_) {
    if (watch->wants_read && !watch->reading) start_read(fd, watch);
    if (watch->wants_write && !watch->writing) start_write(fd, watch);
  }
}

void DnsChannel::start_read(ares_socket_t fd, const std::shared_ptr<Watch>& watch) {
  watch->reading = true;
  watch->descriptor.async_wait(
      asio::posix::descriptor_base::wait_read,
      [self = weak_from_this(), seen = std::weak_ptr<Watch>(watch), fd](const auto& failure) {
        const std::shared_ptr<DnsChannel> channel = self.lock();
        const std::shared_ptr<Watch> same = seen.lock();
        if (!channel || !same) return;  // the number may be another socket's by now
        same->reading = false;
        if (!failure && same->wants_read) channel->process(fd, ARES_SOCKET_BAD);
      });
}

void DnsChannel::start_write(ares_socket_t fd, const std::shared_ptr<Watch>& watch) {
  watch->writing = true;
  watch->descriptor.async_wait(
      asio::posix::descriptor_base::wait_write,
      [self = weak_from_this(), seen = std::weak_ptr<Watch>(watch), fd](const auto& failure) {
        const std::shared_ptr<DnsChannel> channel = self.lock();
        const std::shared_ptr<Watch> same = seen.lock();
        if (!channel || !same) return;
        same->writing = false;
        if (!failure && same->wants_write) channel->process(ARES_SOCKET_BAD, fd);
      });
}

void DnsChannel::wait_for_timeout() {
  timeval next{};
  if (handle_ == nullptr || ares_timeout(handle_, nullptr, &next) == nullptr) {
    timer_.cancel();
    return;
  }
  timer_.expires_after(
      std::chrono::seconds(next.tv_sec) +
      std::chrono::microseconds(next.tv_usec + 1000));  // never early: c-ares has ms
  timer_.async_wait([self = weak_from_this()](const auto& failure) {
    const std::shared_ptr<DnsChannel> channel = self.lock();
    if (channel && !failure) channel->process(ARES_SOCKET_BAD, ARES_SOCKET_BAD);
  });
}

}  // namespace smtpprobe
