// One option with its value, as the command line or an ini file gave it.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "common/probe/printable.h"
#include "common/smtp/error.h"
#include "common/smtp/quoted_value.h"
#include "plugin/option_table.h"

namespace smtpprobe {

// "--port"
inline std::string dashed(const OptionRow& row) { return std::string("--").append(row.name); }

struct Setting {
  const OptionRow* row = nullptr;
  std::string value;   // empty for an option without argument
  std::string origin;  // "FILE:LINE: " of an ini file; empty for the command line

  bool on_command_line() const { return origin.empty(); }
  // "--port", "/etc/x.ini:3: port"
  std::string name() const {
    return on_command_line() ? dashed(*row) : origin + std::string(row->name);
  }
};

// A rejected value as messages show it: "'x'", or described where it may hold a secret.
inline std::string quoted(std::string_view value) {
  if (may_hold_secret(value)) return described_value(value);
  constexpr std::size_t kShown = 100;
  return std::string("'").append(printable(value, kShown)).append("'");
}

// "got 'x', expected 1 to 65535"
inline Unexpected wanted(std::string_view got, std::string_view expected) {
  return error(std::string("got ").append(quoted(got)).append(", expected ").append(expected));
}

}  // namespace smtpprobe
