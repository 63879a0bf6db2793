#include <fmt/format.h>

#include <string>
#include <string_view>

#include "common/probe/time_text.h"
#include "common/smtp/reason.h"
#include "common/smtp/step.h"
#include "exporter/html.h"
#include "exporter/page_frame.h"
#include "exporter/pages.h"
#include "exporter/probe_query.h"

namespace smtpprobe {
namespace {

constexpr std::string_view kIntroduction =
    "<h1>smtp_probe_exporter</h1>\n"
    "<p>Walks the SMTP dialogue with a mail server and tells Prometheus at every step what it "
    "answered and how long it took.</p>\n"
    "<nav><a href=\"metrics\">Metrics of the exporter</a> <a href=\"config\">Configuration</a> "
    "<a href=\"-/healthy\">Health</a> <a href=\"-/ready\">Readiness</a></nav>\n";

constexpr std::string_view kScrapeExample =
    "<details><summary>Scrape configuration for Prometheus</summary>\n<pre>"
    "scrape_configs:\n"
    "  - job_name: smtp\n"
    "    metrics_path: /probe\n"
    "    params: {module: [smtp_starttls]}\n"
    "    static_configs:\n"
    "      - targets: [mx.example.net]\n"
    "    relabel_configs:\n"
    "      - {source_labels: [__address__], target_label: __param_target}\n"
    "      - {source_labels: [__param_target], target_label: instance}\n"
    "      - {source_labels: [__param_module], target_label: module}\n"
    "      - {target_label: __address__, replacement: \"ADDRESS-OF-THIS-EXPORTER:9725\"}\n"
    "</pre></details>\n";

std::string_view tls_words(const ProbePlan& plan) {
  switch (plan.dialogue.tls) {
    case TlsMode::Off:
      return "off";
    case TlsMode::Opportunistic:
      return "STARTTLS when offered";
    case TlsMode::Starttls:
      return "STARTTLS";
    case TlsMode::Implicit:
      return "from the start";
  }
  return "";
}

std::string fault_banner(const ServedConfig& config, const Error& fault) {
  std::string out = "<div class=\"alarm\" role=\"alert\">\n";
  out += fmt::format(
      "<p><strong>The last reload was refused:</strong> {}; running the one of {}.</p>\n",
      escaped_lines(fault.text), rfc3339(config.loaded));
  for (const std::string& other : fault.others) out += "<p>" + escaped_lines(other) + "</p>\n";
  return out + "</div>\n";
}

std::string form(const ServedConfig& config) {
  std::string options;
  for (const auto& [name, module] : config.modules)
    options += fmt::format("<option{}>{}</option>", name == kDefaultModule ? " selected" : "",
                           escaped(name));
  return "<h2>Probe a server</h2>\n<form method=\"get\" action=\"probe\">\n"
         "<label>Target<input name=\"target\" required placeholder=\"mx.example.net:25\" "
         "autocomplete=\"off\" autocapitalize=\"off\" spellcheck=\"false\"></label>\n"
         "<label>Module<select name=\"module\">" +
         options +
         "</select></label>\n"
         "<label>Name in its certificate, if another<input name=\"hostname\" autocomplete=\"off\" "
         "autocapitalize=\"off\" spellcheck=\"false\"></label>\n"
         "<input type=\"hidden\" name=\"view\" value=\"page\">"
         "<button type=\"submit\">Probe</button>\n</form>\n";
}

std::string module_row(const Module& module) {
  const ProbePlan& plan = module.plan;
  std::string row = "<tr>" + cell(escaped(module.name));
  row += cell(plan.dialogue.protocol == Protocol::Lmtp ? "LMTP" : "SMTP");
  row += number_cell(std::to_string(plan.port));
  row += cell(step_name(plan.dialogue.until));
  row += cell(tls_words(plan));
  row += cell(plan.dialogue.auth ? "yes" : "");
  row += number_cell(module.timeout ? readable(*module.timeout) : "the scrape's");
  return row + "</tr>\n";
}

std::string modules_table(const ServedConfig& config) {
  std::string out =
      "<h2>Modules</h2>\n<div class=\"scroll\"><table><thead><tr><th>Module</th><th>Protocol</th>"
      "<th>Port</th><th>Goes to step</th><th>TLS</th><th>Logs in</th><th>Timeout</th></tr></thead>"
      "<tbody>\n";
  for (const auto& [name, served] : config.modules) out += module_row(served.module);
  return out + "</tbody></table></div>\n";
}

std::string probe_row(const ProbeRecord& record) {
  const Finding* const first =
      record.verdict.findings.empty() ? nullptr : &record.verdict.findings.front();
  const StepRecord* const step = first == nullptr ? nullptr : record.result.step(first->step);
  const std::string code =
      step != nullptr && step->reply ? std::to_string(step->reply->code) : std::string();
  std::string row = "<tr>";
  row += number_cell(
      fmt::format("<a href=\"logs?id={}\">{}</a>", record.id, rfc3339(record.result.started)));
  row += cell(state_mark(record.verdict.state));
  row += "<td class=\"w\">" + escaped(record.target) + "</td>" + cell(escaped(record.module));
  row += cell(first == nullptr ? "" : step_name(first->step));
  row += cell(first == nullptr ? "" : reason_name(first->reason));
  row += number_cell(code) + number_cell(readable(record.duration));
  return row + "</tr>\n";
}

std::string recent_table(std::span<const History::Record> recent) {
  std::string out = "<h2>Recent probes</h2>\n";
  if (recent.empty()) return out + "<p class=\"soft\">None yet, or none are kept.</p>\n";
  out +=
      "<div class=\"scroll\"><table><thead><tr><th>Time</th><th>State</th><th>Target</th>"
      "<th>Module</th><th>Failing step</th><th>Reason</th><th>Code</th><th>Duration</th></tr>"
      "</thead><tbody>\n";
  for (const History::Record& record : recent) out += probe_row(*record);
  return out +
         "</tbody></table></div>\n<p class=\"soft\">Probes that failed are kept longer.</p>\n";
}

}  // namespace

std::string index_page(const ServedConfig& config, const Error* fault,
                       std::span<const History::Record> recent) {
  std::string body(kIntroduction);
  if (fault != nullptr) body += fault_banner(config, *fault);
  body += form(config) + recent_table(recent) + modules_table(config);
  body += kScrapeExample;
  body += "<p class=\"soft\">Version " SMTPPROBE_VERSION "</p>\n";
  return framed("smtp_probe_exporter", body);
}

}  // namespace smtpprobe
