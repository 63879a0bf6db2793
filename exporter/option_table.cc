// The table of flags. Its rows stand in the order of FlagId, which is the order of --help.
#include "exporter/option_table.h"

#include <algorithm>
#include <array>
#include <cstddef>

namespace smtpprobe {
namespace {

using Arg = FlagArgument;
using Id = FlagId;
using Use = FlagUse;

constexpr bool kOnce = false;
constexpr bool kMany = true;

constexpr std::array kRows = {
    FlagRow{Id::ConfigFile, 0, "config.file", Arg::Required, "FILE", "", kOnce, Use::Always,
            "The configuration (YAML). Without it the built-in modules serve: smtp, "
            "smtp_starttls, submission, submissions and lmtp."},
    FlagRow{Id::ConfigCheck, 0, "config.check", Arg::None, "", "", kOnce, Use::Serving,
            "Read the configuration, and the file of --web.config.file where that is given, say "
            "what is wrong with them and exit: 0 good, 1 bad."},
    FlagRow{Id::ConfigModules, 0, "config.modules", Arg::None, "", "", kOnce, Use::Serving,
            "Print the names of the modules, one a line, and exit."},

    FlagRow{Id::ListenAddress, 0, "web.listen-address", Arg::Required, "ADDRESS", ":9725", kMany,
            Use::Serving,
            "Where to listen: host:port, [v6]:port, or :port for every address, IPv6 and IPv4. "
            "Port 0 lets the kernel choose. Repeatable."},
    FlagRow{Id::SystemdSocket, 0, "web.systemd-socket", Arg::None, "", "", kOnce, Use::Serving,
            "Listen on the sockets that systemd passes (socket activation) in place of "
            "--web.listen-address."},
    FlagRow{Id::WebConfigFile, 0, "web.config.file", Arg::Required, "FILE", "", kOnce, Use::Serving,
            "TLS, client certificates, basic authentication and headers, as the other exporters "
            "of Prometheus have them."},
    FlagRow{Id::ExternalUrl, 0, "web.external-url", Arg::Required, "URL", "", kOnce, Use::Serving,
            "Where a browser reaches the exporter, for one behind a reverse proxy: "
            "http(s)://host:port/path, host:port/path or /path."},
    FlagRow{Id::RoutePrefix, 0, "web.route-prefix", Arg::Required, "PATH", "", kOnce, Use::Serving,
            "Path in front of every page and endpoint. Default: the path of --web.external-url."},
    FlagRow{Id::DisableReload, 0, "web.disable-reload", Arg::None, "", "", kOnce, Use::Serving,
            "Answer /-/reload with 403; SIGHUP still reloads."},

    FlagRow{Id::TimeoutOffset, 0, "timeout-offset", Arg::Required, "SECONDS", "0.5", kOnce,
            Use::Always, "Seconds by which a probe ends before Prometheus gives up its scrape."},
    FlagRow{Id::MaxInFlight, 0, "probe.max-in-flight", Arg::Required, "N", "4096", kOnce,
            Use::Always,
            "Probes at a time, 1 to 1000000. One more is answered with 503, or it ends the newest "
            "probe of a client that has more of them. Fewer where the limit of open files is too "
            "low."},
    FlagRow{Id::HistoryLimit, 0, "history.limit", Arg::Required, "N", "100", kOnce, Use::Serving,
            "Recent probes to keep for the page, and as many failed ones; 0 keeps none."},

    FlagRow{Id::Once, 0, "once", Arg::Joined, "TARGET...", "", kMany, Use::Once,
            "Probe the targets, which are the words without an option, print what /probe would "
            "say of them and exit with the worst state. Starts no server."},
    FlagRow{Id::Module, 0, "module", Arg::Required, "NAME", "smtp", kOnce, Use::Once,
            "Module to probe them with."},
    FlagRow{Id::PushUrl, 0, "push.url", Arg::Required, "URL", "", kOnce, Use::Once,
            "Pushgateway to send the same text to: http(s)://host:port/path or host:port."},
    FlagRow{Id::PushUser, 0, "push.user", Arg::Required, "NAME", "", kOnce, Use::Once,
            "User name for it (basic authentication), with --push.password-file."},
    FlagRow{Id::PushPasswordFile, 0, "push.password-file", Arg::Required, "FILE", "", kOnce,
            Use::Once, "File whose one line is the password of --push.user."},
    FlagRow{Id::PushJob, 0, "push.job", Arg::Required, "NAME", "smtp_probe", kOnce, Use::Once,
            "Label job of the group there."},
    FlagRow{Id::PushGrouping, 0, "push.grouping", Arg::Required, "NAME=VALUE", "", kMany, Use::Once,
            "One more label of the group. Repeatable."},
    FlagRow{Id::Textfile, 0, "textfile", Arg::Required, "PATH", "", kOnce, Use::Once,
            "File to write the same text to, for the textfile collector of node_exporter. It is "
            "there in full or not at all."},

    FlagRow{Id::LogLevel, 0, "log.level", Arg::Required, "debug|info|warn|error", "info", kOnce,
            Use::Always, "What to log, to standard error."},
    FlagRow{Id::LogFormat, 0, "log.format", Arg::Required, "logfmt|json", "logfmt", kOnce,
            Use::Always, "How to log it."},
    FlagRow{Id::Version, 0, "version", Arg::None, "", "", kOnce, Use::Always,
            "Print the version and exit."},
    FlagRow{Id::Help, 'h', "help", Arg::None, "", "", kOnce, Use::Always, "Print this and exit."},
};

constexpr std::array kGroups = {
    FlagGroup{"Configuration", Id::ConfigFile},
    FlagGroup{"Web", Id::ListenAddress},
    FlagGroup{"Probes", Id::TimeoutOffset},
    FlagGroup{"One-shot, for cron and CI jobs", Id::Once},
    FlagGroup{"Log and help", Id::LogLevel},
};

constexpr bool in_order_of_id() {
  for (std::size_t i = 0; i < kRows.size(); ++i) {
    if (static_cast<std::size_t>(kRows[i].id) != i) return false;
  }
  return kRows.size() == static_cast<std::size_t>(Id::Help) + 1;
}
static_assert(in_order_of_id());

}  // namespace

std::span<const FlagRow> flag_rows() { return kRows; }
std::span<const FlagGroup> flag_groups() { return kGroups; }

const FlagRow* flag_by_name(std::string_view name) {
  const auto found =
      std::find_if(kRows.begin(), kRows.end(), [name](const FlagRow& r) { return r.name == name; });
  return found == kRows.end() ? nullptr : &*found;
}

const FlagRow* flag_by_letter(char letter) {
  for (const FlagRow& row : kRows) {
    if (row.short_name != 0 && row.short_name == letter) return &row;
  }
  return nullptr;
}

}  // namespace smtpprobe
