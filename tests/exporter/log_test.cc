// The lines are pure. What stderr gets is read from a child of the test, whose stderr is a pipe or
// whatever else a service manager gives.
#include "exporter/log.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "tests/unit/config_files.h"

namespace smtpprobe {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;
using std::chrono::system_clock;

constexpr system_clock::time_point kWhen{milliseconds(1'764'100'800'123)};
constexpr std::string_view kWhenText = "2025-11-25T20:00:00.123Z";

std::string logfmt(std::string_view message, std::initializer_list<LogField> fields = {}) {
  const std::string line = log_line(LogFormat::Logfmt, kWhen, LogLevel::Info, message, fields);
  const std::string start = "ts=" + std::string(kWhenText) + " level=info ";
  EXPECT_TRUE(line.starts_with(start)) << line;
  return line.substr(std::min(start.size(), line.size()));
}

nlohmann::json json(std::string_view message, std::initializer_list<LogField> fields = {}) {
  const std::string line = log_line(LogFormat::Json, kWhen, LogLevel::Info, message, fields);
  EXPECT_EQ(line.find('\n'), std::string::npos);
  return nlohmann::json::parse(line, nullptr, false);
}

TEST(LogLine, IsAsTheHeaderShowsIt) {
  EXPECT_EQ(
      log_line(LogFormat::Logfmt, kWhen, LogLevel::Info, "listening", {{"address", "[::]:9725"}}),
      "ts=2025-11-25T20:00:00.123Z level=info msg=listening address=[::]:9725");
  EXPECT_EQ(
      log_line(LogFormat::Json, kWhen, LogLevel::Info, "listening", {{"address", "[::]:9725"}}),
      R"({"ts":"2025-11-25T20:00:00.123Z","level":"info","msg":"listening","address":"[::]:9725"})");
}

TEST(LogLine, HasTheNamesOfTheLevels) {
  constexpr std::array kNames = {
      std::pair(LogLevel::Debug, "debug"), std::pair(LogLevel::Info, "info"),
      std::pair(LogLevel::Warn, "warn"), std::pair(LogLevel::Error, "error")};
  for (const auto& [level, name] : kNames) {
    EXPECT_EQ(log_line(LogFormat::Logfmt, kWhen, level, "m"),
              "ts=" + std::string(kWhenText) + " level=" + name + " msg=m");
  }
}

TEST(LogLine, TimeIsInWholeMillisecondsOfUtc) {
  const auto at = [](system_clock::duration since) {
    const std::string line =
        log_line(LogFormat::Logfmt, system_clock::time_point(since), LogLevel::Info, "m");
    return line.substr(3, line.find(' ') - 3);
  };
  EXPECT_EQ(at(milliseconds(0)), "1970-01-01T00:00:00.000Z");
  EXPECT_EQ(at(milliseconds(1) - std::chrono::nanoseconds(1)), "1970-01-01T00:00:00.000Z");
  EXPECT_EQ(at(milliseconds(-1)), "1969-12-31T23:59:59.999Z");
  EXPECT_EQ(at(std::chrono::seconds(1'709'251'199)), "2024-02-29T23:59:59.000Z");
}

TEST(LogLine, LogfmtQuotesWhatWouldNotBeOneValue) {
  EXPECT_EQ(logfmt("two words"), "msg=\"two words\"");
  EXPECT_EQ(logfmt(""), "msg=\"\"");
  EXPECT_EQ(logfmt("m", {{"a", ""}, {"b", "x=y"}, {"c", "say \"no\""}, {"d", "\""}}),
            R"(msg=m a="" b="x=y" c="say \"no\"" d="\"")");
  EXPECT_EQ(logfmt("m", {{"path", R"(C:\dir)"}}), R"(msg=m path=C:\dir)");
  EXPECT_EQ(logfmt("m", {{"path", R"(C:\my dir\)"}}), R"(msg=m path="C:\\my dir\\")");
}

TEST(LogLine, NothingInAValueBeginsALineOrAField) {
  EXPECT_EQ(logfmt("a\nts=0", {{"k", "v\r\nlevel=error"}}),
            R"(msg="a\\x0ats=0" k="v\\x0d\\x0alevel=error")");
  EXPECT_EQ(logfmt("m", {{"k", "a\tb\x1b[31m"}}), R"(msg=m k=a\x09b\x1b[31m)");
  EXPECT_EQ(logfmt("m", {{"k", "\xff\xe2\x80\xae"}}), R"(msg=m k=\xff\xe2\x80\xae)");
  EXPECT_EQ(logfmt("m", {{"k", "Grüße"}}), "msg=m k=Grüße");
}

TEST(LogLine, JsonHoldsTheSameValues) {
  const auto object = json("say \"no\"", {{"k", "a\nb"}, {"bytes", "\xff"}, {"empty", ""}});
  EXPECT_EQ(object.at("msg"), "say \"no\"");
  EXPECT_EQ(object.at("k"), R"(a\x0ab)");
  EXPECT_EQ(object.at("bytes"), R"(\xff)");
  EXPECT_EQ(object.at("empty"), "");
  EXPECT_EQ(object.size(), 6U);
}

TEST(LogLine, ValuesAreCut) {
  const std::string most(kLogValueBytes, 'v');
  const std::string cut = std::string(kLogValueBytes - 3, 'v') + "...";
  EXPECT_EQ(logfmt(most, {{"k", most}}), "msg=" + most + " k=" + most);
  EXPECT_EQ(logfmt(most + "v", {{"k", most + "v"}}), "msg=" + cut + " k=" + cut);
  EXPECT_EQ(json("m", {{"k", most}}).at("k"), most);
  EXPECT_EQ(json("m", {{"k", most + "v"}}).at("k"), cut);
}

std::vector<std::string> lines_of(const std::string& text) {
  std::istringstream stream(text);
  std::vector<std::string> lines;
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

// Runs `body` in a child with `stderr_end` for its stderr. It has to exit with 0 within 20 seconds.
class Child {
 public:
  template <typename Body>
  Child(int stderr_end, const Body& body) : pid_(fork()) {
    if (pid_ != 0) return;
    alarm(20);
    std::signal(SIGPIPE, SIG_IGN);
    if (stderr_end >= 0) {
      dup2(stderr_end, STDERR_FILENO);
    } else {
      close(STDERR_FILENO);
    }
    _exit(body() ? 0 : 1);
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() {
    int status = -1;
    EXPECT_EQ(waitpid(pid_, &status, 0), pid_);
    EXPECT_TRUE(WIFEXITED(status)) << "ended by signal " << WTERMSIG(status);
    EXPECT_EQ(WEXITSTATUS(status), 0) << "what the child looked at was not so";
  }

 private:
  pid_t pid_;
};

struct Ends {
  int reading = -1;
  int writing = -1;
};

Ends new_pipe() {
  std::array<int, 2> ends{};
  EXPECT_EQ(pipe2(ends.data(), O_CLOEXEC), 0);
  return {ends[0], ends[1]};
}

// Until everybody has closed the other end, 20 seconds at most.
std::string read_all(int descriptor) {
  std::string text;
  std::array<char, 4096> bytes{};
  pollfd one{descriptor, POLLIN, 0};
  while (poll(&one, 1, 20'000) == 1) {
    const ssize_t got = read(descriptor, bytes.data(), bytes.size());
    if (got <= 0) return text;
    text.append(bytes.data(), static_cast<std::size_t>(got));
  }
  ADD_FAILURE() << "no end after 20 seconds";
  return text;
}

std::string logged_to(const Ends& ends, const auto& body) {
  std::string text;
  {
    const Child child(ends.writing, [&] {
      close(ends.reading);
      return body();
    });
    close(ends.writing);
    text = read_all(ends.reading);
  }
  close(ends.reading);
  return text;
}

TEST(Log, WritesOneLineAnEventFromItsLevelUp) {
  const std::string text = logged_to(new_pipe(), [] {
    set_up_log(LogLevel::Warn, LogFormat::Logfmt);
    log(LogLevel::Debug, "not this");
    log(LogLevel::Info, "nor this");
    log(LogLevel::Warn, "a", {{"k", "v"}});
    log(LogLevel::Error, "b {} %s");
    return !log_enabled(LogLevel::Info) && log_enabled(LogLevel::Warn);
  });
  const std::vector<std::string> lines = lines_of(text);
  ASSERT_EQ(lines.size(), 2U) << text;
  EXPECT_TRUE(lines[0].ends_with("Z level=warn msg=a k=v")) << lines[0];
  EXPECT_TRUE(lines[1].ends_with("Z level=error msg=\"b {} %s\"")) << lines[1];
  EXPECT_TRUE(text.ends_with('\n'));
}

TEST(Log, IsInfoAndLogfmtUntilSetUp) {
  const std::string text = logged_to(new_pipe(), [] {
    log(LogLevel::Debug, "not this");
    log(LogLevel::Info, "early");
    set_up_log(LogLevel::Debug, LogFormat::Json);
    log(LogLevel::Debug, "later");
    return true;
  });
  const std::vector<std::string> lines = lines_of(text);
  ASSERT_EQ(lines.size(), 2U) << text;
  EXPECT_TRUE(lines[0].ends_with("level=info msg=early")) << lines[0];
  const auto object = nlohmann::json::parse(lines[1], nullptr, false);
  EXPECT_EQ(object.at("msg"), "later");
  EXPECT_EQ(object.at("level"), "debug");
}

TEST(Log, LinesOfManyThreadsStayWhole) {
  const std::string text = logged_to(new_pipe(), [] {
    set_up_log(LogLevel::Info, LogFormat::Logfmt);
    std::vector<std::thread> threads;
    threads.reserve(4);
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([] {
        for (int n = 0; n < 100; ++n) log(LogLevel::Info, "m", {{"k", std::string(500, 'v')}});
      });
    }
    for (std::thread& thread : threads) thread.join();
    return true;
  });
  const std::vector<std::string> lines = lines_of(text);
  EXPECT_EQ(lines.size(), 400U);
  const std::string end = " level=info msg=m k=" + std::string(500, 'v');
  for (const std::string& line : lines) {
    ASSERT_TRUE(line.starts_with("ts=20") && line.ends_with(end)) << line;
  }
}

// As systemd and some supervisors give it.
TEST(Log, WritesToASocket) {
  std::array<int, 2> ends{};
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
  const std::string text = logged_to({ends[0], ends[1]}, [] {
    set_up_log(LogLevel::Info, LogFormat::Logfmt);
    log(LogLevel::Info, "over a socket");
    return true;
  });
  EXPECT_TRUE(text.ends_with(" level=info msg=\"over a socket\"\n")) << text;
}

TEST(Log, AppendsToAFile) {
  const TestFolder folder;
  const std::string path = folder.write("log", "before\n");
  const int file = open(path.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC);
  {
    const Child child(file, [] {
      set_up_log(LogLevel::Info, LogFormat::Logfmt);
      log(LogLevel::Info, "in a file");
      return true;
    });
  }
  close(file);
  std::ifstream stream(path);
  const std::string text{std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
  EXPECT_TRUE(text.starts_with("before\nts=")) << text;
  EXPECT_TRUE(text.ends_with(" msg=\"in a file\"\n")) << text;
}

// The open pipe is shared with whoever started us, and they want it to wait.
TEST(Log, LeavesStderrAsItWas) {
  logged_to(new_pipe(), [] {
    const int before = fcntl(STDERR_FILENO, F_GETFL);
    set_up_log(LogLevel::Info, LogFormat::Logfmt);
    log(LogLevel::Info, "m");
    return before >= 0 && fcntl(STDERR_FILENO, F_GETFL) == before;
  });
}

// The next thing opened must not get the number, and with it the log.
// The others are closed as well: what is opened for it gets their numbers first.
TEST(Log, AClosedStderrIsNoSocketsNumber) {
  const Child child(-1, [] {
    close(STDIN_FILENO);
    set_up_log(LogLevel::Info, LogFormat::Logfmt);
    log(LogLevel::Info, "to nowhere");
    const int first = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int next = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct stat stderr_facts {};
    struct stat null_facts {};
    return first != STDERR_FILENO && next != STDERR_FILENO &&
           fstat(STDERR_FILENO, &stderr_facts) == 0 && stat("/dev/null", &null_facts) == 0 &&
           stderr_facts.st_rdev == null_facts.st_rdev;
  });
}

TEST(Log, ANoLongerReadStderrCostsLinesOnly) {
  const Ends ends = new_pipe();
  close(ends.reading);
  {
    const Child child(ends.writing, [] {
      set_up_log(LogLevel::Info, LogFormat::Logfmt);
      const auto began = steady_clock::now();
      for (int n = 0; n < 1000; ++n) log(LogLevel::Info, "m");
      return steady_clock::now() - began < std::chrono::seconds(5);
    });
  }
  close(ends.writing);
}

// Takes out what is in a pipe now.
std::string drain(int descriptor) {
  std::string text;
  std::array<char, 4096> bytes{};
  pollfd one{descriptor, POLLIN, 0};
  while (poll(&one, 1, 0) == 1) {
    const ssize_t got = read(descriptor, bytes.data(), bytes.size());
    if (got <= 0) break;
    text.append(bytes.data(), static_cast<std::size_t>(got));
  }
  return text;
}

// One full line waits, the others do not; when there is room again their number is told first.
TEST(Log, AFullStderrCostsLinesThatAreCounted) {
  constexpr int kLines = 500;
  const Ends ends = new_pipe();
  const Ends full = new_pipe();
  const Ends drained = new_pipe();
  std::string text;
  {
    const Child child(ends.writing, [&] {
      close(ends.reading);
      close(ends.writing);
      set_up_log(LogLevel::Info, LogFormat::Logfmt);
      const auto began = steady_clock::now();
      for (int n = 0; n < kLines; ++n) log(LogLevel::Info, "m", {{"k", std::string(900, 'v')}});
      const auto took = steady_clock::now() - began;
      char byte = 'x';
      if (write(full.writing, &byte, 1) != 1 || read(drained.reading, &byte, 1) != 1) return false;
      log(LogLevel::Info, "after");
      return took >= kLogPatience && took < std::chrono::seconds(5);
    });
    close(ends.writing);
    pollfd one{full.reading, POLLIN, 0};
    EXPECT_EQ(poll(&one, 1, 20'000), 1);
    text = drain(ends.reading);
    EXPECT_EQ(write(drained.writing, "x", 1), 1);
    text += read_all(ends.reading);
  }
  for (const int end : {ends.reading, full.reading, full.writing, drained.reading, drained.writing})
    close(end);
  std::vector<std::string> lines = lines_of(text);
  ASSERT_GE(lines.size(), 3U) << text;
  EXPECT_TRUE(lines.back().ends_with(" level=info msg=after")) << lines.back();
  const std::string lost = " level=warn msg=\"stderr took no more\" lost_lines=" +
                           std::to_string(kLines - (static_cast<int>(lines.size()) - 2));
  EXPECT_TRUE(lines[lines.size() - 2].ends_with(lost)) << lines[lines.size() - 2] << lost;
  const std::string whole = " level=info msg=m k=" + std::string(900, 'v');
  for (std::size_t i = 0; i + 2 < lines.size(); ++i) ASSERT_TRUE(lines[i].ends_with(whole)) << i;
}

}  // namespace
}  // namespace smtpprobe
