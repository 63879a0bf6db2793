#include "common/smtp/extensions.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace smtpprobe {
namespace {

constexpr std::array<std::string_view, 22> kKnown = {
    "8BITMIME",    "AUTH",          "BINARYMIME", "BURL",
    "CHUNKING",    "DELIVERBY",     "DSN",        "ENHANCEDSTATUSCODES",
    "ETRN",        "FUTURERELEASE", "HELP",       "LIMITS",
    "MT-PRIORITY", "PIPELINING",    "PRDR",       "REQUIRETLS",
    "SIZE",        "SMTPUTF8",      "STARTTLS",   "VRFY",
    "XCLIENT",     "XFORWARD",
};
static_assert(std::is_sorted(kKnown.begin(), kKnown.end()));

constexpr bool is_blank(char c) { return c == ' ' || c == '\t'; }

// ASCII alone: a keyword must not depend on the locale.
constexpr char upper(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; }

constexpr bool is_letter_or_digit(char c) {
  return (c >= '0' && c <= '9') || (upper(c) >= 'A' && upper(c) <= 'Z');
}

std::string upper(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(), [](char c) { return upper(c); });
  return result;
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

// Takes the next word off the front; empty when there is none.
std::string_view take_word(std::string_view& text) {
  text = trim(text);
  const auto end = std::find_if(text.begin(), text.end(), is_blank);
  const std::string_view word = text.substr(0, static_cast<std::size_t>(end - text.begin()));
  text.remove_prefix(word.size());
  return word;
}

std::optional<Extension> parse_line(std::string_view line) {
  std::size_t length = 0;
  while (length < line.size() &&
         (is_letter_or_digit(line[length]) || (length > 0 && line[length] == '-'))) {
    ++length;
  }
  if (length == 0) return std::nullopt;
  Extension extension{upper(line.substr(0, length)), {}};
  if (length < line.size()) {
    const bool old_auth = extension.keyword == "AUTH" && line[length] == '=';
    if (line[length] != ' ' && !old_auth) return std::nullopt;
    extension.parameter = trim(line.substr(length + 1));
  }
  return extension;
}

const Extension* find(const std::vector<Extension>& all, std::string_view keyword) {
  const auto found = std::find_if(all.begin(), all.end(), [keyword](const Extension& one) {
    return std::equal(one.keyword.begin(), one.keyword.end(), keyword.begin(), keyword.end(),
                      [](char a, char b) { return a == upper(b); });
  });
  return found == all.end() ? nullptr : &*found;
}

}  // namespace

Extensions::Extensions(const Reply& ehlo) {
  for (std::size_t i = 1; i < ehlo.lines.size(); ++i) {
    std::optional<Extension> extension = parse_line(ehlo.lines[i]);
    if (!extension) continue;
    const auto known = std::find_if(all_.begin(), all_.end(), [&](const Extension& one) {
      return one.keyword == extension->keyword;
    });
    if (known == all_.end()) {
      if (all_.size() == kMaxExtensions) continue;
      extension->parameter.resize(
          std::min(extension->parameter.size(), kMaxExtensionParameterBytes));
      all_.push_back(std::move(*extension));
      continue;
    }
    std::string& parameter = known->parameter;
    if (!parameter.empty() && !extension->parameter.empty()) parameter += ' ';
    parameter += extension->parameter;
    parameter.resize(std::min(parameter.size(), kMaxExtensionParameterBytes));
  }
}

bool Extensions::offers(std::string_view keyword) const { return find(all_, keyword) != nullptr; }

bool Extensions::answers_ehlo() const {
  const auto known = std::count_if(all_.begin(), all_.end(), [](const Extension& one) {
    return one.keyword != "HELP" && std::binary_search(kKnown.begin(), kKnown.end(), one.keyword);
  });
  return known >= 2;
}

std::vector<std::string> Extensions::auth_mechanisms() const {
  std::vector<std::string> mechanisms;
  const Extension* auth = find(all_, "AUTH");
  if (auth == nullptr) return mechanisms;
  std::string_view rest = auth->parameter;
  for (std::string_view word = take_word(rest); !word.empty(); word = take_word(rest)) {
    std::string name = upper(word);
    if (std::find(mechanisms.begin(), mechanisms.end(), name) == mechanisms.end()) {
      mechanisms.push_back(std::move(name));
    }
  }
  return mechanisms;
}

std::optional<std::uint64_t> Extensions::size_limit() const {
  const Extension* size = find(all_, "SIZE");
  if (size == nullptr) return std::nullopt;
  std::string_view rest = size->parameter;
  const std::string_view word = take_word(rest);
  std::uint64_t limit = 0;
  const char* const end = word.data() + word.size();
  const auto [stopped, failure] = std::from_chars(word.data(), end, limit);
  if (failure != std::errc() || stopped != end) return std::nullopt;
  return limit;
}

std::size_t Extensions::bytes() const {
  std::size_t sum = 0;
  for (const Extension& one : all_) sum += sizeof one + one.keyword.size() + one.parameter.size();
  return sum;
}

void Extensions::shorten() {
  constexpr std::size_t kLongestKeyword = 64;
  std::erase_if(all_, [](const Extension& one) { return one.keyword.size() > kLongestKeyword; });
  for (Extension& one : all_) {
    if (one.keyword != "AUTH" && one.keyword != "SIZE") one.parameter = std::string();
  }
  all_.shrink_to_fit();
}

std::span<const std::string_view> known_extensions() { return kKnown; }

}  // namespace smtpprobe
