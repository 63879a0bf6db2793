// The sanitiser. Two bytes are the bound, the rest is what a server said. Escapes can be taken
// back, so nothing is lost or forged; what needs none stays as it is.
#include <optional>

#include "common/probe/printable.h"
#include "exporter/html.h"
#include "tests/fuzz/fuzz.h"

namespace smtpprobe::fuzz {
namespace {

std::optional<unsigned> digit(char c) {
  if (c >= '0' && c <= '9') return static_cast<unsigned>(c - '0');
  if (c >= 'a' && c <= 'f') return static_cast<unsigned>(c - 'a' + 10);
  return std::nullopt;
}

// The bytes that `shown` stands for; every "\x" in it must be an escape.
std::string unescaped(std::string_view shown) {
  std::string raw;
  for (std::size_t i = 0; i < shown.size(); ++i) {
    if (shown.substr(i, 2) != "\\x") {
      raw += shown[i];
      continue;
    }
    SMTPPROBE_HOLDS(i + 3 < shown.size(), shown);
    const std::optional<unsigned> high = digit(shown[i + 2]);
    const std::optional<unsigned> low = digit(shown[i + 3]);
    SMTPPROBE_HOLDS(high && low, shown);
    raw += static_cast<char>(*high * 16 + *low);
    i += 3;
  }
  return raw;
}

void check_clean(const std::string& shown, std::size_t max_bytes) {
  SMTPPROBE_HOLDS(shown.size() <= max_bytes, shown);
  SMTPPROBE_HOLDS(is_plain(shown, false) && is_clean_utf8(shown), shown);
}

void check(std::string_view input) {
  const std::size_t max_bytes = take_byte(input) + 8UL * take_byte(input);
  const std::size_t enough = 4 * input.size() + 3;

  const std::string cut = printable(input, max_bytes);
  const std::string whole = printable(input, enough);
  check_clean(cut, max_bytes);
  check_clean(whole, enough);
  SMTPPROBE_HOLDS(unescaped(whole) == input, whole);
  const bool escapes = whole.find("\\x") != std::string::npos;
  SMTPPROBE_HOLDS(escapes || printable(whole, enough) == whole, whole);
  if (whole.size() <= max_bytes) {
    SMTPPROBE_HOLDS(cut == whole, cut);
  } else if (max_bytes >= 3) {
    SMTPPROBE_HOLDS(cut.ends_with("..."), cut);
    SMTPPROBE_HOLDS(whole.starts_with(std::string_view(cut).substr(0, cut.size() - 3)), cut);
    if (whole.find("...") == std::string::npos) unescaped(cut);  // no escape is cut in two
  }

  const std::string nagios = printable_for_nagios(input, max_bytes);
  check_clean(nagios, max_bytes);
  SMTPPROBE_HOLDS(nagios.find('|') == std::string::npos, nagios);
  if (input.find('|') == std::string_view::npos) SMTPPROBE_HOLDS(nagios == cut, nagios);

  const std::string html = escaped(input, max_bytes);
  SMTPPROBE_HOLDS(html.find_first_of("<>\"'") == std::string::npos, html);
  SMTPPROBE_HOLDS(is_plain(html, false) && is_clean_utf8(html), html);
}

}  // namespace
}  // namespace smtpprobe::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  smtpprobe::fuzz::check(smtpprobe::fuzz::bytes_of(data, size));
  return 0;
}
