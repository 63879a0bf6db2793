#include "common/smtp/message.h"

#include <algorithm>
#include <array>
#include <chrono>

#include "common/smtp/base64.h"
#include "common/smtp/quoted_value.h"

namespace smtpprobe {
namespace {

constexpr std::string_view kDefaultSubject = "smtp-probe";
constexpr std::string_view kDefaultBody =
    "This message was sent by smtp-probe to see that mail is accepted; it may be deleted.";
constexpr std::string_view kTransferEncoding = "Content-Transfer-Encoding";
constexpr std::size_t kEncodedLine = 76;       // RFC 2045 s6.8
constexpr std::size_t kEncodedWordBytes = 39;  // "Subject: " and the word stay within 76, RFC 2047

using Header = std::pair<std::string, std::string>;

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

// Lines of 7 bit can carry all of ASCII but NUL (RFC 5321 s4.5.2, RFC 5322 s2.3).
bool needs_base64(std::string_view body) {
  return !is_ascii(body) || body.find('\0') != std::string_view::npos;
}

bool has_line_breaker(std::string_view text) {
  return text.find_first_of(std::string_view("\r\n\0", 3)) != std::string_view::npos;
}

bool is_header_name(std::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return c > 0x20 && c < 0x7f && c != ':';  // ftext, RFC 5322 s2.2
  });
}

bool same_name(std::string_view a, std::string_view b) {
  constexpr auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c; };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [&](char x, char y) { return lower(x) == lower(y); });
}

// Calls `line(text)` for each line of `text`, whatever its line end; none for an end of line that
// ends the text.
template <typename Line>
void for_each_line(std::string_view text, Line line) {
  // std::string_view::find_first_of() would be a call for each byte.
  std::size_t newline = text.find('\n');
  for (std::size_t at = 0; at < text.size();) {
    if (newline < at) newline = text.find('\n', at);
    const std::string_view rest = text.substr(at, newline - at);
    const std::size_t end = at + std::min(rest.find('\r'), rest.size());
    line(text.substr(at, end - at));
    at = end + (text.substr(end).starts_with("\r\n") ? 2 : 1);
  }
}

std::string with_crlf(std::string_view text) {
  std::string result;
  result.reserve(text.size() + 64);
  for_each_line(text, [&](std::string_view line) {
    result += line;
    result += "\r\n";
  });
  return result;
}

std::string base64_lines(std::string_view bytes) {
  constexpr std::size_t kBytesInLine = kEncodedLine / 4 * 3;
  std::string result;
  for (std::size_t at = 0; at < bytes.size(); at += kBytesInLine) {
    result += base64_encode(bytes.substr(at, kBytesInLine));
    result += "\r\n";
  }
  return result;
}

// An encoded word may not end within a character (RFC 2047 s5).
std::size_t encoded_word_length(std::string_view text) {
  if (text.size() <= kEncodedWordBytes) return text.size();
  const auto continues = [&](std::size_t at) {
    return (static_cast<unsigned char>(text[at]) & 0xc0U) == 0x80U;
  };
  std::size_t length = kEncodedWordBytes;
  while (length > kEncodedWordBytes - 3 && continues(length)) --length;
  return continues(length) ? kEncodedWordBytes : length;
}

std::string header_text(std::string_view text) {
  if (is_ascii(text)) return std::string(text);
  std::string result;
  while (!text.empty()) {
    const std::size_t length = encoded_word_length(text);
    if (!result.empty()) result += "\r\n ";
    result += "=?UTF-8?B?" + base64_encode(text.substr(0, length)) + "?=";
    text.remove_prefix(length);
  }
  return result;
}

// Where the domain of `path` begins; npos when it has none. An @ may stand in a quoted local part.
std::size_t domain_at(std::string_view path) {
  const std::size_t at = path.rfind('@');
  if (at == std::string_view::npos || path.find('"', at) != std::string_view::npos) {
    return std::string_view::npos;
  }
  return at + 1;
}

std::string sender_mailbox(const MessageFacts& facts) {
  // A null sender has no mailbox to name; RFC 5322 s3.6.2 wants one.
  if (facts.from.empty()) return "MAILER-DAEMON@" + facts.host_name;
  if (domain_at(facts.from) == std::string::npos) return facts.from + '@' + facts.host_name;
  return facts.from;
}

std::string recipients(const std::vector<std::string>& to) {
  if (to.empty()) return "undisclosed-recipients:;";
  std::string result;
  for (const std::string& path : to) {
    if (!result.empty()) result += ",\r\n ";
    result += '<' + path + '>';
  }
  return result;
}

std::vector<Header> own_headers(const MessagePlan& plan, const MessageFacts& facts) {
  const std::string sender = sender_mailbox(facts);
  const std::string domain = sender.substr(domain_at(sender));
  const std::string_view subject = plan.subject.empty() ? kDefaultSubject : plan.subject;
  std::vector<Header> headers = {
      {"Date", rfc5322_date(facts.date)},
      {"From", '<' + sender + '>'},
      {"To", recipients(facts.to)},
      {"Subject", header_text(subject)},
      {"Message-ID", '<' + facts.unique + '@' + domain + '>'},
      {"Auto-Submitted", "auto-generated"},
      {"Precedence", "bulk"},
      {"X-Mailer", "smtp-probe"},
  };
  if (needs_base64(plan.body)) {
    headers.emplace_back("MIME-Version", "1.0");
    headers.emplace_back("Content-Type", "text/plain; charset=UTF-8");
    headers.emplace_back(kTransferEncoding, "base64");
  }
  return headers;
}

Result<void> check_header(const Header& header, bool body_is_encoded) {
  const auto& [name, value] = header;
  if (!is_header_name(name)) {
    return error("got the header name " + quoted_value(name) +
                 ", expected printable ASCII without blank or colon");
  }
  const std::string where = "header " + quoted_value(name) + ": got " + described_value(value);
  for (const std::string_view ours : {"Date", "Message-ID", "Auto-Submitted"}) {
    if (same_name(name, ours)) return error(where + ", expected none: that one is always ours");
  }
  if (has_line_breaker(value)) return error(where + ", expected no CR, LF or NUL");
  if (!is_ascii(value)) return error(where + ", expected ASCII");
  if (name.size() + 2 + value.size() > kMaxTextLine) {
    return error(where + ", expected a line of at most " + std::to_string(kMaxTextLine) + " bytes");
  }
  if (body_is_encoded && same_name(name, kTransferEncoding)) {
    return error(where + ", expected none: a body that is not ASCII is sent as base64");
  }
  return {};
}

Result<void> check_subject(const std::string& subject) {
  constexpr std::size_t kPrefix = std::string_view("Subject: ").size();
  if (has_line_breaker(subject)) {
    return error("subject: got " + quoted_value(subject) + ", expected no CR, LF or NUL");
  }
  if (is_ascii(subject) && subject.size() > kMaxTextLine - kPrefix) {
    return error("subject: got " + std::to_string(subject.size()) + " bytes, expected at most " +
                 std::to_string(kMaxTextLine - kPrefix));
  }
  return {};
}

}  // namespace

Result<void> check_message(const MessagePlan& plan) {
  const bool encoded = needs_base64(plan.body);
  if (Result<void> good = check_subject(plan.subject); !good) return good;
  for (const Header& header : plan.headers) {
    if (Result<void> good = check_header(header, encoded); !good) return good;
  }
  if (encoded) return {};
  std::size_t number = 0;
  std::size_t too_long = 0;
  for_each_line(plan.body, [&](std::string_view line) {
    ++number;
    if (too_long == 0 && line.size() > kMaxTextLine) too_long = number;
  });
  if (too_long == 0) return {};
  return error("body: line " + std::to_string(too_long) + " is too long, expected at most " +
               std::to_string(kMaxTextLine) + " bytes");
}

std::string compose_message(const MessagePlan& plan, const MessageFacts& facts) {
  std::string message;
  const auto add = [&message](const Header& header) {
    message += header.first + ": " + header.second + "\r\n";
  };
  for (const Header& ours : own_headers(plan, facts)) {
    const bool replaced =
        std::any_of(plan.headers.begin(), plan.headers.end(),
                    [&](const Header& theirs) { return same_name(theirs.first, ours.first); });
    if (!replaced) add(ours);
  }
  for (const Header& theirs : plan.headers) add(theirs);
  message += "\r\n";

  const std::string body = with_crlf(plan.body.empty() ? kDefaultBody : plan.body);
  message += needs_base64(body) ? base64_lines(body) : body;
  return message;
}

std::string dot_stuff(std::string_view text) {
  std::string result;
  result.reserve(text.size() + 64);
  for_each_line(text, [&](std::string_view line) {
    if (line.starts_with('.')) result += '.';
    result += line;
    result += "\r\n";
  });
  result += ".\r\n";
  return result;
}

std::string rfc5322_date(WallTime date) {
  static constexpr std::array<std::string_view, 7> kDays = {"Sun", "Mon", "Tue", "Wed",
                                                            "Thu", "Fri", "Sat"};
  static constexpr std::array<std::string_view, 12> kMonths = {
      "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const auto two_digits = [](auto number) {
    const std::string digits = std::to_string(number);
    return digits.size() < 2 ? '0' + digits : digits;
  };
  const auto midnight = std::chrono::floor<std::chrono::days>(date);
  const std::chrono::year_month_day day(midnight);
  const std::chrono::hh_mm_ss clock(date - midnight);
  std::string text(kDays[std::chrono::weekday(midnight).c_encoding()]);
  text += ", " + two_digits(static_cast<unsigned>(day.day())) + ' ';
  text += kMonths[static_cast<unsigned>(day.month()) - 1];
  text += ' ' + std::to_string(static_cast<int>(day.year()));
  text += ' ' + two_digits(clock.hours().count()) + ':' + two_digits(clock.minutes().count());
  text += ':' + two_digits(clock.seconds().count()) + " +0000";
  return text;
}

}  // namespace smtpprobe
