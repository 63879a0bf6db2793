#include "exporter/log_limiter.h"

#include <algorithm>
#include <utility>

namespace smtpprobe {

std::optional<std::uint64_t> LogLimiter::admit(LogTopic topic, Instant now) {
  for (std::string* text : {&topic.event, &topic.target, &topic.reason})
    text->resize(std::min(text->size(), kTopicBytes));
  auto found = topics_.find(topic);
  if (found == topics_.end()) {
    if (topics_.size() >= kMaxTopics) {
      if (others_.left_out++ == 0) others_.end = now + kWindow;
      return std::nullopt;
    }
    topics_.emplace(std::move(topic), Window{now + kWindow});
    return 0;
  }
  Window& window = found->second;
  if (now < window.end) {
    ++window.left_out;
    return std::nullopt;
  }
  window.end = now + kWindow;
  return std::exchange(window.left_out, 0);
}

std::vector<LogLimiter::Summary> LogLimiter::summaries(Instant now) {
  std::vector<Summary> all;
  for (auto one = topics_.begin(); one != topics_.end();) {
    Window& window = one->second;
    if (now < window.end) {
      ++one;
    } else if (window.left_out == 0) {
      one = topics_.erase(one);
    } else {
      window.end = now + kWindow;
      all.push_back({one->first, std::exchange(window.left_out, 0)});
      ++one;
    }
  }
  if (others_.left_out > 0 && now >= others_.end)
    all.push_back({{}, std::exchange(others_.left_out, 0)});
  return all;
}

std::vector<LogLimiter::Summary> LogLimiter::last_summaries() {
  std::vector<Summary> all;
  for (const auto& [topic, window] : topics_) {
    if (window.left_out > 0) all.push_back({topic, window.left_out});
  }
  if (others_.left_out > 0) all.push_back({{}, others_.left_out});
  topics_.clear();
  others_.left_out = 0;
  return all;
}

}  // namespace smtpprobe
