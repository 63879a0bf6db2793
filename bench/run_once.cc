// run_once: what one run of a program costs, for the benchmarks: time on the wall from before it is
// started to after its end, processor time and peak memory as the kernel counted them. It is small
// itself, for a child's peak is never below that of the process which started it.
#include <fcntl.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>

extern char** environ;

namespace {

constexpr const char* kUsage =
    "usage: run_once OUTPUT PROGRAM [ARGUMENT...]\n"
    "Runs PROGRAM with its output to the file OUTPUT and prints \"WALL_US CPU_US PEAK_KB "
    "STATUS\".\n";

[[noreturn]] void fail(const char* what, int error) {
  std::fprintf(stderr, "run_once: %s: %s\n", what, std::strerror(error));
  std::exit(2);
}

long long microseconds(const timeval& time) { return time.tv_sec * 1'000'000LL + time.tv_usec; }

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fputs(kUsage, stderr);
    return 2;
  }
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&files, 1, argv[1], O_WRONLY | O_CREAT | O_TRUNC, 0600);
  posix_spawn_file_actions_adddup2(&files, 1, 2);

  using Clock = std::chrono::steady_clock;
  const Clock::time_point began = Clock::now();
  pid_t child = 0;
  if (const int error = posix_spawn(&child, argv[2], &files, nullptr, argv + 2, environ)) {
    fail(argv[2], error);
  }
  int status = 0;
  rusage usage{};
  if (wait4(child, &status, 0, &usage) != child) fail("wait4", errno);
  const auto wall = std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - began);

  std::printf("%lld %lld %ld %d\n", static_cast<long long>(wall.count()),
              microseconds(usage.ru_utime) + microseconds(usage.ru_stime), usage.ru_maxrss,
              WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
  return 0;
}
