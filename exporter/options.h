// The command line of smtp_probe_exporter. Laws: of a flag given twice the last counts, unless it
// is repeatable; a flag that can do nothing is refused; a comma never splits a value; nothing is
// looked up, opened or computed here, and no environment variable is read. The flags themselves are
// listed in option_table.h.
#pragma once

#include <chrono>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "common/smtp/error.h"
#include "common/smtp/time.h"
#include "exporter/log.h"

namespace smtpprobe {

inline constexpr int kExporterPort = 9725;
inline constexpr int kMaxHistoryLimit = 1'000'000;
inline constexpr int kMaxInFlightLimit = 1'000'000;
inline constexpr Duration kMaxTimeoutOffset = std::chrono::hours(24);

struct ListenAddress {
  std::string host;  // a name or an IP literal without brackets; empty: all addresses, dual stack
  int port = 0;      // 0: the kernel chooses

  bool operator==(const ListenAddress&) const = default;
};

// --once. The targets are not looked at here.
struct OneShotOptions {
  std::vector<std::string> targets;  // at least one, none empty, in the order of the command line
  std::string module = "smtp";
  // "http://gateway:9091/path" without a slash at its end; empty: no push. May hold credentials:
  // not for logs.
  std::string push_url;
  std::string push_user;                // without colon; empty exactly when push_password_file is
  std::string push_password_file;       // a path, not opened yet
  std::string push_job = "smtp_probe";  // never empty
  // Label names that Prometheus takes, each once and none of them job; values may be empty.
  std::vector<std::pair<std::string, std::string>> push_grouping;
  std::string textfile;  // a path; empty: none

  bool operator==(const OneShotOptions&) const = default;
};

struct ExporterOptions {
  std::string config_file;  // empty: the built-in modules
  bool config_check = false;
  bool config_modules = false;
  std::vector<ListenAddress> listen{{"", kExporterPort}};  // at least one
  bool systemd_socket = false;  // listen on the sockets of the service manager, `listen` is unused
  bool disable_reload = false;  // by HTTP
  std::string web_config_file;  // empty: none
  // "https://mon.example.net/smtp", "/smtp" or empty: what links and redirects begin with, without
  // a slash at its end.
  std::string external_url;
  std::string route_prefix;  // "" or "/x/y": letters, digits and -._~ in each part
  Duration timeout_offset = std::chrono::milliseconds(500);
  int max_in_flight = 4096;
  int history_limit = 100;  // 0: none
  LogLevel log_level = LogLevel::Info;
  LogFormat log_format = LogFormat::Logfmt;
  std::optional<OneShotOptions> once;
  // What was asked for instead; the rest is not filled in then. Help comes first.
  bool help = false;
  bool version = false;

  bool operator==(const ExporterOptions&) const = default;
};

// `argv` with argv[0], without the closing null pointer. What may be a password in the value of
// --push.url is overwritten in it, whatever comes of the rest. The error is one line,
// "--history.limit: got '-1', expected 0 to 1000000"; credentials in a URL are not shown.
Result<ExporterOptions> parse_exporter_options(std::span<char* const> argv);

// The exit code that goes with an error of parse_exporter_options(): 3 (UNKNOWN) where --once is
// among the words, for cron jobs and checks; else 2.
int usage_exit_code(std::span<char* const> argv);

}  // namespace smtpprobe
