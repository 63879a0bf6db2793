// What an EHLO reply offers. The input is the lines of the reply behind the first.
#include <algorithm>

#include "common/smtp/extensions.h"
#include "common/smtp/sasl.h"
#include "tests/fuzz/fuzz.h"

namespace smtpprobe::fuzz {
namespace {

bool is_keyword(std::string_view text) {
  return !text.empty() && text.front() != '-' && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-';
  });
}

std::string lower(std::string text) {
  for (char& c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return text;
}

void check(std::string_view input) {
  Reply ehlo;
  ehlo.code = 250;
  ehlo.lines.emplace_back("STARTTLS");  // the greeting offers nothing
  for (std::string_view rest = input; !rest.empty();) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    ehlo.lines.emplace_back(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  const Extensions offered(ehlo);
  SMTPPROBE_HOLDS(offered.all().size() <= kMaxExtensions, input);
  SMTPPROBE_HOLDS(offered.all().size() < ehlo.lines.size(), input);
  for (const Extension& one : offered.all()) {
    SMTPPROBE_HOLDS(is_keyword(one.keyword), one.keyword);
    SMTPPROBE_HOLDS(one.parameter.size() <= kMaxExtensionParameterBytes, one.parameter);
    SMTPPROBE_HOLDS(offered.offers(one.keyword) && offered.offers(lower(one.keyword)), one.keyword);
    const auto alike =
        std::count_if(offered.all().begin(), offered.all().end(),
                      [&one](const Extension& other) { return other.keyword == one.keyword; });
    SMTPPROBE_HOLDS(alike == 1, one.keyword);
  }
  const std::vector<std::string> mechanisms = offered.auth_mechanisms();
  SMTPPROBE_HOLDS(mechanisms.empty() || offered.offers("AUTH"), input);
  for (const std::string& name : mechanisms) {
    SMTPPROBE_HOLDS(!name.empty() && name.find_first_of(" \t") == std::string::npos, name);
    SMTPPROBE_HOLDS(std::count(mechanisms.begin(), mechanisms.end(), name) == 1, name);
  }
  for (const bool password : {false, true}) {
    for (const bool token : {false, true}) {
      const std::optional<Mechanism> chosen = choose_mechanism(mechanisms, password, token);
      if (!chosen) continue;
      const auto name = mechanism_name(*chosen);
      SMTPPROBE_HOLDS(needs_token(*chosen) ? token : password, name);
      SMTPPROBE_HOLDS(std::find(mechanisms.begin(), mechanisms.end(), name) != mechanisms.end(),
                      name);
    }
  }
  SMTPPROBE_HOLDS(!offered.size_limit() || offered.offers("SIZE"), input);
}

}  // namespace
}  // namespace smtpprobe::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  smtpprobe::fuzz::check(smtpprobe::fuzz::bytes_of(data, size));
  return 0;
}
