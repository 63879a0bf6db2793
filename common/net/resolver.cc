// c-ares without threads: it tells which of its sockets it waits for and until when, Asio waits,
// and c-ares is called again. c-ares owns and closes its sockets; Asio only watches them.
#include "common/net/resolver.h"

#include <ares.h>
#include <arpa/inet.h>
#include <fmt/format.h>
#include <netdb.h>
#include <sys/time.h>

#include <algorithm>
#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <map>
#include <optional>
#include <utility>

#include "common/net/address_order.h"
#include "common/net/dns_failure.h"
#include "common/net/dns_sockets.h"

namespace smtpprobe {
namespace {

namespace asio = boost::asio;

constexpr int kTryMilliseconds = 2000;
constexpr int kTries = 2;
constexpr std::size_t kMaxAddresses = 16;

// One name that is being asked for. Shared by the coroutine that waits and by c-ares, for either
// may be done with it first.
struct Query {
  explicit Query(const asio::any_io_executor& executor) : wake(executor) {}

  asio::steady_timer wake;  // runs until the deadline; cancelled by the answer
  bool done = false;
  const std::optional<Instant>* arrival = nullptr;  // of what c-ares is reading
  Instant answered{};
  int status = ARES_SUCCESS;
  std::vector<std::string> addresses;
};

// A socket of c-ares while c-ares wants it watched.
struct Watch {
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

bool is_ipv6(const std::string& address) { return address.find(':') != std::string::npos; }

// Of each family as many as could be wanted: an answer may have thousands.
std::vector<std::string> address_texts(const ares_addrinfo& info) {
  std::vector<std::string> addresses;
  std::size_t count_of_ipv6 = 0;
  for (const ares_addrinfo_node* node = info.nodes; node != nullptr; node = node->ai_next) {
    const bool six = node->ai_family == AF_INET6;
    const std::size_t count = six ? count_of_ipv6 : addresses.size() - count_of_ipv6;
    if (count == kMaxAddresses) continue;
    std::optional<std::string> text = address_text(*node);
    if (!text) continue;
    const bool known = std::find(addresses.begin(), addresses.end(), *text) != addresses.end();
    if (known) continue;
    addresses.push_back(std::move(*text));
    count_of_ipv6 += six ? 1 : 0;
  }
  return addresses;
}

void order(std::vector<std::string>& addresses, IpChoice choice) {
  order_addresses(addresses);
  if (choice == IpChoice::PreferIpv6) {
    std::stable_partition(addresses.begin(), addresses.end(), &is_ipv6);
  } else if (choice == IpChoice::PreferIpv4) {
    std::stable_partition(addresses.begin(), addresses.end(),
                          [](const std::string& address) { return !is_ipv6(address); });
  }
  if (addresses.size() > kMaxAddresses) addresses.resize(kMaxAddresses);
}

int family_of(IpChoice choice) {
  switch (choice) {
    case IpChoice::Ipv4:
      return AF_INET;
    case IpChoice::Ipv6:
      return AF_INET6;
    case IpChoice::Any:
    case IpChoice::PreferIpv4:
    case IpChoice::PreferIpv6:
      return AF_UNSPEC;
  }
  return AF_UNSPEC;
}

// What c-ares calls, once for each ares_getaddrinfo(): at the answer, or when it is destroyed.
void on_answer(void* argument, int status, int, ares_addrinfo* info) {
  const std::unique_ptr<std::shared_ptr<Query>> held(
      static_cast<std::shared_ptr<Query>*>(argument));
  Query& query = **held;
  query.status = status;
  if (info != nullptr) {
    if (status == ARES_SUCCESS) query.addresses = address_texts(*info);
    ares_freeaddrinfo(info);
  }
  query.done = true;
  query.answered = query.arrival->value_or(std::chrono::steady_clock::now());
  query.wake.cancel();
}

}  // namespace

// c-ares's channel and what watches for it. Handlers hold it weakly, so it can go at any time.
struct CaresResolver::Channel : std::enable_shared_from_this<CaresResolver::Channel> {
  explicit Channel(const asio::any_io_executor& executor_of_all)
      : executor(executor_of_all), timer(executor_of_all) {}
  ~Channel() { close(); }
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  int open(const std::vector<std::string>& name_servers);
  void close();
  void ask(const std::shared_ptr<Query>& query, const std::string& name, int family);
  void give_up();
  void process(ares_socket_t readable, ares_socket_t writable);
  void wait_for_sockets();
  void wait_for_timeout();
  void start_read(ares_socket_t fd, const std::shared_ptr<Watch>& watch);
  void start_write(ares_socket_t fd, const std::shared_ptr<Watch>& watch);
  static void on_socket_state(void* self, ares_socket_t fd, int readable, int writable);

  asio::any_io_executor executor;
  asio::steady_timer timer;  // c-ares's next retry
  std::map<ares_socket_t, std::shared_ptr<Watch>> watches;
  ares_channel handle = nullptr;
  std::optional<Instant> arrival;  // of the answer that c-ares is at
  int waiting = 0;                 // coroutines with a question open
};

int CaresResolver::Channel::open(const std::vector<std::string>& name_servers) {
  const int ready = ares_library_init(ARES_LIB_INIT_ALL);
  if (ready != ARES_SUCCESS) return ready;
  ares_options options{};
  std::array<char, 3> lookups{"fb"};  // the hosts file, then DNS
  options.lookups = lookups.data();
  options.timeout = kTryMilliseconds;
  options.tries = kTries;
  options.sock_state_cb = &on_socket_state;
  options.sock_state_cb_data = this;
  const int mask = ARES_OPT_LOOKUPS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB;
  const int made = ares_init_options(&handle, &options, mask);
  if (made != ARES_SUCCESS) {
    handle = nullptr;
    ares_library_cleanup();
    return made;
  }
  use_stamped_sockets(handle, &arrival);
  if (name_servers.empty()) return ARES_SUCCESS;
  const std::string list = fmt::format("{}", fmt::join(name_servers, ","));
  return ares_set_servers_ports_csv(handle, list.c_str());
}

// Ends every question: their coroutines wake up with ARES_EDESTRUCTION.
void CaresResolver::Channel::close() {
  if (handle == nullptr) return;
  ares_destroy(std::exchange(handle, nullptr));
  ares_library_cleanup();
  watches.clear();
  timer.cancel();
}

void CaresResolver::Channel::ask(const std::shared_ptr<Query>& query, const std::string& name,
                                 int family) {
  ares_addrinfo_hints hints{};
  hints.ai_family = family;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = ARES_AI_NOSORT;  // order() does it, for those few that are kept
  arrival.reset();
  query->arrival = &arrival;
  auto held = std::make_unique<std::shared_ptr<Query>>(query);
  ares_getaddrinfo(handle, name.c_str(), nullptr, &hints, &on_answer, held.release());
  wait_for_sockets();
  wait_for_timeout();
}

// c-ares cannot forget one question. When nobody waits for any, it forgets all, so that the event
// loop has nothing left to wait for; else it finishes what is left by its own timeouts.
void CaresResolver::Channel::give_up() {
  if (handle == nullptr || waiting > 0) return;
  ares_cancel(handle);
  wait_for_sockets();
  wait_for_timeout();
}

void CaresResolver::Channel::process(ares_socket_t readable, ares_socket_t writable) {
  if (handle == nullptr) return;
  arrival.reset();
  ares_process_fd(handle, readable, writable);
  wait_for_sockets();
  wait_for_timeout();
}

// Called by c-ares in the middle of its work, and before it closes a socket: only notes the wish,
// for a wait may not start until c-ares is done with the socket.
void CaresResolver::Channel::on_socket_state(void* self, ares_socket_t fd, int readable,
                                             int writable) {
  auto* channel = static_cast<Channel*>(self);
  if (readable == 0 && writable == 0) {
    const auto found = channel->watches.find(fd);
    if (found == channel->watches.end()) return;
    found->second->let_go();  // a handler may hold it a while longer
    channel->watches.erase(found);
    return;
  }
  std::shared_ptr<Watch>& watch = channel->watches[fd];
  if (!watch) watch = std::make_shared<Watch>(channel->executor, fd);
  watch->wants_read = readable != 0;
  watch->wants_write = writable != 0;
}

void CaresResolver::Channel::wait_for_sockets() {
  for (const auto& [fd, watch] : watches) {
    if (watch->wants_read && !watch->reading) start_read(fd, watch);
    if (watch->wants_write && !watch->writing) start_write(fd, watch);
  }
}

void CaresResolver::Channel::start_read(ares_socket_t fd, const std::shared_ptr<Watch>& watch) {
  watch->reading = true;
  watch->descriptor.async_wait(
      asio::posix::descriptor_base::wait_read,
      [self = weak_from_this(), seen = std::weak_ptr<Watch>(watch), fd](const auto& failure) {
        const std::shared_ptr<Channel> channel = self.lock();
        const std::shared_ptr<Watch> same = seen.lock();
        if (!channel || !same) return;  // the number may be another socket's by now
        same->reading = false;
        if (!failure && same->wants_read) channel->process(fd, ARES_SOCKET_BAD);
      });
}

void CaresResolver::Channel::start_write(ares_socket_t fd, const std::shared_ptr<Watch>& watch) {
  watch->writing = true;
  watch->descriptor.async_wait(
      asio::posix::descriptor_base::wait_write,
      [self = weak_from_this(), seen = std::weak_ptr<Watch>(watch), fd](const auto& failure) {
        const std::shared_ptr<Channel> channel = self.lock();
        const std::shared_ptr<Watch> same = seen.lock();
        if (!channel || !same) return;
        same->writing = false;
        if (!failure && same->wants_write) channel->process(ARES_SOCKET_BAD, fd);
      });
}

void CaresResolver::Channel::wait_for_timeout() {
  timeval next{};
  if (handle == nullptr || ares_timeout(handle, nullptr, &next) == nullptr) {
    timer.cancel();
    return;
  }
  timer.expires_after(
      std::chrono::seconds(next.tv_sec) +
      std::chrono::microseconds(next.tv_usec + 1000));  // never early: c-ares has ms
  timer.async_wait([self = weak_from_this()](const auto& failure) {
    const std::shared_ptr<Channel> channel = self.lock();
    if (channel && !failure) channel->process(ARES_SOCKET_BAD, ARES_SOCKET_BAD);
  });
}

// Counts a coroutine among those that wait, for as long as its frame lives.
struct CaresResolver::Waiting {
  explicit Waiting(const std::shared_ptr<Channel>& asked) : channel(asked) { ++asked->waiting; }
  ~Waiting() {
    if (const std::shared_ptr<Channel> alive = channel.lock()) --alive->waiting;
  }
  Waiting(const Waiting&) = delete;
  Waiting& operator=(const Waiting&) = delete;

  std::weak_ptr<Channel> channel;
};

CaresResolver::CaresResolver(boost::asio::any_io_executor executor,
                             std::vector<std::string> name_servers)
    : executor_(std::move(executor)), name_servers_(std::move(name_servers)) {}

CaresResolver::~CaresResolver() {
  if (channel_) channel_->close();
  for (const auto& channel : outdated_) channel->close();
}

// When the new one cannot be opened, the old one stays: it knows more than none.
int CaresResolver::prepare() {
  const Instant now = std::chrono::steady_clock::now();
  std::erase_if(outdated_, [](const auto& channel) { return channel->waiting == 0; });
  if (channel_ && (!name_servers_.empty() || !resolv_conf_.has_changed(now))) return ARES_SUCCESS;
  ResolvConf seen;
  seen.about_to_read(now);
  auto fresh = std::make_shared<Channel>(executor_);
  const int opened = fresh->open(name_servers_);
  if (opened != ARES_SUCCESS) return channel_ ? ARES_SUCCESS : opened;
  resolv_conf_ = seen;
  if (channel_ && channel_->waiting > 0) outdated_.push_back(std::move(channel_));
  channel_ = std::move(fresh);
  return ARES_SUCCESS;
}

// The channel may go while this waits.
boost::asio::awaitable<Resolved> CaresResolver::ask(std::weak_ptr<Channel> channel,
                                                    std::string name, IpChoice choice,
                                                    Instant deadline, bool& cut_off) {
  std::shared_ptr<Channel> alive = channel.lock();
  const auto query = std::make_shared<Query>(alive->executor);
  query->wake.expires_at(deadline);
  std::optional<Waiting> waiting(alive);
  alive->ask(query, name, family_of(choice));
  alive.reset();
  if (!query->done) {
    auto wait = query->wake.async_wait(asio::as_tuple(asio::use_awaitable));
    [[maybe_unused]] const auto woken = co_await std::move(wait);
  }
  waiting.reset();
  const bool answered = query->done;
  alive = channel.lock();
  if (alive && !answered) alive->give_up();
  if (!answered) {
    const bool late = std::chrono::steady_clock::now() >= deadline;
    co_return late ? dns_timed_out(name) : dns_failure(name, choice, ARES_ECANCELLED);
  }
  cut_off = query->status == ARES_ECONNREFUSED;
  order(query->addresses, choice);
  Resolved resolved;
  if (query->addresses.empty()) resolved = dns_failure(name, choice, query->status);
  resolved.addresses = std::move(query->addresses);
  resolved.answered = query->answered;
  co_return resolved;
}

boost::asio::awaitable<Resolved> CaresResolver::resolve(std::string name, IpChoice choice,
                                                        Instant deadline) {
  if (const int prepared = prepare(); prepared != ARES_SUCCESS) {
    co_return Resolved{{},
                       Reason::LocalError,
                       fmt::format("name resolution cannot start: {}", ares_strerror(prepared))};
  }
  // From the first wait on, this resolver may be gone.
  const asio::any_io_executor executor = executor_;
  const std::vector<std::string> name_servers = name_servers_;
  bool cut_off = false;
  auto asking = ask(channel_, name, choice, deadline, cut_off);
  Resolved resolved = co_await std::move(asking);
  // When a TCP connection to a name server ends, c-ares gives up all that it has asked that server,
  // over UDP too. Asked alone a name fails for its own reasons.
  if (!cut_off) co_return resolved;
  const auto alone = std::make_shared<Channel>(executor);
  if (alone->open(name_servers) != ARES_SUCCESS) co_return resolved;
  auto asking_again = ask(alone, name, choice, deadline, cut_off);
  resolved = co_await std::move(asking_again);
  co_return resolved;
}

}  // namespace smtpprobe
