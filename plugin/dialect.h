// The dialect `check_smtp`: the texts and the few exit codes that configurations made for
// check_smtp rely on (docs: man page, "Dialects"). Everything it does not name is as in the native
// dialect; check_smtp's false OKs are not kept.
#pragma once

#include <string_view>

#include "plugin/headline.h"

namespace smtpprobe {

// `verdict` with the exit codes of check_smtp: WARNING where STARTTLS is not offered, where the
// banner is not the expected one and where the server closes before it. As in check_smtp, latency
// is not weighed on top of these.
Verdict check_smtp_verdict(const ProbeResult& result, Verdict verdict);

// The lines for it. `verdict` is of check_smtp_verdict(), `where` as in headline().
Summary check_smtp_summary(const ProbePlan& plan, const ProbeResult& result, const Verdict& verdict,
                           std::string_view where);

}  // namespace smtpprobe
