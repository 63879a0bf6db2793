// What an EHLO or LHLO reply offers (RFC 5321 s4.1.1.1). Keywords are compared without case; the
// first line, which holds the host's greeting, offers nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/smtp/reply.h"

namespace smtpprobe {

inline constexpr std::size_t kMaxExtensions = 100;
inline constexpr std::size_t kMaxExtensionParameterBytes = 1024;

struct Extension {
  std::string keyword;    // upper case
  std::string parameter;  // the rest of the line, cut at kMaxExtensionParameterBytes; may be empty

  bool operator==(const Extension&) const = default;
};

class Extensions {
 public:
  Extensions() = default;
  // From the second line on; lines that are no keyword (RFC 5321 s4.1.1.1 "ehlo-keyword") are
  // skipped; the old "AUTH=LOGIN PLAIN" counts as AUTH. The same keyword twice is one, its
  // parameters joined.
  explicit Extensions(const Reply& ehlo);

  bool offers(std::string_view keyword) const;
  // The words behind AUTH, upper case; empty when AUTH is not offered.
  std::vector<std::string> auth_mechanisms() const;
  // The number behind SIZE (RFC 1870); nullopt when there is none. 0 means "no fixed limit".
  std::optional<std::uint64_t> size_limit() const;
  const std::vector<Extension>& all() const { return all_; }
  // Whether this is the answer to EHLO alone: some servers add a line or two, such as HELP, to the
  // answer to HELO.
  bool answers_ehlo() const;

  // What all() takes, roughly.
  std::size_t bytes() const;
  // Drops what is only shown: parameters but those of AUTH and SIZE, and keywords that are longer
  // than any of a server's that means them.
  void shorten();

  bool operator==(const Extensions&) const = default;

 private:
  std::vector<Extension> all_;
};

// The closed list of keywords that metrics report (upper case, sorted).
std::span<const std::string_view> known_extensions();

}  // namespace smtpprobe
