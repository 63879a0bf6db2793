// What a probe is to do, from a module, a target and the time there is. Pure.
#pragma once

#include <memory>

#include "common/probe/plan.h"
#include "common/probe/target.h"
#include "common/smtp/error.h"
#include "exporter/served_config.h"

namespace smtpprobe {

struct ProbeOrder {
  std::shared_ptr<const ServedConfig> config;  // keeps `module`
  const ServedModule* module = nullptr;
  std::shared_ptr<const ProbePlan> plan;
  Duration timeout{};  // 0: there is no time, and that is told
};

// `scrape` is the scrape's timeout in seconds, 0 for none; `offset` is taken off it. `hostname` is
// for SNI and the name check where the module names none and has no credentials; may be empty. The
// error is plan_for()'s.
Result<ProbeOrder> order_for(std::shared_ptr<const ServedConfig> config, const ServedModule& module,
                             const Target& target, const std::string& hostname, double scrape,
                             Duration offset);

}  // namespace smtpprobe
