// Libraries that fail for want of a descriptor say something else: "no name server", "unable to get
// issuer certificate". Ask here before the fault is anybody else's.
#pragma once

namespace smtpprobe {

// errno (EMFILE, ENFILE, ENOMEM) when no descriptor can be had now, else 0.
int descriptor_shortage();

}  // namespace smtpprobe
