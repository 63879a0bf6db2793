// A fault at every action of every step: while a command or the message is being sent (none, one,
// half, all but one of its bytes), while a reply is due, before the handshake and in it. Each cell
// has an expected step and reason, which cell() derives from the standard and not from the code.
#include <gtest/gtest.h>

#include <array>
#include <string>
#include <vector>

#include "common/smtp/dialogue.h"

namespace smtpprobe {
namespace {

using std::chrono::milliseconds;
using Kind = Action::Kind;

enum class Fault { R2, R3, R4, R5, R421, SlowR421, Half421, Garbage, Close, Reset, Deadline };
constexpr std::array kFaults = {Fault::R2,    Fault::R3,       Fault::R4,      Fault::R5,
                                Fault::R421,  Fault::SlowR421, Fault::Half421, Fault::Garbage,
                                Fault::Close, Fault::Reset,    Fault::Deadline};
constexpr std::array<std::string_view, kFaults.size()> kFaultNames = {
    "2yz",           "3yz",     "4yz",   "5yz",   "421",     "421 in pieces",
    "half of a 421", "garbage", "close", "reset", "deadline"};

std::string_view name_of(Fault fault) { return kFaultNames[static_cast<std::size_t>(fault)]; }

std::string_view bytes_of(Fault fault) {
  switch (fault) {
    case Fault::R2:
      return "211 help\r\n";
    case Fault::R3:
      return "352 go ahead\r\n";
    case Fault::R4:
      return "452 4.3.1 full\r\n";
    case Fault::R5:
      return "550 5.3.0 no\r\n";
    case Fault::R421:
    case Fault::SlowR421:
      return "421-4.3.2 shutting\r\n421 4.3.2 down\r\n";
    case Fault::Half421:
      return "42";
    case Fault::Garbage:
      return "HTTP/1.1 400 Bad Request\r\n";
    case Fault::Close:
    case Fault::Reset:
    case Fault::Deadline:
      return {};
  }
  return {};
}

// How much of a Send the kernel has taken when the fault happens.
enum class Cut { None, OneByte, Half, AllButOne };
constexpr std::array kCuts = {Cut::None, Cut::OneByte, Cut::Half, Cut::AllButOne};

std::size_t bytes_before(Cut cut, std::size_t size) {
  switch (cut) {
    case Cut::None:
      return 0;
    case Cut::OneByte:
      return 1;
    case Cut::Half:
      return size / 2;
    case Cut::AllButOne:
      return size - 1;
  }
  return 0;
}

struct Plan {
  std::string name;
  DialoguePlan plan;
};

DialoguePlan whole(TlsMode tls, Protocol protocol) {
  DialoguePlan plan;
  plan.protocol = protocol;
  plan.helo_name = "probe.test";
  plan.tls = tls;
  plan.until = Step::Message;
  plan.auth = AuthPlan{};
  plan.auth->mechanism = Mechanism::Login;
  plan.auth->credentials.username = "user";
  plan.auth->credentials.password = "secret";
  plan.auth->without_verified_tls = true;
  plan.from = "a@probe.test";
  plan.to = {"b@mx.test", "c@mx.test"};
  plan.commands = {RawCommand{"NOOP", std::nullopt}, RawCommand{"VRFY x", std::nullopt}};
  plan.message = "Subject: x\r\n\r\nbody\r\n";
  return plan;
}

std::vector<Plan> plans() {
  return {{"clear", whole(TlsMode::Off, Protocol::Smtp)},
          {"STARTTLS", whole(TlsMode::Starttls, Protocol::Smtp)},
          {"implicit TLS", whole(TlsMode::Implicit, Protocol::Smtp)},
          {"LMTP", whole(TlsMode::Off, Protocol::Lmtp)}};
}

// What a server that does everything right answers.
std::string good_reply(const Action& action, const std::string& said) {
  switch (action.step) {
    case Step::Banner:
      return "220 mx.test ESMTP\r\n";
    case Step::Ehlo:
    case Step::EhloTls:
      if (said.starts_with("HELO")) return "250 mx.test\r\n";
      return "250-mx.test\r\n250-STARTTLS\r\n250 AUTH LOGIN\r\n";
    case Step::Starttls:
      return "220 go\r\n";
    case Step::Auth:
      if (said == "AUTH LOGIN\r\n") return "334 VXNlcm5hbWU6\r\n";
      return said == "dXNlcg==\r\n" ? "334 UGFzc3dvcmQ6\r\n" : "235 2.7.0 welcome\r\n";
    case Step::Data:
      return "354 go\r\n";
    case Step::Quit:
      return "221 bye\r\n";
    default:
      return "250 ok\r\n";
  }
}

// An action of a session in which all goes well.
struct Turn {
  Kind kind;
  Step step;
  std::size_t size = 0;       // bytes of a Send
  Step answered;              // the step answered last
  bool nothing_said = false;  // nothing was answered before
  bool quit_answered = false;
  bool after_starttls = false;  // nothing was said in TLS yet
};

struct Outcome {
  std::optional<Failure> failure;
  std::vector<StepRecord> steps;
  std::string said_after;  // the fault
  bool ended = false;
};

// Plays a session with the fault at its action number `at`; without one all goes well, and `turns`
// gets the actions.
class Session {
 public:
  explicit Session(const DialoguePlan& plan)
      : dialogue_(plan, now_, now_ + std::chrono::hours(1)) {}

  Outcome run(std::size_t at, Cut cut, Fault fault, std::vector<Turn>* turns) {
    for (std::size_t number = 0; number < 100; ++number) {
      now_ += milliseconds(1);
      const Action action = dialogue_.next();
      if (action.kind == Kind::Close) break;
      if (turns != nullptr) note(action, *turns);
      if (number == at) {
        happen(action, cut, fault);
        happened_ = true;
      } else {
        go_well(action);
      }
    }
    return {dialogue_.failure(), dialogue_.steps(), said_after_,
            dialogue_.next().kind == Kind::Close};
  }

 private:
  void note(const Action& action, std::vector<Turn>& turns) const {
    turns.push_back({action.kind, action.step, action.bytes.size(), answered_.value_or(action.step),
                     !answered_, quit_answered_, in_tls_ && answered_ == Step::Starttls});
  }

  void go_well(const Action& action) {
    switch (action.kind) {
      case Kind::Send:
        said_ = action.bytes;
        if (happened_) said_after_ += said_;
        return dialogue_.on_sent(now_);
      case Kind::Receive:
        if (quit_answered_) return dialogue_.on_channel_end(Reason::ConnectionClosed, {}, now_);
        answered_ = action.step;
        quit_answered_ = action.step == Step::Quit;
        return dialogue_.on_received(good_reply(action, said_), now_);
      case Kind::StartTls: {
        HandshakeReport report;
        report.verified = true;
        in_tls_ = true;
        return dialogue_.on_tls(report, now_);
      }
      case Kind::Close:
        return;
    }
  }

  void happen(const Action& action, Cut cut, Fault fault) {
    if (action.kind == Kind::Send) {
      said_ = action.bytes;
      const std::size_t sent = bytes_before(cut, action.bytes.size());
      if (sent > 0) dialogue_.on_sent(sent, now_);
    }
    const std::string_view bytes = bytes_of(fault);
    const bool due = action.kind == Kind::Receive && action.step == Step::Quit;
    if (due && fault <= Fault::SlowR421) quit_answered_ = true;
    switch (fault) {
      case Fault::Close:
        return dialogue_.on_channel_end(Reason::ConnectionClosed, {}, now_);
      case Fault::Reset:
        return dialogue_.on_channel_end(Reason::ConnectionReset, {}, now_);
      case Fault::Deadline:
        return dialogue_.on_deadline(dialogue_.deadline());
      case Fault::Half421:
        dialogue_.on_received(bytes, now_);
        if (dialogue_.next().kind == Kind::Receive && !quit_answered_)
          dialogue_.on_deadline(dialogue_.deadline());
        return;
      case Fault::SlowR421:
        for (const char& byte : bytes) dialogue_.on_received({&byte, 1}, now_ += milliseconds(1));
        return;
      default:
        return dialogue_.on_received(bytes, now_);
    }
  }

  Instant now_{};
  Dialogue dialogue_;
  std::string said_;
  std::string said_after_;
  std::optional<Step> answered_;
  bool quit_answered_ = false;
  bool happened_ = false;
  bool in_tls_ = false;
};

struct Cell {
  Step step;
  Reason reason;      // None: nothing fails
  bool quit = false;  // QUIT may follow
};

bool is_421(Fault fault) { return fault == Fault::R421 || fault == Fault::SlowR421; }
bool is_reply(Fault fault) { return fault <= Fault::SlowR421; }

Reason end_of_channel(Fault fault) {
  return fault == Fault::Close   ? Reason::ConnectionClosed
         : fault == Fault::Reset ? Reason::ConnectionReset
                                 : Reason::Timeout;
}

Reason refusal(Step step, Fault fault) {
  if (is_421(fault)) return Reason::Reply4xx;
  if (step == Step::Starttls && (fault == Fault::R4 || fault == Fault::R5))
    return Reason::StarttlsRefused;
  if (fault == Fault::R4) return Reason::Reply4xx;
  if (fault == Fault::R5) return Reason::Reply5xx;
  return Reason::ReplyUnexpected;
}

// While a reply is due.
Cell awaited(const Turn& turn, Fault fault, Protocol protocol) {
  const Step step = turn.step;
  if (turn.quit_answered) {
    const bool bytes = !bytes_of(fault).empty() && !is_421(fault) && fault != Fault::Half421;
    return {Step::Quit, bytes ? Reason::EarlyTalker : Reason::None};
  }
  if (step == Step::Quit) return {step, Reason::None};  // the session did what was planned
  if (fault == Fault::Garbage) return {step, Reason::ReplyMalformed};
  if (fault == Fault::Half421) return {step, Reason::Timeout};
  if (!is_reply(fault)) return {step, end_of_channel(fault)};
  const bool hello = step == Step::Ehlo || step == Step::EhloTls;
  // HELO follows a 5yz to EHLO, and is answered well here; without keywords there is no AUTH.
  const bool helo = hello && fault == Fault::R5 && protocol == Protocol::Smtp;
  const bool other_2yz = fault == Fault::R2 && step != Step::Auth && step != Step::Data;
  const bool other_3yz = fault == Fault::R3 && step == Step::Data;
  const bool command = step == Step::Command && (fault == Fault::R2 || fault == Fault::R3);
  if (hello && other_2yz)
    return {Step::Resolve, Reason::AuthNotOffered, true};  // its keywords lack
  if (helo) return {Step::Resolve, Reason::AuthNotOffered, true};
  if (other_2yz || other_3yz || command) return {step, Reason::None, true};
  const bool more_replies = protocol == Protocol::Lmtp && step == Step::Message;
  return {step, refusal(step, fault), fault != Fault::R3 || more_replies};
}

// Before or while we speak.
Cell sending(const Turn& turn, Cut cut, Fault fault, Protocol protocol) {
  const bool uploading = turn.step == Step::Message && cut != Cut::None;
  if (!is_reply(fault) && fault != Fault::Garbage && fault != Fault::Half421) {
    if (turn.step == Step::Quit) return {turn.step, Reason::None};
    return {turn.step, end_of_channel(fault)};
  }
  const bool refused = fault == Fault::R4 || fault == Fault::R5;
  if (uploading && (refused || is_421(fault))) return {Step::Message, refusal(turn.step, fault)};
  if (uploading && fault == Fault::Half421) return {Step::Message, Reason::None, true};
  if (is_421(fault)) {
    if (turn.step == Step::Quit) return {turn.step, Reason::None};
    // Half a line cannot be followed by QUIT.
    return {turn.step, Reason::Reply4xx, cut == Cut::None && turn.answered != Step::Data};
  }
  const bool many = turn.answered == Step::Message && protocol == Protocol::Lmtp;
  const Step blamed = turn.after_starttls ? turn.step : turn.answered;
  return {blamed, many ? Reason::ReplyCount : Reason::EarlyTalker};
}

Cell shaking_hands(const Turn& turn, Fault fault) {
  if (bytes_of(fault).empty()) return {Step::Tls, end_of_channel(fault)};
  return turn.nothing_said ? Cell{Step::Tls, Reason::TlsNotTls}
                           : Cell{Step::Starttls, Reason::PlaintextAfterStarttls};
}

void check(const Plan& plan, const Turn& turn, std::size_t at, Cut cut, Fault fault) {
  Cell cell = turn.kind == Kind::Send      ? sending(turn, cut, fault, plan.plan.protocol)
              : turn.kind == Kind::Receive ? awaited(turn, fault, plan.plan.protocol)
                                           : shaking_hands(turn, fault);
  SCOPED_TRACE(plan.name + ", action " + std::to_string(at) + " at " +
               std::string(step_name(turn.step)) +
               (turn.kind == Kind::Send ? ", sending, cut " : ", cut ") +
               std::to_string(static_cast<int>(cut)) + ": " + std::string(name_of(fault)));
  const Outcome outcome = Session(plan.plan).run(at, cut, fault, nullptr);
  ASSERT_TRUE(outcome.ended);
  const bool said_quit = outcome.said_after.find("QUIT") != std::string::npos;
  if (!cell.quit && turn.step != Step::Quit) {
    EXPECT_FALSE(said_quit) << outcome.said_after;
  }
  // Half of a 421 while the message is sent, then a reply that begins with it.
  if (turn.kind == Kind::Send && turn.step == Step::Message && cut != Cut::None &&
      fault == Fault::Half421) {
    ASSERT_TRUE(outcome.failure);
    EXPECT_EQ(step_name(outcome.failure->step), "message");
    return;
  }
  if (cell.reason == Reason::None) {
    // What EHLO lacked fails later, and nothing at this step.
    EXPECT_TRUE(!outcome.failure || outcome.failure->step > turn.step)
        << reason_name(outcome.failure->reason);
    return;
  }
  ASSERT_TRUE(outcome.failure);
  if (cell.step == Step::Resolve) {  // the next thing that needs a keyword
    EXPECT_GT(outcome.failure->step, turn.step);
    return;
  }
  EXPECT_EQ(step_name(outcome.failure->step), step_name(cell.step));
  EXPECT_EQ(reason_name(outcome.failure->reason), reason_name(cell.reason));
  for (const StepRecord& record : outcome.steps) {
    if (record.step == outcome.failure->step) {
      EXPECT_EQ(reason_name(record.reason), reason_name(cell.reason));
    }
  }
}

TEST(DialogueFaults, EveryFaultAtEveryAction) {
  std::size_t cells = 0;
  for (const Plan& plan : plans()) {
    std::vector<Turn> turns;
    const Outcome well = Session(plan.plan).run(100, Cut::None, Fault::R2, &turns);
    ASSERT_TRUE(well.ended);
    ASSERT_FALSE(well.failure) << plan.name << " " << reason_name(well.failure->reason);
    for (std::size_t at = 0; at < turns.size(); ++at) {
      for (const Fault fault : kFaults) {
        for (const Cut cut : kCuts) {
          if (turns[at].kind != Kind::Send && cut != Cut::None) continue;
          check(plan, turns[at], at, cut, fault);
          ++cells;
        }
      }
    }
  }
  EXPECT_GT(cells, 2500U);
}

// An expected refusal of half a message is no leave to say QUIT into the other half.
TEST(DialogueFaults, AnExpectedRefusalOfHalfAMessageIsNotFollowedByQuit) {
  for (const Plan& one : plans()) {
    DialoguePlan plan = one.plan;
    plan.expect[Step::Message] = {*ReplyPattern::parse("5xx")};
    std::vector<Turn> turns;
    Session(plan).run(100, Cut::None, Fault::R2, &turns);
    for (std::size_t at = 0; at < turns.size(); ++at) {
      if (turns[at].kind != Kind::Send || turns[at].step != Step::Message) continue;
      const Outcome outcome = Session(plan).run(at, Cut::Half, Fault::R5, nullptr);
      EXPECT_TRUE(outcome.ended);
      EXPECT_EQ(outcome.said_after, "") << one.name;
    }
  }
}

// A 250 that begins before the message is complete is not the reply to it.
TEST(DialogueFaults, AnAcceptanceThatBeginsTooEarlyIsNone) {
  for (const std::string_view begun : {"2", "250 not re", "354"}) {
    Instant now{};
    DialoguePlan plan = whole(TlsMode::Off, Protocol::Smtp);
    plan.auth.reset();
    plan.commands.clear();
    Dialogue dialogue(plan, now, now + std::chrono::hours(1));
    std::string said;
    while (dialogue.next().step != Step::Message) {
      const Action action = dialogue.next();
      if (action.kind == Kind::Send) {
        said = action.bytes;
        dialogue.on_sent(now);
      } else {
        dialogue.on_received(good_reply(action, said), now);
      }
    }
    dialogue.on_sent(3, now);
    dialogue.on_received(begun, now);
    EXPECT_EQ(dialogue.next().kind, Kind::Close) << begun;
    ASSERT_TRUE(dialogue.failure());
    EXPECT_EQ(reason_name(dialogue.failure()->reason), "early_talker");
  }
}

// A reply too many, placed after each reply of the server and in each way in which it can arrive.
enum class Arrival { Together, BeforeWeSpeak, AfterWeSpoke };

struct Surplus {
  std::string_view text;
  Arrival arrival;
};

Outcome with_surplus(const DialoguePlan& plan, std::size_t after, const Surplus& surplus,
                     std::size_t& replies) {
  Instant now{};
  Dialogue dialogue(plan, now, now + std::chrono::hours(1));
  std::vector<std::string> pipe;  // what the server has said and we have not read
  bool due = false;
  replies = 0;
  std::string said;
  const auto serve = [&](const Action& action) {
    std::string reply = good_reply(action, said);
    if (replies++ == after) {
      if (surplus.arrival == Arrival::Together) {
        reply += surplus.text;
      } else if (surplus.arrival == Arrival::AfterWeSpoke) {
        due = true;
      } else {
        pipe.push_back(reply);
        pipe.emplace_back(surplus.text);
        return;
      }
    }
    pipe.push_back(reply);
  };
  // The server's own state: it answers each command that it gets, whatever we take that for.
  const auto step_of = [](std::string_view line) {
    if (line.starts_with("EHLO") || line.starts_with("HELO") || line.starts_with("LHLO"))
      return Step::Ehlo;
    if (line.starts_with("STARTTLS")) return Step::Starttls;
    if (line.starts_with("AUTH") || line.starts_with("dXNlcg") || line.starts_with("c2Vj"))
      return Step::Auth;
    if (line.starts_with("DATA")) return Step::Data;
    return line.starts_with("QUIT") ? Step::Quit : Step::Mail;
  };
  const bool implicit = plan.tls == TlsMode::Implicit;
  if (!implicit) serve({Kind::Receive, Step::Banner, {}});
  bool quit = false;
  for (int turn = 0; turn < 200; ++turn) {
    now += milliseconds(1);
    const Action action = dialogue.next();
    if (action.kind == Kind::Close) break;
    if (action.kind != Kind::Receive && !pipe.empty()) {  // it was there before we spoke
      dialogue.on_received(pipe.front(), now);
      pipe.erase(pipe.begin());
      continue;
    }
    if (action.kind == Kind::Send) {
      said = action.bytes;
      dialogue.on_sent(now);
      if (due) pipe.emplace_back(surplus.text);  // before the answer to this
      due = false;
      quit = quit || said == "QUIT\r\n";
      serve({Kind::Receive, step_of(said), {}});
    } else if (action.kind == Kind::StartTls) {
      HandshakeReport report;
      report.verified = true;
      dialogue.on_tls(report, now);
      if (implicit) serve({Kind::Receive, Step::Banner, {}});
    } else if (!pipe.empty()) {
      dialogue.on_received(pipe.front(), now);
      pipe.erase(pipe.begin());
    } else if (due) {
      dialogue.on_received(surplus.text, now);
      due = false;
    } else if (quit) {
      dialogue.on_channel_end(Reason::ConnectionClosed, {}, now);
    } else {
      dialogue.on_deadline(dialogue.deadline());
    }
  }
  return {dialogue.failure(), dialogue.steps(), {}, dialogue.next().kind == Kind::Close};
}

TEST(DialogueFaults, ASurplusReplyIsNeverTakenForAnAnswer) {
  constexpr std::array<std::string_view, 7> kTexts = {
      "250 2.0.0 Ok\r\n", "220 mx.test\r\n",          "500 5.5.2 what\r\n", "550 5.7.1 no\r\n",
      "354 go\r\n",       "250-mx\r\n250 SIZE 1\r\n", "451 4.3.0 later\r\n"};
  std::size_t cells = 0;
  for (const Plan& whole : plans()) {
    for (const Step until :
         {Step::Banner, Step::Ehlo, Step::Auth, Step::Mail, Step::Rcpt, Step::Message}) {
      DialoguePlan plan = whole.plan;
      plan.until = until;
      plan.commands.clear();
      plan.to = {"b@mx.test"};
      std::size_t replies = 0;
      const Outcome well = with_surplus(plan, 1000, {{}, Arrival::Together}, replies);
      ASSERT_FALSE(well.failure) << whole.name << " " << step_name(well.failure->step) << " "
                                 << reason_name(well.failure->reason);
      const std::size_t all = replies;
      for (std::size_t after = 0; after < all; ++after) {
        for (const std::string_view text : kTexts) {
          for (const Arrival arrival :
               {Arrival::Together, Arrival::BeforeWeSpeak, Arrival::AfterWeSpoke}) {
            SCOPED_TRACE(whole.name + " until " + std::string(step_name(until)) + ", \"" +
                         std::string(text) + "\" after reply " + std::to_string(after) +
                         ", arrival " + std::to_string(static_cast<int>(arrival)));
            const Outcome outcome = with_surplus(plan, after, {text, arrival}, replies);
            EXPECT_TRUE(outcome.ended);
            EXPECT_TRUE(outcome.failure.has_value());
            ++cells;
          }
        }
      }
    }
  }
  EXPECT_GT(cells, 2000U);
}

}  // namespace
}  // namespace smtpprobe
