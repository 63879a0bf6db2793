// The text of a probe message (RFC 5322) and how it goes on the wire (RFC 5321 s4.5.2).
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/smtp/error.h"
#include "common/smtp/time.h"

namespace smtpprobe {

inline constexpr std::size_t kMaxTextLine = 998;  // without CRLF, RFC 5321 s4.5.3.1.6

struct MessagePlan {
  std::string subject;  // empty: "smtp-probe"
  std::vector<std::pair<std::string, std::string>>
      headers;  // added ones; From, To, Subject, Precedence, X-Mailer replace ours
  std::string
      body;  // as read from the file, any line ends; empty: one sentence that says what this is
};

// Checks what the user gave: header names (RFC 5322 s2.2 ftext), no CR, LF or NUL in a header,
// ASCII header values, no line over kMaxTextLine. Called when a plan is made.
Result<void> check_message(const MessagePlan& plan);

struct MessageFacts {
  std::string from;             // reverse path; empty for the null sender
  std::vector<std::string> to;  // forward paths
  WallTime date;
  std::string unique;     // token of the caller's for the Message-ID, unique per message
  std::string host_name;  // right-hand side of the Message-ID where `from` has no domain
};

// Headers (Date, From, To, Subject, Message-ID, Auto-Submitted: auto-generated, Precedence: bulk,
// X-Mailer) and body with CRLF line ends and no dot-stuffing. A body that is not ASCII is sent as
// base64 with MIME headers, so that no extension of the server is needed; a Subject that is not
// ASCII is an encoded word (RFC 2047).
std::string compose_message(const MessagePlan& plan, const MessageFacts& facts);

// `text` with CRLF line ends made dot-transparent, the final CRLF added where missing, and ended
// with
// ".\r\n" (RFC 5321 s4.5.2). Lone CR and LF become CRLF: the probe never smuggles.
std::string dot_stuff(std::string_view text);

// "Mon, 23 Nov 2026 12:00:00 +0000"
std::string rfc5322_date(WallTime date);

}  // namespace smtpprobe
