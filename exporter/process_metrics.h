// The standard process_* metrics of this process, as every Prometheus client library has them but
// prometheus-cpp. Names and meanings: prometheus.io, "Writing client libraries".
#pragma once

#include <prometheus/metric_family.h>

#include <optional>
#include <vector>

namespace smtpprobe {

// As of now, one sample a family, no labels. What the kernel does not tell is left out.
std::vector<prometheus::MetricFamily> process_metrics();

// The two ways to count our descriptors. Listing /proc/self/fd, the usual way, takes 40 ms and more
// for 20,000 of them, and the event loop would stand still for so long.
std::optional<double> descriptors_by_size();   // in a blink; Linux 6.2 or later, else nullopt
std::optional<double> descriptors_by_table();  // a system call for each place in the table

}  // namespace smtpprobe
