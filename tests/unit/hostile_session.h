// A whole session with a server that says whatever chance tells it to, through the real Dialogue:
// the result as the prober leaves it, and what in it must never be shown.
#pragma once

#include <algorithm>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/probe/result.h"
#include "common/smtp/base64.h"
#include "common/smtp/dialogue.h"

namespace smtpprobe::hostile {

inline constexpr std::string_view kPassword = "hunter2|Xyzzy<&";
inline constexpr std::string_view kToken = "tok-en.abc_DEF~123+/=";

struct Session {
  ProbePlan plan;
  ProbeResult result;
  std::vector<std::string> secrets;  // themselves, as base64, and every response that was sent
};

class Server {
 public:
  explicit Server(std::mt19937& random) : random_(random) {}

  Session run() {
    Session session;
    session.plan = plan();
    if (session.plan.dialogue.auth) {
      secrets_ = {std::string(kPassword), base64_encode(kPassword), std::string(kToken),
                  base64_encode(kToken)};
    }
    ProbeResult& result = session.result;
    result.started = WallTime(std::chrono::seconds(1795435200));
    result.began = now_;
    result.endpoint = {text(false), "192.0.2.1", 25, 4, false, "192.0.2.7:41234"};
    Dialogue dialogue(session.plan.dialogue, now_, now_ + std::chrono::seconds(10));
    if (chance(20)) dialogue.add_note(Note::NoCloseNotify);
    if (chance(20)) dialogue.add_note(Note::TlsLegacy);
    talk(dialogue, result);
    const auto& steps = dialogue.steps();
    result.steps.insert(result.steps.end(), steps.begin(), steps.end());
    result.failure = dialogue.failure();
    result.deviations = dialogue.deviations();
    result.transcript = dialogue.transcript();
    result.extensions = dialogue.extensions();
    result.auth_mechanism = dialogue.auth_mechanism();
    result.notes = dialogue.notes();
    result.ended = now_;
    if (chance(5))
      result.failed_attempts.push_back({text(false), Reason::ConnectTimeout, text(false), {}});
    session.secrets = secrets_;
    return session;
  }

  // Bytes of every kind that breaks a careless output, and with `echoes` what the client has told.
  std::string text(bool echoes = true) {
    static constexpr std::string_view kPieces[] = {"|",
                                                   "\r",
                                                   "\n",
                                                   "\x1b[2J",
                                                   "\x1b]8;;http://evil.test\x07",
                                                   "\u00e9",
                                                   "\u20ac",
                                                   "\xff",
                                                   "\xc3",
                                                   "\xe2\x82",
                                                   "\u202e",
                                                   "\u2066",
                                                   "\u2028",
                                                   "\u200b",
                                                   "\ufeff",
                                                   "\x85",
                                                   "\x7f",
                                                   "\b",
                                                   std::string_view("\0", 1),
                                                   "'",
                                                   "\"",
                                                   "\\",
                                                   "\\x41",
                                                   "\\n",
                                                   "<script>alert(1)</script>",
                                                   "<img src=x onerror=y>",
                                                   "</pre></title>",
                                                   "&lt;",
                                                   "<!--",
                                                   "]]>",
                                                   "=",
                                                   "a=b",
                                                   "{a=\"b\"} 1",
                                                   "\nprobe_success 1\n",
                                                   "# HELP x y",
                                                   "# EOF",
                                                   "5.7.1 ",
                                                   "$(id)",
                                                   "`id`",
                                                   "%s%n",
                                                   " ",
                                                   "\t",
                                                   "time=0s;;;",
                                                   "\xc2\x9b",
                                                   "\xed\xa0\x80",
                                                   "\xf4\x90\x80\x80"};
    std::string all;
    for (std::size_t left = random_() % 12; left > 0; --left) {
      switch (random_() % 6) {
        case 0:
          all += static_cast<char>(random_() % 256);
          break;
        case 1:
          if (echoes && !secrets_.empty()) all += secrets_[random_() % secrets_.size()];
          break;
        default:
          all += kPieces[random_() % std::size(kPieces)];
      }
    }
    if (chance(30)) all += std::string(random_() % 5000, 'x') + all;
    return all;
  }

 private:
  bool chance(unsigned one_in) { return random_() % one_in == 0; }

  ProbePlan plan() {
    static constexpr Mechanism kMechanisms[] = {
        Mechanism::Plain,       Mechanism::Login,   Mechanism::CramMd5,    Mechanism::ScramSha1,
        Mechanism::ScramSha256, Mechanism::Xoauth2, Mechanism::Oauthbearer};
    ProbePlan plan;
    plan.target.host = "mx.example.net";
    plan.timeout = std::chrono::seconds(10);
    DialoguePlan& dialogue = plan.dialogue;
    dialogue.helo_name = "probe.test";
    dialogue.until = Step::Message;
    dialogue.from = "a@b.test";
    dialogue.to = {"c@d.test", "e@f.test"};
    dialogue.message = "Subject: x\r\n\r\ntext\r\n";
    dialogue.protocol = chance(6) ? Protocol::Lmtp : Protocol::Smtp;
    dialogue.tls = static_cast<TlsMode>(random_() % 4);
    if (!chance(4)) {
      AuthPlan& auth = dialogue.auth.emplace();
      auth.mechanism = kMechanisms[random_() % std::size(kMechanisms)];
      auth.credentials.username = "user";
      auth.credentials.password = kPassword;
      auth.credentials.token = kToken;
      auth.without_verified_tls = true;
    }
    if (chance(4)) plan.tls.expiry = ExpiryThresholds{30, 10};
    if (chance(6)) plan.require_extensions = {"SIZE", "DSN"};
    return plan;
  }

  void talk(Dialogue& dialogue, ProbeResult& result) {
    for (int turns = 0; turns < 200; ++turns) {
      const Action action = dialogue.next();
      now_ += std::chrono::milliseconds(1);
      if (chance(60)) return end(dialogue);
      switch (action.kind) {
        case Action::Kind::Close:
          return;
        case Action::Kind::Send:
          if (chance(80)) {
            dialogue.on_received(text() + "\r\n", now_);
            break;
          }
          learn(action);
          dialogue.on_sent(now_);
          break;
        case Action::Kind::StartTls:
          shake_hands(dialogue, result);
          break;
        case Action::Kind::Receive:
          say(dialogue, reply(action.step));
          break;
      }
    }
    dialogue.on_deadline(now_);
  }

  void end(Dialogue& dialogue) {
    switch (random_() % 4) {
      case 0:
        return dialogue.on_deadline(now_);
      case 1:
        return dialogue.on_channel_end(Reason::TlsRecord, text(), now_);
      default:
        return dialogue.on_channel_end(Reason::ConnectionClosed, text(), now_);
    }
  }

  // What is behind AUTH and in the answers to its challenges.
  void learn(const Action& action) {
    if (action.step != Step::Auth) return;
    std::string line(action.bytes.substr(0, action.bytes.find('\r')));
    if (line.starts_with("AUTH ")) line.erase(0, std::min(line.find(' ', 5), line.size() - 1) + 1);
    if (line.size() < 4 || line == "*") return;
    secrets_.push_back(line);
  }

  void shake_hands(Dialogue& dialogue, ProbeResult& result) {
    TlsFacts& facts = result.tls.emplace();
    facts.checked = chance(2);
    facts.server_name = "mx.example.net";
    for (std::size_t i = random_() % 3; i > 0; --i) facts.chain.push_back(certificate());
    if (chance(3)) facts.problems.push_back({Reason::CertUntrusted, 0, text(false)});
    HandshakeReport report;
    report.detail = text();
    if (chance(6)) {
      report.reason = Reason::TlsNotTls;
    } else {
      facts.version = chance(8) ? text(false) : "TLSv1.3";
      facts.cipher = facts.cipher_iana = "TLS_AES_256_GCM_SHA384";
      report.verified = facts.verified();
    }
    dialogue.on_tls(report, now_);
  }

  Certificate certificate() {
    Certificate made;
    made.subject = text(false);
    made.common_name = text(false);
    made.issuer = text(false);
    made.serial = text(false);
    made.names = {"DNS:" + text(false), text(false)};
    made.not_before = WallTime(std::chrono::seconds(chance(2) ? -62167219200 : 1767225600));
    made.not_after = WallTime(std::chrono::seconds(chance(2) ? 253402300799 : 1795435200));
    made.fingerprint_sha256 = std::string(64, 'a');
    made.key = text(false);
    made.signature = text(false);
    return made;
  }

  std::string code(Step step) {
    if (chance(12)) return std::to_string(100 + random_() % 600);
    switch (step) {
      case Step::Banner:
      case Step::Starttls:
        return "220";
      case Step::Auth:
        return chance(3) ? "235" : "334";
      case Step::Data:
        return "354";
      case Step::Quit:
        return "221";
      default:
        return "250";
    }
  }

  std::string reply(Step step) {
    if (chance(25)) return text() + "\r\n";
    const std::string digits = code(step);
    std::string said;
    const bool hello = step == Step::Ehlo || step == Step::EhloTls;
    if (hello || chance(4)) said += digits + "-" + line() + "\r\n";
    if (hello) {
      said +=
          digits + "-AUTH PLAIN LOGIN CRAM-MD5 SCRAM-SHA-1 SCRAM-SHA-256 XOAUTH2 OAUTHBEARER\r\n";
      said += digits + "-X" + line() + "\r\n" + digits + "-XKEY " + line() + "\r\n";
      said += digits + "-SIZE " + (chance(3) ? line() : "1000") + "\r\n";
      if (chance(2)) said += digits + "-STARTTLS\r\n";
    }
    const bool challenge = digits == "334" && !chance(8);
    return said + digits + " " + (challenge ? base64_encode(text()) : line()) + "\r\n";
  }

  std::string line() {
    std::string one = text();
    std::erase(one, '\n');
    return one.substr(0, 4000);
  }

  void say(Dialogue& dialogue, std::string_view bytes) {
    while (!bytes.empty()) {
      const std::size_t part = chance(2) ? bytes.size() : 1 + random_() % bytes.size();
      dialogue.on_received(bytes.substr(0, part), now_);
      bytes.remove_prefix(part);
    }
  }

  std::mt19937& random_;
  Instant now_{std::chrono::hours(5)};
  std::vector<std::string> secrets_;
};

// The secret that stands in `text`; empty: none does.
inline std::string shown_secret(std::string_view text, const std::vector<std::string>& secrets) {
  for (const std::string& secret : secrets) {
    if (text.find(secret) != std::string_view::npos) return secret;
  }
  return {};
}

}  // namespace smtpprobe::hostile
