// The exporter's log: one event a line on stderr, in logfmt or JSON, through spdlog. Law: every
// value goes through the sanitiser; a secret is never a value.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

namespace smtpprobe {

enum class LogLevel : std::uint8_t { Debug, Info, Warn, Error };
enum class LogFormat : std::uint8_t { Logfmt, Json };

// Once, before the first thread. Until then the level is Info and the format logfmt.
void set_up_log(LogLevel level, LogFormat format);

bool log_enabled(LogLevel level);

using LogField = std::pair<std::string_view, std::string>;

// ts=2026-11-25T20:00:00.123Z level=info msg="listening" address=[::]:9725
// May be called from any thread.
void log(LogLevel level, std::string_view message, std::initializer_list<LogField> fields = {});

}  // namespace smtpprobe
