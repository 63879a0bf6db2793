// What a plan holds in memory, roughly: for the bounds of caches and histories.
#pragma once

#include <cstddef>

#include "common/probe/plan.h"

namespace smtpprobe {

std::size_t bytes_of(const ProbePlan& plan);

}  // namespace smtpprobe
