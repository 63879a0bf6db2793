#include "common/net/hosts_file.h"

#include <algorithm>
#include <array>
#include <cstddef>

#include "common/net/small_file.h"
#include "common/probe/target.h"

namespace smtpprobe {
namespace {

constexpr const char* kPath = "/etc/hosts";
constexpr std::size_t kMaxBytes = 16U << 20;  // lists of blocked names have some
constexpr std::size_t kMaxAddresses = 16;     // of a family
constexpr std::string_view kBlanks = " \t\r";

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool same_name(std::string_view left, std::string_view right) {
  return left.size() == right.size() &&
         std::equal(left.begin(), left.end(), right.begin(),
                    [](char a, char b) { return lower(a) == lower(b); });
}

bool has_name(std::string_view words, std::string_view name) {
  while (true) {
    const std::size_t begin = words.find_first_not_of(kBlanks);
    if (begin == std::string_view::npos) return false;
    words.remove_prefix(begin);
    std::string_view word = words.substr(0, words.find_first_of(kBlanks));
    words.remove_prefix(word.size());
    if (word.ends_with('.')) word.remove_suffix(1);
    if (same_name(word, name)) return true;
  }
}

bool is_ipv6(std::string_view address) { return address.find(':') != std::string_view::npos; }

bool allows(IpChoice choice, bool six) {
  return !(choice == IpChoice::Ipv4 && six) && !(choice == IpChoice::Ipv6 && !six);
}

}  // namespace

std::vector<std::string> hosts_addresses(std::string_view hosts, std::string_view name,
                                         IpChoice choice) {
  std::vector<std::string> addresses;
  std::array<std::size_t, 2> counts{};
  while (!hosts.empty()) {
    std::string_view line = hosts.substr(0, hosts.find('\n'));
    hosts.remove_prefix(std::min(line.size() + 1, hosts.size()));
    line = line.substr(0, line.find('#'));
    const std::size_t begin = line.find_first_not_of(kBlanks);
    if (begin == std::string_view::npos) continue;
    line.remove_prefix(begin);
    const std::string_view address = line.substr(0, line.find_first_of(kBlanks));
    const bool six = is_ipv6(address);
    if (!allows(choice, six) || counts[six ? 1 : 0] == kMaxAddresses) continue;
    if (!has_name(line.substr(address.size()), name) || !is_ip_literal(address)) continue;
    if (std::find(addresses.begin(), addresses.end(), address) != addresses.end()) continue;
    addresses.emplace_back(address);
    ++counts[six ? 1 : 0];
  }
  return addresses;
}

bool is_localhost(std::string_view name) {
  constexpr std::string_view kName = "localhost";
  if (name.size() < kName.size()) return false;
  const std::string_view end = name.substr(name.size() - kName.size());
  return same_name(end, kName) &&
         (end.size() == name.size() || name[name.size() - end.size() - 1] == '.');
}

std::vector<std::string> local_addresses(std::string_view name, IpChoice choice) {
  std::vector<std::string> addresses = hosts_addresses(small_file(kPath, kMaxBytes), name, choice);
  if (!addresses.empty() || !is_localhost(name)) return addresses;
  if (allows(choice, false)) addresses.emplace_back("127.0.0.1");
  if (allows(choice, true)) addresses.emplace_back("::1");
  return addresses;
}

}  // namespace smtpprobe
