// Who is let in, and what a changed file does to that. Time is an argument; files are replaced as
// certificate tools do it, by renaming. Costs are low where no test is about them.
#include "exporter/web_access.h"

#include <crypt.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <time.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <limits>
#include <string>
#include <string_view>
#include <thread>

#include "common/smtp/base64.h"
#include "exporter/log.h"
#include "tests/net/tls_pair.h"

namespace smtpprobe {
namespace {

using std::chrono::seconds;

std::string hash_of(const std::string& password, const char* kind = "$2y$", unsigned cost = 4) {
  crypt_data data{};
  char* const salt = ::crypt_gensalt(kind, cost, "abcdefghijklmnop", 16);
  const char* const hash = salt == nullptr ? nullptr : ::crypt_r(password.c_str(), salt, &data);
  EXPECT_NE(hash, nullptr);
  return hash == nullptr ? std::string() : std::string(hash);
}

std::string basic(const std::string& user, const std::string& password) {
  return "Basic " + base64_encode(user + ":" + password);
}

std::string users_text(std::initializer_list<std::pair<const char*, std::string>> users) {
  std::string text = "basic_auth_users:\n";
  for (const auto& [name, hash] : users) text += fmt::format("  {}: {}\n", name, hash);
  return text;
}

// A web configuration that changes, its access, and a clock.
class WebAccessTest : public testing::Test {
 protected:
  void SetUp() override { set_up_log(LogLevel::Error, LogFormat::Logfmt); }
  void TearDown() override { set_up_log(LogLevel::Info, LogFormat::Logfmt); }

  void put(const std::string& text) { put("web.yml", text); }
  void put(const std::string& name, const std::string& text) {
    std::filesystem::rename(folder_.write(name + ".new", text), file(name));
  }
  std::string file(const std::string& name) const { return folder_.path() + "/" + name; }

  void open(const std::string& text) {
    put(text);
    Result<std::unique_ptr<WebAccess>> made = WebAccess::open(file("web.yml"));
    ASSERT_TRUE(made) << made.error().text;
    access_ = std::move(*made);
    state();
  }

  // A second later than the last one: the files are looked at.
  std::shared_ptr<const WebState> state() {
    now_ += seconds(1);
    access_->look_again();
    return access_->state();
  }

  // The log keeps the stderr that it found.
  std::string log_of_next_state() {
    testing::internal::CaptureStderr();
    set_up_log(LogLevel::Info, LogFormat::Logfmt);
    state();
    std::string said = testing::internal::GetCapturedStderr();
    set_up_log(LogLevel::Error, LogFormat::Logfmt);
    return said;
  }

  AuthDecision decide(const std::string& authorization) {
    return access_->decide(*state(), authorization);
  }
  bool check(const std::string& user, const std::string& password) {
    return access_->check_slowly(*state(), basic(user, password));
  }

  const Folder folder_;
  std::unique_ptr<WebAccess> access_;
  Instant now_{};
};

TEST_F(WebAccessTest, WithoutAFileEverybodyIsLetIn) {
  const auto access = WebAccess::open("");
  ASSERT_TRUE(access);
  const auto state = (*access)->state();
  ASSERT_NE(state, nullptr);
  EXPECT_EQ(state->tls, nullptr);
  EXPECT_TRUE(may_proceed(*state, Instant{}));
  EXPECT_EQ((*access)->decide(*state, ""), AuthDecision::Allowed);
  EXPECT_EQ((*access)->decide(*state, "Bearer x"), AuthDecision::Allowed);
  (*access)->look_again();
  EXPECT_EQ((*access)->state(), state);
}

TEST_F(WebAccessTest, BadFileDoesNotOpen) {
  for (const char* text : {"nonsense: 1\n", "tls_server_config: {cert_file: a, key_file: b}\n"}) {
    put(text);
    const auto access = WebAccess::open(file("web.yml"));
    ASSERT_FALSE(access) << text;
    EXPECT_TRUE(access.error().text.starts_with(file("web.yml"))) << access.error().text;
  }
  EXPECT_FALSE(WebAccess::open(file("none.yml")));
}

TEST_F(WebAccessTest, Passwords) {
  open(users_text({{"alice", hash_of("correct horse")}, {"bob", hash_of("p\u00e4ss:w\u00f6rd")}}));
  EXPECT_EQ(decide(basic("alice", "correct horse")), AuthDecision::Hashing);
  EXPECT_TRUE(check("alice", "correct horse"));
  EXPECT_EQ(decide(basic("alice", "correct horse")), AuthDecision::Allowed);
  EXPECT_TRUE(check("bob", "p\u00e4ss:w\u00f6rd"));
  for (const auto& [user, password] : {std::pair{"alice", "wrong"},
                                       {"alice", ""},
                                       {"alice", "p\u00e4ss:w\u00f6rd"},
                                       {"nobody", "correct horse"},
                                       {"", ""},
                                       {"Alice", "correct horse"}}) {
    EXPECT_EQ(decide(basic(user, password)), AuthDecision::Hashing) << user << " " << password;
    EXPECT_FALSE(check(user, password)) << user << " " << password;
    EXPECT_EQ(decide(basic(user, password)), AuthDecision::Denied) << user << " " << password;
  }
}

TEST_F(WebAccessTest, KindsOfHashes) {
  open(users_text({{"a", hash_of("x", "$2a$")},
                   {"b", hash_of("x", "$2b$")},
                   {"y", hash_of("x", "$2y$")},
                   {"sample", "$2y$10$75RcILtPZ9p1eHNhc2pSHOeKkwIHH7BUWEOHA0z/aO6NxaupRd3/G"}}));
  for (const char* user : {"a", "b", "y"}) {
    EXPECT_TRUE(check(user, "x"));
    EXPECT_FALSE(check(user, "X"));
  }
  EXPECT_TRUE(check("sample", "change me"));
}

// RFC 7617 s2; the scheme in any case (RFC 9110 s11.1).
TEST_F(WebAccessTest, FormsOfTheHeader) {
  open(users_text({{"alice", hash_of("x")}}));
  const std::string code = base64_encode("alice:x");
  for (const std::string& form :
       {"Basic " + code, "basic " + code, "BASIC " + code, "Basic   " + code})
    EXPECT_TRUE(access_->check_slowly(*state(), form)) << form;
  for (const std::string& form :
       {std::string(), std::string("Basic"), std::string("Basic "), "Basic" + code,
        "Bearer " + code, "Basic " + code + "!", "Basic \t" + code, " Basic " + code,
        std::string("Basic alice:x"), "Basic " + base64_encode("alice"),
        basic("alice", std::string("x\0", 2))}) {
    EXPECT_EQ(decide(form), AuthDecision::Denied) << form;
    EXPECT_FALSE(access_->check_slowly(*state(), form)) << form;
  }
}

TEST_F(WebAccessTest, Limits) {
  const std::string longest(kMaxPasswordBytes, 'p');
  open(users_text({{"alice", hash_of(longest)}}));
  EXPECT_EQ(decide(basic("alice", longest)), AuthDecision::Hashing);
  EXPECT_TRUE(check("alice", longest));
  EXPECT_EQ(decide(basic("alice", longest + "p")), AuthDecision::Denied);
  EXPECT_FALSE(check("alice", longest + "p"));

  const std::string code = base64_encode("alice:" + longest);
  const auto padded = [&code](std::size_t size) {
    return "Basic " + std::string(size - 6 - code.size(), ' ') + code;
  };
  ASSERT_EQ(padded(kMaxAuthorizationBytes).size(), kMaxAuthorizationBytes);
  EXPECT_EQ(decide(padded(kMaxAuthorizationBytes)), AuthDecision::Allowed);
  EXPECT_EQ(decide(padded(kMaxAuthorizationBytes + 1)), AuthDecision::Denied);
}

// Where user and password are told apart by position alone, one good login makes others good.
TEST_F(WebAccessTest, RememberedLoginsAreNoOthers) {
  open(users_text({{"ab", hash_of("cd")}, {"a", hash_of("x")}, {"abc", hash_of("y")}}));
  EXPECT_TRUE(check("ab", "cd"));
  EXPECT_FALSE(check("a", "bcd"));
  EXPECT_FALSE(check("abc", "d"));
  EXPECT_FALSE(check("abcd", ""));
  // The hash that stands for unknown users is nobody's password.
  EXPECT_FALSE(check("nobody", "cd"));
  EXPECT_EQ(decide(basic("nobody", "cd")), AuthDecision::Denied);
}

TEST_F(WebAccessTest, ChangedPasswordEndsTheOldOne) {
  open(users_text({{"alice", hash_of("old")}, {"bob", hash_of("x")}}));
  EXPECT_TRUE(check("alice", "old"));
  EXPECT_FALSE(check("alice", "new"));
  EXPECT_TRUE(check("bob", "x"));
  put(users_text({{"alice", hash_of("new")}, {"carol", hash_of("x")}}));
  EXPECT_FALSE(check("alice", "old"));
  EXPECT_TRUE(check("alice", "new"));
  EXPECT_FALSE(check("bob", "x"));
  EXPECT_TRUE(check("carol", "x"));
}

double cpu_seconds() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

// Constant, or a stranger could keep others waiting for the most expensive hash of the file.
TEST_F(WebAccessTest, UnknownUsersCostAHashOfCostTen) {
  open(users_text({{"ten", hash_of("x", "$2y$", kUnknownUserCost)},
                   {"cheap", hash_of("x", "$2y$", 6)},
                   {"dear", hash_of("x", "$2y$", 13)}}));
  const auto in_force = state();
  // The least of three: what else the machine does can only add to it.
  const auto cost = [&](const std::string& user) {
    double least = 1e9;
    for (int turn = 0; turn < 3; ++turn) {
      const double began = cpu_seconds();
      EXPECT_FALSE(access_->check_slowly(*in_force, basic(user, fmt::format("wrong{}", turn))));
      least = std::min(least, cpu_seconds() - began);
    }
    return least;
  };
  const double unknown = cost("nobody");
  const double ten = cost("ten");
  EXPECT_GT(unknown, ten / 2);
  EXPECT_LT(unknown, ten * 2);
  EXPECT_GT(unknown, cost("cheap") * 4);  // 16 times, but for what the machine adds
  EXPECT_LT(unknown, cost("dear") / 2);   // an eighth
}

TEST_F(WebAccessTest, ManyThreadsOneLogin) {
  open(users_text({{"alice", hash_of("x")}}));
  const auto in_force = state();
  std::atomic<int> allowed = 0;
  std::vector<std::thread> threads;
  threads.reserve(8);
  for (int at = 0; at < 8; ++at) {
    threads.emplace_back([&, at] {
      const std::string authorization = basic("alice", at % 2 == 0 ? "x" : "wrong");
      if (access_->check_slowly(*in_force, authorization)) ++allowed;
      if (access_->decide(*in_force, authorization) == AuthDecision::Allowed) ++allowed;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(allowed, 8);
}

TEST(LoginCache, ARandomOneMakesRoom) {
  LoginCache cache;
  const auto login = [](std::size_t number) {
    return LoginCache::Digest{static_cast<unsigned char>(number), 1};
  };
  const auto held = [&](std::size_t count) {
    std::size_t sum = 0;
    for (std::size_t at = 0; at < count; ++at) sum += cache.holds(login(at)) ? 1U : 0U;
    return sum;
  };
  EXPECT_FALSE(cache.holds({}));
  for (std::size_t at = 0; at < kMaxRememberedLogins; ++at) cache.keep(login(at));
  EXPECT_EQ(held(kMaxRememberedLogins), kMaxRememberedLogins);
  cache.keep(login(kMaxRememberedLogins));
  EXPECT_TRUE(cache.holds(login(kMaxRememberedLogins)));
  EXPECT_EQ(held(kMaxRememberedLogins + 1), kMaxRememberedLogins);
}

TEST(RateLimiter, BurstThenOneEachInterval) {
  RateLimiter limiter({seconds(1), 3});
  const Instant start = Instant{} + seconds(1000);
  for (int at = 0; at < 3; ++at) EXPECT_TRUE(limiter.take(start)) << at;
  EXPECT_FALSE(limiter.take(start));
  EXPECT_FALSE(limiter.take(start + std::chrono::milliseconds(999)));
  EXPECT_TRUE(limiter.take(start + seconds(1)));
  EXPECT_FALSE(limiter.take(start + seconds(1)));
  // A rest fills it, and no more than that.
  for (int at = 0; at < 3; ++at) EXPECT_TRUE(limiter.take(start + seconds(100))) << at;
  EXPECT_FALSE(limiter.take(start + seconds(100)));
}

TEST(RateLimiter, WithoutABurstNothingPasses) {
  for (const std::int64_t burst : {std::int64_t{0}, std::numeric_limits<std::int64_t>::min()}) {
    for (const Duration interval : {Duration(1), Duration(seconds(1)), Duration::max()}) {
      RateLimiter limiter({interval, burst});
      EXPECT_FALSE(limiter.take(Instant{}));
      EXPECT_FALSE(limiter.take(Instant{} + std::chrono::hours(24)));
    }
  }
}

TEST(RateLimiter, Extremes) {
  const Instant start = Instant{} + std::chrono::hours(24 * 365 * 10);
  constexpr int kMany = 20'000;  // a day each, of the 73 years that the bucket may hold
  RateLimiter slow({std::chrono::hours(24), kMany});
  for (int at = 0; at < kMany; ++at) ASSERT_TRUE(slow.take(start)) << at;
  EXPECT_FALSE(slow.take(start));
  EXPECT_TRUE(slow.take(start + std::chrono::hours(24)));
  RateLimiter quick({Duration(1), 1});
  EXPECT_TRUE(quick.take(start));
  EXPECT_FALSE(quick.take(start));
  EXPECT_TRUE(quick.take(start + Duration(1)));
  RateLimiter once({Duration::max(), 1});
  EXPECT_TRUE(once.take(start));
  EXPECT_FALSE(once.take(start + std::chrono::hours(24 * 365)));
  RateLimiter endless({seconds(1), std::numeric_limits<std::int64_t>::max()});
  for (int at = 0; at < kMany; ++at) ASSERT_TRUE(endless.take(start)) << at;
}

TEST(RateLimiter, ThreadsShareOneBucket) {
  RateLimiter limiter({seconds(1), 1000});
  std::atomic<int> taken = 0;
  std::vector<std::thread> threads;
  threads.reserve(4);
  for (int at = 0; at < 4; ++at) {
    threads.emplace_back([&] {
      for (int turn = 0; turn < 1000; ++turn) taken += limiter.take(Instant{}) ? 1 : 0;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(taken, 1000);
}

TEST_F(WebAccessTest, RateLimitOutlivesOtherChanges) {
  const std::string limit = "rate_limit: {interval: 1h, burst: 1}\n";
  open(limit);
  EXPECT_TRUE(may_proceed(*state(), now_));
  EXPECT_FALSE(may_proceed(*state(), now_));
  put(limit + "http_server_config: {headers: {X-Frame-Options: deny}}\n");
  EXPECT_EQ(state()->config.headers.size(), 1U);
  EXPECT_FALSE(may_proceed(*state(), now_));
  put("rate_limit: {interval: 1h, burst: 2}\n");
  EXPECT_TRUE(may_proceed(*state(), now_));
  put("{}\n");
  for (int at = 0; at < 10; ++at) EXPECT_TRUE(may_proceed(*state(), now_));
}

TEST_F(WebAccessTest, ChangesComeWithALook) {
  open("http_server_config: {headers: {X-Frame-Options: deny}}\n");
  const auto before = state();
  put("http_server_config: {headers: {X-Frame-Options: sameorigin}}\n");
  EXPECT_EQ(access_->state(), before);
  const auto after = state();
  EXPECT_EQ(after->config.headers.front().second, "sameorigin");
  EXPECT_EQ(before->config.headers.front().second, "deny");  // who works by it goes on
}

TEST_F(WebAccessTest, UnchangedFilesAreNotReadAgain) {
  open("{}\n");
  EXPECT_EQ(state(), state());
}

TEST_F(WebAccessTest, BadVersionLeavesTheOldOneAndIsLoggedOnce) {
  open(users_text({{"alice", hash_of("x")}}));
  const auto before = state();
  put("basic_auth_users: {alice: hush}\nbogus: 1\n");
  const std::string said = log_of_next_state();
  EXPECT_NE(said.find("web.yml:2: bogus: unknown key"), std::string::npos)
      << "every fault: " << said;
  EXPECT_NE(said.find("the old one stays"), std::string::npos) << said;
  EXPECT_NE(said.find("web.yml:1: basic_auth_users.alice"), std::string::npos) << said;
  EXPECT_EQ(said.find("hush"), std::string::npos) << said;
  EXPECT_EQ(state(), before);
  EXPECT_EQ(log_of_next_state(), "");
  std::filesystem::remove(file("web.yml"));
  EXPECT_NE(log_of_next_state().find("the old one stays"), std::string::npos);
  EXPECT_EQ(state(), before);
  put(users_text({{"bob", hash_of("x")}}));
  EXPECT_NE(log_of_next_state().find("web configuration loaded"), std::string::npos);
  EXPECT_TRUE(check("bob", "x"));
}

TEST_F(WebAccessTest, NothingButARestartTakesUsersAway) {
  open(users_text({{"alice", hash_of("x")}}));
  for (const char* text : {"", "{}\n", "basic_auth_users:\n"}) {
    put(text);
    EXPECT_FALSE(state()->config.users.empty()) << text;
    EXPECT_EQ(decide(""), AuthDecision::Denied) << text;
  }
}

// No descriptor was left when the new version was to be read: it is in force once there is one.
TEST_F(WebAccessTest, OurOwnTroublePasses) {
  open("{}\n");
  put("http_server_config: {headers: {X-Frame-Options: deny}}\n");
  rlimit usual{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &usual), 0);
  const rlimit none{1, usual.rlim_max};
  testing::internal::CaptureStderr();
  set_up_log(LogLevel::Error, LogFormat::Logfmt);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  const bool early = !state()->config.headers.empty();
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &usual), 0);
  const std::string said = testing::internal::GetCapturedStderr();
  EXPECT_FALSE(early);
  EXPECT_NE(said.find("the old one stays"), std::string::npos) << said;
  EXPECT_NE(log_of_next_state().find("web configuration loaded"), std::string::npos);
  EXPECT_EQ(state()->config.headers.size(), 1U);
}

class WebAccessTlsTest : public WebAccessTest {
 protected:
  static constexpr const char* kText =
      "tls_server_config: {cert_file: web.pem, key_file: web.key}\n";

  void put_pair(const TestCertificate& pair) {
    put("web.pem", pair.chain);
    put("web.key", pair.key);
  }
  static bool shows(const WebState& state, const TestCertificate& pair) {
    const std::unique_ptr<BIO, decltype(&BIO_free_all)> text(
        BIO_new_mem_buf(pair.chain.data(), static_cast<int>(pair.chain.size())), &BIO_free_all);
    const std::unique_ptr<X509, decltype(&X509_free)> wanted(
        PEM_read_bio_X509(text.get(), nullptr, nullptr, nullptr), &X509_free);
    return X509_cmp(SSL_CTX_get0_certificate(state.tls.get()), wanted.get()) == 0;
  }
};

TEST_F(WebAccessTlsTest, CertificatesChange) {
  const TestCertificate first = pki().server;
  const TestCertificate second = pki().issue(TestPki::server_request());
  put_pair(first);
  open(kText);
  const auto before = state();
  EXPECT_TRUE(shows(*before, first));
  // Between the two files nothing fits.
  put("web.pem", second.chain);
  EXPECT_NE(log_of_next_state().find("tls_server_config.key_file"), std::string::npos);
  EXPECT_EQ(state(), before);
  put("web.key", second.key);
  EXPECT_TRUE(shows(*state(), second));
  EXPECT_TRUE(shows(*before, first));  // sessions that began with it go on
}

// As Kubernetes mounts secrets: a link that is turned to another folder.
TEST_F(WebAccessTlsTest, LinksAreFollowed) {
  const TestCertificate second = pki().issue(TestPki::server_request());
  const auto version = [this](const char* name, const TestCertificate& pair) {
    std::filesystem::create_directory(file(name));
    put(std::string(name) + "/web.pem", pair.chain);
    put(std::string(name) + "/web.key", pair.key);
  };
  version("1", pki().server);
  version("2", second);
  std::filesystem::create_symlink("1", file("data"));
  open("tls_server_config: {cert_file: data/web.pem, key_file: data/web.key}\n");
  EXPECT_TRUE(shows(*state(), pki().server));
  std::filesystem::create_symlink("2", file("data.new"));
  std::filesystem::rename(file("data.new"), file("data"));
  EXPECT_TRUE(shows(*state(), second));
}

TEST_F(WebAccessTlsTest, BadFilesLeaveTheOldOnes) {
  put_pair(pki().server);
  open(kText);
  const auto before = state();
  put("web.key", "no key\n");
  const std::string said = log_of_next_state();
  EXPECT_NE(said.find(file("web.key")), std::string::npos) << said;
  EXPECT_EQ(said.find("no key"), std::string::npos) << said;
  EXPECT_EQ(state(), before);
  std::filesystem::remove(file("web.pem"));
  EXPECT_EQ(state(), before);
  // A bad configuration, and files that change behind it.
  put("nonsense: 1\n");
  EXPECT_EQ(state(), before);
  put_pair(pki().issue(TestPki::server_request()));
  EXPECT_EQ(state(), before);
  put(kText);
  EXPECT_NE(state(), before);
}

TEST_F(WebAccessTlsTest, NothingButARestartSwitchesTlsOff) {
  put_pair(pki().server);
  open(kText);
  put("{}\n");
  EXPECT_NE(log_of_next_state().find("only a restart switches TLS off"), std::string::npos);
  EXPECT_NE(state()->tls, nullptr);
}

TEST_F(WebAccessTlsTest, ClientAuthoritiesAreWatched) {
  put_pair(pki().server);
  put("ca.pem", pki().root.chain);
  open(
      "tls_server_config: {cert_file: web.pem, key_file: web.key, client_ca_file: ca.pem,\n"
      "  client_auth_type: RequireAndVerifyClientCert}\n");
  const auto before = state();
  put("ca.pem", pki().intermediate.chain);
  EXPECT_NE(state(), before);
}

TEST_F(WebAccessTest, ThreadsSeeEachVersionWhole) {
  const auto text = [](int number) {
    return fmt::format(
        "http_server_config: {{headers: {{X-XSS-Protection: '{0}', Content-Security-Policy: "
        "'{0}'}}}}\n",
        number);
  };
  open(text(0));
  constexpr int kVersions = 50;
  std::atomic<int> torn = 0;
  std::atomic<bool> done = false;
  std::vector<std::thread> threads;
  threads.reserve(3);
  for (int at = 0; at < 3; ++at) {
    threads.emplace_back([&] {
      while (!done) {
        const auto seen = access_->state();
        if (seen->config.headers[0].second != seen->config.headers[1].second) ++torn;
      }
    });
  }
  for (int number = 1; number <= kVersions; ++number) {
    put(text(number));
    EXPECT_EQ(state()->config.headers.front().second, std::to_string(number));
  }
  done = true;
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(torn, 0);
}

TEST(WebResponses, Unauthorized) {
  const HttpResponse response = unauthorized_response();
  EXPECT_EQ(response.status, 401);
  ASSERT_EQ(response.headers.size(), 1U);
  EXPECT_EQ(response.headers[0].first, "WWW-Authenticate");
  EXPECT_TRUE(response.headers[0].second.starts_with("Basic realm="));
}

TEST(WebResponses, TooMany) { EXPECT_EQ(rate_limited_response().status, 429); }

TEST(WebResponses, HeadersAreAdded) {
  WebState state;
  state.config.headers = {{"X-Frame-Options", "deny"}};
  HttpResponse response;
  response.headers = {{"Allow", "GET"}};
  add_web_headers(state, response);
  ASSERT_EQ(response.headers.size(), 2U);
  EXPECT_EQ(response.headers[1], (std::pair<std::string, std::string>{"X-Frame-Options", "deny"}));
}

}  // namespace
}  // namespace smtpprobe
