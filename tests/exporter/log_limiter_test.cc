// Lines of one topic: the first at once, then one a minute.
#include "exporter/log_limiter.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>

namespace smtpprobe {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

constexpr std::uint64_t kClient = 1;
const Instant kStart = Instant{} + seconds(1000);

LogTopic topic(const std::string& target, const std::string& reason = "timeout") {
  return {"probe failed", target, reason};
}

TEST(LogLimiter, WritesOneLineAMinute) {
  LogLimiter limiter;
  EXPECT_EQ(limiter.admit(topic("a"), kClient, kStart), 0U);
  for (int i = 0; i < 5; ++i)
    EXPECT_FALSE(limiter.admit(topic("a"), kClient, kStart + seconds(59)));
  EXPECT_EQ(limiter.admit(topic("a"), kClient, kStart + seconds(60)), 5U);
  EXPECT_FALSE(limiter.admit(topic("a"), kClient, kStart + seconds(119)));
  EXPECT_EQ(limiter.admit(topic("a"), kClient, kStart + seconds(120)), 1U);
}

TEST(LogLimiter, KeepsTopicsApart) {
  LogLimiter limiter;
  EXPECT_TRUE(limiter.admit(topic("a"), kClient, kStart));
  EXPECT_TRUE(limiter.admit(topic("b"), kClient, kStart));
  EXPECT_TRUE(limiter.admit(topic("a", "reply_5xx"), kClient, kStart));
  EXPECT_FALSE(limiter.admit(topic("a"), kClient, kStart));
}

TEST(LogLimiter, SumsUpWhatWasLeftOut) {
  LogLimiter limiter;
  limiter.admit(topic("a"), kClient, kStart);
  limiter.admit(topic("b"), kClient, kStart);
  limiter.admit(topic("a"), kClient, kStart);
  limiter.admit(topic("a"), kClient, kStart);
  EXPECT_TRUE(limiter.summaries(kStart + seconds(59)).empty());
  const auto all = limiter.summaries(kStart + minutes(1));
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(all[0].topic, topic("a"));
  EXPECT_EQ(all[0].left_out, 2U);
  // The summary was the line of the minute that begins.
  EXPECT_FALSE(limiter.admit(topic("a"), kClient, kStart + seconds(61)));
  EXPECT_EQ(limiter.admit(topic("b"), kClient, kStart + seconds(61)), 0U) << "it was forgotten";
  EXPECT_EQ(limiter.last_summaries().size(), 1U);
  EXPECT_TRUE(limiter.last_summaries().empty());
}

TEST(LogLimiter, IsBoundedInTopics) {
  LogLimiter limiter;
  std::size_t written = 0;
  constexpr std::size_t kMore = 10'000;
  for (std::size_t i = 0; i < LogLimiter::kMaxTopics + kMore; ++i)
    written += limiter.admit(topic(std::to_string(i)), kClient, kStart) ? 1U : 0U;
  EXPECT_EQ(written, LogLimiter::kMaxTopics);
  const auto all = limiter.summaries(kStart + minutes(1));
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(all[0].topic, LogTopic{});
  EXPECT_EQ(all[0].left_out, kMore);
  EXPECT_TRUE(limiter.admit(topic("new"), kClient, kStart + minutes(1))) << "the others have gone";
}

TEST(LogLimiter, OneClientDoesNotTakeTheRoomOfAnother) {
  LogLimiter limiter;
  for (std::size_t i = 0; i < 2 * LogLimiter::kMaxTopics; ++i)
    limiter.admit(topic(std::to_string(i)), kClient, kStart);
  constexpr std::uint64_t kOther = 2;
  for (std::size_t i = 0; i < LogLimiter::kMaxTopics / 2; ++i)
    EXPECT_TRUE(limiter.admit(topic("other" + std::to_string(i)), kOther, kStart)) << i;
  EXPECT_FALSE(limiter.admit(topic("one more"), kOther, kStart)) << "both have the same";
  EXPECT_FALSE(limiter.admit(topic("other0"), kOther, kStart)) << "it was written";
  EXPECT_FALSE(limiter.admit(topic("new"), kClient, kStart));
}

TEST(LogLimiter, CountsTheLinesOfATopicThatGoes) {
  LogLimiter limiter;
  for (std::size_t i = 0; i < LogLimiter::kMaxTopics; ++i) {
    limiter.admit(topic(std::to_string(i)), kClient, kStart);
    limiter.admit(topic(std::to_string(i)), kClient, kStart);
  }
  EXPECT_TRUE(limiter.admit(topic("other"), 2, kStart));
  const auto all = limiter.last_summaries();
  std::uint64_t left_out = 0;
  for (const auto& one : all) left_out += one.left_out;
  EXPECT_EQ(left_out, LogLimiter::kMaxTopics);
}

TEST(LogLimiter, LongTextsCountByTheirBeginning) {
  LogLimiter limiter;
  const std::string text(100'000, 'x');
  EXPECT_TRUE(limiter.admit(topic(text + "a"), kClient, kStart));
  EXPECT_FALSE(limiter.admit(topic(text + "b"), kClient, kStart));
}

}  // namespace
}  // namespace smtpprobe
