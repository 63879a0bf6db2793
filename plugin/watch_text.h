// What --watch prints, as text: pure. Law: a frame is never wider or higher than the window that it
// is made for, and redraws in place with cursor movements alone.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/smtp/reply_code.h"
#include "plugin/options.h"
#include "plugin/watch_statistics.h"

namespace smtpprobe {

// "12:00:01 SMTP OK - 0.042 sec. response time, 250 at rcpt": one probe. `first_line` is the one of
// the check; one that does not tell the state (dialect check_smtp) gets it in front.
std::string watch_line(std::string_view time_of_day, State state, std::string_view first_line);

// "mx.example.net:25: 42 probes, 40 OK, 2 CRITICAL"
std::string watch_summary(const Options& options, const WatchStatistics& statistics);

// The heading and a line for each step, in milliseconds; at most 80 columns.
std::vector<std::string> watch_table(const WatchStatistics& statistics);

// Below the lines of the probes, when all is over. `last_failure`: the line of the last probe that
// was not OK; empty: there was none.
std::string watch_end(const Options& options, const WatchStatistics& statistics,
                      std::string_view last_failure);

struct Window {
  std::size_t columns = 80;
  std::size_t rows = 24;
};

// What a frame says of single probes, as watch_line() makes it.
struct WatchLines {
  std::string_view last;
  std::string_view last_failure;  // empty: there was none
  std::string_view colour;        // of the last one
};

struct Frame {
  std::string text;       // with the movements
  std::size_t lines = 0;  // that it has drawn
};

// Summary, lines and table, over the `drawn` lines of the frame before. Without a window it is the
// last one: nothing is cut.
Frame watch_frame(const Options& options, const WatchStatistics& statistics,
                  const WatchLines& lines, const std::optional<Window>& window, std::size_t drawn);

}  // namespace smtpprobe
