// The table of options. Its rows stand in the order of OptionId, which is the order of --help.
#include "plugin/option_table.h"

#include <array>
#include <cstddef>

namespace smtpprobe {
namespace {

using Arg = OptionArgument;
using Rival = OptionRival;
using Id = OptionId;

constexpr bool kOnce = false;
constexpr bool kMany = true;

constexpr std::array kRows = {
    OptionRow{Id::Hostname, 'H', "hostname", "", Arg::Required, "TARGET", kOnce, Rival::None,
              "Whom to probe: a name, an address, host:port, [v6]:port, an smtp://, smtps://, "
              "submission://, submissions:// or lmtp:// URL, unix:/path or /path (LMTP). Also "
              "taken as a word without an option."},
    OptionRow{Id::Port, 'p', "port", "", Arg::Required, "PORT", kOnce, Rival::None,
              "Port, 1 to 65535. Default: the target's, else 465 with --ssl, 24 for LMTP, 25."},
    OptionRow{Id::UseIpv4, '4', "use-ipv4", "", Arg::None, "", kOnce, Rival::IpFamily,
              "Use IPv4 only."},
    OptionRow{Id::UseIpv6, '6', "use-ipv6", "", Arg::None, "", kOnce, Rival::IpFamily,
              "Use IPv6 only."},
    OptionRow{Id::DnsServer, 0, "dns-server", "", Arg::Required, "ADDRESS[:PORT]", kMany,
              Rival::None,
              "Name server to ask in place of those of resolv.conf, its search list and options "
              "stay. Repeatable."},
    OptionRow{Id::DnsTimeout, 0, "dns-timeout", "", Arg::Required, "SECONDS", kOnce, Rival::None,
              "How long a name server has for the first try, 0.01 to 60; later rounds double it. "
              "Default: resolv.conf's timeout, else 2."},
    OptionRow{Id::DnsTries, 0, "dns-tries", "", Arg::Required, "N", kOnce, Rival::None,
              "How often the name servers are asked, 1 to 10. Default: resolv.conf's attempts, "
              "else 2."},
    OptionRow{Id::Source, 0, "source", "", Arg::Required, "ADDRESS", kOnce, Rival::None,
              "Local address to connect from."},
    OptionRow{Id::ProxyProtocol, 0, "proxy-protocol", "", Arg::Required, "v1|v2|local", kOnce,
              Rival::Proxy,
              "Send a true PROXY protocol header right after connecting; local is v2's LOCAL, a "
              "health check."},
    OptionRow{Id::Proxy, 'r', "proxy", "", Arg::None, "", kOnce, Rival::Proxy,
              "The same as --proxy-protocol v1."},

    OptionRow{Id::Lmtp, 'L', "lmtp", "", Arg::None, "", kOnce, Rival::None,
              "Speak LMTP: LHLO, and one reply per recipient after the final dot."},
    OptionRow{Id::Fqdn, 'F', "fqdn", "", Arg::Required, "NAME", kOnce, Rival::None,
              "Name to say in EHLO, HELO or LHLO. Default: this host's qualified name."},
    OptionRow{Id::Helo, 0, "helo", "", Arg::None, "", kOnce, Rival::None,
              "Say HELO at once, not EHLO; excludes STARTTLS and AUTH."},
    OptionRow{Id::Until, 0, "until", "", Arg::Required, "STEP", kOnce, Rival::None,
              "How deep to go before QUIT: banner, ehlo, starttls, ehlo_tls, auth, mail, rcpt, "
              "command, data or message. Default: what the other options need, ehlo at least."},
    OptionRow{Id::From, 'f', "from", "", Arg::Required, "ADDRESS", kOnce, Rival::None,
              "Say MAIL FROM with this address; '' is the null sender."},
    OptionRow{Id::To, 0, "to", "", Arg::Required, "ADDRESS", kMany, Rival::None,
              "Say RCPT TO with this address; needs --from. Repeatable."},
    OptionRow{Id::Send, 0, "send", "", Arg::None, "", kOnce, Rival::None,
              "Really deliver a message: DATA, the text and the final dot. Needs --from and --to."},
    OptionRow{Id::Subject, 0, "subject", "", Arg::Required, "TEXT", kOnce, Rival::None,
              "Subject of the message."},
    OptionRow{
        Id::Header, 0, "header", "", Arg::Required, "NAME: TEXT", kMany, Rival::None,
        "A header field of the message; From, To, Subject, Precedence and X-Mailer replace ours. "
        "Date, Message-ID and Auto-Submitted are always the probe's. Repeatable."},
    OptionRow{Id::BodyFile, 0, "body-file", "", Arg::Required, "FILE", kOnce, Rival::None,
              "Text of the message, at most 1 MiB."},
    OptionRow{Id::Command, 'C', "command", "", Arg::Required, "COMMAND", kMany, Rival::None,
              "A command to send as it is, after MAIL and RCPT where those are asked for. "
              "Repeatable."},
    OptionRow{Id::Response, 'R', "response", "", Arg::Required, "REGEX", kMany, Rival::None,
              "POSIX extended regular expression for the reply to the --command of the same "
              "index; no match is a WARNING. Without one a 4yz or 5yz is. Repeatable."},
    OptionRow{Id::IgnoreQuitFailure, 'q', "ignore-quit-failure", "", Arg::None, "", kOnce,
              Rival::None, "Accepted for compatibility: a failed QUIT never worsens the state."},

    OptionRow{
        Id::ExpectBanner, 'e', "expect-banner", "", Arg::Required, "STRING", kOnce, Rival::None,
        "String that the banner must contain: at the start of a line where it begins with a "
        "code (220), else anywhere. A refusing banner is OK only where STRING begins with its code "
        "(521). Without it the banner must be a 220. "
        "--expect STRING, without a '=', is the same."},
    OptionRow{Id::Expect, 0, "expect", "", Arg::Required, "STEP=CODE[,CODE...]", kMany, Rival::None,
              "Replies that are the right answer to a step: 250, 5xx, 5.7.1. Any other is "
              "CRITICAL; greylisting, rate limiting and quit: WARNING. Repeatable."},
    OptionRow{Id::RequireExtension, 0, "require-extension", "", Arg::Required, "KEYWORD", kMany,
              Rival::None, "EHLO keyword that must be offered, else CRITICAL. Repeatable."},
    OptionRow{Id::ForbidExtension, 0, "forbid-extension", "", Arg::Required, "KEYWORD", kMany,
              Rival::None, "EHLO keyword that must not be offered, else CRITICAL. Repeatable."},
    OptionRow{Id::Greylisting, 0, "greylisting", "", Arg::Required, "ok|warning|critical", kOnce,
              Rival::None, "State for a greylisting answer. Default: warning."},
    OptionRow{
        Id::GreylistingPattern, 0, "greylisting-pattern", "", Arg::Required, "REGEX", kMany,
        Rival::None,
        "POSIX extended regular expression; a 4yz at rcpt, data or message that matches it is "
        "a greylisting answer too. Repeatable."},

    OptionRow{Id::Ssl, 's', "ssl", "tls", Arg::None, "", kOnce, Rival::Tls,
              "TLS from the start, port 465 (implicit TLS)."},
    OptionRow{Id::Starttls, 'S', "starttls", "", Arg::None, "", kOnce, Rival::Tls,
              "Upgrade by STARTTLS."},
    OptionRow{Id::Sni, 0, "sni", "", Arg::None, "", kOnce, Rival::None,
              "Accepted for compatibility: the server's name is always sent, but for an address."},
    OptionRow{Id::TlsVerify, 0, "tls-verify", "", Arg::Required, "off|report|warn|require", kOnce,
              Rival::None,
              "What an untrusted, wrong or expired certificate means: nothing looked at, shown "
              "only, WARNING, CRITICAL. Default: report; require with credentials."},
    OptionRow{Id::TlsName, 0, "tls-name", "", Arg::Required, "NAME", kOnce, Rival::None,
              "Name for SNI and for the certificate. Default: the target's."},
    OptionRow{Id::CaFile, 0, "ca-file", "", Arg::Required, "FILE", kOnce, Rival::None,
              "Trusted certificates (PEM) in place of the system's."},
    OptionRow{Id::CaPath, 0, "ca-path", "", Arg::Required, "DIR", kOnce, Rival::None,
              "Hashed directory of trusted certificates in place of the system's."},
    OptionRow{Id::ClientCert, 0, "client-cert", "", Arg::Required, "FILE", kOnce, Rival::None,
              "Client certificate with its chain (PEM)."},
    OptionRow{Id::ClientKey, 0, "client-key", "", Arg::Required, "FILE", kOnce, Rival::None,
              "Key of the client certificate (PEM). Default: in the certificate's file."},
    OptionRow{Id::TlsMinVersion, 0, "tls-min-version", "", Arg::Required, "VERSION", kOnce,
              Rival::None, "Lowest TLS version to accept: 1.0, 1.1, 1.2 or 1.3."},
    OptionRow{Id::TlsLegacy, 0, "tls-legacy", "", Arg::None, "", kOnce, Rival::None,
              "Accept legacy servers: TLS 1.0, SHA-1, Diffie-Hellman groups and keys of 1024 bits, "
              "no secure renegotiation (RFC 5746). Shown as a note."},
    OptionRow{Id::Certificate, 'D', "certificate", "", Arg::Required, "W[,C]", kOnce, Rival::None,
              "Days before a certificate of the chain expires: WARNING below W, CRITICAL below C "
              "(0). Means --starttls where neither that nor --ssl is given."},
    OptionRow{Id::IgnoreCertificateExpiration, 0, "ignore-certificate-expiration", "", Arg::None,
              "", kOnce, Rival::None, "Expiry never worsens the state."},

    OptionRow{Id::Authtype, 'A', "authtype", "", Arg::Required, "MECHANISM", kOnce, Rival::None,
              "PLAIN, LOGIN, CRAM-MD5, SCRAM-SHA-1, SCRAM-SHA-256, XOAUTH2, OAUTHBEARER or auto "
              "(the strongest offered, the default)."},
    OptionRow{Id::Authuser, 'U', "authuser", "", Arg::Required, "USER", kOnce, Rival::None,
              "User name for AUTH; needs a password or a token."},
    OptionRow{Id::Authpass, 'P', "authpass", "", Arg::Required, "PASSWORD", kOnce, Rival::Password,
              "Password. Seen by others until it is wiped at the start: better --authpass-file or "
              "--extra-opts."},
    OptionRow{Id::AuthpassFile, 0, "authpass-file", "", Arg::Required, "FILE", kOnce,
              Rival::Password, "File with the password, one trailing line end apart."},
    OptionRow{Id::AuthtokenFile, 0, "authtoken-file", "", Arg::Required, "FILE", kOnce, Rival::None,
              "File with the access token for XOAUTH2 or OAUTHBEARER."},
    OptionRow{Id::AuthInsecure, 0, "auth-insecure", "", Arg::None, "", kOnce, Rival::None,
              "Send credentials also without verified TLS."},

    OptionRow{Id::Warning, 'w', "warning", "", Arg::Required, "RANGE", kOnce, Rival::None,
              "Seconds of the whole dialogue, QUIT apart: WARNING outside [@]start:end. Also -wt."},
    OptionRow{Id::Critical, 'c', "critical", "", Arg::Required, "RANGE", kOnce, Rival::None,
              "The same for CRITICAL. Also -ct."},
    OptionRow{Id::StepWarning, 0, "step-warning", "", Arg::Required, "STEP=RANGE", kMany,
              Rival::None, "Seconds of one step, for WARNING. Repeatable."},
    OptionRow{Id::StepCritical, 0, "step-critical", "", Arg::Required, "STEP=RANGE", kMany,
              Rival::None, "Seconds of one step, for CRITICAL. Repeatable."},
    OptionRow{Id::Timeout, 't', "timeout", "", Arg::Required, "N[:STATE]", kOnce, Rival::None,
              "Seconds for everything, and the state when they are over. Default: 10:critical. 0: "
              "an hour. Above 10 the limits of the steps grow in proportion. Also -to."},

    OptionRow{Id::Config, 0, "config", "", Arg::Required, "FILE", kOnce, Rival::None,
              "Configuration of smtp_probe_exporter; needs --module."},
    OptionRow{Id::Module, 0, "module", "", Arg::Required, "NAME", kOnce, Rival::None,
              "Module of it (or a built-in one) to take; the other options override it."},
    OptionRow{Id::ListModules, 0, "list-modules", "", Arg::None, "", kOnce, Rival::None,
              "Print the names of the modules, one a line; no network, exit 0."},
    OptionRow{Id::ExtraOpts, 0, "extra-opts", "", Arg::Optional, "[SECTION][@FILE]", kMany,
              Rival::None,
              "Options from an ini file; the command line beats them. Default: the section named "
              "as the program, in the first standard file there is; @- is standard input."},
    OptionRow{Id::Dialect, 0, "dialect", "", Arg::Required, "native|check_smtp", kOnce, Rival::None,
              "Texts and exit codes; check_smtp when started under that name."},
    OptionRow{Id::Output, 0, "output", "", Arg::Required, "text|json", kOnce, Rival::None,
              "json: the whole result as one object; the exit code stays."},
    OptionRow{Id::OutputFormat, 0, "output-format", "", Arg::Required, "multi-line", kOnce,
              Rival::None, "Accepted for compatibility with check_smtp 3.0; changes nothing."},
    OptionRow{Id::ExitCode, 0, "exit-code", "", Arg::Required, "state|step", kOnce, Rival::None,
              "step: what is not OK exits with the code of the step that the first line names, for "
              "scripts; the codes are below. Default: state."},
    OptionRow{Id::Verbose, 'v', "verbose", "", Arg::None, "", kMany, Rival::None,
              "The table of steps; twice: and the transcript; three times: and TLS, certificates "
              "and addresses."},
    OptionRow{Id::Watch, 0, "watch", "", Arg::Required, "N[,COUNT]", kOnce, Rival::None,
              "Probe every N seconds (0.1 to 86400; 10 at least with --send) until interrupted, or "
              "COUNT times, and show the times of the steps in a table. Exits with the code of the "
              "worst probe."},
    OptionRow{Id::Explain, 0, "explain", "", Arg::Required, "CODE|WORD", kOnce, Rival::None,
              "Say what a reply code, an enhanced status such as 5.7.1, a reason such as "
              "cert_untrusted or a step means; no network."},
    OptionRow{Id::Version, 'V', "version", "", Arg::None, "", kOnce, Rival::None,
              "Print the version, exit 3."},
    OptionRow{Id::Help, 'h', "help", "", Arg::None, "", kOnce, Rival::None,
              "Print this, exit 3; -? prints the short form."},
};

constexpr std::array kGroups = {
    OptionGroup{"Where to", Id::Hostname},
    OptionGroup{"What to say", Id::Lmtp},
    OptionGroup{"What to expect", Id::ExpectBanner},
    OptionGroup{"TLS and certificates", Id::Ssl},
    OptionGroup{"Authentication", Id::Authtype},
    OptionGroup{"Time", Id::Warning},
    OptionGroup{"Configuration and output", Id::Config},
};

constexpr bool in_order_of_id() {
  for (std::size_t i = 0; i < kRows.size(); ++i) {
    if (static_cast<std::size_t>(kRows[i].id) != i) return false;
  }
  return kRows.size() == kOptionCount;
}
static_assert(in_order_of_id());

}  // namespace

std::span<const OptionRow> option_rows() { return kRows; }
std::span<const OptionGroup> option_groups() { return kGroups; }
const OptionRow& option_row(OptionId id) { return kRows[static_cast<std::size_t>(id)]; }

const OptionRow* option_by_letter(char letter) {
  for (const OptionRow& row : kRows) {
    if (row.short_name != 0 && row.short_name == letter) return &row;
  }
  return nullptr;
}

const OptionRow* option_by_name(std::string_view name) {
  if (name.empty()) return nullptr;
  for (const OptionRow& row : kRows) {
    if (row.name == name || row.alias == name) return &row;
  }
  return nullptr;
}

OptionLookup option_by_prefix(std::string_view prefix) {
  if (const OptionRow* row = option_by_name(prefix)) return {row, false};
  OptionLookup found;
  if (prefix.empty()) return found;
  for (const OptionRow& row : kRows) {
    if (!row.name.starts_with(prefix) && !row.alias.starts_with(prefix)) continue;
    if (found.row != nullptr) return {nullptr, true};
    found.row = &row;
  }
  return found;
}

}  // namespace smtpprobe
