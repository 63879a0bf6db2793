// One HTTP request and its answer as plain values: what the handlers see of HTTP. Only
// http_server.cc knows Beast. RFC 9110.
#pragma once

#include <boost/asio/cancellation_signal.hpp>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace smtpprobe {

// Who sent a request.
struct HttpClient {
  std::uint64_t id = 0;  // of its address, see client_id.h
  // Ends the handling of the request; it outlives that. Null: nothing can.
  boost::asio::cancellation_signal* cancel = nullptr;
  // Whether the client has hung up; of the same lifetime. Null: not known.
  const bool* gone = nullptr;
};

struct HttpRequest {
  std::string method;  // "GET", as it came
  std::string target;  // "/probe?target=mx.test", as it came
  // Header fields that handlers ask for; empty when absent.
  std::string scrape_timeout;   // X-Prometheus-Scrape-Timeout-Seconds
  std::string authorization;    // Authorization
  std::string accept_encoding;  // Accept-Encoding
  bool wants_html = false;      // Accept names text/html, as browsers' does
  HttpClient client;
};

inline constexpr std::string_view kPlainText = "text/plain; charset=utf-8";
inline constexpr std::string_view kHtml = "text/html; charset=utf-8";
inline constexpr std::string_view kExposition = "text/plain; version=0.0.4; charset=utf-8";

struct HttpResponse {
  int status = 200;
  std::string content_type{kPlainText};
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;  // more of them: Location, Allow
};

// A plain-text answer, mostly of one line; its end is added.
inline HttpResponse plain_response(int status, std::string text) {
  HttpResponse response;
  response.status = status;
  response.body = std::move(text) + '\n';
  return response;
}

}  // namespace smtpprobe
