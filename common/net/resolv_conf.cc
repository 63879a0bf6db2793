#include "common/net/resolv_conf.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>
#include <optional>
#include <tuple>

#include "common/net/small_file.h"

namespace smtpprobe {
namespace {

constexpr auto kLook = std::chrono::seconds(1);
constexpr std::size_t kMaxBytes = 65'536;
constexpr std::size_t kMaxDomains = 32;
constexpr std::string_view kBlanks = " \t\r";

auto facts_of(const struct stat& file) {
  return std::make_tuple(file.st_dev, file.st_ino, file.st_size, file.st_mtim.tv_sec,
                         file.st_mtim.tv_nsec);
}

// The next word, taken from `text`; empty at its end.
std::string_view take_word(std::string_view& text) {
  const std::size_t begin = std::min(text.find_first_not_of(kBlanks), text.size());
  text.remove_prefix(begin);
  const std::string_view word = text.substr(0, text.find_first_of(kBlanks));
  text.remove_prefix(word.size());
  return word;
}

std::vector<std::string> domains_of(std::string_view words, std::size_t most) {
  std::vector<std::string> domains;
  for (std::string_view word = take_word(words); !word.empty() && domains.size() < most;
       word = take_word(words)) {
    domains.emplace_back(word);
  }
  return domains;
}

// "timeout:3" with its key: 3, at most `limit`.
std::optional<int> number_after(std::string_view word, std::string_view key, int limit) {
  if (!word.starts_with(key)) return std::nullopt;
  word.remove_prefix(key.size());
  int number = 0;
  const auto [end, fault] = std::from_chars(word.data(), word.data() + word.size(), number);
  if (fault == std::errc::result_out_of_range && !word.starts_with('-')) return limit;
  if (fault != std::errc() || number < 0) return std::nullopt;
  return std::min(number, limit);
}

void read_options(std::string_view words, ResolvConf& conf) {
  constexpr int kMaxNdots = 15;
  constexpr int kMaxTimeout = 30;
  constexpr int kMaxAttempts = 5;
  for (std::string_view word = take_word(words); !word.empty(); word = take_word(words)) {
    if (const auto ndots = number_after(word, "ndots:", kMaxNdots)) {
      conf.ndots = *ndots;
    } else if (const auto timeout = number_after(word, "timeout:", kMaxTimeout)) {
      conf.timeout = std::chrono::seconds(std::max(*timeout, 1));
    } else if (const auto attempts = number_after(word, "attempts:", kMaxAttempts)) {
      conf.attempts = std::max(*attempts, 1);
    } else if (word == "rotate") {
      conf.rotate = true;
    } else if (word == "use-vc") {
      conf.use_vc = true;
    } else if (word == "edns0") {
      conf.edns0 = true;
    }
  }
}

void read_line(std::string_view line, ResolvConf& conf) {
  if (line.starts_with('#') || line.starts_with(';')) return;
  const std::string_view key = take_word(line);
  if (key == "search" || key == "domain") {
    // The last line of either kind counts.
    std::vector<std::string> domains = domains_of(line, key == "domain" ? 1 : kMaxDomains);
    if (!domains.empty()) conf.domains = std::move(domains);
  } else if (key == "options") {
    read_options(line, conf);
  }
}

std::string environment_text(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string() : std::string(value);
}

}  // namespace

ResolverEnvironment resolver_environment() {
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0) name[0] = '\0';
  return {environment_text("LOCALDOMAIN"), environment_text("RES_OPTIONS"), name.data()};
}

ResolvConf parse_resolv_conf(std::string_view text, const ResolverEnvironment& environment) {
  ResolvConf conf;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    read_line(line, conf);
  }
  if (std::vector<std::string> domains = domains_of(environment.localdomain, kMaxDomains);
      !domains.empty()) {
    conf.domains = std::move(domains);
  } else if (conf.domains.empty()) {
    const std::size_t dot = environment.host_name.find('.');
    if (dot != std::string::npos && dot + 1 < environment.host_name.size())
      conf.domains.push_back(environment.host_name.substr(dot + 1));
  }
  read_options(environment.res_options, conf);
  return conf;
}

bool ResolvConfFile::has_changed(Instant now) {
  if (!was_read_) return true;
  if (now - looked_ < kLook) return false;
  looked_ = now;
  struct stat present {};
  return ::stat(path_.c_str(), &present) == 0 && facts_of(present) != facts_of(read_);
}

ResolvConf ResolvConfFile::read(Instant now) {
  was_read_ = true;
  looked_ = now;
  struct stat present {};
  if (::stat(path_.c_str(), &present) == 0) read_ = present;
  return parse_resolv_conf(small_file(path_, kMaxBytes), resolver_environment());
}

}  // namespace smtpprobe
