#include "exporter/config_reload.h"

#include <fmt/format.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <memory>
#include <optional>
#include <utility>

#include "common/probe/printable.h"
#include "exporter/elsewhere.h"
#include "exporter/log.h"
#include "exporter/secret_files.h"
#include "exporter/served_config.h"

namespace smtpprobe {
namespace asio = boost::asio;

namespace {

// For those that wait for a reload; the reload itself goes on.
constexpr auto kReloadTime = std::chrono::seconds(60);
constexpr std::size_t kPathBytes = 200;

double seconds_since_epoch() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration<double>(now).count();
}

}  // namespace

// One reading of the files. Of the first loop's thread.
struct ConfigReload::Round {
  explicit Round(asio::io_context& context) : ended(context, kReloadTime) {}

  asio::steady_timer ended;             // cancelled when there is an outcome
  std::optional<Result<void>> outcome;  // absent: not yet
};

Result<void> ConfigReload::load_and_hand_out() {
  Result<std::shared_ptr<const ServedConfig>> config = load_served_config(path_, metrics_);
  metrics_.last_reload_successful.store(config.has_value());
  if (!config) {
    hand_out([fault = std::make_shared<const Error>(config.error())](EventLoop& loop) {
      loop.set_config_fault(fault);
    });
    return Unexpected(config.error());
  }
  warn_of_open_secrets((*config)->config);
  metrics_.last_reload_success_time.store(seconds_since_epoch());
  turns_.set_limit((*config)->config.max_probes_per_host);
  hand_out([one = *config](EventLoop& loop) { loop.set_config(one); });
  return {};
}

template <typename Set>
void ConfigReload::hand_out(const Set& set) {
  for (std::size_t i = 0; i < loops_.size(); ++i)
    asio::post(loops_[i].executor(), [&loop = loops_[i], set] { set(loop); });
}

Result<void> ConfigReload::load() { return load_and_hand_out(); }

asio::awaitable<Result<void>> ConfigReload::reload() {
  if (path_.empty()) co_return Result<void>();
  auto joining = asio::co_spawn(loops_[0].executor(), join_next_round(), elsewhere());
  co_return co_await std::move(joining);
}

asio::awaitable<Result<void>> ConfigReload::join_next_round() {
  if (!next_) next_ = std::make_shared<Round>(loops_[0].context());
  const std::shared_ptr<Round> round = next_;
  if (!running_) {
    running_ = true;
    asio::co_spawn(loops_[0].executor(), run_rounds(), asio::detached);
  }
  // The end of the round cancels the wait.
  auto waiting = round->ended.async_wait(asio::as_tuple(asio::use_awaitable));
  static_cast<void>(co_await std::move(waiting));
  if (!round->outcome)
    co_return error(fmt::format("{}: not read within {} s; the old configuration stays",
                                printable(path_, kPathBytes), kReloadTime.count()));
  co_return *round->outcome;
}

asio::awaitable<void> ConfigReload::run_rounds() {
  while (next_) {
    const std::shared_ptr<Round> round = std::exchange(next_, nullptr);
    auto loading = run_one();
    round->outcome = co_await std::move(loading);
    round->ended.cancel();
  }
  running_ = false;
}

asio::awaitable<Result<void>> ConfigReload::run_one() {
  const auto on_reader = [](ConfigReload* self) -> asio::awaitable<Result<void>> {
    co_return self->load_and_hand_out();
  };
  auto loading = asio::co_spawn(reader_, on_reader(this), elsewhere());
  Result<void> loaded = co_await std::move(loading);
  if (!loaded) log_error("bad configuration, the old one stays", loaded.error());
  // A loop takes things in their order: what comes back from it comes after what was handed out.
  const auto nothing = []() -> asio::awaitable<void> { co_return; };
  for (std::size_t i = 0; i < loops_.size(); ++i) {
    auto passing = asio::co_spawn(loops_[i].executor(), nothing(), elsewhere());
    co_await std::move(passing);
  }
  if (loaded) log(LogLevel::Info, "configuration loaded", {{"file", path_}});
  co_return loaded;
}

}  // namespace smtpprobe
