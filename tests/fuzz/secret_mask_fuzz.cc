// The mask of secrets. The first chunk is a secret, the second is sent as base64; an odd byte says
// that the text breaks off, and the rest is what a server says. A byte 0xfe in it stands for a
// piece of the secret, whose place and form the byte after it gives.
#include <algorithm>
#include <iterator>
#include <set>
#include <vector>

#include "common/smtp/base64.h"
#include "common/smtp/secret_mask.h"
#include "tests/fuzz/fuzz.h"

namespace smtpprobe::fuzz {
namespace {

constexpr std::size_t kRun = SecretMask::kMaskedRun;

std::string without(std::string_view text, std::string_view unwanted) {
  std::string result;
  for (const char c : text) {
    if (unwanted.find(c) == std::string_view::npos) result += c;
  }
  return result;
}

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  return result;
}

// `how` says what stands between the bytes.
std::string hex(std::string_view text, unsigned how) {
  constexpr const char* kBetween[] = {"", ":", "><", "\", \"", "%", " 0x", " \\x", " U+00"};
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string result;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (!result.empty()) result += kBetween[(how >> 4U) % std::size(kBetween)];
    result += kDigits[byte >> 4U];
    result += kDigits[byte & 15U];
  }
  return result;
}

std::string piece(const std::vector<std::string>& forms, unsigned how) {
  const std::string& form = forms[how % forms.size()];
  std::string text = form.substr(std::min<std::size_t>(form.size(), how / 16));
  if ((how & 4U) != 0) text.resize(text.size() - text.size() / 3);
  if ((how & 8U) != 0) text = hex(text, how);
  return text;
}

std::string server_text(std::string_view rest, const std::vector<std::string>& forms) {
  std::string text;
  for (std::size_t i = 0; i < rest.size(); ++i) {
    if (rest[i] != '\xfe' || i + 1 == rest.size()) {
      text += rest[i];
    } else {
      text += piece(forms, static_cast<unsigned char>(rest[++i]));
    }
  }
  return text;
}

std::set<std::string> runs_of(const std::string& text, std::size_t size) {
  std::set<std::string> runs;
  for (std::size_t i = 0; i + size <= text.size(); ++i) runs.insert(text.substr(i, size));
  return runs;
}

// The bytes that runs of hexadecimal digits stand for, in lower case.
std::set<std::string> hex_runs_of(const std::string& text) {
  const auto value = [](char c) { return c >= '0' && c <= '9' ? c - '0' : c - 'a' + 10; };
  std::set<std::string> runs;
  for (const std::string& run : runs_of(text, 2 * kRun)) {
    if (run.find_first_not_of("0123456789abcdef") != std::string::npos) continue;
    std::string bytes;
    for (std::size_t i = 0; i < run.size(); i += 2)
      bytes += static_cast<char>(value(run[i]) * 16 + value(run[i + 1]));
    runs.insert(lower(bytes));
  }
  return runs;
}

// Letters, digits, and one '.' for each mask.
std::string without_separators(std::string_view text) {
  std::string result;
  for (const char c : text) {
    if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z')) {
      result += c;
    } else if (c == '*' && !result.ends_with('.')) {
      result += '.';
    }
  }
  return result;
}

bool holds_one_of(const std::set<std::string>& runs, const std::vector<std::string>& forms) {
  for (const std::string& form : forms) {
    const std::string small = lower(form);
    for (std::size_t i = 0; i + kRun <= small.size(); ++i) {
      if (runs.count(small.substr(i, kRun)) > 0) return true;
    }
  }
  return false;
}

bool holds_a_run(std::string_view text, const std::vector<std::string>& forms) {
  const std::string plain = lower(without(text, "\r\n"));
  return holds_one_of(runs_of(plain, kRun), forms) || holds_one_of(hex_runs_of(plain), forms) ||
         holds_one_of(hex_runs_of(without_separators(plain)), forms);
}

// Nothing but the masks differs.
void check_rest(std::string_view text, std::string_view shown) {
  std::size_t at = 0;
  while (!shown.empty()) {
    const std::size_t end = std::min(shown.find("****"), shown.size());
    const std::size_t found = text.find(shown.substr(0, end), at);
    SMTPPROBE_HOLDS(found != std::string_view::npos, shown);
    at = found + end;
    shown.remove_prefix(std::min(end + 4, shown.size()));
  }
}

void check_lines(const SecretMask& mask, const std::vector<std::string>& forms,
                 const std::string& text, bool breaks_off) {
  std::vector<std::string> lines;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    lines.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  const std::size_t count = lines.size();
  breaks_off ? mask.mask_unfinished_lines(lines) : mask.mask_lines(lines);
  SMTPPROBE_HOLDS(lines.size() == count, text);
  std::string all;
  for (const std::string& line : lines) all += line;
  SMTPPROBE_HOLDS(!holds_a_run(all, forms), all);
}

void check(std::string_view input) {
  // A star in a secret would be found again in the masks.
  const std::string secret = without(take_chunk(input), "\r\n*");
  const std::string sent = base64_encode(without(take_chunk(input), "\r\n"));
  const bool breaks_off = take_byte(input) % 2 == 1;
  SecretMask mask;
  mask.add_secret(secret);
  mask.add_sent(sent);
  std::vector<std::string> forms = {sent};
  if (secret.size() >= SecretMask::kShortestSecret) {
    forms.push_back(secret);
    forms.push_back(base64_encode(secret));
  }
  const std::string text = without(server_text(input, forms), "*");
  const std::string shown = breaks_off ? mask.masked_unfinished(text) : mask.masked(text);
  SMTPPROBE_HOLDS(!holds_a_run(shown, forms), shown);
  SMTPPROBE_HOLDS(shown.find(secret) == std::string::npos || secret.size() < 3, shown);
  check_rest(text, shown);
  check_lines(mask, forms, text, breaks_off);
  // What has nothing to hide stays.
  SecretMask none;
  SMTPPROBE_HOLDS(none.masked(text) == text, text);
}

}  // namespace
}  // namespace smtpprobe::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  smtpprobe::fuzz::check(smtpprobe::fuzz::bytes_of(data, size));
  return 0;
}
