#include "common/smtp/reply_phrase.h"

#include <algorithm>

namespace smtpprobe {
namespace {

constexpr char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

constexpr bool is_alphanumeric(char c) {
  return (lower(c) >= 'a' && lower(c) <= 'z') || (c >= '0' && c <= '9');
}

// atext of RFC 5322 s3.2.3, and the dot.
constexpr bool is_address_byte(char c) {
  constexpr std::string_view kMarks = "!#$%&'*+-/=?^_`{|}~.";
  return is_alphanumeric(c) || static_cast<unsigned char>(c) >= 0x80 ||
         kMarks.find(c) != std::string_view::npos;
}

constexpr bool separates_words(char c) { return c == ' ' || c == '\t' || c == '-'; }

// How many bytes the link at the start of `text` has; 0 when there is none.
std::size_t link_bytes(std::string_view text) {
  constexpr std::string_view kEnds = " \t<>\"";
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (text.starts_with(scheme)) return std::min(text.find_first_of(kEnds), text.size());
  }
  return 0;
}

// How many bytes the host name that begins at `at` has, "mx.example.net"; 0 when there is none.
std::size_t host_name_bytes(std::string_view text, std::size_t at) {
  if (at > 0 && is_alphanumeric(text[at - 1])) return 0;
  std::size_t end = at;
  bool dot = false;
  for (; end < text.size() && (is_alphanumeric(text[end]) || text[end] == '-'); ++end) {
    const bool inner =
        end + 2 < text.size() && text[end + 1] == '.' && is_alphanumeric(text[end + 2]);
    if (!inner) continue;
    dot = true;
    ++end;
  }
  return dot ? end - at : 0;
}

bool at_edge(std::string_view words, std::size_t at) {
  return at == 0 || at >= words.size() || !is_alphanumeric(words[at - 1]) ||
         !is_alphanumeric(words[at]);
}

constexpr std::string_view kGap = " * ";

// The rest of a phrase, of which the first part begins within the first `room` bytes of `words`.
bool has_parts(std::string_view words, std::string_view phrase, std::size_t room) {
  const std::size_t gap = phrase.find(kGap);
  std::string_view part = phrase.substr(0, gap);
  const bool last = gap == std::string_view::npos;
  const bool open = last && part.ends_with('*');
  if (open) part.remove_suffix(1);
  for (std::size_t at = words.find(part); at != std::string_view::npos && at <= room;
       at = words.find(part, at + 1)) {
    const std::size_t end = at + part.size();
    if (!at_edge(words, at) || (!open && !at_edge(words, end))) continue;
    if (last || has_parts(words.substr(end), phrase.substr(gap + kGap.size()), kPhraseGap))
      return true;
  }
  return false;
}

}  // namespace

std::string without_addresses(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '@') {
      out += text[i];
      continue;
    }
    while (!out.empty() && is_address_byte(out.back())) out.pop_back();
    while (i + 1 < text.size() && is_address_byte(text[i + 1])) ++i;
  }
  return out;
}

std::string words_of(const Reply& reply) {
  const std::string text = without_addresses(reply.text());
  std::string words;
  for (std::size_t i = 0; i < text.size(); ++i) {
    i += link_bytes(std::string_view(text).substr(i));
    i += host_name_bytes(text, i);
    if (i >= text.size()) break;
    if (!separates_words(text[i])) {
      words += lower(text[i]);
    } else if (!words.empty() && words.back() != ' ') {
      words += ' ';
    }
  }
  return words;
}

bool has_phrase(std::string_view words, std::string_view phrase) {
  return has_parts(words, phrase, words.size());
}

}  // namespace smtpprobe
