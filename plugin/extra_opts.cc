#include "plugin/extra_opts.h"

#include <strings.h>
#include <unistd.h>

#include <array>
#include <optional>

#include "plugin/read_file.h"

namespace smtpprobe {
namespace {

constexpr std::size_t kMaxIniBytes = 1'048'576;

constexpr std::array kFileNames = {"monitoring-plugins.ini", "plugins.ini", "nagios-plugins.ini"};
constexpr std::array kStandardFiles = {
    "/usr/local/etc/monitoring-plugins/monitoring-plugins.ini",
    "/usr/local/etc/monitoring-plugins.ini",
    "/etc/monitoring-plugins/monitoring-plugins.ini",
    "/etc/monitoring-plugins.ini",
    "/etc/nagios/plugins.ini",
    "/usr/local/nagios/etc/plugins.ini",
    "/usr/local/etc/nagios/plugins.ini",
    "/etc/opt/nagios/plugins.ini",
    "/etc/nagios-plugins.ini",
    "/usr/local/etc/nagios-plugins.ini",
    "/etc/opt/nagios-plugins.ini",
};

bool exists(const std::string& path) { return access(path.c_str(), F_OK) == 0; }

std::optional<std::string> in_config_path(std::string_view path) {
  while (true) {
    const std::size_t colon = path.find(':');
    const std::string directory(path.substr(0, colon));
    if (!directory.empty()) {
      for (const char* name : kFileNames) {
        std::string file = directory + "/" + name;
        if (exists(file)) return file;
      }
    }
    if (colon == std::string_view::npos) return std::nullopt;
    path.remove_prefix(colon + 1);
  }
}

Result<std::string> default_file(const Surroundings& surroundings) {
  if (surroundings.mp_config_file != nullptr && *surroundings.mp_config_file != '\0') {
    return surroundings.mp_config_file;
  }
  if (surroundings.nagios_config_path != nullptr) {
    if (std::optional<std::string> file = in_config_path(surroundings.nagios_config_path)) {
      return *std::move(file);
    }
  }
  for (const char* file : kStandardFiles) {
    if (exists(file)) return file;
  }
  return error("--extra-opts: no ini file in any standard place, expected [SECTION]@FILE");
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r\v\f";
  const std::size_t first = text.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) return text.substr(0, 0);  // never null: it is compared
  return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

std::string_view unquoted(std::string_view value) {
  const bool in_quotes = value.size() >= 2 && value.front() == value.back() &&
                         (value.front() == '"' || value.front() == '\'');
  return in_quotes ? value.substr(1, value.size() - 2) : value;
}

bool is_one_of(std::string_view word, std::span<const std::string_view> words) {
  for (const std::string_view known : words) {
    if (word.size() == known.size() && strncasecmp(word.data(), known.data(), known.size()) == 0) {
      return true;
    }
  }
  return false;
}

// How often the flag is meant: "starttls", "starttls = yes", "starttls = no", "verbose = 2".
Result<int> flag_count(const OptionRow& row, std::optional<std::string_view> value) {
  constexpr std::array<std::string_view, 5> kYes = {"true", "yes", "on", "1", ""};
  constexpr std::array<std::string_view, 4> kNo = {"false", "no", "off", "0"};
  if (!value || is_one_of(*value, kYes)) return 1;
  if (is_one_of(*value, kNo)) return 0;
  if (row.id == OptionId::Verbose && (*value == "2" || *value == "3")) return value->front() - '0';
  return error(": got " + described_value(*value) + ", expected no value, yes or no");
}

const OptionRow* row_of_key(std::string_view key) {
  return key.size() == 1 ? option_by_letter(key.front()) : option_by_name(key);
}

// One "key = value" or "key", onto `settings`.
Result<void> take_line(std::string_view line, const std::string& origin,
                       std::vector<Setting>& settings) {
  const std::size_t equals = line.find('=');
  const std::string_view key = trimmed(line.substr(0, equals));
  std::optional<std::string_view> value;
  if (equals != std::string_view::npos) value = unquoted(trimmed(line.substr(equals + 1)));
  const OptionRow* const row = row_of_key(key);
  if (row == nullptr) {
    // It may be a secret that stands alone, or the rest of one.
    const std::string_view word = key.substr(0, key.find_first_of(" \t:"));
    const std::string got = !value ? "got a line without '='"
                            : word.empty() || shown_name(word) == word
                                ? "got " + quoted(word)
                                : "got something else in front of '='";
    return error(origin + got + ", expected the name of an option");
  }
  const std::string name(row->name);
  for (const OptionId id :
       {OptionId::ExtraOpts, OptionId::Help, OptionId::Version, OptionId::Explain}) {
    if (row->id == id) return error(origin + name + ": not in an ini file");
  }
  if (row->argument != OptionArgument::None) {
    if (!value) return error(origin + name + ": needs a value, expected " + std::string(row->word));
    settings.push_back(Setting{row, std::string(*value), origin});
    return {};
  }
  const Result<int> count = flag_count(*row, value);
  if (!count) return error(origin + name + count.error().text);
  for (int i = 0; i < *count; ++i) settings.push_back(Setting{row, "", origin});
  return {};
}

}  // namespace

Result<std::vector<Setting>> parse_section(std::string_view text, std::string_view section,
                                           const std::string& file) {
  const std::string shown = printable(file, 200);
  if (text.find('\0') != std::string_view::npos) return error(shown + ": holds a NUL byte");
  std::vector<Setting> settings;
  bool inside = false;
  bool found = false;
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::size_t end = text.find('\n');
    const std::string_view line = trimmed(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (line.empty() || line.front() == '#' || line.front() == ';') continue;
    const std::string origin = shown + ":" + std::to_string(number) + ": ";
    if (line.front() == '[') {
      if (line.back() != ']')
        return error(origin + "got a line that does not end with ']', expected [SECTION]");
      inside = trimmed(line.substr(1, line.size() - 2)) == section;
      found = found || inside;
    } else if (inside) {
      if (Result<void> taken = take_line(line, origin, settings); !taken) {
        return Unexpected(taken.error());
      }
    }
  }
  if (!found) {
    return error("--extra-opts: no section [" +
                 (may_hold_secret(section) ? described_value(section) : printable(section, 80)) +
                 "] in " + shown);
  }
  return settings;
}

Result<std::vector<Setting>> read_extra_opts(std::string_view locator, const std::string& program,
                                             const Surroundings& surroundings) {
  const std::size_t at = locator.find('@');
  std::string section(locator.substr(0, at));
  if (section.empty()) section = program;
  std::string file;
  if (at != std::string_view::npos) file = locator.substr(at + 1);
  if (file.empty()) {
    Result<std::string> standard = default_file(surroundings);
    if (!standard) return Unexpected(standard.error());
    file = *std::move(standard);
  }
  const bool piped = file == "-";
  if (piped) file = "standard input";
  const Result<std::string> text =
      piped ? read_descriptor(surroundings.standard_input, file, kMaxIniBytes)
            : read_file(file, kMaxIniBytes);
  if (!text) return error("--extra-opts: " + text.error().text);
  return parse_section(*text, section, file);
}

}  // namespace smtpprobe
