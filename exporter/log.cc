// The lines are made here; spdlog has the level and the lock, and its sink is ours: spdlog's own
// waits for stderr without an end, and the loop that logs would wait with it.
#include "exporter/log.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <spdlog/logger.h>
#include <spdlog/sinks/base_sink.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>

#include "common/probe/printable.h"

namespace smtpprobe {
namespace {

using std::chrono::system_clock;

std::string_view level_name(LogLevel level) {
  switch (level) {
    case LogLevel::Debug:
      return "debug";
    case LogLevel::Info:
      return "info";
    case LogLevel::Warn:
      return "warn";
    case LogLevel::Error:
      return "error";
  }
  return "error";
}

spdlog::level::level_enum spdlog_level(LogLevel level) {
  switch (level) {
    case LogLevel::Debug:
      return spdlog::level::debug;
    case LogLevel::Info:
      return spdlog::level::info;
    case LogLevel::Warn:
      return spdlog::level::warn;
    case LogLevel::Error:
      return spdlog::level::err;
  }
  return spdlog::level::err;
}

std::string timestamp(system_clock::time_point when) {
  using std::chrono::days;
  using std::chrono::floor;
  using std::chrono::milliseconds;
  const auto day = floor<days>(when);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss<milliseconds> time(floor<milliseconds>(when - day));
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                     time.hours().count(), time.minutes().count(), time.seconds().count(),
                     time.subseconds().count());
}

void append_logfmt(std::string& line, std::string_view name, std::string_view raw) {
  const std::string value = printable(raw, kLogValueBytes);
  if (!line.empty()) line += ' ';
  line += name;
  line += '=';
  if (!value.empty() && value.find_first_of(" =\"") == std::string::npos) {
    line += value;
    return;
  }
  line += '"';
  for (const char c : value) {
    if (c == '"' || c == '\\') line += '\\';
    line += c;
  }
  line += '"';
}

// What may be waited for with an end. A pipe or terminal is opened once more: O_NONBLOCK belongs to
// the open file, and the one behind stderr is shared with whoever started us.
int open_without_waiting(int descriptor) {
  struct stat facts {};
  if (fstat(descriptor, &facts) != 0) {
    const int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (null >= 0 && null != descriptor) {
      dup2(null, descriptor);
      close(null);
    }
    return descriptor;
  }
  if (!S_ISFIFO(facts.st_mode) && !S_ISCHR(facts.st_mode)) return descriptor;
  const std::string path = fmt::format("/proc/self/fd/{}", descriptor);
  const int again = open(path.c_str(), O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  return again < 0 ? descriptor : again;
}

class StderrSink : public spdlog::sinks::base_sink<std::mutex> {
 public:
  explicit StderrSink(LogFormat format)
      : format_(format), descriptor_(open_without_waiting(STDERR_FILENO)) {}
  ~StderrSink() override {
    if (descriptor_ != STDERR_FILENO) close(descriptor_);
  }
  StderrSink(const StderrSink&) = delete;
  StderrSink& operator=(const StderrSink&) = delete;

 protected:
  void sink_it_(const spdlog::details::log_msg& msg) override {
    const std::string_view line(msg.payload.data(), msg.payload.size());
    if (lost_ > 0 && put(log_line(format_, msg.time, LogLevel::Warn, "stderr took no more",
                                  {{"lost_lines", std::to_string(lost_)}}))) {
      lost_ = 0;
    }
    if (lost_ > 0 || !put(line)) ++lost_;
  }
  void flush_() override {}

 private:
  // The line and its end, or false: then stderr is full, closed or out of disk.
  bool put(std::string_view line) {
    std::string bytes;
    if (torn_) bytes += '\n';  // the last line stopped in its middle
    bytes += line;
    bytes += '\n';
    const auto give_up = std::chrono::steady_clock::now() +
                         (stuck_ ? std::chrono::milliseconds::zero() : kLogPatience);
    std::string_view rest = bytes;
    while (!rest.empty() && wait_until(give_up)) {
      // Up to PIPE_BUF bytes a ready pipe takes whole and at once.
      const ssize_t taken = write_some(rest.substr(0, PIPE_BUF));
      if (taken < 0 && errno != EINTR && errno != EAGAIN) break;
      if (taken > 0) rest.remove_prefix(static_cast<std::size_t>(taken));
    }
    if (rest.size() < bytes.size()) torn_ = !rest.empty();
    stuck_ = !rest.empty();
    return rest.empty();
  }

  bool wait_until(std::chrono::steady_clock::time_point give_up) const {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(give_up - std::chrono::steady_clock::now());
    pollfd one{descriptor_, POLLOUT, 0};
    // Without a reader there is POLLERR or POLLHUP, and a write would only raise SIGPIPE.
    return poll(&one, 1, left.count() > 0 ? static_cast<int>(left.count()) : 0) == 1 &&
           one.revents == POLLOUT;
  }

  ssize_t write_some(std::string_view bytes) const {
    const ssize_t sent = send(descriptor_, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent >= 0 || errno != ENOTSOCK) return sent;
    return write(descriptor_, bytes.data(), bytes.size());
  }

  LogFormat format_;
  int descriptor_;
  std::uint64_t lost_ = 0;
  bool torn_ = false;
  bool stuck_ = false;  // as of the last line
};

struct Log {
  Log(LogLevel level, LogFormat line_format)
      : format(line_format), logger("", std::make_shared<StderrSink>(line_format)) {
    logger.set_level(spdlog_level(level));
    logger.set_error_handler([](const std::string&) {});  // spdlog's own writes to stderr
  }
  LogFormat format;
  spdlog::logger logger;
};

// Never destroyed: a thread may have something to say while the process exits.
std::unique_ptr<Log>& the_log() {
  static auto& log =
      *new std::unique_ptr<Log>(std::make_unique<Log>(LogLevel::Info, LogFormat::Logfmt));
  return log;
}

struct Limits {
  LogLimiter& of(LogKind kind) { return kinds[static_cast<std::size_t>(kind)]; }

  std::mutex mutex;
  std::array<LogLimiter, 2> kinds;
};

// Null: nothing is limited. Never destroyed, like the log.
std::unique_ptr<Limits>& the_limits() {
  static auto& limits = *new std::unique_ptr<Limits>();
  return limits;
}

}  // namespace

std::string log_line(LogFormat format, system_clock::time_point when, LogLevel level,
                     std::string_view message, std::span<const LogField> fields) {
  if (format == LogFormat::Json) {
    nlohmann::ordered_json object;
    object["ts"] = timestamp(when);
    object["level"] = level_name(level);
    object["msg"] = printable(message, kLogValueBytes);
    for (const auto& [name, value] : fields) {
      object[std::string(name)] = printable(value, kLogValueBytes);
    }
    return object.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
  }
  std::string line;
  append_logfmt(line, "ts", timestamp(when));
  append_logfmt(line, "level", level_name(level));
  append_logfmt(line, "msg", message);
  for (const auto& [name, value] : fields) append_logfmt(line, name, value);
  return line;
}

void set_up_log(LogLevel level, LogFormat format) {
  the_log() = std::make_unique<Log>(level, format);
}

bool log_enabled(LogLevel level) { return the_log()->logger.should_log(spdlog_level(level)); }

void log(LogLevel level, std::string_view message, std::initializer_list<LogField> fields) {
  log(level, message, std::span<const LogField>(fields.begin(), fields.size()));
}

void log(LogLevel level, std::string_view message, std::span<const LogField> fields) {
  if (!log_enabled(level)) return;
  Log& log = *the_log();
  const auto now = system_clock::now();
  const std::string line = log_line(log.format, now, level, message, fields);
  log.logger.log(now, spdlog::source_loc{}, spdlog_level(level),
                 spdlog::string_view_t(line.data(), line.size()));
}

void limit_log() { the_limits() = std::make_unique<Limits>(); }

void log_limited(LogKind kind, LogLevel level, std::uint64_t client, LogTopic topic,
                 std::vector<LogField> fields) {
  if (!log_enabled(level)) return;
  const std::string event = topic.event;
  if (Limits* const limits = the_limits().get()) {
    const std::lock_guard lock(limits->mutex);
    const auto left_out =
        limits->of(kind).admit(std::move(topic), client, std::chrono::steady_clock::now());
    if (!left_out) return;
    if (*left_out > 0) fields.emplace_back("left_out", std::to_string(*left_out));
  }
  log(level, event, std::span<const LogField>(fields));
}

void log_left_out(bool all) {
  Limits* const limits = the_limits().get();
  if (limits == nullptr) return;
  for (const LogKind kind : {LogKind::Probe, LogKind::Request}) {
    std::vector<LogLimiter::Summary> summaries;
    {
      const std::lock_guard lock(limits->mutex);
      LogLimiter& limiter = limits->of(kind);
      summaries =
          all ? limiter.last_summaries() : limiter.summaries(std::chrono::steady_clock::now());
    }
    for (const LogLimiter::Summary& one : summaries) {
      const bool others = one.topic.event.empty();
      std::vector<LogField> fields;
      if (!one.topic.target.empty()) fields.emplace_back("target", one.topic.target);
      if (!others) fields.emplace_back("reason", one.topic.reason);
      fields.emplace_back("left_out", std::to_string(one.left_out));
      log(LogLevel::Warn, others ? "too many different lines" : one.topic.event,
          std::span<const LogField>(fields));
    }
  }
}

void log_error(std::string_view message, const Error& wrong) {
  log(LogLevel::Error, message, {{"why", wrong.text}});
  for (const std::string& other : wrong.others) log(LogLevel::Error, message, {{"why", other}});
}

}  // namespace smtpprobe
