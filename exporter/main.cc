// smtp_probe_exporter: options in, then a server, or one round of probes with --once.
#include <fcntl.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <exception>
#include <span>
#include <string>
#include <string_view>

#include "common/config/config.h"
#include "common/net/dns_library.h"
#include "exporter/log.h"
#include "exporter/one_shot.h"
#include "exporter/options.h"
#include "exporter/serve.h"
#include "exporter/usage.h"

namespace smtpprobe {
namespace {

// What is opened first would else get a closed stream's number, and the metrics of --once would go
// to a log or a server. Not to be written to: output that nobody gets is an error.
void hold_closed_streams() {
  for (const int stream : {STDIN_FILENO, STDOUT_FILENO})
    if (::fcntl(stream, F_GETFD) < 0) static_cast<void>(::open("/dev/null", O_RDONLY));
}

int say(std::string_view text) {
  const bool whole = std::fwrite(text.data(), 1, text.size(), stdout) == text.size();
  return std::fflush(stdout) == 0 && whole ? 0 : 1;
}

int list_modules(const std::string& config_file) {
  const Result<Config> config = load_config_or_built_in(config_file);
  if (!config) {
    const std::string line = "smtp_probe_exporter: " + config.error().text + '\n';
    std::fputs(line.c_str(), stderr);
    return 1;
  }
  std::string names;
  for (const auto& [name, module] : config->modules) names += name + '\n';
  return say(names);
}

int run(std::span<char* const> argv) {
  const Result<ExporterOptions> options = parse_exporter_options(argv);
  if (!options) {
    const std::string line = "smtp_probe_exporter: " + options.error().text + '\n';
    std::fputs(line.c_str(), stderr);
    return usage_exit_code(argv);
  }
  if (options->help) return say(help_text());
  if (options->version) return say(version_text());
  if (options->config_modules) return list_modules(options->config_file);
  set_up_log(options->log_level, options->log_format);
  if (options->config_check) return check_config(*options);
  return options->once ? run_once(*options) : serve(*options);
}

}  // namespace
}  // namespace smtpprobe

int main(int argc, char** argv) {
  // A pipe that nobody reads and a file that may not grow are errors of write(2), not our end.
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);
  smtpprobe::hold_closed_streams();
  const smtpprobe::DnsLibrary dns;
  const std::span<char* const> words(argv, static_cast<std::size_t>(argc));
  try {
    return smtpprobe::run(words);
  } catch (const std::exception& fault) {
    smtpprobe::log(smtpprobe::LogLevel::Error, "internal error", {{"what", fault.what()}});
  }
  constexpr int kUnknown = 3;
  return smtpprobe::usage_exit_code(words) == kUnknown ? kUnknown : 1;
}
