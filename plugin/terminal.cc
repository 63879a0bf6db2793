#include "plugin/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdlib>
#include <string_view>

namespace smtpprobe {
namespace {

// Set and not empty.
std::string_view variable(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? std::string_view() : value;
}

bool is_terminal() { return ::isatty(STDOUT_FILENO) == 1; }

}  // namespace

bool wants_colour() { return is_terminal() && variable("NO_COLOR").empty(); }

bool can_move_cursor() {
  const std::string_view terminal = variable("TERM");
  return is_terminal() && !terminal.empty() && terminal != "dumb";
}

Window window_of_stdout() {
  Window window;
  winsize size = {};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0) return window;
  if (size.ws_col != 0) window.columns = size.ws_col;
  if (size.ws_row != 0) window.rows = size.ws_row;
  return window;
}

}  // namespace smtpprobe
