// The YAML configuration that both programs read: modules that become ProbePlans. Laws: an unknown
// key, a wrong type, a bad range or an unreadable secret is an error with file, line and key;
// nothing is half loaded.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/probe/plan.h"
#include "common/probe/target.h"
#include "common/smtp/error.h"

namespace smtpprobe {

struct Module {
  std::string name;
  ProbePlan
      plan;  // without target; its dialogue.helo_name may be empty: the caller's host name then
  std::optional<Duration> timeout;  // the module's own; plan.timeout is the caller's business
  std::vector<std::string>
      auth_targets;  // "mail.example.net:587"; required when plan has credentials
  std::vector<std::string> secret_files;  // of its password and its token
  std::string body_file;                  // where plan.message->body was read from; empty: nowhere
};

struct Config {
  std::vector<std::string> allowed_targets;  // globs or CIDRs; empty: everything
  int max_probes_per_host = 1;               // 0: no limit
  std::map<std::string, Module, std::less<>>
      modules;  // the built-in ones, overridden or joined by the file's
};

// smtp, smtp_starttls, submission, submissions, lmtp
Config built_in_config();

Result<Config> load_config(const std::string& path);
// The same; without a path the built-in modules.
Result<Config> load_config_or_built_in(const std::string& path);
// "lmtp, smtp, submission", for messages.
std::string module_names(const Config& config);
// `name` stands for the path in messages; relative file names in the text are relative to the
// working directory.
Result<Config> parse_config(std::string_view text, const std::string& name);

// Whether `target` is one of the module's auth_targets: host (normal_host()) and port are compared,
// the module's default port stands where either names none.
bool may_have_credentials(const Module& module, const Target& target);

// `module` aimed at `target`: port, implicit TLS and LMTP as the target's scheme demands. The
// error: a target that contradicts the module, a unix socket with smtp, credentials for a target
// outside auth_targets.
Result<ProbePlan> plan_for(const Module& module, const Target& target);

}  // namespace smtpprobe
