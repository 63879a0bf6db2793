#include "exporter/html.h"

namespace smtpprobe {

std::string escaped_lines(std::string_view text) {
  std::string out;
  out.reserve(text.size() + text.size() / 8);
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string escaped(std::string_view raw, std::size_t max_bytes) {
  return escaped_lines(printable(raw, max_bytes));
}

}  // namespace smtpprobe
