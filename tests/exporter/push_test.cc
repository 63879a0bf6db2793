// The address of a group is pure. The request itself goes to a gateway of the test's own, which
// takes one request on the loopback, keeps it, and answers what it was given.
#include "exporter/push.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <string>
#include <thread>

namespace smtpprobe {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr std::string_view kExposition = "# TYPE probe_success gauge\nprobe_success 1\n";

PushPlan plan_for(std::string url) {
  PushPlan plan;
  plan.url = std::move(url);
  return plan;
}

std::string url_with(const std::string& name, const std::string& value) {
  PushPlan plan = plan_for("http://gw");
  plan.grouping = {{name, value}};
  const Result<std::string> url = push_url(plan);
  return url ? *url : "error: " + url.error().text;
}

std::string error_of(const Result<std::string>& result) {
  return result ? "no error" : result.error().text;
}
std::string error_of(const Result<void>& result) {
  return result ? "no error" : result.error().text;
}

TEST(PushUrl, IsTheGatewaysThenJobThenGrouping) {
  PushPlan plan = plan_for("https://user:pa%2Fss@push.example.net:9091/prefix/");
  EXPECT_EQ(*push_url(plan),
            "https://user:pa%2Fss@push.example.net:9091/prefix/metrics/job/smtp_probe");
  plan.url = "http://[::1]:9091";
  plan.job = "mail";
  plan.grouping = {{"instance", "mx1.example.net"}, {"a_1", "b"}};
  EXPECT_EQ(*push_url(plan), "http://[::1]:9091/metrics/job/mail/instance/mx1.example.net/a_1/b");
}

TEST(PushUrl, EncodesWhatAPathCanHold) {
  EXPECT_EQ(url_with("i", "a b:25?#%+&"),
            "http://gw/metrics/job/smtp_probe/i/a%20b%3A25%3F%23%25%2B%26");
  EXPECT_EQ(url_with("i", "Az09-._~"), "http://gw/metrics/job/smtp_probe/i/Az09-._~");
  EXPECT_EQ(url_with("i", "ü"), "http://gw/metrics/job/smtp_probe/i/%C3%BC");
  EXPECT_EQ(url_with("i", "..."), "http://gw/metrics/job/smtp_probe/i/...");
}

// RFC 4648 s5 with its '-' and '_', and '=' for an empty value, as the gateway's README has it.
TEST(PushUrl, WritesInBase64WhatItCannot) {
  const std::string start = "http://gw/metrics/job/smtp_probe/i@base64/";
  EXPECT_EQ(url_with("i", "/var/tmp"), start + "L3Zhci90bXA");
  EXPECT_EQ(url_with("i", ""), start + "=");
  EXPECT_EQ(url_with("i", "."), start + "Lg");
  EXPECT_EQ(url_with("i", ".."), start + "Li4");
  EXPECT_EQ(url_with("i", "a\nb"), start + "YQpi");
  EXPECT_EQ(url_with("i", "\x7f"), start + "fw");
  EXPECT_EQ(url_with("i", "/\xff\xfe>>>"), start + "L__-Pj4-");
  PushPlan plan = plan_for("http://gw");
  plan.job = "a/b";
  EXPECT_EQ(*push_url(plan), "http://gw/metrics/job@base64/YS9i");
}

TEST(PushUrl, RefusesLabelNamesThatPrometheusWould) {
  for (const char* const name :
       {"", "1a", "a-b", "a b", "a/b", "a@base64", "ü", "__name__", "a\n"}) {
    const std::string error = url_with(name, "v");
    EXPECT_TRUE(error.starts_with("error: grouping: got the label name \"")) << error;
    EXPECT_TRUE(error.ends_with("wanted letters, digits and '_'")) << error;
    EXPECT_EQ(error.find('\n'), std::string::npos);
  }
  EXPECT_EQ(url_with("job", "v"), "error: grouping: got the label \"job\", which --push.job sets");
  PushPlan plan = plan_for("http://gw");
  plan.grouping = {{"a", "1"}, {"b", "1"}, {"a", "2"}};
  EXPECT_EQ(error_of(push_url(plan)), "grouping: got the label \"a\" twice");
  plan = plan_for("http://gw");
  plan.job = "";
  EXPECT_EQ(error_of(push_url(plan)), "push job: got nothing, wanted a name");
}

TEST(PushUrl, RefusesWhatIsNoGateway) {
  for (const char* const url :
       {"", "gw", "gw:9091", "/metrics", "ftp://gw", "file:///etc/passwd", "http://",
        "http://gw:65536", "http://gw:x", "http://[::1", "http://gw/?a=b", "http://gw/#f",
        "http://g w", "http://gw\r\nX: y", "http://gw\\x", "http://user:pa/ss@gw"}) {
    const std::string error = error_of(push_url(plan_for(url)));
    EXPECT_TRUE(error.starts_with("push URL \"")) << url << ": " << error;
    EXPECT_EQ(error.find_first_of("\r\n"), std::string::npos) << error;
  }
}

TEST(PushUrl, IsBounded) {
  PushPlan plan = plan_for("http://gw");
  plan.job = "j";
  plan.grouping = {{"i", ""}};
  const std::size_t rest = std::string("http://gw/metrics/job/j/i/").size();
  plan.grouping[0].second = std::string(kMaxPushUrlBytes - rest, 'v');
  ASSERT_EQ(error_of(push_url(plan)), "no error");
  EXPECT_EQ(push_url(plan)->size(), kMaxPushUrlBytes);
  plan.grouping[0].second += 'v';
  EXPECT_EQ(error_of(push_url(plan)),
            "push URL: got 8193 bytes with job and grouping, wanted at most 8192");
}

TEST(ShownUrl, HidesWhateverMayBeASecret) {
  EXPECT_EQ(shown_url("http://gw:9091/a"), "http://gw:9091/a");
  EXPECT_EQ(shown_url("https://u:secret@gw/a"), "https://***@gw/a");
  EXPECT_EQ(shown_url("http://secret@gw"), "http://***@gw");
  EXPECT_EQ(shown_url("http://u:sec@ret/@gw"), "http://***@gw");
  EXPECT_EQ(shown_url("u:secret@gw"), "***@gw");
  EXPECT_EQ(shown_url("http://u:secret"), "a value of 15 bytes");
  EXPECT_EQ(shown_url("u:se://cret@gw"), "***@gw");
  EXPECT_EQ(shown_url("http://gw\n"), "http://gw\\x0a");
  EXPECT_EQ(shown_url("http://" + std::string(1000, 'g')).size(), 200U);
}

// No message about a URL, however odd, has a part of its password.
TEST(PushUrl, NoErrorHoldsThePassword) {
  for (const char* const url :
       {"http://u:secret@gw:x", "http://u:sec/secret@gw", "http://u:secret@", "u:secret@gw",
        "http://u:secret@gw/?q", "ftp://u:secret@gw", "http://u:secret @gw",
        "http://u:secret:secret@gw:70000", "http://u:@secret/@gw"}) {
    const std::string error = error_of(push_url(plan_for(url)));
    EXPECT_NE(error, "no error") << url;
    EXPECT_EQ(error.find("secret"), std::string::npos) << error;
  }
}

// Takes one connection on 127.0.0.1, one request from it, and answers with bytes of the test's. No
// call in it waits longer than ten seconds.
class Gateway {
 public:
  enum class Then { Close, Hold, Flood };  // after the answer

  explicit Gateway(std::string answer, Then then = Then::Close)
      : answer_(std::move(answer)), then_(then) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    EXPECT_EQ(bind(listener_, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(listen(listener_, 1), 0);
    EXPECT_EQ(getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size), 0);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { serve(); });
  }
  Gateway(const Gateway&) = delete;
  Gateway& operator=(const Gateway&) = delete;
  ~Gateway() {
    finish();
    close(listener_);
  }

  std::string url(std::string_view credentials = "") const {
    return "http://" + std::string(credentials) + "127.0.0.1:" + std::to_string(port_);
  }
  // The one request, complete when the push is over.
  const std::string& request() {
    finish();
    return request_;
  }
  std::size_t flooded() {
    finish();
    return flooded_;
  }

 private:
  void finish() {
    if (thread_.joinable()) thread_.join();
  }

  void serve() {
    pollfd one{listener_, POLLIN, 0};
    if (poll(&one, 1, 10'000) != 1) return;
    const int peer = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    const timeval patience{10, 0};
    setsockopt(peer, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(peer, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    while (!is_complete() && take(peer)) continue;
    send_all(peer, answer_);
    constexpr std::size_t kMostFlood = std::size_t{64} << 20U;
    const std::string piece(65'536, 'f');
    while (then_ == Then::Flood && flooded_ < kMostFlood && send_all(peer, piece)) {
      flooded_ += piece.size();
    }
    while (then_ == Then::Hold && take(peer)) continue;
    close(peer);
  }

  bool take(int peer) {
    std::array<char, 4096> bytes{};
    const ssize_t got = recv(peer, bytes.data(), bytes.size(), 0);
    if (got <= 0) return false;
    request_.append(bytes.data(), static_cast<std::size_t>(got));
    return true;
  }

  bool is_complete() const {
    constexpr std::string_view kLength = "\r\nContent-Length: ";
    const std::size_t head = request_.find("\r\n\r\n");
    const std::size_t length = request_.find(kLength);
    if (head == std::string::npos || length > head) return false;
    std::size_t body = 0;
    const char* const digits = request_.data() + length + kLength.size();
    std::from_chars(digits, request_.data() + head, body);
    return request_.size() >= head + 4 + body;
  }

  static bool send_all(int peer, std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = send(peer, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }

  std::string answer_;
  Then then_;
  int listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int port_ = 0;
  std::string request_;
  std::size_t flooded_ = 0;
  std::thread thread_;
};

std::string answer(std::string_view status, std::string_view text) {
  return "HTTP/1.1 " + std::string(status) + "\r\nContent-Length: " + std::to_string(text.size()) +
         "\r\n\r\n" + std::string(text);
}

class Push : public testing::Test {
 protected:
  // Whatever proxies this machine has, the loopback is reached without.
  static void SetUpTestSuite() { setenv("no_proxy", "*", 1); }

  // The error of a push to a gateway that answers so.
  static std::string error_with(const std::string& answer,
                                Gateway::Then then = Gateway::Then::Close) {
    Gateway gateway(answer, then);
    const std::string error = error_of(push(plan_for(gateway.url()), kExposition));
    const std::string start = "push to " + gateway.url() + ": ";
    return error.starts_with(start) ? error.substr(start.size()) : error;
  }
};

TEST_F(Push, PutsTheExpositionToItsGroup) {
  Gateway gateway(answer("200 OK", ""));
  PushPlan plan = plan_for(gateway.url() + "/prefix/");
  plan.grouping = {{"instance", "mx 1"}, {"path", "/a"}, {"empty", ""}};
  EXPECT_EQ(error_of(push(plan, kExposition)), "no error");
  const std::string& request = gateway.request();
  EXPECT_TRUE(
      request.starts_with("PUT /prefix/metrics/job/smtp_probe/instance/mx%201/path@base64/"
                          "L2E/empty@base64/= HTTP/1.1\r\n"))
      << request;
  for (const std::string_view header :
       {"\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n",
        "\r\nUser-Agent: smtp_probe_exporter/"}) {
    EXPECT_NE(request.find(header), std::string::npos) << header << " in " << request;
  }
  for (const std::string_view header : {"\r\nAuthorization:", "\r\nTransfer-"}) {
    EXPECT_EQ(request.find(header), std::string::npos) << header << " in " << request;
  }
  EXPECT_TRUE(request.ends_with("\r\n\r\n" + std::string(kExposition)));
}

TEST_F(Push, SendsUserAndPasswordOfTheUrl) {
  Gateway gateway(answer("200 OK", ""));
  EXPECT_EQ(error_of(push(plan_for(gateway.url("user:pa%2Fss@")), kExposition)), "no error");
  EXPECT_NE(gateway.request().find("\r\nAuthorization: Basic dXNlcjpwYS9zcw==\r\n"),
            std::string::npos)
      << gateway.request();
}

TEST_F(Push, TakesALargeExposition) {
  Gateway gateway(answer("200 OK", ""));
  const std::string large(5'000'000, '#');
  EXPECT_EQ(error_of(push(plan_for(gateway.url()), large)), "no error");
  const std::string& request = gateway.request();
  EXPECT_TRUE(request.ends_with("\r\n\r\n" + large));
  // From 1 MiB on, curl by itself would ask first.
  EXPECT_EQ(request.find("\r\nExpect:"), std::string::npos) << request.substr(0, 500);
}

TEST_F(Push, AnEmptyExpositionEmptiesTheGroup) {
  Gateway gateway(answer("200 OK", ""));
  EXPECT_EQ(error_of(push(plan_for(gateway.url()), std::string_view())), "no error");
  EXPECT_NE(gateway.request().find("\r\nContent-Length: 0\r\n"), std::string::npos);
  EXPECT_TRUE(gateway.request().ends_with("\r\n\r\n"));
}

TEST_F(Push, AnyTwoHundredIsGood) {
  for (const std::string_view status : {"200 OK", "202 Accepted", "204 No Content", "299 Odd"}) {
    EXPECT_EQ(error_with("HTTP/1.1 " + std::string(status) + "\r\nContent-Length: 0\r\n\r\n"),
              "no error");
  }
}

TEST_F(Push, AnyOtherStatusIsAnErrorInTheGatewaysWords) {
  EXPECT_EQ(error_with(answer("400 Bad Request", "text format parsing error in line 1\n")),
            "HTTP status 400: text format parsing error in line 1");
  EXPECT_EQ(error_with(answer("503 Unavailable", "")), "HTTP status 503");
  EXPECT_EQ(error_with(answer("300 Choices", "x")),
            "HTTP status 300, and redirects are not followed");
}

TEST_F(Push, ARedirectIsNotFollowed) {
  Gateway other(answer("200 OK", ""));
  EXPECT_EQ(error_with("HTTP/1.1 307 Elsewhere\r\nLocation: " + other.url() +
                       "/\r\nContent-Length: 0\r\n\r\n"),
            "HTTP status 307, and redirects are not followed");
  // Now somebody does come, so that nobody waits for it.
  EXPECT_EQ(error_of(push(plan_for(other.url("own:request@")), kExposition)), "no error");
  EXPECT_NE(other.request().find("Authorization"), std::string::npos);
}

TEST_F(Push, TheGatewaysWordsAreOneCleanLine) {
  EXPECT_EQ(error_with(answer("400 Bad", "  <html>\r\n\t<p>bad\x1b[31m \xff</p>\n\n</html>\n")),
            "HTTP status 400: <html> <p>bad\\x1b[31m \\xff</p> </html>");
}

TEST_F(Push, TheGatewaysWordsAreCut) {
  const std::string most(kGatewayTextBytes, 'w');
  const std::string cut = std::string(kGatewayTextBytes - 3, 'w') + "...";
  EXPECT_EQ(error_with(answer("500 Bad", most)), "HTTP status 500: " + most);
  EXPECT_EQ(error_with(answer("500 Bad", most + "w")), "HTTP status 500: " + cut);
  EXPECT_EQ(error_with(answer("500 Bad", std::string(60'000, 'w'))), "HTTP status 500: " + cut);
}

// The answer promises one byte more than comes. Up to the limit we are still there to miss it.
TEST_F(Push, NoMoreOfTheAnswerIsReadThanItsLimit) {
  const auto promised = [](std::size_t bytes) {
    return "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(bytes + 1) + "\r\n\r\n" +
           std::string(bytes, 'w');
  };
  EXPECT_EQ(error_with(answer("200 OK", std::string(kMaxGatewayAnswerBytes, 'w'))), "no error");
  EXPECT_NE(error_with(promised(kMaxGatewayAnswerBytes)), "no error");
  EXPECT_EQ(error_with(promised(kMaxGatewayAnswerBytes + 1)), "no error");
}

TEST_F(Push, AnAnswerWithoutAnEndIsLeft) {
  Gateway gateway("HTTP/1.1 500 Bad\r\n\r\n", Gateway::Then::Flood);
  const std::string error = error_of(push(plan_for(gateway.url()), kExposition));
  EXPECT_TRUE(
      error.ends_with("HTTP status 500: " + std::string(kGatewayTextBytes - 3, 'f') + "..."))
      << error;
  EXPECT_LT(gateway.flooded(), std::size_t{32} << 20U);
}

TEST_F(Push, ASilentGatewayIsGivenUp) {
  for (const char* const start : {"", "HTTP/1.1 200 OK\r\n",
                                  "HTTP/1.1 200 OK\r\nContent-Length: "
                                  "9\r\n\r\nhalf"}) {
    Gateway gateway(start, Gateway::Then::Hold);
    PushPlan plan = plan_for(gateway.url());
    plan.timeout = milliseconds(200);
    const auto began = steady_clock::now();
    const std::string error = error_of(push(plan, kExposition));
    const auto took = steady_clock::now() - began;
    EXPECT_NE(error.find("timed out"), std::string::npos) << error;
    EXPECT_GE(took, milliseconds(190));
    EXPECT_LT(took, milliseconds(5000));
  }
}

// For curl a timeout of 0 is none at all.
TEST_F(Push, ATimeoutOfNothingIsStillOne) {
  Gateway gateway("", Gateway::Then::Hold);
  PushPlan plan = plan_for(gateway.url());
  plan.timeout = Duration::zero();
  const auto began = steady_clock::now();
  EXPECT_NE(error_of(push(plan, kExposition)), "no error");
  EXPECT_LT(steady_clock::now() - began, milliseconds(5000));
  // If it never got there, somebody has to.
  plan.timeout = milliseconds(200);
  push(plan, kExposition).map_error([](const Error&) {});
}

TEST_F(Push, WhatIsNoHttpIsAnError) {
  for (const char* const odd :
       {"220 mail.example.net ESMTP\r\n", "", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"}) {
    const std::string error = error_with(odd);
    EXPECT_NE(error, "no error") << odd;
    EXPECT_FALSE(error.empty()) << odd;
  }
}

TEST_F(Push, ARefusedConnectionNamesTheGatewayAndNotItsPassword) {
  const int bound = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);  // and does not listen
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  ASSERT_EQ(bind(bound, reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(getsockname(bound, reinterpret_cast<sockaddr*>(&address), &size), 0);
  const std::string authority = "127.0.0.1:" + std::to_string(ntohs(address.sin_port));
  const std::string error =
      error_of(push(plan_for("http://user:secret@" + authority), kExposition));
  EXPECT_TRUE(error.starts_with("push to http://***@" + authority + ": ")) << error;
  EXPECT_NE(error.find("Failed to connect"), std::string::npos) << error;
  EXPECT_EQ(error.find("secret"), std::string::npos) << error;
  close(bound);
}

TEST_F(Push, ABadPlanIsNotSent) {
  EXPECT_TRUE(error_of(push(plan_for("gw:9091"), kExposition)).starts_with("push URL \"gw:9091\""));
}

}  // namespace
}  // namespace smtpprobe
