// Performance data (Development Guidelines, "'label'=value[UOM];[warn];[crit];[min];[max]"): a fold
// over the step records. Laws: plain decimal numbers in the C locale; `time` comes first and in
// check_smtp's own form; no label needs quotes and no two are the same.
#pragma once

#include <cstddef>
#include <string>

#include "common/probe/result.h"

namespace smtpprobe {

// Of one endpoint, without the '|'; empty when no clock ran. `number` counts the endpoints from 1:
// from the second on it is a part of every label ("time_rcpt_2").
std::string perfdata(const ProbePlan& plan, const ProbeResult& result, std::size_t number);

}  // namespace smtpprobe
