#include "common/smtp/quoted_value.h"

namespace smtpprobe {
namespace {

constexpr std::size_t kMaxShown = 60;

}  // namespace

std::string quoted_value(std::string_view value) {
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string text = "'";
  for (const char c : value.substr(0, kMaxShown)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7f) {
      text += c;
    } else {
      text += "\\x";
      text += kHex[byte >> 4U];
      text += kHex[byte & 0xfU];
    }
  }
  text += value.size() > kMaxShown ? "...'" : "'";
  return text;
}

}  // namespace smtpprobe
