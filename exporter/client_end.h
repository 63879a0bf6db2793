// Whether the client of a request that is being handled still wants the answer. A client that has
// closed its connection and one that has only closed its sending direction (RFC 9293 section 3.6)
// send the same FIN. They differ in what they do with data: the former's host answers with RST. So
// a client that sent FIN is sent the beginning that every answer has.
#pragma once

#include "exporter/http_door.h"

namespace smtpprobe {

// Emits `hang_up` when the client has gone, until `handling` is false and the socket's operations
// are cancelled. In TLS a closing alert is an end too, and so is a FIN.
void watch_for_end(const std::shared_ptr<HttpConnection>& connection);

// For a client that sent something after its request, whose end no event announces: once a second.
void look_for_end(HttpConnection& connection);

}  // namespace smtpprobe
