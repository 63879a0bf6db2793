#include "exporter/served_config.h"

#include <utility>

namespace smtpprobe {
namespace {

Result<ServedModule> serve(const Module& module) {
  ServedModule served{module, nullptr, nullptr};
  const auto refuse = [&module](const Error& why) {
    return error("module " + module.name + ": " + why.text);
  };
  if (const Result<void> means = check_means(module.plan); !means) return refuse(means.error());
  // Also where the module has none: a target may bring smtps://.
  auto tls = TlsContext::create(module.plan.tls, effective_verify(module.plan, false));
  if (!tls) return refuse(tls.error());
  served.tls = std::move(*tls);
  return served;
}

}  // namespace

Result<std::shared_ptr<const ServedConfig>> load_served_config(const std::string& path,
                                                               SelfMetrics& metrics) {
  Result<Config> config = load_config_or_built_in(path);
  if (!config) return Unexpected(config.error());
  auto served = std::make_shared<ServedConfig>();
  served->config = std::move(*config);
  for (const auto& [name, module] : served->config.modules) {
    Result<ServedModule> one = serve(module);
    if (!one) return error((path.empty() ? "" : path + ": ") + one.error().text);
    served->modules.emplace(name, std::move(*one));
  }
  // Only now: a configuration that is refused leaves no series behind.
  for (auto& [name, module] : served->modules) module.counts = &metrics.of_module(name);
  return std::shared_ptr<const ServedConfig>(std::move(served));
}

}  // namespace smtpprobe
