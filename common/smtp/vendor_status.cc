// Sources: Microsoft Learn, "Email non-delivery reports and SMTP errors in Exchange Online" and
// "Fix issues with printers, scanners, and LOB applications that send email using Microsoft 365";
// Exchange Team Blog of 2024-04-15 and its update of 2026-01-27 on the end of Basic authentication
// for client submission; Google, support.google.com/a/answer/3726730; Yahoo, senders.yahooinc.com.
#include "common/smtp/vendor_status.h"

#include <algorithm>
#include <array>

namespace smtpprobe {
namespace {

constexpr std::string_view kMicrosoft = "Microsoft 365";
constexpr std::string_view kGoogle = "Google";

constexpr std::string_view kSendLess =
    "Probe less often and from one address; a longer interval ends it.";
constexpr std::string_view kAppPassword =
    "Create an app password for the account (2-step verification must be on), or use OAuth: "
    "-A XOAUTH2 with a token.";

constexpr auto kTable = std::to_array<VendorStatus>({
    {{4, 7, 0},
     kGoogle,
     "too many login attempts (454), or a temporary fault of theirs (421)",
     "Log in less often; see whether another program uses the account with an old password."},
    {{4, 7, 28}, kGoogle, "unusual rate of mail from this address", kSendLess},
    {{4, 7, 500}, kMicrosoft, "server busy: the sending address is limited for a while", kSendLess},
    {{4, 7, 650}, kMicrosoft, "rate limited by the reputation of the sending address", kSendLess},
    {{4, 7, 651}, kMicrosoft, "rate limited by the reputation of the sending address", kSendLess},
    {{4, 7, 652}, kMicrosoft, "too many connections from this address", kSendLess},
    {{5, 4, 5},
     kGoogle,
     "the account's daily sending limit is exceeded",
     "Wait a day; a probe that sends needs few messages."},
    {{5, 7, 3},
     kMicrosoft,
     "authentication failed, or the mechanism is not allowed",
     "SMTP AUTH must be on for the mailbox; use OAuth: -A XOAUTH2 with a token."},
    {{5, 7, 8}, kGoogle, "user name and password not accepted", kAppPassword},
    {{5, 7, 9}, kGoogle, "an application-specific password is required", kAppPassword},
    {{5, 7, 14},
     kGoogle,
     "a login in a web browser is demanded first",
     "Log in to the account in a browser once; then an app password or OAuth."},
    {{5, 7, 30},
     kMicrosoft,
     "Basic authentication has ended for SMTP AUTH of this tenant",
     "A password is taken no more: use OAuth, -A XOAUTH2 with a token. Basic authentication is off "
     "by "
     "default from the end of December 2026; until its final end an administrator can still allow "
     "it."},
    {{5, 7, 57},
     kMicrosoft,
     "the client did not authenticate before MAIL",
     "Log in first: port 587 with STARTTLS and AUTH, by OAuth (-A XOAUTH2 with a token); SMTP AUTH "
     "must be on for the mailbox. Without a login use a connector or direct send on port 25."},
    {{5, 7, 60},
     kMicrosoft,
     "the login may not send as this sender",
     "Use the mailbox's own address for --from, or grant Send As."},
    {{5, 7, 139},
     kMicrosoft,
     "authentication refused: Basic authentication is disabled, SMTP AUTH is off, or security "
     "defaults or conditional access forbid it",
     "Use OAuth: -A XOAUTH2 with a token. A password works only where an administrator allows SMTP "
     "AUTH and Basic authentication, which is off by default from the end of December 2026."},
});

}  // namespace

const VendorStatus* vendor_status(const EnhancedStatus& status) {
  const auto found = std::find_if(kTable.begin(), kTable.end(), [&status](const VendorStatus& row) {
    return row.status == status;
  });
  return found == kTable.end() ? nullptr : &*found;
}

}  // namespace smtpprobe
