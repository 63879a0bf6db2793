// Against what the kernel says of this very process by other ways, and against what the tests do to
// it.
#include "exporter/process_metrics.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <ctime>
#include <future>
#include <map>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace smtpprobe {
namespace {

using prometheus::MetricFamily;
using prometheus::MetricType;

const auto kLoaded = std::chrono::system_clock::now();

// By the names of the families; all of them have to be there.
std::map<std::string, double> values() {
  std::map<std::string, double> found;
  for (const MetricFamily& family : process_metrics()) {
    EXPECT_EQ(family.metric.size(), 1U) << family.name;
    if (family.metric.empty()) continue;
    const auto& metric = family.metric[0];
    found[family.name] =
        family.type == MetricType::Counter ? metric.counter.value : metric.gauge.value;
  }
  return found;
}

class OpenFiles {
 public:
  explicit OpenFiles(int count) {
    for (int i = 0; i < count; ++i) numbers_.push_back(open("/dev/null", O_RDONLY | O_CLOEXEC));
  }
  OpenFiles(const OpenFiles&) = delete;
  OpenFiles& operator=(const OpenFiles&) = delete;
  ~OpenFiles() {
    for (const int number : numbers_) close(number);
  }

 private:
  std::vector<int> numbers_;
};

TEST(ProcessMetrics, AreTheStandardFamilies) {
  const std::map<std::string, MetricType> wanted = {
      {"process_cpu_seconds_total", MetricType::Counter},
      {"process_open_fds", MetricType::Gauge},
      {"process_max_fds", MetricType::Gauge},
      {"process_virtual_memory_bytes", MetricType::Gauge},
      {"process_virtual_memory_max_bytes", MetricType::Gauge},
      {"process_resident_memory_bytes", MetricType::Gauge},
      {"process_start_time_seconds", MetricType::Gauge},
      {"process_threads", MetricType::Gauge},
  };
  std::map<std::string, MetricType> found;
  for (const MetricFamily& family : process_metrics()) {
    EXPECT_TRUE(found.emplace(family.name, family.type).second) << family.name << " twice";
    EXPECT_TRUE(family.help.ends_with('.')) << family.name;
    ASSERT_EQ(family.metric.size(), 1U) << family.name;
    EXPECT_TRUE(family.metric[0].label.empty()) << family.name;
  }
  EXPECT_EQ(found, wanted);
}

TEST(ProcessMetrics, CpuTimeGrowsWithWork) {
  constexpr std::clock_t kWork = CLOCKS_PER_SEC / 20;
  const double before = values()["process_cpu_seconds_total"];
  const std::clock_t began = std::clock();
  while (std::clock() - began < kWork) continue;
  const double spent = values()["process_cpu_seconds_total"] - before;
  EXPECT_GE(spent, 0.045);
  // The C library counts the same in its own way.
  const double total = static_cast<double>(std::clock()) / CLOCKS_PER_SEC;
  EXPECT_NEAR(before + spent, total, 0.05 + total / 100);
}

TEST(ProcessMetrics, CountTheOpenDescriptors) {
  const double before = values()["process_open_fds"];
  EXPECT_GE(before, 3);
  const OpenFiles more(17);
  EXPECT_EQ(values()["process_open_fds"], before + 17);
}

// The two ways agree, with a hole in the table too.
TEST(ProcessMetrics, BothCountsOfDescriptorsAgree) {
  const int hole = open("/dev/null", O_RDONLY | O_CLOEXEC);
  const OpenFiles more(200);
  close(hole);
  const auto by_table = descriptors_by_table();
  ASSERT_TRUE(by_table);
  EXPECT_GE(*by_table, 203);
  // An older kernel answers 0 and is then not believed.
  EXPECT_EQ(descriptors_by_size().value_or(*by_table), *by_table);
}

TEST(ProcessMetrics, LimitsAreTheSoftOnes) {
  rlimit old{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &old), 0);
  rlimit lower = old;
  lower.rlim_cur = old.rlim_cur - 1;
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &lower), 0);
  EXPECT_EQ(values()["process_max_fds"], static_cast<double>(lower.rlim_cur));
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &old), 0);
  EXPECT_EQ(values()["process_max_fds"], static_cast<double>(old.rlim_cur));
  rlimit memory{};
  ASSERT_EQ(getrlimit(RLIMIT_AS, &memory), 0);
  EXPECT_EQ(values()["process_virtual_memory_max_bytes"], static_cast<double>(memory.rlim_cur));
}

TEST(ProcessMetrics, MemoryIsInBytes) {
  constexpr std::size_t kTouched = std::size_t{64} << 20U;
  const auto before = values();
  EXPECT_GT(before.at("process_resident_memory_bytes"), 1 << 20);
  EXPECT_GT(before.at("process_virtual_memory_bytes"), before.at("process_resident_memory_bytes"));
  const std::vector<char> touched(kTouched, 'x');
  const auto after = values();
  constexpr auto kMost = static_cast<double>(kTouched) * 0.9;
  EXPECT_GT(after.at("process_resident_memory_bytes"),
            before.at("process_resident_memory_bytes") + kMost);
  EXPECT_GT(after.at("process_virtual_memory_bytes"),
            before.at("process_virtual_memory_bytes") + kMost);
  EXPECT_EQ(touched.back(), 'x');
}

TEST(ProcessMetrics, StartTimeIsJustBeforeTheProgramWasLoaded) {
  const double loaded = std::chrono::duration<double>(kLoaded.time_since_epoch()).count();
  const double started = values()["process_start_time_seconds"];
  EXPECT_LT(started, loaded + 2);  // the boot time is in whole seconds
  EXPECT_GT(started, loaded - 60);
}

// The thread sanitizer has one of its own.
#ifdef __SANITIZE_THREAD__
constexpr double kThreads = 2;
#else
constexpr double kThreads = 1;
#endif

// In a child there is this one thread; here, one that was joined may still be on its way out.
template <typename Body>
bool holds_in_child(const Body& body) {
  const pid_t child = fork();
  if (child == 0) {
    alarm(10);
    _exit(body() ? 0 : 1);
  }
  int status = -1;
  return waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

TEST(ProcessMetrics, CountThreads) {
  EXPECT_TRUE(holds_in_child([] {
    std::thread([] {}).join();  // the sanitizer's other one comes with it
    while (true) {              // it may be on its way out; the alarm ends this
      const double before = values()["process_threads"];
      std::promise<void> end;
      const std::shared_future<void> ended = end.get_future().share();
      std::thread one([ended] { ended.wait(); });
      std::thread two([ended] { ended.wait(); });
      const double with_two = values()["process_threads"];
      end.set_value();
      one.join();
      two.join();
      if (before >= kThreads && with_two == before + 2) return true;
    }
  }));
}

// The name stands in the middle of /proc/self/stat, in parentheses that it can have as well.
TEST(ProcessMetrics, ANameLikeTheFieldsBehindItMisleadsNobody) {
  EXPECT_TRUE(holds_in_child([] {
    constexpr std::string_view kOdd = ") R 1 (2 3) 4";
    std::array<char, 16> taken{};
    const auto plain = values();
    if (prctl(PR_SET_NAME, kOdd.data()) != 0) return false;
    if (prctl(PR_GET_NAME, taken.data()) != 0 || taken.data() != kOdd) return false;
    const auto odd = values();
    return odd.at("process_threads") == kThreads && odd.at("process_start_time_seconds") > 0 &&
           odd.at("process_virtual_memory_bytes") >= plain.at("process_virtual_memory_bytes") &&
           odd.at("process_virtual_memory_bytes") > odd.at("process_resident_memory_bytes");
  }));
}

}  // namespace
}  // namespace smtpprobe
