// What is kept of the probes of late, and for how long.
#include "exporter/history.h"

#include <gtest/gtest.h>

#include "exporter/routes.h"
#include "tests/exporter/record_maker.h"

namespace smtpprobe {
namespace {

History::Record with_id(std::uint64_t id, bool good) {
  auto record = good ? good_record() : refused_record();
  record->id = id;
  return record;
}

std::vector<std::uint64_t> ids(const std::vector<History::Record>& records) {
  std::vector<std::uint64_t> all;
  for (const History::Record& record : records) all.push_back(record->id);
  return all;
}

using Ids = std::vector<std::uint64_t>;

TEST(History, KeepsTheLastOnesNewestFirst) {
  History history({3, 1UL << 30});
  for (std::uint64_t id = 1; id <= 3; ++id) history.add(with_id(id, true));
  EXPECT_EQ(ids(history.all()), (Ids{3, 2, 1}));
  history.add(with_id(4, true));
  EXPECT_EQ(ids(history.all()), (Ids{4, 3, 2}));
  EXPECT_EQ(history.find(1), nullptr);
  EXPECT_EQ(history.find(4)->id, 4U);
  EXPECT_EQ(history.find(5), nullptr);
}

TEST(History, KeepsFailuresLonger) {
  History history({2, 1UL << 30});
  for (std::uint64_t id = 1; id <= 3; ++id) history.add(with_id(id, false));
  for (std::uint64_t id = 4; id <= 9; ++id) history.add(with_id(id, true));
  EXPECT_EQ(ids(history.all()), (Ids{9, 8, 3, 2}));
  EXPECT_NE(history.find(2), nullptr);
}

TEST(History, KeepsALargeRecordWithoutItsTexts) {
  auto large = refused_record();
  large->id = 1;
  for (int i = 0; i < 100; ++i)
    large->result.transcript.push_back({TranscriptLine::Who::Server, {}, std::string(1000, 'x')});
  Reply reply;
  reply.code = 250;
  reply.lines.assign(100, std::string(1000, 'y'));
  large->result.deviations.push_back({Step::Ehlo, Reason::ReplyUnexpected, {}, reply});
  EXPECT_GT(bytes_of(*large), 200'000U) << "all of it counts";
  History small({100, 70'000});
  small.add(large);
  EXPECT_LT(small.bytes(), 20'000U);
  const History::Record kept = small.find(1);
  ASSERT_TRUE(kept);
  EXPECT_EQ(kept->verdict.findings.size(), large->verdict.findings.size());
  EXPECT_EQ(kept->result.steps.size(), large->result.steps.size());
  ASSERT_EQ(kept->result.transcript.size(), 1U);
  EXPECT_TRUE(kept->result.transcript[0].text.starts_with("not kept"));
  History enough({100, 1UL << 20});
  enough.add(large);
  EXPECT_EQ(enough.find(1), large);
}

TEST(History, IsBoundedInBytes) {
  const std::size_t one = bytes_of(*with_id(1, true));
  History exact({100, 2 * one});
  History short_of_one({100, 2 * one - 1});
  for (std::uint64_t id = 1; id <= 2; ++id) {
    exact.add(with_id(id, true));
    short_of_one.add(with_id(id, true));
  }
  EXPECT_EQ(ids(exact.all()), (Ids{2, 1}));
  EXPECT_EQ(ids(short_of_one.all()), (Ids{2}));
  EXPECT_EQ(short_of_one.bytes(), one);
  History tiny({100, 1});
  tiny.add(with_id(1, false));
  tiny.add(with_id(2, false));
  EXPECT_EQ(ids(tiny.all()), (Ids{2}));  // the newest always fits
}

TEST(History, CountsWhatAServerSaid) {
  const auto quiet = good_record();
  auto loud = good_record();
  loud->result.transcript.push_back({TranscriptLine::Who::Server, at(1), std::string(5000, 'x')});
  EXPECT_GE(bytes_of(*loud), bytes_of(*quiet) + 5000);
}

TEST(History, OfNoneKeepsNone) {
  History history({0, 1UL << 30});
  history.add(with_id(1, false));
  EXPECT_TRUE(history.all().empty());
  EXPECT_EQ(history.bytes(), 0U);
}

TEST(History, ExchangesEqualRecords) {
  History history({2, 1UL << 30});
  for (std::uint64_t id = 1; id <= 3; ++id) history.add(with_id(id, false));
  const History::Record old = history.find(2);
  const History::Record stays = history.find(3);
  const History::Record copy = copy_of(*old);
  history.exchange({copy, copy_of(*with_id(77, true))});
  EXPECT_EQ(history.find(2), copy);
  EXPECT_EQ(history.find(3), stays);
  EXPECT_EQ(history.find(77), nullptr);
  EXPECT_NE(copy->plan, old->plan);
  EXPECT_EQ(copy->verdict.findings.front().text, old->verdict.findings.front().text);
  EXPECT_EQ(copy->result.steps.size(), old->result.steps.size());
  EXPECT_EQ(ids(history.all()), (Ids{3, 2, 1}));
}

TEST(HistoryLimits, AreSharedInBytesAlone) {
  const HistoryLimits share = HistoryLimits{100, 1000}.share_of(4);
  EXPECT_EQ(share.probes, 100U);
  EXPECT_EQ(share.bytes, 250U);
}

TEST(MergedHistory, IsTheNewestAndThenFailures) {
  const std::vector<std::vector<History::Record>> all = {
      {with_id(8, true), with_id(6, true), with_id(2, false)},
      {with_id(7, false), with_id(5, true), with_id(3, false), with_id(1, false)}};
  EXPECT_EQ(ids(merged_history(all, 2)), (Ids{8, 7, 3, 2}));
  EXPECT_EQ(ids(merged_history(all, 100)), (Ids{8, 7, 6, 5, 3, 2, 1}));
  EXPECT_TRUE(merged_history(all, 0).empty());
  EXPECT_TRUE(merged_history({}, 5).empty());
}

}  // namespace
}  // namespace smtpprobe
