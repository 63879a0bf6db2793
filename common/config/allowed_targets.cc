#include "common/config/allowed_targets.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <optional>

namespace smtpprobe {
namespace {

// An IPv4 address as its IPv4-mapped IPv6 one (RFC 4291 s2.5.5.2): two spellings become one value.
using Address = std::array<std::uint8_t, 16>;
constexpr int kAddressBits = 128;
constexpr int kMappedPrefixBits = 96;
constexpr Address kMappedPrefix = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

struct Network {
  Address address{};
  int bits = kAddressBits;
};

std::optional<Address> parse_address(std::string_view literal) {
  const std::string text(literal.substr(0, literal.find('%')));
  Address address{};
  if (inet_pton(AF_INET6, text.c_str(), address.data()) == 1) return address;
  address = kMappedPrefix;
  if (inet_pton(AF_INET, text.c_str(), &address[kMappedPrefixBits / 8]) == 1) return address;
  return std::nullopt;
}

bool is_mapped(const Address& address) {
  return std::equal(address.begin(), address.begin() + kMappedPrefixBits / 8,
                    kMappedPrefix.begin());
}

std::optional<Network> parse_network(std::string_view entry) {
  const std::size_t slash = entry.find('/');
  const std::optional<Address> address = parse_address(entry.substr(0, slash));
  if (!address) return std::nullopt;
  Network network{.address = *address};
  if (slash == std::string_view::npos) return network;
  const std::string_view digits = entry.substr(slash + 1);
  const auto [end, fault] =
      std::from_chars(digits.data(), digits.data() + digits.size(), network.bits);
  if (fault != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  if (entry.find(':') == std::string_view::npos) network.bits += kMappedPrefixBits;
  if (network.bits < 0 || network.bits > kAddressBits) return std::nullopt;
  return network;
}

bool contains(const Network& network, const Address& address) {
  // ::/0 is all of IPv6, not of IPv4: its mapped form is our way of writing, not the user's.
  if (network.bits < kMappedPrefixBits && is_mapped(address)) return false;
  const auto whole = static_cast<std::size_t>(network.bits / 8);
  for (std::size_t i = 0; i < whole; ++i) {
    if (network.address[i] != address[i]) return false;
  }
  const unsigned rest = static_cast<unsigned>(network.bits) % 8;
  if (rest == 0) return true;
  const unsigned differ = static_cast<unsigned>(network.address[whole] ^ address[whole]);
  return differ >> (8 - rest) == 0;
}

}  // namespace

bool is_allowed(const std::vector<std::string>& allowed, const Target& target) {
  if (allowed.empty()) return true;
  if (!target.unix_path.empty()) {
    return std::find(allowed.begin(), allowed.end(), "unix:" + target.unix_path) != allowed.end();
  }
  if (const std::optional<Address> address = parse_address(target.host)) {
    return std::any_of(allowed.begin(), allowed.end(), [&](std::string_view entry) {
      const std::optional<Network> network = parse_network(entry);
      return network && contains(*network, *address);
    });
  }
  const std::string name = normal_host(target.host);
  return !name.empty() &&
         std::any_of(allowed.begin(), allowed.end(), [&](const std::string& entry) {
           // A path or a network is no glob, whatever characters it has.
           if (entry.find_first_of(":/") != std::string::npos) return false;
           return glob_matches(normal_host(entry), name);
         });
}

// Only the last star can be wrong about what it took: whatever an earlier one could take, the last
// one can take too. So there is one place to go back to, and no recursion.
bool glob_matches(std::string_view glob, std::string_view text) {
  std::size_t g = 0;
  std::size_t t = 0;
  std::size_t star = std::string_view::npos;
  std::size_t taken_to = 0;  // where in `text` the last star's share ends
  while (t < text.size()) {
    if (g < glob.size() && glob[g] == '*') {
      star = g++;
      taken_to = t;
    } else if (g < glob.size() && (glob[g] == '?' || glob[g] == text[t])) {
      ++g;
      ++t;
    } else if (star != std::string_view::npos) {
      g = star + 1;
      t = ++taken_to;
    } else {
      return false;
    }
  }
  while (g < glob.size() && glob[g] == '*') ++g;
  return g == glob.size();
}

}  // namespace smtpprobe
