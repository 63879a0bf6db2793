// The metrics of one probe: a fold over its record. Law: every family of the table in the .cc has
// HELP and TYPE; every planned step is always there; no text of a server's is a label, but fields
// of its certificate, sanitised and cut.
#pragma once

#include <prometheus/metric_family.h>

#include <memory>
#include <span>
#include <vector>

#include "exporter/probe_record.h"

namespace smtpprobe {

std::vector<prometheus::MetricFamily> probe_families(const ProbeRecord& record);

// Those of several probes as one: each sample gets the labels target and module of its record.
std::vector<prometheus::MetricFamily> labelled_families(
    std::span<const std::shared_ptr<const ProbeRecord>> records);

}  // namespace smtpprobe
