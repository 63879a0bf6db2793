#include "common/smtp/rate_limit.h"

#include <algorithm>
#include <array>
#include <string>

#include "common/smtp/reply_phrase.h"

namespace smtpprobe {
namespace {

constexpr auto kTable = std::to_array<RateLimit>({
    // Enhanced statuses.
    {"mail-flood",
     {},
     {4, 7, 28},
     "IANA registry (X.7.28); Gmail, support.google.com/a/answer/3726730"},
    {"microsoft-busy",
     {},
     {4, 7, 500},
     "Exchange Online, learn.microsoft.com \"Email non-delivery reports and SMTP errors\""},
    {"microsoft-650", {}, {4, 7, 650}, "Outlook.com, Mailu#3013, sisimai/p5-sisimai#469"},
    {"microsoft-651", {}, {4, 7, 651}, "Outlook.com, Mailu#3013"},
    {"microsoft-652", {}, {4, 7, 652}, "Outlook.com (S3115), zone-eu/zone-mta bounce samples"},
    // Postfix.
    {"connections",
     "too many connections",
     {},
     "Postfix smtpd(8) and postscreen(8), smtpd_client_connection_count_limit; Outlook.com, VPOP3"},
    {"mail", "too much mail", {}, "Postfix smtpd(8), smtpd_client_message_rate_limit"},
    {"recipients-from",
     "too many recipients from",
     {},
     "Postfix smtpd(8), smtpd_client_recipient_rate_limit"},
    {"tls-sessions",
     "too many new tls sessions",
     {},
     "Postfix smtpd(8), smtpd_client_new_tls_session_rate_limit"},
    {"auth-commands",
     "too many auth commands",
     {},
     "Postfix smtpd(8), smtpd_client_auth_rate_limit"},
    // Exim, sendmail and what others have of them.
    {"concurrent-smtp",
     "too many concurrent smtp connections",
     {},
     "Exim src/smtp_in.c, smtp_accept_max; Amazon SES"},
    {"concurrent",
     "too many concurrent connections",
     {},
     "knowledge.broadcom.com/external/article/280430"},
    {"open-connections",
     "too many open connections",
     {},
     "sendmail cf/README, FEATURE(conncontrol)"},
    {"connection-rate",
     "connection rate limit exceeded",
     {},
     "sendmail cf/README, FEATURE(ratecontrol); sisimai/p5-sisimai#466"},
    {"messages", "too many messages", {}, "Exim src/smtp_in.c, smtp_accept_max_per_connection"},
    {"smtp-sessions", "too many smtp sessions", {}, "sendmail daemon.c, sisimai's TooManyConn"},
    {"sessions", "too many sessions", {}, "GoDaddy IB007, smtp.codes/421; Comcast"},
    {"emails-per-hour",
     "exceeded the max emails per hour",
     {},
     "cPanel's Exim, sisimai Reason/RateLimited.pm"},
    // Microsoft Exchange.
    {"maximum-concurrent",
     "maximum number of concurrent * exceeded",
     {},
     "Exchange, MaxInboundConnection and MaxInboundConnectionPerSource of a receive connector"},
    {"per-source", "connections per source", {}, "Exchange, event 1021 of MSExchangeTransport"},
    {"submission-rate",
     "submission rate * exceeded",
     {},
     "Exchange, MessageRateLimit of a receive connector"},
    {"concurrent-exceeded",
     "concurrent connections limit exceeded",
     {},
     "Exchange Online, SMTP AUTH client submission"},
    {"sender-threads",
     "sender thread limit exceeded",
     {},
     "Exchange Online, SMTP AUTH client submission: 3 connections for each mailbox"},
    // Gmail: support.google.com/a/answer/3726730
    {"unusual-rate", "unusual rate of", {}, "Gmail, 421 4.7.0 and 4.7.28"},
    {"too-quickly", "receiving mail too quickly", {}, "Gmail, 450 4.2.1"},
    {"at-a-rate", "receiving mail at a rate", {}, "Gmail, 450 4.2.1"},
    {"relay-limit", "relay limit exceeded", {}, "Gmail, 450 4.2.1"},
    {"login-attempts",
     "too many login attempts",
     {},
     "Gmail, 454 4.7.0; nodemailer#1388, nullmailer#68"},
    // Other providers.
    {"failed-logins",
     "too many failed login*",
     {},
     "providers that lock an address out after failed logins"},
    {"volume",
     "deferred due to * volume",
     {},
     "Yahoo and AOL [TSS04], senders.yahooinc.com/smtp-error-codes"},
    {"throttling",
     "throttling failure",
     {},
     "Amazon SES, \"SMTP response codes\": maximum sending rate, daily quota"},
    {"throttled",
     "throttled",
     {},
     "Comcast, postmaster.comcast.net; sisimai Reason/RateLimited.pm"},
    {"concurrency", "concurrency limit", {}, "Contactlab SmartRelay, 421 4.4.5"},
    {"errors-from-ip",
     "too many errors from your ip",
     {},
     "Free.fr, sisimai Reason/RateLimited.pm"},
    {"connexions", "trop de connexions", {}, "Orange and Free.fr, sisimai Reason/RateLimited.pm"},
    {"send-limit", "mail send limit exceeded", {}, "IONOS, 450"},
    // In whatever words: Apple 421 4.7.1, rspamd, Haraka, Stalwart.
    {"rate-limit", "rate limit*", {}, "Outlook.com, Gmail, Apple, rspamd's ratelimit module"},
    {"ratelimit", "ratelimit*", {}, "rspamd's ratelimit module, mail.ru"},
});

// "Too many connections to the database": the server's own trouble, in the words of a limit.
bool is_their_fault(const Reply& reply, std::string_view words) {
  constexpr auto kStatuses =
      std::to_array<EnhancedStatus>({{4, 3, 0}, {4, 3, 1}, {4, 3, 5}, {4, 2, 2}});
  constexpr auto kPhrases = std::to_array<std::string_view>(
      {"lookup failed", "database", "ldap", "backend", "disk full", "no space left"});
  return std::any_of(kStatuses.begin(), kStatuses.end(),
                     [&reply](const EnhancedStatus& one) { return reply.status == one; }) ||
         std::any_of(kPhrases.begin(), kPhrases.end(),
                     [words](std::string_view phrase) { return has_phrase(words, phrase); });
}

bool meets(const RateLimit& row, const Reply& reply, std::string_view words) {
  if (row.status.klass != 0 && reply.status != row.status) return false;
  return row.phrase.empty() || has_phrase(words, row.phrase);
}

}  // namespace

std::span<const RateLimit> rate_limit_table() { return kTable; }

const RateLimit* rate_limit_of(const Reply& reply) {
  if (reply.klass() != 4) return nullptr;
  const std::string words = words_of(reply);
  if (is_their_fault(reply, words)) return nullptr;
  const auto found = std::find_if(kTable.begin(), kTable.end(),
                                  [&](const RateLimit& row) { return meets(row, reply, words); });
  return found == kTable.end() ? nullptr : &*found;
}

}  // namespace smtpprobe
