// What check_smtp_probe prints and exits with: a pure fold over the plan, the results and the
// verdict. Laws: the first line has at most kFirstLineBytes up to its '|'; there is one '|' in the
// whole text output, in front of the perfdata, and never one of the server's; every byte is
// printable UTF-8 (or a line end, or a colour where colour was asked for).
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "common/probe/verdict.h"
#include "common/smtp/error.h"
#include "plugin/headline.h"
#include "plugin/options.h"

namespace smtpprobe {

inline constexpr std::size_t kFirstLineBytes = 512;

struct Rendered {
  std::string text;   // for stdout, with its last line end
  int exit_code = 3;  // see exit_code.h
};

// The verdicts of one endpoint or several. The state is the worst of all, the first line that of
// the worst.
struct Judged {
  std::vector<Verdict> verdicts;  // one for each result, at least one
  std::size_t worst = 0;          // of them
  Summary summary;

  const Verdict& verdict() const { return verdicts[worst]; }
};
// `results`: at least one.
Judged judge_all(const Options& options, std::span<const ProbeResult> results);

// What -v adds below the first line; whole lines, empty without -v.
std::string long_text(const Options& options, std::span<const ProbeResult> results,
                      const Judged& judged, bool colour);

// `colour`: stdout is a terminal that wants it; only the long text of -v has colours.
Rendered render(const Options& options, std::span<const ProbeResult> results, const Judged& judged,
                bool colour);
Rendered render(const Options& options, std::span<const ProbeResult> results, bool colour);

// A command line, file or plan that cannot be used: exit code 3, two lines, no perfdata.
Rendered render_usage_error(const std::string& program, const Error& error, Dialect dialect);

}  // namespace smtpprobe
