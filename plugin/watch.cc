#include "plugin/watch.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <ctime>
#include <limits>
#include <optional>

#include "common/net/probe_once.h"
#include "common/net/write_all.h"
#include "plugin/exit_code.h"
#include "plugin/terminal.h"
#include "plugin/verbose.h"
#include "plugin/watch_statistics.h"
#include "plugin/watch_text.h"

namespace smtpprobe {
namespace {

constexpr int kUnknown = static_cast<int>(State::Unknown);

Instant now() { return std::chrono::steady_clock::now(); }

// For the signal handler.
int interrupt_event = -1;
volatile std::sig_atomic_t interrupted_at = 0;  // seconds, of a clock that is never at 0

// A second signal right behind the first is timeout(1)'s, which sends it to the process and to its
// group. A later one is of somebody who waits in vain, for a pipe that nobody reads.
void on_signal(int signal) {
  const int saved = errno;
  timespec clock{};
  ::clock_gettime(CLOCK_MONOTONIC, &clock);
  const auto seconds = static_cast<std::sig_atomic_t>(clock.tv_sec + 1);
  if (interrupted_at == 0) {
    interrupted_at = seconds;
  } else if (seconds > interrupted_at + 1) {
    ::signal(signal, SIG_DFL);
    ::raise(signal);
  }
  const std::uint64_t one = 1;
  static_cast<void>(!::write(interrupt_event, &one, sizeof one));
  errno = saved;
}

// SIGINT and SIGTERM as a descriptor that is readable from the first of them on.
class Interruption {
 public:
  Interruption() : fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    interrupt_event = fd_;
    struct sigaction action = {};
    action.sa_handler = on_signal;
    for (const int signal : {SIGINT, SIGTERM}) ::sigaction(signal, &action, nullptr);
  }
  // Once interrupted, the handler stays: timeout(1)'s second signal may come when this is gone.
  ~Interruption() {
    if (interrupted_at == 0) {
      for (const int signal : {SIGINT, SIGTERM}) ::signal(signal, SIG_DFL);
    }
    interrupt_event = -1;
    if (fd_ >= 0) ::close(fd_);
  }
  Interruption(const Interruption&) = delete;
  Interruption& operator=(const Interruption&) = delete;

  int fd() const { return fd_; }

  // False when it came before `end`.
  bool sleep_until(Instant end) const {
    while (true) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - now()).count();
      pollfd event{fd_, POLLIN, 0};
      const auto most = static_cast<long>(std::numeric_limits<int>::max());
      if (::poll(&event, 1, static_cast<int>(std::clamp(left, 0L, most))) > 0) return false;
      if (left <= 0) return true;
    }
  }

 private:
  int fd_;
};

// The next tick that is still to come.
Instant tick_after(Instant last, Duration every) {
  const Duration gone = now() - last;
  return last + every * (gone < Duration::zero() ? 1 : gone / every + 1);
}

std::string time_of_day() {
  const std::time_t seconds = std::time(nullptr);
  std::tm local{};
  ::localtime_r(&seconds, &local);
  return fmt::format("{:02}:{:02}:{:02}", local.tm_hour, local.tm_min, local.tm_sec);
}

// How it is shown: a JSON object or a line for each probe, or a frame that is drawn over.
class Display {
 public:
  explicit Display(const Options& options)
      : options_(options),
        colour_(wants_colour()),
        in_place_(options.output == OutputFormat::Text && options.verbose == 0 &&
                  can_move_cursor()) {}

  // Each of these two is false when standard output does not take it.
  bool show(std::span<const ProbeResult> results, const Judged& judged,
            const WatchStatistics& statistics) {
    if (options_.output == OutputFormat::Json) {
      return write_all(STDOUT_FILENO, render(options_, results, judged, false).text);
    }
    state_ = judged.verdict().state;
    line_ = watch_line(time_of_day(), state_, judged.summary.lines.front());
    if (state_ != State::Ok) last_failure_ = line_;
    if (in_place_) return draw(statistics, window_of_stdout());
    return write_all(STDOUT_FILENO, line_ + '\n' + long_text(options_, results, judged, colour_));
  }

  bool end(const WatchStatistics& statistics) {
    if (options_.output == OutputFormat::Json) return true;
    // Once more, over the "^C" of the terminal, and whole, for nothing has to fit any longer.
    if (in_place_ && statistics.probes() > 0) return draw(statistics, std::nullopt);
    return write_all(STDOUT_FILENO, watch_end(options_, statistics, last_failure_));
  }

 private:
  bool draw(const WatchStatistics& statistics, const std::optional<Window>& window) {
    const WatchLines lines{line_, last_failure_, colour_ ? colour_of(state_) : std::string_view()};
    const Frame frame = watch_frame(options_, statistics, lines, window, drawn_);
    drawn_ = frame.lines;
    return write_all(STDOUT_FILENO, frame.text);
  }

  const Options& options_;
  bool colour_;
  bool in_place_;
  State state_ = State::Ok;
  std::string line_;
  std::string last_failure_;
  std::size_t drawn_ = 0;
};

// The worst of all probes; of several alike the last.
class Worst {
 public:
  void add(const Options& options, const Verdict& verdict) {
    if (any_ && worse(verdict.state, state_) != verdict.state) return;
    any_ = true;
    state_ = verdict.state;
    code_ = exit_code(options.exit_codes, verdict);
  }
  int code() const { return code_; }

 private:
  bool any_ = false;
  State state_ = State::Ok;
  int code_ = kUnknown;
};

}  // namespace

Rendered watch(const Options& options) {
  // A closed one's number would go to the first descriptor that is opened.
  if (::fcntl(STDOUT_FILENO, F_GETFD) < 0) return {};
  const Interruption interruption;
  if (interruption.fd() < 0) {
    return {"SMTP UNKNOWN - --watch: no descriptor is left\n", kUnknown};
  }
  WatchStatistics statistics(options.plan);
  Display display(options);
  Worst worst;
  Instant tick = now();
  while (true) {
    const Result<std::vector<ProbeResult>> results = probe_once(options.plan, interruption.fd());
    if (!results) {
      return render_usage_error(options.program_name, in_words_of_options(results.error()),
                                options.dialect);
    }
    if (results->empty()) break;
    const Judged judged = judge_all(options, *results);
    statistics.add(*results, judged.verdicts);
    worst.add(options, judged.verdict());
    if (!display.show(*results, judged, statistics)) return {"", kUnknown};
    if (statistics.probes() == options.watch->count) break;
    tick = tick_after(tick, options.watch->every);
    if (!interruption.sleep_until(tick)) break;
  }
  return {"", display.end(statistics) ? worst.code() : kUnknown};
}

}  // namespace smtpprobe
