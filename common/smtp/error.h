// Bad input to us (flags, YAML, targets, files): never what a peer did.
// Its law: the text says what, where, what it got and what was expected, in one line.
#pragma once

#include <string>
#include <tl/expected.hpp>

namespace smtpprobe {

struct Error {
  std::string text;
};

template <typename T>
using Result = tl::expected<T, Error>;

using Unexpected = tl::unexpected<Error>;

inline Unexpected error(std::string text) { return Unexpected(Error{std::move(text)}); }

}  // namespace smtpprobe
