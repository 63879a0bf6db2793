#include "common/net/address_order.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>

#include "common/net/socket_address.h"

namespace smtpprobe {
namespace {

using Bytes = std::array<std::uint8_t, 16>;  // IPv4 as ::ffff:a.b.c.d

constexpr int kAnyPort = 25;  // connect(2) wants one
constexpr int kLinkLocal = 2;
constexpr int kSiteLocal = 5;
constexpr int kGlobal = 14;

Bytes bytes_of(const std::string& literal) {
  const auto address = SocketAddress::from_literal(literal, kAnyPort);
  if (!address) return {};
  const Bytes raw = address->ip_bytes();
  if (address->ip_version() != 4) return raw;
  Bytes mapped{};
  mapped[10] = mapped[11] = 0xff;
  std::copy_n(raw.begin(), 4, mapped.begin() + 12);
  return mapped;
}

int common_bits(const Bytes& a, const Bytes& b) {
  int bits = 0;
  while (bits < 128) {
    const auto at = static_cast<std::size_t>(bits / 8);
    const int mask = 0x80 >> (bits % 8);
    if (((a[at] ^ b[at]) & mask) != 0) break;
    ++bits;
  }
  return bits;
}

struct Policy {
  Bytes prefix;
  int bits;
  int precedence;
  int label;
};

// RFC 6724 section 2.1, the longest prefixes first.
constexpr std::array<Policy, 9> kPolicies{{
    {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, 128, 50, 0},
    {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}, 96, 35, 4},
    {{}, 96, 1, 3},
    {{0x20, 0x01}, 32, 5, 5},
    {{0x20, 0x02}, 16, 30, 2},
    {{0x3f, 0xfe}, 16, 1, 12},
    {{0xfe, 0xc0}, 10, 1, 11},
    {{0xfc}, 7, 3, 13},
    {{}, 0, 40, 1},
}};

const Policy& policy_of(const Bytes& address) {
  return *std::find_if(kPolicies.begin(), kPolicies.end(), [&address](const Policy& policy) {
    return common_bits(policy.prefix, address) >= policy.bits;
  });
}

bool is_ipv4(const Bytes& address) { return policy_of(address).label == 4; }

int scope_of(const Bytes& address) {
  if (is_ipv4(address)) {
    const bool link = address[12] == 127 || (address[12] == 169 && address[13] == 254);
    return link ? kLinkLocal : kGlobal;
  }
  if (address[0] == 0xff) return address[1] & 0x0f;
  if (policy_of(address).label == 0) return kLinkLocal;
  if (address[0] == 0xfe && (address[1] & 0xc0) == 0x80) return kLinkLocal;
  if (address[0] == 0xfe && (address[1] & 0xc0) == 0xc0) return kSiteLocal;
  return kGlobal;
}

// What the rules look at, in their order; the greater comes first.
std::array<int, 6> rank_of(const Destination& destination) {
  const Bytes address = bytes_of(destination.address);
  const Policy& policy = policy_of(address);
  const int scope = scope_of(address);
  if (!destination.source) return {0, 0, 0, policy.precedence, -scope, 0};
  const Bytes source = bytes_of(*destination.source);
  return {1,
          scope_of(source) == scope ? 1 : 0,
          policy_of(source).label == policy.label ? 1 : 0,
          policy.precedence,
          -scope,
          is_ipv4(address) ? 0 : common_bits(source, address)};
}

std::optional<std::string> source_for(const std::string& literal) {
  const auto peer = SocketAddress::from_literal(literal, kAnyPort);
  if (!peer) return std::nullopt;
  const int fd = ::socket(peer->family(), SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return std::nullopt;
  std::optional<std::string> source;
  if (::connect(fd, peer->native(), peer->length()) == 0)
    source = SocketAddress::local_end(fd).address();
  ::close(fd);
  return source;
}

}  // namespace

void order_destinations(std::vector<Destination>& destinations) {
  using Ranked = std::pair<std::array<int, 6>, Destination>;
  std::vector<Ranked> ranked;
  ranked.reserve(destinations.size());
  for (Destination& one : destinations) {
    const auto rank = rank_of(one);
    ranked.emplace_back(rank, std::move(one));
  }
  std::stable_sort(ranked.begin(), ranked.end(),
                   [](const Ranked& a, const Ranked& b) { return a.first > b.first; });
  for (std::size_t i = 0; i < ranked.size(); ++i) destinations[i] = std::move(ranked[i].second);
}

void order_addresses(std::vector<std::string>& addresses) {
  if (addresses.size() < 2) return;
  std::vector<Destination> destinations;
  destinations.reserve(addresses.size());
  for (std::string& address : addresses) {
    std::optional<std::string> source = source_for(address);
    destinations.push_back({std::move(address), std::move(source)});
  }
  order_destinations(destinations);
  for (std::size_t i = 0; i < addresses.size(); ++i)
    addresses[i] = std::move(destinations[i].address);
}

}  // namespace smtpprobe
