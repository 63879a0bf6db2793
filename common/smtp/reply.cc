#include "common/smtp/reply.h"

#include <algorithm>
#include <array>

namespace smtpprobe {
namespace {

constexpr std::size_t kStandardLineBytes = 512;  // RFC 5321 s4.5.3.1.5

struct NoteName {
  Note note;
  std::string_view name;
};
constexpr std::array kNoteNames = {
    NoteName{Note::ControlChars, "control_chars"}, NoteName{Note::BareLf, "bare_lf"},
    NoteName{Note::LongLine, "long_line"},         NoteName{Note::EscMismatch, "esc_mismatch"},
    NoteName{Note::CapsChanged, "caps_changed"},   NoteName{Note::HeloFallback, "helo_fallback"},
    NoteName{Note::WillForward, "will_forward"},   NoteName{Note::NoCloseNotify, "no_close_notify"},
    NoteName{Note::Code200, "code_200"},           NoteName{Note::TlsLegacy, "tls_legacy"},
};

constexpr bool between(char c, char low, char high) { return c >= low && c <= high; }

constexpr bool can_begin_reply(char c) { return between(c, '2', '5'); }

// The code at the start of `line` when the separator or the end of the line follows; 0 otherwise.
int line_code(std::string_view line) {
  if (line.size() < 3 || !can_begin_reply(line[0]) || !between(line[1], '0', '5') ||
      !between(line[2], '0', '9')) {
    return 0;
  }
  if (line.size() > 3 && line[3] != ' ' && line[3] != '-') return 0;
  return (line[0] - '0') * 100 + (line[1] - '0') * 10 + (line[2] - '0');
}

bool is_control(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return (byte < 0x20 && c != '\t') || byte == 0x7f;
}

// Takes LF or CRLF off the end; says whether it was LF alone.
bool strip_line_end(std::string& line) {
  if (!line.ends_with('\n')) return false;
  line.pop_back();
  if (!line.ends_with('\r')) return true;
  line.pop_back();
  return false;
}

void read_enhanced_status(Reply& reply) {
  if (reply.klass() == 3) return;
  std::optional<EnhancedStatus> status = leading_enhanced_status(reply.lines.front());
  if (!status) status = leading_enhanced_status(reply.lines.back());
  if (!status) return;
  if (status->klass == reply.klass()) {
    reply.status = status;
  } else {
    reply.notes |= Note::EscMismatch;
  }
}

}  // namespace

std::vector<std::string_view> note_names(Note notes) {
  std::vector<std::string_view> names;
  for (const NoteName& row : kNoteNames) {
    if (has(notes, row.note)) names.push_back(row.name);
  }
  return names;
}

std::string Reply::text() const {
  std::string joined;
  std::optional<EnhancedStatus> shown;
  for (const std::string& line : lines) {
    std::string_view words = line;
    const std::optional<EnhancedStatus> own = leading_enhanced_status(words);
    if (own && own == shown) {
      words.remove_prefix(std::min(words.find_first_of(" \t"), words.size()));
      words.remove_prefix(std::min(words.find_first_not_of(" \t"), words.size()));
      if (words.empty()) continue;
    } else if (own) {
      shown = own;
    }
    if (&line != &lines.front()) joined += ' ';
    joined += words;
  }
  return joined;
}

std::string Reply::wire() const {
  const std::string digits = std::to_string(code);
  std::string joined;
  for (const std::string& line : lines) {
    const bool last = &line == &lines.back();
    joined += digits;
    joined += last ? ' ' : '-';
    joined += line;
    if (!last) joined += '\n';
  }
  return joined;
}

std::size_t ReplyParser::consume(std::string_view bytes) {
  std::size_t taken = 0;
  while (state_ == State::NeedMore && taken < bytes.size()) {
    const std::string_view rest = bytes.substr(taken);
    const std::size_t line_end = rest.find('\n');
    const std::size_t wanted = line_end == std::string_view::npos ? rest.size() : line_end + 1;
    const std::size_t line_room = limits_.line_bytes - line_.size();
    const std::size_t reply_room = limits_.reply_bytes - bytes_;
    const std::size_t take = std::min({wanted, line_room, reply_room});
    line_.append(rest.substr(0, take));
    bytes_ += take;
    taken += take;

    // Without this an SSH or TLS server would look like a timeout: it sends no line end, or waits.
    if (!line_.empty() && !can_begin_reply(line_[0])) {
      strip_line_end(line_);
      fail(Reason::ReplyMalformed);
    } else if (line_.ends_with('\n')) {
      end_line();
    } else if (line_.size() >= limits_.line_bytes) {
      // Not even LF would fit any more.
      fail(Reason::ReplyLineTooLong);
    }
    if (state_ == State::NeedMore && bytes_ >= limits_.reply_bytes) fail(Reason::ReplyTooLong);
  }
  return taken;
}

void ReplyParser::end_line() {
  if (line_.size() > kStandardLineBytes) reply_.notes |= Note::LongLine;
  if (strip_line_end(line_)) reply_.notes |= Note::BareLf;

  const int code = line_code(line_);
  if (code == 0) return fail(Reason::ReplyMalformed);
  if (reply_.code != 0 && code != reply_.code) return fail(Reason::ReplyMixedCodes);
  reply_.code = code;

  const bool last = line_.size() == 3 || line_[3] == ' ';
  std::string text = line_.size() > 4 ? line_.substr(4) : std::string();
  if (std::any_of(text.begin(), text.end(), is_control)) reply_.notes |= Note::ControlChars;
  if (kept_of_lines_ && text.size() > *kept_of_lines_ && !last) {
    text.resize(*kept_of_lines_);
    text.shrink_to_fit();
  }
  if (kept_of_lines_ != std::size_t{0} || last) reply_.lines.push_back(std::move(text));
  ++lines_;
  line_.clear();

  // A line that announces another one counts for that one, too: no need to wait for it.
  const std::size_t lines_at_least = lines_ + (last ? 0 : 1);
  if (lines_at_least > limits_.lines) return fail(Reason::ReplyTooLong);
  if (!last) return;
  read_enhanced_status(reply_);
  state_ = State::Complete;
}

void ReplyParser::fail(Reason reason) {
  state_ = State::Failed;
  failure_ = reason;
}

void ReplyParser::reset() {
  state_ = State::NeedMore;
  failure_ = Reason::None;
  reply_ = Reply();
  line_.clear();
  bytes_ = 0;
  lines_ = 0;
  kept_of_lines_.reset();
}

void ReplyParser::reset(ReplyLimits limits) {
  limits_ = limits;
  reset();
}

}  // namespace smtpprobe
