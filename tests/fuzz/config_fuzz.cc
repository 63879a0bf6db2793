// The YAML configuration. "@/" in the text stands for a folder with the files secret, token and
// body, an empty line's worth each. What is taken is written by config_writer and read again as the
// same configuration; no secret is in any text.
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "common/config/config.h"
#include "common/config/config_writer.h"
#include "tests/fuzz/fuzz.h"

namespace smtpprobe::fuzz {
namespace {

constexpr std::string_view kSecret = "Hemmelig7Zq";

class Files {
 public:
  Files() {
    std::string pattern = (std::filesystem::temp_directory_path() / "smtpprobe-XXXXXX").string();
    SMTPPROBE_HOLDS(mkdtemp(pattern.data()) != nullptr, pattern);
    path_ = pattern;
    for (const char* name : {"secret", "token", "body"})
      std::ofstream(path_ + "/" + name) << kSecret << "\n";
  }
  Files(const Files&) = delete;
  Files& operator=(const Files&) = delete;
  ~Files() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  std::string placed(std::string_view text) const {
    std::string out(text);
    for (std::size_t at = out.find("@/"); at != std::string::npos; at = out.find("@/", at))
      out.replace(at, 1, path_);
    return out;
  }

 private:
  std::string path_;
};

bool same_limits(const Thresholds& a, const Thresholds& b) {
  const auto same = [](const std::optional<Range>& x, const std::optional<Range>& y) {
    return x.has_value() == y.has_value() && (!x || x->text() == y->text());
  };
  return same(a.warning, b.warning) && same(a.critical, b.critical);
}

bool same_tls(const TlsPlan& a, const TlsPlan& b) {
  if (a.expiry.has_value() != b.expiry.has_value()) return false;
  const bool same_expiry = !a.expiry || (a.expiry->warning_days == b.expiry->warning_days &&
                                         a.expiry->critical_days == b.expiry->critical_days);
  return same_expiry && a.verify == b.verify && a.server_name == b.server_name &&
         a.ca_file == b.ca_file && a.ca_path == b.ca_path && a.cert_file == b.cert_file &&
         a.key_file == b.key_file && a.min_version == b.min_version && a.legacy == b.legacy;
}

bool same_plan(const ProbePlan& a, const ProbePlan& b) {
  const DialoguePlan& x = a.dialogue;
  const DialoguePlan& y = b.dialogue;
  if (a.message.has_value() != b.message.has_value()) return false;
  const bool same_message = !a.message || (a.message->subject == b.message->subject &&
                                           a.message->headers == b.message->headers &&
                                           a.message->body == b.message->body);
  for (const Step step : kSteps) {
    if (!same_limits(a.step[step], b.step[step])) return false;
    if (x.expect[step].size() != y.expect[step].size()) return false;
    for (std::size_t i = 0; i < x.expect[step].size(); ++i) {
      if (x.expect[step][i].text() != y.expect[step][i].text()) return false;
    }
  }
  return same_message && same_tls(a.tls, b.tls) && same_limits(a.total, b.total) &&
         a.port == b.port && a.ip == b.ip && a.dns == b.dns &&
         a.source_address == b.source_address && a.proxy == b.proxy &&
         a.dialogue.greylisting == b.dialogue.greylisting &&
         std::equal(x.greylisting_patterns.begin(), x.greylisting_patterns.end(),
                    y.greylisting_patterns.begin(), y.greylisting_patterns.end(),
                    [](const ReplyRegex& one, const ReplyRegex& other) {
                      return one.pattern() == other.pattern();
                    }) &&
         a.require_extensions == b.require_extensions &&
         a.forbid_extensions == b.forbid_extensions && x.protocol == y.protocol &&
         x.helo_name == y.helo_name && x.tls == y.tls && x.until == y.until && x.from == y.from &&
         x.to == y.to;
}

void check_round_trip(const Config& config) {
  const std::string text = config_text(config);
  SMTPPROBE_HOLDS(is_plain(text, true), text);
  SMTPPROBE_HOLDS(text.find(kSecret) == std::string::npos, text);
  for (const auto& [name, module] : config.modules) {
    if (module.plan.dialogue.auth) return;  // its secrets are in files that are not named
  }
  const Result<Config> again = parse_config(text, "again.yml");
  SMTPPROBE_HOLDS(again.has_value(), text + "\n" + again.error().text);
  SMTPPROBE_HOLDS(again->allowed_targets == config.allowed_targets, text);
  SMTPPROBE_HOLDS(again->max_probes_per_host == config.max_probes_per_host, text);
  SMTPPROBE_HOLDS(again->modules.size() == config.modules.size(), text);
  for (const auto& [name, module] : config.modules) {
    const auto found = again->modules.find(name);
    SMTPPROBE_HOLDS(found != again->modules.end(), name);
    const Module& other = found->second;
    SMTPPROBE_HOLDS(module.name == other.name && module.timeout == other.timeout, text);
    SMTPPROBE_HOLDS(module.body_file == other.body_file, text);
    SMTPPROBE_HOLDS(same_plan(module.plan, other.plan), module_text(module));
  }
  SMTPPROBE_HOLDS(config_text(*again) == text, text);
}

// What a module makes of a target is a sound plan or an error.
void check_plans(const Config& config) {
  for (const char* text : {"mx.test", "mx.test:587", "smtps://mx.test", "smtp://mx.test",
                           "lmtp://[::1]:24", "unix:/run/lmtp", "192.0.2.1"}) {
    const Target target = *parse_target(text);
    for (const auto& [name, module] : config.modules) {
      const Result<ProbePlan> plan = plan_for(module, target);
      if (!plan) {
        SMTPPROBE_HOLDS(is_plain(plan.error().text, false), plan.error().text);
        continue;
      }
      SMTPPROBE_HOLDS(check_plan(*plan).has_value(), module_text(module));
      const bool secrets = plan->dialogue.auth.has_value();
      SMTPPROBE_HOLDS(!secrets || may_have_credentials(module, target), module_text(module));
    }
  }
}

void check(std::string_view input) {
  static const Files files;
  const Result<Config> config = parse_config(files.placed(input), "probe.yml");
  if (!config) {
    const std::string& text = config.error().text;
    SMTPPROBE_HOLDS(text.starts_with("probe.yml:"), text);
    SMTPPROBE_HOLDS(is_plain(text, false) && is_clean_utf8(text), text);
    SMTPPROBE_HOLDS(text.find(kSecret) == std::string::npos, text);
    return;
  }
  check_round_trip(*config);
  check_plans(*config);
}

}  // namespace
}  // namespace smtpprobe::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input = smtpprobe::fuzz::bytes_of(data, size);
  if (input.find(smtpprobe::fuzz::kSecret) != std::string_view::npos) return 0;
  smtpprobe::fuzz::check(input);
  return 0;
}
