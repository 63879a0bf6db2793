// A YAML text as a plain tree, with the line of every node. Everything that yaml-cpp can throw
// stays behind this header. Laws: aliases are copied out, within a bound; no key is there twice;
// depth is bounded.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/smtp/error.h"

namespace smtpprobe {

inline constexpr std::size_t kMaxConfigBytes = 1'048'576;
inline constexpr int kMaxYamlDepth = 16;  // mappings and lists inside each other
inline constexpr std::size_t kMaxYamlNodes =
    100'000;  // with every alias counted as what it stands for

struct YamlEntry;

struct YamlNode {
  enum class Kind : std::uint8_t { Null, Scalar, List, Map };

  Kind kind = Kind::Null;
  int line = 0;                    // counted from 1
  std::string text;                // of a Scalar, as it stands there
  std::vector<YamlNode> items;     // of a List
  std::vector<YamlEntry> entries;  // of a Map, in the order of the text
};

struct YamlEntry {
  std::string key;
  int line = 0;  // of the key
  YamlNode value;
};

// "a mapping": for messages
std::string_view kind_words(YamlNode::Kind kind);

// The documents in `text`. The error begins with "NAME:LINE: ".
Result<std::vector<YamlNode>> parse_yaml(std::string_view text, const std::string& name);

}  // namespace smtpprobe
