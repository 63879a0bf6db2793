// Every option of the check, once: the parser, the ini files, --help and the man page's test read
// this table. An option is added here, in option_values.cc's switch and in the man page.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace smtpprobe {

enum class OptionId : std::uint8_t {
  Hostname,
  Port,
  UseIpv4,
  UseIpv6,
  DnsServer,
  DnsTimeout,
  DnsTries,
  Source,
  ProxyProtocol,
  Proxy,
  Lmtp,
  Fqdn,
  Helo,
  Until,
  From,
  To,
  Send,
  Subject,
  Header,
  BodyFile,
  Command,
  Response,
  IgnoreQuitFailure,
  ExpectBanner,
  Expect,
  RequireExtension,
  ForbidExtension,
  Greylisting,
  GreylistingPattern,
  Ssl,
  Starttls,
  Sni,
  TlsVerify,
  TlsName,
  CaFile,
  CaPath,
  ClientCert,
  ClientKey,
  TlsMinVersion,
  TlsLegacy,
  Certificate,
  IgnoreCertificateExpiration,
  Authtype,
  Authuser,
  Authpass,
  AuthpassFile,
  AuthtokenFile,
  AuthInsecure,
  Warning,
  Critical,
  StepWarning,
  StepCritical,
  Timeout,
  Config,
  Module,
  ListModules,
  ExtraOpts,
  Dialect,
  Output,
  OutputFormat,
  ExitCode,
  Verbose,
  Watch,
  Explain,
  Version,
  Help,
};

inline constexpr std::size_t kOptionCount = static_cast<std::size_t>(OptionId::Help) + 1;

enum class OptionArgument : std::uint8_t {
  None,
  Required,
  Optional,  // the next word, unless it starts with '-'
};

// Options of which only one can be meant: a command line that names one drops what extra-opts say
// about all of them.
enum class OptionRival : std::uint8_t { None, IpFamily, Tls, Password, Proxy };

struct OptionRow {
  OptionId id;
  char short_name;         // or 0
  std::string_view name;   // without "--"
  std::string_view alias;  // a second long name, or empty
  OptionArgument argument;
  std::string_view word;  // what stands for the argument in the help
  bool repeatable;        // each occurrence counts; else the last
  OptionRival rival;
  std::string_view help;  // one or more sentences; wrapped by the printer
};

struct OptionGroup {
  std::string_view title;
  OptionId first;  // its rows go on to the next group's first
};

std::span<const OptionRow> option_rows();
std::span<const OptionGroup> option_groups();
const OptionRow& option_row(OptionId id);

// nullptr when there is no such option.
const OptionRow* option_by_letter(char letter);
// A long name in full.
const OptionRow* option_by_name(std::string_view name);

// As getopt_long() has it: a long name in full, or the beginning of just one option's names.
struct OptionLookup {
  const OptionRow* row = nullptr;
  bool ambiguous = false;
};
OptionLookup option_by_prefix(std::string_view prefix);

}  // namespace smtpprobe
