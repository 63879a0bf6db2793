// One probe that an exporter made: everything its metrics, its page and its debug text are folds
// of. Kept in the history as it is and rendered when somebody looks.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "common/probe/plan.h"
#include "common/probe/result.h"
#include "common/probe/verdict.h"
#include "common/smtp/time.h"

namespace smtpprobe {

struct ProbeRecord {
  std::uint64_t id = 0;  // of this process, never 0 in the history
  std::string target;    // as in Target::text(): "mx.example.net:25"; printable
  std::string module;    // its name
  std::shared_ptr<const ProbePlan> plan;
  ProbeResult result;
  Verdict verdict;
  Duration timeout{};   // what the probe had; result.waited is a part of it
  Duration duration{};  // the whole of it, QUIT included, without result.waited
};

}  // namespace smtpprobe
