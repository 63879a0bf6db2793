#include "common/config/config.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/config/config_values.h"
#include "common/config/module_reader.h"
#include "common/config/section.h"
#include "common/config/yaml_tree.h"

namespace smtpprobe {
namespace {

Module built_in(std::string name, Protocol protocol, TlsMode tls) {
  Module module;
  module.name = std::move(name);
  module.plan.dialogue.protocol = protocol;
  module.plan.dialogue.tls = tls;
  module.plan.dialogue.until = Step::Ehlo;
  module.plan.port = module_port(module);
  return module;
}

// Where a key of the top level was seen, so that a later document cannot give it again.
struct Seen {
  int allowed_targets = 0;
  int max_probes_per_host = 0;
  std::map<std::string, int, std::less<>> modules;
};

void check_once(Section& section, const YamlEntry& entry, int& line) {
  if (line != 0)
    section.faults().add(entry.line, section.path(entry.key),
                         fmt::format("key given twice, first in line {}", line));
  line = entry.line;
}

void read_modules(Section& top, Config& config, Seen& seen) {
  const YamlEntry* entry = top.map("modules");
  if (!entry) return;
  for (const YamlEntry& named : entry->value.entries) {
    const auto [earlier, is_new] = seen.modules.emplace(named.key, named.line);
    if (!is_new)
      top.faults().add(named.line, "modules." + shown_key(named.key),
                       fmt::format("key given twice, first in line {}", earlier->second));
    config.modules.insert_or_assign(named.key, read_module(top.faults(), named));
  }
}

void read_document(Faults& faults, const YamlNode& document, Config& config, Seen& seen) {
  if (document.kind == YamlNode::Kind::Null) return;  // nothing but comments
  Section top(faults, document, "", document.line);
  if (const YamlEntry* entry = top.find("allowed_targets")) {
    check_once(top, *entry, seen.allowed_targets);
    std::vector<std::string> allowed;
    const bool good = top.read_list("allowed_targets", allowed, false, parse_allowed_target);
    if (good && allowed.empty())
      top.fault(*entry, "got an empty list; leave the key out to allow every target");
    config.allowed_targets = std::move(allowed);
  }
  if (const YamlEntry* entry = top.find("max_probes_per_host")) {
    check_once(top, *entry, seen.max_probes_per_host);
    top.read("max_probes_per_host", config.max_probes_per_host, parse_count);
  }
  read_modules(top, config, seen);
  top.finish();
}

std::string comparable(Target target, int port) {
  target.host = normal_host(target.host);
  return target.text(port);
}

// What a target's scheme says beats the module's TLS; the step that STARTTLS would have needed
// becomes the one that stands in its place.
void use_implicit_tls(DialoguePlan& dialogue) {
  dialogue.tls = TlsMode::Implicit;
  if (dialogue.until == Step::Starttls) dialogue.until = Step::Banner;
  if (dialogue.until == Step::EhloTls) dialogue.until = Step::Ehlo;
}

}  // namespace

Config built_in_config() {
  Config config;
  for (Module module : {built_in("smtp", Protocol::Smtp, TlsMode::Opportunistic),
                        built_in("smtp_starttls", Protocol::Smtp, TlsMode::Starttls),
                        built_in("submission", Protocol::Smtp, TlsMode::Starttls),
                        built_in("submissions", Protocol::Smtp, TlsMode::Implicit),
                        built_in("lmtp", Protocol::Lmtp, TlsMode::Opportunistic)}) {
    std::string name = module.name;
    config.modules.emplace(std::move(name), std::move(module));
  }
  return config;
}

Result<Config> load_config(const std::string& path) {
  const Result<std::string> text = read_config_file(path, kMaxConfigBytes);
  if (!text) return Unexpected(text.error());
  return parse_config(*text, printable(path, 200));
}

Result<Config> load_config_or_built_in(const std::string& path) {
  if (path.empty()) return built_in_config();
  return load_config(path);
}

std::string module_names(const Config& config) {
  std::string names;
  for (const auto& [name, module] : config.modules) names += (names.empty() ? "" : ", ") + name;
  return names;
}

Result<Config> parse_config(std::string_view text, const std::string& name) {
  const Result<std::vector<YamlNode>> documents = parse_yaml(text, name);
  if (!documents) return Unexpected(documents.error());
  Config config = built_in_config();
  Faults faults(name);
  Seen seen;
  for (const YamlNode& document : *documents) read_document(faults, document, config, seen);
  if (!faults.none()) return Unexpected(faults.all());
  return config;
}

bool may_have_credentials(const Module& module, const Target& target) {
  const int port = module_port(module);
  const std::string asked = comparable(target, port);
  return std::any_of(module.auth_targets.begin(), module.auth_targets.end(),
                     [&asked, port](const std::string& entry) {
                       const Result<Target> allowed = parse_target(entry);
                       return allowed && comparable(*allowed, port) == asked;
                     });
}

Result<ProbePlan> plan_for(const Module& module, const Target& target) {
  ProbePlan plan = module.plan;
  DialoguePlan& dialogue = plan.dialogue;
  plan.target = target;
  plan.port = target.port.value_or(module_port(module));
  const std::string shown = target.text(plan.port);
  if (dialogue.protocol == Protocol::Lmtp && (target.smtp || target.implicit_tls))
    return error(fmt::format("target {}: module {} speaks LMTP, the target's URL says SMTP", shown,
                             module.name));
  if (dialogue.auth && !may_have_credentials(module, target))
    return error(
        fmt::format("target {}: not in the auth.targets of module {}", shown, module.name));
  if (target.implicit_tls) use_implicit_tls(dialogue);
  if (target.lmtp) dialogue.protocol = Protocol::Lmtp;
  if (dialogue.auth) {
    dialogue.auth->credentials.host = normal_host(target.host);
    dialogue.auth->credentials.port = plan.port;
  }
  if (const Result<void> good = check_plan(plan); !good)
    return error(fmt::format("target {}: module {}: {}", shown, module.name, good.error().text));
  return plan;
}

}  // namespace smtpprobe
