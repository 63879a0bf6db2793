#include "exporter/served_config.h"

#include <chrono>
#include <map>
#include <memory>
#include <tuple>
#include <utility>

#include "common/config/section.h"
#include "common/probe/printable.h"

namespace smtpprobe {
namespace {

constexpr std::size_t kPathBytes = 200;
constexpr std::size_t kWordsBytes = 1024;

// All that a TLS context depends on: modules that agree in it share one, with its copy of the trust
// store, which is most of what a module costs.
auto context_key(const TlsPlan& plan, TlsVerify verify) {
  return std::make_tuple(plan.ca_file, plan.ca_path, plan.cert_file, plan.key_file,
                         plan.min_version, plan.legacy, verify);
}
using Contexts = std::map<decltype(context_key({}, {})), std::shared_ptr<const TlsContext>>;

Result<ServedModule> serve(const Module& module, Contexts& contexts) {
  ServedModule served{module, nullptr, nullptr};
  const auto refuse = [&module](const Error& why) {
    return error("module " + module.name + ": " + printable(why.text, kWordsBytes));
  };
  if (const Result<void> means = check_means(module.plan); !means) return refuse(means.error());
  // Also where the module has none: a target may bring smtps://.
  const TlsVerify verify = effective_verify(module.plan, false);
  std::shared_ptr<const TlsContext>& shared = contexts[context_key(module.plan.tls, verify)];
  if (!shared) {
    auto made = TlsContext::create(module.plan.tls, verify);
    if (!made) return refuse(made.error());
    shared = std::move(*made);
  }
  served.tls = shared;
  return served;
}

}  // namespace

Result<std::shared_ptr<const ServedConfig>> load_served_config(const std::string& path,
                                                               SelfMetrics& metrics) {
  Result<Config> config = load_config_or_built_in(path);
  if (!config) return Unexpected(config.error());
  auto served = std::make_shared<ServedConfig>();
  served->config = std::move(*config);
  Error wrong;
  std::size_t untold = 0;
  Contexts contexts;
  for (const auto& [name, module] : served->config.modules) {
    Result<ServedModule> one = serve(module, contexts);
    if (one) {
      served->modules.emplace(name, std::move(*one));
      continue;
    }
    std::string why = (path.empty() ? "" : printable(path, kPathBytes) + ": ") + one.error().text;
    if (wrong.text.empty())
      wrong.text = std::move(why);
    else if (wrong.others.size() + 1 < kMaxFaultsTold)
      wrong.others.push_back(std::move(why));
    else
      ++untold;
  }
  if (untold != 0) wrong.others.push_back(fmt::format("{} more", untold));
  if (!wrong.text.empty()) return Unexpected(std::move(wrong));
  // Only now: a configuration that is refused leaves no series behind.
  for (auto& [name, module] : served->modules) module.counts = &metrics.of_module(name);
  served->loaded = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
  return std::shared_ptr<const ServedConfig>(std::move(served));
}

}  // namespace smtpprobe
