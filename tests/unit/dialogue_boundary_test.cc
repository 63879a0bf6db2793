// The two boundaries that a hostile server may blur, at every step and cut: between its answer and
// our next command, and between the 220 to STARTTLS and the handshake.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/smtp/dialogue.h"

namespace smtpprobe {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// What is behind an answer: lines, whole and not, line ends alone, and what looks like TLS.
constexpr std::array<std::string_view, 10> kSurplus = {
    "250 2.1.0 Ok\r\n",
    "221 2.0.0 Bye\r\n",
    "250-first\r\n250 last\r\n",
    "354 go ahead\r\n",
    "2",
    "\n",
    "\r\n",
    std::string_view("\0", 1),
    "\xff\xfe",
    "\x16\x03\x03",
};

enum class Arrival { SameSegment, BetweenSteps, ByteByByte };

struct Exchange {
  Step step;
  std::string_view answer;
};

// Everything from the banner to the verdict on the message, in clear and behind STARTTLS.
std::vector<Exchange> exchanges(bool tls) {
  std::vector<Exchange> all = {{Step::Banner, "220 mx.test\r\n"}};
  all.push_back({Step::Ehlo, tls ? "250-mx.test\r\n250-AUTH LOGIN\r\n250 STARTTLS\r\n"
                                 : "250-mx.test\r\n250 AUTH LOGIN\r\n"});
  if (tls) {
    all.push_back({Step::Starttls, "220 2.0.0 go\r\n"});
    all.push_back({Step::EhloTls, "250-mx.test\r\n250 AUTH LOGIN\r\n"});
  }
  const Exchange rest[] = {
      {Step::Auth, "334 VXNlcm5hbWU6\r\n"}, {Step::Auth, "334 UGFzc3dvcmQ6\r\n"},
      {Step::Auth, "235 2.7.0 in\r\n"},     {Step::Mail, "250 2.1.0 Ok\r\n"},
      {Step::Rcpt, "250 2.1.5 Ok\r\n"},     {Step::Rcpt, "250 2.1.5 Ok\r\n"},
      {Step::Data, "354 go ahead\r\n"},     {Step::Message, "250 2.0.0 queued\r\n"},
  };
  all.insert(all.end(), std::begin(rest), std::end(rest));
  return all;
}

DialoguePlan whole_plan(bool tls) {
  DialoguePlan plan;
  plan.helo_name = "probe.test";
  plan.until = Step::Message;
  plan.from = "a@probe.test";
  plan.to = {"b@mx.test", "c@mx.test"};
  plan.message = "Subject: x\r\n\r\ntext\r\n";
  plan.tls = tls ? TlsMode::Starttls : TlsMode::Off;
  plan.auth.emplace();
  plan.auth->mechanism = Mechanism::Login;
  plan.auth->credentials.username = "probe";
  plan.auth->credentials.password = "secret";
  plan.auth->without_verified_tls = true;
  return plan;
}

class Walk {
 public:
  explicit Walk(bool tls) : dialogue_(whole_plan(tls), now_, now_ + seconds(60)) {}

  // Says what is to be said, and shakes hands.
  void speak() {
    while (true) {
      const Action action = dialogue_.next();
      if (action.kind == Action::Kind::Send) {
        said_ += action.bytes;
        dialogue_.on_sent(now_);
      } else if (action.kind == Action::Kind::StartTls) {
        dialogue_.on_tls({Reason::None, Reason::None, true, "TLSv1.3", {}}, now_);
      } else {
        return;
      }
    }
  }
  void hear(std::string_view bytes) {
    now_ += milliseconds(1);
    dialogue_.on_received(bytes, now_);
  }
  // The answer, and the surplus before we have spoken again.
  void hear_more_than(std::string_view answer, std::string_view surplus, Arrival arrival) {
    switch (arrival) {
      case Arrival::SameSegment:
        return hear(std::string(answer).append(surplus));
      case Arrival::BetweenSteps:
        hear(answer);
        return hear(surplus);
      case Arrival::ByteByByte:
        for (const char& byte : answer) hear({&byte, 1});
        for (const char& byte : surplus) hear({&byte, 1});
        return;
    }
  }
  Dialogue& dialogue() { return dialogue_; }
  const std::string& said() const { return said_; }

 private:
  Instant now_{};
  Dialogue dialogue_;
  std::string said_;
};

void expect_the_end(Walk& walk, Step step, Reason reason) {
  const std::string said_before = walk.said();
  walk.speak();
  EXPECT_EQ(walk.dialogue().next().kind, Action::Kind::Close);
  EXPECT_EQ(walk.said(), said_before) << "nothing is said any more, not even QUIT";
  ASSERT_TRUE(walk.dialogue().failure().has_value());
  EXPECT_EQ(reason_name(walk.dialogue().failure()->reason), reason_name(reason));
  EXPECT_EQ(step_name(walk.dialogue().failure()->step), step_name(step));
}

TEST(EarlyTalkers, AreSeenBehindEveryAnswer) {
  int cases = 0;
  for (const bool tls : {false, true}) {
    const std::vector<Exchange> all = exchanges(tls);
    for (std::size_t early = 0; early < all.size(); ++early) {
      for (const std::string_view surplus : kSurplus) {
        for (const Arrival arrival :
             {Arrival::SameSegment, Arrival::BetweenSteps, Arrival::ByteByByte}) {
          Walk walk(tls);
          for (std::size_t i = 0; i < early; ++i) {
            walk.speak();
            walk.hear(all[i].answer);
          }
          walk.speak();
          SCOPED_TRACE(testing::Message()
                       << step_name(all[early].step) << " tls=" << tls << " surplus '" << surplus
                       << "' arrival " << static_cast<int>(arrival));
          walk.hear_more_than(all[early].answer, surplus, arrival);
          const bool boundary = all[early].step == Step::Starttls;
          expect_the_end(walk, all[early].step,
                         boundary ? Reason::PlaintextAfterStarttls : Reason::EarlyTalker);
          ++cases;
          if (testing::Test::HasFailure()) return;
        }
      }
    }
  }
  EXPECT_EQ(cases, (10 + 12) * 10 * 3);
}

TEST(EarlyTalkers, TheWalkItselfIsGood) {
  for (const bool tls : {false, true}) {
    Walk walk(tls);
    for (const Exchange& one : exchanges(tls)) {
      walk.speak();
      walk.hear(one.answer);
    }
    walk.speak();
    EXPECT_FALSE(walk.dialogue().failure().has_value());
    EXPECT_TRUE(walk.said().ends_with("QUIT\r\n"));
  }
}

// To the answer of STARTTLS, not given yet.
Walk at_starttls() {
  Walk walk(true);
  walk.speak();
  walk.hear("220 mx.test\r\n");
  walk.speak();
  walk.hear("250-mx.test\r\n250-AUTH LOGIN\r\n250-SIZE 1000\r\n250 STARTTLS\r\n");
  walk.speak();
  return walk;
}

TEST(StarttlsBoundary, AnyByteBehindThe220EndsIt) {
  for (int byte = 0; byte < 256; ++byte) {
    const std::string surplus(1, static_cast<char>(byte));
    for (const Arrival arrival :
         {Arrival::SameSegment, Arrival::BetweenSteps, Arrival::ByteByByte}) {
      SCOPED_TRACE(byte);
      Walk walk = at_starttls();
      walk.hear_more_than("220-go\r\n220 on\r\n", surplus, arrival);
      expect_the_end(walk, Step::Starttls, Reason::PlaintextAfterStarttls);
      // It was there, and nothing was believed of it: no handshake, no keyword.
      const auto& steps = walk.dialogue().steps();
      EXPECT_TRUE(std::none_of(steps.begin(), steps.end(),
                               [](const StepRecord& one) { return one.step == Step::Tls; }));
      if (testing::Test::HasFailure()) return;
    }
  }
}

TEST(StarttlsBoundary, AnyCutOfTheAnswerAndTheSurplus) {
  const std::string all = "220 2.0.0 go\r\n250-mx.test\r\n250 AUTH PLAIN\r\n";
  for (std::size_t cut = 1; cut < all.size(); ++cut) {
    Walk walk = at_starttls();
    walk.hear(std::string_view(all).substr(0, cut));
    walk.hear(std::string_view(all).substr(cut));
    SCOPED_TRACE(cut);
    expect_the_end(walk, Step::Starttls, Reason::PlaintextAfterStarttls);
  }
}

TEST(StarttlsBoundary, TheKeywordsFromBeforeAreForgottenWithTheHandshake) {
  Walk walk = at_starttls();
  ASSERT_TRUE(walk.dialogue().extensions().has_value());
  EXPECT_TRUE(walk.dialogue().extensions()->offers("SIZE"));
  walk.hear("220 go\r\n");
  ASSERT_EQ(walk.dialogue().next().kind, Action::Kind::StartTls);
  walk.dialogue().on_tls({Reason::None, Reason::None, true, "TLSv1.3", {}}, Instant{});
  EXPECT_FALSE(walk.dialogue().extensions().has_value());
  walk.speak();
  EXPECT_TRUE(walk.said().ends_with("EHLO probe.test\r\n"));
  // Those behind it are all there are: neither AUTH nor SIZE is left of the first ones.
  walk.hear("250-mx.test\r\n250 PIPELINING\r\n");
  walk.speak();
  ASSERT_TRUE(walk.dialogue().extensions().has_value());
  EXPECT_FALSE(walk.dialogue().extensions()->offers("SIZE"));
  EXPECT_FALSE(walk.dialogue().extensions()->offers("AUTH"));
  ASSERT_TRUE(walk.dialogue().failure().has_value());
  EXPECT_EQ(walk.dialogue().failure()->reason, Reason::AuthNotOffered);
  EXPECT_EQ(walk.said().find("AUTH"), std::string::npos);
}

TEST(StarttlsBoundary, TheParserStartsAnewInTls) {
  Walk walk = at_starttls();
  walk.hear("220 go\r\n");
  walk.speak();
  // A reply that would be malformed were a byte from before glued to it.
  walk.hear("250-mx.test\r\n250 AUTH LOGIN\r\n");
  walk.speak();
  EXPECT_FALSE(walk.dialogue().failure().has_value());
  EXPECT_TRUE(walk.said().ends_with("AUTH LOGIN\r\n"));
}

TEST(StarttlsBoundary, InImplicitTlsClearBytesAreNoTls) {
  DialoguePlan plan = whole_plan(false);
  plan.tls = TlsMode::Implicit;
  Dialogue dialogue(plan, Instant{}, Instant{} + seconds(60));
  ASSERT_EQ(dialogue.next().kind, Action::Kind::StartTls);
  dialogue.on_received("220 mx.test\r\n", Instant{});
  EXPECT_EQ(dialogue.next().kind, Action::Kind::Close);
  ASSERT_TRUE(dialogue.failure().has_value());
  EXPECT_EQ(dialogue.failure()->reason, Reason::TlsNotTls);
}

}  // namespace
}  // namespace smtpprobe
