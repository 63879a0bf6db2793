// The dialogue's books: what ran, how long it took, what was said. Law: a secret is masked before
// it is written down, in the server's words too, for a server may repeat what it was told.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "common/smtp/base64.h"
#include "common/smtp/dialogue.h"

namespace smtpprobe {
namespace {

constexpr std::size_t kShownMessageLines = 40;
constexpr std::size_t kShortestMaskedSecret = 3;  // anything shorter would blot out ordinary words

}  // namespace

StepRecord& Dialogue::record(Instant at) {
  if (steps_.empty() || steps_.back().step != step_) {
    StepRecord fresh;
    fresh.step = step_;
    fresh.began = at;
    fresh.ended = at;
    steps_.push_back(std::move(fresh));
  }
  return steps_.back();
}

void Dialogue::stop_watch(Instant at) {
  StepRecord& now = record(at);
  now.took += std::max(Duration::zero(), at - waiting_since_);
  now.ended = std::max(now.ended, at);
  waiting_since_ = at;
}

// Of several replies at one step the worst stands for it: 5yz over 4yz over the rest.
void Dialogue::keep_worst(const Reply& reply, Instant at) {
  StepRecord& now = record(at);
  const bool several = step_ == Step::Rcpt || step_ == Step::Command || step_ == Step::Message;
  if (several && now.reply && now.reply->klass() >= reply.klass()) return;
  now.reply = masked(reply);
}

void Dialogue::write_down(TranscriptLine::Who who, std::string text, Instant at) {
  if (who != TranscriptLine::Who::Client) text = masked(std::move(text));
  transcript_.push_back({who, at, std::move(text)});
}

void Dialogue::write_down_reply(const Reply& reply, Instant at) {
  const std::string wire = reply.wire();
  for (std::size_t begin = 0; begin <= wire.size();) {
    const std::size_t end = std::min(wire.find('\n', begin), wire.size());
    write_down(TranscriptLine::Who::Server, wire.substr(begin, end - begin), at);
    begin = end + 1;
  }
}

void Dialogue::write_down_message(Instant at) {
  std::size_t lines = 0;
  std::string_view rest = output_;
  for (; !rest.empty(); ++lines) {
    const std::size_t end = rest.find("\r\n");
    if (lines < kShownMessageLines || end + 2 == rest.size()) {
      write_down(TranscriptLine::Who::Client, std::string(rest.substr(0, end)), at);
    } else if (lines == kShownMessageLines) {
      write_down(TranscriptLine::Who::Probe, "more lines of the message, not shown", at);
    }
    rest.remove_prefix(std::min(end + 2, rest.size()));
  }
}

void Dialogue::learn_secrets() {
  if (!plan_.auth) return;
  const Credentials& credentials = plan_.auth->credentials;
  for (const std::string& secret : {credentials.password, credentials.token}) {
    if (secret.size() < kShortestMaskedSecret) continue;
    secrets_.push_back(secret);
    secrets_.push_back(base64_encode(secret));
  }
}

std::string Dialogue::masked(std::string text) const {
  for (const std::string& secret : secrets_) {
    for (std::size_t at = text.find(secret); at != std::string::npos; at = text.find(secret, at)) {
      text.replace(at, secret.size(), "****");
      at += 4;
    }
  }
  return text;
}

// For the books alone: what decides is what was said, whatever the password is called. From the
// banner on, for a server may know the secret from another session.
Reply Dialogue::masked(Reply reply) const {
  if (secrets_.empty()) return reply;
  for (std::string& line : reply.lines) line = masked(std::move(line));
  return reply;
}

// The keywords that we know stay as they are.
Reply Dialogue::masked_keywords(Reply reply) const {
  if (secrets_.empty()) return reply;
  const auto known = known_extensions();
  for (std::string& line : reply.lines) {
    std::string keyword = line.substr(0, line.find_first_of(" ="));
    for (char& c : keyword) {
      if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    }
    const bool is_known = std::find(known.begin(), known.end(), keyword) != known.end();
    const std::size_t kept = is_known ? keyword.size() : 0;
    line = line.substr(0, kept) + masked(line.substr(kept));
  }
  return reply;
}

// What was typed behind AUTH, and the password in it.
void Dialogue::learn_raw_secret(std::string_view hidden) {
  if (hidden.size() < kShortestMaskedSecret) return;
  secrets_.emplace_back(hidden);
  const std::optional<std::string> decoded = base64_decode(hidden);
  if (!decoded) return;
  const std::size_t password = decoded->rfind('\0') + 1;  // npos + 1 is 0
  if (decoded->size() - password >= kShortestMaskedSecret)
    secrets_.push_back(decoded->substr(password));
}

std::string Dialogue::received_so_far() const {
  constexpr std::size_t kShown = 60;
  const std::string_view line = parser_.unfinished_line();
  const std::size_t lines = parser_.reply().lines.size();
  if (parser_.bytes() == 0) return {};
  if (parser_.state() == ReplyParser::State::Failed) {
    return "\"" + masked(std::string(line)).substr(0, kShown) + "\"";
  }
  if (lines > 0) return fmt::format("reply unfinished after {} lines", lines);
  return fmt::format("received {} bytes, no line end: \"{}\"", parser_.bytes(),
                     masked(std::string(line)).substr(0, kShown));
}

// A raw command may carry credentials: behind AUTH, or as the answer to a 334.
std::string Dialogue::shown_command() {
  const std::string& text = plan_.commands[next_command_].text;
  if (last_code_ == 334) {
    learn_raw_secret(text);
    return "****";
  }
  const bool is_auth = text.size() > 5 && text[4] == ' ' && (text[0] | 32) == 'a' &&
                       (text[1] | 32) == 'u' && (text[2] | 32) == 't' && (text[3] | 32) == 'h';
  const std::size_t secret = is_auth ? text.find(' ', 5) : std::string::npos;
  if (secret == std::string::npos) return text;
  learn_raw_secret(std::string_view(text).substr(secret + 1));
  return text.substr(0, secret) + " ****";
}

void Dialogue::write_down_partial_reply(Instant at) {
  constexpr std::size_t kShown = 200;
  const Reply& partial = parser_.reply();
  for (const std::string& line : partial.lines) {
    write_down(TranscriptLine::Who::Server, fmt::format("{}-{}", partial.code, line), at);
  }
  const std::string_view line = parser_.unfinished_line();
  if (!line.empty()) {
    write_down(TranscriptLine::Who::Server, masked(std::string(line)).substr(0, kShown), at);
  }
}

}  // namespace smtpprobe
