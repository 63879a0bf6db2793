#include "common/probe/printable.h"

#include <algorithm>

namespace smtpprobe {

namespace {

constexpr std::string_view kCut = "...";
constexpr std::size_t kLongestScheme = 8;  // "https://"
constexpr std::string_view kBrokenBar = "\xc2\xa6";
constexpr std::string_view kEncodedBar = "%7C";  // in a link, which it leaves the same (RFC 3986)
constexpr std::string_view kLinkEnds = " \t\r\n<>\"";

struct Character {
  char32_t point = 0;
  std::size_t bytes = 0;  // 0: not valid UTF-8 here
};

// The character at the start of `text` by the Unicode Standard's table 3-7: no overlong forms, no
// surrogates, nothing over U+10FFFF.
Character decode(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned first = byte(0);
  if (first < 0x80) return {first, 1};
  std::size_t bytes = 0;
  unsigned low = 0x80;  // what the second byte may be
  unsigned high = 0xbf;
  if (first >= 0xc2 && first <= 0xdf) {
    bytes = 2;
  } else if (first >= 0xe0 && first <= 0xef) {
    bytes = 3;
    if (first == 0xe0) low = 0xa0;
    if (first == 0xed) high = 0x9f;
  } else if (first >= 0xf0 && first <= 0xf4) {
    bytes = 4;
    if (first == 0xf0) low = 0x90;
    if (first == 0xf4) high = 0x8f;
  } else {
    return {};
  }
  if (text.size() < bytes || byte(1) < low || byte(1) > high) return {};
  char32_t point = first & (0x7fU >> bytes);
  for (std::size_t i = 1; i < bytes; ++i) {
    if (byte(i) < 0x80 || byte(i) > 0xbf) return {};
    point = (point << 6) | (byte(i) & 0x3fU);
  }
  return {point, bytes};
}

// Characters that would move the cursor, reorder the line or hide in it.
bool must_escape(char32_t point) {
  if (point < 0x20 || (point >= 0x7f && point <= 0x9f)) return true;
  if (point < 0xad) return false;
  return point == 0xad || point == 0x61c || point == 0x180e ||  // soft hyphen, Arabic mark, vowel
         (point >= 0x200b && point <= 0x200f) ||                // zero width, LRM, RLM
         (point >= 0x2028 && point <= 0x202e) ||                // separators, embeddings, overrides
         (point >= 0x2060 && point <= 0x206f) ||                // joiners, isolates
         point == 0xfeff || (point >= 0xfff9 && point <= 0xfffb) ||
         (point >= 0xe0000 && point <= 0xe007f);  // tags
}

void append_escaped(std::string& out, std::string_view bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  for (const char c : bytes) {
    const auto value = static_cast<unsigned char>(c);
    out += "\\x";
    out += kDigits[value >> 4];
    out += kDigits[value & 0x0f];
  }
}

// Appends what the start of `rest` becomes and returns how many bytes of it that used up.
std::size_t append_next(std::string& out, std::string_view rest, bool for_nagios, bool in_link) {
  const Character character = decode(rest);
  const std::size_t used = character.bytes == 0 ? 1 : character.bytes;
  const std::string_view raw = rest.substr(0, used);
  // A backslash in front of an 'x' would read as an escape of ours.
  const bool looks_escaped = rest.starts_with("\\x");
  if (character.bytes == 0 || must_escape(character.point) || looks_escaped) {
    append_escaped(out, raw);
  } else if (for_nagios && raw == "|") {
    out += in_link ? kEncodedBar : kBrokenBar;
  } else {
    out += raw;
  }
  return used;
}

std::string sanitise(std::string_view raw, std::size_t max_bytes, bool for_nagios) {
  std::string out;
  std::size_t keep = 0;  // how much of `out` leaves room for the mark of a cut
  bool in_link = false;
  while (!raw.empty()) {
    in_link = raw.starts_with("http://") || raw.starts_with("https://") ||
              (in_link && kLinkEnds.find(raw.front()) == std::string_view::npos);
    raw.remove_prefix(append_next(out, raw, for_nagios, in_link));
    if (out.size() > max_bytes) {
      // A scheme that begins before the cut may end after it.
      const std::size_t room = out.size();
      out += raw.substr(0, kLongestScheme);
      keep = before_link(out, keep);
      out.resize(std::min(keep, room));
      out += kCut.substr(0, max_bytes);
      return out;
    }
    if (out.size() + kCut.size() <= max_bytes) keep = out.size();
  }
  return out;
}

}  // namespace

std::string printable(std::string_view raw, std::size_t max_bytes) {
  return sanitise(raw, max_bytes, false);
}

std::string printable_for_nagios(std::string_view raw, std::size_t max_bytes) {
  return sanitise(raw, max_bytes, true);
}

std::size_t before_link(std::string_view text, std::size_t cut) {
  if (cut >= text.size()) return cut;
  const std::size_t blank =
      cut == 0 ? std::string_view::npos : text.find_last_of(kLinkEnds, cut - 1);
  const std::size_t word = blank == std::string_view::npos ? 0 : blank + 1;
  if (word >= cut || kLinkEnds.find(text[cut]) != std::string_view::npos) return cut;
  std::size_t link = std::string_view::npos;
  for (const std::string_view scheme : {"http://", "https://"})
    link = std::min(link, text.find(scheme, word));
  // A link alone: a part of it says more than nothing.
  return link == 0 ? cut : std::min(link, cut);
}

std::size_t valid_utf8_bytes(std::string_view text) {
  std::size_t valid = 0;
  while (valid < text.size()) {
    const std::size_t bytes = decode(text.substr(valid)).bytes;
    if (bytes == 0) break;
    valid += bytes;
  }
  return valid;
}

}  // namespace smtpprobe
