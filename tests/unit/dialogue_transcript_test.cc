// Every file of tests/transcripts through the pure Dialogue, with a clock of its own: replies
// whole, byte by byte, and with trailing bytes behind each reply, which must never pass for an
// answer.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "common/probe/verdict.h"
#include "common/smtp/dialogue.h"
#include "tests/fake_server/transcript.h"
#include "tests/fake_server/transcript_plan.h"

namespace smtpprobe {
namespace {

using Kind = TranscriptEvent::Kind;
using namespace std::chrono_literals;

// What stood after one turn of the server.
struct Turn {
  Step answered = Step::Banner;
  bool failed = false;
  Action::Kind next = Action::Kind::Close;
  std::size_t said = 0;  // bytes, before it
  bool quit_answered = false;
};

struct Outcome {
  ProbeResult result;
  std::vector<std::string> strayed;  // where the dialogue left the script
  std::vector<Turn> turns;
  std::string said;  // all of it
};

// Stands in for the driver and the server: performs the script on the dialogue.
class Simulation {
 public:
  struct Mode {
    bool bytewise = false;
    std::size_t trailing_turn = std::string::npos;  // the turn that has `trailing` behind it
    std::string trailing;
  };

  Simulation(const Transcript& script, const ProbePlan& plan, Mode mode)
      : script_(script),
        plan_(plan),
        mode_(std::move(mode)),
        dialogue_(plan.dialogue, now_, now_ + plan.timeout) {}

  Outcome run() {
    for (at_ = 0; at_ < script_.events.size() && !closed();) {
      const TranscriptEvent& event = script_.events[at_];
      if (event.kind == Kind::Say && event.pause.count() == 0) {
        say_turn();
      } else {
        ++at_;
        perform(event);
      }
      now_ += 1ms;
    }
    if (closed()) {
      for (; at_ < script_.events.size(); ++at_) {
        if (!script_.events[at_].by_server()) stray("wanted more, the dialogue is over");
      }
    } else {
      at_ = script_.events.size();
      if (action() == Action::Kind::Send) stray("wanted no more, the dialogue goes on with");
      end(Reason::ConnectionClosed);
    }
    if (!said_.empty()) stray("nobody asked for");
    return outcome();
  }

 private:
  Action::Kind action() const { return dialogue_.next().kind; }
  bool closed() const { return action() == Action::Kind::Close; }

  void stray(const std::string& what) {
    const std::size_t line = at_ == 0 ? 0 : at_ - 1;
    const Action next = dialogue_.next();
    outcome_.strayed.push_back(fmt::format("line {}: {} \"{}{}\"", script_.events[line].line, what,
                                           escaped(said_), escaped(next.bytes)));
  }

  void deliver(std::string_view bytes) {
    const std::size_t portion = mode_.bytewise ? 1 : bytes.size();
    for (; !bytes.empty() && !closed(); bytes.remove_prefix(portion)) {
      dialogue_.on_received(bytes.substr(0, portion), now_);
    }
  }

  // All that the server says in one go arrives in one go.
  void say_turn() {
    const Step answering = dialogue_.next().step;
    std::string block;
    for (; at_ < script_.events.size(); ++at_) {
      const TranscriptEvent& event = script_.events[at_];
      if (event.kind != Kind::Say || event.pause.count() != 0) break;
      for (std::size_t i = 0; i < event.count && !closed(); ++i) {
        block += event.text;
        if (block.size() < 4096) continue;
        deliver(block);
        block.clear();
      }
    }
    if (outcome_.turns.size() == mode_.trailing_turn) block += mode_.trailing;
    deliver(block);
    outcome_.turns.push_back(
        {answering, dialogue_.failure().has_value(), action(), outcome_.said.size(),
         !dialogue_.steps().empty() && dialogue_.steps().back().step == Step::Quit &&
             dialogue_.steps().back().reply.has_value()});
  }

  void send_all() {
    while (action() == Action::Kind::Send) {
      const Action next = dialogue_.next();
      said_ += next.bytes;
      outcome_.said += next.bytes;
      dialogue_.on_sent(now_);
    }
  }

  void perform(const TranscriptEvent& event) {
    switch (event.kind) {
      case Kind::Say:
        for (const char c : event.text) {
          pass(event.pause);
          deliver({&c, 1});
        }
        return;
      case Kind::RawSay:
        return end(Reason::TlsRecord);
      case Kind::Expect:
      case Kind::ExpectMessage:
      case Kind::ReadBytes:
        return hear(event);
      case Kind::Tls: {
        HandshakeReport report;
        report.verified = true;
        report.detail = "TLSv1.3";
        return shake_hands(report);
      }
      case Kind::TlsFailAlert:
        return shake_hands(failed(Reason::TlsAlert));
      case Kind::TlsFailGarbage:
        return shake_hands(failed(Reason::TlsNotTls));
      case Kind::TlsFailClose:
        return shake_hands(failed(Reason::ConnectionClosed));
      case Kind::TlsFailHang:
      case Kind::Silence:
        send_all();
        now_ = dialogue_.deadline();
        return dialogue_.on_deadline(now_);
      case Kind::Wait:
        send_all();
        return pass(event.pause);
      case Kind::Close:
      case Kind::Cut:
        return end(Reason::ConnectionClosed);
      case Kind::Reset:
        return end(Reason::ConnectionReset);
    }
  }

  static HandshakeReport failed(Reason reason) {
    HandshakeReport report;
    report.reason = reason;
    report.detail = "as scripted";
    return report;
  }

  void pass(Duration time) {
    if (now_ + time < dialogue_.deadline()) {
      now_ += time;
    } else if (!closed()) {
      now_ = dialogue_.deadline();
      dialogue_.on_deadline(now_);
    }
  }

  void end(Reason how) {
    if (!closed()) dialogue_.on_channel_end(how, {}, now_);
  }

  void shake_hands(const HandshakeReport& report) {
    if (action() != Action::Kind::StartTls) return stray("wanted a handshake, the dialogue says");
    dialogue_.on_tls(report, now_);
  }

  void hear(const TranscriptEvent& event) {
    send_all();
    std::size_t end = said_.find("\r\n");
    if (end != std::string::npos) end += 2;
    if (event.kind == Kind::ExpectMessage) end = end_of_message(said_);
    if (event.kind == Kind::ReadBytes) end = said_.size() < event.count ? end : event.count;
    if (end == std::string::npos) {
      stray(fmt::format("wanted \"{}\", the dialogue waits", event.text));
      return this->end(Reason::ConnectionClosed);
    }
    const std::string heard = said_.substr(0, end);
    said_.erase(0, end);
    if (event.kind != Kind::Expect || matches(event, heard.substr(0, end - 2))) return;
    outcome_.strayed.push_back(fmt::format("line {}: wanted \"{}\", the dialogue says \"{}\"",
                                           event.line, event.text, escaped(heard)));
  }

  Outcome outcome() {
    ProbeResult& result = outcome_.result;
    result.endpoint.host = plan_.target.host;
    result.endpoint.loopback = true;
    result.ended = now_;
    result.steps = dialogue_.steps();
    result.failure = dialogue_.failure();
    result.deviations = dialogue_.deviations();
    result.transcript = dialogue_.transcript();
    result.extensions = dialogue_.extensions();
    result.verify = effective_verify(plan_, true);
    result.notes = dialogue_.notes();
    result.auth_mechanism = dialogue_.auth_mechanism();
    if (dialogue_.in_tls()) {
      result.tls.emplace();
      result.tls->version = "TLSv1.3";
      result.tls->checked = true;
    }
    return std::move(outcome_);
  }

  const Transcript& script_;
  const ProbePlan& plan_;
  Mode mode_;
  Instant now_{};
  Dialogue dialogue_;
  std::size_t at_ = 0;
  std::string said_;  // and not yet expected by the script
  Outcome outcome_;
};

std::vector<std::string> transcript_files() {
  std::vector<std::string> paths;
  for (const auto& entry :
       std::filesystem::directory_iterator(SMTPPROBE_TESTS_DIR "/transcripts")) {
    if (entry.path().extension() == ".txt") paths.push_back(entry.path().string());
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

std::vector<std::string> differences(const Outcome& outcome, const ExpectedOutcome& expected,
                                     const ProbePlan& plan) {
  std::vector<std::string> all = outcome.strayed;
  const std::vector<std::string> more = compare(expected, plan, outcome.result);
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

struct Loaded {
  Transcript script;
  ProbePlan plan;
  ExpectedOutcome expected;
};

Result<Loaded> load(Result<Transcript> script) {
  if (!script) return Unexpected(script.error());
  Result<ProbePlan> plan = plan_of(*script);
  if (!plan) return Unexpected(plan.error());
  Result<ExpectedOutcome> expected = outcome_of(*script);
  if (!expected) return Unexpected(expected.error());
  return Loaded{std::move(*script), std::move(*plan), std::move(*expected)};
}

std::vector<std::string> play(const Loaded& loaded, bool bytewise) {
  Simulation simulation(loaded.script, loaded.plan, {bytewise, std::string::npos, {}});
  return differences(simulation.run(), loaded.expected, loaded.plan);
}

class TranscriptTest : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    Result<Loaded> loaded = load(read_transcript(GetParam()));
    ASSERT_TRUE(loaded) << loaded.error().text;
    loaded_ = std::move(*loaded);
  }
  Loaded loaded_;
};

TEST_P(TranscriptTest, Whole) { EXPECT_EQ(play(loaded_, false), std::vector<std::string>()); }

TEST_P(TranscriptTest, ByteByByte) { EXPECT_EQ(play(loaded_, true), std::vector<std::string>()); }

// One turn of the server with bytes behind it that nobody asked for.
void check_trailing(const Loaded& loaded, const Outcome& plain, std::size_t number,
                    const std::string& trailing) {
  const Turn& turn = plain.turns[number];
  Simulation simulation(loaded.script, loaded.plan, {false, number, trailing});
  const Outcome outcome = simulation.run();
  const Verdict verdict = judge(loaded.plan, outcome.result);
  const Verdict before = judge(loaded.plan, plain.result);
  SCOPED_TRACE(fmt::format("\"{}\" behind turn {} of the server, at {}", escaped(trailing), number,
                           step_name(turn.answered)));
  if (turn.next == Action::Kind::Close) {
    EXPECT_EQ(verdict.state, before.state);
    EXPECT_EQ(outcome.said.size(), plain.said.size());
    return;
  }
  // Nothing more is said. (Lengths, for SCRAM's nonce is another each time.)
  EXPECT_EQ(outcome.said.size(), turn.said) << escaped(outcome.said);
  const bool might_pass =
      before.state != State::Critical ||
      (plain.result.failure && plain.result.failure->reason == Reason::Greylisted);
  if (turn.failed && !might_pass) {  // the refusal before it stays the cause
    EXPECT_EQ(verdict.state, before.state);
    ASSERT_EQ(verdict.findings.size(), before.findings.size());
    if (!verdict.findings.empty()) {
      EXPECT_EQ(verdict.findings.front().reason, before.findings.front().reason);
    }
    return;
  }
  ASSERT_FALSE(verdict.findings.empty());
  Reason wanted = Reason::EarlyTalker;
  if (turn.next == Action::Kind::StartTls) wanted = Reason::PlaintextAfterStarttls;
  if (turn.answered == Step::Message && loaded.plan.dialogue.protocol == Protocol::Lmtp) {
    wanted = Reason::ReplyCount;
  }
  EXPECT_EQ(verdict.state, State::Critical);
  EXPECT_EQ(reason_name(verdict.findings.front().reason), reason_name(wanted));
  EXPECT_EQ(step_name(verdict.findings.front().step), step_name(turn.answered));
}

TEST_P(TranscriptTest, TrailingBytes) {
  Simulation simulation(loaded_.script, loaded_.plan, {});
  const Outcome plain = simulation.run();
  for (std::size_t number = 0; number < plain.turns.size(); ++number) {
    const Turn& turn = plain.turns[number];
    // No reply has ended there, but for QUIT's.
    if (turn.next == Action::Kind::Receive && !turn.quit_answered) continue;
    check_trailing(loaded_, plain, number, "250 2.0.0 Ok\r\n");
    check_trailing(loaded_, plain, number, "2");
  }
}

INSTANTIATE_TEST_SUITE_P(Files, TranscriptTest, testing::ValuesIn(transcript_files()),
                         [](const testing::TestParamInfo<std::string>& file) {
                           std::string name = std::filesystem::path(file.param).stem().string();
                           std::replace_if(
                               name.begin(), name.end(),
                               [](unsigned char c) { return std::isalnum(c) == 0; }, '_');
                           return name;
                         });

TEST(TranscriptFiles, AreThere) { EXPECT_GE(transcript_files().size(), 60U); }

// The simulation itself: it has to notice a dialogue that is not the script's.
std::vector<std::string> play_text(const std::string& text) {
  Result<Loaded> loaded = load(parse_transcript(text, "test"));
  if (!loaded) return {loaded.error().text};
  return play(*loaded, false);
}

constexpr const char* kGood =
    "plan: until=ehlo\noutcome: state=ok step=ehlo code=250\n"
    "S: 220 mx\nC: EHLO probe.test\nS: 250 mx\nC: QUIT\nS: 221 bye\n";

std::string changed(const std::string& from, const std::string& to) {
  std::string text = kGood;
  return text.replace(text.find(from), from.size(), to);
}

TEST(TranscriptSimulation, TakesAGoodScript) { EXPECT_TRUE(play_text(kGood).empty()); }

TEST(TranscriptSimulation, NoticesWhatStraysFromTheScript) {
  for (const std::string& text :
       {changed("C: EHLO probe.test", "C: EHLO other.test"), changed("C: QUIT", "C: NOOP"),
        changed("C: QUIT\nS: 221 bye\n", ""), changed("S: 221 bye\n", "S: 221 bye\nC: RSET\n"),
        changed("S: 220 mx\n", ""), changed("C: QUIT\n", "TLS\nC: QUIT\n"),
        changed("state=ok", "state=critical step=ehlo reason=timeout"),
        changed("code=250", "code=251"), changed("S: 250 mx", "S: 550 no"),
        changed("until=ehlo", "until=mail from=a@b.test"),
        changed("code=250", "code=250 note=bare_lf")}) {
    EXPECT_FALSE(play_text(text).empty()) << text;
  }
}

}  // namespace
}  // namespace smtpprobe
