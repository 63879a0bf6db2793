// LD_PRELOAD: a CLOCK_REALTIME that is set while the program runs, as the program and the kernel's
// receive timestamps would see it; and a kernel without such timestamps. The machine's clock stays.
//   CLOCK_STEPS=150:3600,300:-3600   150 ms after the start it is an hour ahead, 150 ms later
//   behind CLOCK_PERIOD=100:3600            every 100 ms it jumps: an hour ahead and back again, in
//   turns CLOCK_STEP_ON_READ=2:3600        between the stamp of the second piece received and the
//   next look NO_TIMESTAMPS=1                  setsockopt(SO_TIMESTAMPING) fails
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { kMostSteps = 64 };
static const long long kMilli = 1000000LL;
static const long long kSecond = 1000000000LL;

static struct { long long at, offset; } steps[kMostSteps];
static int step_count;
static long long started, period, period_offset;
static int read_to_step_on = -1;
static long long offset_on_read;
static int no_timestamps;

static long long real_clock(clockid_t clock) {
  struct timespec now;
  syscall(SYS_clock_gettime, clock, &now);
  return now.tv_sec * kSecond + now.tv_nsec;
}

static void add_step(long long at, long long offset) {
  if (step_count == kMostSteps) return;
  steps[step_count].at = at;
  steps[step_count++].offset = offset;
}

__attribute__((constructor)) static void begin(void) {
  started = real_clock(CLOCK_MONOTONIC);
  const char* said = getenv("CLOCK_STEPS");
  while (said != NULL && *said != '\0') {
    char* end;
    const long long at = strtoll(said, &end, 10);
    const long long offset = strtoll(end + 1, &end, 10);
    add_step(started + at * kMilli, offset * kSecond);
    said = *end == ',' ? end + 1 : end;
  }
  char* end;
  if ((said = getenv("CLOCK_PERIOD")) != NULL) {
    period = strtoll(said, &end, 10) * kMilli;
    period_offset = strtoll(end + 1, NULL, 10) * kSecond;
  }
  if ((said = getenv("CLOCK_STEP_ON_READ")) != NULL) {
    read_to_step_on = (int)strtol(said, &end, 10);
    offset_on_read = strtoll(end + 1, NULL, 10) * kSecond;
  }
  no_timestamps = getenv("NO_TIMESTAMPS") != NULL;
}

// How far the clock was off at that moment of CLOCK_MONOTONIC.
static long long offset_at(long long moment) {
  long long offset = 0;
  for (int i = 0; i < step_count; ++i)
    if (moment >= steps[i].at) offset = steps[i].offset;
  if (period > 0 && (moment - started) / period % 2 == 1) offset += period_offset;
  return offset;
}

static long long stepped_now(void) {
  return real_clock(CLOCK_REALTIME) + offset_at(real_clock(CLOCK_MONOTONIC));
}

static struct timespec as_timespec(long long when) {
  const struct timespec time = {when / kSecond, when % kSecond};
  return time;
}

int clock_gettime(clockid_t clock, struct timespec* now) {
  if (clock != CLOCK_REALTIME && clock != CLOCK_REALTIME_COARSE)
    return (int)syscall(SYS_clock_gettime, clock, now);
  *now = as_timespec(stepped_now());
  return 0;
}

int gettimeofday(struct timeval* restrict now, void* restrict zone) {
  (void)zone;
  const struct timespec time = as_timespec(stepped_now());
  now->tv_sec = time.tv_sec;
  now->tv_usec = time.tv_nsec / 1000;
  return 0;
}

time_t time(time_t* where) {
  const time_t now = stepped_now() / kSecond;
  if (where != NULL) *where = now;
  return now;
}

static void shift_stamps(struct msghdr* message) {
  const long long between = real_clock(CLOCK_REALTIME) - real_clock(CLOCK_MONOTONIC);
  for (struct cmsghdr* part = CMSG_FIRSTHDR(message); part != NULL;
       part = CMSG_NXTHDR(message, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SO_TIMESTAMPING) continue;
    struct timespec stamp;
    memcpy(&stamp, CMSG_DATA(part), sizeof stamp);
    if (stamp.tv_sec == 0) continue;
    const long long when = stamp.tv_sec * kSecond + stamp.tv_nsec;
    stamp = as_timespec(when + offset_at(when - between));
    memcpy(CMSG_DATA(part), &stamp, sizeof stamp);
  }
}

ssize_t recvmsg(int fd, struct msghdr* message, int flags) {
  const ssize_t got = syscall(SYS_recvmsg, fd, message, flags);
  if (got <= 0) return got;
  shift_stamps(message);
  if (read_to_step_on > 0 && --read_to_step_on == 0)
    add_step(real_clock(CLOCK_MONOTONIC), offset_on_read);
  return got;
}

int setsockopt(int fd, int level, int name, const void* value, socklen_t size) {
  if (no_timestamps && level == SOL_SOCKET && name == SO_TIMESTAMPING) {
    errno = ENOPROTOOPT;
    return -1;
  }
  return (int)syscall(SYS_setsockopt, fd, level, name, value, size);
}
