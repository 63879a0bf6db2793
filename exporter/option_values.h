// The values of flags that have a grammar of their own. Pure; every error reads "got 'x', expected
// ..." and waits for the flag's name in front. Numbers are decimal, in the C locale.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "common/smtp/error.h"
#include "common/smtp/time.h"
#include "exporter/options.h"

namespace smtpprobe {

// "got 'x', expected 1 to 10"
Unexpected wanted(std::string_view got, std::string_view expected);

// A whole number, digits only.
Result<int> parse_whole(std::string_view text, int least, int most);

// "0.5": seconds from 0 to kMaxTimeoutOffset.
Result<Duration> parse_timeout_offset(std::string_view text);

// "host:port", "[v6]:port", ":port"; port 0 to 65535.
Result<ListenAddress> parse_listen_address(std::string_view text);

// --web.external-url taken apart. The rules are blackbox_exporter's, but for a URL without a
// scheme, which begins with a host here. No quotes, query, fragment or credentials.
struct ExternalUrl {
  std::string url;   // as in ExporterOptions
  std::string path;  // "" or "/x/y"
};
Result<ExternalUrl> parse_external_url(std::string_view text);

// "", "/", "x/y", "/x/y/": "" or "/x/y".
Result<std::string> parse_route_prefix(std::string_view text);

// A user name of basic authentication (RFC 7617 s2): no colon, no control character, not empty.
Result<std::string> parse_push_user(std::string_view text);

// An http or https URL, or "host:port[/path]" for http://. Without a slash at its end. Credentials
// are kept, and not shown in the error.
Result<std::string> parse_push_url(std::string_view text);

// "name=value": the name of a label, as Prometheus has them, and its value, which may be empty.
Result<std::pair<std::string, std::string>> parse_grouping(std::string_view text);

}  // namespace smtpprobe
