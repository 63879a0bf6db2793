#include "common/net/prober.h"

#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/this_coro.hpp>
#include <memory>
#include <optional>
#include <utility>

#include "common/net/connector.h"
#include "common/net/conversation.h"
#include "common/net/proxy_header.h"
#include "common/net/socket_address.h"
#include "common/net/transport.h"
#include "common/probe/address_budget.h"
#include "common/probe/time_ledger.h"
#include "common/probe/verdict.h"
#include "common/smtp/address.h"
#include "common/smtp/message.h"

namespace smtpprobe {
namespace asio = boost::asio;
namespace {

Instant now() { return std::chrono::steady_clock::now(); }

WallTime wall_now() {
  return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
}

// For the Message-ID: what no other probe has, this one's own next message included.
std::string unique_token() {
  std::array<unsigned char, 12> bytes{};
  if (::getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) {
    const auto tick = std::chrono::steady_clock::now().time_since_epoch().count();
    return std::to_string(::getpid()) + "." + std::to_string(tick);
  }
  std::string token;
  for (const unsigned char byte : bytes) {
    token += "0123456789abcdef"[byte >> 4];
    token += "0123456789abcdef"[byte & 15];
  }
  return token;
}

// Ours, where it is one that a server may look up; else RFC 5321 section 4.1.4 wants the address.
std::string own_helo_name(const SocketAddress& local) {
  std::array<char, 256> host{};
  if (::gethostname(host.data(), host.size() - 1) == 0) {
    const std::string name = host.data();
    if (name.find('.') != std::string::npos && parse_helo_name(name)) return name;
  }
  return local.address_literal();
}

ProxyEnd proxy_end(const SocketAddress& address) {
  const std::string ip = address.address();
  return {address.ip_version(), address.ip_bytes(), ip.substr(0, ip.find('%')),
          static_cast<std::uint16_t>(address.port())};
}

bool fits(IpChoice choice, const SocketAddress& address) {
  return !(choice == IpChoice::Ipv4 && address.ip_version() == 6) &&
         !(choice == IpChoice::Ipv6 && address.ip_version() == 4);
}

std::string refusal_words(const TurnClaim& claim, const SocketAddress& peer) {
  const std::string full = "the queue of probes for " + peer.words() + " is full";
  if (claim.refusal == TurnClaim::Refusal::QueueFull) return full;
  return full + ", and this client had most of its places: one was given to another client";
}

// The time of earlier attempts is that of other probes, for which they were interrupted.
Instant began_at(const TurnClaim* claim) {
  return claim != nullptr && claim->begins_again() ? claim->first_began : now();
}

class Session {
 public:
  // All outlive the session, of which there are thousands.
  Session(ProbeResult& result, const std::shared_ptr<const ProbePlan>& plan,
          const std::shared_ptr<const TlsContext>& tls, const Restraint& restraint,
          asio::any_io_executor executor)
      : result_(result),
        shared_plan_(plan),
        plan_(*shared_plan_),
        ledger_(began_at(restraint.claim), plan_.timeout),
        tls_(tls),
        restraint_(restraint),
        transport_(std::move(executor)) {
    result_.began = ledger_.began();
    result_.started = wall_now() - std::chrono::floor<WallTime::duration>(now() - result_.began);
    deadline_ = result_.began + plan_.timeout;
    result_.endpoint.host = plan_.target.host;
    result_.endpoint.port = plan_.target.unix_path.empty() ? plan_.port : 0;
    result_.verify = effective_verify(plan_, false);
    if (restraint.claim != nullptr && restraint.claim->begins_again())
      ledger_.add(TimeUse::Queued, now() - result_.began);
  }

  asio::awaitable<void> run(Resolver& resolver);
  void finish_result();

 private:
  // Each of these two says whether to go on.
  asio::awaitable<bool> resolve(Resolver& resolver);
  asio::awaitable<bool> connect_any();
  asio::awaitable<bool> take_turn(SocketAddress peer);
  asio::awaitable<ConnectOutcome> connect_one(SocketAddress peer, Instant limit);
  bool none_connected();
  void judge_timeout();

  // nullopt also where the plan names none.
  std::optional<SocketAddress> source_address() const {
    if (plan_.source_address.empty()) return std::nullopt;
    return SocketAddress::from_literal(plan_.source_address, 0);
  }
  bool resolve_literal();
  bool fail(Step step, Reason reason, std::string detail);
  void describe(const SocketAddress& peer);
  std::shared_ptr<const DialoguePlan> dialogue_plan();

  ProbeResult& result_;
  const std::shared_ptr<const ProbePlan>& shared_plan_;
  const ProbePlan& plan_;
  TimeLedger ledger_;
  const std::shared_ptr<const TlsContext>& tls_;
  const Restraint& restraint_;
  std::optional<AddressTurns::Turn> turn_;
  std::optional<Pace::Place> start_;
  Transport transport_;
  Instant deadline_{};
  std::vector<SocketAddress> addresses_;
  std::optional<Conversation> conversation_;
};

asio::awaitable<void> Session::run(Resolver& resolver) {
  bool go_on = co_await resolve(resolver);
  if (!go_on) co_return;
  go_on = co_await connect_any();
  if (!go_on) co_return;
  std::vector<SocketAddress>().swap(addresses_);  // thousands of probes may wait from here on
  conversation_.emplace(result_, ledger_, plan_, tls_.get(), transport_, restraint_.handshakes,
                        restraint_.texts, dialogue_plan(), result_.steps.back().ended, deadline_,
                        restraint_.claim != nullptr ? restraint_.claim->interrupt.get() : nullptr);
  auto conversing = conversation_->run();
  co_await std::move(conversing);
}

bool Session::fail(Step step, Reason reason, std::string detail) {
  result_.failure = Failure{step, reason, std::move(detail), std::nullopt};
  return false;
}

bool Session::resolve_literal() {
  const std::string& path = plan_.target.unix_path;
  if (!path.empty()) {
    const auto address = SocketAddress::from_path(path);
    result_.endpoint.address = path;
    if (address) addresses_.push_back(*address);
    return address || fail(Step::Resolve, Reason::Config, path + " is too long for a unix socket");
  }
  if (const auto address = SocketAddress::from_literal(plan_.target.host, plan_.port)) {
    addresses_.push_back(*address);
    return fits(plan_.ip, *address) ||
           fail(Step::Resolve, Reason::Config,
                plan_.target.host + " is no IPv" + (plan_.ip == IpChoice::Ipv4 ? "4" : "6") +
                    " address");
  }
  return !is_ip_literal(plan_.target.host) ||
         fail(Step::Resolve, Reason::LocalError,
              plan_.target.host + " names no interface of this host");
}

asio::awaitable<bool> Session::resolve(Resolver& resolver) {
  if (!plan_.source_address.empty() && !source_address())
    co_return fail(Step::Resolve, Reason::Config,
                   "source address " + plan_.source_address + " is no IP address");
  if (!resolve_literal()) co_return false;
  if (!addresses_.empty()) co_return true;

  StepRecord record;
  record.step = Step::Resolve;
  record.began = now();
  const Instant limit = std::min(deadline_, record.began + plan_.dialogue.limits.of(Step::Resolve));
  auto asking = resolver.resolve(plan_.target.host, plan_.ip, limit, plan_.dns);
  Resolved found = co_await std::move(asking);
  record.ended = now();
  if (found.answered != Instant{})
    record.ended = std::clamp(found.answered, record.began, record.ended);
  record.took = record.ended - record.began;
  ledger_.add(TimeUse::Resolving, record.took);
  for (const std::string& literal : found.addresses) {
    if (const auto address = SocketAddress::from_literal(literal, plan_.port))
      addresses_.push_back(*address);
  }
  result_.addresses = addresses_.size();
  if (addresses_.empty()) {
    record.reason = found.ok() ? Reason::DnsMalformed : found.reason;
    record.detail = std::move(found.detail);
    if (record.detail.find(plan_.target.host) == std::string::npos)
      record.detail = plan_.target.host + (record.detail.empty() ? "" : ": " + record.detail);
    fail(Step::Resolve, record.reason, record.detail);
  }
  result_.steps.push_back(std::move(record));
  co_return !addresses_.empty();
}

// The PROXY header is a part of connecting: without it nobody speaks SMTP at the other end.
asio::awaitable<ConnectOutcome> Session::connect_one(SocketAddress peer, Instant limit) {
  auto connecting = connect(transport_, peer, source_address(), limit);
  ConnectOutcome outcome = co_await std::move(connecting);
  if (outcome.reason != Reason::None || plan_.proxy == ProxyHeader::None) co_return outcome;
  const std::string header =
      proxy_header(plan_.proxy, proxy_end(SocketAddress::local_end(transport_.fd())),
                   proxy_end(SocketAddress::remote_end(transport_.fd())));
  std::size_t sent = 0;
  while (sent < header.size()) {
    const IoResult written = transport_.write(std::string_view(header).substr(sent));
    sent += written.bytes;
    if (written.state == IoState::Done) outcome.ended = written.at;
    bool in_time = true;
    if (written.state == IoState::NotYet) in_time = co_await transport_.wait(limit);
    if (in_time && written.state != IoState::Ended) continue;
    outcome.reason = in_time ? written.reason : Reason::ConnectTimeout;
    outcome.detail = "PROXY header not taken by " + peer.words();
    transport_.close(false);
    outcome.ended = now();
    break;
  }
  co_return outcome;
}

// Our own restraint is not the server's time, and a probe that it left too little is not the
// server's fault.
asio::awaitable<bool> Session::take_turn(SocketAddress peer) {
  turn_.reset();
  const Instant began = now();
  bool waited = false;
  if (restraint_.turns != nullptr) {
    turn_ = restraint_.turns->try_take(peer, restraint_.claim);
    if (!turn_) {
      waited = true;
      auto waiting = restraint_.turns->take(peer, deadline_, restraint_.claim);
      turn_ = co_await std::move(waiting);
    }
  }
  const bool in = restraint_.turns == nullptr || turn_;
  if (in && restraint_.starts != nullptr) {
    start_ = restraint_.starts->try_enter();
    if (!start_) {
      waited = true;
      auto waiting = restraint_.starts->enter(deadline_);
      start_ = co_await std::move(waiting);
    }
  }
  if (waited) ledger_.add(TimeUse::Queued, now() - began);
  if (!in && restraint_.claim != nullptr && restraint_.claim->refusal != TurnClaim::Refusal::None)
    co_return fail(Step::Resolve, Reason::ProbeRejected, refusal_words(*restraint_.claim, peer));
  co_return (in && (restraint_.starts == nullptr || start_)) ||
      fail(Step::Resolve, Reason::ProbeRejected,
           "waited " + seconds_words(ledger_.total(TimeUse::Queued)) + " for other probes" +
               (in ? "" : " of " + peer.words()) + " to end");
}

asio::awaitable<bool> Session::connect_any() {
  const AddressBudget budget(addresses_.size(), plan_.dialogue.limits.connect, now(), deadline_);
  for (std::size_t i = 0; i < addresses_.size(); ++i) {
    if (i > 0 && now() >= deadline_) break;
    describe(addresses_[i]);
    auto waiting = take_turn(addresses_[i]);
    const bool in = co_await std::move(waiting);
    if (!in) co_return false;
    auto connecting = connect_one(addresses_[i], budget.limit(i, now()));
    ConnectOutcome outcome = co_await std::move(connecting);
    start_.reset();
    const Duration took = outcome.ended - outcome.began;
    ledger_.add(TimeUse::Connecting, took);
    if (outcome.reason == Reason::None) {
      StepRecord record;
      record.step = Step::Connect;
      record.began = outcome.began;
      record.ended = outcome.ended;
      record.took = took;
      result_.steps.push_back(std::move(record));
      co_return true;
    }
    result_.failed_attempts.push_back(
        {addresses_[i].address(), outcome.reason, std::move(outcome.detail), took});
  }
  co_return none_connected();
}

// The step's time is that of all attempts, its reason and address those of the one that says most.
bool Session::none_connected() {
  const auto& attempts = result_.failed_attempts;
  const std::size_t telling = most_telling(attempts);
  describe(addresses_[telling]);
  StepRecord record;
  record.step = Step::Connect;
  record.took = ledger_.total(TimeUse::Connecting);
  record.ended = now();
  record.began = record.ended - record.took;
  record.reason = attempts[telling].reason;
  record.detail = attempts[telling].detail;
  fail(Step::Connect, record.reason, record.detail);
  result_.steps.push_back(std::move(record));
  return false;
}

void Session::describe(const SocketAddress& peer) {
  result_.endpoint.address = peer.address();
  result_.endpoint.ip_version = peer.ip_version();
  result_.endpoint.loopback = peer.loopback();
}

// What only a connection tells: who we are to this peer, and how far it may be trusted.
// Where this connection changes nothing it is the probe's own plan, which thousands may share.
std::shared_ptr<const DialoguePlan> Session::dialogue_plan() {
  const SocketAddress local = SocketAddress::local_end(transport_.fd());
  if (local.ip_version() != 0) result_.endpoint.local_address = local.text();
  const bool loopback = result_.endpoint.loopback;
  result_.verify = effective_verify(plan_, loopback);

  const DialoguePlan& planned = plan_.dialogue;
  std::shared_ptr<DialoguePlan> changed;
  const auto own = [&changed, &planned]() -> DialoguePlan& {
    if (!changed) changed = std::make_shared<DialoguePlan>(planned);
    return *changed;
  };
  if (planned.helo_name.empty()) own().helo_name = own_helo_name(local);
  const bool stop = result_.verify == TlsVerify::Require;
  if (planned.stop_on_bad_certificate != stop) own().stop_on_bad_certificate = stop;
  const bool trusted =
      stays_on_this_host(plan_, loopback) && plan_.tls.verify != TlsVerify::Require;
  if (planned.auth && trusted && !planned.auth->without_verified_tls)
    own().auth->without_verified_tls = true;

  if (planned.until == Step::Message && planned.message.empty()) {
    DialoguePlan& plan = own();
    const MessageFacts facts{plan.from.value_or(""), plan.to, wall_now(), unique_token(),
                             plan.helo_name};
    plan.message = compose_message(plan_.message.value_or(MessagePlan{}), facts);
  }
  if (changed) return changed;
  return {shared_plan_, &planned};
}

// A deadline is the server's fault only where the server had the time.
void Session::judge_timeout() {
  if (!result_.failure) return;
  const Reason reason = result_.failure->reason;
  const bool again = restraint_.claim != nullptr && restraint_.claim->begins_again();
  if (reason != Reason::Timeout && reason != Reason::ConnectTimeout &&
      (reason != Reason::DnsTimeout || !again))
    return;
  const std::string end = ", no time was left at " + std::string(step_name(result_.failure->step));
  const Instant at = now();
  switch (ledger_.cause_of_timeout(at)) {
    case TimeLedger::Cause::Server:
      return;
    case TimeLedger::Cause::OtherProbes:
      fail(Step::Resolve, Reason::ProbeRejected,
           "waited " + seconds_words(ledger_.total(TimeUse::Queued)) + " for other probes" + end);
      return;
    case TimeLedger::Cause::Host:
      fail(Step::Resolve, Reason::LocalError,
           "this host was busy for " + seconds_words(ledger_.host_time(at)) + end);
      return;
  }
}

void Session::finish_result() {
  if (conversation_) conversation_->tell();
  result_.waited = ledger_.total(TimeUse::Queued);
  judge_timeout();
  result_.ended = now();
}

}  // namespace

asio::awaitable<void> probe_into(ProbeResult& result, const std::shared_ptr<const ProbePlan>& plan,
                                 const std::shared_ptr<const TlsContext>& tls, Resolver& resolver,
                                 const Restraint& restraint) {
  Session session(result, plan, tls, restraint, co_await asio::this_coro::executor);
  auto running = session.run(resolver);
  co_await std::move(running);
  session.finish_result();
}

asio::awaitable<ProbeResult> probe(std::shared_ptr<const ProbePlan> plan,
                                   std::shared_ptr<const TlsContext> tls, Resolver& resolver,
                                   Restraint restraint) {
  ProbeResult result;
  auto probing = probe_into(result, plan, tls, resolver, restraint);
  co_await std::move(probing);
  co_return result;
}

}  // namespace smtpprobe
