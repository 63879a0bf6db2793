#include "plugin/output.h"

#include <fmt/format.h>

#include <vector>

#include "common/probe/printable.h"
#include "common/probe/verdict.h"
#include "plugin/dialect.h"
#include "plugin/headline.h"
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

std::vector<Verdict> judge_all(const Options& options, std::span<const ProbeResult> results) {
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

std::string long_text(const Options& options, std::span<const ProbeResult> results,
                      const std::vector<Verdict>& verdicts, bool colour) {
  std::string text;
  for (std::size_t i = 0; i < results.size() && options.verbose > 0; ++i) {
    if (results.size() > 1) {
      text += fmt::format("{}: {}\n", endpoint_name(results[i].endpoint),
                          state_name(verdicts[i].state));
    }
    text += verbose_text(options.plan, results[i], verdicts[i], options.verbose, colour);
  }
  return text;
}

}  // namespace

Rendered render(const Options& options, std::span<const ProbeResult> results, bool colour) {
  if (results.empty()) return {"SMTP UNKNOWN - resolve: nothing was probed\n", 3};
  const std::vector<Verdict> verdicts = judge_all(options, results);
  const std::size_t worst = index_of_worst(verdicts);
  const ProbeResult& result = results[worst];
  const Verdict& verdict = verdicts[worst];
  const std::string at = where(results, verdicts, worst);
  const Summary summary = options.dialect == Dialect::CheckSmtp
                              ? check_smtp_summary(options.plan, result, verdict, at)
                              : Summary{{headline(result, verdict, at, kFirstLineBytes)}, 0};

  Rendered rendered;
  rendered.exit_code = static_cast<int>(verdict.state);
  if (options.output == OutputFormat::Json) {
    rendered.text = json_text(options, results, verdicts, verdict.state, summary.lines.front());
    return rendered;
  }
  const std::string data = all_perfdata(options, results);
  for (std::size_t i = 0; i < summary.lines.size(); ++i) {
    rendered.text += summary.lines[i];
    if (summary.perfdata_at == i && !data.empty()) rendered.text += '|' + data;
    rendered.text += '\n';
  }
  rendered.text += long_text(options, results, verdicts, colour);
  return rendered;
}

Rendered render_usage_error(const std::string& program, const Error& error, Dialect dialect) {
  const std::string_view head = dialect == Dialect::CheckSmtp ? "check_smtp: " : "SMTP UNKNOWN - ";
  return {fmt::format("{}{}\nTry '{} --help' for the options.\n", head, sanitised_once(error.text),
                      printable_for_nagios(program, kProgramNameBytes)),
          3};
}

}  // namespace smtpprobe
