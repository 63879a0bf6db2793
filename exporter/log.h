// The exporter's log: one event a line on stderr, in logfmt or JSON, through spdlog. Law: every
// value goes through the sanitiser; a secret is never a value. A stderr that takes nothing costs
// lines, which are counted, and a moment; never the process.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/smtp/error.h"
#include "exporter/log_limiter.h"

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
void log(LogLevel level, std::string_view message, std::span<const LogField> fields);

// The same for what clients can cause as often as they like: of one topic the first line at once,
// then one a minute at most, with the field left_out. Lines of probes and of requests do not take
// each other's room. One lock for all loops, for a line is written under one anyway; no probe that
// is good takes it. `client` caused the line (client_id.h), 0 where none did: one of them cannot
// take all the room.
enum class LogKind : std::uint8_t { Probe, Request };
void log_limited(LogKind kind, LogLevel level, std::uint64_t client, LogTopic topic,
                 std::vector<LogField> fields);
// A line for each topic of which lines were left out and a minute has passed; `all`: of every one,
// at the end.
void log_left_out(bool all = false);
// From now on log_limited() limits: a process that serves. Once, before the first thread.
void limit_log();

// An error of the user's: a line for each thing that is wrong, as `why`.
void log_error(std::string_view message, const Error& wrong);

// One such line without its end; in UTC. Pure. Logfmt is quoted as Go's encoders do it: a value
// that is empty or has a blank, '=' or '"' in it.
std::string log_line(LogFormat format, std::chrono::system_clock::time_point when, LogLevel level,
                     std::string_view message, std::span<const LogField> fields);
inline std::string log_line(LogFormat format, std::chrono::system_clock::time_point when,
                            LogLevel level, std::string_view message,
                            std::initializer_list<LogField> fields = {}) {
  return log_line(format, when, level, message,
                  std::span<const LogField>(fields.begin(), fields.size()));
}

}  // namespace smtpprobe
