// A POSIX extended regular expression for -R, newline-sensitive and unanchored, as check_smtp has
// it.
#pragma once

#include <memory>
#include <string>

#include "common/smtp/error.h"

namespace smtpprobe {

class ReplyRegex {
 public:
  // The error carries the C library's own words for what is wrong.
  static Result<ReplyRegex> compile(const std::string& pattern);

  // `text` is a reply in its wire form; a NUL in it is a character like others.
  bool matches(const std::string& text) const;
  const std::string& pattern() const { return pattern_; }

 private:
  struct Compiled;
  std::string pattern_;
  std::shared_ptr<const Compiled> compiled_;
};

}  // namespace smtpprobe
