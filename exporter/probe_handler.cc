#include "exporter/probe_handler.h"

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "common/config/allowed_targets.h"
#include "common/config/config_values.h"
#include "common/config/config_writer.h"
#include "common/probe/printable.h"
#include "exporter/answered.h"
#include "exporter/debug_text.h"
#include "exporter/exposition.h"
#include "exporter/log.h"
#include "exporter/pages.h"
#include "exporter/plan_bytes.h"
#include "exporter/probe_metrics.h"
#include "exporter/probe_order.h"
#include "exporter/probe_query.h"

namespace smtpprobe {
namespace asio = boost::asio;
namespace {

using Ordered = tl::expected<ProbeOrder, HttpResponse>;

tl::unexpected<HttpResponse> refuse(int status, std::string why) {
  return tl::make_unexpected(plain_response(status, std::move(why)));
}

Ordered order_of(const ProbeQuery& query, const std::shared_ptr<const ServedConfig>& config,
                 double scrape, Duration offset, SelfMetrics& metrics) {
  const auto found = config->modules.find(query.module);
  if (found == config->modules.end()) {
    metrics.unknown_module.fetch_add(1);
    return refuse(400, "unknown module " + rejected_value(query.module) +
                           "; the configuration has " +
                           printable(module_names(config->config), 1000));
  }
  const ServedModule& module = found->second;
  // One text for all of them, and nothing is opened: a client must not learn which files there are.
  const bool is_path = !query.target.unix_path.empty();
  if (is_path && !is_listed(config->config.allowed_targets, query.target))
    return refuse(403, "unix sockets are probed only where allowed_targets lists them");
  if (!is_allowed(config->config.allowed_targets, query.target))
    return refuse(403, "target " + query.target.text(module.module.plan.port) +
                           " is outside allowed_targets");
  if (module.module.plan.dialogue.auth && !may_have_credentials(module.module, query.target))
    return refuse(403, "target " + query.target.text(module.module.plan.port) +
                           " is not in the auth.targets of module " + query.module);
  Result<ProbeOrder> order =
      order_for(config, module, query.target, query.hostname, scrape, offset);
  if (!order) return refuse(400, order.error().text);
  return std::move(*order);
}

HttpResponse busy_response(bool draining) {
  HttpResponse busy =
      plain_response(503, draining ? "shutting down" : "too many probes are in flight");
  busy.headers.emplace_back("Retry-After", "1");
  return busy;
}

}  // namespace

ProbeHandler::AskedOrNot ProbeHandler::read(EventLoop& loop, const HttpRequest& request) const {
  const Result<ProbeQuery> query = parse_probe_query(request.target);
  if (!query) return refuse(400, query.error().text);
  const Result<double> scrape = parse_scrape_timeout(request.scrape_timeout);
  if (!scrape) return refuse(400, scrape.error().text);
  Ordered order = order_of(*query, loop.config(), *scrape, offset_, metrics_);
  if (!order) return tl::make_unexpected(std::move(order.error()));
  return Asked{std::move(*order), query->debug, query->page};
}

// Prometheus asks the same every minute, for months.
ProbeHandler::AskedOrNot ProbeHandler::understand(EventLoop& loop, const HttpRequest& request) {
  Known& known = known_[loop.index()];
  if (known.config != loop.config()) {
    known = Known{};
    known.config = loop.config();
  }
  std::optional<std::string> key = query_key(request.target);
  if (!key || key->size() + request.scrape_timeout.size() > kLongestKnown)
    return read(loop, request);
  *key += request.scrape_timeout;
  if (const auto found = known.asked.find(*key); found != known.asked.end()) return found->second;
  AskedOrNot asked = read(loop, request);
  // A message makes a plan large.
  if (asked && !asked->order.plan->message) keep(known, std::move(*key), *asked);
  return asked;
}

std::size_t ProbeHandler::cached_bytes() const {
  std::size_t bytes = 0;
  for (const Known& known : known_) bytes += known.bytes;
  return bytes;
}

// A client may vary its query at will.
void ProbeHandler::keep(Known& known, std::string key, const Asked& asked) {
  constexpr std::size_t kNode = 64;  // of the map and the allocator
  const std::size_t bytes =
      kNode + sizeof key + key.size() + sizeof asked + bytes_of(*asked.order.plan);
  const std::size_t most = kCachedBytes / known_.size();
  if (bytes > most) return;
  if (known.bytes + bytes > most) {
    known.asked = {};  // its buckets, too
    known.bytes = 0;
  }
  known.bytes += bytes;
  known.asked.emplace(std::move(key), asked);
}

HttpResponse ProbeHandler::rendered(const ProbeRecord& record, const Asked& asked) {
  HttpResponse response;
  if (asked.page) {
    response = plain_response(303, "see the page of this probe");
    response.headers.emplace_back("Location", "logs?id=" + std::to_string(record.id));
    return response;
  }
  response.body = exposition(probe_families(record));
  response.content_type = kExposition;
  if (asked.debug) {
    response.body = debug_text(record, response.body, module_text(asked.order.module->module));
    response.content_type = kPlainText;
  }
  return response;
}

asio::awaitable<HttpResponse> ProbeHandler::answer(EventLoop& loop, const HttpRequest& request) {
  AskedOrNot asked = understand(loop, request);
  if (!asked) {
    // Prometheus shows its user the status alone.
    std::string why = asked.error().body;
    why.pop_back();  // the line's end
    log_limited(LogKind::Request, LogLevel::Debug, request.client.id, {"scrape refused", {}, why},
                {{"status", std::to_string(asked.error().status)}, {"why", why}});
    return answered(refusal_for(request, std::move(asked.error())));
  }
  ProbeService::Admission admission = service_.admit(loop, request.client);
  if (!admission) return answered(refusal_for(request, busy_response(service_.draining())));
  return probe(loop, std::move(*asked), std::move(admission));
}

asio::awaitable<HttpResponse> ProbeHandler::probe(EventLoop& loop, Asked asked,
                                                  ProbeService::Admission admission) {
  auto probing = service_.run(loop, asked.order, &admission);
  const std::shared_ptr<const ProbeRecord> record = co_await std::move(probing);
  co_return rendered(*record, asked);
}

}  // namespace smtpprobe
