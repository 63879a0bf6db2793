// Every file of the corpora through its target, in builds without a fuzzer: "replay CORPUS-FOLDER".
// What a finding left behind holds in all presets then.
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "tests/fuzz/fuzz.h"

// TARGET(reply) TARGET(dialogue) ...: CMake lists the targets and renames the entry point of each.
#define TARGET(name) extern "C" int fuzz_##name(const std::uint8_t*, std::size_t);
#include "fuzz_targets.inc"
#undef TARGET

namespace {

struct NamedTarget {
  const char* name;
  int (*run)(const std::uint8_t*, std::size_t);
};
#define TARGET(name) {#name, &fuzz_##name},
constexpr NamedTarget kTargets[] = {
#include "fuzz_targets.inc"
};
#undef TARGET

std::string contents(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  for (const NamedTarget& target : kTargets) {
    std::size_t files = 0;
    for (const auto& entry :
         std::filesystem::directory_iterator(std::filesystem::path(argv[1]) / target.name)) {
      const std::string text = contents(entry.path());
      std::fprintf(stderr, "%s\n", entry.path().c_str());  // the last line names a finding
      const std::vector<std::uint8_t> bytes(text.begin(), text.end());
      target.run(bytes.data(), bytes.size());
      ++files;
    }
    std::printf("%s: %zu files\n", target.name, files);
    if (files == 0) return 1;
  }
  return 0;
}
