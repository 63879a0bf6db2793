// Who may reach the HTTP server: the web configuration while it is in force. Laws: the files are
// looked at again while the server runs, and a bad new version leaves the old one in force; TLS and
// users are taken away by a restart alone, so that a half written file opens nothing; with no file
// there is nothing to do. RFC 7617 (Basic), RFC 6585 section 4 (429).
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "common/smtp/error.h"
#include "common/smtp/time.h"
#include "exporter/http_message.h"
#include "exporter/web_config.h"
#include "exporter/web_tls.h"

namespace smtpprobe {

// A token bucket, full at first. Any thread, no lock.
class RateLimiter {
 public:
  explicit RateLimiter(const RateLimit& limit);

  // Takes a token, if there is one.
  bool take(Instant now);
  const RateLimit& limit() const { return limit_; }

 private:
  RateLimit limit_;
  Duration::rep step_;
  Duration::rep room_;  // that `burst` requests at once take beyond the first; below 0: no request
  std::atomic<Duration::rep> full_at_ = 0;  // when the bucket is full again
};

// One version of the web configuration; never changes.
struct WebState {
  WebConfig config;
  std::shared_ptr<SSL_CTX> tls;          // for new_web_session(); null: plain HTTP
  std::shared_ptr<RateLimiter> limiter;  // null: no limit; outlives a version that keeps the limit
};

// Before all else of a request. False: answer rate_limited_response().
inline bool may_proceed(const WebState& state, Instant now) {
  return !state.limiter || state.limiter->take(now);
}

enum class AuthDecision : std::uint8_t {
  Allowed,
  Denied,  // answer unauthorized_response()
  Hashing  // ask check_slowly()
};

inline constexpr int kUnknownUserCost = 10;
inline constexpr std::size_t kMaxAuthorizationBytes = 4096;
inline constexpr std::size_t kMaxPasswordBytes = 511;     // crypt(3) takes no more; bcrypt reads 72
inline constexpr std::size_t kMaxRememberedLogins = 100;  // of good ones, and again of bad ones

// Digests of logins that were checked, a random one of which makes room for a new one.
class LoginCache {
 public:
  using Digest = std::array<unsigned char, 32>;

  bool holds(const Digest& login) const;
  void keep(const Digest& login);

 private:
  mutable std::mutex mutex_;
  std::vector<Digest> logins_;
  std::minstd_rand random_{std::random_device{}()};
};

// May be used from any thread.
class WebAccess {
 public:
  // An empty path: plain HTTP for everybody, for good. The error: what is wrong with the file or
  // with one that it names.
  static Result<std::unique_ptr<WebAccess>> open(std::string path);

  WebAccess(const WebAccess&) = delete;
  WebAccess& operator=(const WebAccess&) = delete;

  // The newest good version, never null. Takes no lock while nothing changed.
  std::shared_ptr<const WebState> state();

  // Looks at the files, and reads them when one was changed or the newest version is bad (about a
  // millisecond); what is wrong with them is logged once. To be called where waiting is no harm; a
  // second call during one does nothing.
  void look_again();
  bool has_file() const { return !path_.empty(); }

  // `authorization` is that header's value, empty when absent.
  AuthDecision decide(const WebState& state, std::string_view authorization);

  // What decide() left open. A user that does not exist costs a hash of kUnknownUserCost, as the
  // toolkit does it: names that a stranger invents must not cost as much as the most expensive hash
  // of the file, for few threads hash. To be called where waiting is no harm.
  bool check_slowly(const WebState& state, std::string_view authorization);

 private:
  // What tells one version of a file from another.
  struct Stamp {
    std::string path;
    int error = 0;  // errno of stat(2)
    std::array<std::int64_t, 7> facts{};

    bool operator==(const Stamp&) const = default;
  };

  explicit WebAccess(std::string path) : path_(std::move(path)) {}

  static Stamp stamp(std::string path);
  Result<std::shared_ptr<const WebState>> read();
  void look();
  void put_in_force(std::shared_ptr<const WebState> state);

  const std::string path_;
  std::array<unsigned char, 32> secret_{};  // of the digests: they are of no use elsewhere
  LoginCache good_;
  LoginCache bad_;

  std::atomic<bool> looking_ = false;  // its owner has the next two
  std::vector<Stamp> stamps_;
  std::string problem_;                     // of the newest version; empty: it is in force
  std::atomic<std::uint64_t> version_ = 0;  // of state_; no two of this process are the same
  std::mutex state_mutex_;
  std::shared_ptr<const WebState> state_;
};

HttpResponse unauthorized_response();
HttpResponse rate_limited_response();
// Those of the web configuration, for every response but the rate limit's.
void add_web_headers(const WebState& state, HttpResponse& response);

}  // namespace smtpprobe
