#include "plugin/options.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <string_view>
#include <utility>

#include "common/config/config.h"
#include "plugin/command_line.h"
#include "plugin/extra_opts.h"
#include "plugin/option_values.h"

namespace smtpprobe {
namespace {

using Id = OptionId;
using Settings = std::vector<Setting>;

constexpr std::string_view kProgram = "check_smtp_probe";
constexpr std::string_view kCompatible = "check_smtp";

const Setting* last_of(const Settings& settings, Id id) {
  for (auto at = settings.rbegin(); at != settings.rend(); ++at) {
    if (at->row->id == id) return &*at;
  }
  return nullptr;
}

// Does the command line say what makes `setting`, of an ini file, void?
bool overridden(const Setting& setting, const Settings& command_line) {
  const OptionRow& row = *setting.row;
  const bool single = !row.repeatable || row.id == Id::Verbose;
  return std::any_of(command_line.begin(), command_line.end(), [&](const Setting& other) {
    const bool rivals = row.rival != OptionRival::None && row.rival == other.row->rival;
    return rivals || (single && row.id == other.row->id);
  });
}

// What the ini files say and the command line does not overrule, then the command line. A host that
// stands there as a word (`named`) overrules theirs.
Result<Settings> with_extra_opts(Settings command_line, bool named, const std::string& program,
                                 const Surroundings& surroundings) {
  Settings all;
  for (const Setting& setting : command_line) {
    if (setting.row->id != Id::ExtraOpts) continue;
    Result<Settings> extra = read_extra_opts(setting.value, program, surroundings);
    if (!extra) return extra;
    for (Setting& one : *extra) {
      if (named && one.row->id == Id::Hostname) continue;
      if (!overridden(one, command_line)) all.push_back(std::move(one));
    }
  }
  if (all.empty()) return command_line;
  std::move(command_line.begin(), command_line.end(), std::back_inserter(all));
  return all;
}

// The one host, of --hostname or of a word. check_smtp has a default; a check that probes what
// nobody named is not copied into the other dialect.
Result<Target> find_target(const Settings& settings, const std::vector<std::string>& words,
                           Dialect dialect) {
  const bool ignores_words = dialect == Dialect::CheckSmtp;  // beside -H, as check_smtp does
  const Setting* const named = last_of(settings, Id::Hostname);
  std::string host = named != nullptr ? named->value : "";
  if (named == nullptr && !words.empty()) host = words.front();
  if (named == nullptr && words.empty()) {
    if (dialect == Dialect::Native || settings.empty()) {
      return error("--hostname: missing, expected a name, an address or a URL to probe");
    }
    host = "127.0.0.1";
  }
  for (const std::string& word : words) {
    if (word != host && !(ignores_words && named != nullptr)) {
      // "-P two words": what stands alone may be a part of a password.
      return error("--hostname: got a host and another word, expected one host");
    }
  }
  if (host.empty())
    return error("--hostname: empty, expected a name, an address or a URL to probe");
  if (host.starts_with('/')) host.insert(0, "unix:");
  Result<Target> target = parse_target(host);
  if (!target) return error("--hostname: " + target.error().text);
  return target;
}

// `file` may be null.
Result<Config> config_of(const Setting* file) {
  if (file == nullptr) return built_in_config();
  Result<Config> config = load_config(file->value);
  if (!config) return error(file->name() + ": " + config.error().text);
  return config;
}

// The plan to begin with: the module's, or an empty one.
Result<ProbePlan> base_plan(const Settings& settings, Target target) {
  const Setting* const file = last_of(settings, Id::Config);
  const Setting* const name = last_of(settings, Id::Module);
  ProbePlan empty;
  empty.target = target;
  if (file == nullptr && name == nullptr) return empty;
  const Result<Config> config = config_of(file);
  if (!config) return Unexpected(config.error());
  if (name == nullptr) {
    return error(file->name() + ": needs --module, expected one of " + module_names(*config));
  }
  // --port is a part of whom we are to probe: a module's credentials are for some ports only.
  if (const Setting* const port = last_of(settings, Id::Port)) {
    const Result<int> number = parse_port(port->value);
    if (number && target.unix_path.empty()) target.port = *number;
  }
  const auto module = config->modules.find(name->value);
  if (module == config->modules.end()) {
    return error(name->name() + ": got " + quoted(name->value) + ", expected one of " +
                 module_names(*config));
  }
  Result<ProbePlan> plan = plan_for(module->second, target);
  if (!plan) return error(name->name() + ": " + plan.error().text);
  if (module->second.timeout) {
    plan->timeout = *module->second.timeout;
    plan->dialogue.limits = StepLimits::within(plan->timeout);
  }
  return plan;
}

// Which options exclude each other.
Result<void> check_rivals(const Draft& draft) {
  const ProbePlan& plan = draft.options.plan;
  if (draft.has(Id::UseIpv4) && draft.has(Id::UseIpv6)) {
    return error("--use-ipv4: got --use-ipv6 too, expected one of them");
  }
  if (draft.has(Id::Ssl) && draft.has(Id::Starttls)) {
    return error("--ssl: got --starttls too, set either -s/--ssl/--tls or -S/--starttls");
  }
  if (plan.target.implicit_tls && draft.has(Id::Starttls)) {
    return error("--starttls: the target's scheme means TLS from the start");
  }
  if (draft.has(Id::Proxy) && draft.has(Id::ProxyProtocol) && plan.proxy != ProxyHeader::V1) {
    return error("--proxy: got another --proxy-protocol too, expected v1 or one of them");
  }
  if (draft.has(Id::Authpass) && draft.has(Id::AuthpassFile)) {
    return error("--authpass: got --authpass-file too, expected one of them");
  }
  if (!plan.target.unix_path.empty() && draft.port) {
    return error("--port: got '" + std::to_string(*draft.port) +
                 "', expected none with a unix socket");
  }
  return {};
}

Result<void> settle_tls(Draft& draft) {
  ProbePlan& plan = draft.options.plan;
  const int modules_port = plan.port;
  TlsMode& mode = plan.dialogue.tls;
  if (draft.has(Id::Starttls)) mode = TlsMode::Starttls;
  if (draft.has(Id::Ssl) || plan.target.implicit_tls) mode = TlsMode::Implicit;
  // -D alone: there has to be a certificate to look at. And what is demanded of TLS is not met by a
  // server that hides STARTTLS.
  const bool demands = draft.has(Id::TlsMinVersion) || plan.tls.verify == TlsVerify::Require ||
                       plan.tls.verify == TlsVerify::Warn;
  if (draft.has(Id::Certificate) && mode == TlsMode::Off) mode = TlsMode::Starttls;
  if ((draft.has(Id::Certificate) || (demands && draft.has(Id::TlsVerify)) ||
       draft.has(Id::TlsMinVersion)) &&
      mode == TlsMode::Opportunistic) {
    mode = TlsMode::Starttls;
  }
  if (draft.has(Id::Proxy)) plan.proxy = ProxyHeader::V1;
  if (plan.target.lmtp) plan.dialogue.protocol = Protocol::Lmtp;
  const bool keeps_port = draft.has(Id::Module) && !draft.has(Id::Ssl) && !draft.has(Id::Lmtp);
  const int usual = keeps_port ? modules_port : default_port(plan);
  plan.port = draft.port.value_or(plan.target.port.value_or(usual));
  if (!plan.target.unix_path.empty()) plan.port = 0;
  if (plan.dialogue.auth && plan.port != modules_port) {
    return error("--module: its credentials are for port " + std::to_string(modules_port) +
                 ", got options that mean port " + std::to_string(plan.port) +
                 ", expected --port " + std::to_string(modules_port));
  }
  return {};
}

Result<void> settle_auth(Draft& draft) {
  ProbePlan& plan = draft.options.plan;
  std::optional<AuthPlan>& auth = plan.dialogue.auth;
  const bool asked = draft.mechanism || draft.user || draft.password || draft.token;
  if (!asked && !auth) return {};
  const bool module_has_some = auth.has_value();
  if (!auth) auth.emplace();
  Credentials& credentials = auth->credentials;
  if (draft.mechanism) auth->mechanism = *draft.mechanism;
  if (draft.user) credentials.username = *draft.user;
  if (draft.password) credentials.password = *draft.password;
  if (draft.token) credentials.token = *draft.token;
  credentials.host = normal_host(plan.target.host);
  credentials.port = plan.port;
  if (draft.has(Id::AuthInsecure) || draft.options.dialect == Dialect::CheckSmtp) {
    auth->without_verified_tls = true;
  }
  if (module_has_some) return {};
  const bool nameless = auth->mechanism == Mechanism::Oauthbearer;
  if (!draft.user && !nameless) {
    const std::string name = draft.mechanism  ? "--authtype"
                             : draft.password ? "--authpass"
                                              : "--authtoken-file";
    return error(name + ": needs --authuser");
  }
  if (needs_token(auth->mechanism) && !draft.token) {
    return error("--authtype: " + std::string(mechanism_name(auth->mechanism)) +
                 " needs --authtoken-file");
  }
  if (!needs_token(auth->mechanism) && !draft.password &&
      (auth->mechanism != Mechanism::Auto || !draft.token)) {
    return error(
        "--authuser: needs a password, expected --authpass-file, --authpass or "
        "--authtoken-file too");
  }
  return {};
}

// -C with the -R at its index.
Result<void> settle_commands(Draft& draft) {
  if (draft.responses.size() > draft.commands.size() &&
      draft.options.dialect == Dialect::CheckSmtp) {
    draft.responses.resize(draft.commands.size());  // as check_smtp, which looks at none of them
  }
  if (draft.responses.size() > draft.commands.size()) {
    return error("--response: got " + std::to_string(draft.responses.size()) + " for " +
                 std::to_string(draft.commands.size()) +
                 " --command, expected at most one for each");
  }
  if (draft.commands.empty()) return {};
  std::vector<RawCommand>& commands = draft.options.plan.dialogue.commands;
  commands.clear();
  for (std::size_t i = 0; i < draft.commands.size(); ++i) {
    std::optional<ReplyRegex> expected;
    if (i < draft.responses.size()) expected = std::move(draft.responses[i]);
    commands.push_back(RawCommand{std::move(draft.commands[i]), std::move(expected)});
  }
  return {};
}

// How deep to go, and the message where it goes that deep.
Result<void> settle_depth(Draft& draft) {
  ProbePlan& plan = draft.options.plan;
  DialoguePlan& dialogue = plan.dialogue;
  const bool module_given = draft.has(Id::Module);
  if (draft.has(Id::Send)) {
    if (draft.until.value_or(Step::Message) != Step::Message) {
      return error("--send: means --until message, got --until " +
                   std::string(step_name(*draft.until)));
    }
    draft.until = Step::Message;
  }
  if (!dialogue.to.empty() && !dialogue.from) return error("--to: needs --from");
  if (draft.until == Step::Message && (!dialogue.from || dialogue.to.empty())) {
    return error(std::string(draft.has(Id::Send) ? "--send" : "--until message") +
                 ": needs --from and --to");
  }
  const bool sends = draft.until ? *draft.until == Step::Message : plan.message.has_value();
  for (const Id id : {Id::Subject, Id::Header, Id::BodyFile}) {
    if (draft.has(id) && !sends) {
      return error(dashed(option_row(id)) + ": needs --send");
    }
  }
  constexpr std::chrono::seconds kBetweenMessages(10);
  const std::optional<WatchPlan>& watch = draft.options.watch;
  if (sends && watch && watch->every < kBetweenMessages) {
    return error("--watch: delivers a message each time, expected 10 seconds at least");
  }
  plan.message.reset();
  if (sends) plan.message = std::move(draft.message);
  if (draft.until) {
    dialogue.until = *draft.until;
  } else {
    // A module's own depth stands unless the other options lead deeper than what it holds.
    const Step needed = default_until(plan);
    const bool deeper = !module_given || needed > draft.module_needs;
    if (deeper) dialogue.until = module_given ? std::max(dialogue.until, needed) : needed;
  }
  if (!plan.message) return {};
  const Result<void> good = check_message(*plan.message);
  if (!good) return error("--header, --subject or --body-file: " + good.error().text);
  return {};
}

void settle_time(Draft& draft) {
  ProbePlan& plan = draft.options.plan;
  if (draft.timeout.state) plan.timeout_state = *draft.timeout.state;
  if (!draft.timeout.seconds) return;
  using std::chrono::seconds;
  constexpr seconds kNoLimit(3600);  // a check without any end would pile up
  const seconds total = *draft.timeout.seconds == seconds(0) ? kNoLimit : *draft.timeout.seconds;
  plan.timeout = total;
  plan.dialogue.limits = StepLimits::within(total);
}

// check_plan() speaks neither the options' words nor the configuration's: the option in front.
Result<void> check(const Options& options) {
  const Result<void> good = check_plan(options.plan);
  if (good) return {};
  constexpr std::array<std::pair<std::string_view, Id>, 20> kPlaces = {{
      {"until", Id::Until},
      {"a recipient", Id::To},
      {"auth", Id::Authtype},
      {"helo", Id::Helo},
      {"a client key", Id::ClientKey},
      {"a client certificate", Id::ClientCert},
      {"trusted certificates", Id::CaFile},
      {"certificate verification", Id::TlsVerify},
      {"certificate expiry", Id::Certificate},
      {"a minimum TLS", Id::TlsMinVersion},
      {"legacy TLS", Id::TlsLegacy},
      {"a name for the certificate", Id::TlsName},
      {"a unix socket takes no source", Id::Source},
      {"a unix socket", Id::Hostname},
      {"target", Id::Hostname},
      {"source", Id::Source},
      {"expect", Id::Expect},
      {"port", Id::Port},
      {"threshold", Id::StepWarning},
      {"wanted a timeout", Id::Timeout},
  }};
  const std::string& text = good.error().text;
  for (const auto& [start, id] : kPlaces) {
    if (!text.starts_with(start)) continue;
    std::string option = dashed(option_row(id));
    if (id == Id::CaFile && options.plan.tls.ca_file.empty()) option = "--ca-path";
    if (id == Id::StepWarning) option += ", --step-critical";
    // "--expect: rcpt: ...", not the word twice.
    const std::string twice = option.substr(2) + ' ';
    return error(option + ": " + (text.starts_with(twice) ? text.substr(twice.size()) : text));
  }
  if (text.find("both required and forbidden") != std::string::npos) {
    return error("--forbid-extension: " + text);
  }
  return error("options: " + text);
}

Result<void> settle(Draft& draft) {
  if (Result<void> good = check_rivals(draft); !good) return good;
  if (Result<void> good = settle_tls(draft); !good) return good;
  settle_time(draft);
  if (Result<void> good = settle_auth(draft); !good) return good;
  draft.options.plan.dialogue.banner_is_220 = draft.options.dialect == Dialect::CheckSmtp;
  if (Result<void> good = settle_commands(draft); !good) return good;
  if (Result<void> good = settle_depth(draft); !good) return good;
  return check(draft.options);
}

// Options that ask for something else than a probe. True when one is there.
bool ask_instead(const CommandLine& line, Options& options) {
  options.short_usage = line.short_usage;
  options.help = last_of(line.settings, Id::Help) != nullptr;
  options.version = last_of(line.settings, Id::Version) != nullptr;
  if (const Setting* code = last_of(line.settings, Id::Explain)) options.explain = code->value;
  return options.short_usage || options.help || options.version || options.explain;
}

}  // namespace

std::string program_name(std::span<char* const> argv) {
  std::string_view name = argv.empty() || argv[0] == nullptr ? "" : argv[0];
  const std::size_t slash = name.rfind('/');
  if (slash != std::string_view::npos) name.remove_prefix(slash + 1);
  return std::string(name.empty() ? kProgram : name);
}

Dialect dialect_of(std::span<char* const> argv) {
  Dialect dialect = program_name(argv) == kCompatible ? Dialect::CheckSmtp : Dialect::Native;
  constexpr std::string_view kJoined = "--dialect=";
  for (std::size_t i = 1; i < argv.size(); ++i) {
    std::string_view value;
    if (std::strcmp(argv[i], "--dialect") == 0 && i + 1 < argv.size()) value = argv[i + 1];
    if (std::string_view(argv[i]).starts_with(kJoined)) value = argv[i] + kJoined.size();
    if (value == kCompatible) dialect = Dialect::CheckSmtp;
    if (value == "native") dialect = Dialect::Native;
  }
  return dialect;
}

Result<Options> parse_options(std::span<char*> argv, const Surroundings& surroundings) {
  Draft draft;
  Options& options = draft.options;
  options.program_name = program_name(argv);
  options.dialect = dialect_of(argv);
  Result<CommandLine> line = read_command_line(argv);
  if (!line) return Unexpected(line.error());
  if (ask_instead(*line, options)) return options;
  if (last_of(line->settings, Id::ListModules) != nullptr) {
    const Result<Config> config = config_of(last_of(line->settings, Id::Config));
    if (!config) return Unexpected(config.error());
    options.modules.emplace();
    for (const auto& [name, module] : config->modules) *options.modules += name + '\n';
    return options;
  }

  const Result<Settings> settings = with_extra_opts(std::move(line->settings), !line->words.empty(),
                                                    options.program_name, surroundings);
  if (!settings) return Unexpected(settings.error());
  // Who types it as ping's -i gets to hear what it took, not that there is no host.
  const Setting* const watch = last_of(*settings, Id::Watch);
  if (const auto plan = watch != nullptr ? parse_watch(watch->value) : WatchPlan{}; !plan)
    return error(watch->name() + ": " + plan.error().text);
  const Result<Target> target = find_target(*settings, line->words, options.dialect);
  if (!target) return Unexpected(target.error());
  Result<ProbePlan> plan = base_plan(*settings, *target);
  if (!plan) return Unexpected(plan.error());
  options.plan = *std::move(plan);
  draft.module_needs = default_until(options.plan);
  if (options.plan.message) draft.message = *options.plan.message;
  for (const Setting& setting : *settings) {
    if (Result<void> applied = apply_setting(draft, setting); !applied) {
      return Unexpected(applied.error());
    }
  }
  if (Result<void> settled = settle(draft); !settled) return Unexpected(settled.error());
  return std::move(options);
}

Error in_words_of_options(const Error& of_the_plan) {
  constexpr std::array<std::pair<std::string_view, Id>, 4> kFiles = {{
      {"ca_file", Id::CaFile},
      {"ca_path", Id::CaPath},
      {"cert_file", Id::ClientCert},
      {"key_file", Id::ClientKey},
  }};
  for (const auto& [name, id] : kFiles) {
    if (of_the_plan.text.starts_with(std::string(name) + ':')) {
      return {dashed(option_row(id)) + of_the_plan.text.substr(name.size())};
    }
  }
  return of_the_plan;
}

}  // namespace smtpprobe
