#include "exporter/routes.h"

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <charconv>
#include <cstdint>
#include <optional>
#include <utility>

#include "common/config/config_writer.h"
#include "exporter/answered.h"
#include "exporter/elsewhere.h"
#include "exporter/exposition.h"
#include "exporter/pages.h"
#include "exporter/probe_query.h"
#include "exporter/process_metrics.h"

namespace smtpprobe {
namespace asio = boost::asio;
namespace {

HttpResponse not_found() { return plain_response(404, "not found"); }

HttpResponse redirect(std::string where) {
  HttpResponse response = plain_response(302, "see " + where);
  response.headers.emplace_back("Location", std::move(where));
  return response;
}

std::optional<std::uint64_t> parse_id(std::string_view text) {
  std::uint64_t id = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), id);
  if (text.empty() || failure != std::errc() || end != text.data() + text.size())
    return std::nullopt;
  return id;
}

}  // namespace

struct Routes::Route {
  std::string_view path;
  bool changes;  // asked for by POST or PUT, the others by GET or HEAD
  Answer (Routes::*answer)(EventLoop&, const HttpRequest&);

  bool takes(std::string_view method) const {
    return changes ? method == "POST" || method == "PUT" : method == "GET" || method == "HEAD";
  }
};

const std::vector<Routes::Route>& Routes::table() {
  static const std::vector<Route> routes = {
      {"/probe", false, &Routes::probe},   {"/metrics", false, &Routes::metrics},
      {"/", false, &Routes::index},        {"/logs", false, &Routes::logs},
      {"/config", false, &Routes::config}, {"/-/healthy", false, &Routes::healthy},
      {"/-/ready", false, &Routes::ready}, {"/-/reload", true, &Routes::reload},
  };
  return routes;
}

Routes::Routes(RouteParts parts, RouteOptions options)
    : parts_(parts),
      options_(std::move(options)),
      probes_(parts_.service, parts_.metrics, parts_.loops.size(), options_.timeout_offset) {}

asio::awaitable<HttpResponse> Routes::answer(EventLoop& loop, const HttpRequest& request) {
  std::string path = request_path(request.target);
  const std::string& prefix = options_.prefix;
  if (!prefix.empty()) {
    if (path == "/" || path == prefix)
      return answered(
          redirect((options_.external_url.empty() ? prefix : options_.external_url) + "/"));
    if (!path.starts_with(prefix + "/")) return answered(not_found());
    path.erase(0, prefix.size());
  }
  const auto& routes = table();
  const auto route = std::find_if(routes.begin(), routes.end(),
                                  [&path](const Route& one) { return one.path == path; });
  if (route == routes.end()) return answered(not_found());
  if (!route->takes(request.method)) {
    HttpResponse refused = plain_response(405, "method not allowed");
    refused.headers.emplace_back("Allow", route->changes ? "POST, PUT" : "GET, HEAD");
    return answered(std::move(refused));
  }
  return (this->*route->answer)(loop, request);
}

Routes::Answer Routes::probe(EventLoop& loop, const HttpRequest& request) {
  return probes_.answer(loop, request);
}

Routes::Answer Routes::metrics(EventLoop&, const HttpRequest&) {
  std::vector<prometheus::MetricFamily> families = parts_.metrics.families();
  for (prometheus::MetricFamily& family : process_metrics()) families.push_back(std::move(family));
  HttpResponse response;
  response.content_type = kExposition;
  response.body = exposition(families);
  co_return response;
}

Routes::Answer Routes::index(EventLoop& loop, const HttpRequest&) {
  const auto records_of = [](EventLoop* one) -> asio::awaitable<std::vector<History::Record>> {
    co_return one->history().all();
  };
  std::vector<std::vector<History::Record>> all;
  for (std::size_t i = 0; i < parts_.loops.size(); ++i) {
    EventLoop& one = parts_.loops[i];
    auto looking = asio::co_spawn(one.executor(), records_of(&one), elsewhere());
    all.push_back(co_await std::move(looking));
  }
  const std::vector<History::Record> recent =
      merged_history(std::move(all), options_.history_limit);
  co_return page_response(index_page(*loop.config(), loop.config_fault().get(), recent));
}

Routes::Answer Routes::logs(EventLoop&, const HttpRequest& request) {
  const std::optional<std::string> text = query_parameter(request.target, "id");
  const std::optional<std::uint64_t> id = text ? parse_id(*text) : std::nullopt;
  if (!id)
    co_return refusal_for(request,
                          plain_response(400, "the parameter id must be there once: a number"));
  EventLoop& keeper = parts_.loops[parts_.service.loop_of(*id)];
  const auto record_of = [](EventLoop* one,
                            std::uint64_t number) -> asio::awaitable<History::Record> {
    co_return one->history().find(number);
  };
  auto looking = asio::co_spawn(keeper.executor(), record_of(&keeper, *id), elsewhere());
  const History::Record record = co_await std::move(looking);
  if (!record)
    co_return refusal_for(request, plain_response(404, "no longer in the history, or never there"));
  co_return page_response(probe_page(*record));
}

Routes::Answer Routes::config(EventLoop& loop, const HttpRequest&) {
  HttpResponse response;
  response.body = config_text(loop.config()->config);
  co_return response;
}

Routes::Answer Routes::healthy(EventLoop&, const HttpRequest&) {
  co_return plain_response(200, "healthy");
}

Routes::Answer Routes::ready(EventLoop&, const HttpRequest&) {
  return answered(parts_.service.draining() ? plain_response(503, "shutting down")
                                            : plain_response(200, "ready"));
}

Routes::Answer Routes::reload(EventLoop&, const HttpRequest&) {
  if (options_.disable_reload) co_return plain_response(403, "disabled by --web.disable-reload");
  auto reloading = parts_.config.reload();
  const Result<void> loaded = co_await std::move(reloading);
  co_return loaded ? plain_response(200, "reloaded")
                   : plain_response(500, all_lines(loaded.error()));
}

std::vector<History::Record> merged_history(std::vector<std::vector<History::Record>> all,
                                            std::size_t limit) {
  std::vector<History::Record> merged;
  for (std::vector<History::Record>& some : all)
    merged.insert(merged.end(), some.begin(), some.end());
  std::sort(merged.begin(), merged.end(),
            [](const History::Record& a, const History::Record& b) { return a->id > b->id; });
  std::size_t failed = 0;
  const auto keep = merged.begin() + static_cast<std::ptrdiff_t>(std::min(limit, merged.size()));
  merged.erase(std::remove_if(keep, merged.end(),
                              [&failed, limit](const History::Record& one) {
                                return one->verdict.state == State::Ok || ++failed > limit;
                              }),
               merged.end());
  return merged;
}

}  // namespace smtpprobe
