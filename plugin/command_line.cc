// The words are first rewritten into "--name=value" and "--name" with names from the table; what
// cxxopts cannot do happens there (its own splitting of "-Psecret" takes letters and digits only).
// It is then told of just the options that occur: telling it of all costs more than the rest of the
// parsing.
#include "plugin/command_line.h"

#include <array>
#include <cstring>
#include <optional>
#include <string_view>

#include "plugin/secrets.h"

// cxxopts without std::regex, which costs more than a whole check; its vectors, whose delimiter
// would split values at commas, are not used.
#define CXXOPTS_NO_REGEX 1
#define CXXOPTS_VECTOR_DELIMITER '\0'
#include <cxxopts.hpp>

namespace smtpprobe {
namespace {

bool is_boolean_word(std::string_view word) {
  constexpr std::array<std::string_view, 8> kWords = {"true", "false", "yes", "no",
                                                      "on",   "off",   "1",   "0"};
  for (const std::string_view known : kWords) {
    if (word.size() == known.size() && strncasecmp(word.data(), known.data(), known.size()) == 0) {
      return true;
    }
  }
  return false;
}

std::string candidates(std::string_view prefix) {
  std::string names;
  for (const OptionRow& row : option_rows()) {
    if (!row.name.starts_with(prefix) && !row.alias.starts_with(prefix)) continue;
    names += (names.empty() ? "--" : ", --") + std::string(row.name);
  }
  return names;
}

// "--bogus". A password may begin with two hyphens, too.
std::string shown_option(std::string_view name) {
  const std::string shown = shown_name(name);
  return shown == name ? "--" + shown : "got " + shown + " that begins with --";
}

// Walks argv once. Goes on after an error, so that a secret behind it is wiped all the same.
class Rewriter {
 public:
  explicit Rewriter(std::span<char*> argv) : argv_(argv) {}

  void run() {
    bool only_words = false;
    for (at_ = 1; at_ < argv_.size(); ++at_) {
      char* const word = argv_[at_];
      if (only_words || word[0] != '-' || word[1] == '\0') {
        if (word[0] != '\0') words_.emplace_back(word);
      } else if (std::strcmp(word, "--") == 0) {
        only_words = true;
      } else if (word[1] == '-') {
        long_option(word + 2);
      } else {
        short_options(word);
      }
    }
  }

  const std::optional<Error>& failure() const { return failure_; }
  const std::vector<std::string>& options() const { return options_; }
  const std::vector<const OptionRow*>& used() const { return used_; }
  std::vector<std::string>& words() { return words_; }
  bool short_usage() const { return short_usage_; }

 private:
  void fail(std::string text) {
    if (!failure_) failure_ = Error{std::move(text)};
  }

  void emit(const OptionRow& row, const char* value) {
    std::string option = dashed(row);
    if (value != nullptr) option.append("=").append(value);
    options_.push_back(std::move(option));
    for (const OptionRow* used : used_) {
      if (used == &row) return;
    }
    used_.push_back(&row);
  }

  void emit_value(const OptionRow& row, char* value) {
    emit(row, value);
    if (row.id == OptionId::Authpass) wipe(value);
  }

  // The option's value is the next word.
  void emit_next(const OptionRow& row) {
    const bool last = at_ + 1 >= argv_.size();
    if (row.argument == OptionArgument::Optional && (last || argv_[at_ + 1][0] == '-')) {
      emit(row, "");
    } else if (last) {
      fail(dashed(row) + ": needs a value, expected " + std::string(row.word));
    } else {
      ++at_;
      emit_value(row, argv_[at_]);
    }
  }

  void emit_flag(const OptionRow& row) {
    emit(row, nullptr);
    // Icinga's own definition of the check says "-q true".
    if (row.id == OptionId::IgnoreQuitFailure && at_ + 1 < argv_.size() &&
        is_boolean_word(argv_[at_ + 1])) {
      ++at_;
    }
  }

  // `text` is the word behind "--".
  void long_option(char* text) {
    char* const equals = std::strchr(text, '=');
    const std::string_view name =
        equals == nullptr ? std::string_view(text)
                          : std::string_view(text, static_cast<std::size_t>(equals - text));
    const OptionLookup found = option_by_prefix(name);
    if (found.row == nullptr) {
      const std::string shown = shown_option(name);
      fail(found.ambiguous ? shown + ": ambiguous, expected one of " + candidates(name)
                           : shown + ": unknown option");
    } else if (found.row->argument == OptionArgument::None) {
      if (equals == nullptr) {
        emit_flag(*found.row);
      } else {
        fail(dashed(*found.row) + ": got " + described_value(equals + 1) + ", expected no value");
      }
    } else if (equals != nullptr) {
      emit_value(*found.row, equals + 1);
    } else {
      emit_next(*found.row);
    }
  }

  // Debian's definitions have '$ARG1$' in quotes, and "-p 587" in it is one word: to check_smtp's
  // numbers the blank is nothing. In what goes to the server, or is compared, it counts.
  static char* joined_value(const OptionRow& row, char* value) {
    return is_text(row) ? value : value + std::strspn(value, " ");
  }

  // A blank may be part of it.
  static bool is_text(const OptionRow& row) {
    for (const OptionId text : {OptionId::ExpectBanner, OptionId::Command, OptionId::Response,
                                OptionId::Authuser, OptionId::Authpass}) {
      if (row.id == text) return true;
    }
    return false;
  }

  // "a@b.test -P secret"
  static bool has_option(std::string_view value) {
    for (std::size_t at = value.find(" -"); at != std::string_view::npos;
         at = value.find(" -", at + 1)) {
      const char next = at + 2 < value.size() ? value[at + 2] : ' ';
      if (next == '-' || option_by_letter(next) != nullptr) return true;
    }
    return false;
  }

  // What follows `before` in its word may be a secret.
  void more_options(std::string before) {
    fail(std::move(before) +
         ": more options in the same word, expected a word for each; are there quotes around "
         "$ARG1$?");
  }

  void old_spelling(OptionId id) { emit_next(option_row(id)); }

  // One word of letters: flags, and at the end one that takes a value, joined or in the next word.
  void short_options(char* word) {
    if (std::strcmp(word, "-wt") == 0) return old_spelling(OptionId::Warning);
    if (std::strcmp(word, "-ct") == 0) return old_spelling(OptionId::Critical);
    if (std::strcmp(word, "-to") == 0) return old_spelling(OptionId::Timeout);
    for (char* letter = word + 1; *letter != '\0'; ++letter) {
      const OptionRow* const row = option_by_letter(*letter);
      if (row == nullptr) {
        if (*letter == '?') {
          short_usage_ = true;
          continue;
        }
        if (*letter == ' ') return more_options({word, letter});
        return fail(std::string("-").append(printable(std::string_view(letter, 1), 8)) +
                    ": unknown option");
      }
      if (row->argument != OptionArgument::None) {
        if (letter[1] == '\0') return emit_next(*row);
        char* const value = joined_value(*row, letter + 1);
        if (!is_text(*row) && has_option(value)) return more_options({word, letter + 1});
        return emit_value(*row, value);
      }
      if (letter[1] == '\0') return emit_flag(*row);
      emit(*row, nullptr);
    }
  }

  std::span<char*> argv_;
  std::size_t at_ = 0;
  std::vector<std::string> options_;
  std::vector<const OptionRow*> used_;
  std::vector<std::string> words_;
  std::optional<Error> failure_;
  bool short_usage_ = false;
};

std::vector<Setting> parse_rewritten(const std::vector<std::string>& words,
                                     const std::vector<const OptionRow*>& used) {
  cxxopts::Options options("");
  for (const OptionRow* row : used) {
    const auto value = cxxopts::value<std::string>();
    if (row->argument == OptionArgument::None) value->implicit_value("");
    options.add_option("", "", std::vector{std::string(row->name)}, "", value, "");
  }
  std::vector<const char*> argv = {""};
  for (const std::string& word : words) argv.push_back(word.c_str());
  const cxxopts::ParseResult parsed = options.parse(static_cast<int>(argv.size()), argv.data());
  std::vector<Setting> settings;
  settings.reserve(parsed.arguments().size());
  for (const cxxopts::KeyValue& argument : parsed.arguments()) {
    settings.push_back(Setting{option_by_name(argument.key()), argument.value(), ""});
  }
  return settings;
}

}  // namespace

Result<CommandLine> read_command_line(std::span<char*> argv) {
  Rewriter rewriter(argv);
  rewriter.run();
  if (rewriter.failure()) return Unexpected(*rewriter.failure());
  CommandLine line;
  line.words = std::move(rewriter.words());
  line.short_usage = rewriter.short_usage();
  if (rewriter.used().empty()) return line;
  try {
    line.settings = parse_rewritten(rewriter.options(), rewriter.used());
  } catch (const cxxopts::exceptions::exception& problem) {
    return error(printable(problem.what(), 200));
  }
  return line;
}

}  // namespace smtpprobe
