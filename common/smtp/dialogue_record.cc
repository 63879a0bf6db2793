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
constexpr std::size_t kFreeReading = 4096;  // bytes of a reply that costs nothing while it is read
// What is kept of a reply where there is no room for all of it.
constexpr std::size_t kShortReplyLines = 2;
constexpr std::size_t kShortLineBytes = 128;
constexpr std::size_t kKeptOfKeywords = 256;  // of each line of EHLO's reply
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
  now.reply = kept(reply);
}

void Dialogue::write_down(TranscriptLine::Who who, std::string text, Instant at) {
  if (who != TranscriptLine::Who::Client) text = masked(std::move(text));
  append({who, at, std::move(text)});
}

void Dialogue::append(TranscriptLine line) {
  if (transcript_ends_) return;
  if (texts_.take(sizeof line + line.text.size())) return transcript_.push_back(std::move(line));
  transcript_ends_ = true;
  transcript_.push_back({TranscriptLine::Who::Probe, line.at,
                         "the rest is not shown: the memory for the texts of sessions is used up"});
}

Reply Dialogue::fitted(Reply stored) {
  std::size_t bytes = 0;
  for (const std::string& line : stored.lines) bytes += sizeof(std::string) + line.size();
  if (texts_.take(bytes)) return stored;
  stored.lines.resize(std::min(stored.lines.size(), kShortReplyLines));
  for (std::string& line : stored.lines) {
    if (line.size() > kShortLineBytes) line = line.substr(0, kShortLineBytes);
    line.shrink_to_fit();
  }
  stored.lines.shrink_to_fit();
  return stored;
}

// The reply that is being read is kept, too.
void Dialogue::pay_for_reading() {
  const std::size_t bytes = parser_.bytes();
  if (bytes <= std::max(kFreeReading, reading_paid_)) return;
  if (texts_.take(bytes - reading_paid_)) {
    reading_paid_ = bytes;
  } else {
    // What is offered decides how the session goes on.
    const bool decides = step_ == Step::Ehlo || step_ == Step::EhloTls;
    parser_.keep_of_lines(decides ? kKeptOfKeywords : 0);
  }
}

void Dialogue::write_down_reply(const Reply& reply, Instant at) {
  const std::string wire = masked(reply).wire();
  for (std::size_t begin = 0; begin <= wire.size();) {
    const std::size_t end = std::min(wire.find('\n', begin), wire.size());
    append({TranscriptLine::Who::Server, at, wire.substr(begin, end - begin)});
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
  secrets_.add_secret(plan_->auth->credentials.password);
  secrets_.add_secret(plan_->auth->credentials.token);
}

std::string Dialogue::masked(std::string text) const { return secrets_.masked(std::move(text)); }

std::string Dialogue::masked_cut(std::string text) const {
  return secrets_.masked_unfinished(std::move(text));
}

// Only what is stored is masked: decisions are taken on what was said, whatever the password is.
// From the banner on, for a server may know the secret from another session.
Reply Dialogue::masked(Reply reply) const {
  secrets_.mask_lines(reply.lines);
  return reply;
}

// The keywords that we know stay as they are.
Reply Dialogue::masked_keywords(Reply reply) const {
  if (secrets_.empty()) return reply;
  const auto known = known_extensions();
  std::vector<std::string> keywords;
  for (std::string& line : reply.lines) {
    std::string keyword = line.substr(0, line.find_first_of(" ="));
    std::string upper = keyword;
    for (char& c : upper) {
      if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    }
    if (!std::binary_search(known.begin(), known.end(), upper)) keyword.clear();
    line.erase(0, keyword.size());
    keywords.push_back(std::move(keyword));
  }
  secrets_.mask_lines(reply.lines);
  for (std::size_t i = 0; i < keywords.size(); ++i) reply.lines[i].insert(0, keywords[i]);
  return reply;
}

// What was typed after AUTH, and the password in it.
void Dialogue::learn_raw_secret(std::string_view hidden) {
  secrets_.add_sent(hidden);
  const std::optional<std::string> decoded = base64_decode(hidden);
  if (!decoded) return;
  const std::size_t password = decoded->rfind('\0') + 1;  // npos + 1 is 0
  secrets_.add_secret(std::string_view(*decoded).substr(password));
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

// Masked as one text: a secret may be in several lines.
void Dialogue::write_down_partial_reply(Instant at) {
  constexpr std::size_t kShown = 200;
  std::vector<std::string> lines = parser_.reply().lines;
  const std::size_t finished = lines.size();
  lines.emplace_back(parser_.unfinished_line());
  secrets_.mask_unfinished_lines(lines);
  for (std::size_t i = 0; i < finished; ++i) {
    append({TranscriptLine::Who::Server, at, fmt::format("{}-{}", parser_.reply().code, lines[i])});
  }
  if (!lines.back().empty())
    append({TranscriptLine::Who::Server, at, lines.back().substr(0, kShown)});
}

}  // namespace smtpprobe
