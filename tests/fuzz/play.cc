#include "tests/fuzz/play.h"

#include <algorithm>
#include <array>
#include <utility>

#include "common/config/config_values.h"
#include "common/smtp/address.h"
#include "common/smtp/base64.h"
#include "tests/fake_server/transcript_plan.h"
#include "tests/fuzz/fuzz.h"

namespace smtpprobe::fuzz {
namespace {

using namespace std::chrono_literals;
using Kind = Action::Kind;

constexpr std::size_t kMostSettings = 24;

bool is_repetition(char c) { return c == '*' || c == '+' || c == '?' || c == '{'; }

bool are_patterns(std::string_view list) {
  while (!list.empty()) {
    const std::string_view one = list.substr(0, list.find(','));
    if (!ReplyPattern::parse(one)) return false;
    list.remove_prefix(std::min(one.size() + 1, list.size()));
  }
  return true;
}

// By itself it need not make a plan, but is no fault by itself.
bool is_setting(const std::string& key, const std::string& value) {
  Transcript alone;
  alone.plan = {{key, value}};
  const Result<ProbePlan> plan = plan_of(alone);
  return plan || !plan.error().text.starts_with(": plan: " + key + "=" + value + ": wanted");
}

// Every value through the parser that options and YAML use: what they refuse reaches no dialogue.
bool is_fit(const std::string& key, const std::string& value) {
  if (key == "from") return value.empty() || parse_address(value) == value;
  if (key == "helo") return parse_helo_name(value).has_value();
  if (key == "command") return parse_command(value).has_value();
  if (key == "require" || key == "forbid") return parse_extension_name(value) == value;
  if (key == "user" || key == "banner") return parse_words(value).has_value();
  // glibc doubles its memory for each of "+++"; whoever writes a pattern means well.
  if (key == "response") {
    const auto repetitions = std::count_if(value.begin(), value.end(), is_repetition);
    return repetitions <= 2 && ReplyRegex::compile(value).has_value();
  }
  if (key.starts_with("expect.")) return step_from_name(key.substr(7)) && are_patterns(value);
  if (key != "to") return is_setting(key, value);
  for (std::string_view rest = value; !rest.empty();) {
    const std::string_view one = rest.substr(0, rest.find(','));
    if (parse_address(one) != std::string(one)) return false;
    rest.remove_prefix(std::min(one.size() + 1, rest.size()));
  }
  return !value.empty();
}

std::optional<ProbePlan> read_plan(std::string_view& input) {
  Transcript script;
  while (input.starts_with('p') && script.plan.size() < kMostSettings) {
    const std::string_view setting = take_chunk(input).substr(1);
    const std::size_t equals = std::min(setting.find('='), setting.size());
    std::string key(setting.substr(0, equals));
    std::string value(setting.substr(std::min(equals + 1, setting.size())));
    if (key == "password") value = kPassword;
    if (key == "token") value = kToken;
    const bool leads =
        key != "response" || (!script.plan.empty() && script.plan.back().first == "command");
    if (leads && is_fit(key, value)) script.plan.emplace_back(std::move(key), std::move(value));
  }
  Result<ProbePlan> plan = plan_of(script);
  if (!plan) return std::nullopt;
  return std::move(*plan);
}

// The code of the last line that `bytes` end with; 0 when they do not end with a reply.
int final_code(std::string_view bytes) {
  if (!bytes.ends_with('\n')) return 0;
  bytes.remove_suffix(1);
  const std::size_t begin = bytes.rfind('\n');
  const std::string_view line = begin == std::string_view::npos ? bytes : bytes.substr(begin + 1);
  const auto digit = [&line](std::size_t i) {
    return line[i] >= '0' && line[i] <= '9' ? line[i] - '0' : -1000;
  };
  if (line.size() < 3 || (line.size() > 3 && line[3] == '-')) return 0;
  return std::max(0, digit(0) * 100 + digit(1) * 10 + digit(2));
}

std::string_view last_word(std::string_view line) {
  const std::size_t blank = line.rfind(' ');
  return blank == std::string_view::npos ? line : line.substr(blank + 1);
}

class Player {
 public:
  explicit Player(const ProbePlan& plan)
      : plan_(plan), dialogue_(plan.dialogue, now_, now_ + plan.timeout) {}

  void run(std::string_view input) {
    while (!input.empty() && !closed()) {
      std::string_view event = take_chunk(input);
      const auto what = static_cast<char>(take_byte(event));
      if (what == 'P') {
        const std::size_t root = take_byte(event);
        send(root * root);
        continue;
      }
      if (what != 's' && what != 'd' && what != 'x') send();
      if (!closed()) happen(what, event);
      now_ += 1ms;
    }
    send();
    if (!closed()) end(Reason::ConnectionClosed, {});
    SMTPPROBE_HOLDS(closed(), "the channel has ended");
    // Nothing more comes of it.
    const std::size_t steps = dialogue_.steps().size();
    const std::size_t lines = dialogue_.transcript().size();
    dialogue_.on_received("250 Ok\r\n", now_);
    dialogue_.on_sent(now_);
    dialogue_.on_deadline(now_);
    SMTPPROBE_HOLDS(closed() && dialogue_.steps().size() == steps, "it is over");
    SMTPPROBE_HOLDS(dialogue_.transcript().size() == lines, "it is over");
  }

  Play result() {
    check_books();
    Play play{plan_, {}, std::move(auth_words_)};
    ProbeResult& result = play.result;
    result.endpoint = {plan_.target.host, "192.0.2.1", plan_.port, 4, true, "192.0.2.9:40000"};
    result.ended = now_;
    result.steps = dialogue_.steps();
    result.failure = dialogue_.failure();
    result.deviations = dialogue_.deviations();
    result.transcript = dialogue_.transcript();
    result.extensions = dialogue_.extensions();
    result.tls = std::move(tls_);
    result.verify = effective_verify(plan_, true);
    result.notes = dialogue_.notes();
    result.auth_mechanism = dialogue_.auth_mechanism();
    return play;
  }

 private:
  Action next() const {
    const Action action = dialogue_.next();
    const Action again = dialogue_.next();
    SMTPPROBE_HOLDS(action.kind == again.kind && action.bytes == again.bytes, action.bytes);
    if (action.kind != Kind::Close) {
      SMTPPROBE_HOLDS(dialogue_.deadline() <= Instant{} + plan_.timeout, action.bytes);
    }
    return action;
  }
  bool closed() const { return next().kind == Kind::Close; }

  // One at a time: each waits for its answer.
  void send(std::size_t most = std::string::npos) {
    const Action action = next();
    if (action.kind != Kind::Send || most == 0) return;
    if (mid_send_) {
      SMTPPROBE_HOLDS(said_.ends_with(action.bytes), action.bytes);
    } else {
      begin_to_say(action);
    }
    const std::size_t portion = std::min(most, action.bytes.size());
    mid_send_ = portion < action.bytes.size();
    dialogue_.on_sent(portion, now_);
    SMTPPROBE_HOLDS(next().kind == (mid_send_ ? Kind::Send : Kind::Receive), said_);
  }

  void begin_to_say(const Action& action) {
    check_said(action);
    said_ = action.bytes;
    said_in_all_ += said_.size();
    if (action.step == Step::Auth && said_.size() > 10) {
      auth_words_.emplace_back(last_word(std::string_view(said_).substr(0, said_.size() - 2)));
    }
    heard_.clear();
    handshake_done_ = false;
  }

  // In sync: a whole answer has come to what was said before, and nothing behind it.
  void check_said(const Action& action) const {
    const std::string_view bytes = action.bytes;
    const bool greeted_by_tls = handshake_done_ && plan_.dialogue.tls != TlsMode::Implicit;
    SMTPPROBE_HOLDS(greeted_by_tls ? heard_.empty() : final_code(heard_) != 0, heard_);
    if (action.step == Step::Message) {
      SMTPPROBE_HOLDS(said_ == "DATA\r\n" && final_code(heard_) / 100 == 3, heard_);
      const std::size_t end = bytes.find("\r\n.\r\n");
      SMTPPROBE_HOLDS(end != std::string_view::npos && end + 5 == bytes.size(), bytes);
    } else {
      SMTPPROBE_HOLDS(bytes.find_first_of("\r\n") + 2 == bytes.size(), bytes);
      SMTPPROBE_HOLDS(bytes.find('\0') == std::string_view::npos, bytes);
      SMTPPROBE_HOLDS(final_code(heard_) / 100 != 3 || action.step != Step::Quit, heard_);
    }
    if (action.step == Step::Auth) return check_secret(bytes);
    for (const std::string_view secret : {kPassword, kToken}) {
      SMTPPROBE_HOLDS(bytes.find(secret) == std::string_view::npos, bytes);
      SMTPPROBE_HOLDS(bytes.find(base64_encode(secret)) == std::string_view::npos, bytes);
    }
  }

  void check_secret(std::string_view bytes) const {
    const AuthPlan& auth = *plan_.dialogue.auth;
    SMTPPROBE_HOLDS(auth.without_verified_tls || verified_, bytes);
    if (!bytes.starts_with("AUTH ")) return;
    const std::string_view name = bytes.substr(5, bytes.find_first_of(" \r", 5) - 5);
    SMTPPROBE_HOLDS(dialogue_.extensions().has_value(), bytes);
    const std::vector<std::string> offered = dialogue_.extensions()->auth_mechanisms();
    SMTPPROBE_HOLDS(std::find(offered.begin(), offered.end(), name) != offered.end(), bytes);
    SMTPPROBE_HOLDS(!tls_ || ehlo_in_tls(), bytes);
  }

  // What was learnt in clear counts no longer.
  bool ehlo_in_tls() const {
    const std::vector<StepRecord>& steps = dialogue_.steps();
    const auto is_tls = [](const StepRecord& step) { return step.step == Step::Tls; };
    const auto tls = std::find_if(steps.begin(), steps.end(), is_tls);
    return std::any_of(tls, steps.end(), [](const StepRecord& step) {
      return step.step == Step::Ehlo || step.step == Step::EhloTls;
    });
  }

  void say(std::string_view bytes, std::size_t portion) {
    for (; !bytes.empty() && !closed(); bytes.remove_prefix(std::min(portion, bytes.size()))) {
      const std::string_view part = bytes.substr(0, portion);
      heard_ += part;
      heard_in_all_ += part.size();
      dialogue_.on_received(part, now_);
    }
    SMTPPROBE_HOLDS(heard_in_all_ <= kConnectionBytes + bytes.size() || closed(), "all that came");
  }
  void say(const std::string& text) { say(text, std::max<std::size_t>(text.size(), 1)); }

  void happen(char what, std::string_view text) {
    const std::string line(text);
    const std::string_view client = std::string_view(said_).substr(0, said_.find("\r\n"));
    switch (what) {
      case 'S':
      case 's':
        return say(line);
      case 'L':
        return say(line + "\r\n");
      case 'B':
        return say(text, 1);
      case 'R': {
        const std::size_t times = 16UL * take_byte(text);
        for (std::size_t i = 0; i < times && !closed(); ++i) say(std::string(text) + "\r\n");
        return;
      }
      case 'F':
        return say('\xff' + line);
      case 'E':
        return say(line + std::string(client) + "\r\n");
      case 'e':
        return say(line + base64_decode(last_word(client)).value_or("?") + "\r\n");
      case 'C':
        return say("334 " + base64_encode(text) + "\r\n");
      case 'N':
        return say("334 " + base64_encode("r=" + nonce() + line) + "\r\n");
      case 'T':
        return shake_hands(take_byte(text), text);
      case 'x':
      case 'X': {
        constexpr std::array kEnds = {Reason::ConnectionClosed, Reason::ConnectionReset,
                                      Reason::TlsRecord, Reason::LocalError};
        const Reason how = kEnds[take_byte(text) % kEnds.size()];
        return end(how, std::string(text));
      }
      case 'd':
      case 'D':
        return pass(plan_.timeout);
      case 'W': {
        const std::size_t root = take_byte(text);
        return pass(std::chrono::milliseconds(root * root));
      }
      default:
        return;
    }
  }

  std::string nonce() const {
    const std::string_view line = std::string_view(said_).substr(0, said_.find("\r\n"));
    const std::string first = base64_decode(last_word(line)).value_or("");
    const std::size_t at = first.find("r=");
    return at == std::string::npos ? "none" : first.substr(at + 2);
  }

  void pass(Duration time) {
    if (now_ + time < dialogue_.deadline()) {
      now_ += time;
      return;
    }
    now_ = std::max(now_, dialogue_.deadline());
    dialogue_.on_deadline(now_);
    SMTPPROBE_HOLDS(closed(), "the deadline is over");
  }

  void end(Reason how, std::string detail) {
    dialogue_.on_channel_end(how, std::move(detail), now_);
    SMTPPROBE_HOLDS(closed(), "the channel has ended");
  }

  void shake_hands(unsigned how, std::string_view text) {
    if (next().kind != Kind::StartTls) return;
    const bool implicit = plan_.dialogue.tls == TlsMode::Implicit;
    SMTPPROBE_HOLDS(implicit ? heard_.empty() : final_code(heard_) / 100 == 2, heard_);
    SMTPPROBE_HOLDS(implicit || said_ == "STARTTLS\r\n", said_);
    constexpr std::array kFailures = {Reason::TlsNotTls,     Reason::TlsAlert,
                                      Reason::TlsVersion,    Reason::TlsHandshake,
                                      Reason::CertMalformed, Reason::ConnectionClosed};
    constexpr std::array kProblems = {Reason::CertUntrusted, Reason::CertExpired,
                                      Reason::CertNotYetValid, Reason::CertNameMismatch};
    HandshakeReport report;
    report.detail = text;
    tls_.emplace();
    tls_->server_name = "mx.test";
    if (how % 4 == 3) {
      report.reason = kFailures[how / 4 % kFailures.size()];
    } else {
      show_certificate(text);
      tls_->checked = how % 4 != 2 && effective_verify(plan_, true) != TlsVerify::Off;
      report.verified = tls_->checked && how % 4 == 0;
      if (tls_->checked && !report.verified) {
        report.certificate = kProblems[how / 4 % kProblems.size()];
        report.certificate_detail = text;
        tls_->problems = {{report.certificate, 0, std::string(text)}};
      }
    }
    verified_ = report.verified;
    handshake_done_ = report.reason == Reason::None;
    heard_.clear();
    dialogue_.on_tls(report, now_);
    SMTPPROBE_HOLDS(handshake_done_ || closed(), "the handshake failed");
  }

  void show_certificate(std::string_view text) {
    tls_->version = "TLSv1.3";
    tls_->cipher = "TLS_AES_256_GCM_SHA384";
    tls_->checked_name = text;
    Certificate leaf;
    leaf.subject = text;
    leaf.issuer = text;
    leaf.names = {"DNS:" + std::string(text)};
    leaf.serial = "0A";
    leaf.not_after = WallTime(std::chrono::seconds(86'400) * static_cast<int>(text.size()));
    tls_->chain = {leaf};
  }

  void check_books() const {
    Duration all{};
    for (const StepRecord& step : dialogue_.steps()) {
      SMTPPROBE_HOLDS(step.began <= step.ended && step.took >= Duration::zero(), "a step's time");
      SMTPPROBE_HOLDS(step.ended <= now_, "a step's end");
      all += step.took;
    }
    SMTPPROBE_HOLDS(all <= now_ - Instant{}, "the time of all steps");
    std::size_t written = 0;
    for (const TranscriptLine& line : dialogue_.transcript()) written += line.text.size();
    // A mask may be longer than what it hides.
    SMTPPROBE_HOLDS(written <= 4 * (heard_in_all_ + said_in_all_) + 65'536,
                    "the transcript's size");
  }

  const ProbePlan& plan_;
  Instant now_{};
  Dialogue dialogue_;
  std::string said_;   // last
  std::string heard_;  // since then, or since the handshake
  std::size_t said_in_all_ = 0;
  std::size_t heard_in_all_ = 0;
  bool handshake_done_ = false;  // and nothing said since
  bool mid_send_ = false;        // the kernel has some of said_
  bool verified_ = false;
  std::optional<TlsFacts> tls_;
  std::vector<std::string> auth_words_;
};

bool holds_secret(std::string_view input) {
  for (const std::string_view secret : {kPassword, kToken}) {
    if (input.find(secret) != std::string_view::npos) return true;
    if (input.find(base64_encode(secret)) != std::string_view::npos) return true;
  }
  return false;
}

}  // namespace

std::optional<Play> play(std::string_view input) {
  if (holds_secret(input)) return std::nullopt;
  const std::optional<ProbePlan> plan = read_plan(input);
  if (!plan) return std::nullopt;
  Player player(*plan);
  player.run(input);
  return player.result();
}

}  // namespace smtpprobe::fuzz
