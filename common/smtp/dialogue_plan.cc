#include "common/smtp/dialogue_plan.h"

#include <algorithm>

namespace smtpprobe {
namespace {

// Steps in the order of the walk. STARTTLS and its handshake are one depth: a session cannot stop
// between the 220 and the ClientHello.
std::size_t depth(Step step, bool implicit) {
  if (step == Step::Tls && !implicit) return index(Step::Starttls);
  return index(step);
}

std::size_t depth_of_until(const DialoguePlan& plan) {
  const bool implicit = plan.tls == TlsMode::Implicit;
  const bool starttls = plan.tls == TlsMode::Starttls || plan.tls == TlsMode::Opportunistic;
  if (plan.until == Step::Ehlo && starttls) return index(Step::EhloTls);
  if (plan.until == Step::Tls && implicit) return index(Step::Banner);
  return depth(plan.until, implicit);
}

// None of the replies that the user expects at `step` lets the session go on.
bool ends_as_expected(const DialoguePlan& plan, Step step) {
  const std::vector<ReplyPattern>& patterns = plan.expect[step];
  const int due = class_due(step);
  return due != 0 && !patterns.empty() &&
         std::none_of(patterns.begin(), patterns.end(),
                      [due](const ReplyPattern& one) { return one.may_match_class(due); });
}

}  // namespace

Duration StepLimits::of(Step step) const {
  switch (step) {
    case Step::Resolve:
      return resolve;
    case Step::Connect:
      return connect;
    case Step::Message:
      return message;
    case Step::Quit:
      return quit;
    case Step::Tls:
    case Step::Banner:
    case Step::Ehlo:
    case Step::Starttls:
    case Step::EhloTls:
    case Step::Auth:
    case Step::Mail:
    case Step::Rcpt:
    case Step::Command:
    case Step::Data:
      return reply;
  }
  return reply;
}

StepLimits StepLimits::within(Duration total) {
  StepLimits limits;
  if (total <= limits.reply) return limits;
  limits.reply = total;
  limits.message = total * 2;
  limits.connect = total / 2;
  limits.resolve = total / 2;
  return limits;
}

std::vector<Step> planned_steps(const DialoguePlan& plan) {
  const bool implicit = plan.tls == TlsMode::Implicit;
  std::vector<Step> all;
  if (implicit) all.push_back(Step::Tls);
  all.push_back(Step::Banner);
  all.push_back(Step::Ehlo);
  if (plan.tls == TlsMode::Starttls || plan.tls == TlsMode::Opportunistic) {
    all.push_back(Step::Starttls);
    all.push_back(Step::Tls);
    all.push_back(Step::EhloTls);
  }
  if (plan.auth) all.push_back(Step::Auth);
  if (plan.from) all.push_back(Step::Mail);
  if (!plan.to.empty()) all.push_back(Step::Rcpt);
  if (!plan.commands.empty()) all.push_back(Step::Command);
  all.push_back(Step::Data);
  all.push_back(Step::Message);

  const std::size_t last = depth_of_until(plan);
  std::vector<Step> planned;
  for (const Step step : all) {
    if (depth(step, implicit) <= last) planned.push_back(step);
  }
  // After DATA's 354 whatever we say is text: such a plan ends by closing.
  if (plan.until != Step::Data) planned.push_back(Step::Quit);
  return planned;
}

std::vector<Step> session_path(const DialoguePlan& plan) {
  std::vector<Step> path = planned_steps(plan);
  const auto end = std::find_if(path.begin(), path.end(),
                                [&](Step step) { return ends_as_expected(plan, step); });
  if (end == path.end() || *end == Step::Quit) return path;
  path.erase(end + 1, path.end());
  path.push_back(Step::Quit);
  return path;
}

}  // namespace smtpprobe
