// For tests of what the kernel's receive stamps tell.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <optional>
#include <thread>

#include "common/net/receive_stamps.h"

namespace smtpprobe {

// The kernel begins to stamp a moment after the first socket has asked for it: returns when it
// does.
inline void await_stamps() {
  const int self = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* const generic = reinterpret_cast<sockaddr*>(&address);
  ASSERT_EQ(::bind(self, generic, size), 0);
  ASSERT_EQ(::getsockname(self, generic, &size), 0);
  ASSERT_EQ(::connect(self, generic, size), 0);
  ask_for_stamps(self);
  std::optional<Instant> arrival;
  for (int turn = 0; turn < 2000 && !arrival; ++turn) {
    std::array<char, 1> byte{};
    ASSERT_EQ(::send(self, "x", 1, 0), 1);
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    ASSERT_EQ(receive_stamped(self, byte, arrival), 1);
  }
  EXPECT_TRUE(arrival);
  ::close(self);
}

}  // namespace smtpprobe
