// What each option does to a plan in the making.
#pragma once

#include <bitset>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "common/smtp/error.h"
#include "common/smtp/message.h"
#include "plugin/option_syntax.h"
#include "plugin/options.h"
#include "plugin/setting.h"

namespace smtpprobe {

// Options on their way into a plan: what can be settled at once is in `options`, beginning as the
// module has it; the rest waits for the last of them.
struct Draft {
  Options options;
  std::bitset<kOptionCount> given;
  PerStep<bool> step_expected{};
  std::optional<int> port;
  std::optional<Step> until;
  Step module_needs = Step::Resolve;  // how deep what is in --module leads by itself
  TimeoutValue timeout;
  std::vector<std::string> commands;
  std::vector<ReplyRegex> responses;
  std::optional<Mechanism> mechanism;
  std::optional<std::string> user;
  std::optional<std::string> password;
  std::optional<std::string> token;
  MessagePlan message;

  bool has(OptionId id) const { return given[static_cast<std::size_t>(id)]; }
};

// The error names the option, what it got and what it wants; for an ini file, file and line too.
// Options that only have to be there (has()) and those that are settled before the draft begins do
// nothing more.
Result<void> apply_setting(Draft& draft, const Setting& setting);

}  // namespace smtpprobe
