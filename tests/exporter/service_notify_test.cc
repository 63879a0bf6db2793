// The manager is a datagram socket of the test's own.
#include "exporter/service_notify.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "exporter/process_metrics.h"

namespace smtpprobe {
namespace {

using std::chrono::seconds;
using std::chrono::steady_clock;

constexpr std::size_t kPathBytes = sizeof(sockaddr_un::sun_path);

// Bound to a path, or with '@' in front to an abstract name.
class Manager {
 public:
  explicit Manager(const std::string& name)
      : socket_(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    EXPECT_LE(name.size(), kPathBytes);
    std::memcpy(address.sun_path, name.data(), name.size());
    if (name.starts_with('@')) address.sun_path[0] = '\0';
    const std::size_t end = name.starts_with('@') ? 0 : 1;
    EXPECT_EQ(bind(socket_, reinterpret_cast<const sockaddr*>(&address),
                   static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size() + end)),
              0)
        << name << ": " << std::strerror(errno);
    const timeval patience{5, 0};
    setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  }
  Manager(const Manager&) = delete;
  Manager& operator=(const Manager&) = delete;
  ~Manager() { close(socket_); }

  // The next datagram; "(nothing)" when none comes. What was sent before the call is there at once.
  std::string heard(int flags = 0) const {
    std::array<char, 512> bytes{};
    const ssize_t got = recv(socket_, bytes.data(), bytes.size(), flags);
    return got < 0 ? "(nothing)" : std::string(bytes.data(), static_cast<std::size_t>(got));
  }

 private:
  int socket_;
};

class ServiceNotify : public testing::Test {
 protected:
  ServiceNotify() {
    std::string pattern =
        "/tmp/notify.XXXXXX";  // short, whatever TMPDIR is: it has to fit an address
    EXPECT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  ~ServiceNotify() override {
    unsetenv("NOTIFY_SOCKET");
    std::filesystem::remove_all(folder_);
  }
  static void tell(const std::string& socket, std::string_view state) {
    setenv("NOTIFY_SOCKET", socket.c_str(), 1);
    notify_service(state);
  }
  std::string path_of(std::size_t bytes) const {
    return folder_ + "/" + std::string(bytes - folder_.size() - 1, 'n');
  }
  std::string abstract_of(std::size_t bytes) const {
    std::string name = "@" + folder_;
    name.resize(bytes, 'n');
    return name;
  }

  std::string folder_;
};

TEST(ServiceTexts, ReloadingHasTheMonotonicTimeInMicroseconds) {
  EXPECT_EQ(service_reloading(Instant(std::chrono::nanoseconds(1'234'567'891))),
            "RELOADING=1\nMONOTONIC_USEC=1234567");
}

// systemd reads CLOCK_MONOTONIC, and that is what our clock has to be.
TEST(ServiceTexts, ReloadingIsByTheManagersClock) {
  timespec before{};
  clock_gettime(CLOCK_MONOTONIC, &before);
  const std::string text = service_reloading(steady_clock::now());
  timespec after{};
  clock_gettime(CLOCK_MONOTONIC, &after);
  const auto micros = [](const timespec& at) { return at.tv_sec * 1'000'000 + at.tv_nsec / 1000; };
  const long told = std::stol(text.substr(text.rfind('=') + 1));
  EXPECT_GE(told, micros(before));
  EXPECT_LE(told, micros(after));
}

// A line end would begin another assignment.
TEST(ServiceTexts, AStatusIsOneAssignment) {
  EXPECT_EQ(service_status("serving 3 modules"), "STATUS=serving 3 modules");
  EXPECT_EQ(service_status("a\nREADY=1"), "STATUS=a\\x0aREADY=1");
  EXPECT_EQ(service_status(std::string(200, 's')), "STATUS=" + std::string(200, 's'));
  EXPECT_EQ(service_status(std::string(201, 's')), "STATUS=" + std::string(197, 's') + "...");
}

TEST_F(ServiceNotify, ReachesASocketInTheFileSystem) {
  const Manager manager(folder_ + "/notify");
  tell(folder_ + "/notify", kServiceReady);
  EXPECT_EQ(manager.heard(), "READY=1");
  tell(folder_ + "/notify", kServiceStopping);
  EXPECT_EQ(manager.heard(), "STOPPING=1");
}

TEST_F(ServiceNotify, ReachesAnAbstractSocket) {
  const Manager manager("@" + folder_);
  tell("@" + folder_, "READY=1\nSTATUS=serving");
  EXPECT_EQ(manager.heard(), "READY=1\nSTATUS=serving");
}

TEST_F(ServiceNotify, APathHasRoomForItsNul) {
  const std::string longest = path_of(kPathBytes - 1);
  const Manager manager(longest);
  tell(longest + "n", "cut");
  EXPECT_EQ(manager.heard(MSG_DONTWAIT), "(nothing)");
  tell(longest, "whole");
  EXPECT_EQ(manager.heard(), "whole");
}

TEST_F(ServiceNotify, AnAbstractNameFillsTheAddress) {
  const std::string longest = abstract_of(kPathBytes);
  const Manager manager(longest);
  tell(longest + "n", "cut");
  EXPECT_EQ(manager.heard(MSG_DONTWAIT), "(nothing)");
  tell(longest, "whole");
  EXPECT_EQ(manager.heard(), "whole");
}

TEST_F(ServiceNotify, ARelativeNameIsNoSocket) {
  const Manager manager(folder_ + "/notify");
  const auto before = std::filesystem::current_path();
  std::filesystem::current_path(folder_);
  tell("notify", "from here");
  tell("./notify", "from here");
  std::filesystem::current_path(before);
  EXPECT_EQ(manager.heard(MSG_DONTWAIT), "(nothing)");
}

TEST_F(ServiceNotify, NothingIsSentOrKeptOpenWithoutAManager) {
  const auto before = descriptors_by_table();
  unsetenv("NOTIFY_SOCKET");
  notify_service(kServiceReady);
  for (const std::string& absent : {std::string(), std::string("@"), std::string("/"),
                                    folder_ + "/nobody", "@" + folder_ + "/nobody"}) {
    tell(absent, kServiceReady);
  }
  EXPECT_EQ(descriptors_by_table(), before);
}

TEST_F(ServiceNotify, ABusyManagerIsWaitedForButNotForLong) {
  const Manager manager(folder_ + "/notify");
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, (folder_ + "/notify").c_str(), sizeof address.sun_path - 1);
  // One sender's buffer may be full before the queue is, which systemd makes long: until a new one
  // can send nothing.
  std::vector<int> fillers;
  int queued = 0;
  for (int before = -1; before != queued && fillers.size() < 1000;) {
    before = queued;
    fillers.push_back(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    while (sendto(fillers.back(), "x", 1, MSG_DONTWAIT, reinterpret_cast<const sockaddr*>(&address),
                  sizeof address) == 1) {
      ++queued;
    }
  }
  EXPECT_EQ(errno, EAGAIN);
  const auto began = steady_clock::now();
  tell(folder_ + "/notify", kServiceReady);
  const auto took = steady_clock::now() - began;
  EXPECT_GE(took, std::chrono::milliseconds(900));
  EXPECT_LT(took, seconds(5));
  for (int i = 0; i < queued; ++i) ASSERT_EQ(manager.heard(MSG_DONTWAIT), "x");
  EXPECT_EQ(manager.heard(MSG_DONTWAIT), "(nothing)");
  for (const int filler : fillers) close(filler);
}

}  // namespace
}  // namespace smtpprobe
