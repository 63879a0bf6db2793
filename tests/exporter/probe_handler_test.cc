// What /probe keeps of the requests that it has understood, and the shares of clients in flight.
#include "exporter/probe_handler.h"

#include <gtest/gtest.h>

#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/thread_pool.hpp>
#include <deque>
#include <exception>
#include <memory>
#include <optional>
#include <string>

#include "common/net/address_turns.h"
#include "exporter/client_id.h"
#include "exporter/client_shares.h"
#include "exporter/config_reload.h"
#include "exporter/probe_query.h"

namespace smtpprobe {
namespace {

namespace asio = boost::asio;

TEST(QueryKey, LeavesOutWhatHasNoMeaning) {
  EXPECT_EQ(query_key("/probe?target=a&module=b"), "target=a&module=b&");
  EXPECT_EQ(query_key("/probe?x=1&target=a&y=2&module=b&target=c&z"),
            "target=a&module=b&target=c&");
  EXPECT_EQ(query_key("http://host:1/probe?target=a&hostname=h&debug=true&view=page"),
            "target=a&hostname=h&debug=true&view=page&");
  EXPECT_EQ(query_key("/probe?Target=a&targets=b&=c"), "");
  EXPECT_EQ(query_key("/probe"), "");
  EXPECT_EQ(query_key("/probe?%74arget=a&t%61rget=b"), "%74arget=a&t%61rget=b&")
      << "an escaped name may be one of ours";
}

TEST(QueryKey, IsNoneOfAQueryThatMayBeMalformed) {
  for (const char* query : {"x=%", "x=%1", "x=%zz", "x=\"", "x= ", "x=#", "x=\x80", "x=[", "%"})
    EXPECT_FALSE(query_key("/probe?target=a&" + std::string(query))) << query;
  EXPECT_TRUE(query_key("/probe?target=a&x=-._~!$'()*+,;=:@/?%2F%aF"));
}

// A service that makes no probes, for it is shutting down: 503 to what was understood.
class Exporter {
 public:
  explicit Exporter(std::size_t loops)
      : loops_(loops, HistoryLimits{0, 0}, metrics_.event_loop_lag),
        service_(metrics_, turns_, loops, 1),
        reload_({}, loops_, workers_, turns_, metrics_),
        handler_(service_, metrics_, loops, {}) {
    EXPECT_TRUE(reload_.load());
    for (std::size_t i = 0; i < loops; ++i) loops_[i].context().poll();
    service_.drain();
  }
  int status(std::size_t loop, const std::string& target) {
    HttpRequest request;
    request.target = target;
    std::optional<int> status;
    asio::co_spawn(loops_[loop].executor(), handler_.answer(loops_[loop], request),
                   [&status](const std::exception_ptr&, const HttpResponse& response) {
                     status = response.status;
                   });
    while (!status) loops_[loop].context().run_one();
    return *status;
  }
  std::size_t cached_bytes() const { return handler_.cached_bytes(); }

 private:
  SelfMetrics metrics_;
  AddressTurns turns_{1};
  EventLoops loops_;
  asio::thread_pool workers_{1};
  ProbeService service_;
  ConfigReload reload_;
  ProbeHandler handler_;
};

TEST(ProbeHandlerCache, HoldsNothingOfUnknownParameters) {
  Exporter exporter(1);
  ASSERT_EQ(exporter.status(0, "/probe?target=mx.test"), 503);
  const std::size_t one = exporter.cached_bytes();
  EXPECT_GT(one, 0U);
  for (int i = 0; i < 20'000; ++i)
    ASSERT_EQ(exporter.status(0, "/probe?target=mx.test&x=" + std::to_string(i)), 503);
  EXPECT_EQ(exporter.cached_bytes(), one);
  EXPECT_EQ(exporter.status(0, "/probe?target=mx.test&x=%zz"), 400);
}

TEST(ProbeHandlerCache, IsBoundedInBytesOverAllLoops) {
  constexpr std::size_t kLoops = 16;
  Exporter exporter(kLoops);
  for (std::size_t i = 0; i < 16'000; ++i)
    ASSERT_EQ(exporter.status(i % kLoops, "/probe?target=mx.test&hostname=h" + std::to_string(i)),
              503);
  EXPECT_LE(exporter.cached_bytes(), ProbeHandler::kCachedBytes);
  EXPECT_GT(exporter.cached_bytes(), ProbeHandler::kCachedBytes / 10);
}

TEST(ClientId, IsTheAddressOrItsPrefix) {
  const auto id = [](const char* text) { return client_id_of(asio::ip::make_address(text)); };
  EXPECT_NE(id("192.0.2.1"), id("192.0.2.2"));
  EXPECT_EQ(id("192.0.2.1"), id("::ffff:192.0.2.1"));
  EXPECT_EQ(id("2001:db8::1"), id("2001:db8::ffff:1"));
  EXPECT_NE(id("2001:db8::1"), id("2001:db8:0:1::1"));
  EXPECT_NE(id("::1"), id("127.0.0.1"));
}

class ClientSharesTest : public testing::Test {
 protected:
  struct Probe {
    asio::cancellation_signal signal;
    std::shared_ptr<Interrupt> interrupt;
    ClientShares::Probe share;
  };
  ClientShares::Probe& probe(std::uint64_t client) {
    Probe& one = probes_.emplace_back();
    one.share.client = client;
    one.interrupt = std::make_shared<Interrupt>(context_.get_executor(), one.signal);
    one.share.interrupt = one.interrupt.get();
    return one.share;
  }
  std::size_t interrupted() {
    context_.restart();
    context_.poll();
    std::size_t count = 0;
    for (const Probe& one : probes_) count += one.share.interrupt->why().empty() ? 0U : 1U;
    return count;
  }

  asio::io_context context_;
  std::deque<Probe> probes_;
  ClientShares shares_{10};
};

TEST_F(ClientSharesTest, OneClientMayHaveAll) {
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(shares_.enter(probe(1)));
  EXPECT_FALSE(shares_.enter(probe(1)));
  EXPECT_EQ(interrupted(), 0U);
  shares_.leave(probes_[3].share);
  shares_.leave(probes_[10].share);
  EXPECT_TRUE(shares_.enter(probe(1)));
}

TEST_F(ClientSharesTest, AnotherGetsItsShare) {
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(shares_.enter(probe(1)));
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(shares_.enter(probe(2))) << i;
  EXPECT_FALSE(shares_.enter(probe(2)));
  EXPECT_EQ(interrupted(), 5U);
  for (std::size_t i = 5; i < 10; ++i)
    EXPECT_FALSE(probes_[i].share.interrupt->why().empty()) << "the last ones go: " << i;
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(shares_.enter(probe(3))) << i;
  EXPECT_FALSE(shares_.enter(probe(3)));
  EXPECT_FALSE(shares_.enter(probe(1)));
  for (Probe& one : probes_) shares_.leave(one.share);
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(shares_.enter(probe(4)));
}

TEST_F(ClientSharesTest, ThoseThatDoNotEndAreBounded) {
  ClientShares shares(40);
  for (int i = 0; i < 40; ++i) ASSERT_TRUE(shares.enter(probe(1)));
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(shares.enter(probe(2)));
  for (int i = 0; i < 7; ++i) EXPECT_TRUE(shares.enter(probe(3))) << i;
  EXPECT_FALSE(shares.enter(probe(3))) << "27 have a place no more, and run";
  shares.leave(probes_[39].share);
  EXPECT_TRUE(shares.enter(probe(3)));
  EXPECT_FALSE(shares.enter(probe(3)));
}

TEST_F(ClientSharesTest, NothingIsInterruptedAfterItsEnd) {
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(shares_.enter(probe(1)));
  ASSERT_TRUE(shares_.enter(probe(2)));
  for (Probe& one : probes_) one.share.interrupt->close();
  EXPECT_EQ(interrupted(), 0U);
}

}  // namespace
}  // namespace smtpprobe
