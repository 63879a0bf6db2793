// The whole result as one JSON object: --output json. Law: every text in it is sanitised, so it is
// valid UTF-8; numbers are numbers, absent things are null or empty.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "common/probe/verdict.h"
#include "plugin/options.h"

namespace smtpprobe {

// `verdicts` has one for each of `results`; `worst` is the worst of them and `headline` the first
// line of the text output, sanitised. On one line when it is one of many (--watch).
std::string json_text(const Options& options, std::span<const ProbeResult> results,
                      std::span<const Verdict> verdicts, const Verdict& worst,
                      std::string_view headline);

}  // namespace smtpprobe
