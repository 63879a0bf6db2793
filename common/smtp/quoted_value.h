// A rejected value of a user's, fit to stand in the one line of an Error. Invariants: no control
// byte passes, the length is bounded, and a value that may contain a secret is described, not
// quoted.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace smtpprobe {

// "'us\\x0aer'": bytes that are not printable ASCII as \xHH, cut with "..." after 60 bytes; or
// described_value().
std::string quoted_value(std::string_view value);

// "a value of 12 bytes": of what stands where a secret is likely.
std::string described_value(std::string_view value);

// Whether `value` looks as if a secret were in it, wherever it stands: "user:secret@host",
// "user:secret" (a host and no number as its port), "password=secret", an AUTH command, a private
// key.
bool may_hold_secret(std::string_view value);

// One character too many, too few, another, or two neighbours in the wrong order.
bool is_one_slip(std::string_view a, std::string_view b);

// Whether `value` is like one of the words that are known there, in any letter case: the same, one
// slip away, or with the same beginning and hardly longer. Another may be a secret where one stands
// near.
bool is_like_one_of(std::string_view value, std::span<const std::string_view> known);

// What messages say of a word that is no option's or key's name: the word where it looks like one,
// of letters, dots and hyphens.
std::string shown_name(std::string_view name);

}  // namespace smtpprobe
