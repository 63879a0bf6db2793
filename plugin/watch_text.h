// What --watch prints, as text: pure. Law: a frame is never wider or higher than the window that it
// is made for, and redraws in place with cursor movements alone.
#pragma once

#include <cstddef>
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

// Below the lines of the probes, when all is over.
std::string watch_end(const Options& options, const WatchStatistics& statistics);

struct Window {
  std::size_t columns = 80;
  std::size_t rows = 24;
};

struct Frame {
  std::string text;       // with the movements
  std::size_t lines = 0;  // that it has drawn
};

// Summary, the last probe's `line` and the table, over the `drawn` lines of the frame before.
Frame watch_frame(const Options& options, const WatchStatistics& statistics, std::string_view line,
                  std::string_view colour, const Window& window, std::size_t drawn);

}  // namespace smtpprobe
