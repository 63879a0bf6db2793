// The web configuration's text: what it means, and what is said of a wrong one. Its files are not
// opened here; Prometheus' own checker holds the same texts for good in tests/e2e.
#include "exporter/web_config.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <chrono>
#include <fstream>
#include <iterator>
#include <limits>
#include <string>
#include <string_view>

#include "common/config/yaml_tree.h"
#include "tests/net/tls_pair.h"

namespace smtpprobe {
namespace {

constexpr std::string_view kHash = "$2y$10$75RcILtPZ9p1eHNhc2pSHOeKkwIHH7BUWEOHA0z/aO6NxaupRd3/G";

WebConfig good(std::string_view text, const std::string& name = "/etc/web.yml") {
  Result<WebConfig> config = parse_web_config(text, name);
  EXPECT_TRUE(config) << text << "\n" << (config ? "" : config.error().text);
  return config ? *config : WebConfig{};
}

std::string fault(std::string_view text) {
  const Result<WebConfig> config = parse_web_config(text, "web.yml");
  return config ? "none" : config.error().text;
}

WebTlsConfig good_tls(const std::string& more) {
  const WebConfig config = good("tls_server_config: {cert_file: c, key_file: k, " + more + "}");
  EXPECT_TRUE(config.tls) << more;
  return config.tls.value_or(WebTlsConfig{});
}

TEST(WebConfig, NothingIsPlainHttpForEverybody) {
  for (const std::string_view text :
       {"", "# nothing\n", "{}", "---\n", "tls_server_config:\nhttp_server_config:\n",
        "tls_server_config: {}\n", "basic_auth_users:\n", "rate_limit:\n",
        "http_server_config: {headers: }\n", "http_server_config: {http2: true}\n",
        "http_server_config: {http2: , headers: {X-XSS-Protection: }}\n",
        "rate_limit: {interval: , burst: }\n", "rate_limit: {interval: 0, burst: 0}\n"}) {
    const WebConfig config = good(text);
    EXPECT_FALSE(config.tls) << text;
    EXPECT_TRUE(config.headers.empty()) << text;
    EXPECT_TRUE(config.users.empty()) << text;
    EXPECT_FALSE(config.rate_limit) << text;
  }
}

TEST(WebConfig, AMisplacedSecretIsNotShown) {
  for (const std::string_view text :
       {"basic_auth_users: {\"alice:hunter2\": x}", "basic_auth_users: {\"9:hunter2\": x}",
        "basic_auth_users: {alice: hunter2}", "basic_auth_users: {alice: !hunter2 }",
        "\"alice:hunter2\": x", "rate_limit: {interval: 'password=hunter2'}"}) {
    const std::string said = fault(text);
    EXPECT_NE(said, "none") << text;
    EXPECT_EQ(said.find("hunter2"), std::string::npos) << said;
  }
}

// As the toolkit: certificates, keys, authorities and client_auth_type switch TLS on, nothing else.
TEST(WebConfig, TlsSettingsWithoutACertificateArePlainHttp) {
  for (const char* settings :
       {"min_version: TLS13", "min_version: TLS13, max_version: TLS12",
        "curve_preferences: [X25519]", "cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256]",
        "client_allowed_sans: [a.test]", "prefer_server_cipher_suites: false",
        "cert_file: '', key_file: ''", "cert_file: , key_file: ", "client_auth_type: ''",
        "client_auth_type: , client_ca_file: ", "cert: '', key: ''"})
    EXPECT_FALSE(good(fmt::format("tls_server_config: {{{}}}", settings)).tls) << settings;
  for (const char* settings :
       {"client_auth_type: NoClientCert", "client_ca_file: a", "cert_file: a", "key_file: a",
        "client_auth_type: VerifyClientCertIfGiven", "cert_file: '', key_file: a"})
    EXPECT_NE(fault(fmt::format("tls_server_config: {{{}}}", settings)).find("wanted "),
              std::string::npos)
        << settings;
}

// Each situation of the toolkit's own valid files, in files of our own.
TEST(WebConfig, WhatTheToolkitAccepts) {
  for (const char* settings :
       {"client_auth_type: VerifyClientCertIfGiven", "client_auth_type: RequireAndVerifyClientCert",
        "client_auth_type: RequireAndVerifyClientCert, client_ca_file: c",
        "client_auth_type: RequireAnyClientCert, client_ca_file: c",
        "client_auth_type: RequestClientCert, client_ca_file: c",
        "client_auth_type: VerifyClientCertIfGiven, cipher_suites: "
        "[TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256], "
        "prefer_server_cipher_suites: false, min_version: TLS12, max_version: TLS12",
        "client_auth_type: VerifyClientCertIfGiven, cipher_suites: "
        "[TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, TLS_AES_128_GCM_SHA256, "
        "TLS_RSA_WITH_AES_128_CBC_SHA]",
        "client_auth_type: VerifyClientCertIfGiven, min_version: TLS13, curve_preferences: "
        "[CurveP521]",
        "client_auth_type: VerifyClientCertIfGiven, curve_preferences: "
        "[CurveP256, CurveP384, CurveP521, X25519, X25519MLKEM768]",
        "client_auth_type: RequireAndVerifyClientCert, client_allowed_sans: [one.test, two.test]",
        "client_auth_type: RequireAndVerifyClientCert, client_allowed_sans: []",
        "client_auth_type: '', client_allowed_sans: ", "cipher_suites: , curve_preferences: []",
        "min_version: , max_version: ", "cert: x, key: x, client_ca: ''"})
    good_tls(settings);
  EXPECT_FALSE(good("rate_limit: {burst: 5}").rate_limit);
}

TEST(WebConfig, AFileCountsMoreThanAText) {
  const WebTlsConfig tls = good_tls("cert: '-----BEGIN X', key: ''");
  EXPECT_EQ(tls.cert.file, "/etc/c");
  EXPECT_TRUE(tls.cert.text.empty() && tls.key.text.empty());
}

TEST(WebConfig, AnEmptyListOfNamesIsNoAbsentOne) {
  const std::string any = "client_auth_type: RequireAnyClientCert, ";
  EXPECT_FALSE(good_tls(any + "client_allowed_sans: ").client_allowed_sans);
  const auto none = good_tls(any + "client_allowed_sans: []").client_allowed_sans;
  EXPECT_TRUE(none && none->empty());
}

TEST(WebConfig, WholeFile) {
  const WebConfig config = good(R"(
tls_server_config:
  cert_file: web.pem
  key_file: /keys/web.key
  client_ca_file: ca/clients.pem
  client_auth_type: RequireAndVerifyClientCert
  client_allowed_sans: [prometheus.test, 192.0.2.1]
  min_version: TLS11
  max_version: TLS12
  cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, TLS_AES_128_GCM_SHA256]
  prefer_server_cipher_suites: false
  curve_preferences: [CurveP384, X25519]
http_server_config:
  http2: false
  headers:
    Content-Security-Policy: default-src 'none'
    X-Frame-Options: sameorigin
    X-Content-Type-Options: nosniff
    X-XSS-Protection: 1; mode=block
    Strict-Transport-Security: max-age=1
basic_auth_users:
  alice: )" + std::string(kHash) +
                                R"(
rate_limit:
  interval: 100ms
  burst: 20
)");
  ASSERT_TRUE(config.tls);
  EXPECT_EQ(config.tls->cert.file, "/etc/web.pem");
  EXPECT_EQ(config.tls->key.file, "/keys/web.key");
  EXPECT_EQ(config.tls->client_ca.file, "/etc/ca/clients.pem");
  EXPECT_EQ(config.tls->client_auth, ClientAuth::RequireAndVerify);
  EXPECT_EQ(config.tls->client_allowed_sans,
            (std::vector<std::string>{"prometheus.test", "192.0.2.1"}));
  EXPECT_EQ(config.tls->min_version, TlsVersion::Tls1_1);
  EXPECT_EQ(config.tls->max_version, TlsVersion::Tls1_2);
  EXPECT_EQ(config.tls->ciphers, std::vector<std::string>{"ECDHE-RSA-AES128-GCM-SHA256"});
  EXPECT_EQ(config.tls->tls13_ciphers, std::vector<std::string>{"TLS_AES_128_GCM_SHA256"});
  EXPECT_FALSE(config.tls->prefer_server_ciphers);
  EXPECT_EQ(config.tls->groups, (std::vector<std::string>{"P-384", "X25519"}));
  const std::vector<std::pair<std::string, std::string>> headers = {
      {"Content-Security-Policy", "default-src 'none'"},
      {"X-XSS-Protection", "1; mode=block"},
      {"Strict-Transport-Security", "max-age=1"},
      {"X-Frame-Options", "sameorigin"},
      {"X-Content-Type-Options", "nosniff"}};
  EXPECT_EQ(config.headers, headers);
  ASSERT_EQ(config.users.size(), 1U);
  EXPECT_EQ(config.users.find("alice")->second, kHash);
  ASSERT_TRUE(config.rate_limit);
  EXPECT_EQ(config.rate_limit->interval, std::chrono::milliseconds(100));
  EXPECT_EQ(config.rate_limit->burst, 20);
}

TEST(WebConfig, DefaultsOfTls) {
  const WebTlsConfig tls = good_tls("");
  EXPECT_TRUE(tls.client_ca.empty());
  EXPECT_EQ(tls.client_auth, ClientAuth::None);
  EXPECT_EQ(tls.min_version, TlsVersion::Tls1_2);
  EXPECT_EQ(tls.max_version, TlsVersion::Tls1_3);
  EXPECT_TRUE(tls.ciphers.empty() && tls.tls13_ciphers.empty() && tls.groups.empty());
  EXPECT_TRUE(tls.prefer_server_ciphers);
}

TEST(WebConfig, ClientAuthNames) {
  const std::pair<const char*, ClientAuth> cases[] = {
      {"NoClientCert", ClientAuth::None},
      {"RequestClientCert, client_ca_file: a", ClientAuth::Request},
      {"RequireAnyClientCert", ClientAuth::RequireAny},
      {"RequireClientCert", ClientAuth::RequireAny},
      {"VerifyClientCertIfGiven", ClientAuth::VerifyIfGiven},
      {"RequireAndVerifyClientCert", ClientAuth::RequireAndVerify},
      {"VerifyClientCertIfGiven, client_ca_file: a", ClientAuth::VerifyIfGiven},
      {"RequireAndVerifyClientCert, client_ca_file: a", ClientAuth::RequireAndVerify}};
  for (const auto& [words, mode] : cases)
    EXPECT_EQ(good_tls(std::string("client_auth_type: ") + words).client_auth, mode) << words;
}

TEST(WebConfig, PemInPlace) {
  const WebConfig config = good(
      "tls_server_config:\n"
      "  cert: |\n    -----BEGIN CERTIFICATE-----\n    x\n"
      "  key: |\n    -----BEGIN PRIVATE KEY-----\n    y\n");
  ASSERT_TRUE(config.tls);
  EXPECT_EQ(config.tls->cert.text, "-----BEGIN CERTIFICATE-----\nx\n");
  EXPECT_EQ(config.tls->key.text, "-----BEGIN PRIVATE KEY-----\ny\n");
  EXPECT_TRUE(config.tls->cert.file.empty() && config.tls->key.file.empty());
}

TEST(WebConfig, RelativeNamesWithoutAFolder) {
  const WebConfig config = good("tls_server_config: {cert_file: c, key_file: k}", "web.yml");
  ASSERT_TRUE(config.tls);
  EXPECT_EQ(config.tls->cert.file, "c");
}

// As Go: its list then has nothing that older clients could take.
TEST(WebConfig, SuitesOfTls13Alone) {
  const WebTlsConfig tls = good_tls("cipher_suites: [TLS_AES_256_GCM_SHA384]");
  EXPECT_EQ(tls.min_version, TlsVersion::Tls1_3);
  EXPECT_NE(fault("tls_server_config: {cert_file: c, key_file: k, max_version: TLS12,\n"
                  "  cipher_suites: [TLS_AES_256_GCM_SHA384]}")
                .find("cipher_suites has none for max_version"),
            std::string::npos);
}

TEST(WebConfig, TruthAsYamlHasIt) {
  for (const char* word : {"true", "True", "TRUE", "yes", "on", "y"})
    EXPECT_TRUE(good_tls(std::string("prefer_server_cipher_suites: ") + word).prefer_server_ciphers)
        << word;
  for (const char* word : {"false", "False", "no", "Off", "n"})
    EXPECT_FALSE(
        good_tls(std::string("prefer_server_cipher_suites: ") + word).prefer_server_ciphers)
        << word;
}

TEST(WebConfig, EmptyHeaderIsNone) {
  const WebConfig config =
      good("http_server_config: {headers: {X-XSS-Protection: '', Content-Security-Policy: x}}");
  ASSERT_EQ(config.headers.size(), 1U);
  EXPECT_EQ(config.headers.front().second, "x");
}

TEST(WebConfig, Intervals) {
  using namespace std::chrono_literals;
  const std::pair<const char*, Duration> cases[] = {
      {"1ns", 1ns},  {"1us", 1us},     {"1\u00b5s", 1us},     {"1ms", 1ms},
      {"1s", 1s},    {"1.5s", 1500ms}, {"1m30s", 90s},        {"1h1m1.5s", 3661500ms},
      {"24h", 24h},  {"23h60m", 24h},  {".5s", 500ms},        {"+1s", 1s},
      {"1000", 1us}, {"48h", 48h},     {"2500000h", 2500000h}};
  for (const auto& [text, interval] : cases) {
    const WebConfig config = good(std::string("rate_limit: {burst: 1, interval: ") + text + "}");
    ASSERT_TRUE(config.rate_limit) << text;
    EXPECT_EQ(config.rate_limit->interval, interval) << text;
  }
  for (const char* none : {"0", "0s", "0h0m", "-1s", "-5"})
    EXPECT_FALSE(good(std::string("rate_limit: {interval: ") + none + "}").rate_limit) << none;
  for (const char* bad : {"s", "''", "-", "--1s", "1.", "1.5", "1..5s", ".s", "1e3s", "1x", "1s1",
                          "1s-1s", "1 s", "inf", "nan", "2600000h", "99999999999999999999h"}) {
    EXPECT_NE(fault(std::string("rate_limit: {burst: 1, interval: ") + bad + "}")
                  .find("web.yml:1: rate_limit.interval: got"),
              std::string::npos)
        << bad;
  }
}

TEST(WebConfig, Bursts) {
  const auto text = [](std::string_view count) {
    return fmt::format("rate_limit: {{interval: 1s, burst: {}}}", count);
  };
  for (const std::int64_t count : {std::int64_t{-1}, std::int64_t{0}, std::int64_t{1},
                                   std::numeric_limits<std::int64_t>::max()}) {
    const WebConfig config = good(text(std::to_string(count)));
    ASSERT_TRUE(config.rate_limit);
    EXPECT_EQ(config.rate_limit->burst, count);
  }
  for (const char* bad : {"a", "1x", "''", "1.5", "9223372036854775808"})
    EXPECT_NE(fault(text(bad)).find("rate_limit.burst: got"), std::string::npos) << bad;
  const WebConfig config = good("rate_limit: {interval: 1s}");
  ASSERT_TRUE(config.rate_limit);
  EXPECT_EQ(config.rate_limit->burst, 0);
}

TEST(WebConfig, UsersAndCosts) {
  const auto hash = [](std::string_view kind, int cost) {
    std::string text(kHash);
    text.replace(0, 7, fmt::format("${}${:02}$", kind, cost));
    return text;
  };
  for (const std::string_view kind : {"2a", "2b", "2y"}) {
    for (const int cost : {kMinBcryptCost, kMaxBcryptCost}) {
      EXPECT_EQ(bcrypt_cost(hash(kind, cost)), cost);
      EXPECT_EQ(good("basic_auth_users: {'a b': '" + hash(kind, cost) + "'}").users.size(), 1U);
    }
    for (const int cost : {kMinBcryptCost - 1, kMaxBcryptCost + 1}) {
      EXPECT_EQ(bcrypt_cost(hash(kind, cost)), cost);
      EXPECT_NE(fault("basic_auth_users: {a: '" + hash(kind, cost) + "'}")
                    .find(fmt::format("basic_auth_users.a: got a bcrypt hash of cost {}", cost)),
                std::string::npos);
    }
  }
  EXPECT_EQ(good("basic_auth_users: {'': '" + std::string(kHash) + "'}").users.count(""), 1U);
}

TEST(WebConfig, NoBcryptHash) {
  const std::string hash(kHash);
  std::string letter = hash;
  letter[30] = '!';
  for (const std::string& bad :
       {std::string(), hash.substr(0, 59), hash + "a", "$2x$" + hash.substr(4),
        "$1$" + hash.substr(3), "$2y$1a$" + hash.substr(7), "$2y$10." + hash.substr(7), letter}) {
    EXPECT_EQ(bcrypt_cost(bad), std::nullopt) << bad;
    EXPECT_EQ(fault("basic_auth_users:\n  a: '" + bad + "'"),
              "web.yml:2: basic_auth_users.a: got something else, wanted a bcrypt hash such as "
              "$2y$10$...");
  }
}

struct Bad {
  const char* text;
  const char* words;  // begins the error
};

const Bad kBad[] = {
    {"a: [", "web.yml:1: "},
    {"words", "web.yml:1: got a single value, wanted a mapping"},
    {"- a", "web.yml:1: got a list, wanted a mapping"},
    {"{}\n---\n{}\n", "web.yml:3: a second document"},
    {"rate_limit:\ntls:\n", "web.yml:2: tls: unknown key; known here: tls_server_config, "},
    {"basic_auth_users: {}\nbasic_auth_users: {}\n", "web.yml:2: "},
    {"tls_server_config: x", "web.yml:1: tls_server_config: got a single value"},
    {"tls_server_config:\n  cert: x\n", "web.yml:2: tls_server_config.cert: got something else"},
    {"tls_server_config:\n  cert_file: ''\n  key_file: k\n",
     "web.yml:1: tls_server_config: wanted cert_file or"},
    {"tls_server_config:\n  cert_file: c\n", "web.yml:1: tls_server_config: wanted key_file or"},
    {"tls_server_config:\n  key_file: c\n", "web.yml:1: tls_server_config: wanted cert_file or"},
    {"tls_server_config:\n  cert_file: a\n  key_file: b\n  keyfile: b\n",
     "web.yml:4: tls_server_config.keyfile: unknown key; did you mean key_file? known here: "
     "cert_file, "},
    {"tls_server_config:\n  client_auth_type: requireany\n",
     "web.yml:2: tls_server_config.client_auth_type: got \"requireany\", wanted one of NoClient"},
    {"tls_server_config: {cert_file: a, key_file: b, client_ca_file: c}",
     "web.yml:1: tls_server_config: client_ca_file without a client_auth_type"},
    {"tls_server_config: {cert_file: a, key_file: b, client_allowed_sans: [x]}",
     "web.yml:1: tls_server_config: client_allowed_sans wants client_auth_type"},
    {"tls_server_config: {cert_file: a, key_file: b, client_allowed_sans: []}",
     "web.yml:1: tls_server_config: client_allowed_sans wants client_auth_type"},
    {"tls_server_config: {cert_file: a, key_file: b, client_allowed_sans: [x],\n"
     "  client_auth_type: VerifyClientCertIfGiven}",
     "web.yml:1: tls_server_config: client_allowed_sans wants client_auth_type"},
    {"tls_server_config:\n  client_allowed_sans: x\n",
     "web.yml:2: tls_server_config.client_allowed_sans: got a single value, wanted a list"},
    {"tls_server_config:\n  min_version: TLS99\n",
     "web.yml:2: tls_server_config.min_version: got \"TLS99\", wanted one of TLS13, TLS12"},
    {"tls_server_config: {cert_file: a, key_file: b, min_version: TLS13, max_version: TLS12}",
     "web.yml:1: tls_server_config: min_version (TLS12 when absent) is above max_version"},
    {"tls_server_config: {cert_file: a, key_file: b, max_version: TLS11}",
     "web.yml:1: tls_server_config: min_version (TLS12 when absent) is above max_version"},
    {"tls_server_config:\n  cipher_suites:\n  - TLS_AES_128_GCM_SHA256\n  - AES128-SHA\n",
     "web.yml:4: tls_server_config.cipher_suites: got \"AES128-SHA\", wanted a cipher suite"},
    {"tls_server_config:\n  curve_preferences: [P-256]\n",
     "web.yml:2: tls_server_config.curve_preferences: got \"P-256\", wanted CurveP256"},
    {"tls_server_config:\n  prefer_server_cipher_suites: maybe\n",
     "web.yml:2: tls_server_config.prefer_server_cipher_suites: got \"maybe\", wanted true or"},
    {"http_server_config:\n  http2: 1\n", "web.yml:2: http_server_config.http2: got \"1\""},
    {"http_server_config:\n  header: {}\n", "web.yml:2: http_server_config.header: unknown key"},
    {"http_server_config:\n  headers:\n    X-Other: a\n",
     "web.yml:3: http_server_config.headers.X-Other: unknown key"},
    {"http_server_config:\n  headers:\n    X-Frame-Options: DENY\n",
     "web.yml:3: http_server_config.headers.X-Frame-Options: got \"DENY\", wanted one of deny"},
    {"http_server_config:\n  headers:\n    X-XSS-Protection: \"a\\r\\nSet-Cookie: b\"\n",
     "web.yml:3: http_server_config.headers.X-XSS-Protection: got"},
    {"basic_auth_users: [alice]", "web.yml:1: basic_auth_users: got a list"},
    {"basic_auth_users:\n  alice: [a]\n", "web.yml:2: basic_auth_users.alice: got a list"},
    {"basic_auth_users:\n  alice:\n", "web.yml:2: basic_auth_users.alice: got nothing"},
    {"basic_auth_users:\n  'a:b': x\n",
     "web.yml:2: basic_auth_users.(a key of 3 bytes): wanted a name without"},
    {"basic_auth_users:\n  \"a\\tb\": x\n", "web.yml:2: basic_auth_users."},
    {"rate_limit:\n  rate: 1\n", "web.yml:2: rate_limit.rate: unknown key"},
};

TEST(WebConfig, ErrorsNameFileLineAndKey) {
  for (const Bad& bad : kBad) {
    const std::string text = fault(bad.text);
    EXPECT_TRUE(text.starts_with(bad.words)) << bad.text << "\n" << text;
  }
}

TEST(WebConfig, ErrorsShowNoSecret) {
  for (const std::string_view text :
       {"basic_auth_users: {alice: hush}", "tls_server_config: {key: hush}",
        "basic_auth_users: {alice: [hush]}", "tls_server_config: {key: [hush]}",
        "basic_auth_users: {alice: {hush: hush}}", "basic_auth_users: {alice: '$2y$99$hush'}"}) {
    EXPECT_NE(fault(text), "none");
    EXPECT_EQ(fault(text).find("hush"), std::string::npos) << fault(text);
  }
}

TEST(WebConfig, ErrorsAreOneCleanLine) {
  const Result<WebConfig> config = parse_web_config("\"a\\n\\e[31m\": 1", "we\nb.yml");
  ASSERT_FALSE(config);
  for (const char c : config.error().text) EXPECT_GE(static_cast<unsigned char>(c), 0x20);
}

TEST(WebConfig, Files) {
  const Folder folder;
  const std::string missing = folder.path() + "/none.yml";
  const Result<WebConfig> none = load_web_config(missing);
  ASSERT_FALSE(none);
  EXPECT_NE(none.error().text.find(missing), std::string::npos) << none.error().text;
  EXPECT_FALSE(load_web_config(folder.path()));
  const auto padded = [](std::size_t size) {
    std::string text = "tls_server_config: {cert_file: c, key_file: k}\n#";
    text.resize(size, 'x');
    return text;
  };
  const Result<WebConfig> whole = load_web_config(folder.write("a.yml", padded(kMaxConfigBytes)));
  ASSERT_TRUE(whole) << whole.error().text;
  ASSERT_TRUE(whole->tls);
  EXPECT_EQ(whole->tls->cert.file, folder.path() + "/c");
  EXPECT_FALSE(load_web_config(folder.write("b.yml", padded(kMaxConfigBytes + 1))));
}

TEST(WebConfig, Sample) {
  const Result<WebConfig> config =
      load_web_config(SMTPPROBE_TESTS_DIR "/../docs/web-config.example.yml");
  ASSERT_TRUE(config) << config.error().text;
  EXPECT_EQ(config->tls->client_auth, ClientAuth::RequireAndVerify);
  EXPECT_EQ(config->users.size(), 1U);
}

}  // namespace
}  // namespace smtpprobe
