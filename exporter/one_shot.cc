#include "exporter/one_shot.h"

#include <unistd.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/config/config_values.h"
#include "common/net/address_turns.h"
#include "common/net/write_all.h"
#include "common/smtp/reply_code.h"
#include "exporter/descriptors.h"
#include "exporter/event_loop.h"
#include "exporter/exposition.h"
#include "exporter/log.h"
#include "exporter/probe_metrics.h"
#include "exporter/probe_order.h"
#include "exporter/probe_service.h"
#include "exporter/push.h"
#include "exporter/textfile.h"

namespace smtpprobe {
namespace asio = boost::asio;
namespace {

using Record = std::shared_ptr<const ProbeRecord>;

constexpr int kUnknown = static_cast<int>(State::Unknown);
constexpr std::size_t kAtATime = 512;

// The targets, each once, as orders. The error is the user's.
Result<std::vector<ProbeOrder>> orders_of(const ExporterOptions& options,
                                          const std::shared_ptr<const ServedConfig>& config) {
  const auto module = config->modules.find(options.once->module);
  if (module == config->modules.end())
    return error("--module: got " + rejected_value(options.once->module) + ", expected one of " +
                 module_names(config->config) +
                 (options.config_file.empty() ? ", for no --config.file is given" : ""));
  std::vector<ProbeOrder> orders;
  std::vector<std::string> known;
  for (const std::string& text : options.once->targets) {
    const Result<Target> target = parse_target(text);
    if (!target) return error("--once: " + target.error().text);
    Result<ProbeOrder> order =
        order_for(config, module->second, *target, "", 0, options.timeout_offset);
    if (!order) return error("--once: " + order.error().text);
    std::string name = order->plan->target.text(order->plan->port);
    if (std::find(known.begin(), known.end(), name) != known.end()) continue;
    known.push_back(std::move(name));
    orders.push_back(std::move(*order));
  }
  return orders;
}

// Takes one order after the other, beside others that do the same.
asio::awaitable<void> work(EventLoop& loop, ProbeService& service,
                           const std::vector<ProbeOrder>& orders, std::size_t& next,
                           std::vector<Record>& records, std::size_t& done) {
  while (next < orders.size()) {
    const std::size_t mine = next++;
    auto probing = service.run(loop, orders[mine]);
    records[mine] = co_await std::move(probing);
    if (++done == orders.size()) loop.stop();
  }
}

std::vector<Record> probe_all(const std::vector<ProbeOrder>& orders, int per_address) {
  SelfMetrics metrics;
  AddressTurns turns(per_address);
  EventLoops loops(1, HistoryLimits{0, 0}, metrics.event_loop_lag);
  ProbeService service(metrics, turns, 1, static_cast<std::int64_t>(orders.size()));
  const Capacity capacity = capacity_of(raise_descriptor_limit(), kAtATime, 0);
  const std::size_t workers = std::min(orders.size(), static_cast<std::size_t>(capacity.probes));
  std::vector<Record> records(orders.size());
  std::size_t next = 0;
  std::size_t done = 0;
  for (std::size_t i = 0; i < workers; ++i)
    asio::co_spawn(loops[0].executor(), work(loops[0], service, orders, next, records, done),
                   asio::detached);
  loops.run();
  return records;
}

// Whether nothing was lost. Each loss is logged with its reason.
bool deliver(const OneShotOptions& once, const std::string& push_password, std::string_view text) {
  bool good = write_all(STDOUT_FILENO, text);
  if (!good) log(LogLevel::Error, "cannot print the metrics", {{"why", "stdout takes nothing"}});
  if (!once.textfile.empty()) {
    const Result<void> written = write_textfile(once.textfile, text);
    if (!written) log(LogLevel::Error, "textfile failed", {{"why", written.error().text}});
    good = good && written;
  }
  if (!once.push_url.empty()) {
    PushPlan plan;
    plan.url = once.push_url;
    plan.user = once.push_user;
    plan.password = push_password;
    plan.job = once.push_job;
    plan.grouping = once.push_grouping;
    const Result<void> pushed = push(plan, text);
    if (!pushed) log(LogLevel::Error, "push failed", {{"why", pushed.error().text}});
    good = good && pushed;
  }
  return good;
}

}  // namespace

int run_once(const ExporterOptions& options) {
  SelfMetrics unused;
  const auto refuse = [](const Error& why) {
    log_error("no probe was made", why);
    return kUnknown;
  };
  std::string push_password;
  if (!options.once->push_password_file.empty()) {
    Result<std::string> password = read_secret_file(options.once->push_password_file);
    if (!password) return refuse(Error{"--push.password-file: " + password.error().text});
    push_password = *std::move(password);
  }
  const auto config = load_served_config(options.config_file, unused);
  if (!config) return refuse(config.error());
  Result<std::vector<ProbeOrder>> orders = orders_of(options, *config);
  if (!orders) return refuse(orders.error());
  const std::vector<Record> records = probe_all(*orders, (*config)->config.max_probes_per_host);
  const bool delivered =
      deliver(*options.once, push_password, exposition(labelled_families(records)));
  if (!delivered) return kUnknown;
  State worst = State::Ok;
  for (const Record& record : records) worst = worse(worst, record->verdict.state);
  return static_cast<int>(worst);
}

}  // namespace smtpprobe
