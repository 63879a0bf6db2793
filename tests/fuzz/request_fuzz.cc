// A request to the exporter, behind the HTTP parser: "METHOD 0xff TARGET 0xff SCRAPE-TIMEOUT 0xff
// ACCEPT-ENCODING". It goes through the routes of an exporter that admits no probe, so that nothing
// leaves the process; what a probe would be told is looked at by itself.
#include <array>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/thread_pool.hpp>
#include <cmath>
#include <memory>

#include "exporter/gzip.h"
#include "exporter/log.h"
#include "exporter/probe_order.h"
#include "exporter/probe_query.h"
#include "exporter/routes.h"
#include "tests/fuzz/fuzz.h"

namespace smtpprobe::fuzz {
namespace {

// An exporter without its sockets.
class Exporter {
 public:
  Exporter()
      : turns_(1),
        loops_(1, HistoryLimits(), metrics_.event_loop_lag),
        workers_(1),
        service_(metrics_, turns_, 1, 0),
        reload_("", loops_, workers_, turns_, metrics_),
        routes_({loops_, service_, reload_, metrics_},
                {"", "", std::chrono::milliseconds(500), 10}) {
    const Result<void> loaded = reload_.load();
    SMTPPROBE_HOLDS(loaded.has_value(), "the built-in configuration");
  }

  HttpResponse answer(const HttpRequest& request) {
    boost::asio::io_context& context = loops_[0].context();
    std::optional<HttpResponse> response;
    boost::asio::co_spawn(context, routes_.answer(loops_[0], request),
                          [&response](const std::exception_ptr& fault, HttpResponse made) {
                            SMTPPROBE_HOLDS(!fault, "an exception");
                            response = std::move(made);
                          });
    while (!response) context.run_one();
    return std::move(*response);
  }
  const std::shared_ptr<const ServedConfig>& config() { return loops_[0].config(); }

 private:
  SelfMetrics metrics_;
  AddressTurns turns_;
  EventLoops loops_;
  boost::asio::thread_pool workers_;
  ProbeService service_;
  ConfigReload reload_;
  Routes routes_;
};

void check_order(Exporter& exporter, const HttpRequest& request, const HttpResponse& response) {
  const Result<ProbeQuery> query = parse_probe_query(request.target);
  const Result<double> scrape = parse_scrape_timeout(request.scrape_timeout);
  if (!query || !scrape) {
    SMTPPROBE_HOLDS(response.status == 400, request.target);
    return;
  }
  SMTPPROBE_HOLDS(std::isfinite(*scrape) && *scrape >= 0, request.scrape_timeout);
  SMTPPROBE_HOLDS(is_plain(query->target.text(25), false) && is_plain(query->hostname, false),
                  request.target);
  const auto found = exporter.config()->modules.find(query->module);
  if (found == exporter.config()->modules.end()) {
    SMTPPROBE_HOLDS(response.status == 400, request.target);
    return;
  }
  if (!query->target.unix_path.empty()) {
    SMTPPROBE_HOLDS(response.status == 403, request.target);
    return;
  }
  const Result<ProbeOrder> order =
      order_for(exporter.config(), found->second, query->target, query->hostname, *scrape,
                std::chrono::milliseconds(500));
  SMTPPROBE_HOLDS(response.status == (order ? 503 : 400), request.target);
  if (!order) return;
  SMTPPROBE_HOLDS(order->timeout >= Duration::zero(), request.scrape_timeout);
  SMTPPROBE_HOLDS(order->timeout <= std::chrono::hours(24), request.scrape_timeout);
  SMTPPROBE_HOLDS(*scrape == 0 || order->timeout <= std::chrono::duration<double>(*scrape + 1e-6),
                  request.scrape_timeout);
  const StepLimits& limits = order->plan->dialogue.limits;
  for (const Step step : kSteps)
    SMTPPROBE_HOLDS(limits.of(step) > Duration::zero(), request.scrape_timeout);
  if (order->timeout > Duration::zero())
    SMTPPROBE_HOLDS(check_plan(*order->plan).has_value(), request.target);
}

void check(std::string_view input) {
  constexpr std::array<std::string_view, 6> kMethods = {"GET", "HEAD",   "POST",
                                                        "PUT", "DELETE", "OPTIONS"};
  // Its threads and timers live as long as the process.
  static Exporter& exporter = *new Exporter;
  HttpRequest request;
  request.method = kMethods[take_byte(input) % kMethods.size()];
  request.target = take_chunk(input);
  request.scrape_timeout = take_chunk(input);
  request.accept_encoding = take_chunk(input);
  accepts_gzip(request.accept_encoding);

  const std::string path = request_path(request.target);
  query_parameter(request.target, "id");
  const HttpResponse response = exporter.answer(request);
  constexpr std::array kStatuses = {200, 302, 400, 403, 404, 405, 503};
  SMTPPROBE_HOLDS(std::find(kStatuses.begin(), kStatuses.end(), response.status) != kStatuses.end(),
                  request.target);
  SMTPPROBE_HOLDS(is_plain(response.body, true) && is_clean_utf8(response.body), response.body);
  for (const auto& [name, value] : response.headers)
    SMTPPROBE_HOLDS(is_plain(name, false) && is_plain(value, false), value);
  const bool reads = request.method == "GET" || request.method == "HEAD";
  if (path == "/probe" && reads) check_order(exporter, request, response);
  if (path == "/-/healthy" && reads) SMTPPROBE_HOLDS(response.status == 200, request.target);
}

}  // namespace
}  // namespace smtpprobe::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const bool quiet = [] {
    smtpprobe::set_up_log(smtpprobe::LogLevel::Error, smtpprobe::LogFormat::Logfmt);
    return true;
  }();
  static_cast<void>(quiet);
  smtpprobe::fuzz::check(smtpprobe::fuzz::bytes_of(data, size));
  return 0;
}
