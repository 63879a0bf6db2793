// Lines of one topic: the first at once, then one a minute.
#include "exporter/log_limiter.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>

namespace smtpprobe {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

const Instant kStart = Instant{} + seconds(1000);

LogTopic topic(const std::string& target, const std::string& reason = "timeout") {
  return {"probe failed", target, reason};
}

TEST(LogLimiter, WritesOneLineAMinute) {
  LogLimiter limiter;
  EXPECT_EQ(limiter.admit(topic("a"), kStart), 0U);
  for (int i = 0; i < 5; ++i) EXPECT_FALSE(limiter.admit(topic("a"), kStart + seconds(59)));
  EXPECT_EQ(limiter.admit(topic("a"), kStart + seconds(60)), 5U);
  EXPECT_FALSE(limiter.admit(topic("a"), kStart + seconds(119)));
  EXPECT_EQ(limiter.admit(topic("a"), kStart + seconds(120)), 1U);
}

TEST(LogLimiter, KeepsTopicsApart) {
  LogLimiter limiter;
  EXPECT_TRUE(limiter.admit(topic("a"), kStart));
  EXPECT_TRUE(limiter.admit(topic("b"), kStart));
  EXPECT_TRUE(limiter.admit(topic("a", "reply_5xx"), kStart));
  EXPECT_FALSE(limiter.admit(topic("a"), kStart));
}

TEST(LogLimiter, SumsUpWhatWasLeftOut) {
  LogLimiter limiter;
  limiter.admit(topic("a"), kStart);
  limiter.admit(topic("b"), kStart);
  limiter.admit(topic("a"), kStart);
  limiter.admit(topic("a"), kStart);
  EXPECT_TRUE(limiter.summaries(kStart + seconds(59)).empty());
  const auto all = limiter.summaries(kStart + minutes(1));
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(all[0].topic, topic("a"));
  EXPECT_EQ(all[0].left_out, 2U);
  // The summary was the line of the minute that begins.
  EXPECT_FALSE(limiter.admit(topic("a"), kStart + seconds(61)));
  EXPECT_EQ(limiter.admit(topic("b"), kStart + seconds(61)), 0U) << "it was forgotten";
  EXPECT_EQ(limiter.last_summaries().size(), 1U);
  EXPECT_TRUE(limiter.last_summaries().empty());
}

TEST(LogLimiter, IsBoundedInTopics) {
  LogLimiter limiter;
  std::size_t written = 0;
  constexpr std::size_t kMore = 10'000;
  for (std::size_t i = 0; i < LogLimiter::kMaxTopics + kMore; ++i)
    written += limiter.admit(topic(std::to_string(i)), kStart) ? 1U : 0U;
  EXPECT_EQ(written, LogLimiter::kMaxTopics);
  const auto all = limiter.summaries(kStart + minutes(1));
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(all[0].topic, LogTopic{});
  EXPECT_EQ(all[0].left_out, kMore);
  EXPECT_TRUE(limiter.admit(topic("new"), kStart + minutes(1))) << "the others have gone";
}

TEST(LogLimiter, LongTextsCountByTheirBeginning) {
  LogLimiter limiter;
  const std::string text(100'000, 'x');
  EXPECT_TRUE(limiter.admit(topic(text + "a"), kStart));
  EXPECT_FALSE(limiter.admit(topic(text + "b"), kStart));
}

}  // namespace
}  // namespace smtpprobe
