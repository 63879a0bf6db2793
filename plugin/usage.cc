#include "plugin/usage.h"

#include <cstddef>
#include <string_view>

#include "common/probe/wrapped_text.h"
#include "plugin/exit_code.h"
#include "plugin/option_table.h"

namespace smtpprobe {
namespace {

constexpr std::size_t kIndent = 6;

constexpr std::string_view kSummary =
    "Probes an SMTP or LMTP server step by step: connect, banner, EHLO, STARTTLS, AUTH, MAIL, "
    "RCPT, "
    "DATA, the message, QUIT. It goes as deep as its options need, stops at the first refusal, "
    "still "
    "says QUIT, and names the step, the reply code and the server's words.";

constexpr std::string_view kStates =
    "Exit codes: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN (the options, an unresolvable name, the "
    "local "
    "network). ";

constexpr std::string_view kMore =
    ", and 3 where not the server is at fault. Ranges are [@]start:end of the Monitoring Plugins. "
    "The man page check_smtp_probe(8) says more.";

constexpr std::string_view kExamples =
    " -H mx.example.net\n"
    " -H mx.example.net -S --tls-verify require -D 21,7\n"
    " -H mx.example.net -f '' --to postmaster@example.net -v\n"
    " mx.example.net -f '' --to x@example.com --expect rcpt=5xx\n"
    " smtps://mx.example.net -U me --authpass-file /etc/probe.pw\n"
    " unix:/run/dovecot/lmtp -f '' --to user@example.net -w 1 -c 5\n"
    " -H mx.example.net --watch 1\n"
    " --explain 5.7.1\n";

std::string names_of(const OptionRow& row) {
  std::string names = "  ";
  if (row.short_name != 0) names += std::string("-") + row.short_name + ", ";
  names.append("--").append(row.name);
  if (!row.alias.empty()) names.append(", --").append(row.alias);
  if (!row.word.empty()) names.append(" ").append(row.word);
  return names;
}

std::string_view group_starting_at(OptionId id) {
  for (const OptionGroup& group : option_groups()) {
    if (group.first == id) return group.title;
  }
  return {};
}

std::string examples(const std::string& program) {
  std::string out = "\nExamples:\n";
  std::string_view rest = kExamples;
  while (!rest.empty()) {
    const std::size_t end = rest.find('\n') + 1;
    out += "  " + program + std::string(rest.substr(0, end));
    rest.remove_prefix(end);
  }
  return out;
}

}  // namespace

std::string version_text(const std::string& program) {
  return program + " v" SMTPPROBE_VERSION " (smtp-probe " SMTPPROBE_VERSION ")\n";
}

std::string help_text(const std::string& program) {
  std::string out = version_text(program) + "\n";
  out += wrapped(kSummary, 0);
  out += "\nUsage: " + program + " [OPTION...] TARGET\n";
  for (const OptionRow& row : option_rows()) {
    const std::string_view title = group_starting_at(row.id);
    if (!title.empty()) out += std::string("\n").append(title).append(":\n");
    out += names_of(row) + "\n" + wrapped(row.help, kIndent);
  }
  std::string end(kStates);
  end.append("With --exit-code step: 0 OK, ").append(exit_codes_of_steps()).append(kMore);
  out += examples(program) + "\n" + wrapped(end, 0);
  return out;
}

std::string short_usage(const std::string& program) {
  return "Usage: " + program +
         " [OPTION...] TARGET\n"
         "  [-H TARGET] [-p PORT] [-4|-6] [-L] [-F NAME] [--helo] [-e STRING]\n"
         "  [-f ADDRESS] [--to ADDRESS]... [--send] [-C COMMAND]... [-R REGEX]...\n"
         "  [--until STEP] [--expect STEP=CODE[,CODE...]]...\n"
         "  [-s | -S] [--tls-verify off|report|warn|require] [-D W[,C]]\n"
         "  [-A MECHANISM] [-U USER] [--authpass-file FILE | --authtoken-file FILE]\n"
         "  [-w RANGE] [-c RANGE] [--step-warning STEP=RANGE]... [-t N[:STATE]]\n"
         "  [--config FILE --module NAME] [--extra-opts [SECTION][@FILE]]\n"
         "  [--output text|json] [--exit-code state|step] [--watch N[,COUNT]]\n"
         "  [-v]... [-V] [-h]\n"
         "  --explain CODE|WORD\n"
         "All options: " +
         program + " --help\n";
}

}  // namespace smtpprobe
