#include "common/net/search_list.h"

#include <algorithm>
#include <cstddef>

namespace smtpprobe {
namespace {

constexpr std::size_t kMaxName = 253;

std::string_view without_outer_dots(std::string_view domain) {
  if (domain.starts_with('.')) domain.remove_prefix(1);
  if (domain.ends_with('.')) domain.remove_suffix(1);
  return domain;
}

}  // namespace

std::vector<SearchCandidate> search_candidates(std::string_view name,
                                               const std::vector<std::string>& domains, int ndots) {
  const bool absolute = name.ends_with('.');
  if (absolute) name.remove_suffix(1);
  const SearchCandidate as_is{std::string(name), true};
  if (absolute) return {as_is};
  std::vector<SearchCandidate> candidates;
  bool placed = std::count(name.begin(), name.end(), '.') >= ndots;
  if (placed) candidates.push_back(as_is);
  for (const std::string& domain : domains) {
    const std::string_view suffix = without_outer_dots(domain);
    if (suffix.empty()) {
      if (!placed) candidates.push_back(as_is);
      placed = true;
      continue;
    }
    if (name.size() + 1 + suffix.size() > kMaxName) continue;
    SearchCandidate candidate{as_is.name + '.' + std::string(suffix), false};
    const bool known =
        std::find(candidates.begin(), candidates.end(), candidate) != candidates.end();
    if (!known) candidates.push_back(std::move(candidate));
  }
  if (!placed) candidates.push_back(as_is);
  return candidates;
}

}  // namespace smtpprobe
