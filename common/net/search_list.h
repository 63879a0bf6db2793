// Which names to ask for, in which order, where resolv.conf has a search list: as glibc's
// res_nsearch() does (resolv.conf(5), `search` and `ndots`). Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace smtpprobe {

struct SearchCandidate {
  std::string name;    // without final dot
  bool as_is = false;  // the name as the user wrote it

  bool operator==(const SearchCandidate&) const = default;
};

// `domains` may have a leading or final dot; one without letters is the root, below which the name
// stands as it is. Exactly one candidate is `as_is`: first where the name has at least `ndots`
// dots, in the root's place where that is in the list, else last. A name with a final dot is
// absolute: the only candidate. What is no longer a domain name (over 253 characters) is left out.
std::vector<SearchCandidate> search_candidates(std::string_view name,
                                               const std::vector<std::string>& domains, int ndots);

}  // namespace smtpprobe
