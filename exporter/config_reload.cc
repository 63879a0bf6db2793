#include "exporter/config_reload.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <memory>
#include <utility>

#include "exporter/elsewhere.h"
#include "exporter/log.h"
#include "exporter/served_config.h"

namespace smtpprobe {
namespace asio = boost::asio;

namespace {

double seconds_since_epoch() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration<double>(now).count();
}

}  // namespace

Result<void> ConfigReload::load_and_hand_out() {
  Result<std::shared_ptr<const ServedConfig>> config = load_served_config(path_, metrics_);
  metrics_.last_reload_successful.store(config.has_value());
  if (!config) {
    hand_out([fault = std::make_shared<const Error>(config.error())](EventLoop& loop) {
      loop.set_config_fault(fault);
    });
    return Unexpected(config.error());
  }
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
  const auto on_worker = [](ConfigReload* self) -> asio::awaitable<Result<void>> {
    co_return self->load_and_hand_out();
  };
  auto loading = asio::co_spawn(workers_, on_worker(this), elsewhere());
  Result<void> loaded = co_await std::move(loading);
  if (!loaded) log_error("bad configuration, the old one stays", loaded.error());
  // A loop takes things in their order: what comes back from it comes behind what was
  // handed out.
  const auto nothing = []() -> asio::awaitable<void> { co_return; };
  for (std::size_t i = 0; i < loops_.size(); ++i) {
    auto passing = asio::co_spawn(loops_[i].executor(), nothing(), elsewhere());
    co_await std::move(passing);
  }
  if (loaded) log(LogLevel::Info, "configuration loaded", {{"file", path_}});
  co_return loaded;
}

}  // namespace smtpprobe
