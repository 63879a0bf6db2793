// The words of a reply, for the tables that recognise a refusal by its text (rate_limit.cc,
// helo_refusal.cc). What a server repeats of ours is no word of its own: addresses are left out,
// and links.
#pragma once

#include <string>
#include <string_view>

#include "common/smtp/reply.h"

namespace smtpprobe {

// `text` without the mail addresses in it ("<greylist@example.net>: user unknown").
std::string without_addresses(std::string_view text);

// The text of all lines in lower case, without addresses and links; blanks, tabs and hyphens, also
// several in a row, are one blank.
std::string words_of(const Reply& reply);

// Does `words` contain `phrase`? It begins and ends at the edge of a word. " * " in a phrase stands
// for up to kPhraseGap bytes, a '*' at its end for any rest of the last word.
bool has_phrase(std::string_view words, std::string_view phrase);

inline constexpr std::size_t kPhraseGap = 60;

}  // namespace smtpprobe
