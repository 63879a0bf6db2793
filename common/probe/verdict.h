// The verdict: one function, both programs use it. It reads a plan and a result and touches
// nothing.
#pragma once

#include <string>
#include <vector>

#include "common/probe/plan.h"
#include "common/probe/result.h"
#include "common/smtp/reply_code.h"

namespace smtpprobe {

// One thing that is not OK. Refusals come first, then certificates, extensions, latency.
struct Finding {
  State state = State::Critical;
  Step step = Step::Banner;
  Reason reason = Reason::None;
  std::string text;  // for the first line, behind "step: "; sanitised, no '|' from the server:
                     // "550 5.1.1 <x@y>: Recipient address rejected"
};

struct Verdict {
  State state = State::Ok;  // the worst of the findings
  // What failed and is OK by the user's choice (-t N:ok, --greylisting ok): "rcpt: 450 4.7.1 ...".
  std::string excused;
  std::vector<Finding>
      findings;  // the first is the headline; empty when OK. WARNING-free notes are not here.
};

// The problem that decides, of a chain that was checked; null when there is none.
// `ignore_expiration` leaves out expired certificates.
const CertificateProblem* first_problem(const TlsFacts& tls, bool ignore_expiration);

// "certificate not trusted: self-signed certificate (mx.example.net)"; raw, unsanitised.
std::string problem_words(const TlsFacts& tls, const CertificateProblem& problem);

Verdict judge(const ProbePlan& plan, const ProbeResult& result);

}  // namespace smtpprobe
