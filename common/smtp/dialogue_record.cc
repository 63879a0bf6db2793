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

// A secret that begins at the end of one line and ends at the start of the next.
void mask_across(const std::vector<std::string>& secrets, std::string& line, std::string& next) {
  for (const std::string_view secret : secrets) {
    for (std::size_t cut = 1; cut < secret.size(); ++cut) {
      if (!line.ends_with(secret.substr(0, cut)) || !next.starts_with(secret.substr(cut))) continue;
      line.replace(line.size() - cut, cut, "****");
      next.replace(0, secret.size() - cut, "****");
      break;
    }
  }
}

constexpr std::string_view kBlanks = " \t";

bool is_auth(std::string_view verb) {
  return verb.size() == 4 && (verb[0] | 32) == 'a' && (verb[1] | 32) == 'u' &&
         (verb[2] | 32) == 't' && (verb[3] | 32) == 'h';
}

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

void Dialogue::record_elapsed(Instant at) {
  StepRecord& now = record(at);
  now.took += std::max(Duration::zero(), at - waiting_since_);
  now.ended = std::max(now.ended, at);
  waiting_since_ = at;
}

// A command that leaves at once takes no time of its own.
void Dialogue::record_sending(Instant at) {
  if (!sending_counts_) {
    record(at);
    return;
  }
  const Duration before = record(waiting_since_).took;
  record_elapsed(at);
  steps_.back().sending += steps_.back().took - before;
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
  const std::string wire = masked(reply).wire();
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

void Dialogue::write_down_upload(Instant at) {
  write_down(TranscriptLine::Who::Probe,
             fmt::format("{} of {} bytes of the message were sent", sent_, output_.size()), at);
}

void Dialogue::learn_secrets() {
  if (!plan_->auth) return;
  const Credentials& credentials = plan_->auth->credentials;
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

// Half a secret at the end is one, too.
std::string Dialogue::masked_cut(std::string text) const {
  text = masked(std::move(text));
  for (const std::string& secret : secrets_) {
    for (std::size_t half = std::min(secret.size() - 1, text.size()); half >= kShortestMaskedSecret;
         --half) {
      if (!text.ends_with(std::string_view(secret).substr(0, half))) continue;
      text.replace(text.size() - half, half, "****");
      break;
    }
  }
  return text;
}

// For the books alone: what decides is what was said, whatever the password is called. From the
// banner on, for a server may know the secret from another session.
Reply Dialogue::masked(Reply reply) const {
  if (secrets_.empty()) return reply;
  for (std::size_t i = 0; i + 1 < reply.lines.size(); ++i)
    mask_across(secrets_, reply.lines[i], reply.lines[i + 1]);
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
    return "\"" + masked_cut(std::string(line)).substr(0, kShown) + "\"";
  }
  if (lines > 0) return fmt::format("reply unfinished after {} lines", lines);
  return fmt::format("received {} bytes, no line end: \"{}\"", parser_.bytes(),
                     masked_cut(std::string(line)).substr(0, kShown));
}

// A raw command may carry credentials: behind AUTH, or as the answer to a 334.
std::string Dialogue::shown_command() {
  const std::string& text = plan_->commands[next_command_].text;
  if (last_code_ == 334) {
    learn_raw_secret(text);
    return "****";
  }
  const std::size_t verb = std::min(text.find_first_not_of(kBlanks), text.size());
  const std::size_t verb_end = text.find_first_of(kBlanks, verb);
  const std::size_t mechanism = text.find_first_not_of(kBlanks, verb_end);
  const std::size_t mechanism_end = text.find_first_of(kBlanks, mechanism);
  const std::size_t secret = text.find_first_not_of(kBlanks, mechanism_end);
  if (secret == std::string::npos || !is_auth(std::string_view(text).substr(verb, verb_end - verb)))
    return text;
  learn_raw_secret(std::string_view(text).substr(secret));
  return text.substr(0, mechanism_end) + " ****";
}

void Dialogue::write_down_partial_reply(Instant at) {
  constexpr std::size_t kShown = 200;
  const Reply& partial = parser_.reply();
  for (const std::string& line : partial.lines) {
    write_down(TranscriptLine::Who::Server, fmt::format("{}-{}", partial.code, line), at);
  }
  const std::string_view line = parser_.unfinished_line();
  if (!line.empty()) {
    write_down(TranscriptLine::Who::Server, masked_cut(std::string(line)).substr(0, kShown), at);
  }
}

}  // namespace smtpprobe
