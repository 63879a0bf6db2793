// The numbers of --watch: what is kept, what a loss is, and that memory has an end.
#include "plugin/watch_statistics.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>

#include "tests/unit/result_samples.h"

namespace smtpprobe {
namespace {

using namespace samples;

TEST(WatchedTimes, QuantilesAreTimesThatWereMeasured) {
  WatchedTimes times(100);
  EXPECT_FALSE(times.last());
  EXPECT_FALSE(times.quantile(0.5));
  for (const int one : {30, 10, 20, 40}) times.add(milliseconds(one));
  EXPECT_EQ(times.quantile(0), milliseconds(10));
  EXPECT_EQ(times.quantile(0.5), milliseconds(20));
  EXPECT_EQ(times.quantile(0.51), milliseconds(30));
  EXPECT_EQ(times.quantile(0.95), milliseconds(40));
  EXPECT_EQ(times.quantile(1), milliseconds(40));
  EXPECT_EQ(times.last(), milliseconds(40));
}

TEST(WatchedTimes, P95OfAHundred) {
  WatchedTimes times(100);
  for (int i = 100; i > 0; --i) times.add(milliseconds(i));
  EXPECT_EQ(times.quantile(0.95), milliseconds(95));
}

TEST(WatchedTimes, WhatIsLostHasNoTime) {
  WatchedTimes times(10);
  times.add(milliseconds(5));
  times.add(std::nullopt);
  EXPECT_EQ(times.size(), 2U);
  EXPECT_EQ(times.lost(), 1U);
  EXPECT_FALSE(times.last());
  EXPECT_EQ(times.quantile(1), milliseconds(5));
}

// Beside the same numbers counted in the plainest way.
TEST(WatchedTimes, OnlyTheLastOnesCount) {
  constexpr std::size_t kCapacity = 50;
  std::mt19937 random(1);
  WatchedTimes times(kCapacity);
  std::vector<std::optional<Duration>> all;
  for (int i = 0; i < 1000; ++i) {
    std::optional<Duration> one;
    if (random() % 4 != 0) one = milliseconds(random() % 20);
    times.add(one);
    all.push_back(one);
    std::vector<Duration> kept;
    const std::size_t first = all.size() - std::min(all.size(), kCapacity);
    for (std::size_t k = first; k < all.size(); ++k) {
      if (all[k]) kept.push_back(*all[k]);
    }
    std::sort(kept.begin(), kept.end());
    ASSERT_EQ(times.size(), all.size() - first);
    ASSERT_EQ(times.lost(), times.size() - kept.size());
    ASSERT_EQ(times.last(), one);
    if (kept.empty()) continue;
    ASSERT_EQ(times.quantile(0), kept.front());
    ASSERT_EQ(times.quantile(0.5), kept[(kept.size() + 1) / 2 - 1]);
    ASSERT_EQ(times.quantile(1), kept.back());
  }
}

class WatchStatisticsTest : public ::testing::Test {
 protected:
  Options options = options_for();
  std::optional<WatchStatistics> statistics;

  void add(const ProbeResult& result) { add(std::vector{result}); }
  void add(const std::vector<ProbeResult>& results) {
    if (!statistics) statistics.emplace(options.plan);
    std::vector<Verdict> verdicts;
    for (const ProbeResult& result : results) verdicts.push_back(judge(options.plan, result));
    statistics->add(results, verdicts);
  }
  std::vector<std::string> names() const {
    std::vector<std::string> all;
    for (const WatchRow& row : statistics->rows()) all.emplace_back(row.name);
    return all;
  }
  WatchRow row(std::string_view name) const {
    for (const WatchRow& one : statistics->rows()) {
      if (one.name == name) return one;
    }
    ADD_FAILURE() << "no row " << name;
    return {};
  }
  static ProbeResult good(Duration banner = milliseconds(10)) {
    ProbeResult result = started();
    ran(result, Step::Connect);
    ran(result, Step::Banner, reply(220, "mx"), banner);
    ran(result, Step::Ehlo, reply(250, "mx"));
    ran(result, Step::Quit, reply(221, "bye"));
    return result;
  }
};

TEST_F(WatchStatisticsTest, EachStepAndTheTotal) {
  for (const int ms : {10, 30, 20}) add(good(milliseconds(ms)));
  EXPECT_EQ(names(), (std::vector<std::string>{"connect", "banner", "ehlo", "quit", "total"}));
  const WatchRow banner = row("banner");
  EXPECT_EQ(banner.last, milliseconds(20));
  EXPECT_EQ(banner.min, milliseconds(10));
  EXPECT_EQ(banner.median, milliseconds(20));
  EXPECT_EQ(banner.p95, milliseconds(30));
  EXPECT_EQ(banner.max, milliseconds(30));
  EXPECT_EQ(banner.loss, 0);
  EXPECT_EQ(row("total").max, milliseconds(50));  // QUIT apart
  EXPECT_EQ(statistics->probes(), 3U);
  EXPECT_EQ(statistics->in_state(State::Ok), 3U);
}

TEST_F(WatchStatisticsTest, LossIsFailedOrNotReached) {
  options.plan.dialogue.from = "a@example.net";
  options.plan.dialogue.until = Step::Mail;
  ProbeResult whole = greeted();
  ran(whole, Step::Mail, reply(250, "ok"));
  ran(whole, Step::Quit, reply(221, "bye"));
  ProbeResult at_ehlo = started();
  ran(at_ehlo, Step::Connect);
  ran(at_ehlo, Step::Banner, reply(220, "mx"));
  refused(at_ehlo, Step::Ehlo, 550, "5.7.1 go away");
  ran(at_ehlo, Step::Quit, reply(221, "bye"));
  ProbeResult at_connect = started();
  failed(at_connect, Step::Connect, Reason::ConnectionRefused);
  for (const ProbeResult& one : {whole, at_ehlo, at_connect, whole}) add(one);
  EXPECT_EQ(row("connect").loss, 25);
  EXPECT_EQ(row("banner").loss, 25);
  EXPECT_EQ(row("ehlo").loss, 50);
  EXPECT_EQ(row("mail").loss, 50);
  EXPECT_EQ(row("quit").loss, 25);  // said after the refusal, too
  EXPECT_EQ(row("total").loss, 50);
  EXPECT_EQ(statistics->in_state(State::Critical), 2U);
}

TEST_F(WatchStatisticsTest, AFailureThatTheUserExcusesIsNone) {
  options.plan.dialogue.from = "a@example.net";
  options.plan.dialogue.to = {"b@example.net"};
  options.plan.dialogue.until = Step::Rcpt;
  options.plan.dialogue.greylisting = State::Ok;
  ProbeResult result = greeted();
  ran(result, Step::Mail, reply(250, "ok"));
  refused(result, Step::Rcpt, 450, "4.7.1 Greylisted");
  add(result);
  EXPECT_EQ(row("rcpt").loss, 0);
  EXPECT_EQ(row("rcpt").last, milliseconds(10));
  EXPECT_EQ(row("total").loss, 0);
}

TEST_F(WatchStatisticsTest, ALateOrSlowStepIsNotLost) {
  options.plan.step[Step::Banner].critical = range("0.001");
  add(good());
  EXPECT_EQ(statistics->in_state(State::Critical), 1U);
  EXPECT_EQ(row("banner").loss, 0);
}

TEST_F(WatchStatisticsTest, AQuitThatFailsIsLostAlone) {
  ProbeResult result = good();
  result.steps.back().reason = Reason::ConnectionClosed;
  add(result);
  EXPECT_EQ(row("quit").loss, 100);
  EXPECT_EQ(row("total").loss, 0);
}

TEST_F(WatchStatisticsTest, StarttlsThatNeedNotBeOfferedIsShownOnceItWas) {
  options.plan.dialogue.tls = TlsMode::Opportunistic;
  ProbeResult nothing = started();
  failed(nothing, Step::Connect, Reason::ConnectionRefused);
  add(good());
  add(nothing);
  EXPECT_EQ(names(), (std::vector<std::string>{"connect", "banner", "ehlo", "quit", "total"}));
  ProbeResult secure = greeted();
  secured(secure, {certificate("mx.example.net", 90)});
  ran(secure, Step::Quit, reply(221, "bye"));
  add(secure);
  EXPECT_EQ(names(), (std::vector<std::string>{"connect", "banner", "ehlo", "starttls", "tls",
                                               "ehlo_tls", "quit", "total"}));
  EXPECT_EQ(row("tls").loss, 50);  // of the two probes in which it was due
}

TEST_F(WatchStatisticsTest, TheNameIsAStepWhereThereIsOne) {
  ProbeResult named = started();
  ran(named, Step::Resolve);
  failed(named, Step::Connect, Reason::ConnectionRefused);
  ProbeResult unknown = started();
  failed(unknown, Step::Resolve, Reason::DnsNxdomain);
  add(named);
  add(unknown);
  EXPECT_EQ(names().front(), "resolve");
  EXPECT_EQ(row("resolve").loss, 50);
  EXPECT_EQ(row("connect").loss, 100);
}

TEST_F(WatchStatisticsTest, OfSeveralServersTheSlowestAndAnyLoss) {
  ProbeResult nothing = started();
  failed(nothing, Step::Connect, Reason::ConnectionRefused);
  add(std::vector{good(milliseconds(10)), good(milliseconds(40))});
  EXPECT_EQ(row("banner").last, milliseconds(40));
  add(std::vector{good(milliseconds(10)), nothing});
  EXPECT_FALSE(row("banner").last);
  EXPECT_EQ(row("banner").loss, 50);
  EXPECT_EQ(statistics->probes(), 2U);
  EXPECT_EQ(statistics->in_state(State::Critical), 1U);
}

TEST_F(WatchStatisticsTest, CountsAllAndKeepsTheLast) {
  statistics.emplace(options.plan, 3);
  ProbeResult nothing = started();
  failed(nothing, Step::Connect, Reason::ConnectionRefused);
  add(nothing);
  for (int i = 0; i < 3; ++i) add(good());
  EXPECT_EQ(statistics->probes(), 4U);
  EXPECT_EQ(statistics->in_state(State::Critical), 1U);
  EXPECT_EQ(row("connect").loss, 0);
}

}  // namespace
}  // namespace smtpprobe
