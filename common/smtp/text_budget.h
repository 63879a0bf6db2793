// A bound in bytes on what many sessions keep together of their servers' texts: a server may answer
// at length and then hang, and hundreds of them do so at a time. Each session has kOwnBytes that
// nobody takes from it, which is more than an ordinary session needs; what is above these comes
// from the shared budget, for as long as the session lasts.
#pragma once

#include <atomic>
#include <cstddef>
#include <utility>

namespace smtpprobe {

// Shared by sessions of any thread, which it outlives.
class TextBudget {
 public:
  explicit TextBudget(std::size_t bytes) : left_(bytes) {}
  TextBudget(const TextBudget&) = delete;
  TextBudget& operator=(const TextBudget&) = delete;

  bool take(std::size_t bytes) {
    std::size_t left = left_.load(std::memory_order_relaxed);
    while (left >= bytes) {
      if (left_.compare_exchange_weak(left, left - bytes, std::memory_order_relaxed)) return true;
    }
    return false;
  }
  void give_back(std::size_t bytes) { left_.fetch_add(bytes, std::memory_order_relaxed); }
  std::size_t left() const { return left_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::size_t> left_;
};

// What one session has taken; given back when it is destroyed.
class TextAccount {
 public:
  static constexpr std::size_t kOwnBytes = std::size_t{8} * 1024;

  // Null: no bound but the session's own limits.
  explicit TextAccount(TextBudget* budget) : budget_(budget) {}
  TextAccount(TextAccount&& other) noexcept
      : budget_(std::exchange(other.budget_, nullptr)),
        own_(other.own_),
        shared_(std::exchange(other.shared_, 0)) {}
  TextAccount& operator=(TextAccount&&) = delete;
  ~TextAccount() {
    if (budget_ != nullptr) budget_->give_back(shared_);
  }

  // False: there is no room for so much more.
  bool take(std::size_t bytes) {
    if (budget_ == nullptr) return true;
    if (own_ + bytes <= kOwnBytes) {
      own_ += bytes;
      return true;
    }
    if (!budget_->take(bytes)) return false;
    shared_ += bytes;
    return true;
  }

 private:
  TextBudget* budget_;
  std::size_t own_ = 0;     // of kOwnBytes
  std::size_t shared_ = 0;  // of the budget
};

}  // namespace smtpprobe
