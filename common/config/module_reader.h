// One entry of `modules:` as a Module.
#pragma once

#include "common/config/config.h"
#include "common/config/section.h"

namespace smtpprobe {

// What is wrong with it goes to `faults`; the module is of use only when nothing did.
Module read_module(Faults& faults, const YamlEntry& entry);

// The port of a target that names none: 587 for the module `submission`, else its protocol's.
int module_port(const Module& module);

}  // namespace smtpprobe
