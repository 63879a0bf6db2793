// bare_client: the cheapest client that can be written without tricks, as a yardstick: blocking
// sockets, one system call for each thing said and heard, no timer, no thought. Holds the
// benchmarks' dialogue (connect, banner, EHLO, MAIL, RCPT, QUIT, close) N times and prints what one
// cost its process in user and system time.
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>

namespace smtpprobe {
namespace {

constexpr const char* kUsage =
    "usage: bare_client PORT N\n"
    "Holds N dialogues with 127.0.0.1:PORT, one after the other, and prints the microseconds of "
    "CPU of one.\n";

constexpr std::string_view kCommands[] = {
    "EHLO probe.test\r\n",
    "MAIL FROM:<probe@probe.test>\r\n",
    "RCPT TO:<postmaster@mx.test>\r\n",
    "QUIT\r\n",
};

[[noreturn]] void fail(const char* what) {
  std::fprintf(stderr, "bare_client: %s: %s\n", what, std::strerror(errno));
  std::_Exit(1);
}

// One whole reply: up to a line whose fourth character is a blank.
void hear(int fd) {
  char buffer[1024];
  std::size_t used = 0;
  for (;;) {
    const ssize_t got = recv(fd, buffer + used, sizeof buffer - used, 0);
    if (got <= 0) fail("recv");
    used += static_cast<std::size_t>(got);
    const std::string_view text(buffer, used);
    if (!text.ends_with('\n')) continue;
    const std::size_t before = text.substr(0, used - 1).rfind('\n');
    const std::string_view last = before == std::string_view::npos ? text : text.substr(before + 1);
    if (last.size() < 4 || last[3] == '-') continue;
    if (last.front() != '2') fail("the reply is no 2yz");
    return;
  }
}

void hold_dialogue(const sockaddr_in& address) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) fail("socket");
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    fail("connect");
  }
  hear(fd);
  for (const std::string_view command : kCommands) {
    if (send(fd, command.data(), command.size(), MSG_NOSIGNAL) < 0) fail("send");
    hear(fd);
  }
  close(fd);
}

double cpu_microseconds() {
  rusage usage{};
  if (getrusage(RUSAGE_SELF, &usage) != 0) fail("getrusage");
  return static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e6 +
         static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

bool read_number(std::string_view text, long& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size() && number > 0;
}

}  // namespace
}  // namespace smtpprobe

int main(int argc, char** argv) {
  long port = 0;
  long count = 0;
  if (argc != 3 || !smtpprobe::read_number(argv[1], port) || port > 65535 ||
      !smtpprobe::read_number(argv[2], count)) {
    std::fputs(smtpprobe::kUsage, stderr);
    return 2;
  }
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<in_port_t>(port));
  const double before = smtpprobe::cpu_microseconds();
  for (long at = 0; at < count; ++at) smtpprobe::hold_dialogue(address);
  std::printf("%.2f\n", (smtpprobe::cpu_microseconds() - before) / static_cast<double>(count));
  return 0;
}
