#include "plugin/watch_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "common/probe/printable.h"
#include "common/probe/time_text.h"
#include "plugin/headline.h"

namespace smtpprobe {
namespace {

constexpr std::size_t kTargetBytes = 300;
constexpr std::array kStates = {State::Ok, State::Warning, State::Critical, State::Unknown};
constexpr std::string_view kEraseToEndOfLine = "\x1b[K";
constexpr std::string_view kEraseBelow = "\x1b[J";
constexpr std::string_view kPlain = "\x1b[0m";

std::string milliseconds_text(const std::optional<Duration>& duration) {
  // A thousand of it, so that the seconds are milliseconds.
  return duration ? fixed_seconds(*duration * 1000, 3) : "-";
}

std::string failure_line(std::string_view line) { return fmt::format("last failure: {}", line); }

bool tells_state(std::string_view first_line, State state) {
  if (first_line.starts_with("SMTP ")) first_line.remove_prefix(5);
  return first_line.starts_with(state_name(state));
}

}  // namespace

std::string watch_line(std::string_view time_of_day, State state, std::string_view first_line) {
  return fmt::format("{} {}{}{}", time_of_day,
                     tells_state(first_line, state) ? "" : state_name(state),
                     tells_state(first_line, state) ? "" : " - ", first_line);
}

std::string watch_summary(const Options& options, const WatchStatistics& statistics) {
  std::string text = fmt::format(
      "{}: {} probe{}", printable(options.plan.target.text(options.plan.port), kTargetBytes),
      statistics.probes(), statistics.probes() == 1 ? "" : "s");
  for (const State state : kStates) {
    if (statistics.in_state(state) == 0) continue;
    text += fmt::format(", {} {}", statistics.in_state(state), state_name(state));
  }
  return text;
}

std::vector<std::string> watch_table(const WatchStatistics& statistics) {
  std::vector<std::string> lines;
  lines.push_back(fmt::format("{:<8}{:>11}{:>11}{:>11}{:>11}{:>11}{:>8}", "ms", "last", "min",
                              "median", "p95", "max", "loss"));
  for (const WatchRow& row : statistics.rows()) {
    lines.push_back(fmt::format("{:<8}{:>11}{:>11}{:>11}{:>11}{:>11}{:>7.1f}%", row.name,
                                milliseconds_text(row.last), milliseconds_text(row.min),
                                milliseconds_text(row.median), milliseconds_text(row.p95),
                                milliseconds_text(row.max), row.loss));
  }
  return lines;
}

std::string watch_end(const Options& options, const WatchStatistics& statistics,
                      std::string_view last_failure) {
  std::string text = "\n--- " + watch_summary(options, statistics) + '\n';
  if (statistics.probes() == 0) return text;
  for (const std::string& line : watch_table(statistics)) text += line + '\n';
  if (!last_failure.empty()) text += failure_line(last_failure) + '\n';
  return text;
}

Frame watch_frame(const Options& options, const WatchStatistics& statistics, const WatchLines& said,
                  const std::optional<Window>& window, std::size_t drawn) {
  std::vector<std::string> lines = {watch_summary(options, statistics), std::string(said.last)};
  if (!said.last_failure.empty()) lines.push_back(failure_line(said.last_failure));
  for (std::string& row : watch_table(statistics)) lines.push_back(std::move(row));
  // The last line is the cursor's, and so is the last column: a full one wraps on some terminals.
  if (window) {
    lines.resize(std::min(lines.size(), std::max<std::size_t>(window->rows, 2) - 1));
    const std::size_t room = std::max<std::size_t>(window->columns, 2) - 1;
    for (std::string& line : lines) line = cut_sanitised(line, room);
  }
  Frame frame;
  frame.lines = lines.size();
  frame.text = '\r';
  if (drawn > 0) frame.text += fmt::format("\x1b[{}A", drawn);
  if (!window) frame.text += kEraseBelow;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const bool coloured = i == 1 && !said.colour.empty();
    if (coloured) frame.text += said.colour;
    frame.text += lines[i];
    if (coloured) frame.text += kPlain;
    if (window) frame.text += kEraseToEndOfLine;
    frame.text += '\n';
  }
  if (window) frame.text += kEraseBelow;
  return frame;
}

}  // namespace smtpprobe
