// What the fuzz targets share: an input cut into chunks, and the check whose failure is a finding.
// Every target is one file, NAME_fuzz.cc, with LLVMFuzzerTestOneInput() in it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

namespace smtpprobe::fuzz {

// Stays in release builds, which replay the corpora without assert().
[[noreturn]] inline void report(const char* file, int line, const char* what,
                                std::string_view shown) {
  std::fprintf(stderr, "%s:%d: does not hold: %s\n%.*s\n", file, line, what,
               static_cast<int>(shown.size()), shown.data());
  std::abort();
}

#define SMTPPROBE_HOLDS(condition, shown) \
  ((condition) ? void() : smtpprobe::fuzz::report(__FILE__, __LINE__, #condition, shown))

// Checks that look at every byte: their branches tell the fuzzer nothing.
#if defined(__clang__)
#define SMTPPROBE_UNWATCHED __attribute__((no_sanitize("coverage", "address")))
#else
#define SMTPPROBE_UNWATCHED
#endif

inline std::string_view bytes_of(const std::uint8_t* data, std::size_t size) {
  const void* raw = data;
  return size == 0 ? std::string_view() : std::string_view(static_cast<const char*>(raw), size);
}

// Takes what stands in front of the next 0xff off `rest`. A separator, not lengths: what the fuzzer
// inserts or deletes in one chunk leaves the others what they were.
inline constexpr char kSeparator = '\xff';
inline std::string_view take_chunk(std::string_view& rest) {
  const std::size_t end = rest.find(kSeparator);
  const std::string_view chunk = rest.substr(0, end);
  rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  return chunk;
}

// Takes the first byte off `rest`; 0 when there is none.
inline unsigned take_byte(std::string_view& rest) {
  if (rest.empty()) return 0;
  const auto byte = static_cast<unsigned char>(rest.front());
  rest.remove_prefix(1);
  return byte;
}

SMTPPROBE_UNWATCHED inline bool is_control(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte < 0x20 || byte == 0x7f;
}

// No control byte but line feeds, where `lines` allows them.
SMTPPROBE_UNWATCHED inline bool is_plain(std::string_view text, bool lines) {
  const char* const end = text.data() + text.size();
  for (const char* c = text.data(); c != end; ++c) {
    if (is_control(*c) && !(lines && *c == '\n')) return false;
  }
  return true;
}

// Well-formed UTF-8 (Unicode's table 3-7) without C1 controls; the targets' own decoder, for the
// product's is what they test.
SMTPPROBE_UNWATCHED inline bool is_clean_utf8(std::string_view text) {
  const char* const data = text.data();
  const std::size_t all = text.size();
  for (std::size_t i = 0; i < all;) {
    const auto first = static_cast<unsigned char>(data[i]);
    const std::size_t size = first < 0x80                    ? 1
                             : first >= 0xc2 && first < 0xe0 ? 2
                             : first >= 0xe0 && first < 0xf0 ? 3
                             : first >= 0xf0 && first < 0xf5 ? 4
                                                             : 0;
    if (size == 0 || size > all - i) return false;
    for (std::size_t k = 1; k < size; ++k) {
      if ((static_cast<unsigned char>(data[i + k]) & 0xc0U) != 0x80) return false;
    }
    if (size > 1) {
      const auto second = static_cast<unsigned char>(data[i + 1]);
      if (first == 0xc2 && second < 0xa0) return false;  // C1
      if (first == 0xe0 && second < 0xa0) return false;
      if (first == 0xed && second > 0x9f) return false;
      if (first == 0xf0 && second < 0x90) return false;
      if (first == 0xf4 && second > 0x8f) return false;
    }
    i += size;
  }
  return true;
}

}  // namespace smtpprobe::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
