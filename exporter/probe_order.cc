#include "exporter/probe_order.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "exporter/probe_query.h"

namespace smtpprobe {
namespace {

constexpr double kLongestTimeout = 86'400;  // seconds

using Seconds = std::chrono::duration<double>;

Duration timeout_of(const Module& module, double scrape, Duration offset) {
  const double own = module.timeout ? Seconds(*module.timeout).count() : 0;
  const double chosen = probe_timeout(own, scrape, Seconds(offset).count());
  return std::chrono::duration_cast<Duration>(Seconds(std::min(chosen, kLongestTimeout)));
}

}  // namespace

Result<ProbeOrder> order_for(std::shared_ptr<const ServedConfig> config, const ServedModule& module,
                             const Target& target, const std::string& hostname, double scrape,
                             Duration offset) {
  Result<ProbePlan> made = plan_for(module.module, target);
  if (!made) return Unexpected(made.error());
  auto plan = std::make_shared<ProbePlan>(std::move(*made));
  plan->timeout = timeout_of(module.module, scrape, offset);
  // Where nobody named a limit the steps keep their own, or a server that hangs would be waited for
  // for two minutes.
  if (scrape > 0 || module.module.timeout)
    plan->dialogue.limits = StepLimits::within(plan->timeout);
  // Whom credentials go to is the configuration's affair alone.
  const bool may_rename = plan->tls.server_name.empty() && !plan->dialogue.auth;
  if (may_rename) plan->tls.server_name = hostname;
  const Duration timeout = plan->timeout;
  return ProbeOrder{std::move(config), &module, std::move(plan), timeout};
}

}  // namespace smtpprobe
