// What a client of /probe asks for, and how long the probe may take. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "common/probe/target.h"
#include "common/smtp/error.h"
#include "common/smtp/time.h"

namespace smtpprobe {

inline constexpr std::string_view kDefaultModule = "smtp";

struct ProbeQuery {
  Target target;
  std::string module{kDefaultModule};
  std::string hostname;  // for SNI and the name check where the module names none; may be empty
  bool debug = false;    // debug=true: the probe's story, not only its metrics
  bool page = false;     // view=page: lead to the page of this probe
};

// Of "/probe?target=...&module=...": percent-decoded; a target that was escaped twice too, as
// blackbox_exporter takes it. The error is the client's: a parameter that is missing, repeated or
// malformed. Parameters that mean nothing here are left alone.
Result<ProbeQuery> parse_probe_query(std::string_view request_target);

// The path of a request target, percent-decoded; empty when it is malformed.
std::string request_path(std::string_view request_target);

// One parameter of a request target; nullopt when it is not there exactly once.
std::optional<std::string> query_parameter(std::string_view request_target, std::string_view name);

// What of a request target decides what it asks for: the parameters of the query that have a
// meaning here, as they were written, in their order. Equal keys mean equal queries. nullopt where
// that is not certain, for the query may be malformed.
std::optional<std::string> query_key(std::string_view request_target);

// X-Prometheus-Scrape-Timeout-Seconds. Empty: 0, which means that there is none. At most
// kLongestScrape: a client may not keep a place for longer.
inline constexpr double kLongestScrape = 300;
Result<double> parse_scrape_timeout(std::string_view header);

// blackbox_exporter's rule: the scrape's timeout (120 s where there is none) less `offset`; the
// module's own where that is shorter, or where the offset leaves nothing. In seconds; `module` is 0
// where the module has none. Never negative.
double probe_timeout(double module, double scrape, double offset);

}  // namespace smtpprobe
