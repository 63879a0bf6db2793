#include "plugin/exit_code.h"

#include <algorithm>
#include <vector>

namespace smtpprobe {
namespace {

constexpr int kNotTheServer = static_cast<int>(State::Unknown);

bool is_our_own_fault(Reason reason) {
  return reason == Reason::Config || reason == Reason::LocalError ||
         reason == Reason::AuthNeedsTls || reason == Reason::ProbeRejected;
}

}  // namespace

int exit_code_of_step(Step step) {
  switch (step) {
    case Step::Resolve:
      return 20;  // swaks: 2, as for connect
    case Step::Connect:
      return 2;
    case Step::Banner:
      return 21;
    case Step::Ehlo:
      return 22;
    case Step::Mail:
      return 23;
    case Step::Rcpt:
      return 24;
    case Step::Data:
      return 25;
    case Step::Message:
      return 26;
    case Step::Quit:
      return 27;
    case Step::Auth:
      return 28;
    case Step::Starttls:
    case Step::Tls:
      return 29;
    case Step::EhloTls:
      return 32;
    case Step::Command:
      return 40;  // nothing in swaks
  }
  return kNotTheServer;
}

int exit_code(ExitCodes kind, const Verdict& verdict) {
  if (kind == ExitCodes::State || verdict.findings.empty()) return static_cast<int>(verdict.state);
  const Finding& first = verdict.findings.front();
  return is_our_own_fault(first.reason) ? kNotTheServer : exit_code_of_step(first.step);
}

std::string exit_codes_of_steps() {
  std::vector<Step> steps(kSteps.begin(), kSteps.end());
  std::stable_sort(steps.begin(), steps.end(),
                   [](Step a, Step b) { return exit_code_of_step(a) < exit_code_of_step(b); });
  std::string text;
  for (const Step step : steps) {
    if (!text.empty()) text += ", ";
    text += std::to_string(exit_code_of_step(step)) + ' ';
    text += step_name(step);
  }
  return text;
}

}  // namespace smtpprobe
