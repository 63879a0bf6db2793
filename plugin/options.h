// The command line and the extra-opts files of check_smtp_probe, read into a plan. Laws: the
// command line beats extra-opts wherever it stands; of a single-valued option given twice the last
// counts; nothing is sent to the network before all of it is understood; a secret given with -P is
// gone from the process's argument memory when parse_options() returns. The options themselves are
// listed in option_table.h.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "common/probe/plan.h"
#include "common/smtp/error.h"

namespace smtpprobe {

enum class Dialect : std::uint8_t {
  Native,
  CheckSmtp,  // the texts and exit codes that configurations made for check_smtp rely on
};
enum class OutputFormat : std::uint8_t { Text, Json };
enum class ExitCodes : std::uint8_t { State, Step };  // see exit_code.h

// --watch
struct WatchPlan {
  Duration every{};         // from the start of a probe to the start of the next
  std::uint64_t count = 0;  // probes to make; 0: until interrupted
};

struct Options {
  ProbePlan plan;
  Dialect dialect = Dialect::Native;
  OutputFormat output = OutputFormat::Text;
  ExitCodes exit_codes = ExitCodes::State;
  int verbose = 0;  // 0 to 3
  std::optional<WatchPlan> watch;
  std::string program_name;  // the basename it was started under: "check_smtp_probe"
  // What was asked for instead of a probe; the plan is not filled in then. At most one counts, in
  // this order.
  bool help = false;
  bool short_usage = false;  // -?
  bool version = false;
  std::optional<std::string> explain;  // "550", "5.7.1", "early_talker", unchecked
  std::optional<std::string> modules;  // their names, one a line
};

// What the options depend on beside argv.
struct Surroundings {
  const char* mp_config_file = nullptr;      // $MP_CONFIG_FILE; may be null
  const char* nagios_config_path = nullptr;  // $NAGIOS_CONFIG_PATH; may be null
  int standard_input = 0;                    // a descriptor, read for --extra-opts @-
};

// `argv` with argv[0], without the closing null pointer. Its strings may be overwritten (secrets),
// never its pointers. The error is one line, "--port: got '0', expected 1 to 65535".
Result<Options> parse_options(std::span<char*> argv, const Surroundings& surroundings);

// What the probe says of the plan's files ("ca_file: got ..."), with the option's name in front.
Error in_words_of_options(const Error& of_the_plan);

// The basename of argv[0], and the dialect that goes with it or with a --dialect on the command
// line: for messages about a command line that could not be parsed.
std::string program_name(std::span<char* const> argv);
Dialect dialect_of(std::span<char* const> argv);

}  // namespace smtpprobe
