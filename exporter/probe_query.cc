#include "exporter/probe_query.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/url/parse.hpp>
#include <boost/url/url_view.hpp>
#include <charconv>
#include <cmath>

#include "common/config/config_values.h"
#include "common/probe/printable.h"

namespace smtpprobe {
namespace urls = boost::urls;
namespace {

constexpr std::size_t kShownBytes = 100;
constexpr double kNoScrapeTimeout = 120;

// A browser's form says '+' for a blank.
std::string decoded(urls::pct_string_view text) {
  urls::encoding_opts how;
  how.space_as_plus = true;
  return text.decode(how);
}

// False when it is there more than once.
bool read_once(const urls::url_view& url, std::string_view name, std::optional<std::string>& out) {
  for (const auto& parameter : url.encoded_params()) {
    if (decoded(parameter.key) != name) continue;
    if (out) return false;
    out = decoded(parameter.value);
  }
  return true;
}

constexpr std::array<std::string_view, 5> kParameters = {"target", "module", "hostname", "debug",
                                                         "view"};

constexpr bool is_hex(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

// A query of RFC 3986 section 3.4.
bool is_well_formed(std::string_view query) {
  constexpr std::string_view kOthers = "-._~!$&'()*+,;=:@/?";
  for (std::size_t i = 0; i < query.size(); ++i) {
    const char c = query[i];
    if (c == '%') {
      if (i + 2 >= query.size() || !is_hex(query[i + 1]) || !is_hex(query[i + 2])) return false;
      i += 2;
      continue;
    }
    const bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (!plain && kOthers.find(c) == std::string_view::npos) return false;
  }
  return true;
}

// Clients of a proxy send "http://host:port/path?query"; what stands in front of the path is not
// ours. RFC 9112 s3.2.2.
std::string_view origin_form(std::string_view request_target) {
  if (request_target.starts_with('/')) return request_target;
  const std::string_view uri = request_target.substr(0, request_target.find('?'));
  // An assertion of Boost.URL 1.81 does not hold for "x:^": it sees URIs with an authority alone.
  const std::size_t scheme = uri.find("://");
  if (scheme != 4 && scheme != 5) return request_target;
  const auto url = urls::parse_absolute_uri(uri);
  const bool ours =
      url && (url->scheme_id() == urls::scheme::http || url->scheme_id() == urls::scheme::https);
  if (!ours) return request_target;
  const std::size_t path = request_target.find('/', request_target.find("//") + 2);
  return path == std::string_view::npos ? "/" : request_target.substr(path);
}

Result<Target> read_target(const std::string& text) {
  Result<Target> target = parse_target(text);
  if (target || text.find('%') == std::string::npos) return target;
  const auto again = urls::make_pct_string_view(text);
  if (!again) return target;
  Result<Target> inner = parse_target(again->decode());
  return inner ? inner : target;
}

// What somebody has pasted into the form, without the blanks around it.
void trim(std::optional<std::string>& pasted) {
  if (!pasted) return;
  constexpr std::string_view kBlanks = " \t\r\n";
  pasted->erase(pasted->find_last_not_of(kBlanks) + 1);
  pasted->erase(0, std::min(pasted->find_first_not_of(kBlanks), pasted->size()));
}

Result<std::string> read_hostname(const std::string& text) {
  Result<std::string> name = parse_host_name(text);
  if (!name) return error("hostname: " + name.error().text);
  return name;
}

}  // namespace

Result<ProbeQuery> parse_probe_query(std::string_view request_target) {
  const auto url = urls::parse_origin_form(origin_form(request_target));
  if (!url) return error("the request's query is malformed");
  std::optional<std::string> target;
  std::optional<std::string> module;
  std::optional<std::string> hostname;
  std::optional<std::string> debug;
  std::optional<std::string> view;
  const std::pair<std::string_view, std::optional<std::string>*> parameters[] = {
      {"target", &target}, {"module", &module}, {"hostname", &hostname},
      {"debug", &debug},   {"view", &view},
  };
  for (const auto& [name, value] : parameters) {
    if (!read_once(*url, name, *value))
      return error(fmt::format("parameter {} is given more than once", name));
  }
  if (view == "page") {
    trim(target);
    trim(hostname);
  }
  if (!target || target->empty()) return error("parameter target is missing");

  ProbeQuery query;
  Result<Target> parsed = read_target(*target);
  if (!parsed) return error("target: " + parsed.error().text);
  query.target = std::move(*parsed);
  if (module && !module->empty()) query.module = *module;
  if (hostname && !hostname->empty()) {
    Result<std::string> name = read_hostname(*hostname);
    if (!name) return Unexpected(name.error());
    query.hostname = std::move(*name);
  }
  query.debug = debug == "true";
  query.page = view == "page";
  return query;
}

std::string request_path(std::string_view request_target) {
  // A malformed query is for those to judge who read it.
  const std::string_view path = origin_form(request_target.substr(0, request_target.find('?')));
  const auto url = urls::parse_origin_form(path);
  return url ? url->path() : std::string();
}

std::optional<std::string> query_parameter(std::string_view request_target, std::string_view name) {
  const auto url = urls::parse_origin_form(origin_form(request_target));
  std::optional<std::string> value;
  if (!url || !read_once(*url, name, value)) return std::nullopt;
  return value;
}

std::optional<std::string> query_key(std::string_view request_target) {
  std::string key;
  const std::size_t mark = request_target.find('?');
  if (mark == std::string_view::npos) return key;
  std::string_view rest = request_target.substr(mark + 1);
  if (!is_well_formed(rest)) return std::nullopt;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find('&'), rest.size());
    const std::string_view parameter = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    const std::string_view name = parameter.substr(0, parameter.find('='));
    // An escaped name may be one of ours.
    const bool counts =
        name.find('%') != std::string_view::npos ||
        std::find(kParameters.begin(), kParameters.end(), name) != kParameters.end();
    if (!counts) continue;
    key += parameter;
    key += '&';
  }
  return key;
}

Result<double> parse_scrape_timeout(std::string_view header) {
  if (header.empty()) return 0.0;
  double seconds = 0;
  const char* const end = header.data() + header.size();
  const auto [rest, failure] = std::from_chars(header.data(), end, seconds);
  if (failure != std::errc() || rest != end || !std::isfinite(seconds) || seconds < 0)
    return error(
        fmt::format("X-Prometheus-Scrape-Timeout-Seconds: got \"{}\", wanted a number of seconds",
                    printable(header, kShownBytes)));
  return std::min(seconds, kLongestScrape);
}

double probe_timeout(double module, double scrape, double offset) {
  const double most = (scrape == 0 ? kNoScrapeTimeout : scrape) - offset;
  const double chosen = module > 0 && (module < most || most < 0) ? module : most;
  return std::max(chosen, 0.0);
}

}  // namespace smtpprobe
