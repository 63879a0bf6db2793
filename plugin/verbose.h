// The long text behind the first line. Level 1: the table of steps; 2: and the transcript; 3: and
// TLS, certificates, addresses, extensions and what the failing code means. Laws: no '|', nothing
// that is not sanitised, and the table fits 80 columns.
#pragma once

#include <string>
#include <string_view>

#include "common/probe/verdict.h"

namespace smtpprobe {

// Whole lines; empty at level 0.
std::string verbose_text(const ProbePlan& plan, const ProbeResult& result, const Verdict& verdict,
                         int level, bool colour);

std::string rfc3339(WallTime time);  // "2026-11-23T12:00:00Z"
std::string_view tls_verify_name(TlsVerify verify);

// Whole days to `time`, rounded down; negative in the past.
long days_between(WallTime now, WallTime time);

}  // namespace smtpprobe
