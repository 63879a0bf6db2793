// The whole dialogue (play.h) and its verdict: there always is one, and it is OK only where every
// planned step was answered as it should be.
#include <algorithm>

#include "common/probe/verdict.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/play.h"

namespace smtpprobe::fuzz {
namespace {

bool is_answered(const ProbePlan& plan, const StepRecord& record) {
  if (record.step == Step::Tls) return true;
  if (!record.reply) return false;
  const DialoguePlan& dialogue = plan.dialogue;
  const Reply& reply = *record.reply;
  if (record.step == Step::Banner && dialogue.expect_banner) {
    return reply.wire().find(*dialogue.expect_banner) != std::string::npos;
  }
  const auto& commands = dialogue.commands;
  const bool by_regex = record.step == Step::Command &&
                        std::any_of(commands.begin(), commands.end(),
                                    [](const RawCommand& one) { return one.expected.has_value(); });
  if (by_regex) return true;
  const std::vector<ReplyPattern>& patterns = dialogue.expect[record.step];
  if (patterns.empty()) {
    const ReplyFit fit = fit_of(record.step, reply.code);
    return fit == ReplyFit::Expected || (fit == ReplyFit::OtherCode && reply.code == 200);
  }
  return std::any_of(patterns.begin(), patterns.end(),
                     [&reply](const ReplyPattern& one) { return one.matches(reply); });
}

// -e 521: the user asked for a refusal at the banner.
bool may_stop_at(const ProbePlan& plan, Step step) {
  return step == Step::Banner && plan.dialogue.expect_banner.has_value();
}

bool may_be_left_out(const ProbePlan& plan, const ProbeResult& result, Step step) {
  const bool starttls = step == Step::Starttls || step == Step::Tls || step == Step::EhloTls;
  if (!starttls || plan.dialogue.tls != TlsMode::Opportunistic) return false;
  return !result.extensions || !result.extensions->offers("STARTTLS");
}

void check_ok(const ProbePlan& plan, const ProbeResult& result) {
  bool stopped = false;
  for (const Step step : session_path(plan.dialogue)) {
    if (step == Step::Quit) continue;  // a missing 221 spoils nothing
    const StepRecord* record = result.step(step);
    const std::string_view name = step_name(step);
    if (record == nullptr) {
      SMTPPROBE_HOLDS(stopped || may_be_left_out(plan, result, step), name);
      continue;
    }
    SMTPPROBE_HOLDS(record->reason == Reason::None && is_answered(plan, *record), name);
    if (may_stop_at(plan, step)) stopped = true;
  }
}

void check(const Play& play) {
  const ProbeResult& result = play.result;
  const Verdict verdict = judge(play.plan, result);
  SMTPPROBE_HOLDS(verdict.findings.empty() == (verdict.state == State::Ok), verdict.excused);
  for (const Finding& finding : verdict.findings) {
    SMTPPROBE_HOLDS(finding.reason != Reason::None && finding.state != State::Ok, finding.text);
    SMTPPROBE_HOLDS(!finding.text.empty() && is_plain(finding.text, false), finding.text);
    SMTPPROBE_HOLDS(finding.text.find('|') == std::string::npos, finding.text);
    SMTPPROBE_HOLDS(is_clean_utf8(finding.text), finding.text);
  }
  if (verdict.state != State::Ok) return;
  SMTPPROBE_HOLDS(result.failure.has_value() == !verdict.excused.empty(), verdict.excused);
  if (!result.failure) check_ok(play.plan, result);
}

}  // namespace
}  // namespace smtpprobe::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto play = smtpprobe::fuzz::play(smtpprobe::fuzz::bytes_of(data, size));
  if (play) smtpprobe::fuzz::check(*play);
  return 0;
}
