#include "tests/fake_server/mail_server.h"

#include <fmt/format.h>

#include <cctype>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "common/smtp/base64.h"

namespace smtpprobe {
namespace {

constexpr std::size_t kMaxLine = 2048;
constexpr std::size_t kSizeLimit = 10'485'760;
constexpr std::size_t kMaxRecipients = 100;
constexpr int kMaxErrors = 20;
constexpr auto kSlow = std::chrono::milliseconds(1500);

std::string upper(std::string_view text) {
  std::string result(text);
  for (char& c : result) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return result;
}

std::string_view trimmed(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  return text;
}

// "FROM:<a@b> SIZE=1" with prefix "FROM:": the path without <>, and the parameters.
std::optional<std::pair<std::string, std::string>> parse_path(std::string_view text,
                                                              std::string_view prefix) {
  if (upper(text.substr(0, prefix.size())) != prefix) return std::nullopt;
  text = trimmed(text.substr(prefix.size()));
  const std::size_t end = text.find('>');
  if (!text.starts_with('<') || end == std::string_view::npos) return std::nullopt;
  return std::pair(std::string(text.substr(1, end - 1)), upper(trimmed(text.substr(end + 1))));
}

class MailSession {
 public:
  MailSession(Channel& channel, const ServerTls& tls, Recorder& recorder, int connection)
      : channel_(channel), tls_(tls), recorder_(recorder), number_(connection) {}

  void serve() {
    if (!reply("220 mail.demo.test ESMTP smtp-probe demo")) return;
    std::string line;
    while (!ended_) {
      const ReadEnd end = channel_.read_line(line);
      if (end == ReadEnd::TooLate) reply("421 4.4.2 mail.demo.test Error: timeout exceeded");
      if (end != ReadEnd::Done) break;
      recorder_.heard(number_, line);
      if (!answer(line)) break;
      if (errors_ < kMaxErrors) continue;
      reply("421 4.7.0 mail.demo.test Error: too many errors");
      break;
    }
    channel_.end_output(true);
    channel_.read_all(std::chrono::seconds(2));
  }

 private:
  bool reply(std::string_view text) {
    const std::string line = std::string(text) + "\r\n";
    recorder_.said(number_, line);
    return channel_.write(line);
  }
  bool refuse(std::string_view text) {
    ++errors_;
    return reply(text);
  }

  bool answer(const std::string& line) {
    if (line.size() > kMaxLine) return refuse("500 5.5.2 Error: line too long");
    const std::size_t blank = std::min(line.find(' '), line.size());
    const std::string verb = upper(line.substr(0, blank));
    const std::string rest(trimmed(std::string_view(line).substr(blank)));
    if (verb == "EHLO" || verb == "HELO") return greet(verb == "EHLO", rest);
    if (verb == "STARTTLS") return start_tls(rest);
    if (verb == "AUTH") return authenticate(rest);
    if (verb == "MAIL") return mail(rest);
    if (verb == "RCPT") return recipient(rest);
    if (verb == "DATA") return data();
    if (verb == "RSET") {
      forget_mail();
      return reply("250 2.0.0 Ok");
    }
    if (verb == "NOOP") return reply("250 2.0.0 Ok");
    if (verb == "VRFY") return reply("252 2.0.0 Cannot VRFY, but will accept and try");
    if (verb == "HELP") return reply("214 2.0.0 EHLO HELO STARTTLS AUTH MAIL RCPT DATA RSET QUIT");
    if (verb == "QUIT") {
      ended_ = true;
      return reply("221 2.0.0 Bye");
    }
    return refuse("502 5.5.2 Error: command not recognized");
  }

  bool greet(bool extended, const std::string& name) {
    if (name.empty()) {
      return refuse(extended ? "501 Syntax: EHLO hostname" : "501 Syntax: HELO hostname");
    }
    greeted_ = true;
    forget_mail();
    if (!extended) return reply("250 mail.demo.test");
    std::string offer = "250-mail.demo.test\r\n250-PIPELINING\r\n";
    offer += fmt::format("250-SIZE {}\r\n", kSizeLimit);
    offer += channel_.in_tls() ? "250-AUTH PLAIN LOGIN\r\n" : "250-STARTTLS\r\n";
    return reply(offer + "250-ENHANCEDSTATUSCODES\r\n250 8BITMIME");
  }

  bool start_tls(const std::string& rest) {
    if (!rest.empty()) return refuse("501 5.5.4 Syntax: STARTTLS");
    if (!greeted_) return refuse("503 5.5.1 Error: send HELO/EHLO first");
    if (channel_.in_tls()) return refuse("554 5.5.1 Error: TLS already active");
    if (!reply("220 2.0.0 Ready to start TLS")) return false;
    TlsSeen seen;
    const bool good = channel_.start_tls(tls_, seen);
    recorder_.handshake(number_, std::move(seen));
    greeted_ = false;
    forget_mail();
    return good;
  }

  // Asks for one more line of the exchange; nullopt when the client cancels, is wrong or has gone.
  std::optional<std::string> ask(std::string_view prompt) {
    std::string line;
    if (!reply("334 " + base64_encode(prompt))) return std::nullopt;
    if (channel_.read_line(line) != ReadEnd::Done) return std::nullopt;
    recorder_.heard(number_, line);
    if (line == "*") return std::nullopt;
    return base64_decode(line);
  }

  bool authenticate(const std::string& rest) {
    if (!greeted_) return refuse("503 5.5.1 Error: send HELO/EHLO first");
    if (!channel_.in_tls()) return refuse("530 5.7.0 Must issue a STARTTLS command first");
    if (authenticated_ || sender_) return refuse("503 5.5.1 Error: not now");
    const std::size_t blank = std::min(rest.find(' '), rest.size());
    const std::string mechanism = upper(rest.substr(0, blank));
    const std::string initial(trimmed(std::string_view(rest).substr(blank)));
    std::optional<std::string> answer;
    if (mechanism == "PLAIN") {
      answer = initial.empty() ? ask("") : base64_decode(initial);
      if (!answer) return refuse("501 5.5.2 Error: authentication cancelled or not base64");
      // An authorisation identity in front of the first NUL is taken when it is the user's own.
      authenticated_ = *answer == std::string("\0probe\0secret", 13) ||
                       *answer == std::string("probe\0probe\0secret", 18);
    } else if (mechanism == "LOGIN") {
      answer = initial.empty() ? ask("Username:") : base64_decode(initial);
      const std::optional<std::string> password = answer ? ask("Password:") : std::nullopt;
      if (!password) return refuse("501 5.5.2 Error: authentication cancelled or not base64");
      authenticated_ = *answer == "probe" && *password == "secret";
    } else {
      return refuse("504 5.5.4 Error: unrecognized authentication type");
    }
    if (!authenticated_) return refuse("535 5.7.8 Error: authentication failed");
    return reply("235 2.7.0 Authentication successful");
  }

  bool mail(const std::string& rest) {
    if (!greeted_) return refuse("503 5.5.1 Error: send HELO/EHLO first");
    if (sender_) return refuse("503 5.5.1 Error: nested MAIL command");
    const auto path = parse_path(rest, "FROM:");
    if (!path) return refuse("501 5.5.4 Syntax: MAIL FROM:<address>");
    const std::size_t size = path->second.find("SIZE=");
    if (size != std::string::npos &&
        std::strtoull(path->second.c_str() + size + 5, nullptr, 10) > kSizeLimit) {
      return refuse("552 5.3.4 Message size exceeds fixed limit");
    }
    sender_ = path->first;
    return reply("250 2.1.0 Ok");
  }

  bool recipient(const std::string& rest) {
    if (!sender_) return refuse("503 5.5.1 Error: need MAIL command");
    const auto path = parse_path(rest, "TO:");
    if (!path || path->first.empty()) return refuse("501 5.5.4 Syntax: RCPT TO:<address>");
    const std::string local = path->first.substr(0, path->first.find('@'));
    if (local == "unknown") {
      return refuse(
          fmt::format("550 5.1.1 <{}>: Recipient address rejected: User unknown", path->first));
    }
    if (local == "grey") {
      return reply(fmt::format("450 4.7.1 <{}>: Recipient address rejected: Greylisted, try again",
                               path->first));
    }
    if (local == "slow" && !channel_.pause(kSlow)) return false;
    if (recipients_ >= kMaxRecipients) return refuse("452 4.5.3 Error: too many recipients");
    ++recipients_;
    return reply("250 2.1.5 Ok");
  }

  bool data() {
    if (!sender_) return refuse("503 5.5.1 Error: need MAIL command");
    if (recipients_ == 0) return refuse("554 5.5.1 Error: no valid recipients");
    if (!reply("354 End data with <CR><LF>.<CR><LF>")) return false;
    std::string message;
    if (channel_.read_message(message) != ReadEnd::Done) return false;
    recorder_.heard(number_, message);
    forget_mail();
    if (message.size() > kSizeLimit) return refuse("552 5.3.4 Error: message file too big");
    return reply(fmt::format("250 2.0.0 Ok: queued as {:08X}", ++queued_ + 0x1000U));
  }

  void forget_mail() {
    sender_.reset();
    recipients_ = 0;
  }

  Channel& channel_;
  const ServerTls& tls_;
  Recorder& recorder_;
  int number_;
  bool greeted_ = false;
  bool authenticated_ = false;
  bool ended_ = false;
  std::optional<std::string> sender_;
  std::size_t recipients_ = 0;
  unsigned queued_ = 0;
  int errors_ = 0;
};

}  // namespace

void serve_mail(Channel& channel, const ServerTls& tls, Recorder& recorder, int connection) {
  MailSession(channel, tls, recorder, connection).serve();
}

}  // namespace smtpprobe
