// A small well-behaved SMTP server (RFC 5321, 3207, 4954) for the demo and for trying things out:
// it keeps nothing. What decides its answers is the recipient's local part: `unknown` is refused
// (550 5.1.1), `grey` deferred (450 4.7.1), `slow` answered after 1.5 seconds. AUTH PLAIN and LOGIN
// take user "probe" with password "secret", after STARTTLS only.
#pragma once

#include "tests/fake_server/channel.h"
#include "tests/fake_server/script_player.h"

namespace smtpprobe {

void serve_mail(Channel& channel, const ServerTls& tls, Recorder& recorder, int connection);

}  // namespace smtpprobe
