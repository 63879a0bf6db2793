// The story of a probe as plain text. Pure; sanitised.
#pragma once

#include <string>
#include <string_view>

#include "exporter/probe_record.h"

namespace smtpprobe {

// "+0.012 S: 220 mx.example.net ESMTP", a line for each.
std::string transcript_text(const ProbeResult& result);

// For /probe?debug=true, in blackbox_exporter's three parts. `module` has no secrets.
std::string debug_text(const ProbeRecord& record, std::string_view metrics,
                       std::string_view module);

}  // namespace smtpprobe
