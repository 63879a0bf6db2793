#include "common/config/section.h"

#include <algorithm>

namespace smtpprobe {

void Faults::add(int line, std::string_view path, std::string_view what) {
  ++count_;
  if (!text_.empty() && line_ <= line) return;
  line_ = line;
  text_ = path.empty() ? fmt::format("{}:{}: {}", file_, line, what)
                       : fmt::format("{}:{}: {}: {}", file_, line, path, what);
}

Section::Section(Faults& faults, const YamlNode& node, std::string path, int line)
    : faults_(faults), node_(node), path_(std::move(path)), line_(line) {
  if (node.kind != YamlNode::Kind::Map)
    faults_.add(line, path_, fmt::format("got {}, wanted a mapping", kind_words(node.kind)));
}

std::string Section::path(std::string_view key) const {
  constexpr std::size_t kKeyBytes = 80;
  const std::string shown = printable(key, kKeyBytes);
  return path_.empty() ? shown : path_ + "." + shown;
}

const YamlEntry* Section::find(std::string_view key) {
  if (std::find(known_.begin(), known_.end(), key) == known_.end()) known_.emplace_back(key);
  for (const YamlEntry& entry : node_.entries) {
    if (entry.key == key) return &entry;
  }
  return nullptr;
}

void Section::finish() {
  std::string known;
  for (const std::string& key : known_) known += (known.empty() ? "" : ", ") + key;
  for (const YamlEntry& entry : node_.entries) {
    if (std::find(known_.begin(), known_.end(), entry.key) != known_.end()) continue;
    faults_.add(entry.line, path(entry.key), "unknown key; known here: " + known);
  }
}

void Section::fault(const YamlEntry& entry, std::string_view what) {
  const bool here = entry.value.kind == YamlNode::Kind::Scalar;
  faults_.add(here ? entry.value.line : entry.line, path(entry.key), what);
}

void Section::wrong_kind(const YamlEntry& entry, const YamlNode& node, std::string_view wanted) {
  const bool own = &node == &entry.value;
  faults_.add(own ? entry.line : node.line, path(entry.key),
              fmt::format("got {}, wanted {}", kind_words(node.kind), wanted));
}

const YamlEntry* Section::scalar(std::string_view key) {
  const YamlEntry* entry = find(key);
  if (!entry || entry->value.kind == YamlNode::Kind::Scalar) return entry;
  wrong_kind(*entry, entry->value, "a single value");
  return nullptr;
}

const YamlEntry* Section::map(std::string_view key) {
  const YamlEntry* entry = find(key);
  if (!entry || entry->value.kind == YamlNode::Kind::Map) return entry;
  wrong_kind(*entry, entry->value, "a mapping");
  return nullptr;
}

}  // namespace smtpprobe
