// What the check exits with: the state, as monitoring systems read it, or with --exit-code step the
// step that failed, for scripts. Law: with either 0 is OK and 3 is "the probe itself could not
// judge"; never 1 for a step, which a shell's own errors are, and never above 125.
#pragma once

#include <string>

#include "common/probe/verdict.h"
#include "plugin/options.h"

namespace smtpprobe {

// swaks's code where swaks has one for the step.
int exit_code_of_step(Step step);

// With ExitCodes::Step the code of the step that the first line names. 3 where not the server but
// our own options or this host are at fault.
int exit_code(ExitCodes kind, const Verdict& verdict);

// "2 connect, 20 resolve, 21 banner, 22 ehlo, ...", by number.
std::string exit_codes_of_steps();

}  // namespace smtpprobe
