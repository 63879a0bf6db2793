// One small function for each option, in the order of the table.
#include "plugin/option_values.h"

#include <array>
#include <string_view>
#include <utility>

#include "common/smtp/address.h"
#include "common/smtp/greylisting.h"
#include "plugin/read_file.h"
#include "plugin/secrets.h"

namespace smtpprobe {
namespace {

using Value = const std::string&;
using Done = Result<void>;
using Id = OptionId;

constexpr std::size_t kMaxBodyBytes = 1'048'576;

// Moves a parsed value to its place.
template <typename From, typename To>
Done into(Result<From> parsed, To& place) {
  if (!parsed) return Unexpected(parsed.error());
  place = *std::move(parsed);
  return {};
}

// Adds it to a list. The first one takes the place of what the module has.
template <typename Item>
Done onto(Result<Item> parsed, std::vector<Item>& list, bool first) {
  if (!parsed) return Unexpected(parsed.error());
  if (first) list.clear();
  list.push_back(*std::move(parsed));
  return {};
}

template <typename Choice, typename To, std::size_t kCount>
Done choose(Value value, const std::pair<std::string_view, Choice> (&choices)[kCount], To& place) {
  std::string names;
  for (const auto& [name, choice] : choices) {
    if (name == value) {
      place = choice;
      return {};
    }
    names += (names.empty() ? "" : ", ") + std::string(name);
  }
  return wanted(value, "one of " + names);
}

// A file's name, or a server's; the empty one would silently mean the default.
template <typename To>
Done non_empty(Value value, To& place, std::string_view expected) {
  if (value.empty()) return wanted(value, expected);
  place = value;
  return {};
}

template <typename Place, typename Content>
Done set(Place& place, Content content) {
  place = content;
  return {};
}

Done port(Draft& draft, Value value) {
  const Result<int> number = parse_port(value);
  if (!number) return wanted(value, "1 to 65535");
  return set(draft.port, *number);
}

Done dns_server(Draft& draft, Value value, bool first) {
  std::vector<std::string>& servers = draft.options.plan.dns.servers;
  if (!first && servers.size() == kMostDnsServers) return wanted(value, "at most 16 name servers");
  return onto(parse_dns_server_option(value), servers, first);
}

Done source(Draft& draft, Value value) {
  if (!is_ip_literal(value)) return wanted(value, "an IPv4 or IPv6 address");
  return set(draft.options.plan.source_address, value);
}

Done proxy_protocol(Draft& draft, Value value) {
  constexpr std::pair<std::string_view, ProxyHeader> kChoices[] = {
      {"v1", ProxyHeader::V1}, {"v2", ProxyHeader::V2}, {"local", ProxyHeader::Local}};
  return choose(value, kChoices, draft.options.plan.proxy);
}

// Some write the null sender as <>.
Done from(Draft& draft, Value value) {
  std::optional<std::string>& place = draft.options.plan.dialogue.from;
  if (value.empty() || value == "<>") return set(place, "");
  return into(parse_address(value), place);
}

Done body_file(Draft& draft, Value value) {
  if (value.empty()) return wanted(value, "a file");
  return into(read_file(value, kMaxBodyBytes), draft.message.body);
}

// An empty one would be in every banner, the refusing ones too; a macro without value makes it.
Done expect_banner(Draft& draft, Value value) {
  std::optional<std::string>& place = draft.options.plan.dialogue.expect_banner;
  if (value.empty()) {
    place.reset();
  } else {
    place = value;
  }
  return {};
}

Done expect(Draft& draft, Value value) {
  if (value.find('=') == std::string::npos) return expect_banner(draft, value);
  Result<Expectation> expectation = parse_expectation(value);
  if (!expectation) return Unexpected(expectation.error());
  std::vector<ReplyPattern>& list = draft.options.plan.dialogue.expect[expectation->step];
  bool& expected = draft.step_expected[expectation->step];
  if (!expected) list.clear();
  expected = true;
  list.insert(list.end(), expectation->patterns.begin(), expectation->patterns.end());
  return {};
}

Done greylisting(Draft& draft, Value value) {
  constexpr std::pair<std::string_view, State> kChoices[] = {
      {"ok", State::Ok}, {"warning", State::Warning}, {"critical", State::Critical}};
  return choose(value, kChoices, draft.options.plan.dialogue.greylisting);
}

Done tls_verify(Draft& draft, Value value) {
  constexpr std::pair<std::string_view, TlsVerify> kChoices[] = {{"off", TlsVerify::Off},
                                                                 {"report", TlsVerify::Report},
                                                                 {"warn", TlsVerify::Warn},
                                                                 {"require", TlsVerify::Require}};
  return choose(value, kChoices, draft.options.plan.tls.verify);
}

// The name goes into the client hello and is held against the certificate.
Done tls_name(Draft& draft, Value value) {
  const Result<Target> target = parse_target(value);
  if (!target || target->port || target->host != value) return wanted(value, "a host name");
  return set(draft.options.plan.tls.server_name, value);
}

Done tls_min_version(Draft& draft, Value value) {
  const std::optional<TlsVersion> version = tls_version_from_name(value);
  if (!version) return wanted(value, "1.0, 1.1, 1.2 or 1.3");
  return set(draft.options.plan.tls.min_version, version);
}

Done authtype(Draft& draft, Value value) {
  draft.mechanism = mechanism_from_name(value);
  if (draft.mechanism) return {};
  return error("got " + (is_like_mechanism(value) ? quoted(value) : described_value(value)) +
               ", expected PLAIN, LOGIN, CRAM-MD5, SCRAM-SHA-1, SCRAM-SHA-256, XOAUTH2, "
               "OAUTHBEARER or auto");
}

Done authuser(Draft& draft, Value value) {
  if (value.empty() || value.find_first_of(std::string_view("\r\n\0", 3)) != std::string::npos) {
    return error("got " + described_value(value) + ", expected a user name on one line");
  }
  return set(draft.user, value);
}

Done authpass(Draft& draft, Value value) {
  if (const Done good = check_secret(value); !good) {
    return error("the password " + good.error().text + ", expected one on one line");
  }
  return set(draft.password, value);
}

template <std::optional<Range> Thresholds::*kWhich>
Done step_threshold(Draft& draft, Value value) {
  Result<StepRange> parsed = parse_step_range(value);
  if (!parsed) return Unexpected(parsed.error());
  draft.options.plan.step[parsed->step].*kWhich = std::move(parsed->range);
  return {};
}

Done timeout(Draft& draft, Value value) {
  const Result<TimeoutValue> parsed = parse_timeout(value);
  if (!parsed) return Unexpected(parsed.error());
  if (parsed->seconds) draft.timeout.seconds = parsed->seconds;
  if (parsed->state) draft.timeout.state = parsed->state;
  return {};
}

Done dialect(Draft& draft, Value value) {
  constexpr std::pair<std::string_view, Dialect> kChoices[] = {{"native", Dialect::Native},
                                                               {"check_smtp", Dialect::CheckSmtp}};
  return choose(value, kChoices, draft.options.dialect);
}

Done output(Draft& draft, Value value) {
  constexpr std::pair<std::string_view, OutputFormat> kChoices[] = {{"text", OutputFormat::Text},
                                                                    {"json", OutputFormat::Json}};
  return choose(value, kChoices, draft.options.output);
}

// Of check_smtp 3.0, whose JSON hides the state behind exit code 0.
Done output_format(Value value) {
  if (value == "multi-line") return {};
  return wanted(value, "multi-line; JSON is --output json");
}

Done exit_codes(Draft& draft, Value value) {
  constexpr std::pair<std::string_view, ExitCodes> kChoices[] = {{"state", ExitCodes::State},
                                                                 {"step", ExitCodes::Step}};
  return choose(value, kChoices, draft.options.exit_codes);
}

Done verbose(Draft& draft) {
  if (draft.options.verbose < 3) ++draft.options.verbose;
  return {};
}

// Without a default: the compiler names an option that was forgotten.
Done apply(Draft& draft, Id id, Value value) {
  ProbePlan& plan = draft.options.plan;
  const bool first = !draft.has(id);
  switch (id) {
    case Id::Hostname:
    case Id::Proxy:
    case Id::Send:
    case Id::IgnoreQuitFailure:
    case Id::Ssl:
    case Id::Starttls:
    case Id::Sni:
    case Id::AuthInsecure:
    case Id::Config:
    case Id::Module:
    case Id::ListModules:
    case Id::ExtraOpts:
    case Id::Explain:
    case Id::Version:
    case Id::Help:
      return {};
    case Id::Port:
      return port(draft, value);
    case Id::UseIpv4:
      return set(plan.ip, IpChoice::Ipv4);
    case Id::UseIpv6:
      return set(plan.ip, IpChoice::Ipv6);
    case Id::DnsServer:
      return dns_server(draft, value, first);
    case Id::DnsTimeout:
      return into(parse_dns_timeout(value), plan.dns.timeout);
    case Id::DnsTries:
      return into(parse_dns_tries(value), plan.dns.tries);
    case Id::Source:
      return source(draft, value);
    case Id::ProxyProtocol:
      return proxy_protocol(draft, value);
    case Id::Lmtp:
      return set(plan.dialogue.protocol, Protocol::Lmtp);
    case Id::Fqdn:
      return into(parse_helo_name(value), plan.dialogue.helo_name);
    case Id::Helo:
      return set(plan.dialogue.helo, true);
    case Id::Until:
      return into(parse_until(value), draft.until);
    case Id::From:
      return from(draft, value);
    case Id::To:
      return onto(parse_address(value), plan.dialogue.to, first);
    case Id::Subject:
      return set(draft.message.subject, value);
    case Id::Header:
      return onto(parse_header(value), draft.message.headers, first);
    case Id::BodyFile:
      return body_file(draft, value);
    case Id::Command:
      return onto(parse_command(value), draft.commands, first);
    case Id::Response:
      return onto(ReplyRegex::compile(value).map_error([&value](const Error& wrong) {
        return Error{"got " + quoted(value) + ": " + wrong.text};
      }),
                  draft.responses, first);
    case Id::ExpectBanner:
      return expect_banner(draft, value);
    case Id::Expect:
      return expect(draft, value);
    case Id::RequireExtension:
      return onto(parse_keyword(value), plan.require_extensions, first);
    case Id::ForbidExtension:
      return onto(parse_keyword(value), plan.forbid_extensions, first);
    case Id::Greylisting:
      return greylisting(draft, value);
    case Id::GreylistingPattern:
      return onto(parse_greylisting_pattern(value), plan.dialogue.greylisting_patterns, first);
    case Id::TlsVerify:
      return tls_verify(draft, value);
    case Id::TlsName:
      return tls_name(draft, value);
    case Id::CaFile:
      return non_empty(value, plan.tls.ca_file, "a file");
    case Id::CaPath:
      return non_empty(value, plan.tls.ca_path, "a directory");
    case Id::ClientCert:
      return non_empty(value, plan.tls.cert_file, "a file");
    case Id::ClientKey:
      return non_empty(value, plan.tls.key_file, "a file");
    case Id::TlsMinVersion:
      return tls_min_version(draft, value);
    case Id::TlsLegacy:
      return set(plan.tls.legacy, true);
    case Id::Certificate:
      return into(parse_expiry(value), plan.tls.expiry);
    case Id::IgnoreCertificateExpiration:
      return set(plan.tls.ignore_expiration, true);
    case Id::Authtype:
      return authtype(draft, value);
    case Id::Authuser:
      return authuser(draft, value);
    case Id::Authpass:
      return authpass(draft, value);
    case Id::AuthpassFile:
      return into(read_secret(value), draft.password);
    case Id::AuthtokenFile:
      return into(read_secret(value), draft.token);
    case Id::Warning:
      return into(Range::parse(value), plan.total.warning);
    case Id::Critical:
      return into(Range::parse(value), plan.total.critical);
    case Id::StepWarning:
      return step_threshold<&Thresholds::warning>(draft, value);
    case Id::StepCritical:
      return step_threshold<&Thresholds::critical>(draft, value);
    case Id::Timeout:
      return timeout(draft, value);
    case Id::Dialect:
      return dialect(draft, value);
    case Id::Output:
      return output(draft, value);
    case Id::OutputFormat:
      return output_format(value);
    case Id::ExitCode:
      return exit_codes(draft, value);
    case Id::Verbose:
      return verbose(draft);
    case Id::Watch:
      return into(parse_watch(value), draft.options.watch);
  }
  return {};
}

}  // namespace

Result<void> apply_setting(Draft& draft, const Setting& setting) {
  const Done done = apply(draft, setting.row->id, setting.value);
  draft.given.set(static_cast<std::size_t>(setting.row->id));
  if (!done) return error(setting.name() + ": " + done.error().text);
  return {};
}

}  // namespace smtpprobe
