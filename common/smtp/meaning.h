// What a step does, what a reason means and where to look: the words of --explain, and of
// docs/troubleshooting.md, which is made of the tables in the .cc. What somebody types is between
// `backticks`.
#pragma once

#include <array>
#include <string_view>

#include "common/smtp/reason.h"
#include "common/smtp/step.h"

namespace smtpprobe {

struct StepMeaning {
  Step step;
  std::string_view does;
  std::string_view look;
};

// What to look at where the reason comes up at this step.
struct StepHint {
  Step step{};
  std::string_view look;
};

struct ReasonMeaning {
  Reason reason;
  std::string_view means;
  std::string_view look;
  std::array<StepHint, 5> here{};  // up to the first one without words
};

const StepMeaning& step_meaning(Step step);
// Of Reason::None without words.
const ReasonMeaning& reason_meaning(Reason reason);

}  // namespace smtpprobe
