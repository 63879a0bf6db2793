// The demo's mail server: each rule it answers by.
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "tests/fake_server/fake_server.h"
#include "tests/net/plain_client.h"

namespace smtpprobe {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;
using Client = PlainClient;

// Says a line and gives the first three digits of the answer.
std::string code_of(Client& client, const std::string& line) {
  client.say(line + "\r\n");
  return client.read().substr(0, 3);
}

TEST(MailServer, AnswersByTheRules) {
  const FakeServer server(FakeServer::Mail{}, {});
  Client client(server);
  EXPECT_EQ(client.read().substr(0, 4), "220 ");
  for (const auto& [line, code] : std::vector<std::pair<std::string, std::string>>{
           {"MAIL FROM:<a@b.test>", "503"},
           {"EHLO", "501"},
           {"EHLO probe.test", "250"},
           {"AUTH PLAIN", "530"},
           {"RCPT TO:<c@d.test>", "503"},
           {"DATA", "503"},
           {"MAIL FROM: a@b.test", "501"},
           {"MAIL FROM:<a@b.test> SIZE=99999999999", "552"},
           {"mail from:<a@b.test>", "250"},
           {"MAIL FROM:<a@b.test>", "503"},
           {"DATA", "554"},
           {"RCPT TO:<unknown@d.test>", "550"},
           {"RCPT TO:<grey@d.test>", "450"},
           {"RCPT TO:<c@d.test>", "250"},
           {"DATA", "354"},
           {"x\r\n.", "250"},
           {"DATA", "503"},
           {"RSET", "250"},
           {"NOOP", "250"},
           {"VRFY x", "252"},
           {"XYZZY", "502"},
           {"QUIT", "221"}}) {
    EXPECT_EQ(code_of(client, line), code) << line;
  }
  EXPECT_TRUE(client.hears_end());
}

TEST(MailServer, IsSlowWhereAsked) {
  const FakeServer server(FakeServer::Mail{}, {});
  Client client(server);
  client.read();
  EXPECT_EQ(code_of(client, "HELO probe.test"), "250");
  EXPECT_EQ(code_of(client, "MAIL FROM:<>"), "250");
  const Clock::time_point began = Clock::now();
  EXPECT_EQ(code_of(client, "RCPT TO:<slow@d.test>"), "250");
  EXPECT_GE(Clock::now() - began, 1500ms);
}

TEST(MailServer, AuthenticatesInTls) {
  const FakeServer server(FakeServer::Mail{}, {});
  Client client(server);
  client.read();
  client.say("EHLO probe.test\r\n");
  const std::string clear = client.read();
  EXPECT_NE(clear.find("STARTTLS"), std::string::npos);
  EXPECT_EQ(clear.find("AUTH"), std::string::npos);
  EXPECT_EQ(code_of(client, "STARTTLS"), "220");
  ASSERT_TRUE(client.start_tls(server.trust_anchor(), "localhost"));
  EXPECT_EQ(code_of(client, "MAIL FROM:<>"), "503");  // the greeting counts no longer
  client.say("EHLO probe.test\r\n");
  const std::string secret = client.read();
  EXPECT_EQ(secret.find("STARTTLS"), std::string::npos);
  EXPECT_NE(secret.find("AUTH PLAIN LOGIN"), std::string::npos);
  EXPECT_EQ(code_of(client, "STARTTLS"), "554");
  EXPECT_EQ(code_of(client, "AUTH ROT13"), "504");
  EXPECT_EQ(code_of(client, "AUTH PLAIN AHByb2JlAHdyb25n"), "535");
  EXPECT_EQ(code_of(client, "AUTH PLAIN !"), "501");
  EXPECT_EQ(code_of(client, "AUTH LOGIN"), "334");
  EXPECT_EQ(code_of(client, "*"), "501");
  EXPECT_EQ(code_of(client, "AUTH LOGIN"), "334");
  EXPECT_EQ(code_of(client, "cHJvYmU="), "334");
  EXPECT_EQ(code_of(client, "c2VjcmV0"), "235");
  EXPECT_EQ(code_of(client, "AUTH PLAIN AHByb2JlAHNlY3JldA=="), "503");
}

}  // namespace
}  // namespace smtpprobe
