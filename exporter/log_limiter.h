// Which lines about the same topic are written: the first at once, then one a minute at most, with
// the number of those that were left out. Anybody who can send requests could otherwise fill the
// disk. Invariant: bounded in topics. Where all are taken, a client that has fewer than another
// gets one of the other's, which is then new again; what is beyond them is counted together. Pure.
#pragma once

#include <chrono>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "common/smtp/time.h"

namespace smtpprobe {

// What makes lines the same.
struct LogTopic {
  std::string event;   // the line's message
  std::string target;  // may be empty
  std::string reason;

  auto operator<=>(const LogTopic&) const = default;
};

class LogLimiter {
 public:
  static constexpr std::size_t kMaxTopics = 2048;
  static constexpr std::size_t kTopicBytes = 256;  // of each text of a topic; the rest is cut off
  static constexpr Duration kWindow = std::chrono::minutes(1);

  // Whether a line that `client` (client_id.h) caused is to be written now: how many were left out
  // since the last one. nullopt: no, and it is counted.
  std::optional<std::uint64_t> admit(LogTopic topic, std::uint64_t client, Instant now);

  struct Summary {
    LogTopic topic;  // all texts empty: of the topics that there was no room for
    std::uint64_t left_out;
  };
  // What was left out in windows that are over; a window begins for each topic that is returned.
  std::vector<Summary> summaries(Instant now);
  // Of all windows, at the end of the process.
  std::vector<Summary> last_summaries();

 private:
  struct Window {
    Instant end;
    std::uint64_t client = 0;  // that caused the first line
    std::uint64_t left_out = 0;
  };
  using Topics = std::map<LogTopic, Window>;

  bool make_room(std::uint64_t client, Instant now);
  void count_other(std::uint64_t lines, Instant now);
  Topics::iterator forget(Topics::iterator topic);

  Topics topics_;
  std::unordered_map<std::uint64_t, std::size_t> topics_of_client_;  // never 0
  Window others_{Instant::min()};
};

}  // namespace smtpprobe
