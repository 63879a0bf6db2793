// The settings of a transcript's `plan:` and `outcome:` lines as values: the ProbePlan that the
// probe gets, and what the verdict must be. Pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/probe/plan.h"
#include "common/probe/verdict.h"
#include "common/smtp/error.h"
#include "tests/fake_server/transcript.h"

namespace smtpprobe {

// `plan:` without a target (host "mx.test", port 25, loopback): the caller puts its own in.
Result<ProbePlan> plan_of(const Transcript& transcript);

struct ExpectedOutcome {
  State state = State::Ok;
  std::optional<Step> step;      // of the first finding, or when OK the step of `code`
  std::optional<Reason> reason;  // of the first finding
  std::optional<int> code;
  std::optional<EnhancedStatus> status;
  std::vector<std::string> notes;  // names that must be among the result's notes
  std::string text;                // must be in the first finding's text or the failure's detail
};

Result<ExpectedOutcome> outcome_of(const Transcript& transcript);

// What differs between the outcome that the transcript demands and the one that came; empty when
// nothing does.
std::vector<std::string> compare(const ExpectedOutcome& expected, const ProbePlan& plan,
                                 const ProbeResult& result);

}  // namespace smtpprobe
