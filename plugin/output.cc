#include "plugin/output.h"

#include <fmt/format.h>

#include <vector>

#include "common/probe/printable.h"
#include "common/probe/verdict.h"
#include "plugin/dialect.h"
#include "plugin/exit_code.h"
#include "plugin/json_output.h"
#include "plugin/perfdata.h"
#include "plugin/verbose.h"

namespace smtpprobe {
namespace {

constexpr std::size_t kUsageErrorBytes = 400;
constexpr std::size_t kProgramNameBytes = 64;
constexpr std::size_t kWhereBytes = 120;

// Errors show what they got sanitised already; a second pass would escape the escapes.
std::string sanitised_once(const std::string& text) {
  constexpr std::string_view kTwice = "\\x5cx";
  std::string clean = printable_for_nagios(text, kUsageErrorBytes);
  for (std::size_t at = 0; (at = clean.find(kTwice, at)) != std::string::npos; at += 2) {
    clean.replace(at, kTwice.size(), "\\x");
  }
  return clean;
}

std::vector<Verdict> verdicts_of(const Options& options, std::span<const ProbeResult> results) {
  std::vector<Verdict> verdicts;
  for (const ProbeResult& result : results) {
    Verdict verdict = judge(options.plan, result);
    if (options.dialect == Dialect::CheckSmtp) {
      verdict = check_smtp_verdict(result, std::move(verdict));
    }
    verdicts.push_back(std::move(verdict));
  }
  return verdicts;
}

std::size_t index_of_worst(const std::vector<Verdict>& verdicts) {
  std::size_t worst = 0;
  for (std::size_t i = 1; i < verdicts.size(); ++i) {
    if (worse(verdicts[worst].state, verdicts[i].state) != verdicts[worst].state) worst = i;
  }
  return worst;
}

std::string endpoint_name(const Endpoint& endpoint) {
  std::string name = endpoint.host.empty() ? endpoint.address : endpoint.host;
  if (!endpoint.host.empty() && !endpoint.address.empty() && endpoint.host != endpoint.address) {
    name += " (" + endpoint.address + ")";
  }
  return printable_for_nagios(name, kWhereBytes);
}

// "mx1.example.net (192.0.2.1), 1 of 3": how many of all are in this state. Empty for a single one.
std::string where(std::span<const ProbeResult> results, const std::vector<Verdict>& verdicts,
                  std::size_t worst) {
  if (results.size() < 2) return {};
  std::size_t alike = 0;
  for (const Verdict& verdict : verdicts) {
    if (verdict.state == verdicts[worst].state) ++alike;
  }
  return fmt::format("{}, {} of {}", endpoint_name(results[worst].endpoint), alike, results.size());
}

std::string all_perfdata(const Options& options, std::span<const ProbeResult> results) {
  std::string text;
  for (std::size_t i = 0; i < results.size(); ++i) {
    const std::string one = perfdata(options.plan, results[i], i + 1);
    if (!text.empty() && !one.empty()) text += ' ';
    text += one;
  }
  return text;
}

}  // namespace

Judged judge_all(const Options& options, std::span<const ProbeResult> results) {
  Judged judged;
  judged.verdicts = verdicts_of(options, results);
  judged.worst = index_of_worst(judged.verdicts);
  const ProbeResult& result = results[judged.worst];
  const std::string at = where(results, judged.verdicts, judged.worst);
  judged.summary = options.dialect == Dialect::CheckSmtp
                       ? check_smtp_summary(options.plan, result, judged.verdict(), at)
                       : Summary{{headline(result, judged.verdict(), at, kFirstLineBytes)}, 0};
  return judged;
}

std::string long_text(const Options& options, std::span<const ProbeResult> results,
                      const Judged& judged, bool colour) {
  std::string text;
  for (std::size_t i = 0; i < results.size() && options.verbose > 0; ++i) {
    if (results.size() > 1) {
      text += fmt::format("{}: {}\n", endpoint_name(results[i].endpoint),
                          state_name(judged.verdicts[i].state));
    }
    text += verbose_text(options.plan, results[i], judged.verdicts[i], options.verbose, colour);
  }
  return text;
}

Rendered render(const Options& options, std::span<const ProbeResult> results, const Judged& judged,
                bool colour) {
  const Summary& summary = judged.summary;
  Rendered rendered;
  rendered.exit_code = exit_code(options.exit_codes, judged.verdict());
  if (options.output == OutputFormat::Json) {
    rendered.text =
        json_text(options, results, judged.verdicts, judged.verdict(), summary.lines.front());
    return rendered;
  }
  const std::string data = all_perfdata(options, results);
  for (std::size_t i = 0; i < summary.lines.size(); ++i) {
    rendered.text += summary.lines[i];
    if (summary.perfdata_at == i && !data.empty()) rendered.text += '|' + data;
    rendered.text += '\n';
  }
  rendered.text += long_text(options, results, judged, colour);
  return rendered;
}

Rendered render(const Options& options, std::span<const ProbeResult> results, bool colour) {
  if (results.empty()) return {"SMTP UNKNOWN - resolve: nothing was probed\n", 3};
  return render(options, results, judge_all(options, results), colour);
}

Rendered render_usage_error(const std::string& program, const Error& error, Dialect dialect) {
  const std::string_view head = dialect == Dialect::CheckSmtp ? "check_smtp: " : "SMTP UNKNOWN - ";
  return {fmt::format("{}{}\nTry '{} --help' for the options.\n", head, sanitised_once(error.text),
                      printable_for_nagios(program, kProgramNameBytes)),
          3};
}

}  // namespace smtpprobe
