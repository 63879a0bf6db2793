// Which path leads where: every endpoint of the exporter is a row of the table in the .cc. Laws:
// an unknown path is 404, another method 405 with Allow; links are relative, so that they work
// behind any proxy.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <string>
#include <vector>

#include "exporter/config_reload.h"
#include "exporter/event_loop.h"
#include "exporter/history.h"
#include "exporter/http_message.h"
#include "exporter/probe_handler.h"
#include "exporter/probe_service.h"

namespace smtpprobe {

// What an answer is made of. All outlive the routes.
struct RouteParts {
  EventLoops& loops;
  ProbeService& service;
  ConfigReload& config;
  SelfMetrics& metrics;
};

struct RouteOptions {
  std::string prefix;        // "" or "/smtp": in front of every path
  std::string external_url;  // where a browser finds us, without a slash at its end; may be empty
  Duration timeout_offset{};
  std::size_t history_limit = 0;
  bool disable_reload = false;  // /-/reload is answered with 403
};

class Routes {
 public:
  Routes(RouteParts parts, RouteOptions options);

  boost::asio::awaitable<HttpResponse> answer(EventLoop& loop, const HttpRequest& request);

 private:
  using Answer = boost::asio::awaitable<HttpResponse>;
  struct Route;
  static const std::vector<Route>& table();

  Answer index(EventLoop& loop, const HttpRequest& request);
  Answer probe(EventLoop& loop, const HttpRequest& request);
  Answer metrics(EventLoop& loop, const HttpRequest& request);
  Answer logs(EventLoop& loop, const HttpRequest& request);
  Answer config(EventLoop& loop, const HttpRequest& request);
  Answer healthy(EventLoop& loop, const HttpRequest& request);
  Answer ready(EventLoop& loop, const HttpRequest& request);
  Answer reload(EventLoop& loop, const HttpRequest& request);

  RouteParts parts_;
  RouteOptions options_;
  ProbeHandler probes_;
};

// Of the histories of several loops: the newest `limit` probes, and of those before them as many
// that failed. Newest first.
std::vector<History::Record> merged_history(std::vector<std::vector<History::Record>> all,
                                            std::size_t limit);

}  // namespace smtpprobe
