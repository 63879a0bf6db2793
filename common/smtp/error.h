// Bad input to us (flags, YAML, targets, files): never what a peer did.
// Its law: the text says what, where, what it got and what was expected, in one line. Who looks at
// a whole file tells in `others` what else is wrong with it, a line each; none without a text.
#pragma once

#include <string>
#include <tl/expected.hpp>
#include <utility>
#include <vector>

namespace smtpprobe {

struct Error {
  std::string text;
  std::vector<std::string> others = {};
};

template <typename T>
using Result = tl::expected<T, Error>;

using Unexpected = tl::unexpected<Error>;

inline Unexpected error(std::string text) { return Unexpected(Error{std::move(text)}); }

// All of it, a line each, without an end of line at the end.
inline std::string all_lines(const Error& wrong) {
  std::string lines = wrong.text;
  for (const std::string& other : wrong.others) lines.append(1, '\n').append(other);
  return lines;
}

}  // namespace smtpprobe
