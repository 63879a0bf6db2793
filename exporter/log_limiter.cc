#include "exporter/log_limiter.h"

#include <algorithm>
#include <utility>

namespace smtpprobe {

std::optional<std::uint64_t> LogLimiter::admit(LogTopic topic, std::uint64_t client, Instant now) {
  for (std::string* text : {&topic.event, &topic.target, &topic.reason})
    text->resize(std::min(text->size(), kTopicBytes));
  auto found = topics_.find(topic);
  if (found == topics_.end()) {
    if (topics_.size() >= kMaxTopics && !make_room(client, now)) {
      count_other(1, now);
      return std::nullopt;
    }
    topics_.emplace(std::move(topic), Window{now + kWindow, client});
    ++topics_of_client_[client];
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

// One topic of the client that has most goes, where that is more than `client` has with a new one.
bool LogLimiter::make_room(std::uint64_t client, Instant now) {
  const auto largest =
      std::max_element(topics_of_client_.begin(), topics_of_client_.end(),
                       [](const auto& a, const auto& b) { return a.second < b.second; });
  const auto own = topics_of_client_.find(client);
  const std::size_t mine = own == topics_of_client_.end() ? 0 : own->second;
  if (largest->second <= mine + 1) return false;
  const auto victim = std::find_if(
      topics_.begin(), topics_.end(),
      [owner = largest->first](const auto& one) { return one.second.client == owner; });
  if (victim->second.left_out > 0) count_other(victim->second.left_out, now);
  forget(victim);
  return true;
}

void LogLimiter::count_other(std::uint64_t lines, Instant now) {
  if (others_.left_out == 0) others_.end = now + kWindow;
  others_.left_out += lines;
}

LogLimiter::Topics::iterator LogLimiter::forget(Topics::iterator topic) {
  const auto of_client = topics_of_client_.find(topic->second.client);
  if (--of_client->second == 0) topics_of_client_.erase(of_client);
  return topics_.erase(topic);
}

std::vector<LogLimiter::Summary> LogLimiter::summaries(Instant now) {
  std::vector<Summary> all;
  for (auto one = topics_.begin(); one != topics_.end();) {
    Window& window = one->second;
    if (now < window.end) {
      ++one;
    } else if (window.left_out == 0) {
      one = forget(one);
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
  topics_of_client_.clear();
  others_.left_out = 0;
  return all;
}

}  // namespace smtpprobe
