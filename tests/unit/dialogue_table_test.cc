// The exhaustive table: every step that the dialogue walks x every class of answer and every way a
// channel can end, with the expected reason in each cell. A forgotten transition shows here.
#include <gtest/gtest.h>

#include <array>
#include <string>
#include <vector>

#include "common/smtp/dialogue.h"
#include "common/smtp/reply_code.h"

namespace smtpprobe {
namespace {

using std::chrono::milliseconds;

enum class Event { Ok, R2, R3, R4, R5, R421, Garbage, Close, Reset, Deadline };
constexpr std::array kEvents = {Event::Ok,    Event::R2,      Event::R3,      Event::R4,
                                Event::R5,    Event::R421,    Event::Garbage, Event::Close,
                                Event::Reset, Event::Deadline};

std::string_view event_reply(Event event) {
  switch (event) {
    case Event::R2:
      return "211 help\r\n";
    case Event::R3:
      return "354 go ahead\r\n";
    case Event::R4:
      return "452 4.3.1 full\r\n";
    case Event::R5:
      return "550 5.3.0 no\r\n";
    case Event::R421:
      return "421 4.3.2 shutting down\r\n";
    case Event::Garbage:
      return "HTTP/1.1 400 Bad Request\r\n";
    case Event::Ok:
    case Event::Close:
    case Event::Reset:
    case Event::Deadline:
      return {};
  }
  return {};
}

// The answer that lets the walk go on.
std::string good_reply(Step step) {
  switch (step) {
    case Step::Banner:
      return "220 mx.test ESMTP\r\n";
    case Step::Ehlo:
      return "250-mx.test\r\n250-STARTTLS\r\n250 AUTH PLAIN\r\n";
    case Step::EhloTls:
      return "250-mx.test\r\n250 AUTH PLAIN\r\n";
    case Step::Starttls:
      return "220 go\r\n";
    case Step::Auth:
      return "235 2.7.0 welcome\r\n";
    case Step::Data:
      return "354 go\r\n";
    case Step::Quit:
      return "221 bye\r\n";
    case Step::Resolve:
    case Step::Connect:
    case Step::Tls:
    case Step::Mail:
    case Step::Rcpt:
    case Step::Command:
    case Step::Message:
      return "250 ok\r\n";
  }
  return {};
}

DialoguePlan full_plan(bool implicit) {
  DialoguePlan plan;
  plan.helo_name = "probe.test";
  plan.tls = implicit ? TlsMode::Implicit : TlsMode::Starttls;
  plan.until = Step::Message;
  plan.auth = AuthPlan{};
  plan.auth->mechanism = Mechanism::Plain;
  plan.auth->credentials.username = "user";
  plan.auth->credentials.password = "secret";
  plan.from = "a@probe.test";
  plan.to = {"b@mx.test"};
  plan.commands = {RawCommand{"NOOP", std::nullopt}};
  plan.message = "Subject: x\r\n\r\nbody\r\n";
  return plan;
}

struct Walk {
  std::optional<Failure> failure;
  std::vector<Failure> deviations;
  std::vector<StepRecord> steps;
  bool said_quit = false;
  bool ended = false;
};

// Walks well until `at`, where `event` happens, then well again to the end. A 5yz is the answer to
// EHLO and to HELO.
Walk walk(const DialoguePlan& plan, Step at, Event event) {
  Instant now{};
  Dialogue dialogue(plan, now, now + std::chrono::hours(1));
  bool happened = false;
  bool quit_answered = false;
  Walk result;
  for (int turn = 0; turn < 100; ++turn) {
    now += milliseconds(1);
    const Action action = dialogue.next();
    if (action.kind == Action::Kind::Close) {
      result.ended = true;
      break;
    }
    if (action.kind == Action::Kind::Send) {
      if (action.bytes == "QUIT\r\n") result.said_quit = true;
      dialogue.on_sent(now);
      continue;
    }
    if (quit_answered) {
      dialogue.on_channel_end(Reason::ConnectionClosed, {}, now);
      continue;
    }
    const bool again = event == Event::R5 && (at == Step::Ehlo || at == Step::EhloTls);
    const bool here = action.step == at && (!happened || again) && event != Event::Ok;
    if (here) happened = true;
    if (action.step == Step::Quit) quit_answered = true;
    if (here && event == Event::Close) {
      dialogue.on_channel_end(Reason::ConnectionClosed, {}, now);
    } else if (here && event == Event::Reset) {
      dialogue.on_channel_end(Reason::ConnectionReset, {}, now);
    } else if (here && event == Event::Deadline) {
      dialogue.on_deadline(dialogue.deadline());
    } else if (action.kind == Action::Kind::StartTls) {
      HandshakeReport report;
      report.verified = true;
      dialogue.on_tls(report, now);
    } else {
      dialogue.on_received(here ? std::string(event_reply(event)) : good_reply(action.step), now);
    }
  }
  result.failure = dialogue.failure();
  result.deviations = dialogue.deviations();
  result.steps = dialogue.steps();
  return result;
}

struct Row {
  Step step;
  // in the order of kEvents
  std::array<Reason, kEvents.size()> reasons;
};

constexpr Reason kNone = Reason::None;
constexpr Reason kBad = Reason::ReplyUnexpected;
constexpr Reason k4 = Reason::Reply4xx;
constexpr Reason k5 = Reason::Reply5xx;
constexpr Reason kGarbage = Reason::ReplyMalformed;
constexpr Reason kClosed = Reason::ConnectionClosed;
constexpr Reason kReset = Reason::ConnectionReset;
constexpr Reason kTimeout = Reason::Timeout;

// clang-format off
const Row kTable[] = {
    // step          Ok     2yz    3yz    4yz    5yz    421    garbage   close    reset   deadline
    {Step::Banner,   {kNone, kBad,  kBad,  k4,    k5,    k4,    kGarbage, kClosed, kReset, kTimeout}},
    {Step::Ehlo,     {kNone, kBad,  kBad,  k4,    k5,    k4,    kGarbage, kClosed, kReset, kTimeout}},
    {Step::Starttls, {kNone, kBad,  kBad,  Reason::StarttlsRefused, Reason::StarttlsRefused, k4,
                                                                kGarbage, kClosed, kReset, kTimeout}},
    {Step::EhloTls,  {kNone, kBad,  kBad,  k4,    k5,    k4,    kGarbage, kClosed, kReset, kTimeout}},
    {Step::Auth,     {kNone, kBad,  kBad,  k4,    k5,    k4,    kGarbage, kClosed, kReset, kTimeout}},
    {Step::Mail,     {kNone, kBad,  kBad,  k4,    k5,    k4,    kGarbage, kClosed, kReset, kTimeout}},
    {Step::Rcpt,     {kNone, kBad,  kBad,  k4,    k5,    k4,    kGarbage, kClosed, kReset, kTimeout}},
    {Step::Command,  {kNone, kNone, kNone, k4,    k5,    k4,    kGarbage, kClosed, kReset, kTimeout}},
    {Step::Data,     {kNone, kBad,  kNone, k4,    k5,    k4,    kGarbage, kClosed, kReset, kTimeout}},
    {Step::Message,  {kNone, kBad,  kBad,  k4,    k5,    k4,    kGarbage, kClosed, kReset, kTimeout}},
    {Step::Quit,     {kNone, kBad,  kBad,  k4,    k5,    k4,    kGarbage, kClosed, kReset, kTimeout}},
};
// clang-format on

TEST(DialogueTable, EveryStepAndEveryAnswer) {
  for (const Row& row : kTable) {
    for (std::size_t i = 0; i < kEvents.size(); ++i) {
      const Event event = kEvents[i];
      const Reason wanted = row.reasons[i];
      const Walk result = walk(full_plan(false), row.step, event);
      SCOPED_TRACE(std::string(step_name(row.step)) + " x event " + std::to_string(i));
      ASSERT_TRUE(result.ended);
      if (event == Event::R2 && wanted == kBad && row.step != Step::Auth &&
          row.step != Step::Data && row.step != Step::Quit) {
        // The session goes on; what it lacks then may fail later.
        ASSERT_EQ(result.deviations.size(), 1U);
        EXPECT_EQ(step_name(result.deviations.front().step), step_name(row.step));
        EXPECT_EQ(reason_name(result.deviations.front().reason), reason_name(wanted));
        if (result.failure) {
          EXPECT_GT(result.failure->step, row.step);
        }
      } else {
        // A missing or odd 221 is recorded and fails nothing.
        const Reason failed = result.failure ? result.failure->reason : Reason::None;
        EXPECT_EQ(reason_name(failed), reason_name(row.step == Step::Quit ? kNone : wanted));
        if (result.failure) {
          EXPECT_EQ(step_name(result.failure->step), step_name(row.step));
        }
      }
      bool in_the_books = wanted == kNone;
      for (const StepRecord& record : result.steps) {
        if (record.step == row.step && record.reason == wanted) in_the_books = true;
      }
      EXPECT_TRUE(in_the_books);

      const bool in_sync = event == Event::Ok || event == Event::R2 || event == Event::R4 ||
                           event == Event::R5 || event == Event::R421 ||
                           (event == Event::R3 && wanted == kNone && row.step != Step::Command);
      EXPECT_EQ(result.said_quit, in_sync || row.step == Step::Quit ||
                                      (event == Event::R3 && row.step == Step::Command));
    }
  }
}

TEST(DialogueTable, TheTableCoversEveryStepWithAReply) {
  for (const Step step : planned_steps(full_plan(false))) {
    if (step == Step::Tls) continue;
    bool found = false;
    for (const Row& row : kTable) found = found || row.step == step;
    EXPECT_TRUE(found) << step_name(step);
  }
}

TEST(DialogueTable, TheHandshakeFailsAtTlsAndNoQuitFollows) {
  for (const bool implicit : {false, true}) {
    for (const auto& [event, reason] :
         {std::pair{Event::Close, kClosed}, std::pair{Event::Reset, kReset},
          std::pair{Event::Deadline, kTimeout}}) {
      const Walk result = walk(full_plan(implicit), Step::Tls, event);
      ASSERT_TRUE(result.ended);
      ASSERT_TRUE(result.failure);
      EXPECT_EQ(result.failure->step, Step::Tls);
      EXPECT_EQ(reason_name(result.failure->reason), reason_name(reason));
      EXPECT_FALSE(result.said_quit);
    }
  }
}

TEST(DialogueTable, EachTlsReasonIsKept) {
  for (const Reason reason : {Reason::TlsNotTls, Reason::TlsAlert, Reason::TlsVersion,
                              Reason::TlsHandshake, Reason::TlsRecord, Reason::CertMalformed}) {
    for (const bool implicit : {false, true}) {
      Instant now{};
      Dialogue dialogue(full_plan(implicit), now, now + std::chrono::hours(1));
      while (dialogue.next().kind != Action::Kind::StartTls) {
        const Action action = dialogue.next();
        if (action.kind == Action::Kind::Send) {
          dialogue.on_sent(now);
        } else {
          dialogue.on_received(good_reply(action.step), now);
        }
      }
      HandshakeReport report;
      report.reason = reason;
      report.detail = "words";
      dialogue.on_tls(report, now);
      EXPECT_EQ(dialogue.next().kind, Action::Kind::Close);
      ASSERT_TRUE(dialogue.failure());
      EXPECT_EQ(dialogue.failure()->reason, reason);
      EXPECT_EQ(dialogue.failure()->step, Step::Tls);
      EXPECT_EQ(dialogue.failure()->detail, "words");
    }
  }
}

TEST(DialogueTable, NothingIsSaidBeforeTheBanner) {
  for (const bool implicit : {false, true}) {
    Instant now{};
    Dialogue dialogue(full_plan(implicit), now, now + std::chrono::hours(1));
    if (implicit) {
      ASSERT_EQ(dialogue.next().kind, Action::Kind::StartTls);
      dialogue.on_tls(HandshakeReport{}, now);
    }
    EXPECT_EQ(dialogue.next().kind, Action::Kind::Receive);
    EXPECT_EQ(dialogue.next().step, Step::Banner);
  }
}

}  // namespace
}  // namespace smtpprobe
