// The transcript format (tests/transcripts/README.md): what is read, and that every fault is named
// with its line.
#include "tests/fake_server/transcript.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/fake_server/transcript_plan.h"

namespace smtpprobe {
namespace {

using Kind = TranscriptEvent::Kind;
using namespace std::chrono_literals;
using namespace std::string_literals;

TranscriptEvent event(const std::string& line) {
  const Result<Transcript> transcript = parse_transcript(line + "\n", "t");
  EXPECT_TRUE(transcript) << (transcript ? "" : transcript.error().text);
  if (!transcript || transcript->events.size() != 1) return {};
  return transcript->events.front();
}

std::string fault(const std::string& text) {
  const Result<Transcript> transcript = parse_transcript(text, "t");
  return transcript ? "none" : transcript.error().text;
}

TEST(Transcript, ReadsWhatTheServerSays) {
  EXPECT_EQ(event("S: 220 mx \\r").text, "220 mx \\r\r\n");
  EXPECT_EQ(event("S:").text, "\r\n");
  EXPECT_EQ(event("S:  two blanks").text, " two blanks\r\n");
  EXPECT_EQ(event("S> 2\\x320\\0\\r\\n\\\\\\\"\\*\\t").text, "220\0\r\n\\\"*\t"s);
  EXPECT_EQ(event("raw> x").kind, Kind::RawSay);
  const TranscriptEvent drip = event("drip 10ms: S> ab");
  EXPECT_EQ(drip.text, "ab");
  EXPECT_EQ(drip.pause, 10ms);
  const TranscriptEvent repeat = event("repeat 200: S: 220-x");
  EXPECT_EQ(repeat.text, "220-x\r\n");
  EXPECT_EQ(repeat.count, 200U);
}

TEST(Transcript, ReadsWhatTheClientMustSay) {
  const TranscriptEvent exact = event("C: EHLO probe.test");
  EXPECT_TRUE(matches(exact, "EHLO probe.test"));
  EXPECT_FALSE(matches(exact, "EHLO probe.test "));
  EXPECT_FALSE(matches(exact, "ehlo probe.test"));
  const TranscriptEvent open = event("C: EHLO *");
  EXPECT_TRUE(matches(open, "EHLO anything"));
  EXPECT_FALSE(matches(open, "HELO anything"));
  const TranscriptEvent star = event("C: \\*");
  EXPECT_TRUE(matches(star, "*"));
  EXPECT_FALSE(matches(star, "x"));
  EXPECT_TRUE(matches(event("C: "), ""));
  EXPECT_FALSE(matches(event("C: "), "x"));
  EXPECT_EQ(event("C: <message>").kind, Kind::ExpectMessage);
  EXPECT_EQ(event("read 28").count, 28U);
}

TEST(Transcript, ReadsTheOtherEvents) {
  EXPECT_EQ(event("TLS").kind, Kind::Tls);
  EXPECT_EQ(event("TLS-FAIL alert").count, 40U);
  EXPECT_EQ(event("TLS-FAIL alert 70").count, 70U);
  EXPECT_EQ(event("TLS-FAIL garbage").kind, Kind::TlsFailGarbage);
  EXPECT_EQ(event("TLS-FAIL hang").kind, Kind::TlsFailHang);
  EXPECT_EQ(event("TLS-FAIL close").kind, Kind::TlsFailClose);
  EXPECT_EQ(event("wait 2s").pause, 2000ms);
  EXPECT_EQ(event("silence").kind, Kind::Silence);
  EXPECT_EQ(event("close").kind, Kind::Close);
  EXPECT_EQ(event("cut").kind, Kind::Cut);
  EXPECT_EQ(event("reset").kind, Kind::Reset);
}

TEST(Transcript, KnowsTheLineOfEachEvent) {
  const Result<Transcript> transcript =
      parse_transcript("# c\n\nplan: a=b c=\"d \\\"e\\\"\" f=\nS: 220\n\nC: QUIT\n", "t");
  ASSERT_TRUE(transcript) << transcript.error().text;
  ASSERT_EQ(transcript->events.size(), 2U);
  EXPECT_EQ(transcript->events[0].line, 4);
  EXPECT_EQ(transcript->events[1].line, 6);
  const Transcript::Settings wanted = {{"a", "b"}, {"c", "d \"e\""}, {"f", ""}};
  EXPECT_EQ(transcript->plan, wanted);
}

TEST(Transcript, NamesTheLineOfAFault) {
  EXPECT_TRUE(fault("S: 220\nX: what\n").starts_with("t:2: 'X: what' is no event"))
      << fault("S: 220\nX: what\n");
  EXPECT_TRUE(fault("").starts_with("t: there is no dialogue"));
  for (const char* text : {"S> \\q\n",
                           "S> \\x1\n",
                           "S> \\x1g\n",
                           "S> \\\n",
                           "wait 5\n",
                           "wait 0ms\n",
                           "wait 601s\n",
                           "wait ms\n",
                           "TLS-FAIL\n",
                           "TLS-FAIL explode\n",
                           "TLS-FAIL alert 256\n",
                           "read 0\n",
                           "read x\n",
                           "repeat 0: S: x\n",
                           "repeat 3 S: x\n",
                           "repeat 3: C: x\n",
                           "drip 1ms: TLS\n",
                           "TLS \n",
                           "plan: a\n",
                           "plan: =b\n",
                           "plan: a=\"b\n",
                           "plan: a=\"b\"c\n",
                           "S: 220\r\n"}) {
    EXPECT_TRUE(fault(text).starts_with("t:1: ")) << text << fault(text);
  }
  EXPECT_TRUE(fault("S: 1\nplan: a=b\n").starts_with("t:2: "));
  EXPECT_TRUE(fault("close\nS: 1\n").starts_with("t:2: "));
  EXPECT_TRUE(fault("TLS-FAIL hang\nS: 1\n").starts_with("t:2: "));
}

TEST(Transcript, FindsTheEndOfAMessage) {
  EXPECT_EQ(end_of_message("a\r\n.\r\nQUIT"), 6U);
  EXPECT_EQ(end_of_message(".\r\n"), 3U);
  EXPECT_EQ(end_of_message("a\r\n..\r\n"), std::string::npos);
  EXPECT_EQ(end_of_message("a\n.\n"), std::string::npos);
}

TEST(Transcript, EscapesForMessages) {
  EXPECT_EQ(escaped("a\r\n\\\x1b\xff"), "a\\r\\n\\\\\\x1b\\xff");
}

Result<ProbePlan> plan(const std::string& settings) {
  Result<Transcript> transcript = parse_transcript("plan: " + settings + "\nS: 220\n", "t");
  if (!transcript) return Unexpected(transcript.error());
  return plan_of(*transcript);
}

TEST(TranscriptPlan, IsWhatTheSettingsSay) {
  const Result<ProbePlan> full = plan(
      "from= to=c@d.test,e@f.test protocol=lmtp tls=starttls verify=require message=short "
      "expect.rcpt=250,5.7.1 limit.reply=300ms greylisting=ok require=SIZE helo=x.test");
  ASSERT_TRUE(full) << full.error().text;
  EXPECT_EQ(full->dialogue.from, "");
  EXPECT_EQ(full->dialogue.to.size(), 2U);
  EXPECT_EQ(full->dialogue.protocol, Protocol::Lmtp);
  EXPECT_EQ(full->dialogue.tls, TlsMode::Starttls);
  EXPECT_TRUE(full->dialogue.stop_on_bad_certificate);
  EXPECT_EQ(full->dialogue.until, Step::Message);
  EXPECT_EQ(full->dialogue.expect[Step::Rcpt].size(), 2U);
  EXPECT_EQ(full->dialogue.limits.reply, 300ms);
  EXPECT_EQ(full->dialogue.greylisting, State::Ok);
  EXPECT_EQ(full->dialogue.helo_name, "x.test");
  EXPECT_EQ(full->require_extensions, std::vector<std::string>{"SIZE"});
}

TEST(TranscriptPlan, RefusesWhatMakesNoPlan) {
  for (const char* settings :
       {"until=lunch", "tls=maybe", "colour=red", "expect.rcpt=9", "expect.lunch=250",
        "limit.reply=3", "limit.lunch=3ms", "auth=ROT13", "insecure=no", "response=x",
        "command=A response=[", "greylisting=purple", "until=rcpt", "greet=ehlo", "message=long"}) {
    EXPECT_FALSE(plan(settings)) << settings;
  }
}

TEST(TranscriptOutcome, IsReadAndChecked) {
  const auto outcome = [](const std::string& settings) {
    return outcome_of(*parse_transcript("outcome: " + settings + "\nS: 220\n", "t"));
  };
  const Result<ExpectedOutcome> full =
      outcome("state=critical step=rcpt reason=reply_5xx code=550 status=5.1.1 note=bare_lf");
  ASSERT_TRUE(full) << full.error().text;
  EXPECT_EQ(full->state, State::Critical);
  EXPECT_EQ(full->step, Step::Rcpt);
  EXPECT_EQ(full->reason, Reason::Reply5xx);
  EXPECT_EQ(full->code, 550);
  EXPECT_EQ(full->notes, std::vector<std::string>{"bare_lf"});
  for (const char* settings :
       {"code=550", "state=critical", "state=critical step=rcpt", "state=ok step=lunch",
        "state=ok reason=bored", "state=ok colour=1", "state=ok code=x", "state=ok status=5.1"}) {
    EXPECT_FALSE(outcome(settings)) << settings;
  }
}

}  // namespace
}  // namespace smtpprobe
