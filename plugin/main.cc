// check_smtp_probe: options in, one probe, its rendering out, in one write where the reader takes
// it; with --watch many. Law: whatever happens, something is on stdout, and the exit code is 0 to 3
// or one of exit_code.h.
#include <signal.h>
#include <unistd.h>

#include <cstdlib>
#include <exception>
#include <string>
#include <string_view>
#include <vector>

#include "common/net/dns_library.h"
#include "common/net/probe_once.h"
#include "common/net/write_all.h"
#include "common/probe/printable.h"
#include "common/smtp/reply_code.h"
#include "plugin/options.h"
#include "plugin/output.h"
#include "plugin/setting.h"
#include "plugin/terminal.h"
#include "plugin/usage.h"
#include "plugin/watch.h"

namespace smtpprobe {
namespace {

constexpr int kUnknown = static_cast<int>(State::Unknown);

Rendered explained(const Options& options) {
  if (std::optional<std::string> text = explain(*options.explain)) {
    if (!text->ends_with('\n')) *text += '\n';
    return Rendered{*std::move(text), 0};
  }
  const Error wrong{
      "--explain: got " + quoted(*options.explain) +
      ", expected a reply code from 200 to 559, an enhanced status such as 5.7.1, a reason "
      "such as cert_untrusted or a step"};
  return render_usage_error(options.program_name, wrong, options.dialect);
}

Rendered probed(const Options& options) {
  const Result<std::vector<ProbeResult>> results = probe_once(options.plan);
  if (!results) {
    return render_usage_error(options.program_name, in_words_of_options(results.error()),
                              options.dialect);
  }
  return render(options, *results, options.verbose > 0 && wants_colour());
}

Rendered run(std::span<char*> argv) {
  const Surroundings surroundings{std::getenv("MP_CONFIG_FILE"), std::getenv("NAGIOS_CONFIG_PATH"),
                                  STDIN_FILENO};
  const Result<Options> options = parse_options(argv, surroundings);
  if (!options) return render_usage_error(program_name(argv), options.error(), dialect_of(argv));
  if (options->help) return Rendered{help_text(options->program_name), kUnknown};
  if (options->short_usage) return Rendered{short_usage(options->program_name), kUnknown};
  if (options->version) return Rendered{version_text(options->program_name), kUnknown};
  if (options->explain) return explained(*options);
  if (options->modules) return Rendered{*options->modules, 0};
  return options->watch ? watch(*options) : probed(*options);
}

Rendered broken(std::string_view what) {
  return Rendered{"SMTP UNKNOWN - internal error: " + printable_for_nagios(what, 256) + "\n",
                  kUnknown};
}

}  // namespace
}  // namespace smtpprobe

int main(int argc, char** argv) {
  using namespace smtpprobe;
  signal(SIGPIPE, SIG_IGN);
  const DnsLibrary dns;
  Rendered rendered;
  try {
    rendered = run(std::span(argv, static_cast<std::size_t>(argc)));
  } catch (const std::exception& fault) {
    rendered = broken(fault.what());
  } catch (...) {
    rendered = broken("an exception of no known kind");
  }
  return write_all(STDOUT_FILENO, rendered.text) ? rendered.exit_code : kUnknown;
}
