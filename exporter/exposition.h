// Prometheus' exposition text, format 0.0.4. Law: byte for byte what prometheus-cpp's serializer
// writes, but that a number is the shortest text which reads back as the same, where that one cuts
// after sixteen digits. Its streams and printf() were six tenths of a plain probe's instructions.
#pragma once

#include <prometheus/metric_family.h>

#include <string>
#include <vector>

namespace smtpprobe {

// No summaries: there are none.
std::string exposition(const std::vector<prometheus::MetricFamily>& families);

}  // namespace smtpprobe
