// Every flag of the exporter, once: the parser, --help and the man page's test read this table. A
// flag is added here, in the switch of options.cc and in docs/smtp_probe_exporter.8.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace smtpprobe {

enum class FlagId : std::uint8_t {
  ConfigFile,
  ConfigCheck,
  ConfigModules,
  ListenAddress,
  SystemdSocket,
  WebConfigFile,
  ExternalUrl,
  RoutePrefix,
  DisableReload,
  TimeoutOffset,
  MaxInFlight,
  HistoryLimit,
  Once,
  Module,
  PushUrl,
  PushUser,
  PushPasswordFile,
  PushJob,
  PushGrouping,
  Textfile,
  LogLevel,
  LogFormat,
  Version,
  Help,
};

enum class FlagArgument : std::uint8_t {
  None,
  Required,  // behind '=' or the next word, whatever that begins with
  Joined,    // behind '=' only, and may be absent
};

// What a flag is good for; where it can do nothing it is refused.
enum class FlagUse : std::uint8_t { Always, Serving, Once };

struct FlagRow {
  FlagId id;
  char short_name;        // or 0
  std::string_view name;  // without "--"
  FlagArgument argument;
  std::string_view word;      // what stands for the argument in the help
  std::string_view standard;  // the value when the flag is absent; empty where there is none
  bool repeatable;            // each occurrence counts; else the last
  FlagUse use;
  std::string_view help;  // one or more sentences, without the default; wrapped by the printer
};

struct FlagGroup {
  std::string_view title;
  FlagId first;  // its rows go on to the next group's first
};

std::span<const FlagRow> flag_rows();
std::span<const FlagGroup> flag_groups();

// By the name in full, without "--"; nullptr when there is no such flag.
const FlagRow* flag_by_name(std::string_view name);
const FlagRow* flag_by_letter(char letter);

}  // namespace smtpprobe
