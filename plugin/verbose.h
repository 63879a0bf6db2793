// The long text behind the first line. Level 1: the table of steps; 2: and the transcript; 3: and
// TLS, certificates, addresses, extensions and what the failing code means. Laws: no '|', nothing
// that is not sanitised, and the table fits 80 columns.
#pragma once

#include <string>
#include <string_view>

#include "common/probe/verdict.h"

namespace smtpprobe {

std::string_view colour_of(State state);  // the escape sequence that begins it

// Whole lines; empty at level 0.
std::string verbose_text(const ProbePlan& plan, const ProbeResult& result, const Verdict& verdict,
                         int level, bool colour);

}  // namespace smtpprobe
