#include "exporter/http_framing.h"

#include <boost/asio/error.hpp>
#include <boost/beast/core/string.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/field.hpp>
#include <boost/beast/http/rfc7230.hpp>
#include <cstddef>
#include <iterator>
#include <string>
#include <string_view>

namespace smtpprobe {
namespace beast = boost::beast;
namespace http = boost::beast::http;

namespace {

// RFC 9112 section 6.1: chunked is the last coding and there once, or the end cannot be found;
// another one before it we do not have.
std::optional<HttpResponse> fault_of_codings(const HttpParser::value_type& message) {
  if (message.count(http::field::transfer_encoding) == 0) return std::nullopt;
  // "the framing is faulty": no HTTP/1.0 proxy knows what is the body.
  if (message.version() < 11) return plain_response(400, "Transfer-Encoding in HTTP/1.0");
  std::size_t codings = 0;
  std::size_t chunked = 0;
  bool ends_chunked = false;
  const auto [first, last] = message.equal_range(http::field::transfer_encoding);
  for (auto field = first; field != last; ++field) {
    for (const auto& coding : http::ext_list(field->value())) {
      ends_chunked = beast::iequals(coding.first, "chunked");
      ++codings;
      if (ends_chunked) ++chunked;
    }
  }
  // The list's parser stops at what is no coding: only the whole value is proof of chunked alone.
  const bool chunked_alone = std::next(first) == last && beast::iequals(first->value(), "chunked");
  if (chunked_alone) return std::nullopt;
  if (!ends_chunked || chunked != 1 || codings == 1)
    return plain_response(400, "Transfer-Encoding must end with chunked, once");
  return plain_response(501, "Transfer-Encoding: chunked alone is understood");
}

}  // namespace

HttpRequest request_of(const HttpParser& parser) {
  const auto& message = parser.get();
  HttpRequest request;
  request.method = std::string(message.method_string());
  request.target = std::string(message.target());
  request.scrape_timeout = std::string(message["X-Prometheus-Scrape-Timeout-Seconds"]);
  request.authorization = std::string(message[http::field::authorization]);
  request.accept_encoding = std::string(message[http::field::accept_encoding]);
  request.wants_html = message[http::field::accept].find("text/html") != std::string_view::npos;
  return request;
}

std::optional<HttpResponse> fault_of_framing(const HttpParser& parser) {
  const auto& message = parser.get();
  if (std::optional<HttpResponse> fault = fault_of_codings(message)) return fault;
  // RFC 9110 section 10.1.1: of HTTP/1.0 it is passed over.
  if (message.version() < 11 || message.count(http::field::expect) == 0) return std::nullopt;
  if (!expects_continue(parser))
    return plain_response(417, "of all expectations only 100-continue is understood");
  // No body is asked for that would be of no use.
  return fault_of_fields(parser);
}

std::optional<HttpResponse> fault_of_fields(const HttpParser& parser) {
  const auto& message = parser.get();
  for (const char* name : {"X-Prometheus-Scrape-Timeout-Seconds", "Authorization", "Host"})
    if (message.count(name) > 1) return plain_response(400, std::string(name) + " is there twice");
  // RFC 9112 section 3.2.
  if (message.version() == 11 && message.count(http::field::host) == 0)
    return plain_response(400, "Host is missing");
  return std::nullopt;
}

bool expects_continue(const HttpParser& parser) {
  const auto& message = parser.get();
  return message.version() == 11 && message.count(http::field::expect) == 1 &&
         beast::iequals(message[http::field::expect], "100-continue");
}

std::optional<HttpResponse> refusal_of(const beast::error_code& failure) {
  if (failure == http::error::end_of_stream || failure == http::error::partial_message)
    return std::nullopt;
  if (failure == boost::asio::error::timed_out)
    return plain_response(408, "the request did not arrive in time");
  if (failure == http::error::header_limit || failure == http::error::buffer_overflow)
    return plain_response(431, "the request's header is too large");
  if (failure == http::error::body_limit)
    return plain_response(413, "the request's body is too large");
  if (failure == http::error::bad_version)
    return plain_response(505, "wanted version 1.0 or 1.1 of HTTP");
  if (failure.category() == http::make_error_code(http::error::bad_method).category())
    return plain_response(400, "not a request: " + failure.message());
  return std::nullopt;
}

}  // namespace smtpprobe
