// The exporter's log: one event a line on stderr, in logfmt or JSON, through spdlog. Law: every
// value goes through the sanitiser; a secret is never a value. A stderr that takes nothing costs
// lines, which are counted, and a moment; never the process.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include "common/smtp/error.h"

namespace smtpprobe {

enum class LogLevel : std::uint8_t { Debug, Info, Warn, Error };
enum class LogFormat : std::uint8_t { Logfmt, Json };

// Of a message or a value, as printed before quoting.
inline constexpr std::size_t kLogValueBytes = 1024;
// How long one line may wait for a stderr that takes nothing; the next ones then do not wait at
// all.
inline constexpr std::chrono::milliseconds kLogPatience{100};

// Once, before the first thread. Until then the level is Info and the format logfmt.
// A closed stderr becomes /dev/null: its number would else go to some socket, and the log with it.
void set_up_log(LogLevel level, LogFormat format);

bool log_enabled(LogLevel level);

using LogField = std::pair<std::string_view, std::string>;  // a name of ours, any value

// ts=2026-11-25T20:00:00.123Z level=info msg=listening address=[::]:9725
// May be called from any thread. SIGPIPE has to be ignored by then.
void log(LogLevel level, std::string_view message, std::initializer_list<LogField> fields = {});

// An error of the user's: a line for each thing that is wrong, as `why`.
void log_error(std::string_view message, const Error& wrong);

// One such line without its end; in UTC. Pure. Logfmt is quoted as Go's encoders do it: a value
// that is empty or has a blank, '=' or '"' in it.
std::string log_line(LogFormat format, std::chrono::system_clock::time_point when, LogLevel level,
                     std::string_view message, std::initializer_list<LogField> fields = {});

}  // namespace smtpprobe
