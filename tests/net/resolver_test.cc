// CaresResolver against a scripted name server on the loopback.
#include "common/net/resolver.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/udp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <functional>
#include <map>
#include <optional>
#include <thread>

#include "common/net/dns_library.h"
#include "common/net/dns_question.h"
#include "common/net/receive_stamps.h"
#include "tests/net/kernel_stamps.h"

namespace smtpprobe {
namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;

constexpr int kTypeA = 1;
constexpr int kTypeCname = 5;
constexpr int kTypeAaaa = 28;

constexpr int kNoError = 0;
constexpr int kServfail = 2;
constexpr int kNxdomain = 3;
constexpr int kRefused = 5;

std::string number16(int value) {
  return {static_cast<char>(value >> 8), static_cast<char>(value & 0xff)};
}

std::string wire_name(const std::string& name) {
  std::string wire;
  std::size_t at = 0;
  while (at < name.size()) {
    const std::size_t dot = std::min(name.find('.', at), name.size());
    wire += static_cast<char>(dot - at);
    wire += name.substr(at, dot - at);
    at = dot + 1;
  }
  return wire + '\0';
}

struct Record {
  std::string owner;
  int type = kTypeA;
  std::string data;  // as on the wire
};

Record address(const std::string& owner, const std::string& literal) {
  const bool six = literal.find(':') != std::string::npos;
  std::string data(six ? 16 : 4, '\0');
  EXPECT_EQ(::inet_pton(six ? AF_INET6 : AF_INET, literal.c_str(), data.data()), 1);
  return {owner, six ? kTypeAaaa : kTypeA, data};
}

struct Answer {
  int code = kNoError;
  std::vector<Record> records{};
  std::string raw{};       // instead: these bytes behind the header
  bool silent = false;     // no answer at all
  std::size_t cut = 0;     // bytes missing at the end
  bool truncated = false;  // the rest is to be had over TCP, which is refused
};

// Answers each question from a table by name and type; what is not in it is NODATA.
class NameServer {
 public:
  explicit NameServer(asio::io_context& io)
      : socket_(io, asio::ip::udp::endpoint(asio::ip::address_v4::loopback(), 0)) {
    receive();
  }

  const std::string& address() const { return address_; }
  void stop() { socket_.close(); }
  void set(const std::string& name, int type, Answer answer) {
    answers_[{name, type}] = std::move(answer);
  }
  void set(const std::string& name, const Answer& answer) {
    set(name, kTypeA, answer);
    set(name, kTypeAaaa, answer);
  }
  int questions() const { return questions_; }
  // The names, in the order of the questions.
  const std::vector<std::string>& asked() const { return asked_; }

 private:
  void receive() {
    socket_.async_receive_from(asio::buffer(buffer_), client_,
                               [this](const boost::system::error_code& failure, std::size_t size) {
                                 if (failure) return;
                                 answer(std::string(buffer_.data(), size));
                                 receive();
                               });
  }

  void answer(const std::string& question) {
    ++questions_;
    std::string& name = asked_.emplace_back();
    std::size_t at = 12;
    while (at < question.size() && question[at] != '\0') {
      const auto length = static_cast<std::size_t>(question[at]);
      if (!name.empty()) name += '.';
      name += question.substr(at + 1, length);
      at += length + 1;
    }
    const int type = question[at + 2];
    const Answer& found = answers_[{name, type}];
    if (found.silent) return;
    const char flags = found.truncated ? '\x83' : '\x81';
    std::string reply = question.substr(0, 2) + flags + static_cast<char>(0x80 | found.code) +
                        number16(1) + number16(static_cast<int>(found.records.size())) +
                        number16(0) + number16(0) + question.substr(12, at + 5 - 12);
    for (const Record& record : found.records) {
      reply += wire_name(record.owner) + number16(record.type) + number16(1) + number16(0) +
               number16(60) + number16(static_cast<int>(record.data.size())) + record.data;
    }
    if (!found.raw.empty()) reply = reply.substr(0, 12) + found.raw;
    reply.resize(reply.size() - found.cut);
    socket_.send_to(asio::buffer(reply), client_);
  }

  asio::ip::udp::socket socket_;
  const std::string address_ = "127.0.0.1:" + std::to_string(socket_.local_endpoint().port());
  asio::ip::udp::endpoint client_;
  std::array<char, 1500> buffer_{};
  std::map<std::pair<std::string, int>, Answer> answers_;
  std::vector<std::string> asked_;
  int questions_ = 0;
};

class ResolverTest : public testing::Test {
 protected:
  ResolverTest() : server_(io_) { use_resolv_conf("search .\n"); }
  ~ResolverTest() override { std::remove(resolv_conf_.c_str()); }

  void use_resolv_conf(const std::string& text) {
    std::ofstream(resolv_conf_) << text;
    resolver_.emplace(io_.get_executor(), resolv_conf_);
  }
  DnsSettings settings() const { return {{server_.address()}, timeout_, tries_}; }

  // Starts a question; its answer comes into the returned place.
  std::shared_ptr<std::optional<Resolved>> ask(const std::string& name, IpChoice choice,
                                               Duration patience = 10s) {
    auto place = std::make_shared<std::optional<Resolved>>();
    asio::co_spawn(
        io_,
        resolver_->resolve(name, choice, std::chrono::steady_clock::now() + patience, settings()),
        [this, place](const std::exception_ptr& thrown, Resolved resolved) {
          EXPECT_EQ(thrown, nullptr);
          *place = std::move(resolved);
          if (--open_ == 0) server_.stop();
        });
    ++open_;
    return place;
  }

  // Runs until nothing is left to wait for, which must be soon.
  void run() {
    io_.run_for(8s);
    EXPECT_TRUE(io_.stopped()) << "something is still being waited for";
  }

  Resolved resolve(const std::string& name, IpChoice choice = IpChoice::Any,
                   Duration patience = 10s) {
    const auto place = ask(name, choice, patience);
    run();
    return place->value_or(Resolved{{}, Reason::None, "no answer"});
  }

  const DnsLibrary library_;
  const std::string resolv_conf_ = testing::TempDir() + "resolv.conf." + std::to_string(::getpid());
  asio::io_context io_;
  NameServer server_;
  std::optional<CaresResolver> resolver_;
  std::optional<Duration> timeout_;
  std::optional<int> tries_;
  int open_ = 0;
};

using Addresses = std::vector<std::string>;

TEST_F(ResolverTest, AddressesOfBothFamilies) {
  server_.set("mx.test", kTypeA, {.records = {address("mx.test", "192.0.2.1")}});
  server_.set("mx.test", kTypeAaaa, {.records = {address("mx.test", "2001:db8::1")}});
  Resolved resolved = resolve("mx.test");
  EXPECT_TRUE(resolved.ok()) << resolved.detail;
  std::sort(resolved.addresses.begin(), resolved.addresses.end());
  EXPECT_EQ(resolved.addresses, (Addresses{"192.0.2.1", "2001:db8::1"}));
}

TEST_F(ResolverTest, AnAnswerThatIsReadLateTellsWhenItWasHere) {
  const ReceiveStamps stamps;
  await_stamps();
  server_.set("mx.test", {kNoError, {address("mx.test", "192.0.2.7")}});
  const Instant asked = std::chrono::steady_clock::now();
  const auto place = ask("mx.test", IpChoice::Ipv4);
  // The server answers, and then the loop is busy with something else.
  while (server_.questions() == 0) io_.run_one();
  const Instant sent = std::chrono::steady_clock::now();
  std::this_thread::sleep_for(1s);
  run();
  ASSERT_TRUE(*place);
  EXPECT_EQ((*place)->addresses, (Addresses{"192.0.2.7"}));
  EXPECT_GE((*place)->answered, asked);
  EXPECT_LE((*place)->answered, sent + 900ms);
}

TEST_F(ResolverTest, OneFamilyIsAskedForAlone) {
  server_.set("mx.test", kTypeA, {.records = {address("mx.test", "192.0.2.1")}});
  server_.set("mx.test", kTypeAaaa, {.records = {address("mx.test", "2001:db8::1")}});
  EXPECT_EQ(resolve("mx.test", IpChoice::Ipv6).addresses, (Addresses{"2001:db8::1"}));
  EXPECT_EQ(server_.questions(), 1);
}

class PreferenceTest : public ResolverTest, public testing::WithParamInterface<IpChoice> {};

TEST_P(PreferenceTest, PutsItsFamilyFirstAndKeepsTheOther) {
  server_.set("mx.test", kTypeA,
              {.records = {address("mx.test", "192.0.2.1"), address("mx.test", "192.0.2.2")}});
  server_.set("mx.test", kTypeAaaa, {.records = {address("mx.test", "2001:db8::1")}});
  const Resolved resolved = resolve("mx.test", GetParam());
  ASSERT_EQ(resolved.addresses.size(), 3u) << resolved.detail;
  const bool six_first = GetParam() == IpChoice::PreferIpv6;
  EXPECT_EQ(resolved.addresses[six_first ? 0 : 2], "2001:db8::1");
}

INSTANTIATE_TEST_SUITE_P(Both, PreferenceTest,
                         testing::Values(IpChoice::PreferIpv4, IpChoice::PreferIpv6));

TEST_F(ResolverTest, CnamesAreFollowed) {
  server_.set("alias.test", kTypeA,
              {.records = {{"alias.test", kTypeCname, wire_name("mx.test")},
                           address("mx.test", "192.0.2.7")}});
  EXPECT_EQ(resolve("alias.test", IpChoice::Ipv4).addresses, (Addresses{"192.0.2.7"}));
}

TEST_F(ResolverTest, AtMostSixteenAddressesAndNoneTwice) {
  Answer many;
  for (int i = 1; i <= 20; ++i) {
    many.records.push_back(address("mx.test", "192.0.2." + std::to_string(i)));
  }
  server_.set("mx.test", kTypeA, many);
  EXPECT_EQ(resolve("mx.test", IpChoice::Ipv4).addresses.size(), 16u);
}

TEST_F(ResolverTest, ADuplicateIsOne) {
  server_.set("mx.test", kTypeA,
              {.records = {address("mx.test", "192.0.2.1"), address("mx.test", "192.0.2.1")}});
  EXPECT_EQ(resolve("mx.test", IpChoice::Ipv4).addresses, (Addresses{"192.0.2.1"}));
}

TEST_F(ResolverTest, ANameThatIsNot) {
  server_.set("none.test", {.code = kNxdomain});
  const Resolved resolved = resolve("none.test");
  EXPECT_EQ(resolved.reason, Reason::DnsNxdomain);
  EXPECT_EQ(resolved.detail, "none.test");
  EXPECT_TRUE(resolved.addresses.empty());
}

TEST_F(ResolverTest, ANameWithoutAddresses) {
  const Resolved any = resolve("empty.test");
  EXPECT_EQ(any.reason, Reason::DnsNodata);
  EXPECT_EQ(any.detail, "empty.test has no address");
}

TEST_F(ResolverTest, ANameWithoutAddressesOfTheFamily) {
  server_.set("four.test", kTypeA, {.records = {address("four.test", "192.0.2.1")}});
  const Resolved resolved = resolve("four.test", IpChoice::Ipv6);
  EXPECT_EQ(resolved.reason, Reason::DnsNodata);
  EXPECT_EQ(resolved.detail, "four.test has no IPv6 address");
}

TEST_F(ResolverTest, AFailingNameServer) {
  server_.set("broken.test", {.code = kServfail});
  const Resolved resolved = resolve("broken.test");
  EXPECT_EQ(resolved.reason, Reason::DnsServfail) << resolved.detail;
}

TEST_F(ResolverTest, ARefusingNameServer) {
  server_.set("refused.test", {.code = kRefused});
  const Resolved resolved = resolve("refused.test");
  EXPECT_EQ(resolved.reason, Reason::DnsServfail) << resolved.detail;
}

TEST_F(ResolverTest, OneFamilyFailsAndTheOtherAnswers) {
  server_.set("half.test", kTypeA, {.records = {address("half.test", "192.0.2.1")}});
  server_.set("half.test", kTypeAaaa, {.code = kServfail});
  EXPECT_EQ(resolve("half.test").addresses, (Addresses{"192.0.2.1"}));
}

TEST_F(ResolverTest, AMalformedAnswer) {
  server_.set("bad.test", kTypeA, {.records = {address("bad.test", "192.0.2.1")}, .cut = 2});
  const Resolved resolved = resolve("bad.test", IpChoice::Ipv4);
  EXPECT_EQ(resolved.reason, Reason::DnsMalformed) << resolved.detail;
}

TEST_F(ResolverTest, AnAddressOfThreeBytesIsNone) {
  server_.set("odd.test", kTypeA, {.records = {{"odd.test", kTypeA, "abc"}}});
  EXPECT_EQ(resolve("odd.test", IpChoice::Ipv4).reason, Reason::DnsNodata);
}

TEST_F(ResolverTest, GarbageBehindTheHeader) {
  server_.set("junk.test", {.raw = "\xff\xff\xff\xff\xff\xff\xff\xff"});
  const Resolved resolved = resolve("junk.test", IpChoice::Any, 300ms);
  EXPECT_FALSE(resolved.ok());
  EXPECT_TRUE(resolved.reason == Reason::DnsMalformed || resolved.reason == Reason::DnsTimeout)
      << resolved.detail;
}

TEST_F(ResolverTest, SilenceEndsAtTheDeadlineAndLeavesNothingBehind) {
  server_.set("slow.test", {.silent = true});
  const Instant began = std::chrono::steady_clock::now();
  const Resolved resolved = resolve("slow.test", IpChoice::Any, 150ms);
  EXPECT_EQ(resolved.reason, Reason::DnsTimeout);
  EXPECT_EQ(resolved.detail, "no answer from the name servers for slow.test");
  EXPECT_LT(std::chrono::steady_clock::now() - began, 4s);  // c-ares alone would take 5
}

TEST_F(ResolverTest, ASilentNameDoesNotHoldUpAnother) {
  server_.set("slow.test", {.silent = true});
  server_.set("fast.test", kTypeA, {.records = {address("fast.test", "192.0.2.9")}});
  const auto slow = ask("slow.test", IpChoice::Ipv4, 200ms);
  const auto fast = ask("fast.test", IpChoice::Ipv4, 200ms);
  const auto late = ask("slow.test", IpChoice::Ipv4, 400ms);
  run();
  ASSERT_TRUE(slow->has_value() && fast->has_value() && late->has_value());
  EXPECT_EQ((*slow)->reason, Reason::DnsTimeout);
  EXPECT_EQ((*late)->reason, Reason::DnsTimeout);
  EXPECT_EQ((*fast)->addresses, (Addresses{"192.0.2.9"}));
}

// c-ares gives up all that it has asked a server when a TCP connection to it ends.
TEST_F(ResolverTest, TheEndOfAnothersConnectionIsNotTheEndOfAName) {
  server_.set("slow.test", {.silent = true});
  const auto slow = ask("slow.test", IpChoice::Ipv4);
  std::vector<std::shared_ptr<std::optional<Resolved>>> big;
  for (int i = 0; i < 4; ++i) {
    const std::string name = "big" + std::to_string(i) + ".test";
    server_.set(name, {.truncated = true});
    big.push_back(ask(name, IpChoice::Ipv4));
  }
  const auto all_there = [&big] {
    return std::all_of(big.begin(), big.end(), [](const auto& one) { return one->has_value(); });
  };
  while (!all_there()) ASSERT_GT(io_.run_one_for(8s), 0U);
  for (const auto& one : big) EXPECT_EQ((*one)->reason, Reason::DnsServfail) << (*one)->detail;
  server_.set("slow.test", kTypeA, {.records = {address("slow.test", "192.0.2.7")}});
  run();
  ASSERT_TRUE(*slow);
  EXPECT_EQ((*slow)->addresses, (Addresses{"192.0.2.7"})) << (*slow)->detail;
}

TEST_F(ResolverTest, ALostPacketIsAskedForAgain) {
  server_.set("lossy.test", kTypeA, {.silent = true});
  asio::steady_timer later(io_, 500ms);
  later.async_wait([this](const boost::system::error_code&) {
    server_.set("lossy.test", kTypeA, {.records = {address("lossy.test", "192.0.2.3")}});
  });
  const Resolved resolved = resolve("lossy.test", IpChoice::Ipv4);
  EXPECT_EQ(resolved.addresses, (Addresses{"192.0.2.3"})) << resolved.detail;
  EXPECT_EQ(server_.questions(), 2);
}

TEST_F(ResolverTest, NoNameServerThere) {
  server_.stop();
  const Resolved resolved = resolve("mx.test", IpChoice::Ipv4);
  EXPECT_EQ(resolved.reason, Reason::DnsServfail);
  EXPECT_EQ(resolved.detail, "no name server answered for mx.test");
}

TEST_F(ResolverTest, LocalhostComesWithoutDns) {
  for (const char* name : {"localhost", "localhost.", "LocalHost", "mail.localhost"}) {
    const Resolved resolved = resolve(name, IpChoice::Ipv4);
    EXPECT_EQ(resolved.addresses, (Addresses{"127.0.0.1"})) << name << resolved.detail;
    io_.restart();
  }
  EXPECT_EQ(server_.questions(), 0);
}

const Answer kFour{.records = {address("mx.test", "192.0.2.1")}};
const Answer kSix{.records = {address("mx.test", "2001:db8::1")}};
const Answer kNothing{};
const Answer kSilent{.silent = true};
const Answer kNone{.code = kNxdomain};
const Answer kFails{.code = kServfail};
const Answer kRefuses{.code = kRefused};

struct FamiliesRow {
  const char* situation;
  Answer a;
  Answer aaaa;
  Reason reason;
  std::size_t addresses;
  bool delayed;  // by the resolution delay, no more
};

class FamiliesTest : public ResolverTest, public testing::WithParamInterface<FamiliesRow> {};

TEST_P(FamiliesTest, NoneHidesTheOther) {
  server_.set("mx.test", kTypeA, GetParam().a);
  server_.set("mx.test", kTypeAaaa, GetParam().aaaa);
  timeout_ = 2s;  // which a dropped family must not cost
  const Instant began = std::chrono::steady_clock::now();
  const Resolved resolved = resolve("mx.test");
  const Duration took = std::chrono::steady_clock::now() - began;
  EXPECT_EQ(resolved.reason, GetParam().reason) << resolved.detail;
  EXPECT_EQ(resolved.addresses.size(), GetParam().addresses);
  EXPECT_LT(took, 1900ms);
  if (GetParam().delayed) {
    EXPECT_GE(took, kResolutionDelay);
    EXPECT_EQ(resolved.answered, Instant{});  // the wait is a part of the step
  }
}

INSTANTIATE_TEST_SUITE_P(
    Table, FamiliesTest,
    testing::Values(
        FamiliesRow{"both", kFour, kSix, Reason::None, 2, false},
        FamiliesRow{"AAAA dropped", kFour, kSilent, Reason::None, 1, true},
        FamiliesRow{"A dropped", kSilent, kSix, Reason::None, 1, true},
        FamiliesRow{"AAAA fails", kFour, kFails, Reason::None, 1, false},
        FamiliesRow{"A fails", kFails, kSix, Reason::None, 1, false},
        FamiliesRow{"AAAA refused", kFour, kRefuses, Reason::None, 1, false},
        FamiliesRow{"AAAA denied", kFour, kNone, Reason::None, 1, false},
        FamiliesRow{"A denied", kNone, kSix, Reason::None, 1, false},
        FamiliesRow{"no AAAA", kFour, kNothing, Reason::None, 1, false},
        FamiliesRow{"no name, AAAA dropped", kNone, kSilent, Reason::DnsNxdomain, 0, false},
        FamiliesRow{"no A, AAAA fails", kNothing, kFails, Reason::DnsServfail, 0, false},
        FamiliesRow{"no A, AAAA denied", kNothing, kNone, Reason::DnsNodata, 0, false},
        FamiliesRow{"no name", kNone, kNone, Reason::DnsNxdomain, 0, false}),
    [](const auto& row) {
      std::string name = row.param.situation;
      std::erase_if(name, [](char c) { return c == ' ' || c == ','; });
      return name;
    });

TEST_F(ResolverTest, AnAnswerThatIsALittleLateIsStillTaken) {
  server_.set("mx.test", kTypeA, kFour);
  server_.set("mx.test", kTypeAaaa, kSilent);
  timeout_ = 100ms;  // asked again then
  asio::steady_timer later(io_, 50ms);
  later.async_wait(
      [this](const boost::system::error_code&) { server_.set("mx.test", kTypeAaaa, kSix); });
  EXPECT_EQ(resolve("mx.test").addresses.size(), 2u);
}

TEST_F(ResolverTest, TriesAndTimeoutAreThoseOfTheQuestion) {
  server_.set("slow.test", kSilent);
  timeout_ = 50ms;
  tries_ = 3;
  const Instant began = std::chrono::steady_clock::now();
  EXPECT_EQ(resolve("slow.test", IpChoice::Ipv4).reason, Reason::DnsTimeout);
  EXPECT_EQ(server_.questions(), 3);
  EXPECT_LT(std::chrono::steady_clock::now() - began, 3s);
}

TEST_F(ResolverTest, TriesAndTimeoutOfResolvConfHold) {
  use_resolv_conf("search .\noptions timeout:1 attempts:1\n");
  server_.set("slow.test", kSilent);
  const Instant began = std::chrono::steady_clock::now();
  EXPECT_EQ(resolve("slow.test", IpChoice::Ipv4).reason, Reason::DnsTimeout);
  EXPECT_EQ(server_.questions(), 1);
  const Duration took = std::chrono::steady_clock::now() - began;
  EXPECT_GE(took, 900ms);
  EXPECT_LT(took, 5s);
}

struct SearchRow {
  const char* situation;
  const char* conf;
  Answer searched;  // of mx.test.search
  Answer as_is;     // of mx.test
  Reason reason;
  std::vector<std::string> asked;
};

class SearchTest : public ResolverTest, public testing::WithParamInterface<SearchRow> {};

TEST_P(SearchTest, TheNameAsItStandsCounts) {
  use_resolv_conf(GetParam().conf);
  timeout_ = 50ms;
  tries_ = 1;
  Answer searched = GetParam().searched;
  for (Record& record : searched.records) record.owner = "mx.test.search";
  server_.set("mx.test.search", kTypeA, searched);
  server_.set("mx.test.more", kTypeA, kNone);
  server_.set("mx.test", kTypeA, GetParam().as_is);
  const Resolved resolved = resolve("mx.test", IpChoice::Ipv4);
  EXPECT_EQ(resolved.reason, GetParam().reason) << resolved.detail;
  // A name server that refuses may be asked again.
  std::vector<std::string> asked = server_.asked();
  asked.erase(std::unique(asked.begin(), asked.end()), asked.end());
  EXPECT_EQ(asked, GetParam().asked);
}

constexpr const char* kFive = "search search\noptions ndots:5\n";
const std::vector<std::string> kBoth{"mx.test.search", "mx.test"};

INSTANTIATE_TEST_SUITE_P(
    Table, SearchTest,
    testing::Values(
        SearchRow{"found", kFive, kFour, kNone, Reason::None, {"mx.test.search"}},
        SearchRow{"denied", kFive, kNone, kFour, Reason::None, kBoth},
        SearchRow{"no address", kFive, kNothing, kFour, Reason::None, kBoth},
        SearchRow{"refused", kFive, kRefuses, kFour, Reason::None, kBoth},
        SearchRow{"failed", kFive, kFails, kFour, Reason::None, kBoth},
        SearchRow{"silent", kFive, kSilent, kFour, Reason::None, kBoth},
        SearchRow{"refused and denied", kFive, kRefuses, kNone, Reason::DnsNxdomain, kBoth},
        SearchRow{"failed and empty", kFive, kFails, kNothing, Reason::DnsNodata, kBoth},
        SearchRow{"denied and failed", kFive, kNone, kFails, Reason::DnsServfail, kBoth},
        SearchRow{"ndots 1", "search search\n", kFour, kFour, Reason::None, {"mx.test"}},
        SearchRow{
            "ndots 0", "search search\noptions ndots:0\n", kFour, kFour, Reason::None, {"mx.test"}},
        SearchRow{"as is first and denied",
                  "search search\n",
                  kFour,
                  kNone,
                  Reason::None,
                  {"mx.test", "mx.test.search"}},
        SearchRow{"root first",
                  "search . search\noptions ndots:5\n",
                  kFour,
                  kFour,
                  Reason::None,
                  {"mx.test"}},
        SearchRow{"the root alone",
                  "search .\noptions ndots:5\n",
                  kFour,
                  kFour,
                  Reason::None,
                  {"mx.test"}},
        SearchRow{"a silent one ends the search", "search search more\noptions ndots:5\n", kSilent,
                  kFour, Reason::None, kBoth},
        SearchRow{"a refusing one does not",
                  "search search more\noptions ndots:5\n",
                  kRefuses,
                  kFour,
                  Reason::None,
                  {"mx.test.search", "mx.test.more", "mx.test"}}),
    [](const auto& row) {
      std::string name = row.param.situation;
      std::erase(name, ' ');
      return name;
    });

TEST_F(ResolverTest, ASearchDomainThatFailedIsNamed) {
  use_resolv_conf(kFive);
  server_.set("mx.test.search", kRefuses);
  server_.set("mx.test", kNone);
  EXPECT_EQ(resolve("mx.test").detail, "mx.test; the name server refused mx.test.search");
}

TEST_F(ResolverTest, AFinalDotMeansNoSearchList) {
  use_resolv_conf(kFive);
  server_.set("mx.test.search", kFour);
  server_.set("mx.test", kFour);
  EXPECT_EQ(resolve("mx.test.", IpChoice::Ipv4).addresses.size(), 1u);
  EXPECT_EQ(server_.asked(), std::vector<std::string>{"mx.test"});
}

// Its own tries would take 3 s of the 1.2 s that there are.
TEST_F(ResolverTest, ASilentSearchDomainLeavesTimeForTheName) {
  use_resolv_conf("search search\noptions ndots:5 timeout:1 attempts:2\n");
  server_.set("mx.test.search", kSilent);
  server_.set("mx.test", kTypeA, kFour);
  EXPECT_TRUE(resolve("mx.test", IpChoice::Ipv4, 1200ms).ok());
}

TEST_F(ResolverTest, SettingsHaveChannelsOfTheirOwn) {
  NameServer other(io_);
  server_.set("mx.test", kTypeA, {.records = {address("mx.test", "192.0.2.1")}});
  other.set("mx.test", kTypeA, {.records = {address("mx.test", "192.0.2.2")}});
  const auto ask_of = [this](const NameServer& server, int tries) {
    auto place = std::make_shared<std::optional<Resolved>>();
    asio::co_spawn(
        io_,
        resolver_->resolve("mx.test", IpChoice::Ipv4, std::chrono::steady_clock::now() + 10s,
                           DnsSettings{{server.address()}, std::nullopt, tries}),
        [place](const std::exception_ptr&, Resolved resolved) { *place = std::move(resolved); });
    return place;
  };
  // More settings than are kept.
  for (int tries = 1; tries <= 10; ++tries) {
    const auto one = ask_of(server_, tries);
    const auto two = ask_of(other, tries);
    while (!one->has_value() || !two->has_value()) ASSERT_GT(io_.run_one_for(8s), 0U);
    EXPECT_EQ((*one)->addresses, (Addresses{"192.0.2.1"}));
    EXPECT_EQ((*two)->addresses, (Addresses{"192.0.2.2"}));
  }
}

TEST_F(ResolverTest, DestructionEndsWhatIsPending) {
  server_.set("slow.test", {.silent = true});
  const auto place = ask("slow.test", IpChoice::Any);
  io_.run_for(50ms);
  EXPECT_FALSE(place->has_value());
  resolver_.reset();
  io_.restart();
  run();
  ASSERT_TRUE(place->has_value());
  EXPECT_EQ((*place)->reason, Reason::LocalError);
}

TEST_F(ResolverTest, TheEventLoopMayGoFirst) {
  server_.set("slow.test", {.silent = true});
  asio::io_context own;
  {
    CaresResolver resolver(own.get_executor(), resolv_conf_);
    asio::co_spawn(own,
                   resolver.resolve("slow.test", IpChoice::Any,
                                    std::chrono::steady_clock::now() + 10s, settings()),
                   [](const std::exception_ptr&, const Resolved&) { FAIL() << "resumed"; });
    own.run_for(20ms);
  }
}

TEST_F(ResolverTest, ACancelledQuestionIsGivenUp) {
  server_.set("slow.test", {.silent = true});
  asio::cancellation_signal stop;
  std::optional<Resolved> place;
  asio::co_spawn(
      io_,
      resolver_->resolve("slow.test", IpChoice::Any, std::chrono::steady_clock::now() + 10s,
                         settings()),
      asio::bind_cancellation_slot(stop.slot(), [&](const std::exception_ptr&, Resolved resolved) {
        place = std::move(resolved);
        server_.stop();
      }));
  io_.run_for(50ms);
  stop.emit(asio::cancellation_type::terminal);
  io_.restart();
  run();
  ASSERT_TRUE(place.has_value());
  EXPECT_EQ(place->reason, Reason::LocalError);
}

}  // namespace
}  // namespace smtpprobe
