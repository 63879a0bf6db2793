// The man pages, the help and the samples in deploy/ say what the program does: nothing is missing
// in them, and what they show is valid.
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "common/config/config.h"
#include "common/smtp/extensions.h"
#include "common/smtp/reason.h"
#include "common/smtp/step.h"
#include "exporter/option_table.h"
#include "exporter/options.h"
#include "exporter/usage.h"

namespace smtpprobe {
namespace {

std::string content_of(const std::string& path) {
  std::ifstream file(std::string(SMTPPROBE_TESTS_DIR) + "/../" + path);
  std::stringstream content;
  content << file.rdbuf();
  return content.str();
}

// troff's escapes for '-' and fonts undone.
std::string man_page(const std::string& name) {
  const std::string text = content_of("docs/" + name);
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\' || i + 1 == text.size()) {
      plain += text[i];
    } else if (text[i + 1] == '-') {
      plain += '-';
      ++i;
    } else if (text[i + 1] == 'f') {
      i += 2;
    }
  }
  return plain;
}

bool is_word_character(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '-';
}

// Is `word` there with nothing joined to it?
bool has_word(const std::string& text, std::string_view word) {
  for (std::size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) {
    const std::size_t end = at + word.size();
    const bool begins = at == 0 || !is_word_character(text[at - 1]);
    const bool ends = end == text.size() || !is_word_character(text[end]);
    if (begins && ends) return true;
  }
  return false;
}

// What stands in a text as "--name", but for the full stop of a sentence behind it.
std::set<std::string> long_names_in(const std::string& text) {
  std::set<std::string> names;
  for (std::size_t at = text.find("--"); at != std::string::npos; at = text.find("--", at)) {
    at += 2;
    std::size_t end = at;
    while (end < text.size() && (is_word_character(text[end]) || text[end] == '.')) ++end;
    std::string name = text.substr(at, end - at);
    while (name.ends_with('.')) name.pop_back();
    if (!name.empty()) names.insert(std::move(name));
    at = end;
  }
  return names;
}

TEST(ExporterManPage, HasEveryFlagAndNoOther) {
  const std::string man = man_page("smtp_probe_exporter.8");
  const std::string help = help_text();
  ASSERT_GT(man.size(), 10'000U);
  std::set<std::string> table;
  for (const FlagRow& row : flag_rows()) table.emplace(row.name);
  EXPECT_EQ(long_names_in(man), table);
  EXPECT_EQ(long_names_in(help), table);
  EXPECT_NE(help.find("  -h, --help\n"), std::string::npos);
  EXPECT_NE(man.find(".BR -h \", \" --help\n"), std::string::npos);
}

TEST(ExporterManPage, HasEveryStepReasonAndExtension) {
  const std::string man = man_page("smtp_probe_exporter.8");
  for (const Step step : kSteps) {
    if (step == Step::Command) continue;  // of the check's -C alone
    EXPECT_TRUE(has_word(man, step_name(step))) << step_name(step);
  }
  for (std::size_t i = 1; i < kReasonCount; ++i) {
    const std::string_view name = reason_name(static_cast<Reason>(i));
    EXPECT_TRUE(has_word(man, name)) << name;
  }
  for (const std::string_view keyword : known_extensions()) {
    EXPECT_TRUE(has_word(man, keyword)) << keyword;
  }
}

// The keys that the reader knows in a section, of the message about one that it does not.
std::set<std::string> known_keys(const std::string& yaml) {
  const Result<Config> config = parse_config(yaml, "x");
  EXPECT_FALSE(config) << yaml;
  std::set<std::string> keys;
  if (config) return keys;
  const std::string_view mark = "known here: ";
  const std::size_t at = config.error().text.find(mark);
  EXPECT_NE(at, std::string::npos) << config.error().text;
  if (at == std::string::npos) return keys;
  std::istringstream words(config.error().text.substr(at + mark.size()));
  for (std::string word; words >> word;) {
    if (word.ends_with(',')) word.pop_back();
    keys.insert(std::move(word));
  }
  return keys;
}

TEST(ConfigManPage, HasEveryKey) {
  const std::string man = man_page("smtp-probe.yml.5");
  ASSERT_GT(man.size(), 5'000U);
  std::size_t count = 0;
  for (const char* yaml :
       {"zz: 1\n", "modules: {a: {zz: 1}}\n", "modules: {a: {tls: {zz: 1}}}\n",
        "modules: {a: {tls: {expiry: {zz: 1}}}}\n",
        "modules:\n  a:\n    auth:\n      zz: 1\n      username: u\n      password_file: "
        "/dev/null\n"
        "      targets: [x]\n",
        "modules: {a: {mail: {zz: 1}}}\n", "modules: {a: {message: {zz: 1}}}\n",
        "modules: {a: {expect: {zz: 1}}}\n", "modules: {a: {thresholds: {zz: 1}}}\n",
        "modules: {a: {thresholds: {total: {zz: 1}}}}\n"}) {
    for (const std::string& key : known_keys(yaml)) {
      ++count;
      EXPECT_TRUE(has_word(man, key)) << key << " of " << yaml;
    }
  }
  EXPECT_GT(count, 60U);
  for (const auto& [name, module] : built_in_config().modules) EXPECT_TRUE(has_word(man, name));
}

// The lines between .nf and .fi, with troff's escapes undone.
std::vector<std::string> displays_of(const std::string& man) {
  std::vector<std::string> all;
  std::istringstream lines(man);
  bool inside = false;
  for (std::string line; std::getline(lines, line);) {
    if (line == ".nf") {
      inside = true;
      all.emplace_back();
    } else if (line == ".fi") {
      inside = false;
    } else if (inside) {
      all.back() += line + "\n";
    }
  }
  return all;
}

TEST(ConfigManPage, ItsExamplesAreValid) {
  std::size_t checked = 0;
  for (const std::string& display : displays_of(man_page("smtp-probe.yml.5"))) {
    if (display.find("_file:") != std::string::npos) continue;  // names files that are not here
    ++checked;
    const Result<Config> config = parse_config(display, "example");
    EXPECT_TRUE(config) << config.error().text << "\n" << display;
  }
  EXPECT_GE(checked, 3U);
}

TEST(ConfigManPage, ItsBuiltInModulesAreTheBuiltInOnes) {
  const Config built_in = built_in_config();
  std::size_t checked = 0;
  for (const std::string& display : displays_of(man_page("smtp-probe.yml.5"))) {
    if (display.find("  submissions:") == std::string::npos) continue;
    const Result<Config> config = parse_config(display, "example");
    ASSERT_TRUE(config) << config.error().text;
    for (const auto& [name, module] : built_in.modules) {
      ++checked;
      EXPECT_NE(display.find("  " + name + ": {"), std::string::npos) << name;
      const ProbePlan& plan = config->modules.find(name)->second.plan;
      EXPECT_EQ(plan.dialogue.protocol, module.plan.dialogue.protocol) << name;
      EXPECT_EQ(plan.dialogue.tls, module.plan.dialogue.tls) << name;
      EXPECT_EQ(plan.dialogue.until, module.plan.dialogue.until) << name;
      EXPECT_EQ(plan.port, module.plan.port) << name;
    }
  }
  EXPECT_EQ(checked, 5U);
}

TEST(Deploy, TheSampleConfigurationIsValid) {
  const Result<Config> config =
      load_config(std::string(SMTPPROBE_TESTS_DIR) + "/../deploy/smtp-probe.yml");
  ASSERT_TRUE(config) << config.error().text;
  EXPECT_GT(config->modules.size(), built_in_config().modules.size());
}

// The flags that a line of ARGS in the sample of /etc/default gives.
TEST(Deploy, TheServicesArgumentsParse) {
  std::istringstream lines(content_of("deploy/smtp_probe_exporter.default"));
  std::size_t checked = 0;
  for (std::string line; std::getline(lines, line);) {
    const std::size_t at = line.find("ARGS=\"");
    if (at == std::string::npos) continue;
    ++checked;
    std::istringstream words(line.substr(at + 6, line.rfind('"') - at - 6));
    std::vector<std::string> arguments = {"smtp_probe_exporter"};
    for (std::string word; words >> word;) arguments.push_back(word);
    std::vector<char*> argv;
    for (std::string& word : arguments) argv.push_back(word.data());
    const Result<ExporterOptions> options = parse_exporter_options(argv);
    EXPECT_TRUE(options) << options.error().text;
  }
  EXPECT_GE(checked, 2U);
}

}  // namespace
}  // namespace smtpprobe
