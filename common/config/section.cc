#include "common/config/section.h"

#include <algorithm>

#include "common/smtp/quoted_value.h"

namespace smtpprobe {
void Faults::add(int line, std::string_view path, std::string_view what) {
  ++count_;
  const auto place = std::upper_bound(told_.begin(), told_.end(), line,
                                      [](int one, const Fault& other) { return one < other.line; });
  told_.insert(place, {line, path.empty() ? fmt::format("{}:{}: {}", file_, line, what)
                                          : fmt::format("{}:{}: {}: {}", file_, line, path, what)});
  if (told_.size() > kMaxFaultsTold) told_.pop_back();
}

Error Faults::all() const {
  Error all;
  for (const Fault& fault : told_) {
    if (all.text.empty())
      all.text = fault.text;
    else
      all.others.push_back(fault.text);
  }
  if (count_ > told_.size())
    all.others.push_back(fmt::format("{}: {} more", file_, count_ - told_.size()));
  return all;
}

Section::Section(Faults& faults, const YamlNode& node, std::string path, int line)
    : faults_(faults), node_(node), path_(std::move(path)), line_(line) {
  if (node.kind != YamlNode::Kind::Map)
    faults_.add(line, path_, fmt::format("got {}, wanted a mapping", kind_words(node.kind)));
}

std::string Section::path(std::string_view key) const {
  const std::string shown = shown_key(key);
  return path_.empty() ? shown : path_ + "." + shown;
}

const YamlEntry* Section::find(std::string_view key) {
  if (std::find(known_.begin(), known_.end(), key) == known_.end()) known_.emplace_back(key);
  for (const YamlEntry& entry : node_.entries) {
    if (entry.key != key) continue;
    const bool blank = entry.value.kind == YamlNode::Kind::Null;
    return blank && blank_is_absent_ ? nullptr : &entry;
  }
  return nullptr;
}

void Section::finish() {
  std::string known;
  for (const std::string& key : known_) known += (known.empty() ? "" : ", ") + key;
  for (const YamlEntry& entry : node_.entries) {
    if (std::find(known_.begin(), known_.end(), entry.key) != known_.end()) continue;
    const auto meant = std::find_if(known_.begin(), known_.end(), [&entry](const std::string& one) {
      return is_one_slip(entry.key, one);
    });
    // A line of a secret is a key, too, where its quotes are missing.
    const std::vector<std::string_view> known_words(known_.begin(), known_.end());
    const bool hidden = hides_unknown_ && !is_like_one_of(entry.key, known_words);
    faults_.add(entry.line, hidden ? path_ : path(entry.key),
                fmt::format("{}; {}known here: {}",
                            hidden ? "unknown key, " + described_value(entry.key) : "unknown key",
                            meant == known_.end() ? "" : "did you mean " + *meant + "? ", known));
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
