// The steps of a result as rows of words, for every output that shows them one below the other.
// All text is raw: who prints it sanitises it.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/probe/result.h"
#include "common/probe/verdict.h"

namespace smtpprobe {

struct StepRow {
  Step step = Step::Banner;
  State state = State::Ok;       // the worst of the findings at this step
  Reason reason = Reason::None;  // of the first of them
  std::string code;              // "250"; empty when there was no reply
  std::string status;            // "5.1.1"; empty without one
  std::optional<Duration> took;  // nullopt for a step that never ran
  std::string text;  // the reply without its status, else what happened: "192.0.2.1 port 25"
};

// The steps that ran, in order, and behind them the one that the failure names where it never ran:
// STARTTLS that was not offered.
std::vector<StepRow> step_rows(const ProbeResult& result, const Verdict& verdict);

// "192.0.2.1 port 25", or the path of a unix socket.
std::string endpoint_text(const Endpoint& endpoint);

// By what the times of the steps were taken, for people.
std::string_view timed_by(const ProbeResult& result);

// "connection refused: 192.0.2.1 port 25"
std::string failure_words(Reason reason, std::string_view detail);

}  // namespace smtpprobe
