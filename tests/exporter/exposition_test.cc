// What we write, held against prometheus-cpp's serializer.
#include "exporter/exposition.h"

#include <gtest/gtest.h>
#include <prometheus/text_serializer.h>

#include <cmath>
#include <limits>
#include <string>

#include "exporter/probe_metrics.h"
#include "exporter/self_metrics.h"
#include "tests/exporter/record_maker.h"

namespace smtpprobe {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

std::string theirs(const std::vector<MetricFamily>& families) {
  return prometheus::TextSerializer().Serialize(families);
}

MetricFamily gauge(double value) {
  ClientMetric metric;
  metric.gauge.value = value;
  return {"name", "Help.", MetricType::Gauge, {metric}};
}

TEST(Exposition, NumbersAreThoseOfTheSerializer) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  for (const double value : {0.0,
                             -0.0,
                             1.0,
                             -1.0,
                             0.1,
                             0.5,
                             0.031,
                             2.5e-4,
                             1e-4,
                             5e-5,
                             1e-9,
                             1e-300,
                             220.0,
                             10485760.0,
                             1764512345.25,
                             4294967295.0,
                             123456789012345.0,
                             1e15,
                             9007199254740991.0,
                             1e16,
                             1e17,
                             1.5e300,
                             kInfinity,
                             -kInfinity,
                             std::nan("")})
    EXPECT_EQ(exposition({gauge(value)}), theirs({gauge(value)})) << value;
}

// That one cuts after sixteen digits, and so writes another number or a longer one.
TEST(Exposition, NumbersAreTheShortestThatReadBackTheSame) {
  const std::string head = "# HELP name Help.\n# TYPE name gauge\nname ";
  EXPECT_EQ(exposition({gauge(0.1 + 0.2)}), head + "0.30000000000000004\n");
  EXPECT_EQ(exposition({gauge(9.9e-5)}), head + "9.9e-05\n");
}

TEST(Exposition, EveryTypeLabelAndTimestamp) {
  ClientMetric metric;
  metric.label = {{"plain", "text"}, {"odd", "a \"b\" \\ \n c"}, {"empty", ""}};
  metric.counter.value = 3;
  metric.untyped.value = 4.5;
  metric.histogram = {3, 0.25, {{1, 0.00005}, {2, 0.1}, {2, 30}}};
  ClientMetric stamped = metric;
  stamped.label.clear();
  stamped.timestamp_ms = 1764512345678;
  stamped.histogram.bucket.push_back({3, std::numeric_limits<double>::infinity()});
  for (const MetricType type :
       {MetricType::Counter, MetricType::Gauge, MetricType::Untyped, MetricType::Histogram}) {
    const std::vector<MetricFamily> families = {{"with_help", "Help.", type, {metric, stamped}},
                                                {"without", "", type, {metric}},
                                                {"without_samples", "Help.", type, {}}};
    EXPECT_EQ(exposition(families), theirs(families));
  }
}

TEST(Exposition, OfProbesAndOfTheExporterItself) {
  SelfMetrics metrics;
  metrics.of_module("rcpt").count(*refused_record());
  for (const auto& families :
       {probe_families(*refused_record()), probe_families(*good_record()), metrics.families()})
    EXPECT_EQ(exposition(families), theirs(families));
}

}  // namespace
}  // namespace smtpprobe
