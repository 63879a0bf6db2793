#include "exporter/usage.h"

#include <cstddef>
#include <string_view>

#include "common/probe/wrapped_text.h"
#include "exporter/option_table.h"

namespace smtpprobe {
namespace {

constexpr std::size_t kIndent = 6;

constexpr std::string_view kSummary =
    "Probes SMTP and LMTP servers for Prometheus: at /probe?target=HOST&module=NAME it walks the "
    "dialogue step by step and says of every step its reply code and its time. The page at / has "
    "a form and the recent probes.";

constexpr std::string_view kUsage =
    "\nUsage: smtp_probe_exporter [FLAG...]\n"
    "       smtp_probe_exporter --once TARGET... [FLAG...]\n";

constexpr std::string_view kExamples =
    "\nExamples:\n"
    "  smtp_probe_exporter --config.file=/etc/smtp-probe/smtp-probe.yml\n"
    "  smtp_probe_exporter --web.listen-address=127.0.0.1:9725\n"
    "  smtp_probe_exporter --once mx.example.net --module smtp_starttls\n"
    "  smtp_probe_exporter --once mx.example.net --push.url http://gateway:9091\n\n";

constexpr std::string_view kExitCodes =
    "Exit codes: 0 good, or ended by SIGTERM; 1 a bad configuration, or no way to serve; 2 bad "
    "flags. With --once: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN, bad flags, a push or a file that "
    "failed. The man pages smtp_probe_exporter(8) and smtp-probe.yml(5) say more.";

std::string names_of(const FlagRow& row) {
  std::string names = "  ";
  if (row.short_name != 0) names.append("-").append(1, row.short_name).append(", ");
  names.append("--").append(row.name);
  if (!row.word.empty()) names.append(" ").append(row.word);
  return names + '\n';
}

std::string_view group_starting_at(FlagId id) {
  for (const FlagGroup& group : flag_groups()) {
    if (group.first == id) return group.title;
  }
  return {};
}

}  // namespace

std::string version_text() { return "smtp_probe_exporter, version " SMTPPROBE_VERSION "\n"; }

std::string help_text() {
  std::string out = version_text() + "\n" + wrapped(kSummary, 0);
  out += kUsage;
  for (const FlagRow& row : flag_rows()) {
    const std::string_view title = group_starting_at(row.id);
    if (!title.empty()) out.append("\n").append(title).append(":\n");
    std::string help(row.help);
    if (!row.standard.empty()) help.append(" Default: ").append(row.standard).append(".");
    out += names_of(row) + wrapped(help, kIndent);
  }
  out += kExamples;
  return out + wrapped(kExitCodes, 0);
}

}  // namespace smtpprobe
