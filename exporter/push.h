// Sends an exposition to a Prometheus Pushgateway, over libcurl. A push replaces its whole group
// (PUT): what an earlier run pushed and this one does not is gone. Protocol: the Pushgateway's
// README, "API". Proxies are taken from the environment, as libcurl does by default. Invariant:
// user and password are in no message, whatever the gateway says.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/smtp/error.h"
#include "common/smtp/time.h"

namespace smtpprobe {

inline constexpr std::size_t kMaxPushUrlBytes = 8192;
inline constexpr std::size_t kGatewayTextBytes = 300;          // of its answer, in a message
inline constexpr std::size_t kMaxGatewayAnswerBytes = 65'536;  // read of it

struct PushPlan {
  std::string url;       // of the gateway: "https://user:password@push.example.net:9091/prefix"
  std::string user;      // empty: none, or in the URL
  std::string password;  // of the user
  std::string job = "smtp_probe";
  std::vector<std::pair<std::string, std::string>> grouping;  // more labels of the group
  Duration timeout = std::chrono::seconds(10);                // of all of it; at least 1 ms
};

// The address of the group: URL/metrics/job/JOB/NAME/VALUE… It holds the password, if there is
// one. Values that cannot stand in a path go as NAME@base64/…. Pure.
Result<std::string> push_url(const PushPlan& plan);

// A URL for messages: whatever stands before its last '@' becomes "***"; sanitised and cut; one
// that may hold a secret without an '@' is described.
std::string shown_url(std::string_view url);

// One request, no redirect, no second try; any answer but 2xx is an error with the gateway's own
// words. Blocks until the timeout at most. curl is set up at the first call, which has to come
// before other threads use it.
Result<void> push(const PushPlan& plan, std::string_view exposition);

}  // namespace smtpprobe
