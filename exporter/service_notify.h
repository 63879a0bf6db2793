// Tells a service manager how we are doing: the sd_notify protocol, one datagram to $NOTIFY_SOCKET.
// Without libsystemd: systemd documents the protocol as stable and names own implementations as the
// way where the dependency is not wanted (sd_notify(3), "Notes").
#pragma once

#include <string>
#include <string_view>

#include "common/smtp/time.h"

namespace smtpprobe {

inline constexpr std::string_view kServiceReady = "READY=1";
inline constexpr std::string_view kServiceStopping = "STOPPING=1";
// To be followed by READY=1 when the reload is done. `now` is by the monotonic clock, which
// Type=notify-reload compares with its own.
std::string service_reloading(Instant now);
// One line for `systemctl status`; sanitised and cut.
std::string service_status(std::string_view text);

// Nothing happens where there is no manager, and nothing is known of an error: nobody could do
// anything about it. Waits at most a second for a manager that is busy.
void notify_service(std::string_view state);

}  // namespace smtpprobe
