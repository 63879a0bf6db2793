#include "tests/fake_server/transcript.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <iterator>
#include <optional>

namespace smtpprobe {
namespace {

using Kind = TranscriptEvent::Kind;

constexpr std::size_t kMaxRepeats = 4'000'000;
constexpr std::size_t kMaxPauseMs = 600'000;

std::optional<std::size_t> number(std::string_view digits) {
  std::size_t value = 0;
  const auto [end, problem] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (problem != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return value;
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// One escape at text[at], which is behind the backslash; moves `at` behind it.
std::optional<char> unescape_one(std::string_view text, std::size_t& at) {
  if (at >= text.size()) return std::nullopt;
  const char c = text[at++];
  switch (c) {
    case 'r':
      return '\r';
    case 'n':
      return '\n';
    case 't':
      return '\t';
    case '0':
      return '\0';
    case '\\':
    case '"':
    case '*':
      return c;
    case 'x': {
      if (at + 2 > text.size()) return std::nullopt;
      const int high = hex_digit(text[at]);
      const int low = hex_digit(text[at + 1]);
      if (high < 0 || low < 0) return std::nullopt;
      at += 2;
      return static_cast<char>(high * 16 + low);
    }
    default:
      return std::nullopt;
  }
}

Result<std::string> unescape(std::string_view text) {
  std::string bytes;
  for (std::size_t at = 0; at < text.size();) {
    if (text[at] != '\\') {
      bytes += text[at++];
      continue;
    }
    const std::size_t start = at++;
    const std::optional<char> c = unescape_one(text, at);
    if (!c) {
      return error(fmt::format("bad escape at '{}', wanted \\r \\n \\t \\0 \\xHH \\\\ \\\" or \\*",
                               text.substr(start, 4)));
    }
    bytes += *c;
  }
  return bytes;
}

bool take_prefix(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

// "S: text" and "C: text" have one blank behind the colon, which "S:" alone may lack.
std::string_view without_blank(std::string_view text) {
  take_prefix(text, " ");
  return text;
}

// key=value key="quoted value" ..., values with C escapes when they are quoted.
Result<Transcript::Settings> parse_settings(std::string_view text) {
  Transcript::Settings settings;
  std::size_t at = 0;
  while (true) {
    while (at < text.size() && text[at] == ' ') ++at;
    if (at == text.size()) return settings;
    const std::size_t equals = text.find_first_of("= ", at);
    if (equals == std::string_view::npos || text[equals] == ' ' || equals == at) {
      return error(fmt::format("'{}' is no setting, wanted key=value", text.substr(at)));
    }
    std::string key(text.substr(at, equals - at));
    std::string value;
    at = equals + 1;
    if (at < text.size() && text[at] == '"') {
      std::size_t close = at + 1;
      while (close < text.size() && text[close] != '"') close += text[close] == '\\' ? 2U : 1U;
      if (close >= text.size()) return error(fmt::format("the quote behind '{}=' never ends", key));
      Result<std::string> bytes = unescape(text.substr(at + 1, close - at - 1));
      if (!bytes) return Unexpected(bytes.error());
      value = std::move(*bytes);
      at = close + 1;
      if (at < text.size() && text[at] != ' ') return error("a blank is wanted behind a quote");
    } else {
      const std::size_t end = std::min(text.find(' ', at), text.size());
      value = text.substr(at, end - at);
      at = end;
    }
    settings.emplace_back(std::move(key), std::move(value));
  }
}

Result<TranscriptEvent> parse_expect(std::string_view text) {
  TranscriptEvent event;
  event.kind = Kind::Expect;
  if (text == "<message>") {
    event.kind = Kind::ExpectMessage;
    return event;
  }
  // A last star that is not escaped stands for the rest; "\*" is a star.
  if (text.ends_with('*') && !text.ends_with("\\*")) {
    event.open_end = true;
    text.remove_suffix(1);
  }
  Result<std::string> bytes = unescape(text);
  if (!bytes) return Unexpected(bytes.error());
  event.text = std::move(*bytes);
  return event;
}

Result<TranscriptEvent> parse_say(std::string_view text) {
  TranscriptEvent event;
  if (take_prefix(text, "S:")) {
    event.text = std::string(without_blank(text)) + "\r\n";
    return event;
  }
  if (take_prefix(text, "raw>")) {
    event.kind = Kind::RawSay;
  } else if (!take_prefix(text, "S>")) {
    return error(fmt::format("'{}' is nothing the server says, wanted S:, S> or raw>", text));
  }
  Result<std::string> bytes = unescape(without_blank(text));
  if (!bytes) return Unexpected(bytes.error());
  event.text = std::move(*bytes);
  return event;
}

Result<std::chrono::milliseconds> parse_pause(std::string_view text) {
  std::string_view digits = text;
  std::size_t factor = 1;
  if (digits.ends_with("ms")) {
    digits.remove_suffix(2);
  } else if (digits.ends_with("s")) {
    digits.remove_suffix(1);
    factor = 1000;
  } else {
    digits = {};
  }
  const std::optional<std::size_t> value = number(digits);
  if (!value || *value == 0 || *value > kMaxPauseMs / factor) {
    return error(fmt::format("'{}' is no pause, wanted 1ms to 600s", text));
  }
  return std::chrono::milliseconds(*value * factor);
}

Result<TranscriptEvent> parse_tls_fail(std::string_view text) {
  TranscriptEvent event;
  if (take_prefix(text, "alert")) {
    const std::optional<std::size_t> alert = text.empty() ? 40 : number(without_blank(text));
    if (!alert || *alert > 255) return error("TLS-FAIL alert takes a number up to 255");
    event.kind = Kind::TlsFailAlert;
    event.count = *alert;
  } else if (text == "garbage") {
    event.kind = Kind::TlsFailGarbage;
  } else if (text == "hang") {
    event.kind = Kind::TlsFailHang;
  } else if (text == "close") {
    event.kind = Kind::TlsFailClose;
  } else {
    return error(fmt::format("TLS-FAIL '{}', wanted alert [N], garbage, hang or close", text));
  }
  return event;
}

// "drip 10ms: S: text" and "repeat 3: S: text" modify what the server says.
Result<TranscriptEvent> parse_modified(std::string_view text) {
  const bool drip = take_prefix(text, "drip ");
  if (!drip) take_prefix(text, "repeat ");
  const std::size_t colon = text.find(": ");
  if (colon == std::string_view::npos) return error("wanted ': ' and an S:, S> or raw> behind it");
  Result<TranscriptEvent> event = parse_say(text.substr(colon + 2));
  if (!event) return event;
  if (drip) {
    const Result<std::chrono::milliseconds> pause = parse_pause(text.substr(0, colon));
    if (!pause) return Unexpected(pause.error());
    event->pause = *pause;
    return event;
  }
  const std::optional<std::size_t> count = number(text.substr(0, colon));
  if (!count || *count == 0 || *count > kMaxRepeats) {
    return error(fmt::format("repeat '{}', wanted 1 to {}", text.substr(0, colon), kMaxRepeats));
  }
  event->count = *count;
  return event;
}

Result<TranscriptEvent> parse_event(std::string_view text) {
  TranscriptEvent event;
  if (text.starts_with("S:") || text.starts_with("S>") || text.starts_with("raw>")) {
    return parse_say(text);
  }
  if (take_prefix(text, "C:")) return parse_expect(without_blank(text));
  if (text.starts_with("drip ") || text.starts_with("repeat ")) return parse_modified(text);
  if (take_prefix(text, "TLS-FAIL ")) return parse_tls_fail(text);
  if (take_prefix(text, "wait ")) {
    const Result<std::chrono::milliseconds> pause = parse_pause(text);
    if (!pause) return Unexpected(pause.error());
    event.kind = Kind::Wait;
    event.pause = *pause;
    return event;
  }
  if (take_prefix(text, "read ")) {
    const std::optional<std::size_t> count = number(text);
    if (!count || *count == 0 || *count > 65536) return error("read takes 1 to 65536 bytes");
    event.kind = Kind::ReadBytes;
    event.count = *count;
    return event;
  }
  constexpr std::pair<std::string_view, Kind> kWords[] = {{"TLS", Kind::Tls},
                                                          {"silence", Kind::Silence},
                                                          {"close", Kind::Close},
                                                          {"cut", Kind::Cut},
                                                          {"reset", Kind::Reset}};
  for (const auto& [word, kind] : kWords) {
    if (text == word) {
      event.kind = kind;
      return event;
    }
  }
  return error(
      fmt::format("'{}' is no event, wanted S:, S>, raw>, C:, read, TLS, TLS-FAIL, wait, drip, "
                  "repeat, silence, close, cut or reset",
                  escaped(text)));
}

bool ends_connection(Kind kind) {
  return kind == Kind::Silence || kind == Kind::Close || kind == Kind::Cut || kind == Kind::Reset ||
         kind == Kind::TlsFailAlert || kind == Kind::TlsFailGarbage || kind == Kind::TlsFailHang ||
         kind == Kind::TlsFailClose;
}

Result<void> add_line(Transcript& transcript, std::string_view line, int line_number) {
  if (line.empty() || line.starts_with('#')) return {};
  const bool plan = take_prefix(line, "plan:");
  if (plan || take_prefix(line, "outcome:")) {
    if (!transcript.events.empty()) return error("plan: and outcome: stand before the dialogue");
    Result<Transcript::Settings> settings = parse_settings(line);
    if (!settings) return Unexpected(settings.error());
    Transcript::Settings& all = plan ? transcript.plan : transcript.outcome;
    std::move(settings->begin(), settings->end(), std::back_inserter(all));
    return {};
  }
  if (!transcript.events.empty() && ends_connection(transcript.events.back().kind)) {
    return error("nothing can follow the end of the connection");
  }
  Result<TranscriptEvent> event = parse_event(line);
  if (!event) return Unexpected(event.error());
  event->line = line_number;
  transcript.events.push_back(std::move(*event));
  return {};
}

}  // namespace

Result<Transcript> parse_transcript(std::string_view text, const std::string& name) {
  Transcript transcript;
  transcript.name = name;
  int line_number = 0;
  while (!text.empty()) {
    ++line_number;
    const std::size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    const Result<void> added = line.ends_with('\r') ? error("the line ends in CR LF, wanted LF")
                                                    : add_line(transcript, line, line_number);
    if (!added) return error(fmt::format("{}:{}: {}", name, line_number, added.error().text));
  }
  if (transcript.events.empty()) return error(fmt::format("{}: there is no dialogue in it", name));
  return transcript;
}

Result<Transcript> read_transcript(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return error(fmt::format("{}: cannot be read, wanted a transcript", path));
  const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  Result<Transcript> transcript = parse_transcript(text, path);
  if (!transcript) return transcript;
  std::string name = path.substr(path.rfind('/') + 1);
  if (name.ends_with(".txt")) name.resize(name.size() - 4);
  transcript->name = std::move(name);
  return transcript;
}

bool matches(const TranscriptEvent& expect, std::string_view line) {
  return expect.open_end ? line.starts_with(expect.text) : line == expect.text;
}

std::size_t end_of_message(std::string_view text) {
  constexpr std::string_view kEnd = "\r\n.\r\n";
  if (text.starts_with(kEnd.substr(2))) return kEnd.size() - 2;
  const std::size_t at = text.find(kEnd);
  return at == std::string_view::npos ? at : at + kEnd.size();
}

std::string escaped(std::string_view bytes) {
  std::string text;
  for (const char c : bytes) {
    if (c == '\r') {
      text += "\\r";
    } else if (c == '\n') {
      text += "\\n";
    } else if (c == '\\') {
      text += "\\\\";
    } else if (c < ' ' || c > '~') {
      text += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    } else {
      text += c;
    }
  }
  return text;
}

}  // namespace smtpprobe
