#include "exporter/web_access.h"

#include <crypt.h>
#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <optional>
#include <utility>

#include "common/smtp/base64.h"
#include "exporter/log.h"
#include "exporter/secret_files.h"

namespace smtpprobe {
namespace {

struct Login {
  std::string user;
  std::string password;
};

// "Basic dXNlcjpwYXNzd29yZA=="; nullopt for anything else.
std::optional<Login> parse_login(std::string_view authorization) {
  constexpr std::string_view kScheme = "basic ";
  if (authorization.size() > kMaxAuthorizationBytes || authorization.size() < kScheme.size())
    return std::nullopt;
  const bool basic =
      std::equal(kScheme.begin(), kScheme.end(), authorization.begin(), [](char want, char got) {
        return want == (got >= 'A' && got <= 'Z' ? static_cast<char>(got - 'A' + 'a') : got);
      });
  if (!basic) return std::nullopt;
  authorization.remove_prefix(kScheme.size());
  authorization.remove_prefix(std::min(authorization.find_first_not_of(' '), authorization.size()));
  std::optional<std::string> text = base64_decode(authorization);
  const std::size_t colon = text ? text->find(':') : std::string::npos;
  if (colon == std::string::npos) return std::nullopt;
  Login login{text->substr(0, colon), text->substr(colon + 1)};
  OPENSSL_cleanse(text->data(), text->size());
  const bool usable =
      login.password.size() <= kMaxPasswordBytes && login.password.find('\0') == std::string::npos;
  return usable ? std::optional(std::move(login)) : std::nullopt;
}

// A hash that no password has stands in for an unknown user's.
std::string hash_of(const WebConfig& config, std::string_view user) {
  // Made for known users, too: as long for everybody.
  std::string hash = fmt::format("$2y${:02}$......................{:.>31}", kUnknownUserCost, "");
  const auto found = config.users.find(user);
  if (found != config.users.end()) hash = found->second;
  return hash;
}

LoginCache::Digest digest_of(const std::array<unsigned char, 32>& secret, const Login& login,
                             std::string_view hash) {
  // A user has no NUL behind him that his password could move.
  std::string text = std::to_string(login.user.size()) + ':' + login.user;
  text.append(hash).append(login.password);
  LoginCache::Digest digest{};
  unsigned int size = 0;
  const void* bytes = text.data();
  HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()),
       static_cast<const unsigned char*>(bytes), text.size(), digest.data(), &size);
  OPENSSL_cleanse(text.data(), text.size());
  return digest;
}

bool has_password(const std::string& hash, const std::string& password) {
  const auto data = std::make_unique<crypt_data>();  // 32 KiB
  const char* const made = ::crypt_r(password.c_str(), hash.c_str(), data.get());
  const bool same = made != nullptr && std::string_view(made).size() == hash.size() &&
                    CRYPTO_memcmp(made, hash.data(), hash.size()) == 0;
  OPENSSL_cleanse(data.get(), sizeof *data);
  return same;
}

std::uint64_t next_version() {
  static std::atomic<std::uint64_t> last = 0;
  return ++last;
}

// What a new version may not do to the old one while we run; empty: nothing.
std::string_view taken_away(const WebState& old, const WebState& fresh) {
  if (old.tls && !fresh.tls) return "tls_server_config is gone: only a restart switches TLS off";
  if (!old.config.users.empty() && fresh.config.users.empty())
    return "basic_auth_users is gone: only a restart lets everybody in";
  return {};
}

}  // namespace

// Far enough for no one to see it, and twice that added to the clock is no overflow.
RateLimiter::RateLimiter(const RateLimit& limit) : limit_(limit) {
  constexpr Duration::rep kFar = Duration::max().count() / 4;
  step_ = std::min(limit.interval.count(), kFar);
  const std::int64_t more = std::max<std::int64_t>(limit.burst, 0) - 1;
  room_ = more > kFar / step_ ? kFar : more * step_;
}

bool RateLimiter::take(Instant now) {
  const Duration::rep moment = now.time_since_epoch().count();
  Duration::rep full = full_at_.load(std::memory_order_relaxed);
  while (true) {
    const Duration::rep base = std::max(full, moment);
    if (base - moment > room_) return false;
    if (full_at_.compare_exchange_weak(full, base + step_, std::memory_order_relaxed)) return true;
  }
}

bool LoginCache::holds(const Digest& login) const {
  const std::lock_guard guard(mutex_);
  return std::find(logins_.begin(), logins_.end(), login) != logins_.end();
}

void LoginCache::keep(const Digest& login) {
  const std::lock_guard guard(mutex_);
  if (std::find(logins_.begin(), logins_.end(), login) != logins_.end()) return;
  if (logins_.size() < kMaxRememberedLogins) {
    logins_.push_back(login);
  } else {
    logins_[random_() % logins_.size()] = login;
  }
}

Result<std::unique_ptr<WebAccess>> WebAccess::open(std::string path) {
  std::unique_ptr<WebAccess> access(new WebAccess(std::move(path)));
  if (RAND_bytes(access->secret_.data(), static_cast<int>(access->secret_.size())) != 1)
    return error("no random numbers for the password cache");
  if (access->path_.empty()) {
    access->put_in_force(std::make_shared<const WebState>());
    return access;
  }
  Result<std::shared_ptr<const WebState>> state = access->read();
  if (!state) return Unexpected(state.error());
  access->put_in_force(std::move(*state));
  return access;
}

WebAccess::Stamp WebAccess::stamp(std::string path) {
  Stamp stamp{std::move(path), 0, {}};
  struct stat now {};
  if (::stat(stamp.path.c_str(), &now) != 0) {
    stamp.error = errno;
    return stamp;
  }
  stamp.facts = {static_cast<std::int64_t>(now.st_dev),
                 static_cast<std::int64_t>(now.st_ino),
                 now.st_size,
                 now.st_mtim.tv_sec,
                 now.st_mtim.tv_nsec,
                 now.st_ctim.tv_sec,
                 now.st_ctim.tv_nsec};
  return stamp;
}

// Each file's stamp is taken before it is read: a change in between is seen at the next look.
Result<std::shared_ptr<const WebState>> WebAccess::read() {
  std::vector<Stamp> stamps{stamp(path_)};
  Result<WebConfig> config = load_web_config(path_);
  if (config && config->tls) {
    for (const PemSource* source : {&config->tls->cert, &config->tls->key, &config->tls->client_ca})
      if (!source->file.empty()) stamps.push_back(stamp(source->file));
  }
  stamps_ = std::move(stamps);
  if (!config) return Unexpected(config.error());
  auto state = std::make_shared<WebState>();
  if (config->tls) {
    auto tls = make_web_tls(*config->tls);
    if (!tls) return error(path_ + ": " + tls.error().text);
    state->tls = std::move(*tls);
  }
  if (config->rate_limit) state->limiter = std::make_shared<RateLimiter>(*config->rate_limit);
  warn_of_open_secrets(*config, path_);
  state->config = std::move(*config);
  return std::shared_ptr<const WebState>(std::move(state));
}

void WebAccess::put_in_force(std::shared_ptr<const WebState> state) {
  const std::lock_guard guard(state_mutex_);
  state_ = std::move(state);
  version_.store(next_version(), std::memory_order_release);
}

void WebAccess::look_again() {
  if (path_.empty() || looking_.exchange(true)) return;
  look();
  looking_.store(false);
}

void WebAccess::look() {
  std::vector<Stamp> present;
  present.reserve(stamps_.size());
  for (const Stamp& known : stamps_) present.push_back(stamp(known.path));
  // What was wrong may also have been ours: no descriptor left, no memory.
  if (present == stamps_ && problem_.empty()) return;
  Result<std::shared_ptr<const WebState>> fresh = read();
  // Only this function, one call at a time, puts another one there.
  const std::shared_ptr<const WebState> old = state_;
  Error problem;
  if (!fresh) {
    problem = fresh.error();
  } else if (const std::string_view gone = taken_away(*old, **fresh); !gone.empty()) {
    problem.text = path_ + ": " + std::string(gone);
  }
  if (!problem.text.empty()) {
    if (problem.text != problem_) log_error("bad web configuration, the old one stays", problem);
    problem_ = std::move(problem.text);
    return;
  }
  problem_.clear();
  auto next = std::make_shared<WebState>(**fresh);
  if (old->limiter && next->limiter && old->limiter->limit() == next->limiter->limit())
    next->limiter = old->limiter;
  put_in_force(std::move(next));
  log(LogLevel::Info, "web configuration loaded", {{"file", path_}});
}

std::shared_ptr<const WebState> WebAccess::state() {
  struct Seen {
    std::uint64_t version = 0;
    std::shared_ptr<const WebState> state;
  };
  thread_local Seen seen;
  if (seen.version != version_.load(std::memory_order_acquire)) {
    const std::lock_guard guard(state_mutex_);
    seen = {version_.load(), state_};
  }
  return seen.state;
}

AuthDecision WebAccess::decide(const WebState& state, std::string_view authorization) {
  if (state.config.users.empty()) return AuthDecision::Allowed;
  const std::optional<Login> login = parse_login(authorization);
  if (!login) return AuthDecision::Denied;
  const LoginCache::Digest digest = digest_of(secret_, *login, hash_of(state.config, login->user));
  if (good_.holds(digest)) return AuthDecision::Allowed;
  return bad_.holds(digest) ? AuthDecision::Denied : AuthDecision::Hashing;
}

bool WebAccess::check_slowly(const WebState& state, std::string_view authorization) {
  const std::optional<Login> login = parse_login(authorization);
  if (!login) return false;
  const std::string hash = hash_of(state.config, login->user);
  const LoginCache::Digest digest = digest_of(secret_, *login, hash);
  // Another request may have asked the same.
  if (good_.holds(digest)) return true;
  if (bad_.holds(digest)) return false;
  const bool known = state.config.users.find(login->user) != state.config.users.end();
  const bool right = has_password(hash, login->password) && known;
  (right ? good_ : bad_).keep(digest);
  return right;
}

HttpResponse unauthorized_response() {
  HttpResponse response = plain_response(401, "unauthorized");
  response.headers.emplace_back("WWW-Authenticate",
                                "Basic realm=\"smtp_probe_exporter\", charset=\"UTF-8\"");
  return response;
}

HttpResponse rate_limited_response() { return plain_response(429, "too many requests"); }

void add_web_headers(const WebState& state, HttpResponse& response) {
  for (const auto& header : state.config.headers) response.headers.push_back(header);
}

}  // namespace smtpprobe
