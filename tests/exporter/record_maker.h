// Records as probes leave them, made by hand.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <utility>

#include "common/probe/verdict.h"
#include "common/smtp/reply.h"
#include "exporter/probe_record.h"

namespace smtpprobe {

inline Instant at(int milliseconds) {
  return Instant{} + std::chrono::hours(1) + std::chrono::milliseconds(milliseconds);
}

// A plan as far as the recipient, in clear.
inline ProbePlan rcpt_plan() {
  ProbePlan plan;
  plan.target.host = "192.0.2.1";
  plan.dialogue.until = Step::Rcpt;
  plan.dialogue.from = "a@b.test";
  plan.dialogue.to = {"c@d.test"};
  return plan;
}

inline StepRecord step_record(Step step, int began, int took, int code = 0, std::string text = {}) {
  StepRecord record;
  record.step = step;
  record.began = at(began);
  record.ended = at(began + took);
  record.took = std::chrono::milliseconds(took);
  if (code != 0) {
    Reply reply;
    reply.code = code;
    reply.lines = {std::move(text)};
    record.reply = reply;
  }
  return record;
}

// Judged as the service does it.
inline std::shared_ptr<ProbeRecord> finished(ProbePlan plan, ProbeResult result) {
  auto record = std::make_shared<ProbeRecord>();
  record->id = 1;
  record->target = plan.target.text(plan.port);
  record->module = "rcpt";
  record->timeout = plan.timeout;
  record->plan = std::make_shared<const ProbePlan>(std::move(plan));
  record->result = std::move(result);
  record->duration = record->result.ended - record->result.began - record->result.waited;
  record->verdict = judge(*record->plan, record->result);
  return record;
}

inline ProbeResult connected_result() {
  ProbeResult result;
  result.began = at(0);
  result.endpoint = {"192.0.2.1", "192.0.2.1", 25, 4, false, "192.0.2.9:40000"};
  result.steps = {step_record(Step::Connect, 0, 10),
                  step_record(Step::Banner, 10, 20, 220, "mx.test ESMTP")};
  result.ended = at(30);
  return result;
}

// 550 to the recipient.
inline std::shared_ptr<ProbeRecord> refused_record() {
  ProbeResult result = connected_result();
  result.steps.push_back(step_record(Step::Ehlo, 30, 1, 250, "mx.test"));
  result.steps.push_back(step_record(Step::Mail, 31, 2, 250, "2.1.0 Ok"));
  StepRecord rcpt = step_record(Step::Rcpt, 33, 4, 550, "5.1.1 <c@d.test>: no such user");
  rcpt.reply->status = EnhancedStatus{5, 1, 1};
  rcpt.reason = Reason::Reply5xx;
  result.failure = Failure{Step::Rcpt, Reason::Reply5xx, "", rcpt.reply};
  result.steps.push_back(rcpt);
  result.steps.push_back(step_record(Step::Quit, 37, 1, 221, "Bye"));
  result.extensions = Extensions{};
  result.ended = at(38);
  return finished(rcpt_plan(), std::move(result));
}

inline std::shared_ptr<ProbeRecord> good_record() {
  ProbeResult result = connected_result();
  for (const auto& [step, code] : {std::pair(Step::Ehlo, 250), std::pair(Step::Mail, 250),
                                   std::pair(Step::Rcpt, 250), std::pair(Step::Quit, 221)})
    result.steps.push_back(step_record(step, 30, 1, code, "Ok"));
  result.ended = at(40);
  return finished(rcpt_plan(), std::move(result));
}

}  // namespace smtpprobe
