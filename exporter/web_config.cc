#include "exporter/web_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>

#include "common/config/config_values.h"
#include "common/config/section.h"
#include "common/config/yaml_tree.h"
#include "common/probe/printable.h"

namespace smtpprobe {
namespace {

constexpr std::size_t kShownPathBytes = 200;

Unexpected refuse(std::string_view text, std::string_view wanted) {
  return error(fmt::format("got {}, wanted {}", rejected_value(text), wanted));
}

struct Named {
  std::string_view word;     // of the file: Go's name
  std::string_view openssl;  // of OpenSSL
};

// What Go's tls.CipherSuites() has, and the four with RSA key exchange that it had before 1.22.
constexpr std::array kCiphers = {
    Named{"TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "ECDHE-ECDSA-AES128-GCM-SHA256"},
    Named{"TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "ECDHE-RSA-AES128-GCM-SHA256"},
    Named{"TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", "ECDHE-ECDSA-AES256-GCM-SHA384"},
    Named{"TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", "ECDHE-RSA-AES256-GCM-SHA384"},
    Named{"TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305"},
    Named{"TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", "ECDHE-RSA-CHACHA20-POLY1305"},
    Named{"TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA", "ECDHE-ECDSA-AES128-SHA"},
    Named{"TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA", "ECDHE-RSA-AES128-SHA"},
    Named{"TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA", "ECDHE-ECDSA-AES256-SHA"},
    Named{"TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA", "ECDHE-RSA-AES256-SHA"},
    Named{"TLS_RSA_WITH_AES_128_GCM_SHA256", "AES128-GCM-SHA256"},
    Named{"TLS_RSA_WITH_AES_256_GCM_SHA384", "AES256-GCM-SHA384"},
    Named{"TLS_RSA_WITH_AES_128_CBC_SHA", "AES128-SHA"},
    Named{"TLS_RSA_WITH_AES_256_CBC_SHA", "AES256-SHA"},
};
constexpr std::array kTls13Ciphers = {
    Named{"TLS_AES_128_GCM_SHA256", "TLS_AES_128_GCM_SHA256"},
    Named{"TLS_AES_256_GCM_SHA384", "TLS_AES_256_GCM_SHA384"},
    Named{"TLS_CHACHA20_POLY1305_SHA256", "TLS_CHACHA20_POLY1305_SHA256"},
};
constexpr std::array kCurves = {
    Named{"CurveP256", "P-256"},
    Named{"CurveP384", "P-384"},
    Named{"CurveP521", "P-521"},
    Named{"X25519", "X25519"},
    Named{"X25519MLKEM768", "X25519MLKEM768"},
};

template <std::size_t N>
const Named* find_name(const std::array<Named, N>& known, std::string_view word) {
  const auto found = std::find_if(known.begin(), known.end(),
                                  [word](const Named& name) { return name.word == word; });
  return found == known.end() ? nullptr : &*found;
}

// YAML 1.1's words, for that is what the toolkit's parser reads.
Result<bool> parse_bool(std::string_view text) {
  std::string word(text);
  std::transform(word.begin(), word.end(), word.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  if (word == "true" || word == "yes" || word == "on" || word == "y") return true;
  if (word == "false" || word == "no" || word == "off" || word == "n") return false;
  return refuse(text, "true or false");
}

// The digits, one dot among them or none, at the front of `text`; absent when there are no digits.
std::optional<double> take_number(std::string_view& text) {
  const std::size_t size = std::min(text.find_first_not_of("0123456789."), text.size());
  double value = 0;
  const auto [end, fault] =
      std::from_chars(text.data(), text.data() + size, value, std::chars_format::fixed);
  if (fault != std::errc() || end != text.data() + size) return std::nullopt;
  text.remove_prefix(size);
  return value;
}

// A duration as Go writes it ("500ms", "1m30s", "-1.5s", "0"), or a whole number of nanoseconds.
Result<Duration> parse_interval(std::string_view text) {
  struct Unit {
    std::string_view name;
    double nanoseconds;
  };
  constexpr std::array kUnits = {Unit{"ns", 1},  Unit{"us", 1e3}, Unit{"µs", 1e3},  Unit{"ms", 1e6},
                                 Unit{"s", 1e9}, Unit{"m", 60e9}, Unit{"h", 3600e9}};
  constexpr std::string_view kWanted = "a duration such as 100ms, 1s or 1m30s";
  constexpr double kMaxNanoseconds = 9.2e18;
  std::string_view rest = text;
  const bool negative = rest.starts_with('-');
  if (negative || rest.starts_with('+')) rest.remove_prefix(1);
  const bool whole = !rest.empty() && rest.find_first_not_of("0123456789") == std::string::npos;
  double sum = 0;
  do {
    const std::optional<double> value = take_number(rest);
    if (!value) return refuse(text, kWanted);
    const std::string_view name = rest.substr(0, rest.find_first_of("0123456789."));
    const auto unit = std::find_if(kUnits.begin(), kUnits.end(), [&](const Unit& known) {
      return known.name == (whole ? "ns" : name);
    });
    if (unit == kUnits.end()) return refuse(text, kWanted);
    sum += *value * unit->nanoseconds;
    rest.remove_prefix(name.size());
  } while (!rest.empty());
  if (sum > kMaxNanoseconds) return refuse(text, kWanted);
  return std::chrono::duration_cast<Duration>(
      std::chrono::duration<double, std::nano>(negative ? -sum : sum));
}

Result<std::int64_t> parse_burst(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (fault != std::errc() || end != text.data() + text.size())
    return refuse(text, "a whole number");
  return value;
}

// An empty file name or text counts as absent. Where both are given the file counts.
void read_pem(Section& section, std::string_view key, const std::filesystem::path& folder,
              PemSource& out) {
  section.read(std::string(key) + "_file", out.file,
               [&folder](std::string_view text) -> Result<std::string> {
                 if (text.empty()) return std::string();
                 Result<std::string> name = parse_words(text);
                 if (name) *name = (folder / *name).string();
                 return name;
               });
  const bool from_file = !out.file.empty();
  section.read(key, out.text, [from_file](std::string_view text) -> Result<std::string> {
    if (from_file || text.empty()) return std::string();
    if (text.find("-----BEGIN ") == std::string_view::npos)
      return error("got something else, wanted PEM");
    return std::string(text);
  });
}

void read_ciphers(Section& section, WebTlsConfig& tls) {
  std::vector<const Named*> chosen;
  section.read_list(
      "cipher_suites", chosen, false, [](std::string_view text) -> Result<const Named*> {
        const Named* name = find_name(kCiphers, text);
        if (name == nullptr) name = find_name(kTls13Ciphers, text);
        if (name != nullptr) return name;
        return refuse(text, "a cipher suite such as TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256");
      });
  for (const Named* name : chosen) {
    const bool tls13 = find_name(kTls13Ciphers, name->word) != nullptr;
    (tls13 ? tls.tls13_ciphers : tls.ciphers).emplace_back(name->openssl);
  }
}

void read_versions(Section& section, WebTlsConfig& tls) {
  for (const auto& [key, version] :
       {std::pair{"min_version", &tls.min_version}, std::pair{"max_version", &tls.max_version}}) {
    section.choose<TlsVersion>(key, *version,
                               {{"TLS13", TlsVersion::Tls1_3},
                                {"TLS12", TlsVersion::Tls1_2},
                                {"TLS11", TlsVersion::Tls1_1},
                                {"TLS10", TlsVersion::Tls1_0}});
  }
}

void check_client_auth(Section& section, const WebTlsConfig& tls) {
  const bool requires_one =
      tls.client_auth == ClientAuth::RequireAny || tls.client_auth == ClientAuth::RequireAndVerify;
  if (!tls.client_ca.empty() && tls.client_auth == ClientAuth::None)
    section.fault("client_ca_file without a client_auth_type that asks for a certificate");
  if (tls.client_allowed_sans && !requires_one)
    section.fault(
        "client_allowed_sans wants client_auth_type RequireAnyClientCert or "
        "RequireAndVerifyClientCert");
}

void check_tls(Section& section, WebTlsConfig& tls) {
  if (tls.cert.empty()) section.fault("wanted cert_file or cert");
  if (tls.key.empty()) section.fault("wanted key_file or key");
  check_client_auth(section, tls);
  // As in Go, whose list then has nothing that an older client could take.
  if (tls.ciphers.empty() && !tls.tls13_ciphers.empty()) {
    tls.min_version = TlsVersion::Tls1_3;
    if (tls.max_version < TlsVersion::Tls1_3)
      section.fault("cipher_suites has none for max_version or below");
  } else if (tls.min_version > tls.max_version) {
    section.fault("min_version (TLS12 when absent) is above max_version");
  }
}

// Whether there is a client_auth_type, be it NoClientCert.
bool read_client_auth(Section& section, WebTlsConfig& tls) {
  std::vector<std::string> names;
  if (section.read_list("client_allowed_sans", names, false, parse_words))
    tls.client_allowed_sans = std::move(names);
  const YamlEntry* type = section.scalar("client_auth_type");
  if (type == nullptr || type->value.text.empty()) return false;
  section.choose<ClientAuth>("client_auth_type", tls.client_auth,
                             {{"NoClientCert", ClientAuth::None},
                              {"RequestClientCert", ClientAuth::Request},
                              {"RequireAnyClientCert", ClientAuth::RequireAny},
                              {"RequireClientCert", ClientAuth::RequireAny},  // its former name
                              {"VerifyClientCertIfGiven", ClientAuth::VerifyIfGiven},
                              {"RequireAndVerifyClientCert", ClientAuth::RequireAndVerify}});
  return true;
}

void read_tls(Section& top, const std::filesystem::path& folder, WebConfig& config) {
  const YamlEntry* entry = top.map("tls_server_config");
  if (entry == nullptr) return;
  const std::size_t faults_before = top.faults().count();
  Section section(top.faults(), entry->value, "tls_server_config", entry->line);
  section.allow_blank();
  WebTlsConfig tls;
  read_pem(section, "cert", folder, tls.cert);
  read_pem(section, "key", folder, tls.key);
  read_pem(section, "client_ca", folder, tls.client_ca);
  const bool asks = read_client_auth(section, tls);
  read_ciphers(section, tls);
  section.read("prefer_server_cipher_suites", tls.prefer_server_ciphers, parse_bool);
  section.read_list(
      "curve_preferences", tls.groups, false, [](std::string_view text) -> Result<std::string> {
        if (const Named* name = find_name(kCurves, text)) return std::string(name->openssl);
        return refuse(text, "CurveP256, CurveP384, CurveP521, X25519 or X25519MLKEM768");
      });
  read_versions(section, tls);
  section.finish();
  // Only these switch TLS on, as in the toolkit: versions, suites and the like alone are plain
  // HTTP.
  if (!asks && tls.cert.empty() && tls.key.empty() && tls.client_ca.empty()) return;
  // What is said of the section stands above what is wrong in it, and may only follow from that.
  if (top.faults().count() == faults_before) check_tls(section, tls);
  config.tls = std::move(tls);
}

void read_headers(Section& outer, WebConfig& config) {
  const YamlEntry* entry = outer.map("headers");
  if (entry == nullptr) return;
  Section section(outer.faults(), entry->value, outer.path("headers"), entry->line);
  section.allow_blank();
  const auto keep = [&config](std::string_view name, std::string value) {
    if (!value.empty()) config.headers.emplace_back(name, std::move(value));
  };
  for (const std::string_view name :
       {"Content-Security-Policy", "X-XSS-Protection", "Strict-Transport-Security"}) {
    std::string value;
    section.read(name, value, [](std::string_view text) -> Result<std::string> {
      return text.empty() ? std::string() : parse_words(text);
    });
    keep(name, std::move(value));
  }
  std::string value;
  section.choose<std::string>("X-Frame-Options", value,
                              {{"deny", "deny"}, {"sameorigin", "sameorigin"}});
  keep("X-Frame-Options", std::exchange(value, {}));
  section.choose<std::string>("X-Content-Type-Options", value, {{"nosniff", "nosniff"}});
  keep("X-Content-Type-Options", std::move(value));
  section.finish();
}

void read_http(Section& top, WebConfig& config) {
  const YamlEntry* entry = top.map("http_server_config");
  if (entry == nullptr) return;
  Section section(top.faults(), entry->value, "http_server_config", entry->line);
  section.allow_blank();
  bool http2 = false;  // this server speaks HTTP/1.1 whatever stands there
  section.read("http2", http2, parse_bool);
  read_headers(section, config);
  section.finish();
}

Result<void> check_hash(std::string_view hash) {
  const std::optional<int> cost = bcrypt_cost(hash);
  if (!cost) return error("got something else, wanted a bcrypt hash such as $2y$10$...");
  if (*cost < kMinBcryptCost || *cost > kMaxBcryptCost)
    return error(fmt::format("got a bcrypt hash of cost {}, wanted a cost from {} to {}", *cost,
                             kMinBcryptCost, kMaxBcryptCost));
  return {};
}

void read_users(Section& top, WebConfig& config) {
  const YamlEntry* entry = top.map("basic_auth_users");
  if (entry == nullptr) return;
  Section section(top.faults(), entry->value, "basic_auth_users", entry->line);
  for (const YamlEntry& user : entry->value.entries) {
    if (section.scalar(user.key) == nullptr) continue;
    // RFC 7617 s2: what stands before the first colon is the user.
    if (user.key.find(':') != std::string::npos || (!user.key.empty() && !parse_words(user.key)))
      section.fault(user, "wanted a name without colons and control characters");
    else if (const Result<void> good = check_hash(user.value.text); !good)
      section.fault(user, good.error().text);
    config.users.emplace(user.key, user.value.text);
  }
  section.finish();
}

void read_rate_limit(Section& top, WebConfig& config) {
  const YamlEntry* entry = top.map("rate_limit");
  if (entry == nullptr) return;
  Section section(top.faults(), entry->value, "rate_limit", entry->line);
  section.allow_blank();
  RateLimit limit;
  section.read("interval", limit.interval, parse_interval);
  section.read("burst", limit.burst, parse_burst);
  section.finish();
  // As the toolkit: 0 and less is no limit, and without a burst no request passes.
  if (limit.interval > Duration::zero()) config.rate_limit = limit;
}

}  // namespace

Result<WebConfig> load_web_config(const std::string& path) {
  const Result<std::string> file = readable_file(path);
  if (!file) return Unexpected(file.error());
  const Result<std::string> text = read_config_file(path, kMaxConfigBytes);
  if (!text) return Unexpected(text.error());
  return parse_web_config(*text, path);
}

Result<WebConfig> parse_web_config(std::string_view text, const std::string& name) {
  const std::string shown = printable(name, kShownPathBytes);
  const Result<std::vector<YamlNode>> documents = parse_yaml(text, shown);
  if (!documents) return Unexpected(documents.error());
  WebConfig config;
  if (documents->empty()) return config;
  const YamlNode& document = documents->front();
  Faults faults(shown);
  if (documents->size() > 1) faults.add((*documents)[1].line, "", "a second document");
  if (document.kind != YamlNode::Kind::Null) {
    Section top(faults, document, "", document.line);
    top.allow_blank();
    read_tls(top, std::filesystem::path(name).parent_path(), config);
    read_http(top, config);
    read_users(top, config);
    read_rate_limit(top, config);
    top.finish();
  }
  if (!faults.none()) return Unexpected(faults.all());
  return config;
}

std::optional<int> bcrypt_cost(std::string_view hash) {
  constexpr std::size_t kHashBytes = 60;
  constexpr std::size_t kCostAt = 4;
  constexpr std::size_t kSaltAt = 7;
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  const auto coded = [digit](char c) {
    return digit(c) || c == '.' || c == '/' || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
  };
  const bool known =
      hash.starts_with("$2a$") || hash.starts_with("$2b$") || hash.starts_with("$2y$");
  if (!known || hash.size() != kHashBytes || hash[kSaltAt - 1] != '$') return std::nullopt;
  if (!digit(hash[kCostAt]) || !digit(hash[kCostAt + 1])) return std::nullopt;
  const std::string_view rest = hash.substr(kSaltAt);
  if (!std::all_of(rest.begin(), rest.end(), coded)) return std::nullopt;
  return (hash[kCostAt] - '0') * 10 + (hash[kCostAt + 1] - '0');
}

}  // namespace smtpprobe
