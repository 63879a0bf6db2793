// The passwords that wait to be hashed: whose turn it is.
#include "exporter/login_queue.h"

#include <gtest/gtest.h>

#include <atomic>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <chrono>
#include <future>
#include <mutex>
#include <vector>

namespace smtpprobe {
namespace {

namespace asio = boost::asio;
using std::chrono::milliseconds;
using std::chrono::seconds;

class LoginQueueTest : public testing::Test {
 protected:
  // Keeps the one thread that hashes until release().
  void hold() {
    asio::post(hashers_, [this] { held_.get_future().wait(); });
  }
  void release() { held_.set_value(); }

  // One login of `client`; which are checked, in which order, is in checked_.
  void ask(LoginQueue& queue, std::uint64_t client, bool right) {
    const auto asking = [this, &queue, client, right]() -> asio::awaitable<void> {
      auto checking = queue.check(loop_, client, [this, client, right] {
        const std::lock_guard lock(mutex_);
        checked_.push_back(client);
        return right;
      });
      const std::optional<bool> answer = co_await std::move(checking);
      if (!answer) ++unchecked_;
    };
    asio::co_spawn(loop_, asking, asio::detached);
    run();
  }
  void run() {
    loop_.restart();
    loop_.poll();
  }
  void run_to_the_end() {
    loop_.restart();
    loop_.run_for(seconds(20));
  }

  std::promise<void> held_;
  std::mutex mutex_;
  std::vector<std::uint64_t> checked_;
  int unchecked_ = 0;
  asio::io_context loop_{1};
  asio::thread_pool hashers_{1};
};

TEST_F(LoginQueueTest, ClientsHaveTheirTurns) {
  LoginQueue queue(hashers_);
  hold();
  for (const auto client : {1U, 1U, 1U, 2U, 3U, 2U}) ask(queue, client, true);
  EXPECT_EQ(queue.waiting(), 6U);
  release();
  run_to_the_end();
  EXPECT_EQ(checked_, (std::vector<std::uint64_t>{1, 2, 3, 1, 2, 1}));
  EXPECT_EQ(unchecked_, 0);
}

TEST_F(LoginQueueTest, ClientsWithAWrongPasswordComeAfterTheOthers) {
  LoginQueue queue(hashers_);
  for (const auto client : {1U, 2U, 3U}) ask(queue, client, client == 3);
  run_to_the_end();
  checked_.clear();
  hold();
  for (const auto client : {1U, 2U, 1U, 3U, 4U}) ask(queue, client, client > 2);
  release();
  run_to_the_end();
  EXPECT_EQ(checked_, (std::vector<std::uint64_t>{3, 4, 1, 2, 1}));
}

TEST_F(LoginQueueTest, AWrongPasswordIsForgottenInTime) {
  LoginLimits limits;
  limits.after_failure = milliseconds(1);
  LoginQueue queue(hashers_, limits);
  ask(queue, 1, false);
  run_to_the_end();
  checked_.clear();
  hold();
  ask(queue, 1, true);
  ask(queue, 2, true);
  std::this_thread::sleep_for(milliseconds(5));
  release();
  run_to_the_end();
  EXPECT_EQ(checked_, (std::vector<std::uint64_t>{1, 2}));
}

TEST_F(LoginQueueTest, TheFailuresThatAreRememberedAreBounded) {
  LoginLimits limits;
  limits.failures = 2;
  limits.in_turn = 100;
  LoginQueue queue(hashers_, limits);
  constexpr std::uint64_t kClients = 50;
  for (std::uint64_t client = 1; client <= kClients; ++client) ask(queue, client, false);
  run_to_the_end();
  checked_.clear();
  hold();
  for (std::uint64_t client = 1; client <= kClients; ++client) ask(queue, client, false);
  ask(queue, 100, true);
  release();
  run_to_the_end();
  ASSERT_EQ(checked_.size(), kClients + 1);
  EXPECT_NE(checked_.front(), 100U) << "it would be before all others, were they remembered";
}

TEST_F(LoginQueueTest, WhatWaitsIsBoundedForAClientAndForAll) {
  LoginLimits limits;
  limits.waiting = 4;
  limits.waiting_of_client = 3;
  LoginQueue queue(hashers_, limits);
  hold();
  for (const auto client : {1U, 1U, 1U, 1U}) ask(queue, client, true);
  EXPECT_EQ(unchecked_, 1) << "a client's own bound";
  ask(queue, 2, true);
  ask(queue, 3, true);
  run();
  EXPECT_EQ(unchecked_, 2) << "the newest of the client with most";
  ask(queue, 4, true);
  run();
  EXPECT_EQ(queue.waiting(), 4U);
  EXPECT_EQ(unchecked_, 3);
  release();
  run_to_the_end();
  EXPECT_EQ(checked_, (std::vector<std::uint64_t>{1, 2, 3, 4}));
}

TEST_F(LoginQueueTest, WhereItIsFullAClientWithAWrongPasswordGivesItsPlaceToOneWithout) {
  LoginLimits limits;
  limits.waiting = 3;
  LoginQueue queue(hashers_, limits);
  for (const auto client : {1U, 2U, 3U}) ask(queue, client, false);
  run_to_the_end();
  checked_.clear();
  hold();
  for (const auto client : {1U, 2U, 3U}) ask(queue, client, false);
  ask(queue, 4, true);
  run();
  EXPECT_EQ(unchecked_, 1);
  ask(queue, 1, true);
  EXPECT_EQ(unchecked_, 2) << "it is one of them itself";
  release();
  run_to_the_end();
  EXPECT_EQ(checked_, (std::vector<std::uint64_t>{4, 2, 3}));
}

// A flood from addresses that have not failed yet.
TEST_F(LoginQueueTest, WhereManyClientsWaitTheNewestIsFirst) {
  LoginLimits limits;
  limits.waiting = 20;
  limits.in_turn = 4;
  LoginQueue queue(hashers_, limits);
  hold();
  for (std::uint64_t client = 1; client <= 30; ++client) ask(queue, client, false);
  run();
  EXPECT_EQ(unchecked_, 10) << "the oldest have no place any more";
  ask(queue, 100, true);
  release();
  run_to_the_end();
  ASSERT_EQ(checked_.size(), 20U);
  EXPECT_EQ(checked_[0], 100U);
  EXPECT_EQ(checked_[1], 30U);
  EXPECT_EQ(checked_[15], 16U);
  EXPECT_EQ(checked_[16], 12U) << "the last four in turn";
}

TEST_F(LoginQueueTest, NobodyWaitsPastTheDeadline) {
  LoginLimits limits;
  limits.patience = milliseconds(20);
  LoginQueue queue(hashers_, limits);
  hold();
  ask(queue, 1, true);
  run_to_the_end();
  EXPECT_EQ(unchecked_, 1);
  EXPECT_EQ(queue.waiting(), 0U);
  release();
}

}  // namespace
}  // namespace smtpprobe
