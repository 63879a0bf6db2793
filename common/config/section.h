// One mapping of the configuration while it is read. Law: what nobody asked for is an unknown key,
// what is wrong is reported with file, line and path; reading goes on, and the faults are told in
// the order of the file.
#pragma once

#include <fmt/format.h>

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/config/config_values.h"
#include "common/config/yaml_tree.h"
#include "common/probe/printable.h"
#include "common/smtp/error.h"

namespace smtpprobe {

// Of one file; more are only counted.
inline constexpr std::size_t kMaxFaultsTold = 20;

class Faults {
 public:
  explicit Faults(std::string file) : file_(std::move(file)) {}

  void add(int line, std::string_view path, std::string_view what);
  bool none() const { return count_ == 0; }
  std::size_t count() const { return count_; }
  // "FILE:LINE: path: what" of each, the nearest to the top first.
  Error all() const;

 private:
  struct Fault {
    int line;
    std::string text;
  };

  std::string file_;
  std::vector<Fault> told_;
  std::size_t count_ = 0;
};

template <typename T>
struct Choice {
  std::string_view word;
  T value;
};

class Section {
 public:
  // `node` need not be a mapping: then that is the fault, and the section is empty. `line` is that
  // of the key that leads here. All must outlive the section.
  Section(Faults& faults, const YamlNode& node, std::string path, int line);

  // From here on a key without a value counts as absent.
  void allow_blank() { blank_is_absent_ = true; }
  // Where secrets are near, a key that is like no known one may be a piece of a secret.
  void hide_unknown_keys() { hides_unknown_ = true; }

  // Null when the key is absent. Every key that may stand here is asked for.
  const YamlEntry* find(std::string_view key);

  // Afterwards: what was not asked for is a fault, with a guess where it is one slip away from what
  // may stand here.
  void finish();

  int line() const { return line_; }
  std::string path(std::string_view key) const;
  void fault(const YamlEntry& entry, std::string_view what);
  void fault(std::string_view what) { faults_.add(line_, path_, what); }
  Faults& faults() { return faults_; }

  // The entry when it is there and a single value.
  const YamlEntry* scalar(std::string_view key);

  // The entry when it is there and a mapping.
  const YamlEntry* map(std::string_view key);

  // `parse` makes a Result<T> of the text. False when the key is absent or wrong; `out` is
  // untouched then.
  template <typename T, typename Parse>
  bool read(std::string_view key, T& out, Parse parse) {
    const YamlEntry* entry = scalar(key);
    return entry && keep(*entry, entry->value, out, parse);
  }

  // Each item through `parse`. `or_one`: a single value counts as a list of one.
  template <typename T, typename Parse>
  bool read_list(std::string_view key, std::vector<T>& out, bool or_one, Parse parse) {
    const YamlEntry* entry = find(key);
    if (!entry) return false;
    if (or_one && entry->value.kind == YamlNode::Kind::Scalar) {
      T one{};
      if (!keep(*entry, entry->value, one, parse)) return false;
      out.push_back(std::move(one));
      return true;
    }
    if (entry->value.kind != YamlNode::Kind::List) {
      wrong_kind(*entry, entry->value, or_one ? "a value or a list" : "a list");
      return false;
    }
    bool good = true;
    for (const YamlNode& item : entry->value.items) {
      T one{};
      if (item.kind != YamlNode::Kind::Scalar) {
        wrong_kind(*entry, item, "a list of single values");
        good = false;
      } else if (keep(*entry, item, one, parse)) {
        out.push_back(std::move(one));
      } else {
        good = false;
      }
    }
    return good;
  }

  template <typename T>
  bool choose(std::string_view key, T& out, std::initializer_list<Choice<T>> choices) {
    const YamlEntry* entry = scalar(key);
    if (!entry) return false;
    std::string wanted;
    for (const auto& [word, value] : choices) {
      if (entry->value.text == word) {
        out = value;
        return true;
      }
      wanted += wanted.empty() ? "" : ", ";
      wanted += word;
    }
    fault(*entry,
          fmt::format("got {}, wanted one of {}", rejected_value(entry->value.text), wanted));
    return false;
  }

 private:
  template <typename T, typename Parse>
  bool keep(const YamlEntry& entry, const YamlNode& node, T& out, Parse& parse) {
    auto value = parse(std::string_view(node.text));
    if (!value) {
      faults_.add(node.line, path(entry.key), value.error().text);
      return false;
    }
    out = std::move(*value);
    return true;
  }

  void wrong_kind(const YamlEntry& entry, const YamlNode& node, std::string_view wanted);

  Faults& faults_;
  const YamlNode& node_;
  std::string path_;
  int line_;
  bool blank_is_absent_ = false;
  bool hides_unknown_ = false;
  std::vector<std::string> known_;
};

}  // namespace smtpprobe
