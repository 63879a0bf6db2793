#include "exporter/process_metrics.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <string>
#include <string_view>
#include <utility>

namespace smtpprobe {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

// The start of a file in /proc, empty when there is none.
std::string read_start(const char* path, std::size_t max_bytes) {
  std::string text(max_bytes, '\0');
  const int descriptor = open(path, O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return {};
  std::size_t filled = 0;
  while (filled < max_bytes) {
    const ssize_t got = read(descriptor, text.data() + filled, max_bytes - filled);
    if (got <= 0) break;
    filled += static_cast<std::size_t>(got);
  }
  close(descriptor);
  text.resize(filled);
  return text;
}

std::optional<double> leading_number(std::string_view text) {
  while (text.starts_with(' ') || text.starts_with('\t')) text.remove_prefix(1);
  unsigned long long number = 0;
  if (std::from_chars(text.data(), text.data() + text.size(), number).ec != std::errc()) {
    return std::nullopt;
  }
  return static_cast<double>(number);
}

// The number behind `name` at the start of a line.
std::optional<double> number_behind(std::string_view text, std::string_view name) {
  const std::size_t at = text.find("\n" + std::string(name));
  if (at == std::string_view::npos) return std::nullopt;
  return leading_number(text.substr(at + 1 + name.size()));
}

// Fields of /proc/self/stat by their numbers in proc(5). The second is our name in parentheses and
// may hold blanks and parentheses itself.
class ProcStat {
 public:
  ProcStat() : text_(read_start("/proc/self/stat", 4096)) {}
  std::optional<double> field(int number) const {
    std::string_view rest = text_;
    const std::size_t name_end = rest.rfind(')');
    if (name_end == std::string_view::npos) return std::nullopt;
    rest.remove_prefix(name_end);
    for (int at = 2; at < number; ++at) {
      const std::size_t blank = rest.find(' ');
      if (blank == std::string_view::npos) return std::nullopt;
      rest.remove_prefix(blank + 1);
    }
    return leading_number(rest);
  }

 private:
  std::string text_;
};

constexpr int kThreads = 20;
constexpr int kStartTime = 22;  // in clock ticks since the boot
constexpr int kVirtualBytes = 23;
constexpr int kResidentPages = 24;

std::optional<double> start_time(const ProcStat& stat) {
  // "btime" stands behind the interrupt counts, some 10 KiB, and on big machines far more.
  constexpr std::size_t kStatBytes = std::size_t{256} * 1024;
  const std::optional<double> boot = number_behind(read_start("/proc/stat", kStatBytes), "btime ");
  const std::optional<double> ticks = stat.field(kStartTime);
  if (!boot || !ticks) return std::nullopt;
  return *boot + *ticks / static_cast<double>(sysconf(_SC_CLK_TCK));
}

// The same as utime and stime of /proc, in microseconds and not in ticks of 10 ms.
std::optional<double> cpu_seconds() {
  rusage usage{};
  if (getrusage(RUSAGE_SELF, &usage) != 0) return std::nullopt;
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

// No limit is 2^64 - 1, in the other client libraries too.
std::optional<double> limit_of(decltype(RLIMIT_AS) resource) {
  rlimit limit{};
  if (getrlimit(resource, &limit) != 0) return std::nullopt;
  return static_cast<double>(limit.rlim_cur);
}

void add(std::vector<MetricFamily>& families, MetricType type, const char* name, const char* help,
         std::optional<double> value) {
  if (!value) return;
  ClientMetric metric;
  (type == MetricType::Counter ? metric.counter.value : metric.gauge.value) = *value;
  families.push_back({name, help, type, {std::move(metric)}});
}

}  // namespace

std::optional<double> descriptors_by_size() {
  struct stat facts {};
  if (stat("/proc/self/fd", &facts) != 0 || facts.st_size <= 0) return std::nullopt;
  return static_cast<double>(facts.st_size);
}

std::optional<double> descriptors_by_table() {
  const std::optional<double> places =
      number_behind(read_start("/proc/self/status", 4096), "FDSize:");
  if (!places) return std::nullopt;
  int open_ones = 0;
  for (int at = 0; at < static_cast<int>(*places); ++at) {
    if (fcntl(at, F_GETFD) != -1) ++open_ones;
  }
  return open_ones;
}

std::vector<MetricFamily> process_metrics() {
  const ProcStat stat;
  static const std::optional<double> started = start_time(stat);
  std::optional<double> descriptors = descriptors_by_size();
  if (!descriptors) descriptors = descriptors_by_table();
  std::optional<double> resident = stat.field(kResidentPages);
  if (resident) *resident *= static_cast<double>(sysconf(_SC_PAGESIZE));

  std::vector<MetricFamily> families;
  families.reserve(8);
  add(families, MetricType::Counter, "process_cpu_seconds_total",
      "Total user and system CPU time spent in seconds.", cpu_seconds());
  add(families, MetricType::Gauge, "process_open_fds", "Number of open file descriptors.",
      descriptors);
  add(families, MetricType::Gauge, "process_max_fds", "Maximum number of open file descriptors.",
      limit_of(RLIMIT_NOFILE));
  add(families, MetricType::Gauge, "process_virtual_memory_bytes", "Virtual memory size in bytes.",
      stat.field(kVirtualBytes));
  add(families, MetricType::Gauge, "process_virtual_memory_max_bytes",
      "Maximum amount of virtual memory available in bytes.", limit_of(RLIMIT_AS));
  add(families, MetricType::Gauge, "process_resident_memory_bytes",
      "Resident memory size in bytes.", resident);
  add(families, MetricType::Gauge, "process_start_time_seconds",
      "Start time of the process since unix epoch in seconds.", started);
  add(families, MetricType::Gauge, "process_threads", "Number of OS threads in the process.",
      stat.field(kThreads));
  return families;
}

}  // namespace smtpprobe
