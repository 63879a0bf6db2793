// The laws of the dialogue, one by one, on hand-fed bytes and a hand-set clock.
#include "common/smtp/dialogue.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "common/smtp/base64.h"

namespace smtpprobe {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

DialoguePlan plan_until(Step until) {
  DialoguePlan plan;
  plan.helo_name = "probe.test";
  plan.until = until;
  if (until >= Step::Mail) plan.from = "a@probe.test";
  if (until >= Step::Rcpt) plan.to = {"b@mx.test"};
  plan.message = "Subject: x\r\n\r\n.dot\r\n";
  return plan;
}

// A dialogue and a peer that answers from a list; each answer comes 10 ms after it was asked for.
class Talk {
 public:
  explicit Talk(DialoguePlan plan) : dialogue_(std::move(plan), now_, now_ + seconds(60)) {}

  // Lets the dialogue say what it wants to, then feeds `bytes`.
  Talk& server(std::string_view bytes) {
    flush();
    now_ += milliseconds(10);
    dialogue_.on_received(bytes, now_);
    return *this;
  }
  // Bytes that are there before the next command is sent.
  Talk& before_we_speak(std::string_view bytes) {
    dialogue_.on_received(bytes, now_);
    return *this;
  }
  Talk& tls(HandshakeReport report = {Reason::None, Reason::None, true, "TLSv1.3", {}}) {
    flush();
    EXPECT_EQ(dialogue_.next().kind, Action::Kind::StartTls);
    now_ += milliseconds(10);
    dialogue_.on_tls(report, now_);
    return *this;
  }
  Talk& server_closes() {
    flush();
    dialogue_.on_channel_end(Reason::ConnectionClosed, {}, now_);
    return *this;
  }
  void flush() {
    while (dialogue_.next().kind == Action::Kind::Send) {
      said_ += dialogue_.next().bytes;
      dialogue_.on_sent(now_);
    }
  }
  const std::string& said() {
    flush();
    return said_;
  }
  bool closed() {
    flush();
    return dialogue_.next().kind == Action::Kind::Close;
  }
  Reason reason() const { return dialogue_.failure() ? dialogue_.failure()->reason : Reason::None; }
  std::string detail() const { return dialogue_.failure() ? dialogue_.failure()->detail : ""; }
  Step failed_step() const {
    return dialogue_.failure() ? dialogue_.failure()->step : Step::Resolve;
  }
  const StepRecord* step(Step step) const {
    for (const StepRecord& record : dialogue_.steps()) {
      if (record.step == step) return &record;
    }
    return nullptr;
  }
  std::string transcript() const {
    std::string all;
    for (const TranscriptLine& line : dialogue_.transcript()) all += line.text + "\n";
    return all;
  }
  Dialogue& dialogue() { return dialogue_; }
  void pass(Duration time) { now_ += time; }
  Instant now() const { return now_; }

 private:
  Instant now_{};
  Dialogue dialogue_;
  std::string said_;
};

TEST(Dialogue, WalksTheWholeWay) {
  Talk talk(plan_until(Step::Message));
  talk.server("220 mx\r\n").server("250 mx\r\n").server("250 ok\r\n").server("250 ok\r\n");
  talk.server("354 go\r\n").server("250 queued\r\n").server("221 bye\r\n");
  EXPECT_FALSE(talk.closed());  // what the server still says counts
  talk.server_closes();
  EXPECT_TRUE(talk.closed());
  EXPECT_EQ(talk.reason(), Reason::None);
  EXPECT_EQ(talk.said(),
            "EHLO probe.test\r\nMAIL FROM:<a@probe.test>\r\nRCPT TO:<b@mx.test>\r\nDATA\r\n"
            "Subject: x\r\n\r\n..dot\r\n.\r\nQUIT\r\n");
  for (const Step step :
       {Step::Banner, Step::Ehlo, Step::Mail, Step::Rcpt, Step::Data, Step::Message, Step::Quit}) {
    ASSERT_NE(talk.step(step), nullptr) << step_name(step);
    EXPECT_EQ(talk.step(step)->took, milliseconds(10)) << step_name(step);
  }
}

TEST(Dialogue, UntilSaysHowDeep) {
  const std::vector<std::pair<Step, std::string>> cases = {
      {Step::Banner, "QUIT\r\n"},
      {Step::Ehlo, "EHLO probe.test\r\nQUIT\r\n"},
      {Step::Mail, "EHLO probe.test\r\nMAIL FROM:<a@probe.test>\r\nQUIT\r\n"},
      {Step::Rcpt,
       "EHLO probe.test\r\nMAIL FROM:<a@probe.test>\r\nRCPT TO:<b@mx.test>\r\nQUIT\r\n"},
  };
  for (const auto& [until, said] : cases) {
    Talk talk(plan_until(until));
    talk.server("220 mx\r\n");
    while (talk.said().find("QUIT") == std::string::npos) talk.server("250 ok\r\n");
    talk.server("221 bye\r\n").server_closes();
    EXPECT_TRUE(talk.closed());
    EXPECT_EQ(talk.said(), said);
    EXPECT_EQ(talk.reason(), Reason::None);
  }
}

TEST(Dialogue, UntilDataClosesAfterThe354WithoutAWord) {
  Talk talk(plan_until(Step::Data));
  talk.server("220 a\r\n").server("250 b\r\n").server("250 c\r\n").server("250 d\r\n");
  talk.server("354 go\r\n");
  EXPECT_TRUE(talk.closed());
  EXPECT_EQ(talk.reason(), Reason::None);
  EXPECT_TRUE(talk.said().ends_with("DATA\r\n"));
}

TEST(Dialogue, EarlyTalkerAfterEachReply) {
  Talk talk(plan_until(Step::Rcpt));
  talk.server("220 mx\r\n").server("250 mx\r\n").server("250 ok\r\n250 ok\r\n");
  EXPECT_TRUE(talk.closed());
  EXPECT_EQ(talk.reason(), Reason::EarlyTalker);
  EXPECT_EQ(talk.failed_step(), Step::Mail);
  EXPECT_EQ(talk.said().find("RCPT"), std::string::npos);
  EXPECT_EQ(talk.said().find("QUIT"), std::string::npos);
  EXPECT_EQ(talk.step(Step::Rcpt), nullptr);
}

TEST(Dialogue, EarlyTalkerSeenJustBeforeTheNextCommand) {
  Talk talk(plan_until(Step::Mail));
  talk.server("220 mx\r\n").before_we_speak("250 hello before EHLO\r\n");
  EXPECT_TRUE(talk.closed());
  EXPECT_EQ(talk.reason(), Reason::EarlyTalker);
  EXPECT_EQ(talk.failed_step(), Step::Banner);
  EXPECT_EQ(talk.said(), "");
}

TEST(Dialogue, EarlyTalkerBehindTheLastAnswerIsSeenBeforeQuit) {
  Talk talk(plan_until(Step::Ehlo));
  talk.server("220 mx\r\n").server("250 mx\r\n250 again\r\n");
  EXPECT_EQ(talk.reason(), Reason::EarlyTalker);
  EXPECT_EQ(talk.failed_step(), Step::Ehlo);
}

TEST(Dialogue, BytesAfterThe221AreASurplusReply) {
  for (const std::string more : {"trailing", "250 2.1.5 Ok\r\n"}) {
    Talk together(plan_until(Step::Banner));
    together.server("220 mx\r\n").server("221 bye\r\n" + more);
    EXPECT_TRUE(together.closed());
    EXPECT_EQ(together.reason(), Reason::EarlyTalker);
    EXPECT_EQ(together.failed_step(), Step::Quit);
    Talk apart(plan_until(Step::Banner));
    apart.server("220 mx\r\n").server("221 bye\r\n");
    EXPECT_FALSE(apart.closed());
    apart.server(more);
    EXPECT_TRUE(apart.closed());
    EXPECT_EQ(apart.reason(), Reason::EarlyTalker);
  }
}

TEST(Dialogue, AfterThe221TheEndIsGoodHoweverItComes) {
  Talk closed(plan_until(Step::Banner));
  closed.server("220 mx\r\n").server("221 bye\r\n").server("\r\n").server_closes();
  EXPECT_TRUE(closed.closed());
  EXPECT_EQ(closed.reason(), Reason::None);
  EXPECT_EQ(closed.step(Step::Quit)->reason, Reason::None);

  Talk shutting_down(plan_until(Step::Banner));
  shutting_down.server("220 mx\r\n")
      .server("221 bye\r\n")
      .server("42")
      .server("1 4.4.2 closing\r\n");
  shutting_down.server_closes();
  EXPECT_EQ(shutting_down.reason(), Reason::None);

  Talk late(plan_until(Step::Banner));
  late.server("220 mx\r\n").server("221 bye\r\n");
  EXPECT_EQ(late.dialogue().deadline() - late.now(), seconds(2) - milliseconds(10));
  late.dialogue().on_deadline(late.dialogue().deadline());
  EXPECT_TRUE(late.closed());
  EXPECT_EQ(late.reason(), Reason::None);
  EXPECT_EQ(late.step(Step::Quit)->took, milliseconds(10));
}

TEST(Dialogue, WhatComesInTlsBeforeWeSpeakIsOfTheEhloInTls) {
  DialoguePlan plan = plan_until(Step::Ehlo);
  plan.tls = TlsMode::Starttls;
  Talk talk(plan);
  talk.server("220 mx\r\n").server("250-mx\r\n250 STARTTLS\r\n").server("220 go\r\n").tls();
  talk.before_we_speak("250 welcome\r\n");
  EXPECT_TRUE(talk.closed());
  EXPECT_EQ(talk.reason(), Reason::EarlyTalker);
  EXPECT_EQ(talk.failed_step(), Step::EhloTls);
}

// Postfix answers a line that it did not expect with 500, EHLO with 250 and QUIT with 221; whoever
// takes the 500 for the answer to EHLO is one reply behind.
TEST(Dialogue, AReplyThatIsOneBehindShowsAtQuit) {
  Talk helo(plan_until(Step::Ehlo));
  helo.server("220 mx\r\n").server("500 5.5.2 unrecognized\r\n").server("250 mx\r\n");
  helo.server("250 mx\r\n").server("221 bye\r\n");
  EXPECT_TRUE(helo.closed());
  EXPECT_EQ(helo.reason(), Reason::EarlyTalker);
  EXPECT_EQ(helo.failed_step(), Step::Quit);

  Talk keywords(plan_until(Step::Ehlo));
  keywords.server("220 mx\r\n").server("500 5.5.2 unrecognized\r\n");
  keywords.server("250-mx\r\n250-PIPELINING\r\n250 SIZE\r\n");
  EXPECT_TRUE(keywords.closed());
  EXPECT_EQ(keywords.reason(), Reason::EarlyTalker);
  EXPECT_EQ(keywords.failed_step(), Step::Ehlo);
  EXPECT_EQ(keywords.said(), "EHLO probe.test\r\nHELO probe.test\r\n");
}

TEST(Dialogue, ARefusalBehindWhichMoreComesStaysTheCause) {
  Talk talk(plan_until(Step::Mail));
  talk.server("220 mx\r\n").server("250 mx\r\n").server("550 no\r\n550 again\r\n");
  EXPECT_TRUE(talk.closed());
  EXPECT_EQ(talk.reason(), Reason::Reply5xx);
  EXPECT_EQ(talk.said(), "EHLO probe.test\r\nMAIL FROM:<a@probe.test>\r\n");
}

class StarttlsLeftover : public testing::TestWithParam<std::string> {};

TEST_P(StarttlsLeftover, IsRefusedAndReported) {
  DialoguePlan plan = plan_until(Step::Rcpt);
  plan.tls = TlsMode::Starttls;
  Talk together(plan);
  together.server("220 mx\r\n").server("250-mx\r\n250 STARTTLS\r\n");
  together.server("220 go\r\n" + GetParam());
  EXPECT_EQ(together.reason(), Reason::PlaintextAfterStarttls);
  EXPECT_EQ(together.failed_step(), Step::Starttls);
  EXPECT_TRUE(together.closed());
  EXPECT_EQ(together.said().find("QUIT"), std::string::npos);
  EXPECT_EQ(together.step(Step::Tls), nullptr);

  Talk apart(plan);
  apart.server("220 mx\r\n").server("250-mx\r\n250 STARTTLS\r\n").server("220 go\r\n");
  apart.before_we_speak(GetParam());
  EXPECT_EQ(apart.reason(), Reason::PlaintextAfterStarttls);
}

INSTANTIATE_TEST_SUITE_P(All, StarttlsLeftover,
                         testing::Values("250 injected\r\n", "2", "\n", "250-a\r\n250 b\r\n",
                                         std::string("\x16\x03\x03", 3), std::string(1, '\0')));

TEST(Dialogue, ServerSpeakingClearOnAnImplicitTlsPort) {
  DialoguePlan plan = plan_until(Step::Ehlo);
  plan.tls = TlsMode::Implicit;
  Talk talk(plan);
  talk.before_we_speak("220 mx ESMTP\r\n");
  EXPECT_EQ(talk.reason(), Reason::TlsNotTls);
  EXPECT_EQ(talk.failed_step(), Step::Tls);
}

TEST(Dialogue, EhloIsSaidAgainAfterTlsAndTheOldKeywordsAreForgotten) {
  DialoguePlan plan = plan_until(Step::Ehlo);
  plan.tls = TlsMode::Starttls;
  Talk talk(plan);
  talk.server("220 mx\r\n").server("250-mx\r\n250-AUTH PLAIN\r\n250-XOLD\r\n250 starttls\r\n");
  talk.server("220 go\r\n").tls();
  EXPECT_FALSE(talk.dialogue().extensions());
  talk.server("250-mx\r\n250 AUTH LOGIN\r\n").server("221 bye\r\n");
  EXPECT_EQ(talk.said(), "EHLO probe.test\r\nSTARTTLS\r\nEHLO probe.test\r\nQUIT\r\n");
  ASSERT_TRUE(talk.dialogue().extensions());
  EXPECT_FALSE(talk.dialogue().extensions()->offers("XOLD"));
  EXPECT_TRUE(has(talk.dialogue().notes(), Note::CapsChanged));
}

TEST(Dialogue, StarttlsNotOffered) {
  for (const std::string reply :
       {"250 mx STARTTLS\r\n", "250-STARTTLS\r\n250 SIZE\r\n", "250-mx\r\n250 SIZE STARTTLS\r\n"}) {
    DialoguePlan plan = plan_until(Step::Rcpt);
    plan.tls = TlsMode::Starttls;
    Talk talk(plan);
    talk.server("220 mx\r\n").server(reply).server("221 bye\r\n");
    EXPECT_EQ(talk.reason(), Reason::StarttlsNotOffered);
    EXPECT_EQ(talk.failed_step(), Step::Starttls);
    EXPECT_EQ(talk.step(Step::Starttls), nullptr);
    EXPECT_EQ(talk.said(), "EHLO probe.test\r\nQUIT\r\n");
    EXPECT_TRUE(talk.closed());
  }
}

TEST(Dialogue, OpportunisticTlsGoesOnInClear) {
  DialoguePlan plan = plan_until(Step::Mail);
  plan.tls = TlsMode::Opportunistic;
  Talk talk(plan);
  talk.server("220 mx\r\n").server("250 mx\r\n").server("250 ok\r\n").server("221 bye\r\n");
  EXPECT_EQ(talk.reason(), Reason::None);
  EXPECT_EQ(talk.said(), "EHLO probe.test\r\nMAIL FROM:<a@probe.test>\r\nQUIT\r\n");
}

TEST(Dialogue, ABadCertificateEndsTheWalkWithQuitInsideTls) {
  HandshakeReport bad;
  bad.certificate = Reason::CertExpired;
  for (const bool implicit : {false, true}) {
    DialoguePlan plan = plan_until(Step::Rcpt);
    plan.tls = implicit ? TlsMode::Implicit : TlsMode::Starttls;
    plan.stop_on_bad_certificate = true;
    Talk talk(plan);
    if (implicit) {
      talk.tls(bad).server("220 mx\r\n");
    } else {
      talk.server("220 mx\r\n").server("250-mx\r\n250 STARTTLS\r\n").server("220 go\r\n").tls(bad);
    }
    talk.server("221 bye\r\n");
    EXPECT_TRUE(talk.closed());
    EXPECT_EQ(talk.reason(), Reason::CertExpired);
    EXPECT_EQ(talk.failed_step(), Step::Tls);
    EXPECT_TRUE(talk.said().ends_with("QUIT\r\n"));
    EXPECT_EQ(talk.said().find("MAIL"), std::string::npos);

    plan.stop_on_bad_certificate = false;
    Talk lenient(plan);
    if (implicit) {
      lenient.tls(bad).server("220 mx\r\n");
    } else {
      lenient.server("220 mx\r\n")
          .server("250-mx\r\n250 STARTTLS\r\n")
          .server("220 go\r\n")
          .tls(bad);
    }
    EXPECT_EQ(lenient.reason(), Reason::None);
    EXPECT_TRUE(lenient.said().ends_with("EHLO probe.test\r\n"));
  }
}

TEST(Dialogue, HeloFollowsEvery5yzToEhlo) {
  for (const int code : {500, 501, 502, 503, 504, 521, 530, 550, 554, 559}) {
    Talk talk(plan_until(Step::Ehlo));
    talk.server("220 mx\r\n").server(std::to_string(code) + " what\r\n").server("250 mx\r\n");
    talk.server("221 bye\r\n");
    EXPECT_EQ(talk.reason(), Reason::None) << code;
    EXPECT_EQ(talk.said(), "EHLO probe.test\r\nHELO probe.test\r\nQUIT\r\n");
    EXPECT_TRUE(has(talk.dialogue().notes(), Note::HeloFallback));
    EXPECT_EQ(talk.step(Step::Ehlo)->reply->code, 250);
    EXPECT_EQ(talk.step(Step::Ehlo)->took, milliseconds(20));
    ASSERT_EQ(talk.dialogue().deviations().size(), 1U);
    EXPECT_EQ(talk.dialogue().deviations().front().reply->code, code);
  }
  for (const int code : {421, 450, 451}) {
    Talk talk(plan_until(Step::Ehlo));
    talk.server("220 mx\r\n").server(std::to_string(code) + " no\r\n");
    EXPECT_NE(talk.reason(), Reason::None) << code;
    EXPECT_EQ(talk.said().find("HELO probe"), std::string::npos) << code;
  }
  Talk twice(plan_until(Step::Ehlo));
  twice.server("220 mx\r\n").server("550 what\r\n").server("502 no\r\n").server("221 bye\r\n");
  EXPECT_EQ(twice.reason(), Reason::Reply5xx);
  EXPECT_EQ(twice.dialogue().failure()->reply->code, 502);
}

TEST(Dialogue, HeloOnRequest) {
  DialoguePlan plan = plan_until(Step::Ehlo);
  plan.helo = true;
  Talk talk(plan);
  talk.server("220 mx\r\n").server("250 mx\r\n");
  EXPECT_EQ(talk.said(), "HELO probe.test\r\nQUIT\r\n");
  EXPECT_FALSE(talk.dialogue().extensions());
}

TEST(Dialogue, ExpectationsTurnItRound) {
  DialoguePlan plan = plan_until(Step::Message);
  plan.expect[Step::Rcpt] = {*ReplyPattern::parse("550"), *ReplyPattern::parse("554")};
  Talk refused(plan);
  refused.server("220 a\r\n")
      .server("250 b\r\n")
      .server("250 c\r\n")
      .server("554 5.7.1 no relay\r\n");
  refused.server("221 bye\r\n");
  EXPECT_EQ(refused.reason(), Reason::None);
  EXPECT_TRUE(refused.said().ends_with("RCPT TO:<b@mx.test>\r\nQUIT\r\n"));

  Talk accepted(plan);
  accepted.server("220 a\r\n").server("250 b\r\n").server("250 c\r\n").server("250 relayed\r\n");
  EXPECT_EQ(accepted.reason(), Reason::ReplyUnexpected);
  EXPECT_EQ(accepted.failed_step(), Step::Rcpt);
  EXPECT_TRUE(accepted.said().ends_with("QUIT\r\n"));
}

TEST(Dialogue, BannerText) {
  struct Case {
    std::string expect, banner;
    Reason reason;
    bool ehlo;
  };
  for (const Case& one :
       std::vector<Case>{{"220", "220 mx\r\n", Reason::None, true},
                         {"ESMTP", "220 mx ESMTP\r\n", Reason::None, true},
                         {"Sendmail", "220 mx ESMTP\r\n", Reason::ReplyUnexpected, false},
                         {"220", "554 no 220 for you\r\n", Reason::ReplyUnexpected, false},
                         {"521", "521 never\r\n", Reason::None, false},
                         {"220 mx", "554 no 220 mx\r\n", Reason::ReplyUnexpected, false},
                         {"220 b", "220-a\r\n220 b\r\n", Reason::None, true},
                         {"220-a", "220-a\r\n220 b\r\n", Reason::None, true},
                         {"521 n", "521 never\r\n", Reason::None, false},
                         {"mx.test", "421 mx.test busy\r\n", Reason::Reply4xx, false},
                         {"ESMTP", "554 mx.test ESMTP no service\r\n", Reason::Reply5xx, false},
                         {"never", "521 never\r\n", Reason::Reply5xx, false}}) {
    DialoguePlan plan = plan_until(Step::Ehlo);
    plan.expect_banner = one.expect;
    Talk talk(plan);
    talk.server(one.banner);
    EXPECT_EQ(talk.reason(), one.reason) << one.expect << " / " << one.banner;
    EXPECT_EQ(talk.said(), one.ehlo ? "EHLO probe.test\r\n" : "QUIT\r\n");
  }
}

TEST(Dialogue, RecipientsStopAtTheFirstRefusal) {
  DialoguePlan plan = plan_until(Step::Message);
  plan.to = {"one@mx.test", "two@mx.test", "three@mx.test"};
  Talk talk(plan);
  talk.server("220 a\r\n").server("250 b\r\n").server("250 c\r\n");
  talk.server("250 one\r\n").server("550 two\r\n").server("221 bye\r\n");
  EXPECT_EQ(talk.reason(), Reason::Reply5xx);
  EXPECT_EQ(talk.said().find("three"), std::string::npos);
  EXPECT_EQ(talk.step(Step::Rcpt)->reply->code, 550);
  EXPECT_EQ(talk.step(Step::Rcpt)->took, milliseconds(20));
}

TEST(Dialogue, ExpectedRefusalsLeaveTheOtherRecipients) {
  DialoguePlan plan = plan_until(Step::Message);
  plan.protocol = Protocol::Lmtp;
  plan.to = {"one@mx.test", "two@mx.test", "three@mx.test"};
  plan.expect[Step::Rcpt] = {*ReplyPattern::parse("250"), *ReplyPattern::parse("550")};
  Talk talk(plan);
  talk.server("220 a\r\n").server("250 b\r\n").server("250 c\r\n");
  talk.server("250 one\r\n").server("550 two\r\n").server("250 three\r\n").server("354 go\r\n");
  talk.server("250 one\r\n250 three\r\n").server("221 bye\r\n").server_closes();
  EXPECT_TRUE(talk.closed());
  EXPECT_EQ(talk.reason(), Reason::None);
  EXPECT_TRUE(talk.said().starts_with("LHLO probe.test\r\n"));
}

TEST(Dialogue, LmtpAnswersOncePerRecipient) {
  DialoguePlan plan = plan_until(Step::Message);
  plan.protocol = Protocol::Lmtp;
  plan.to = {"one@mx.test", "two@mx.test"};
  const auto up_to_message = [&plan] {
    Talk talk(plan);
    talk.server("220 a\r\n").server("250 b\r\n").server("250 c\r\n").server("250 1\r\n");
    talk.server("250 2\r\n").server("354 go\r\n");
    return talk;
  };
  Talk bad_second = up_to_message();
  bad_second.server("250 one\r\n").server("552 5.2.2 two is full\r\n").server("221 bye\r\n");
  EXPECT_EQ(bad_second.reason(), Reason::Reply5xx);
  EXPECT_TRUE(bad_second.said().ends_with("QUIT\r\n"));

  Talk bad_first = up_to_message();
  bad_first.server("552 5.2.2 one is full\r\n");
  EXPECT_FALSE(bad_first.said().ends_with("QUIT\r\n"));
  bad_first.server("250 two\r\n");
  EXPECT_TRUE(bad_first.said().ends_with("QUIT\r\n"));
  EXPECT_EQ(bad_first.step(Step::Message)->reply->code, 552);

  Talk too_many = up_to_message();
  too_many.server("250 one\r\n250 two\r\n250 three\r\n");
  EXPECT_EQ(too_many.reason(), Reason::ReplyCount);

  Talk too_few = up_to_message();
  too_few.server("250 one\r\n");
  too_few.dialogue().on_deadline(too_few.dialogue().deadline());
  EXPECT_EQ(too_few.reason(), Reason::Timeout);
  EXPECT_EQ(too_few.failed_step(), Step::Message);
}

// An initial response that is too long for the command line waits for an empty challenge (RFC 4954
// s4): a 235 before that is no login.
TEST(Dialogue, A235BeforeALongResponseIsSentIsNoLogin) {
  DialoguePlan plan = plan_until(Step::Auth);
  plan.auth.emplace();
  plan.auth->mechanism = Mechanism::Xoauth2;
  plan.auth->credentials.username = "u";
  plan.auth->credentials.token = std::string(600, 't');
  plan.auth->without_verified_tls = true;
  Talk talk(plan);
  talk.server("220 mx\r\n").server("250-mx\r\n250 AUTH XOAUTH2\r\n").server("235 2.7.0 in\r\n");
  EXPECT_EQ(talk.reason(), Reason::ReplyUnexpected);
  EXPECT_EQ(talk.failed_step(), Step::Auth);
}

TEST(Dialogue, CheckSmtpTakesNoBannerButA220) {
  DialoguePlan plan = plan_until(Step::Ehlo);
  plan.banner_is_220 = true;
  for (const std::string banner : {"200 hi\r\n", "250 hi\r\n"}) {
    Talk talk(plan);
    talk.server(banner);
    EXPECT_EQ(talk.reason(), Reason::ReplyUnexpected) << banner;
    EXPECT_EQ(talk.failed_step(), Step::Banner) << banner;
  }
}

TEST(Dialogue, TooFewLmtpRepliesAreCounted) {
  DialoguePlan plan = plan_until(Step::Message);
  plan.protocol = Protocol::Lmtp;
  plan.to = {"one@mx.test", "two@mx.test", "three@mx.test"};
  for (const bool closes : {false, true}) {
    Talk talk(plan);
    talk.server("220 a\r\n").server("250 b\r\n").server("250 c\r\n").server("250 1\r\n");
    talk.server("250 2\r\n").server("250 3\r\n").server("354 go\r\n").server("250 one\r\n");
    if (closes) {
      talk.server_closes();
    } else {
      talk.dialogue().on_deadline(talk.dialogue().deadline());
    }
    EXPECT_TRUE(talk.closed());
    EXPECT_EQ(talk.reason(), closes ? Reason::ConnectionClosed : Reason::Timeout);
    EXPECT_NE(talk.detail().find("1 of 3 replies arrived"), std::string::npos) << talk.detail();
  }
}

TEST(Dialogue, OfSeveralLmtpRepliesTheWorstDecides) {
  const auto answered = [](const std::string& replies, State greylisting = State::Warning) {
    DialoguePlan plan = plan_until(Step::Message);
    plan.protocol = Protocol::Lmtp;
    plan.greylisting = greylisting;
    plan.to = {"one@mx.test", "two@mx.test"};
    Talk talk(plan);
    talk.server("220 a\r\n").server("250 b\r\n").server("250 c\r\n").server("250 1\r\n");
    talk.server("250 2\r\n").server("354 go\r\n").server(replies);
    return talk;
  };
  const std::string grey = "450 4.7.1 Greylisted\r\n";
  const std::string full = "552 5.2.2 full\r\n";
  EXPECT_EQ(answered(grey + full).reason(), Reason::Reply5xx);
  EXPECT_EQ(answered(full + grey).reason(), Reason::Reply5xx);
  EXPECT_EQ(answered(full + grey).step(Step::Message)->reason, Reason::Reply5xx);
  EXPECT_EQ(answered(grey + "451 4.3.0 broken\r\n").reason(), Reason::Reply4xx);
  EXPECT_EQ(answered(grey + "250 ok\r\n").reason(), Reason::Greylisted);
  const std::string many = "421 4.7.0 too many connections\r\n";
  EXPECT_EQ(answered(grey + many).reason(), Reason::RateLimited);
  EXPECT_EQ(answered(grey + many, State::Critical).reason(), Reason::Greylisted);
  EXPECT_EQ(answered(many + grey, State::Critical).reason(), Reason::Greylisted);

  Talk closed = answered(grey);
  closed.dialogue().on_channel_end(Reason::ConnectionClosed, {}, closed.now());
  EXPECT_EQ(closed.reason(), Reason::ConnectionClosed);
  Talk silent = answered(grey);
  silent.dialogue().on_deadline(silent.dialogue().deadline());
  EXPECT_EQ(silent.reason(), Reason::Timeout);
}

TEST(Dialogue, NoQuitWhereAClientHelloIsDue) {
  DialoguePlan plan = plan_until(Step::Ehlo);
  plan.tls = TlsMode::Starttls;
  plan.expect[Step::Starttls] = {*ReplyPattern::parse("454")};
  Talk expected(plan);
  expected.server("220 mx\r\n").server("250-mx\r\n250 STARTTLS\r\n").server("220 go\r\n");
  EXPECT_TRUE(expected.closed());
  EXPECT_EQ(expected.reason(), Reason::ReplyUnexpected);
  EXPECT_TRUE(expected.said().ends_with("STARTTLS\r\n"));

  DialoguePlan raw = plan_until(Step::Ehlo);
  raw.until = Step::Command;
  raw.commands = {{"starttls", std::nullopt}};
  Talk typed(raw);
  typed.server("220 mx\r\n").server("250 mx\r\n").server("220 go\r\n");
  EXPECT_TRUE(typed.closed());
  EXPECT_TRUE(typed.said().ends_with("starttls\r\n"));
}

TEST(Dialogue, RawCredentialsAreMasked) {
  DialoguePlan plan = plan_until(Step::Ehlo);
  plan.until = Step::Command;
  plan.commands = {{"AUTH PLAIN c2VjcmV0", std::nullopt}};
  Talk one(plan);
  one.server("220 mx\r\n").server("250 mx\r\n").server("535 no\r\n");
  EXPECT_EQ(one.said(), "EHLO probe.test\r\nAUTH PLAIN c2VjcmV0\r\nQUIT\r\n");
  EXPECT_EQ(one.transcript().find("c2VjcmV0"), std::string::npos) << one.transcript();
  EXPECT_EQ(one.dialogue().failure()->detail, "AUTH PLAIN ****");

  plan.commands = {{"AUTH PLAIN AHVzZXIAaHVudGVyMiE=", std::nullopt}};
  Talk echo(plan);
  echo.server("220 mx\r\n").server("250 mx\r\n");
  echo.server("535 AHVzZXIAaHVudGVyMiE= hunter2! no\r\n");
  EXPECT_NE(echo.transcript().find("535 **** **** no"), std::string::npos) << echo.transcript();
  EXPECT_EQ(echo.dialogue().failure()->reply->text(), "**** **** no");

  plan.commands = {{"auth login", std::nullopt}, {"dXNlcg==", std::nullopt}};
  Talk two(plan);
  two.server("220 mx\r\n").server("250 mx\r\n").server("334 VXNlcm5hbWU6\r\n");
  two.server("535 no\r\n");
  EXPECT_EQ(two.transcript().find("dXNlcg=="), std::string::npos) << two.transcript();
  EXPECT_NE(two.transcript().find("auth login\n"), std::string::npos);
  EXPECT_EQ(two.dialogue().failure()->detail, "****");
}

TEST(Dialogue, RawCredentialsAreMaskedHoweverTheyAreTyped) {
  for (const std::string command :
       {"AUTH\tPLAIN AHVzZXIAaHVudGVyMiE=", " AUTH PLAIN AHVzZXIAaHVudGVyMiE=",
        "AUTH  PLAIN AHVzZXIAaHVudGVyMiE=", "auth PLAIN \t AHVzZXIAaHVudGVyMiE="}) {
    DialoguePlan plan = plan_until(Step::Ehlo);
    plan.until = Step::Command;
    plan.commands = {{command, std::nullopt}};
    Talk talk(plan);
    talk.server("220 mx\r\n").server("250 mx\r\n");
    talk.server("535 AHVzZXIAaHVudGVyMiE= hunter2! no\r\n");
    EXPECT_EQ(talk.transcript().find("AHVz"), std::string::npos) << talk.transcript();
    EXPECT_EQ(talk.transcript().find("hunter"), std::string::npos) << talk.transcript();
    EXPECT_EQ(talk.dialogue().failure()->detail.find("AHVz"), std::string::npos);
  }
}

TEST(Dialogue, BytesBehindASoftRefusalAreTheWorseFault) {
  for (const std::string reply : {"450 4.7.1 Greylisted\r\n", "450 4.2.1 busy\r\n"}) {
    Talk talk(plan_until(Step::Rcpt));
    talk.server("220 a\r\n").server("250 b\r\n").server("250 c\r\n").server(reply + "250 d\r\n");
    EXPECT_EQ(talk.reason(), Reason::EarlyTalker) << reply;
  }
  Talk ours(plan_until(Step::Ehlo));
  ours.server("220 a\r\n").server("501 bad name\r\n").server("501 bad name\r\n250 hi\r\n");
  EXPECT_EQ(ours.reason(), Reason::EarlyTalker);
}

TEST(Dialogue, OtherProtocolsAreToldByTheirFirstBytes) {
  for (const auto& [bytes, who] : std::vector<std::pair<std::string, std::string>>{
           {"SSH-2.0-OpenSSH_9.2\r\n", "SSH"},
           {"HTTP/1.1 400 Bad Request\r\n", "web"},
           {"+OK ready\r\n", "POP3"},
           {"* OK ready\r\n", "IMAP"},
           {std::string("\x15\x03\x01\x00\x02\n", 6), "TLS"}}) {
    Talk talk(plan_until(Step::Ehlo));
    talk.server(bytes);
    EXPECT_EQ(talk.reason(), Reason::ReplyMalformed);
    EXPECT_NE(talk.dialogue().failure()->detail.find(who), std::string::npos)
        << talk.dialogue().failure()->detail;
  }
}

TEST(Dialogue, AHalfReplyStandsInTheTranscript) {
  Talk mixed(plan_until(Step::Ehlo));
  mixed.server("220 mx\r\n").server("250-mx\r\n250-SIZE\r\n550 no\r\n");
  EXPECT_EQ(mixed.reason(), Reason::ReplyMixedCodes);
  EXPECT_NE(mixed.transcript().find("250-mx\n250-SIZE\n550 no\n"), std::string::npos)
      << mixed.transcript();
}

TEST(Dialogue, RawCommands) {
  DialoguePlan plan = plan_until(Step::Command);
  plan.to.clear();
  plan.commands = {
      {"RCPT TO:<x@y>", *ReplyRegex::compile("^250")}, {"DATA", std::nullopt}, {".", std::nullopt}};
  Talk good(plan);
  good.server("220 a\r\n").server("250 b\r\n").server("250 c\r\n").server("250 d\r\n");
  good.server("354 go\r\n").server("250 queued\r\n").server("221 bye\r\n");
  EXPECT_EQ(good.reason(), Reason::None);
  EXPECT_TRUE(good.said().ends_with("RCPT TO:<x@y>\r\nDATA\r\n.\r\nQUIT\r\n"));

  Talk mismatch(plan);
  mismatch.server("220 a\r\n").server("250 b\r\n").server("250 c\r\n").server("550 d\r\n");
  EXPECT_EQ(mismatch.reason(), Reason::ReplyUnexpected);
  EXPECT_EQ(mismatch.dialogue().failure()->detail, "RCPT TO:<x@y>");

  plan.commands.pop_back();
  Talk ends_in_text(plan);
  ends_in_text.server("220 a\r\n").server("250 b\r\n").server("250 c\r\n").server("250 d\r\n");
  ends_in_text.server("354 go\r\n");
  EXPECT_TRUE(ends_in_text.closed());
  EXPECT_TRUE(ends_in_text.said().ends_with("DATA\r\n"));
}

TEST(Dialogue, DeadlinesAreThoseOfTheStepAndOfTheWhole) {
  Talk talk(plan_until(Step::Ehlo));
  EXPECT_EQ(talk.dialogue().deadline(), Instant{} + seconds(10));
  talk.server("220 mx\r\n");
  talk.flush();
  EXPECT_EQ(talk.dialogue().deadline(), talk.now() + seconds(10));
  talk.pass(seconds(3));
  talk.dialogue().on_received("250", talk.now());
  talk.dialogue().on_deadline(talk.now() + seconds(7));
  EXPECT_EQ(talk.reason(), Reason::Timeout);
  EXPECT_NE(talk.dialogue().failure()->detail.find("received 3 bytes"), std::string::npos)
      << talk.dialogue().failure()->detail;

  DialoguePlan plan = plan_until(Step::Ehlo);
  Dialogue tight(plan, Instant{}, Instant{} + seconds(2));
  EXPECT_EQ(tight.deadline(), Instant{} + seconds(2));
}

Talk talk_until_the_message() {
  Talk talk(plan_until(Step::Message));
  talk.server("220 mx\r\n").server("250 mx\r\n").server("250 ok\r\n").server("250 ok\r\n");
  talk.server("354 go\r\n");
  return talk;
}

TEST(Dialogue, TheUploadIsPartOfTheStep) {
  Talk talk = talk_until_the_message();
  talk.pass(seconds(1));  // our own delay
  talk.dialogue().on_sent(5, talk.now());
  talk.pass(milliseconds(700));
  talk.dialogue().on_send_blocked(talk.now());
  talk.pass(milliseconds(800));
  talk.dialogue().on_sent(talk.now());
  EXPECT_EQ(talk.dialogue().deadline(), talk.now() + seconds(20)) << "for the reply alone";
  talk.server("250 queued\r\n");
  const StepRecord& message = *talk.step(Step::Message);
  EXPECT_EQ(message.took, milliseconds(1510));
  EXPECT_EQ(message.sending, milliseconds(1500));
  EXPECT_EQ(message.ended - message.began, milliseconds(1510));
}

TEST(Dialogue, AMessageThatIsNotTakenIsATimeoutOfItsStep) {
  Talk talk = talk_until_the_message();
  talk.dialogue().on_send_blocked(talk.now());
  EXPECT_EQ(talk.dialogue().deadline(), talk.now() + seconds(20));
  talk.pass(seconds(5));
  talk.dialogue().on_deadline(talk.now());
  EXPECT_EQ(talk.reason(), Reason::Timeout);
  EXPECT_EQ(talk.failed_step(), Step::Message);
  EXPECT_EQ(talk.detail(), "not taken by the server in 5.0 s");
  EXPECT_EQ(talk.step(Step::Message)->took, seconds(5));
  EXPECT_EQ(talk.step(Step::Message)->sending, seconds(5));
}

TEST(Dialogue, AnUploadThatIsCutOffHasItsTime) {
  Talk talk = talk_until_the_message();
  talk.dialogue().on_sent(5, talk.now());
  talk.pass(seconds(2));
  talk.dialogue().on_channel_end(Reason::ConnectionReset, {}, talk.now());
  EXPECT_EQ(talk.reason(), Reason::ConnectionReset);
  EXPECT_EQ(talk.step(Step::Message)->took, seconds(2));
}

TEST(Dialogue, AnEndBeforeTheMessageBeginsIsNoUpload) {
  Talk talk = talk_until_the_message();
  talk.pass(seconds(2));
  talk.dialogue().on_channel_end(Reason::ConnectionReset, {}, talk.now());
  EXPECT_EQ(talk.step(Step::Message)->took, Duration::zero());
}

TEST(Dialogue, ACommandCountsFromItsSendUnlessThePeerDoesNotTakeIt) {
  for (const bool blocked : {false, true}) {
    Talk talk(plan_until(Step::Ehlo));
    talk.dialogue().on_received("220 mx\r\n", talk.now());
    talk.pass(seconds(1));  // our own delay
    if (blocked) talk.dialogue().on_send_blocked(talk.now());
    talk.pass(seconds(3));
    talk.dialogue().on_sent(talk.now());
    talk.server("250 mx\r\n");
    EXPECT_EQ(talk.step(Step::Ehlo)->took, milliseconds(blocked ? 3010 : 10));
    EXPECT_EQ(talk.step(Step::Ehlo)->sending, seconds(blocked ? 3 : 0));
  }
}

TEST(Dialogue, ACommandThatIsNotTakenIsATimeoutOfItsStep) {
  Talk talk(plan_until(Step::Ehlo));
  talk.dialogue().on_received("220 mx\r\n", talk.now());
  talk.dialogue().on_send_blocked(talk.now());
  talk.pass(seconds(10));
  talk.dialogue().on_deadline(talk.now());
  EXPECT_EQ(talk.failed_step(), Step::Ehlo);
  EXPECT_EQ(talk.detail(), "not taken by the server in 10.0 s");
  EXPECT_EQ(talk.step(Step::Ehlo)->took, seconds(10));
}

TEST(Dialogue, A421WhileACommandIsNotTakenKeepsItsTime) {
  Talk talk(plan_until(Step::Ehlo));
  talk.dialogue().on_received("220 mx\r\n", talk.now());
  talk.dialogue().on_send_blocked(talk.now());
  talk.pass(seconds(3));
  talk.dialogue().on_received("421 4.3.2 bye\r\n", talk.now());
  EXPECT_EQ(talk.failed_step(), Step::Ehlo);
  EXPECT_EQ(talk.step(Step::Ehlo)->took, seconds(3));
}

// The next command is not blocked because the one before was.
TEST(Dialogue, EachSendIsAWaitOfItsOwn) {
  Talk talk(plan_until(Step::Mail));
  talk.dialogue().on_received("220 mx\r\n", talk.now());
  talk.dialogue().on_send_blocked(talk.now());
  talk.dialogue().on_sent(talk.now());
  talk.dialogue().on_received("250 mx\r\n", talk.now());
  talk.pass(seconds(1));
  talk.dialogue().on_sent(talk.now());
  talk.server("250 ok\r\n");
  EXPECT_EQ(talk.step(Step::Mail)->took, milliseconds(10));
}

TEST(Dialogue, QuitHasItsOwnTwoSeconds) {
  Talk talk(plan_until(Step::Banner));
  talk.server("220 mx\r\n");
  talk.flush();
  EXPECT_EQ(talk.dialogue().deadline(), talk.now() + seconds(2));
  talk.dialogue().on_deadline(talk.dialogue().deadline());
  EXPECT_EQ(talk.reason(), Reason::None);
  EXPECT_EQ(talk.step(Step::Quit)->reason, Reason::Timeout);
}

DialoguePlan auth_plan(Mechanism mechanism) {
  DialoguePlan plan = plan_until(Step::Ehlo);
  plan.until = Step::Auth;
  plan.auth = AuthPlan{};
  plan.auth->mechanism = mechanism;
  plan.auth->credentials.username = "user";
  plan.auth->credentials.password = "hunter2!";
  plan.auth->credentials.token = "tokentoken";
  plan.auth->without_verified_tls = true;
  return plan;
}

TEST(DialogueAuth, SecretsStandNowhereInTheBooks) {
  Talk plain(auth_plan(Mechanism::Plain));
  plain.server("220 mx\r\n").server("250-mx\r\n250 AUTH PLAIN LOGIN\r\n");
  const std::string encoded = base64_encode(std::string("\0user\0hunter2!", 14));
  EXPECT_NE(plain.said().find("AUTH PLAIN " + encoded), std::string::npos);
  plain.server("535 5.7.8 " + encoded + " hunter2! aHVudGVyMiE= is wrong\r\n")
      .server("221 bye\r\n");
  EXPECT_EQ(plain.reason(), Reason::AuthRejected);
  for (const std::string secret : {"hunter2!", "aHVudGVyMiE=", encoded.c_str()}) {
    EXPECT_EQ(plain.transcript().find(secret), std::string::npos) << plain.transcript();
    EXPECT_EQ(plain.dialogue().failure()->reply->text().find(secret), std::string::npos);
  }
  EXPECT_NE(plain.transcript().find("AUTH PLAIN ****"), std::string::npos);

  Talk login(auth_plan(Mechanism::Login));
  login.server("220 mx\r\n").server("250-mx\r\n250 AUTH LOGIN\r\n");
  login.server("334 VXNlcm5hbWU6\r\n").server("334 UGFzc3dvcmQ6\r\n");
  EXPECT_NE(login.said().find(base64_encode("hunter2!")), std::string::npos);
  login.server("235 ok\r\n").server("221 bye\r\n");
  EXPECT_EQ(login.reason(), Reason::None);
  EXPECT_EQ(login.transcript().find(base64_encode("hunter2!")), std::string::npos);
}

// The server knows it from another session, and says it before we have.
TEST(DialogueAuth, ASecretIsMaskedFromTheBannerOn) {
  Talk talk(auth_plan(Mechanism::Plain));
  talk.server("220 mx hunter2!\r\n");
  talk.server("250-mx aHVudGVyMiE=\r\n250-XNEW hunter2!\r\n250-hunter2!\r\n250 AUTH PLAIN\r\n");
  EXPECT_TRUE(talk.said().find("AUTH PLAIN ") != std::string::npos) << talk.said();
  EXPECT_NE(talk.transcript().find("220 mx ****\n"), std::string::npos) << talk.transcript();
  for (const std::string secret : {"hunter2!", "aHVudGVyMiE="}) {
    EXPECT_EQ(talk.transcript().find(secret), std::string::npos) << talk.transcript();
    for (const StepRecord& record : talk.dialogue().steps()) {
      const std::string text = record.reply ? record.reply->text() : std::string();
      EXPECT_EQ(text.find(secret), std::string::npos) << text;
    }
  }
  for (const Extension& one : talk.dialogue().extensions()->all())
    EXPECT_EQ(one.parameter.find("hunter2!"), std::string::npos) << one.keyword;
}

// Shortened, folded over lines, in another case or in hexadecimal digits: in every part of the
// result.
TEST(DialogueAuth, PiecesOfASecretAreMasked) {
  DialoguePlan plan = auth_plan(Mechanism::Plain);
  plan.auth->credentials.password = "Tr0ub4dor&3-correct/hor";
  const std::string sent = base64_encode(std::string("\0user\0", 6) + "Tr0ub4dor&3-correct/hor");
  std::string upper = sent;
  for (char& c : upper) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
  const std::vector<std::string> echoes = {
      "535 5.7.8 " + sent.substr(0, sent.size() - 1) + "\r\n",
      "535 5.7.8 " + upper + "\r\n",
      "535-5.7.8 " + sent.substr(0, 9) + "\r\n535-5.7.8 " + sent.substr(9, 9) + "\r\n535 5.7.8 " +
          sent.substr(18) + "\r\n",
      "535 5.7.8 Tr0ub4dor&3-correct/ho\r\n",
      "535 5.7.8 5472307562346433646f72\r\n",
      "535-5.7.8 Tr0ub4dor&3\r\n535 5.7.8 -correct/hor\r\n",
      "535-5.7.8 Tr0ub4dor\r\n535-5.7.8 &3-correct",  // and closes
      "Tr0ub4dor&3-correct\r\n",                      // malformed
  };
  for (const std::string& echo : echoes) {
    Talk talk(plan);
    talk.server("220 mx\r\n").server("250-mx\r\n250 AUTH PLAIN\r\n").server(echo);
    if (talk.dialogue().next().kind == Action::Kind::Receive) talk.server("221 bye\r\n");
    std::string all = talk.transcript();
    for (const StepRecord& record : talk.dialogue().steps()) {
      all += record.detail;
      if (record.reply) all += record.reply->text();
    }
    if (talk.dialogue().failure()) {
      all += talk.dialogue().failure()->detail;
      if (talk.dialogue().failure()->reply) all += talk.dialogue().failure()->reply->text();
    }
    for (const std::string piece : {"Tr0ub4", "dor&3-", "correct", "72307562", "AHVzZXI", "AHVTZX"})
      EXPECT_EQ(all.find(piece), std::string::npos) << piece << "\n" << all;
    EXPECT_NE(all.find("****"), std::string::npos) << all;
  }
}

TEST(DialogueAuth, APasswordThatIsAKeywordHidesNone) {
  DialoguePlan plan = auth_plan(Mechanism::Plain);
  plan.auth->credentials.password = "PLAIN";
  Talk talk(plan);
  talk.server("220 mx\r\n").server("250-mx\r\n250-SIZE 1\r\n250 AUTH PLAIN LOGIN\r\n");
  EXPECT_TRUE(talk.said().find("AUTH PLAIN ") != std::string::npos) << talk.said();
  EXPECT_TRUE(talk.dialogue().extensions()->offers("AUTH"));
}

TEST(DialogueAuth, ChallengesStandNowhereInTheBooks) {
  Talk talk(auth_plan(Mechanism::CramMd5));
  const std::string challenge = base64_encode("<1896.697170952@postoffice.example.net>");
  talk.server("220 mx\r\n").server("250-mx\r\n250 AUTH CRAM-MD5\r\n");
  talk.server("334 " + challenge + "\r\n");
  EXPECT_NE(talk.said().find("CRAM-MD5\r\n"), std::string::npos);
  EXPECT_EQ(talk.transcript().find(challenge), std::string::npos) << talk.transcript();
  EXPECT_NE(talk.transcript().find("334 ****"), std::string::npos) << talk.transcript();
  EXPECT_EQ(talk.step(Step::Auth)->reply->text(), "****");
}

TEST(DialogueTls, TheHandshakeCountsFromWhereItBeganAndForThePeersPartAlone) {
  DialoguePlan plan;
  plan.helo_name = "probe.test";
  plan.tls = TlsMode::Starttls;
  plan.until = Step::EhloTls;
  Instant now{};
  Dialogue dialogue(plan, now, now + std::chrono::seconds(60));
  dialogue.on_received("220 mx\r\n", now);
  dialogue.on_sent(now);
  dialogue.on_received("250-mx\r\n250 STARTTLS\r\n", now);
  dialogue.on_sent(now);
  dialogue.on_received("220 go\r\n", now);
  ASSERT_EQ(dialogue.next().kind, Action::Kind::StartTls);
  EXPECT_EQ(dialogue.deadline(), now + std::chrono::seconds(10));
  // The driver is four seconds late; its time is not the server's.
  now += std::chrono::seconds(4);
  dialogue.on_tls_begun(now);
  EXPECT_EQ(dialogue.deadline(), now + std::chrono::seconds(10));
  // Of two seconds the peer took 30 ms, and we the rest.
  now += std::chrono::seconds(2);
  HandshakeReport report;
  report.took = milliseconds(30);
  dialogue.on_tls(report, now);
  const StepRecord& tls = dialogue.steps().back();
  ASSERT_EQ(tls.step, Step::Tls);
  EXPECT_EQ(tls.took, milliseconds(30));
}

TEST(DialogueTls, AHandshakeThatIsTooLateCountsForThePeersPartAlone) {
  DialoguePlan plan;
  plan.helo_name = "probe.test";
  plan.tls = TlsMode::Implicit;
  Dialogue dialogue(plan, Instant{}, Instant{} + seconds(60));
  dialogue.on_tls_begun(Instant{});
  dialogue.on_deadline(Instant{} + seconds(10), seconds(3));
  EXPECT_EQ(dialogue.steps().back().took, seconds(3));
  EXPECT_EQ(dialogue.failure()->detail, "no handshake in 3.0 s");
}

TEST(DialogueAuth, ASecretInPiecesIsMasked) {
  const auto told = [](Talk& talk) {
    std::string all = talk.transcript() + talk.dialogue().failure()->detail;
    if (talk.dialogue().failure()->reply) all += talk.dialogue().failure()->reply->text();
    return all;
  };
  Talk split(auth_plan(Mechanism::Plain));
  split.server("220 mx\r\n").server("250-mx\r\n250 AUTH PLAIN\r\n");
  split.server("535-no such password: hunt\r\n535 er2!, sorry\r\n");
  EXPECT_EQ(told(split).find("hunt"), std::string::npos) << told(split);
  EXPECT_EQ(told(split).find("er2!"), std::string::npos) << told(split);

  Talk cut(auth_plan(Mechanism::Plain));
  cut.server("220 mx\r\n").server("250-mx\r\n250 AUTH PLAIN\r\n").server("535 no: hunter");
  cut.dialogue().on_channel_end(Reason::ConnectionClosed, "", {});
  EXPECT_EQ(told(cut).find("hunt"), std::string::npos) << told(cut);
}

TEST(DialogueAuth, NothingGoesOutWithoutVerifiedTls) {
  DialoguePlan plan = auth_plan(Mechanism::Plain);
  plan.auth->without_verified_tls = false;
  Talk clear(plan);
  clear.server("220 mx\r\n").server("250-mx\r\n250 AUTH PLAIN\r\n").server("221 bye\r\n");
  EXPECT_EQ(clear.reason(), Reason::AuthNeedsTls);
  EXPECT_EQ(clear.failed_step(), Step::Auth);
  EXPECT_EQ(clear.said(), "EHLO probe.test\r\nQUIT\r\n");

  plan.tls = TlsMode::Implicit;
  Talk unverified(plan);
  HandshakeReport report;
  report.certificate = Reason::CertUntrusted;
  unverified.tls(report).server("220 mx\r\n").server("250-mx\r\n250 AUTH PLAIN\r\n");
  EXPECT_EQ(unverified.reason(), Reason::AuthNeedsTls);

  Talk verified(plan);
  verified.tls().server("220 mx\r\n").server("250-mx\r\n250 AUTH PLAIN\r\n");
  EXPECT_NE(verified.said().find("AUTH PLAIN "), std::string::npos);
}

TEST(DialogueAuth, MechanismsLearnedBeforeTlsDoNotCount) {
  DialoguePlan plan = auth_plan(Mechanism::Plain);
  plan.tls = TlsMode::Starttls;
  Talk talk(plan);
  talk.server("220 mx\r\n").server("250-mx\r\n250-STARTTLS\r\n250 AUTH PLAIN\r\n");
  talk.server("220 go\r\n").tls().server("250 mx\r\n").server("221 bye\r\n");
  EXPECT_EQ(talk.reason(), Reason::AuthNotOffered);
}

TEST(DialogueAuth, WhoLeftOutStarttlsIsTold) {
  const std::string banner = "220 mx\r\n";
  Talk no_auth(auth_plan(Mechanism::Plain));
  no_auth.server(banner).server("250-mx\r\n250 STARTTLS\r\n");
  EXPECT_EQ(no_auth.detail(), "no AUTH in the EHLO reply, but STARTTLS");

  DialoguePlan careful = auth_plan(Mechanism::Plain);
  careful.auth->without_verified_tls = false;
  Talk in_clear(careful);
  in_clear.server(banner).server("250-mx\r\n250-STARTTLS\r\n250 AUTH PLAIN\r\n");
  EXPECT_EQ(in_clear.detail(),
            "the channel is not encrypted (STARTTLS is offered), nothing was sent");

  Talk no_tls(careful);
  no_tls.server(banner).server("250-mx\r\n250 AUTH PLAIN\r\n");
  EXPECT_EQ(no_tls.detail(), "the channel is not encrypted, nothing was sent");
}

TEST(DialogueAuth, AnExchangeGivenUpIsCancelled) {
  for (const std::string challenge : {"334 %%%\r\n", "334 ab\rc\r\n"}) {
    Talk talk(auth_plan(Mechanism::Login));
    talk.server("220 mx\r\n").server("250-mx\r\n250 AUTH LOGIN\r\n").server(challenge);
    EXPECT_TRUE(talk.said().ends_with("*\r\n"));
    talk.server("501 cancelled\r\n").server("221 bye\r\n");
    EXPECT_EQ(talk.reason(), Reason::AuthProtocol);
    EXPECT_TRUE(talk.said().ends_with("*\r\nQUIT\r\n"));
  }
}

TEST(DialogueAuth, EndlessChallengesEnd) {
  Talk talk(auth_plan(Mechanism::Login));
  talk.server("220 mx\r\n").server("250-mx\r\n250 AUTH LOGIN\r\n");
  for (int round = 0; round < 20 && !talk.said().ends_with("*\r\n"); ++round) {
    talk.server("334 UGFzc3dvcmQ6\r\n");
  }
  EXPECT_TRUE(talk.said().ends_with("*\r\n"));
  EXPECT_EQ(talk.reason(), Reason::AuthProtocol);
}

TEST(DialogueAuth, SuccessWithoutAnExchangeIsNone) {
  Talk talk(auth_plan(Mechanism::Login));
  talk.server("220 mx\r\n").server("250-mx\r\n250 AUTH LOGIN\r\n").server("235 in\r\n");
  EXPECT_EQ(talk.reason(), Reason::ReplyUnexpected);
  Talk other_code(auth_plan(Mechanism::Plain));
  other_code.server("220 mx\r\n").server("250-mx\r\n250 AUTH PLAIN\r\n").server("250 in\r\n");
  EXPECT_EQ(other_code.reason(), Reason::ReplyUnexpected);
}

TEST(DialogueAuth, NegativeTest) {
  DialoguePlan plan = auth_plan(Mechanism::Plain);
  plan.expect[Step::Auth] = {*ReplyPattern::parse("535")};
  Talk refused(plan);
  refused.server("220 mx\r\n").server("250-mx\r\n250 AUTH PLAIN\r\n").server("535 no\r\n");
  EXPECT_EQ(refused.reason(), Reason::None);
  Talk let_in(plan);
  let_in.server("220 mx\r\n").server("250-mx\r\n250 AUTH PLAIN\r\n").server("235 in\r\n");
  EXPECT_EQ(let_in.reason(), Reason::ReplyUnexpected);
}

TEST(DialogueAuth, OauthErrorIsAnsweredAndTold) {
  Talk talk(auth_plan(Mechanism::Xoauth2));
  talk.server("220 mx\r\n").server("250-mx\r\n250 AUTH XOAUTH2\r\n");
  talk.server("334 " + base64_encode(R"({"status":"401"})") + "\r\n");
  EXPECT_TRUE(talk.said().ends_with("\r\n\r\n"));
  talk.server("535 5.7.8 no\r\n").server("221 bye\r\n");
  EXPECT_EQ(talk.reason(), Reason::AuthRejected);
  EXPECT_NE(talk.dialogue().failure()->detail.find("401"), std::string::npos);
}

TEST(DialogueAuth, HalfASecretIsMaskedToo) {
  Talk talk(auth_plan(Mechanism::Plain));
  talk.server("220 mx\r\n").server("250-mx\r\n250 AUTH PLAIN\r\n");
  talk.server("235 in\r\n" + std::string(195, 'A') + "hunter2!\r\n");
  EXPECT_EQ(talk.reason(), Reason::EarlyTalker);
  EXPECT_EQ(talk.dialogue().failure()->detail.find("hunt"), std::string::npos);
  EXPECT_EQ(talk.transcript().find("hunt"), std::string::npos);
}

TEST(DialogueAuth, AResponseOverTheLineLimitIsNotSent) {
  DialoguePlan plan = auth_plan(Mechanism::Xoauth2);
  plan.auth->credentials.token = std::string(60000, 't');
  Talk talk(plan);
  talk.server("220 mx\r\n").server("250-mx\r\n250 AUTH XOAUTH2\r\n").server("334 \r\n");
  EXPECT_EQ(talk.reason(), Reason::Config);
  EXPECT_TRUE(talk.said().ends_with("AUTH XOAUTH2\r\n*\r\n"));
}

TEST(DialogueAuth, ALongInitialResponseWaitsForAnEmptyChallenge) {
  DialoguePlan plan = auth_plan(Mechanism::Xoauth2);
  plan.auth->credentials.token = std::string(2000, 't');
  Talk talk(plan);
  talk.server("220 mx\r\n").server("250-mx\r\n250 AUTH XOAUTH2\r\n");
  EXPECT_TRUE(talk.said().ends_with("AUTH XOAUTH2\r\n"));
  talk.server("334 \r\n").server("235 in\r\n").server("221 bye\r\n");
  EXPECT_EQ(talk.reason(), Reason::None);
}

TEST(Dialogue, OneSessionHasAByteLimit) {
  DialoguePlan plan = plan_until(Step::Rcpt);
  plan.to.assign(10, "b@mx.test");
  Talk talk(plan);
  talk.server("220 mx\r\n");
  std::string big;
  for (int i = 0; i < 100; ++i) big += "250-" + std::string(600, 'x') + "\r\n";
  for (int i = 0; i < 8 && !talk.closed(); ++i) talk.server(big + "250 ok\r\n");
  EXPECT_TRUE(talk.closed());
  EXPECT_EQ(talk.reason(), Reason::ReplyTooLong);
}

}  // namespace
}  // namespace smtpprobe
