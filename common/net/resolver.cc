#include "common/net/resolver.h"

#include <ares.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <iterator>
#include <optional>
#include <utility>

#include "common/net/address_order.h"
#include "common/net/dns_channel.h"
#include "common/net/dns_failure.h"
#include "common/net/hosts_file.h"
#include "common/net/search_list.h"

namespace smtpprobe {
namespace {

namespace asio = boost::asio;

constexpr std::size_t kMostEntries = 8;  // beside those with a question open

Instant now() { return std::chrono::steady_clock::now(); }

bool is_ipv6(const std::string& address) { return address.find(':') != std::string::npos; }

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

// What came of one candidate.
struct Lookup {
  std::vector<std::string> addresses;
  int status = ARES_ENOTFOUND;  // where there is none
  Instant answered{};           // unset where waiting ended it
  bool stopped = false;         // the resolver or the waiting coroutine is gone
};

// When a TCP connection to a name server ends, c-ares gives up all that it has asked that server,
// over UDP too. Asked alone, once, a name fails for its own reasons.
class Alone {
 public:
  explicit Alone(const DnsChannel& shared)
      : executor_(shared.executor()), options_(shared.options()) {}

  void ask_again(const std::shared_ptr<DnsQuestion>& question, const std::string& name) {
    for (std::size_t i = 0; i < question->families.size(); ++i) {
      FamilyAnswer& family = question->families[i];
      if (asked_[i] || !family.done || family.status != ARES_ECONNREFUSED) continue;
      asked_[i] = true;
      if (!channel_) {
        channel_ = std::make_shared<DnsChannel>(executor_, options_);
        if (channel_->open() != ARES_SUCCESS) return;
      }
      channel_->ask(question, family, name);
    }
  }

 private:
  asio::any_io_executor executor_;
  std::shared_ptr<const DnsChannelOptions> options_;
  std::shared_ptr<DnsChannel> channel_;
  std::array<bool, 2> asked_{};
};

// Until there is nothing more to wait for; false when the one who waits gives up. The channel may
// go meanwhile.
asio::awaitable<bool> wait(std::shared_ptr<DnsQuestion> question, Alone& alone, std::string name,
                           Instant limit) {
  std::optional<Instant> settled_limit;
  while (true) {
    alone.ask_again(question, name);
    if (question->all_done()) co_return true;
    if (!settled_limit && question->settled())
      settled_limit = std::min(limit, now() + kResolutionDelay);
    const Instant until = settled_limit.value_or(limit);
    question->news = false;
    question->wake.expires_at(until);
    auto waiting = question->wake.async_wait(asio::as_tuple(asio::use_awaitable));
    [[maybe_unused]] const auto woken = co_await std::move(waiting);
    const asio::cancellation_state state = co_await asio::this_coro::cancellation_state;
    if (state.cancelled() != asio::cancellation_type::none) co_return false;
    if (!question->news) co_return true;
  }
}

// One candidate, both families. The channel may go while this waits.
asio::awaitable<Lookup> look_up(std::weak_ptr<DnsChannel> channel, std::string name,
                                IpChoice choice, Instant limit) {
  std::shared_ptr<DnsChannel> alive = channel.lock();
  Lookup lookup;
  lookup.stopped = !alive;
  if (!alive) co_return lookup;
  const auto question = std::make_shared<DnsQuestion>(alive->executor(), choice);
  std::optional<DnsChannel::Waiting> counted(alive);
  for (FamilyAnswer& family : question->families) {
    if (family.wanted) alive->ask(question, family, name);
  }
  Alone alone(*alive);
  alive.reset();
  auto waiting = wait(question, alone, name, limit);
  const bool waited = co_await std::move(waiting);
  counted.reset();
  const bool all_done = question->all_done();
  lookup.status = all_done || question->settled() ? question->status() : ARES_ETIMEOUT;
  lookup.addresses = question->take_addresses();
  if (all_done) lookup.answered = question->answered;
  lookup.stopped = !waited || lookup.status == ARES_EDESTRUCTION;
  alive = channel.lock();
  if (alive && !all_done) alive->give_up();
  co_return lookup;
}

// The reason is that of the name as it stands; a search domain that failed is named beside it.
class Failures {
 public:
  Failures(const std::string& name, IpChoice choice) : name_(name), choice_(choice) {}

  void add(const SearchCandidate& candidate, const Lookup& lookup) {
    if (candidate.as_is) {
      failure_ = dns_failure(name_, choice_, lookup.status);
      failure_.answered = lookup.answered;
    } else if (searched_.empty() && lookup.status != ARES_ENOTFOUND) {
      searched_ = dns_failure(candidate.name, choice_, lookup.status).detail;
    }
  }

  Resolved take() {
    if (!searched_.empty()) failure_.detail += "; " + searched_;
    return std::move(failure_);
  }

 private:
  const std::string& name_;
  IpChoice choice_;
  Resolved failure_;
  std::string searched_;
};

// A search domain has half of the time that is left, so that a silent one leaves enough for the
// name as it stands. As with glibc, no further domain is asked then.
Instant limit_of(const SearchCandidate& candidate, bool asked_as_is, Instant deadline) {
  const Instant begin = now();
  return candidate.as_is || asked_as_is ? deadline : begin + (deadline - begin) / 2;
}

bool ends_search(int status) { return status == ARES_ETIMEOUT || status == ARES_ECONNREFUSED; }

asio::awaitable<Resolved> search(std::weak_ptr<DnsChannel> channel, std::string name,
                                 std::vector<SearchCandidate> candidates, IpChoice choice,
                                 Instant deadline) {
  Failures failures(name, choice);
  bool asked_as_is = false;
  bool search_ended = false;
  for (const SearchCandidate& candidate : candidates) {
    if (search_ended && !candidate.as_is) continue;
    const Instant limit = limit_of(candidate, asked_as_is, deadline);
    auto looking_up = look_up(channel, candidate.name, choice, limit);
    Lookup lookup = co_await std::move(looking_up);
    if (!lookup.addresses.empty()) {
      order(lookup.addresses, choice);
      co_return Resolved{std::move(lookup.addresses), Reason::None, {}, lookup.answered};
    }
    if (lookup.stopped) co_return dns_failure(name, choice, ARES_ECANCELLED);
    failures.add(candidate, lookup);
    asked_as_is = asked_as_is || candidate.as_is;
    search_ended = search_ended || ends_search(lookup.status);
  }
  co_return failures.take();
}

}  // namespace

CaresResolver::CaresResolver(asio::any_io_executor executor, std::string resolv_conf)
    : executor_(std::move(executor)), file_(std::move(resolv_conf)) {}

CaresResolver::~CaresResolver() {
  for (const Entry& entry : entries_) entry.channel->close();
  for (const auto& channel : outdated_) channel->close();
}

// Settings come and go with the configuration.
void CaresResolver::drop_idle() {
  std::erase_if(outdated_, [](const auto& channel) { return channel->waiting() == 0; });
  std::size_t surplus = entries_.size() - std::min(entries_.size(), kMostEntries);
  std::erase_if(entries_, [&surplus](const Entry& entry) {
    if (surplus == 0 || entry.channel->waiting() > 0) return false;
    --surplus;
    return true;
  });
}

// When a new channel cannot be opened, the old one stays: it knows more than none.
std::shared_ptr<DnsChannel> CaresResolver::channel_for(const DnsSettings& settings, int& failure) {
  if (const Instant at = now(); file_.has_changed(at)) {
    conf_ = file_.read(at);
    ++conf_number_;
  }
  drop_idle();
  const auto found = std::find_if(entries_.begin(), entries_.end(),
                                  [&](const Entry& entry) { return entry.settings == settings; });
  Entry entry{settings, nullptr, 0};
  if (found != entries_.end()) {
    if (found->conf == conf_number_ && std::next(found) == entries_.end()) return found->channel;
    entry = std::move(*found);
    entries_.erase(found);
  }
  if (!entry.channel || entry.conf != conf_number_) {
    auto fresh = std::make_shared<DnsChannel>(
        executor_, std::make_shared<const DnsChannelOptions>(file_.path(), conf_, settings));
    failure = fresh->open();
    if (failure != ARES_SUCCESS && !entry.channel) return nullptr;
    if (failure == ARES_SUCCESS) {
      entry.conf = conf_number_;
      if (entry.channel && entry.channel->waiting() > 0)
        outdated_.push_back(std::move(entry.channel));
      entry.channel = std::move(fresh);
    }
  }
  entries_.push_back(std::move(entry));
  return entries_.back().channel;
}

asio::awaitable<Resolved> CaresResolver::resolve(std::string name, IpChoice choice,
                                                 Instant deadline, DnsSettings settings) {
  std::string_view bare = name;
  if (bare.ends_with('.')) bare.remove_suffix(1);
  if (std::vector<std::string> local = local_addresses(bare, choice); !local.empty()) {
    order(local, choice);
    co_return Resolved{std::move(local), Reason::None, {}, {}};
  }
  int failure = ARES_SUCCESS;
  const std::weak_ptr<DnsChannel> channel = channel_for(settings, failure);
  if (channel.expired()) {
    co_return Resolved{{},
                       Reason::LocalError,
                       fmt::format("name resolution cannot start: {}", ares_strerror(failure)),
                       {}};
  }
  // From the first wait on, this resolver may be gone.
  std::vector<SearchCandidate> candidates = search_candidates(name, conf_.domains, conf_.ndots);
  auto searching = search(channel, name, std::move(candidates), choice, deadline);
  Resolved resolved = co_await std::move(searching);
  co_return resolved;
}

}  // namespace smtpprobe
