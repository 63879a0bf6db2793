// The words are first rewritten into "--name=value", for cxxopts without std::regex takes no dots
// in a name and std::regex overflows the stack at a long value. The names come from the table, so
// that what is unknown or lacks its value is found out here.
#include "exporter/options.h"

#include <algorithm>
#include <cstring>
#include <string_view>

#include "common/probe/printable.h"
#include "common/smtp/quoted_value.h"
#include "exporter/option_table.h"
#include "exporter/option_values.h"

// Its vectors, whose delimiter would split values at commas, are not used.
#define CXXOPTS_NO_REGEX 1
#define CXXOPTS_VECTOR_DELIMITER '\0'
#include <cxxopts.hpp>

namespace smtpprobe {
namespace {

using Id = FlagId;

constexpr char kDotOfFlags = '.';
constexpr char kDotOfCxxopts = '_';  // no flag of ours has it

std::string dashed(const FlagRow& row) { return std::string("--").append(row.name); }

std::string quoted(std::string_view value) {
  constexpr std::size_t kShown = 100;
  if (may_hold_secret(value)) return described_value(value);
  return "'" + printable(value, kShown) + "'";
}

std::string renamed(std::string name, char from, char to) {
  std::replace(name.begin(), name.end(), from, to);
  return name;
}

struct Setting {
  const FlagRow* row = nullptr;
  std::string value;  // empty for a flag without argument
};

// The words of a command line: those for cxxopts, and the targets.
struct Words {
  std::vector<std::string> flags;
  std::vector<const FlagRow*> used;
  std::vector<std::string> targets;

  void add(const FlagRow& row, std::string_view value) {
    flags.push_back("--" + renamed(std::string(row.name), kDotOfFlags, kDotOfCxxopts) + "=");
    flags.back().append(value);
    if (std::find(used.begin(), used.end(), &row) == used.end()) used.push_back(&row);
  }
};

Unexpected unknown(std::string_view word) {
  // A password may begin with hyphens, too, and of "-psecret" only the letter is a flag's.
  const std::size_t name = word.starts_with("--") ? 2 : 1;
  std::string shown(word.substr(0, 2));
  if (name < word.size() && name == 2) shown += shown_name(word.substr(name));
  return error(printable(shown, 60) + ": unknown flag; --help lists them");
}

// A word that begins with '-'; `next` is the one behind it, or null. True when that was its value.
Result<bool> read_flag(std::string_view word, const char* next, Words& words) {
  const std::size_t equals = word.find('=');
  const FlagRow* const row = word.starts_with("--") ? flag_by_name(word.substr(2, equals - 2))
                             : word.size() == 2     ? flag_by_letter(word[1])
                                                    : nullptr;
  if (row == nullptr) return unknown(word.substr(0, equals));
  const bool joined = equals != std::string_view::npos;
  const std::string_view value = joined ? word.substr(equals + 1) : "";
  switch (row->argument) {
    case FlagArgument::None:
      if (joined)
        return error(dashed(*row) + ": got " + described_value(value) + ", expected no value");
      words.add(*row, "");
      return false;
    case FlagArgument::Joined:
      words.add(*row, "");
      if (joined) words.targets.emplace_back(value);
      return false;
    case FlagArgument::Required:
      break;
  }
  if (!joined && next == nullptr) {
    return error(dashed(*row) + ": needs a value, expected " + std::string(row->word));
  }
  words.add(*row, joined ? value : std::string_view(next));
  return !joined;
}

Result<Words> read_words(std::span<char* const> argv) {
  Words words;
  bool only_targets = false;
  for (std::size_t at = 1; at < argv.size(); ++at) {
    const std::string_view word = argv[at];
    if (only_targets || word.size() < 2 || word.front() != '-') {
      words.targets.emplace_back(word);
    } else if (word == "--") {
      only_targets = true;
    } else {
      const char* const next = at + 1 < argv.size() ? argv[at + 1] : nullptr;
      const Result<bool> took_next = read_flag(word, next, words);
      if (!took_next) return Unexpected(took_next.error());
      if (*took_next) ++at;
    }
  }
  return words;
}

Result<std::vector<Setting>> settings_of(const Words& words) {
  std::vector<Setting> settings;
  try {
    cxxopts::Options options("smtp_probe_exporter");
    for (const FlagRow* row : words.used) {
      const std::string name = renamed(std::string(row->name), kDotOfFlags, kDotOfCxxopts);
      options.add_option("", "", std::vector{name}, "", cxxopts::value<std::string>(), "");
    }
    std::vector<const char*> argv = {""};
    for (const std::string& word : words.flags) argv.push_back(word.c_str());
    const auto parsed = options.parse(static_cast<int>(argv.size()), argv.data());
    for (const cxxopts::KeyValue& argument : parsed.arguments()) {
      const std::string name = renamed(argument.key(), kDotOfCxxopts, kDotOfFlags);
      settings.push_back(Setting{flag_by_name(name), argument.value()});
    }
  } catch (const cxxopts::exceptions::exception& problem) {
    constexpr std::size_t kShown = 200;
    return error(printable(problem.what(), kShown));
  }
  return settings;
}

// The options while they are read.
struct Draft {
  ExporterOptions options;
  OneShotOptions once;
  bool has_listen = false;
  std::string external_path;
  std::optional<std::string> route_prefix;
};

// The value of `parsed`, or its error with the flag in front.
template <typename T>
Result<void> keep(const FlagRow& row, Result<T> parsed, T& out) {
  if (!parsed) return error(dashed(row) + ": " + parsed.error().text);
  out = *std::move(parsed);
  return {};
}

Result<void> keep_words(const FlagRow& row, const std::string& value, std::string& out) {
  if (value.empty()) return error(dashed(row) + ": got '', expected " + std::string(row.word));
  out = value;
  return {};
}

template <typename T>
Result<void> keep_choice(const FlagRow& row, const std::string& value, T& out,
                         std::initializer_list<std::pair<std::string_view, T>> choices) {
  for (const auto& [word, meaning] : choices) {
    if (value == word) {
      out = meaning;
      return {};
    }
  }
  return error(dashed(row) + ": got " + quoted(value) + ", expected " + std::string(row.word));
}

Result<void> add_listen(const FlagRow& row, const std::string& value, Draft& draft) {
  std::vector<ListenAddress>& all = draft.options.listen;
  ListenAddress address;
  if (Result<void> good = keep(row, parse_listen_address(value), address); !good) return good;
  if (!draft.has_listen) all.clear();
  draft.has_listen = true;
  if (address.port != 0 && std::find(all.begin(), all.end(), address) != all.end()) {
    return error(dashed(row) + ": got " + quoted(value) + " twice, expected each address once");
  }
  all.push_back(std::move(address));
  return {};
}

Result<void> set_external_url(const FlagRow& row, const std::string& value, Draft& draft) {
  ExternalUrl external;
  if (Result<void> good = keep(row, parse_external_url(value), external); !good) return good;
  draft.options.external_url = std::move(external.url);
  draft.external_path = std::move(external.path);
  return {};
}

Result<void> set_route_prefix(const FlagRow& row, const std::string& value, Draft& draft) {
  std::string prefix;
  if (Result<void> good = keep(row, parse_route_prefix(value), prefix); !good) return good;
  draft.route_prefix.reset();
  if (!value.empty()) draft.route_prefix = std::move(prefix);
  return {};
}

Result<void> add_grouping(const FlagRow& row, const std::string& value, Draft& draft) {
  std::pair<std::string, std::string> label;
  if (Result<void> good = keep(row, parse_grouping(value), label); !good) return good;
  auto& all = draft.once.push_grouping;
  if (std::any_of(all.begin(), all.end(),
                  [&label](const auto& other) { return other.first == label.first; })) {
    return error(dashed(row) + ": got " + quoted(label.first) + " twice, expected each label once");
  }
  all.push_back(std::move(label));
  return {};
}

Result<void> apply(const Setting& setting, Draft& draft) {
  const FlagRow& row = *setting.row;
  const std::string& value = setting.value;
  ExporterOptions& options = draft.options;
  switch (row.id) {
    case Id::ConfigFile:
      return keep_words(row, value, options.config_file);
    case Id::ConfigCheck:
      options.config_check = true;
      return {};
    case Id::ConfigModules:
      options.config_modules = true;
      return {};
    case Id::ListenAddress:
      return add_listen(row, value, draft);
    case Id::SystemdSocket:
      options.systemd_socket = true;
      return {};
    case Id::DisableReload:
      options.disable_reload = true;
      return {};
    case Id::WebConfigFile:
      return keep_words(row, value, options.web_config_file);
    case Id::ExternalUrl:
      return set_external_url(row, value, draft);
    case Id::RoutePrefix:
      return set_route_prefix(row, value, draft);
    case Id::TimeoutOffset:
      return keep(row, parse_timeout_offset(value), options.timeout_offset);
    case Id::MaxInFlight:
      return keep(row, parse_whole(value, 1, kMaxInFlightLimit), options.max_in_flight);
    case Id::HistoryLimit:
      return keep(row, parse_whole(value, 0, kMaxHistoryLimit), options.history_limit);
    case Id::Module:
      return keep_words(row, value, draft.once.module);
    case Id::PushUrl:
      return keep(row, parse_push_url(value), draft.once.push_url);
    case Id::PushUser:
      return keep(row, parse_push_user(value), draft.once.push_user);
    case Id::PushPasswordFile:
      return keep_words(row, value, draft.once.push_password_file);
    case Id::PushJob:
      return keep_words(row, value, draft.once.push_job);
    case Id::PushGrouping:
      return add_grouping(row, value, draft);
    case Id::Textfile:
      return keep_words(row, value, draft.once.textfile);
    case Id::LogLevel:
      return keep_choice(row, value, options.log_level,
                         {{"debug", LogLevel::Debug},
                          {"info", LogLevel::Info},
                          {"warn", LogLevel::Warn},
                          {"error", LogLevel::Error}});
    case Id::LogFormat:
      return keep_choice(row, value, options.log_format,
                         {{"logfmt", LogFormat::Logfmt}, {"json", LogFormat::Json}});
    case Id::Once:  // looked for by `uses`, as the two that go before everything else
    case Id::Version:
    case Id::Help:
      return {};
  }
  return {};
}

bool uses(const Words& words, Id id) {
  return std::any_of(words.used.begin(), words.used.end(),
                     [id](const FlagRow* row) { return row->id == id; });
}

// What can do nothing beside the other flags.
Result<void> check_company(const Words& words) {
  const bool once = uses(words, Id::Once);
  for (const FlagRow* row : words.used) {
    if (once && row->use == FlagUse::Serving) {
      return error(dashed(*row) + ": got --once too, which starts no server");
    }
    if (!once && row->use == FlagUse::Once) return error(dashed(*row) + ": needs --once");
    const bool of_a_push = row->id == Id::PushJob || row->id == Id::PushGrouping ||
                           row->id == Id::PushUser || row->id == Id::PushPasswordFile;
    if (of_a_push && !uses(words, Id::PushUrl)) return error(dashed(*row) + ": needs --push.url");
  }
  if (!once && !words.targets.empty()) {
    return error("got a word without a flag, expected flags only; targets need --once");
  }
  if (once && words.targets.empty()) return error("--once: needs a target, expected TARGET...");
  for (const std::string& target : words.targets) {
    if (target.empty()) return error("--once: got '', expected a target such as mx.example.net");
  }
  return {};
}

Result<void> check_push(const Words& words, const OneShotOptions& once) {
  const bool user = uses(words, Id::PushUser);
  if (user != uses(words, Id::PushPasswordFile))
    return user ? error("--push.user: needs --push.password-file")
                : error("--push.password-file: needs --push.user");
  if (user && once.push_url.find('@') != std::string::npos)
    return error("--push.user: got credentials in --push.url too, expected one of them");
  return {};
}

// Everybody may read the arguments of a process.
void wipe_credentials(char* url) {
  const std::string_view text = url;
  const std::size_t at = text.rfind('@');
  std::size_t begin = text.find("://");
  begin = begin == std::string_view::npos || begin > at ? 0 : begin + 3;
  std::size_t end = at;
  if (at == std::string_view::npos) end = may_hold_secret(text) ? text.size() : begin;
  std::memset(url + begin, '*', end - begin);
}

void wipe_push_urls(std::span<char* const> argv) {
  constexpr std::string_view kFlag = "--push.url";
  for (std::size_t at = 1; at < argv.size(); ++at) {
    const std::string_view word = argv[at];
    if (!word.starts_with(kFlag)) continue;
    if (word.size() > kFlag.size() && word[kFlag.size()] == '=') {
      wipe_credentials(argv[at] + kFlag.size() + 1);
    } else if (word == kFlag && at + 1 < argv.size()) {
      wipe_credentials(argv[++at]);
    }
  }
}

}  // namespace

Result<ExporterOptions> parse_exporter_options(std::span<char* const> argv) {
  Result<Words> words = read_words(argv);
  wipe_push_urls(argv);
  if (!words) return Unexpected(words.error());
  Draft draft;
  draft.options.help = uses(*words, Id::Help);
  draft.options.version = !draft.options.help && uses(*words, Id::Version);
  if (draft.options.help || draft.options.version) return draft.options;
  const Result<std::vector<Setting>> settings = settings_of(*words);
  if (!settings) return Unexpected(settings.error());
  for (const Setting& setting : *settings) {
    if (const Result<void> good = apply(setting, draft); !good) return Unexpected(good.error());
  }
  if (const Result<void> good = check_company(*words); !good) return Unexpected(good.error());
  if (const Result<void> good = check_push(*words, draft.once); !good)
    return Unexpected(good.error());
  draft.options.route_prefix = draft.route_prefix.value_or(draft.external_path);
  if (uses(*words, Id::Once)) {
    draft.once.targets = std::move(words->targets);
    draft.options.once = std::move(draft.once);
  }
  return draft.options;
}

int usage_exit_code(std::span<char* const> argv) {
  constexpr int kUsage = 2;
  constexpr int kUnknown = 3;
  const auto is_once = [](const char* word) {
    return std::strcmp(word, "--once") == 0 || std::string_view(word).starts_with("--once=");
  };
  return std::any_of(argv.begin(), argv.end(), is_once) ? kUnknown : kUsage;
}

}  // namespace smtpprobe
