// What the sessions of one process keep of their servers' texts together.
#include "common/smtp/text_budget.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/smtp/dialogue.h"

namespace smtpprobe {
namespace {

using std::chrono::seconds;

std::shared_ptr<const DialoguePlan> plan() {
  DialoguePlan plan;
  plan.helo_name = "probe.test";
  return std::make_shared<const DialoguePlan>(std::move(plan));
}

std::string long_reply(int code, int lines = 60, std::size_t bytes = 900) {
  std::string reply;
  for (int i = 0; i < lines; ++i)
    reply += std::to_string(code) + (i + 1 < lines ? "-" : " ") + "X" + std::to_string(i) + " " +
             std::string(bytes, 'y') + "\r\n";
  return reply;
}

std::size_t bytes_of(const Reply& reply) {
  std::size_t bytes = 0;
  for (const std::string& line : reply.lines) bytes += line.size();
  return bytes;
}

// A session up to the reply to EHLO, with long replies.
struct Session {
  explicit Session(TextBudget* texts, int lines = 60)
      : dialogue(plan(), Instant{}, Instant{} + seconds(10), texts) {
    dialogue.on_received(long_reply(220, lines), Instant{});
    dialogue.on_sent(Instant{});
    dialogue.on_received(long_reply(250, lines), Instant{});
  }
  std::size_t bytes() const {
    std::size_t all = 0;
    for (const TranscriptLine& line : dialogue.transcript()) all += line.text.size();
    for (const StepRecord& step : dialogue.steps()) all += step.reply ? bytes_of(*step.reply) : 0;
    if (dialogue.extensions()) {
      for (const Extension& one : dialogue.extensions()->all()) all += one.parameter.size();
    }
    return all;
  }
  Dialogue dialogue;
};

TEST(TextBudget, GivesWhatItHas) {
  TextBudget budget(100);
  EXPECT_TRUE(budget.take(60));
  EXPECT_FALSE(budget.take(41));
  EXPECT_TRUE(budget.take(40));
  budget.give_back(60);
  EXPECT_EQ(budget.left(), 60U);
}

TEST(TextAccount, TakesFromTheSharedOneWhatIsAboveItsOwn) {
  TextBudget budget(1000);
  {
    TextAccount account(&budget);
    EXPECT_TRUE(account.take(TextAccount::kOwnBytes));
    EXPECT_EQ(budget.left(), 1000U);
    EXPECT_TRUE(account.take(400));
    EXPECT_FALSE(account.take(601));
    const TextAccount moved(std::move(account));
    EXPECT_EQ(budget.left(), 600U);
  }
  EXPECT_EQ(budget.left(), 1000U);
}

TEST(TextBudget, WithoutOneASessionKeepsAll) {
  const Session session(nullptr);
  EXPECT_GT(session.bytes(), 250'000U);
  EXPECT_FALSE(session.dialogue.failure());
}

TEST(TextBudget, BoundsSessionsTogether) {
  constexpr std::size_t kShared = 500'000;
  constexpr std::size_t kSessions = 50;
  TextBudget budget(kShared);
  std::vector<std::unique_ptr<Session>> sessions;
  std::size_t bytes = 0;
  for (std::size_t i = 0; i < kSessions; ++i) {
    sessions.push_back(std::make_unique<Session>(&budget));
    bytes += sessions.back()->bytes();
  }
  // Beside the shared bytes each has its own, four short replies and a line that says so.
  EXPECT_LE(bytes, kShared + kSessions * (TextAccount::kOwnBytes + 4096 + 100));
  const Dialogue& last = sessions.back()->dialogue;
  EXPECT_EQ(last.transcript().back().text.substr(0, 21), "the rest is not shown");
  EXPECT_EQ(last.steps().front().reply->code, 220);
  sessions.clear();
  EXPECT_EQ(budget.left(), kShared);
}

TEST(TextBudget, AnOrdinarySessionNeedsNone) {
  TextBudget none(0);
  const Session session(&none, 1);
  EXPECT_FALSE(session.dialogue.failure());
  for (const TranscriptLine& line : session.dialogue.transcript())
    EXPECT_FALSE(line.text.starts_with("the rest")) << line.text;
}

TEST(TextBudget, AReplyThatDoesNotEndIsKeptToo) {
  TextBudget none(0);
  Dialogue dialogue(plan(), Instant{}, Instant{} + seconds(10), &none);
  const std::string reply = long_reply(220);
  for (std::size_t at = 0; at + 10 < reply.size(); at += 1000)
    dialogue.on_received(
        std::string_view(reply).substr(at, std::min(reply.size() - 10 - at, 1000UL)), Instant{});
  EXPECT_FALSE(dialogue.failure());
  dialogue.on_deadline(Instant{} + seconds(10));
  ASSERT_TRUE(dialogue.failure());
  EXPECT_EQ(dialogue.failure()->reason, Reason::Timeout);
  std::size_t bytes = 0;
  for (const TranscriptLine& line : dialogue.transcript()) bytes += line.text.size();
  EXPECT_LE(bytes, TextAccount::kOwnBytes + 1000);
}

TEST(TextBudget, NoRoomChangesNoVerdict) {
  TextBudget none(0);
  Dialogue dialogue(plan(), Instant{}, Instant{} + seconds(10), &none);
  const auto receive = [&dialogue](const std::string& reply) {
    for (std::size_t at = 0; at < reply.size(); at += 1000)
      dialogue.on_received(std::string_view(reply).substr(at, 1000), Instant{});
  };
  receive(long_reply(220));
  dialogue.on_sent(Instant{});
  receive(long_reply(250));
  EXPECT_EQ(dialogue.next().step, Step::Quit);
  dialogue.on_sent(Instant{});
  receive("221 bye\r\n");
  EXPECT_FALSE(dialogue.failure());
  // Limits count what is read, kept or not.
  Dialogue endless(plan(), Instant{}, Instant{} + seconds(10), &none);
  for (int i = 0; i < 129; ++i)
    endless.on_received("220-" + std::string(200, 'x') + "\r\n", Instant{});
  ASSERT_TRUE(endless.failure());
  EXPECT_EQ(endless.failure()->reason, Reason::ReplyTooLong);
}

// Whatever room there is: what EHLO offers decides how the session goes on.
TEST(TextBudget, NoRoomChangesNothingOfWhatIsOffered) {
  for (const std::size_t width : {std::size_t{10}, std::size_t{800}}) {
    TextBudget none(0);
    DialoguePlan with_tls;
    with_tls.helo_name = "probe.test";
    with_tls.tls = TlsMode::Starttls;
    Dialogue dialogue(std::make_shared<const DialoguePlan>(with_tls), Instant{},
                      Instant{} + seconds(10), &none);
    const auto receive = [&dialogue](const std::string& reply) {
      for (std::size_t at = 0; at < reply.size(); at += 1000)
        dialogue.on_received(std::string_view(reply).substr(at, 1000), Instant{});
    };
    receive(long_reply(220));
    dialogue.on_sent(Instant{});
    const std::string filler = long_reply(250, 40, width);
    receive(filler.substr(0, filler.rfind("250 ")) +
            "250-STARTTLS\r\n250-SIZE 1000\r\n250-AUTH PLAIN LOGIN\r\n250 8BITMIME\r\n");
    EXPECT_EQ(dialogue.next().step, Step::Starttls) << width;
    ASSERT_TRUE(dialogue.extensions());
    EXPECT_TRUE(dialogue.extensions()->offers("8BITMIME")) << width;
    EXPECT_TRUE(dialogue.extensions()->offers("X30")) << width;
    EXPECT_EQ(dialogue.extensions()->size_limit(), 1000U) << width;
    EXPECT_EQ(dialogue.extensions()->auth_mechanisms(),
              (std::vector<std::string>{"PLAIN", "LOGIN"}))
        << width;
  }
}

}  // namespace
}  // namespace smtpprobe
