// How: all runs of six bytes of the text whose hash one of the secrets has as well are sorted, and
// the runs of the secrets are looked up in them. The secrets' own runs are in no table: a session
// that waits holds nothing but the secrets.
#include "common/smtp/secret_mask.h"

#include <algorithm>
#include <cstdint>
#include <optional>

#include "common/smtp/base64.h"
#include "common/smtp/enhanced_status.h"

namespace smtpprobe {
namespace {

constexpr std::size_t kRun = SecretMask::kMaskedRun;
constexpr std::string_view kMask = "****";
constexpr std::uint64_t kRunBits = (std::uint64_t{1} << (8 * kRun)) - 1;

constexpr char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }
constexpr std::uint64_t byte_of(char c) { return static_cast<unsigned char>(c); }
constexpr bool is_line_end(char c) { return c == '\r' || c == '\n'; }
constexpr bool is_blank(char c) { return c == ' ' || c == '\t'; }
constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }

constexpr int hex_value(char c) {
  if (is_digit(c)) return c - '0';
  const char small = lower(c);
  return small >= 'a' && small <= 'f' ? small - 'a' + 10 : -1;
}

std::uint64_t lower_run(std::uint64_t run) {
  std::uint64_t result = 0;
  for (unsigned shift = 0; shift < 8 * kRun; shift += 8) {
    const char c = static_cast<char>((run >> shift) & 0xffU);
    result |= byte_of(lower(c)) << shift;
  }
  return result;
}

// Calls `use` with every run of `form`, which is in lower case.
template <typename Use>
void each_run(std::string_view form, Use use) {
  std::uint64_t run = 0;
  for (std::size_t i = 0; i < form.size(); ++i) {
    run = ((run << 8U) | byte_of(form[i])) & kRunBits;
    if (i + 1 >= kRun) use(run);
  }
}

// Which runs the secrets may have: one bit for each hash value.
class RunFilter {
 public:
  explicit RunFilter(const std::vector<std::string>& forms) {
    std::size_t runs = 0;
    for (const std::string& form : forms) runs += form.size();
    while ((std::size_t{1} << bits_) < 16 * runs) ++bits_;
    set_.resize(std::size_t{1} << bits_);
    for (const std::string& form : forms) {
      each_run(form, [this](std::uint64_t run) { set_[hash(run)] = true; });
    }
  }

  bool may_have(std::uint64_t run) const { return set_[hash(run)]; }

 private:
  std::size_t hash(std::uint64_t run) const { return (run * 0x9e3779b97f4a7c15U) >> (64 - bits_); }

  unsigned bits_ = 6;
  std::vector<bool> set_;
};

// What is read as one piece: some bytes of the text, and where they are in it.
struct Stream {
  std::string bytes;
  std::vector<std::uint32_t> at;

  void add(std::string_view text, std::size_t where) {
    bytes += text[where];
    at.push_back(static_cast<std::uint32_t>(where));
  }
};

// The code and the status in front of the text of a reply's line, and blanks.
std::size_t line_prefix(std::string_view line) {
  std::size_t size = 0;
  if (line.size() >= 4 && is_digit(line[0]) && is_digit(line[1]) && is_digit(line[2]) &&
      (line[3] == '-' || line[3] == ' '))
    size = 4;
  const std::string_view status = line.substr(size);
  if (leading_enhanced_status(status)) size += std::min(status.find_first_of(" \t"), status.size());
  while (size < line.size() && is_blank(line[size])) ++size;
  return size;
}

Stream without_line_ends(std::string_view text) {
  Stream stream;
  stream.bytes.reserve(text.size());
  stream.at.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (!is_line_end(text[i])) stream.add(text, i);
  }
  return stream;
}

// What servers write at the ends of folded lines is left out, too.
Stream without_folding(std::string_view text) {
  Stream stream;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find_first_of("\r\n", begin), text.size());
    std::size_t last = end;
    while (last > begin && is_blank(text[last - 1])) --last;
    std::size_t first = begin + line_prefix(text.substr(begin, end - begin));
    for (; first < last; ++first) stream.add(text, first);
    begin = end + 1;
  }
  return stream;
}

struct FoundRun {
  std::uint64_t run;
  std::uint32_t first;  // of Stream::at

  bool operator<(const FoundRun& other) const { return run < other.run; }
};

// Runs of the stream as it is.
void find_plain(const Stream& stream, const RunFilter& filter, std::vector<FoundRun>& found) {
  std::uint64_t run = 0;
  for (std::size_t i = 0; i < stream.bytes.size(); ++i) {
    run = ((run << 8U) | byte_of(lower(stream.bytes[i]))) & kRunBits;
    if (i + 1 >= kRun && filter.may_have(run))
      found.push_back({run, static_cast<std::uint32_t>(i + 1 - kRun)});
  }
}

// The hexadecimal digits of a stream. What is neither letter nor digit separates them ("41:42",
// "<41>", "%41"), any other letter is one '.'.
Stream hex_digits(const Stream& stream) {
  Stream digits;
  for (std::size_t i = 0; i < stream.bytes.size(); ++i) {
    const char c = lower(stream.bytes[i]);
    if (hex_value(c) >= 0) {
      digits.bytes += c;
      digits.at.push_back(stream.at[i]);
    } else if (c >= 'a' && c <= 'z' && !digits.bytes.ends_with('.')) {
      digits.bytes += '.';
      digits.at.push_back(stream.at[i]);
    }
  }
  return digits;
}

// Without what marks hexadecimal digits as such: "0x41", "\x41", "41h", "U+0041", "\u0041".
Stream without_hex_marks(const Stream& stream) {
  const std::string& bytes = stream.bytes;
  const auto at = [&bytes](std::size_t i) { return i < bytes.size() ? lower(bytes[i]) : '\0'; };
  Stream rest;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const bool zero_in_front = at(i) == '0' && at(i + 1) == 'x';
    if (zero_in_front || at(i) == 'x' || at(i) == 'h') {
      i += zero_in_front ? 1 : 0;
    } else if (at(i) == 'u') {
      // The zeros in front of a code point's last byte are no bytes.
      if (at(i + 1) == '+') ++i;
      while (at(i + 1) == '0' && at(i + 2) == '0') i += 2;
    } else {
      rest.bytes += bytes[i];
      rest.at.push_back(stream.at[i]);
    }
  }
  return rest;
}

void find_hex(const Stream& digits, const RunFilter& filter, std::vector<FoundRun>& found) {
  std::uint64_t run = 0;
  std::size_t length = 0;
  for (std::size_t i = 0; i < digits.bytes.size(); ++i) {
    const int value = hex_value(digits.bytes[i]);
    length = value < 0 ? 0 : length + 1;
    if (value < 0) continue;
    run = ((run << 4U) | static_cast<std::uint64_t>(value)) & kRunBits;
    if (length < 2 * kRun) continue;
    const std::uint64_t small = lower_run(run);
    if (filter.may_have(small))
      found.push_back({small, static_cast<std::uint32_t>(i + 1 - 2 * kRun)});
  }
}

// Marks what a run of `units` bytes of the stream takes in the text, separators included; not what
// lies between two lines.
void hit_run(std::string_view text, const Stream& stream, std::size_t first, std::size_t units,
             std::vector<bool>& hit) {
  for (std::size_t unit = first; unit < first + units; ++unit) {
    const std::size_t at = stream.at[unit];
    hit[at] = true;
    if (unit == first || stream.at[unit - 1] + 1 == at) continue;
    const std::size_t gap = stream.at[unit - 1] + 1;
    if (text.substr(gap, at - gap).find_first_of("\r\n") != std::string_view::npos) continue;
    for (std::size_t between = gap; between < at; ++between) hit[between] = true;
  }
}

// Marks the runs of `found` that `forms` have; each is `units` bytes of the stream.
void hit_runs(const std::vector<std::string>& forms, std::string_view text, const Stream& stream,
              std::size_t units, std::vector<FoundRun>& found, std::vector<bool>& hit) {
  if (found.empty()) return;
  std::sort(found.begin(), found.end());
  for (const std::string& form : forms) {
    each_run(form, [&](std::uint64_t run) {
      auto match = std::lower_bound(found.begin(), found.end(), FoundRun{run, 0});
      for (; match != found.end() && match->run == run; ++match) {
        // The same run again, of this form or another: all of it is done.
        if (match->first == UINT32_MAX) return;
        hit_run(text, stream, match->first, units, hit);
        match->first = UINT32_MAX;
      }
    });
  }
}

// With "%41", "=41" and "\\x41" as the bytes they stand for: URLs and quoted-printable text encode
// some characters and leave others.
Stream with_decoded_bytes(const Stream& stream) {
  const std::string& bytes = stream.bytes;
  Stream decoded;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const bool escape = bytes[i] == '\\' && i + 1 < bytes.size() && lower(bytes[i + 1]) == 'x';
    const std::size_t first = escape ? i + 2 : i + 1;
    const bool marked = escape || bytes[i] == '%' || bytes[i] == '=';
    const int high = marked && first + 1 < bytes.size() ? hex_value(bytes[first]) : -1;
    const int low = high >= 0 ? hex_value(bytes[first + 1]) : -1;
    decoded.bytes += low >= 0 ? static_cast<char>(high * 16 + low) : bytes[i];
    decoded.at.push_back(stream.at[i]);
    if (low >= 0) i = first + 1;
  }
  return decoded;
}

void hit_stream(const std::vector<std::string>& forms, const RunFilter& filter,
                std::string_view text, const Stream& stream, std::vector<bool>& hit) {
  std::vector<FoundRun> found;
  find_plain(stream, filter, found);
  hit_runs(forms, text, stream, kRun, found, hit);
  if (stream.bytes.find_first_of("%=\\") != std::string::npos) {
    const Stream decoded = with_decoded_bytes(stream);
    found.clear();
    find_plain(decoded, filter, found);
    hit_runs(forms, text, decoded, kRun, found, hit);
  }
  const auto is_hex = [](char c) { return hex_value(c) >= 0; };
  const auto count = std::count_if(stream.bytes.begin(), stream.bytes.end(), is_hex);
  if (static_cast<std::size_t>(count) < 2 * kRun) return;
  const auto hit_digits = [&](const Stream& digits) {
    found.clear();
    find_hex(digits, filter, found);
    hit_runs(forms, text, digits, 2 * kRun, found, hit);
  };
  hit_digits(hex_digits(stream));
  if (stream.bytes.find_first_of("xXuUhH") == std::string::npos) return;
  hit_digits(hex_digits(without_hex_marks(stream)));
}

// `text` with kMask where `hit` says so.
std::string with_mask(std::string_view text, const std::vector<bool>& hit, std::size_t offset) {
  std::string shown;
  shown.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (!hit[offset + i]) {
      shown += text[i];
    } else if (i == 0 || !hit[offset + i - 1]) {
      shown += kMask;
    }
  }
  return shown;
}

std::string joined(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) {
    if (&line != lines.data()) text += '\n';
    text += line;
  }
  return text;
}

// `hit` is of the joined lines.
void mask_each(std::vector<std::string>& lines, const std::vector<bool>& hit) {
  std::size_t offset = 0;
  for (std::string& line : lines) {
    const std::size_t size = line.size();
    line = with_mask(line, hit, offset);
    offset += size + 1;
  }
}

// The base64 of `secret` where `before` bytes stand in front of it in the same text: only the
// characters that all such texts have.
std::string inner_base64(std::string_view secret, std::size_t before) {
  std::string text = base64_encode(std::string(before, ' ') + std::string(secret));
  text.erase(0, before == 0 ? 0 : before + 1);
  while (text.ends_with('=')) text.pop_back();
  if ((before + secret.size()) % 3 != 0 && !text.empty()) text.pop_back();
  return text;
}

}  // namespace

SecretMask::Secrets& SecretMask::secrets() {
  if (!secrets_) secrets_ = std::make_unique<Secrets>();
  return *secrets_;
}

void SecretMask::add_secret(std::string_view secret) {
  if (secret.size() < kShortestSecret) return;
  secrets().whole.emplace_back(secret);
  secrets().forms.clear();
}

void SecretMask::add_sent(std::string_view encoded) {
  if (encoded.size() < kShortestSecret) return;
  secrets().sent.emplace_back(encoded);
  secrets().forms.clear();
}

const std::vector<std::string>& SecretMask::forms() const {
  std::vector<std::string>& forms = secrets_->forms;
  if (!forms.empty()) return forms;
  const auto add = [&forms](std::string form) {
    if (form.size() < kRun) return;
    std::transform(form.begin(), form.end(), form.begin(), lower);
    forms.push_back(std::move(form));
  };
  for (const std::string& secret : secrets_->whole) {
    add(secret);
    add(base64_encode(secret));
    for (std::size_t before = 1; before < 3; ++before) add(inner_base64(secret, before));
  }
  for (const std::string& encoded : secrets_->sent) add(encoded);
  if (forms.empty()) forms.emplace_back();  // made, and none is long enough
  return forms;
}

void SecretMask::hit_whole_secrets(std::string_view text, std::vector<bool>& hit) const {
  std::optional<Stream> stream;
  for (const auto* all : {&secrets_->whole, &secrets_->sent}) {
    for (const std::string_view secret : *all) {
      if (secret.size() >= kRun) continue;
      if (!stream) stream = without_line_ends(text);
      for (const std::string& form : {std::string(secret), base64_encode(secret)}) {
        if (form.size() >= kRun) continue;
        std::size_t at = stream->bytes.find(form);
        for (; at != std::string::npos; at = stream->bytes.find(form, at + 1))
          hit_run(text, *stream, at, form.size(), hit);
      }
    }
  }
}

std::vector<bool> SecretMask::hits(std::string_view text) const {
  std::vector<bool> hit(text.size());
  if (text.size() < kShortestSecret) return hit;
  const RunFilter filter(forms());
  hit_stream(forms(), filter, text, without_line_ends(text), hit);
  if (text.find_first_of("\r\n") != std::string_view::npos)
    hit_stream(forms(), filter, text, without_folding(text), hit);
  hit_whole_secrets(text, hit);
  return hit;
}

std::string SecretMask::masked(std::string text) const {
  if (empty() || text.empty()) return text;
  return with_mask(text, hits(text), 0);
}

// How many bytes at the end of `text` begin a secret; longer beginnings are runs of their own.
std::size_t SecretMask::unfinished_secret(std::string_view text) const {
  std::size_t longest = 0;
  const auto look_for = [&](std::string_view form) {
    for (std::size_t size = kShortestSecret; size < std::min(kRun, form.size()); ++size) {
      if (text.ends_with(form.substr(0, size))) longest = std::max(longest, size);
    }
  };
  for (const std::string& secret : secrets_->whole) {
    look_for(secret);
    look_for(base64_encode(secret));
  }
  for (const std::string& encoded : secrets_->sent) look_for(encoded);
  return longest;
}

std::vector<bool> SecretMask::hits_of_unfinished(std::string_view text) const {
  std::vector<bool> hit = hits(text);
  std::fill(hit.end() - static_cast<std::ptrdiff_t>(unfinished_secret(text)), hit.end(), true);
  return hit;
}

std::string SecretMask::masked_unfinished(std::string text) const {
  if (empty() || text.empty()) return text;
  return with_mask(text, hits_of_unfinished(text), 0);
}

void SecretMask::mask_lines(std::vector<std::string>& lines) const {
  if (empty()) return;
  const std::string text = joined(lines);
  mask_each(lines, hits(text));
}

void SecretMask::mask_unfinished_lines(std::vector<std::string>& lines) const {
  if (empty()) return;
  const std::string text = joined(lines);
  mask_each(lines, hits_of_unfinished(text));
}

}  // namespace smtpprobe
