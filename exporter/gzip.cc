#include "exporter/gzip.h"

#include <strings.h>
#include <zlib.h>

#include <algorithm>
#include <cassert>

namespace smtpprobe {
namespace {

// Expositions are some KiB of lines that repeat each other: level 1 and a window of 8 KiB find
// nearly all there is to find.
constexpr int kLevel = 1;
constexpr int kWindowBits = 13;
constexpr int kMemLevel = 5;
constexpr int kGzipHeader = 16;  // zlib's way to ask for gzip, added to the window bits
// The formula of zconf.h, and what the state itself takes.
static_assert((1 << (kWindowBits + 2)) + (1 << (kMemLevel + 9)) + 8192 < 65536);

constexpr std::size_t kMaxTextBytes = std::size_t{1} << 30U;

std::string_view trim(std::string_view text) {
  constexpr std::string_view kBlanks = " \t";
  const std::size_t first = text.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

bool equal_without_case(std::string_view a, std::string_view b) {
  return a.size() == b.size() && strncasecmp(a.data(), b.data(), a.size()) == 0;
}

// Cuts the text up to `separator` off the front of `rest`.
std::string_view take(std::string_view& rest, char separator) {
  const std::size_t end = std::min(rest.find(separator), rest.size());
  const std::string_view front = rest.substr(0, end);
  rest.remove_prefix(std::min(end + 1, rest.size()));
  return trim(front);
}

// qvalue of RFC 9110 s12.4.2: "0" or "1", and up to three digits behind a dot.
bool is_positive_weight(std::string_view text) {
  if (text.empty() || text.size() > 5 || (text[0] != '0' && text[0] != '1')) return false;
  if (text.size() > 1 && text[1] != '.') return false;
  const std::string_view digits = text.substr(std::min<std::size_t>(2, text.size()));
  const bool zeros = digits.find_first_not_of('0') == std::string_view::npos;
  if (digits.find_first_not_of("0123456789") != std::string_view::npos) return false;
  return text[0] == '1' ? zeros : !zeros;
}

// The parameters of one coding; without a weight it is 1.
bool is_allowed(std::string_view parameters) {
  while (!parameters.empty()) {
    std::string_view value = take(parameters, ';');
    const std::string_view name = take(value, '=');
    if (equal_without_case(name, "q")) return is_positive_weight(trim(value));
  }
  return true;
}

}  // namespace

void Gzip::End::operator()(z_stream_s* stream) const {
  deflateEnd(stream);
  delete stream;
}

Gzip::Gzip() {
  auto stream = std::make_unique<z_stream>();
  if (deflateInit2(stream.get(), kLevel, Z_DEFLATED, kWindowBits + kGzipHeader, kMemLevel,
                   Z_DEFAULT_STRATEGY) == Z_OK) {
    stream_.reset(stream.release());
  }
}

std::string Gzip::compress(std::string_view text) {
  assert(text.size() <= kMaxTextBytes);
  std::string out;
  if (!stream_ || text.size() > kMaxTextBytes) return out;
  out.resize(deflateBound(stream_.get(), text.size()));
  // zlib only reads its input; without ZLIB_CONST its type does not say so.
  stream_->next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream_->avail_in = static_cast<uInt>(text.size());
  stream_->next_out = reinterpret_cast<Bytef*>(out.data());
  stream_->avail_out = static_cast<uInt>(out.size());
  const int ended = deflate(stream_.get(), Z_FINISH);
  out.resize(ended == Z_STREAM_END ? out.size() - stream_->avail_out : 0);
  deflateReset(stream_.get());
  return out;
}

bool accepts_gzip(std::string_view accept_encoding) {
  bool allowed = false;
  bool refused = false;
  bool any = false;
  while (!accept_encoding.empty()) {
    std::string_view element = take(accept_encoding, ',');
    const std::string_view coding = take(element, ';');
    if (equal_without_case(coding, "gzip") || equal_without_case(coding, "x-gzip")) {
      (is_allowed(element) ? allowed : refused) = true;
    } else if (coding == "*") {
      any = is_allowed(element);
    }
  }
  return !refused && (allowed || any);
}

}  // namespace smtpprobe
