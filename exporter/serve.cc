#include "exporter/serve.h"

#include <malloc.h>

#include <algorithm>
#include <atomic>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "common/net/address_turns.h"
#include "common/net/receive_stamps.h"
#include "exporter/config_reload.h"
#include "exporter/descriptors.h"
#include "exporter/elsewhere.h"
#include "exporter/event_loop.h"
#include "exporter/http_server.h"
#include "exporter/log.h"
#include "exporter/probe_service.h"
#include "exporter/routes.h"
#include "exporter/secret_files.h"
#include "exporter/service_notify.h"
#include "exporter/socket_activation.h"

namespace smtpprobe {
namespace asio = boost::asio;
namespace {

constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);
constexpr auto kDrainLook = std::chrono::milliseconds(20);
// For answers to clients that do not take them, when the last probe has ended.
constexpr auto kDrainAnswers = std::chrono::seconds(2);
constexpr auto kTidy = std::chrono::seconds(2);
constexpr auto kLookAtWebConfig = std::chrono::seconds(1);
constexpr auto kReaderEnds =
    std::chrono::seconds(1);          // what a reload under way may take at the end
constexpr std::size_t kHashers = 2;   // where there is a web configuration
constexpr int kTidyRounds = 5;        // clients keep their connections for a while
constexpr std::int64_t kBurst = 200;  // probes at a time that leave enough memory to give back

Instant now() { return std::chrono::steady_clock::now(); }

int failed(std::string_view what, const Error& why) {
  log_error(what, why);
  return 1;
}

std::size_t loop_count() { return std::max(1U, std::thread::hardware_concurrency()); }

HttpLimits http_limits(const Capacity& capacity) {
  HttpLimits limits;
  limits.connections = capacity.connections;
  return limits;
}

Capacity capacity_for(const ExporterOptions& options) {
  const std::size_t descriptors = raise_descriptor_limit();
  const Capacity capacity =
      capacity_of(descriptors, options.max_in_flight, HttpLimits().connections);
  if (capacity.probes < options.max_in_flight)
    log(LogLevel::Warn, "fewer probes at a time than asked for: too few descriptors are allowed",
        {{"probes", std::to_string(capacity.probes)},
         {"asked", std::to_string(options.max_in_flight)},
         {"descriptors", std::to_string(descriptors)}});
  return capacity;
}

// The parts, in the order in which they need each other; taken down in the reverse one.
class Service {
 public:
  Service(const ExporterOptions& options, std::unique_ptr<WebAccess> access,
          const Capacity& capacity)
      : turns_(1),
        access_(std::move(access)),
        loops_(loop_count(), history_limits(options), metrics_.event_loop_lag),
        workers_(1),
        hashers_(access_->has_file() ? kHashers : 0),
        reader_(1),
        web_reader_(access_->has_file() ? 1 : 0),
        probes_(metrics_, turns_, loops_.size(), capacity.probes),
        config_(options.config_file, loops_, reader_, turns_, metrics_),
        routes_({loops_, probes_, config_, metrics_},
                {options.route_prefix, options.external_url, options.timeout_offset,
                 static_cast<std::size_t>(options.history_limit), options.disable_reload}),
        server_(loops_, workers_, hashers_, http_limits(capacity), *access_,
                [this](EventLoop& loop, const HttpRequest& request) {
                  return routes_.answer(loop, request);
                }),
        signals_(loops_[0].context(), SIGHUP, SIGTERM, SIGINT),
        tidy_(loops_[0].context()),
        look_(loops_[0].context()),
        drain_(loops_[0].context()) {}

  // Listens on `sockets` where there are some, else on `addresses`.
  int run(const std::vector<ListenAddress>& addresses, const std::vector<int>& sockets) {
    if (const Result<void> loaded = config_.load(); !loaded)
      return failed("bad configuration", loaded.error());
    std::vector<Result<std::string>> bound;
    for (const int socket : sockets) bound.push_back(server_.listen_on(socket));
    if (sockets.empty())
      for (const ListenAddress& address : addresses) bound.push_back(server_.listen(address));
    for (const Result<std::string>& one : bound) {
      if (!one) return failed("cannot listen", one.error());
      log(LogLevel::Info, "listening", {{"address", *one}});
    }
    asio::co_spawn(loops_[0].context(), heed_signals(), asio::detached);
    asio::co_spawn(loops_[0].context(), tidy_up(), asio::detached);
    if (access_->has_file())
      asio::co_spawn(loops_[0].context(), watch_web_config(), asio::detached);
    notify_service(kServiceReady);
    loops_.run();
    end_reader();
    // The pools first: what waits for them belongs to the loops then.
    for (Ending<asio::thread_pool>* pool : {&workers_, &hashers_, &reader_, &web_reader_}) {
      pool->stop();
      pool->join();
      pool->destroy_waiting();
    }
    loops_.destroy_waiting();
    log_left_out(true);
    log(LogLevel::Info, "ended");
    return 0;
  }

 private:
  static HistoryLimits history_limits(const ExporterOptions& options) {
    HistoryLimits limits;
    limits.probes = static_cast<std::size_t>(options.history_limit);
    return limits;
  }

  asio::awaitable<void> heed_signals() {
    while (true) {
      auto waiting = signals_.async_wait(kTuple);
      const auto [failure, number] = co_await std::move(waiting);
      if (failure) co_return;
      if (number == SIGHUP && probes_.draining()) continue;
      if (number == SIGHUP) {
        // Not waited for: the next signal may be SIGTERM.
        asio::co_spawn(loops_[0].context(), reload_for_manager(), asio::detached);
      } else if (probes_.draining()) {
        loops_.stop();
      } else {
        log(LogLevel::Info, "draining",
            {{"probes_in_flight", std::to_string(probes_.in_flight())}});
        notify_service(kServiceStopping);
        probes_.drain();
        server_.drain();
        asio::co_spawn(loops_[0].context(), drain(), asio::detached);
      }
    }
  }

  asio::awaitable<void> reload_for_manager() {
    ++managers_reloads_;
    notify_service(service_reloading(now()));
    auto reloading = config_.reload();
    static_cast<void>(co_await std::move(reloading));
    if (--managers_reloads_ == 0 && !probes_.draining()) notify_service(kServiceReady);
  }

  // A read under way is not needed any more; one that hangs in the system cannot be ended, and its
  // thread not be joined.
  void end_reader() {
    reader_.stop();
    web_reader_.stop();
    const Instant end = now() + kReaderEnds;
    const auto reading = [this] { return config_.running() || web_look_; };
    while (reading() && now() < end) std::this_thread::sleep_for(kDrainLook);
    if (!reading()) return;
    log_left_out(true);
    log(LogLevel::Info, "ended", {{"files", "not read to their end"}});
    std::_Exit(0);
  }

  // A file on a dead network file system must not hold up a loop.
  asio::awaitable<void> watch_web_config() {
    while (true) {
      look_.expires_after(kLookAtWebConfig);
      auto waiting = look_.async_wait(kTuple);
      const auto [failure] = co_await std::move(waiting);
      if (failure) co_return;
      if (web_look_.exchange(true)) continue;
      asio::post(web_reader_, [this] {
        access_->look_again();
        web_look_ = false;
      });
    }
  }

  asio::awaitable<void> drain() {
    std::optional<Instant> without_probes;
    while (true) {
      if (probes_.in_flight() > 0) {
        without_probes.reset();
      } else {
        if (!without_probes) without_probes = now();
        if (server_.answering() == 0 || now() - *without_probes > kDrainAnswers) break;
      }
      drain_.expires_after(kDrainLook);
      auto waiting = drain_.async_wait(kTuple);
      static_cast<void>(co_await std::move(waiting));
    }
    loops_.stop();
  }

  // The allocator keeps what a burst of probes or an old configuration took, and would for good.
  asio::awaitable<void> tidy_up() {
    std::int64_t most = 0;
    int rounds = 0;
    const ServedConfig* served = loops_[0].config().get();
    while (true) {
      tidy_.expires_after(kTidy);
      auto waiting = tidy_.async_wait(kTuple);
      const auto [failure] = co_await std::move(waiting);
      if (failure) co_return;
      log_left_out();
      const std::int64_t present = probes_.in_flight();
      most = std::max(most, present);
      if (most >= kBurst && present <= most / 4) {
        most = present;
        rounds = kTidyRounds;
      }
      if (const auto* now_served = loops_[0].config().get(); now_served != served) {
        served = now_served;
        rounds = std::max(rounds, 1);
      }
      if (rounds == 0) continue;
      if (rounds == kTidyRounds) {
        for (std::size_t i = 0; i < loops_.size(); ++i)
          asio::co_spawn(loops_[i].executor(), gather_history(loops_[i]), asio::detached);
      }
      --rounds;
      ::malloc_trim(0);
    }
  }

  // On a worker: its thread has an arena of its own, in which no burst was.
  asio::awaitable<void> gather_history(EventLoop& loop) {
    using Records = std::vector<History::Record>;
    const auto copying = [](Records records) -> asio::awaitable<Records> {
      for (History::Record& record : records) record = copy_of(*record);
      co_return std::move(records);
    };
    auto working = asio::co_spawn(workers_, copying(loop.history().all()), elsewhere());
    const Records copies = co_await std::move(working);
    loop.history().exchange(copies);
  }

  ReceiveStamps stamps_;
  SelfMetrics metrics_;
  AddressTurns turns_;
  std::unique_ptr<WebAccess> access_;
  EventLoops loops_;
  Ending<asio::thread_pool>
      workers_;  // short tasks of the loops, which wait for them: accept() is one
  Ending<asio::thread_pool> hashers_;  // anybody can fill its queue
  // A file that cannot be read in time holds up those that follow: the two do not share a thread.
  Ending<asio::thread_pool> reader_;
  Ending<asio::thread_pool> web_reader_;
  std::atomic<bool> web_look_ = false;  // posted to web_reader_, and not done
  ProbeService probes_;
  ConfigReload config_;
  Routes routes_;
  HttpServer server_;
  asio::signal_set signals_;
  asio::steady_timer tidy_;
  asio::steady_timer look_;
  asio::steady_timer drain_;
  int managers_reloads_ = 0;  // by SIGHUP, under way
};

// A large block that is freed makes glibc take the next ones of its size from the heap, where what
// is left between them is never given back: with a reload every few seconds memory grew by a third.
// A threshold that is set stays.
void keep_large_blocks_apart() {
  constexpr int kThreshold = 64 * 1024;
  ::mallopt(M_MMAP_THRESHOLD, kThreshold);
}

}  // namespace

int check_config(const ExporterOptions& options) {
  SelfMetrics unused;
  const auto config = load_served_config(options.config_file, unused);
  if (!config) return failed("bad configuration", config.error());
  const auto access = WebAccess::open(options.web_config_file);
  if (!access) return failed("bad web configuration", access.error());
  warn_of_open_secrets((*config)->config);
  std::string modules = std::to_string((*config)->modules.size());
  if (options.config_file.empty())
    log(LogLevel::Info, "no configuration file, built-in modules",
        {{"modules", std::move(modules)}});
  else
    log(LogLevel::Info, "good configuration",
        {{"file", options.config_file}, {"modules", std::move(modules)}});
  return 0;
}

int serve(const ExporterOptions& options) {
  keep_large_blocks_apart();
  limit_log();
  std::vector<int> sockets;
  if (options.systemd_socket) {
    Result<std::vector<int>> passed = take_passed_sockets();
    if (!passed)
      return failed("cannot listen", Error{"--web.systemd-socket: " + passed.error().text});
    sockets = std::move(*passed);
  }
  Result<std::unique_ptr<WebAccess>> access = WebAccess::open(options.web_config_file);
  if (!access) return failed("bad web configuration", access.error());
  Service service(options, std::move(*access), capacity_for(options));
  return service.run(options.listen, sockets);
}

}  // namespace smtpprobe
