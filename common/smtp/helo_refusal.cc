#include "common/smtp/helo_refusal.h"

#include <algorithm>
#include <array>
#include <string>

#include "common/smtp/reply_phrase.h"

namespace smtpprobe {
namespace {

constexpr std::string_view kOwnWords = "servers' own words: Exim's ACLs, milters, policy daemons";

constexpr auto kTable = std::to_array<HeloRefusal>({
    {"command-rejected", "helo command rejected",
     "Postfix, reject_*_helo_hostname and check_helo_access of postconf(5)"},
    {"argument", "invalid helo argument*",
     "Exim src/smtp_in.c, helo_allow_chars; FairEmail's question 127"},
    {"requires-domain", "helo requires domain address",
     "sendmail srvrsmtp.c; GNU Anubis; Exchange"},
    {"invalid", "invalid helo", "cPanel's Exim, my.ultrawebhosting.com/knowledgebase/340"},
    {"saying", "when saying helo",
     "\"use your real hostname when saying HELO\", under-score.org.uk of 2007-04-23"},
    {"not-verified", "helo not verified", "Exim, verify = helo (test/confs/0070)"},
    {"mismatch", "helo/hostname mismatch", "grote/BlitzMail#25"},
    {"bad", "bad helo", kOwnWords},
    {"rejected", "helo rejected", kOwnWords},
    {"name", "helo name * reject*", kOwnWords},
    {"name-invalid", "helo name * invalid", kOwnWords},
    {"host", "helo host * invalid", kOwnWords},
    {"hostname", "helo hostname * invalid", kOwnWords},
    {"domain", "helo domain", kOwnWords},
    {"fqdn", "helo * fqdn", kOwnWords},
    {"not-qualified", "helo * fully qualified", kOwnWords},
    {"qualified", "fully qualified * helo", kOwnWords},
    {"no-match", "helo * not match", kOwnWords},
    {"no-resolve", "helo * not resolve", kOwnWords},
});

// Bare "helo" for each of the greetings.
std::string with_one_greeting(std::string words) {
  for (const std::string_view name : {"ehlo", "lhlo"}) {
    for (std::size_t at = words.find(name); at != std::string::npos; at = words.find(name, at))
      words.replace(at, name.size(), "helo");
  }
  constexpr std::string_view kBoth = "helo/helo";
  for (std::size_t at = words.find(kBoth); at != std::string::npos; at = words.find(kBoth, at))
    words.replace(at, kBoth.size(), "helo");
  return words;
}

// EHLO is unknown or not implemented (500, 502), due first (503), or TLS or AUTH is (530): nothing
// of these concerns the name.
bool may_refuse_the_name(int code) {
  const int klass = code / 100;
  return (klass == 4 || klass == 5) && code != 500 && code != 502 && code != 503 && code != 530;
}

// "Helo command rejected: Server configuration error": Postfix could not look the name up.
bool is_their_fault(std::string_view words) {
  constexpr auto kPhrases = std::to_array<std::string_view>(
      {"server configuration error", "temporary lookup failure", "helo first", "unavailable",
       "cannot check", "lookup failed", "policy server"});
  return std::any_of(kPhrases.begin(), kPhrases.end(),
                     [words](std::string_view phrase) { return has_phrase(words, phrase); });
}

}  // namespace

std::span<const HeloRefusal> helo_refusal_table() { return kTable; }

const HeloRefusal* helo_refusal_of(const Reply& reply) {
  if (!may_refuse_the_name(reply.code)) return nullptr;
  // Of an address, or of the server's own system (RFC 3463 s3.2, s3.4).
  if (reply.status && (reply.status->subject == 1 || reply.status->subject == 3)) return nullptr;
  const std::string words = with_one_greeting(words_of(reply));
  if (is_their_fault(words)) return nullptr;
  const auto found = std::find_if(kTable.begin(), kTable.end(), [&words](const HeloRefusal& row) {
    return has_phrase(words, row.phrase);
  });
  return found == kTable.end() ? nullptr : &*found;
}

}  // namespace smtpprobe
