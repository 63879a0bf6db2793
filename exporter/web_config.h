// The file of --web.config.file, as values: TLS, response headers, users and the rate limit of the
// HTTP server, in the format of Prometheus' exporter-toolkit. Laws: an unknown key, a wrong value
// or what contradicts itself is an error with file, line and key; no message shows a secret. The
// files that it names are not opened here.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/probe/plan.h"
#include "common/smtp/error.h"
#include "common/smtp/time.h"

namespace smtpprobe {

// By the names of the file: NoClientCert, RequestClientCert, RequireAnyClientCert,
// VerifyClientCertIfGiven, RequireAndVerifyClientCert.
enum class ClientAuth : std::uint8_t { None, Request, RequireAny, VerifyIfGiven, RequireAndVerify };

// PEM, either in a file or in the configuration itself; empty when neither was given.
struct PemSource {
  std::string file;  // as it can be opened: relative names are joined to the web config's folder
  std::string text;

  bool empty() const { return file.empty() && text.empty(); }
};

struct WebTlsConfig {
  PemSource cert;
  PemSource key;
  PemSource client_ca;  // empty where clients are verified: the system's authorities
  ClientAuth client_auth = ClientAuth::None;
  // Exact; absent: every client certificate, empty: none.
  std::optional<std::vector<std::string>> client_allowed_sans;
  TlsVersion min_version = TlsVersion::Tls1_2;
  TlsVersion max_version = TlsVersion::Tls1_3;
  // In OpenSSL's names and the order of the file; both empty when the file says nothing.
  std::vector<std::string> ciphers;        // up to TLS 1.2
  std::vector<std::string> tls13_ciphers;  // empty: all of them
  bool prefer_server_ciphers = true;
  std::vector<std::string> groups;  // in OpenSSL's names; empty: OpenSSL's own choice
};

// One request each `interval`, and `burst` of them at once after a rest; no request at all where
// that is below 1.
struct RateLimit {
  Duration interval{};  // above 0
  std::int64_t burst = 0;

  bool operator==(const RateLimit&) const = default;
};

struct WebConfig {
  std::optional<WebTlsConfig> tls;                           // absent: plain HTTP
  std::vector<std::pair<std::string, std::string>> headers;  // for every response
  std::map<std::string, std::string, std::less<>> users;     // bcrypt hashes; empty: everybody
  std::optional<RateLimit> rate_limit;
};

Result<WebConfig> load_web_config(const std::string& path);
// `name` is the path: it begins the messages, and its folder is that of relative file names.
Result<WebConfig> parse_web_config(std::string_view text, const std::string& name);

// A check at the highest one takes about ten seconds.
inline constexpr int kMinBcryptCost = 4;
inline constexpr int kMaxBcryptCost = 18;

// The cost in "$2y$10$..." ($2a and $2b too), be it in the range or not; absent when that is no
// whole bcrypt hash.
std::optional<int> bcrypt_cost(std::string_view hash);

}  // namespace smtpprobe
