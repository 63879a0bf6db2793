// Where a request begins and ends, and what of it counts: RFC 9112 sections 3, 6 and 7, RFC 9110
// sections 6.5 and 10.1.1. Invariants: header fields are read when the header is whole and before
// the body, so that a trailer field never stands for one; a message whose end is in doubt is
// refused and ends its connection.
#pragma once

#include <boost/beast/core/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <optional>

#include "exporter/http_message.h"

namespace smtpprobe {

using HttpParser = boost::beast::http::request_parser<boost::beast::http::string_body>;

// All of these take a parser whose header is whole and whose body has not been read.
HttpRequest request_of(const HttpParser& parser);
// What Beast lets pass: faults that leave no body to be read, and those of the header fields.
std::optional<HttpResponse> fault_of_framing(const HttpParser& parser);
std::optional<HttpResponse> fault_of_fields(const HttpParser& parser);
// The client waits for "100 Continue" before it sends the body.
bool expects_continue(const HttpParser& parser);

// What is wrong with a request that could not be read; nullopt when there is nobody to tell.
// asio::error::timed_out stands for one that came too late.
std::optional<HttpResponse> refusal_of(const boost::beast::error_code& failure);

}  // namespace smtpprobe
