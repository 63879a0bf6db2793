#include "common/smtp/reply_regex.h"

#include <regex.h>

#include <array>
#include <string_view>

namespace smtpprobe {

struct ReplyRegex::Compiled {
  Compiled() = default;
  Compiled(const Compiled&) = delete;
  Compiled& operator=(const Compiled&) = delete;
  ~Compiled() {
    if (usable) regfree(&regex);
  }

  regex_t regex{};
  bool usable = false;
};

Result<ReplyRegex> ReplyRegex::compile(const std::string& pattern) {
  constexpr std::string_view kWanted = ", expected a POSIX extended regular expression";
  if (pattern.find('\0') != std::string::npos) {
    return error("a NUL" + std::string(kWanted));
  }
  const auto compiled = std::make_shared<Compiled>();
  const int failure =
      regcomp(&compiled->regex, pattern.c_str(), REG_EXTENDED | REG_NOSUB | REG_NEWLINE);
  if (failure != 0) {
    std::array<char, 256> words{};
    regerror(failure, &compiled->regex, words.data(), words.size());
    return error(words.data() + std::string(kWanted));
  }
  compiled->usable = true;
  ReplyRegex result;
  result.pattern_ = pattern;
  result.compiled_ = compiled;
  return result;
}

bool ReplyRegex::matches(const std::string& text) const {
  if (compiled_ == nullptr) return false;
  // With its length, for a server's NUL ends nothing.
  regmatch_t whole{0, static_cast<regoff_t>(text.size())};
  return regexec(&compiled_->regex, text.c_str(), 1, &whole, REG_STARTEND) == 0;
}

}  // namespace smtpprobe
