#include "exporter/debug_text.h"

#include <fmt/format.h>

#include "common/probe/printable.h"
#include "common/probe/step_table.h"
#include "common/probe/time_text.h"
#include "common/smtp/reason.h"

namespace smtpprobe {
namespace {

std::string clean(std::string_view raw) { return printable(raw, kReplyTextBytes); }

std::string_view speaker(TranscriptLine::Who who) {
  switch (who) {
    case TranscriptLine::Who::Client:
      return "C:";
    case TranscriptLine::Who::Server:
      return "S:";
    case TranscriptLine::Who::Probe:
      return "--";
  }
  return "--";
}

std::string heading(const ProbeRecord& record) {
  std::string out =
      fmt::format("{} {} module={} timeout={}s\n", rfc3339(record.result.started),
                  clean(record.target), clean(record.module), fixed_seconds(record.timeout, 3));
  for (const AddressAttempt& attempt : record.result.failed_attempts)
    out += fmt::format("tried {}: {}\n", clean(attempt.address),
                       clean(failure_words(attempt.reason, attempt.detail)));
  if (!record.result.endpoint.address.empty())
    out += "at " + clean(endpoint_text(record.result.endpoint)) + '\n';
  if (record.result.step(Step::Banner) != nullptr)
    out += fmt::format("timed by {}\n", timed_by(record.result));
  for (const std::string_view note : note_names(record.result.notes))
    out += fmt::format("note {}\n", note);
  if (record.result.waited > Duration::zero())
    out += fmt::format("waited {}s for other probes\n", fixed_seconds(record.result.waited, 6));
  if (record.result.interruptions > 0)
    out += fmt::format("interrupted for other clients and begun again: {}\n",
                       record.result.interruptions);
  return out;
}

std::string steps(const ProbeRecord& record) {
  std::string out;
  for (const StepRow& row : step_rows(record.result, record.verdict)) {
    out +=
        fmt::format("{:<8}  {:>12}  {:<3}  {}\n", step_name(row.step),
                    row.took ? fixed_seconds(*row.took, 6) + "s" : std::string("not reached"),
                    row.code, clean(row.status.empty() ? row.text : row.status + " " + row.text));
  }
  return out;
}

// A verdict's texts are sanitised: a second time the escapes would be escaped.
std::string outcome(const Verdict& verdict) {
  std::string out = fmt::format("state={}\n", state_name(verdict.state));
  for (const Finding& finding : verdict.findings)
    out += fmt::format("{} step={} reason={} {}\n", state_name(finding.state),
                       step_name(finding.step), reason_name(finding.reason), finding.text);
  if (!verdict.excused.empty()) out += "excused: " + verdict.excused + '\n';
  return out;
}

}  // namespace

std::string transcript_text(const ProbeResult& result) {
  std::string out;
  for (const TranscriptLine& line : result.transcript)
    out += fmt::format("+{} {} {}\n", fixed_seconds(line.at - result.began, 3), speaker(line.who),
                       clean(line.text));
  return out;
}

std::string debug_text(const ProbeRecord& record, std::string_view metrics,
                       std::string_view module) {
  return fmt::format(
      "Logs for the probe:\n{}{}\n{}\n{}\n\n\nMetrics that would have been returned:\n{}\n\n\n"
      "Module configuration:\n{}",
      heading(record), transcript_text(record.result), steps(record), outcome(record.verdict),
      metrics, module);
}

}  // namespace smtpprobe
