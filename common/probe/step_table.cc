#include "common/probe/step_table.h"

namespace smtpprobe {
namespace {

// A reply without the status that has a column of its own.
std::string reply_words(const Reply& reply) {
  std::string text = reply.text();
  if (!reply.status || !leading_enhanced_status(text)) return text;
  const std::size_t blank = text.find(' ');
  return blank == std::string::npos ? std::string() : text.substr(blank + 1);
}

std::string step_words(const ProbeResult& result, const StepRecord& record) {
  if (record.reply) return reply_words(*record.reply);
  if (record.step == Step::Tls && result.tls && result.tls->established()) {
    // The trouble first: a table cuts what is last.
    std::string text;
    if (!result.tls->problems.empty()) {
      text = problem_words(*result.tls, result.tls->problems.front()) + ", ";
    }
    return text + result.tls->version + ' ' + result.tls->cipher;
  }
  if (record.reason != Reason::None) return failure_words(record.reason, record.detail);
  if (record.step == Step::Resolve) return result.endpoint.address;
  if (record.step == Step::Connect) return endpoint_text(result.endpoint);
  return {};
}

StepRow row_at(const Verdict& verdict, Step step) {
  StepRow row;
  row.step = step;
  for (const Finding& finding : verdict.findings) {
    if (finding.step != step) continue;
    if (row.reason == Reason::None) row.reason = finding.reason;
    row.state = worse(row.state, finding.state);
  }
  return row;
}

}  // namespace

std::vector<StepRow> step_rows(const ProbeResult& result, const Verdict& verdict) {
  std::vector<StepRow> table;
  for (const StepRecord& record : result.steps) {
    StepRow row = row_at(verdict, record.step);
    if (record.reply && record.reply->code != 0) row.code = std::to_string(record.reply->code);
    if (record.reply && record.reply->status) row.status = to_string(*record.reply->status);
    row.took = record.took;
    row.text = step_words(result, record);
    table.push_back(std::move(row));
  }
  if (result.failure && result.step(result.failure->step) == nullptr) {
    const Failure& failure = *result.failure;
    StepRow row = row_at(verdict, failure.step);
    row.text = failure_words(failure.reason, failure.detail);
    table.push_back(std::move(row));
  }
  return table;
}

std::string endpoint_text(const Endpoint& endpoint) {
  if (endpoint.port == 0) return endpoint.address;
  return endpoint.address + " port " + std::to_string(endpoint.port);
}

std::string failure_words(Reason reason, std::string_view detail) {
  std::string words(reason_words(reason));
  if (detail.empty()) return words;
  if (detail.starts_with(words)) return std::string(detail);
  return words.append(": ").append(detail);
}

std::string_view timed_by(const ProbeResult& result) {
  return result.unstamped
             ? "the kernel, but some replies by when we read them: too long on a busy host"
             : "the kernel's timestamps";
}

}  // namespace smtpprobe
