#include "exporter/exposition.h"

#include <array>
#include <cassert>
#include <charconv>
#include <cmath>
#include <limits>
#include <string_view>

namespace smtpprobe {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

constexpr std::size_t kUsualSize = 8192;

// Between them numbers are written without an exponent, as "%.16g" has it.
constexpr double kLeastPlain = 1e-4;
constexpr double kFirstNotPlain = 1e16;

std::string_view type_name(MetricType type) {
  switch (type) {
    case MetricType::Counter:
      return "counter";
    case MetricType::Gauge:
      return "gauge";
    case MetricType::Summary:
      return "summary";
    case MetricType::Untyped:
      return "untyped";
    case MetricType::Histogram:
      return "histogram";
  }
  return "untyped";
}

template <typename... Format>
void append_digits(std::string& out, Format... number_and_format) {
  std::array<char, 32> digits;
  const auto [end, error] =
      std::to_chars(digits.data(), digits.data() + digits.size(), number_and_format...);
  assert(error == std::errc());
  out.append(digits.data(), error == std::errc() ? end : digits.data());
}

void append(std::string& out, double number) {
  if (std::isnan(number)) {
    out += "Nan";
  } else if (std::isinf(number)) {
    out += number < 0 ? "-Inf" : "+Inf";
  } else if (const double size = std::abs(number);
             size == 0 || (size >= kLeastPlain && size < kFirstNotPlain)) {
    append_digits(out, number, std::chars_format::fixed);
  } else {
    append_digits(out, number, std::chars_format::scientific);
  }
}

void append_escaped(std::string& out, std::string_view value) {
  std::size_t begin = 0;  // of what is not in `out` yet
  for (std::size_t i = 0; i < value.size(); ++i) {
    const char character = value[i];
    if (character != '\n' && character != '\\' && character != '"') continue;
    out.append(value, begin, i - begin);
    out += '\\';
    begin = i;
    if (character != '\n') continue;
    out += 'n';
    ++begin;
  }
  out.append(value, begin);
}

// `bound` is that of a histogram's bucket.
void append_head(std::string& out, const MetricFamily& family, const ClientMetric& metric,
                 std::string_view suffix = {}, const double* bound = nullptr) {
  out += family.name;
  out += suffix;
  char before = '{';
  for (const ClientMetric::Label& label : metric.label) {
    out += before;
    out += label.name;
    out += "=\"";
    append_escaped(out, label.value);
    out += '"';
    before = ',';
  }
  if (bound != nullptr) {
    out += before;
    out += "le=\"";
    append(out, *bound);
    out += '"';
    before = ',';
  }
  if (before == ',') out += '}';
  out += ' ';
}

void append_tail(std::string& out, const ClientMetric& metric) {
  if (metric.timestamp_ms != 0) {
    out += ' ';
    append_digits(out, metric.timestamp_ms);
  }
  out += '\n';
}

void append_histogram(std::string& out, const MetricFamily& family, const ClientMetric& metric) {
  const ClientMetric::Histogram& histogram = metric.histogram;
  append_head(out, family, metric, "_count");
  append_digits(out, histogram.sample_count);
  append_tail(out, metric);
  append_head(out, family, metric, "_sum");
  append(out, histogram.sample_sum);
  append_tail(out, metric);
  const auto append_bucket = [&](double bound, std::uint64_t count) {
    append_head(out, family, metric, "_bucket", &bound);
    append_digits(out, count);
    append_tail(out, metric);
  };
  double last = -kInfinity;
  for (const ClientMetric::Bucket& bucket : histogram.bucket) {
    append_bucket(bucket.upper_bound, bucket.cumulative_count);
    last = bucket.upper_bound;
  }
  if (last != kInfinity) append_bucket(kInfinity, histogram.sample_count);
}

void append_sample(std::string& out, const MetricFamily& family, const ClientMetric& metric) {
  double value = 0;
  switch (family.type) {
    case MetricType::Counter:
      value = metric.counter.value;
      break;
    case MetricType::Gauge:
      value = metric.gauge.value;
      break;
    case MetricType::Untyped:
      value = metric.untyped.value;
      break;
    case MetricType::Histogram:
      return append_histogram(out, family, metric);
    case MetricType::Summary:
      assert(false && "there are no summaries");
      return;
  }
  append_head(out, family, metric);
  append(out, value);
  append_tail(out, metric);
}

}  // namespace

std::string exposition(const std::vector<MetricFamily>& families) {
  std::string out;
  out.reserve(kUsualSize);
  for (const MetricFamily& family : families) {
    if (!family.help.empty()) {
      out += "# HELP ";
      out += family.name;
      out += ' ';
      out += family.help;
      out += '\n';
    }
    out += "# TYPE ";
    out += family.name;
    out += ' ';
    out += type_name(family.type);
    out += '\n';
    for (const ClientMetric& metric : family.metric) append_sample(out, family, metric);
  }
  return out;
}

}  // namespace smtpprobe
