// The names that a search list makes of one, as glibc has it.
#include "common/net/search_list.h"

#include <gtest/gtest.h>

namespace smtpprobe {
namespace {

struct Row {
  const char* name;
  std::vector<std::string> domains;
  int ndots;
  std::vector<std::string> wanted;  // "=" stands before the name as it is
};

const Row kRows[] = {
    {"mx", {}, 1, {"=mx"}},
    {"mx", {"a.test"}, 1, {"mx.a.test", "=mx"}},
    {"mx", {"a.test", "b.test"}, 1, {"mx.a.test", "mx.b.test", "=mx"}},
    {"mx", {"a.test"}, 0, {"=mx", "mx.a.test"}},
    {"mx.c", {"a.test"}, 1, {"=mx.c", "mx.c.a.test"}},
    {"mx.c", {"a.test"}, 2, {"mx.c.a.test", "=mx.c"}},
    {"mx.example.net", {"a.test"}, 5, {"mx.example.net.a.test", "=mx.example.net"}},
    {"1.2.3.4.5.mx", {"a.test"}, 5, {"=1.2.3.4.5.mx", "1.2.3.4.5.mx.a.test"}},
    {"mx", {"."}, 1, {"=mx"}},
    {"mx", {"."}, 0, {"=mx"}},
    {"mx", {".", "a.test"}, 1, {"=mx", "mx.a.test"}},
    {"mx", {"a.test", ".", "b.test"}, 1, {"mx.a.test", "=mx", "mx.b.test"}},
    {"mx", {".a.test", "b.test."}, 1, {"mx.a.test", "mx.b.test", "=mx"}},
    {"mx", {"a.test", "a.test."}, 1, {"mx.a.test", "=mx"}},
    {"mx.", {"a.test"}, 1, {"=mx"}},
    {"mx.c.", {"a.test"}, 5, {"=mx.c"}},
    {"mx", {std::string(250, 'a')}, 1, {"mx." + std::string(250, 'a'), "=mx"}},
    {"mx", {std::string(251, 'a')}, 1, {"=mx"}},
};

TEST(SearchList, AsGlibcHasIt) {
  for (const Row& row : kRows) {
    std::vector<std::string> got;
    for (const SearchCandidate& one : search_candidates(row.name, row.domains, row.ndots))
      got.push_back((one.as_is ? "=" : "") + one.name);
    EXPECT_EQ(got, row.wanted) << row.name << " ndots:" << row.ndots;
  }
}

}  // namespace
}  // namespace smtpprobe
