#include "common/config/yaml_tree.h"

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <cstddef>
#include <exception>
#include <map>
#include <optional>
#include <sstream>
#include <utility>

#include "common/config/config_values.h"
#include "common/probe/printable.h"
#include "common/smtp/quoted_value.h"

namespace smtpprobe {
namespace {

constexpr std::size_t kShownBytes = 80;
constexpr std::string_view kTab = "; the line is indented with a tab, wanted blanks";

int line_of(const YAML::Mark& mark) { return mark.is_null() ? 1 : mark.line + 1; }

std::ptrdiff_t line_at(std::string_view text, std::size_t offset) {
  return 1 + std::ranges::count(text.substr(0, offset), '\n');
}

bool is_indented_with_tab(std::string_view text, int line) {
  for (int i = 1; i < line; ++i) {
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos) return false;
    text.remove_prefix(end + 1);
  }
  const std::size_t words = text.find_first_not_of(" \t");
  return text.substr(0, words).find('\t') != std::string_view::npos;
}

// A tag that changes nothing: none at all, or one of the core schema on what is read as text
// anyway.
bool is_plain_tag(std::string_view tag) {
  if (tag.empty() || tag == "?" || tag == "!") return true;
  constexpr std::string_view kCore = "tag:yaml.org,2002:";
  if (!tag.starts_with(kCore)) return false;
  const std::string_view name = tag.substr(kCore.size());
  return name == "str" || name == "int" || name == "float" || name == "bool" || name == "null" ||
         name == "seq" || name == "map";
}

// Where a document begins; what is in it does not matter.
class Beginning final : public YAML::EventHandler {
 public:
  void OnDocumentStart(const YAML::Mark& mark) override { mark_ = mark; }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark&, YAML::anchor_t) override {}
  void OnAlias(const YAML::Mark&, YAML::anchor_t) override {}
  void OnScalar(const YAML::Mark&, const std::string&, YAML::anchor_t,
                const std::string&) override {}
  void OnSequenceStart(const YAML::Mark&, const std::string&, YAML::anchor_t,
                       YAML::EmitterStyle::value) override {}
  void OnSequenceEnd() override {}
  void OnMapStart(const YAML::Mark&, const std::string&, YAML::anchor_t,
                  YAML::EmitterStyle::value) override {}
  void OnMapEnd() override {}

  const YAML::Mark& mark() const { return mark_; }

 private:
  YAML::Mark mark_ = YAML::Mark::null_mark();
};

// The line where yaml-cpp would see one empty document after the other, for ever, because of a ','
// outside of all brackets ("{a: b},"); nullopt when there is none.
std::optional<int> line_of_stray_comma(const std::string& text) {
  std::istringstream stream(text);
  YAML::Parser parser(stream);
  Beginning now;
  int last = -1;
  while (parser.HandleNextDocument(now)) {
    if (now.mark().pos == last) return line_of(now.mark());
    last = now.mark().pos;
  }
  return std::nullopt;
}

class Copier {
 public:
  explicit Copier(const std::string& name) : name_(name) {}

  bool copy(const YAML::Node& from, int depth, YamlNode& to) {
    to.line = line_of(from.Mark());
    if (++nodes_ > kMaxYamlNodes)
      return fail(to.line, fmt::format("over {} values, aliases counted in full", kMaxYamlNodes));
    if (!is_plain_tag(from.Tag()))
      return fail(to.line, "unknown tag; a value that begins with '!' needs quotes");
    if (from.IsScalar()) {
      to.kind = YamlNode::Kind::Scalar;
      to.text = from.Scalar();
      return true;
    }
    if (!from.IsSequence() && !from.IsMap()) return true;
    if (depth == kMaxYamlDepth)
      return fail(to.line, fmt::format("nested over {} deep", kMaxYamlDepth));
    return from.IsSequence() ? copy_list(from, depth + 1, to) : copy_map(from, depth + 1, to);
  }

  Error take_fault() { return std::move(fault_); }

 private:
  bool copy_list(const YAML::Node& from, int depth, YamlNode& to) {
    to.kind = YamlNode::Kind::List;
    for (const auto& item : from) {
      if (!copy(item, depth, to.items.emplace_back())) return false;
    }
    return true;
  }

  bool copy_map(const YAML::Node& from, int depth, YamlNode& to) {
    to.kind = YamlNode::Kind::Map;
    std::map<std::string_view, int> seen;
    for (const auto& pair : from) {
      const int line = line_of(pair.first.Mark());
      if (!pair.first.IsScalar()) return fail(line, "a key that is no single word");
      const std::string& key = pair.first.Scalar();
      const auto [earlier, is_new] = seen.emplace(key, line);
      if (!is_new)
        return fail(line, fmt::format("{}{}: key given twice, first in line {}", path_,
                                      near_secrets() ? described_value(key) : shown_key(key),
                                      earlier->second));
      YamlEntry& entry = to.entries.emplace_back();
      entry.key = key;
      entry.line = line;
      const std::size_t outer = path_.size();
      path_ += shown_key(key) + ".";
      if (!copy(pair.second, depth, entry.value)) return false;
      path_.resize(outer);
    }
    return true;
  }

  bool near_secrets() const {
    return path_.ends_with("auth.") || path_.ends_with("basic_auth_users.");
  }

  bool fail(int line, std::string_view what) {
    fault_.text = fmt::format("{}:{}: {}", name_, line, what);
    return false;
  }

  const std::string& name_;
  std::string path_;  // of the mapping being copied, with a dot at its end
  std::size_t nodes_ = 0;
  Error fault_;
};

}  // namespace

std::string_view kind_words(YamlNode::Kind kind) {
  switch (kind) {
    case YamlNode::Kind::Null:
      return "nothing";
    case YamlNode::Kind::Scalar:
      return "a single value";
    case YamlNode::Kind::List:
      return "a list";
    case YamlNode::Kind::Map:
      return "a mapping";
  }
  return {};
}

Result<std::vector<YamlNode>> parse_yaml(std::string_view text, const std::string& name) {
  if (text.size() > kMaxConfigBytes)
    return error(fmt::format("{}:1: over {} bytes", name, kMaxConfigBytes));
  if (text.find('\0') != std::string_view::npos)
    return error(fmt::format("{}:1: a NUL byte; wanted YAML in UTF-8", name));
  // yaml-cpp lets such bytes through, and /config could not show the value as it is.
  if (const std::size_t valid = valid_utf8_bytes(text); valid < text.size())
    return error(fmt::format("{}:{}: a byte that is no UTF-8: \"{}\"", name, line_at(text, valid),
                             printable(text.substr(valid, 1), kShownBytes)));
  try {
    const std::string whole(text);
    if (const std::optional<int> line = line_of_stray_comma(whole))
      return error(fmt::format("{}:{}: no YAML: unexpected ','", name, *line));
    std::vector<YamlNode> documents;
    Copier copier(name);
    for (const YAML::Node& document : YAML::LoadAll(whole)) {
      if (!copier.copy(document, 0, documents.emplace_back()))
        return Unexpected(copier.take_fault());
    }
    return documents;
  } catch (const YAML::Exception& fault) {
    const int line = line_of(fault.mark);
    // What follows a colon is the user's text: "the referenced anchor is not defined: secret".
    const std::string_view what = std::string_view(fault.msg).substr(0, fault.msg.find(':'));
    return error(fmt::format("{}:{}: no YAML: {}{}", name, line, printable(what, kShownBytes),
                             is_indented_with_tab(text, line) ? kTab : std::string_view()));
  } catch (const std::exception& fault) {
    return error(fmt::format("{}:1: {}", name, printable(fault.what(), kShownBytes)));
  }
}

}  // namespace smtpprobe
