#include "common/probe/wrapped_text.h"

namespace smtpprobe {
namespace {

constexpr std::size_t kColumns = 80;

}  // namespace

std::string wrapped(std::string_view text, std::size_t indent) {
  std::string out;
  std::size_t column = 0;
  while (!text.empty()) {
    const std::size_t blank = text.find(' ');
    const std::string_view word = text.substr(0, blank);
    text.remove_prefix(blank == std::string_view::npos ? text.size() : blank + 1);
    if (column != 0 && column + 1 + word.size() > kColumns) {
      out += '\n';
      column = 0;
    }
    const std::size_t margin = column == 0 ? indent : 1;
    out.append(margin, ' ').append(word);
    column += margin + word.size();
  }
  return out += '\n';
}

}  // namespace smtpprobe
