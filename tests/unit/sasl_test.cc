// The SASL clients against the vectors of their RFCs and, for SCRAM, against a server of the test's
// own that is itself checked against the vectors of RFC 5802 and RFC 7677.
#include "common/smtp/sasl.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/smtp/base64.h"

namespace smtpprobe {
namespace {

using namespace std::string_literals;

Credentials user(std::string name, std::string password) {
  Credentials credentials;
  credentials.username = std::move(name);
  credentials.password = std::move(password);
  return credentials;
}

Credentials bearer(std::string name, std::string token) {
  Credentials credentials;
  credentials.username = std::move(name);
  credentials.token = std::move(token);
  return credentials;
}

std::unique_ptr<SaslClient> client(Mechanism mechanism, const Credentials& credentials) {
  std::string why;
  auto made = make_sasl_client(mechanism, credentials, &why);
  EXPECT_NE(made, nullptr) << why;
  return made;
}

TEST(SaslNames, AreReadInAnyCaseAndWrittenInUpper) {
  for (const Mechanism mechanism :
       {Mechanism::Auto, Mechanism::Plain, Mechanism::Login, Mechanism::CramMd5,
        Mechanism::ScramSha1, Mechanism::ScramSha256, Mechanism::Xoauth2, Mechanism::Oauthbearer})
    EXPECT_EQ(mechanism_from_name(mechanism_name(mechanism)), mechanism);
  EXPECT_EQ(mechanism_from_name("scram-sha-256"), Mechanism::ScramSha256);
  EXPECT_EQ(mechanism_from_name("Cram-Md5"), Mechanism::CramMd5);
  EXPECT_EQ(mechanism_from_name("AUTO"), Mechanism::Auto);
  EXPECT_EQ(mechanism_name(Mechanism::ScramSha256), "SCRAM-SHA-256");
  EXPECT_EQ(mechanism_from_name("SCRAM-SHA-256-PLUS"), std::nullopt);
  EXPECT_EQ(mechanism_from_name("PLAI"), std::nullopt);
  EXPECT_EQ(mechanism_from_name(""), std::nullopt);
}

TEST(SaslChoice, TakesTheStrongestThatTheSecretAllows) {
  std::vector<std::string> offered = {
      "LOGIN",       "PLAIN",      "CRAM-MD5", "XOAUTH2",       "SCRAM-SHA-1",
      "OAUTHBEARER", "DIGEST-MD5", "GSSAPI",   "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"};
  const auto drop = [&offered](std::string_view name) { std::erase(offered, name); };
  for (const std::string_view name :
       {"SCRAM-SHA-256", "SCRAM-SHA-1", "CRAM-MD5", "PLAIN", "LOGIN"}) {
    EXPECT_EQ(choose_mechanism(offered, true, false), mechanism_from_name(name));
    drop(name);
  }
  EXPECT_EQ(choose_mechanism(offered, true, false), std::nullopt);
  for (const std::string_view name : {"OAUTHBEARER", "XOAUTH2"}) {
    EXPECT_EQ(choose_mechanism(offered, false, true), mechanism_from_name(name));
    drop(name);
  }
  EXPECT_EQ(choose_mechanism(offered, true, true), std::nullopt);
}

TEST(SaslChoice, ComparesNamesWithoutCaseAndNeverTakesWhatHasNoSecret) {
  const std::vector<std::string> offered = {"plain", "xoauth2"};
  EXPECT_EQ(choose_mechanism(offered, true, false), Mechanism::Plain);
  EXPECT_EQ(choose_mechanism(offered, false, true), Mechanism::Xoauth2);
  EXPECT_EQ(choose_mechanism(offered, true, true), Mechanism::Xoauth2);
  EXPECT_EQ(choose_mechanism(offered, false, false), std::nullopt);
  EXPECT_EQ(choose_mechanism({}, true, true), std::nullopt);
}

TEST(SaslPlain, Rfc4616) {
  auto plain = client(Mechanism::Plain, user("tim", "tanstaaftanstaaf"));
  ASSERT_TRUE(plain->speaks_first());
  EXPECT_FALSE(plain->complete());
  const auto answer = plain->step("");
  EXPECT_EQ(answer.reason, Reason::None) << answer.detail;
  EXPECT_EQ(answer.response, "\0tim\0tanstaaftanstaaf"s);
  EXPECT_TRUE(plain->complete());
  EXPECT_EQ(plain->step("more?").reason, Reason::AuthProtocol);
  EXPECT_FALSE(plain->complete());
}

TEST(SaslPlain, TakesUtf8) {
  auto plain = client(Mechanism::Plain, user("jürgen", "pässwörd €"));
  EXPECT_EQ(plain->step("").response, "\0jürgen\0pässwörd €"s);
}

TEST(SaslLogin, AnswersTheTwoPrompts) {
  auto login = client(Mechanism::Login, user("tim", "secret"));
  EXPECT_FALSE(login->speaks_first());
  EXPECT_EQ(login->step("Username:").response, "tim");
  EXPECT_FALSE(login->complete());
  EXPECT_EQ(login->step("Password:").response, "secret");
  EXPECT_TRUE(login->complete());
  EXPECT_EQ(login->step("Again:").reason, Reason::AuthProtocol);
}

TEST(SaslLogin, TakesEmptyPrompts) {
  auto login = client(Mechanism::Login, user("tim", "secret"));
  EXPECT_EQ(login->step("").response, "tim");
  EXPECT_EQ(login->step("").response, "secret");
  EXPECT_TRUE(login->complete());
}

TEST(SaslCramMd5, Rfc2195) {
  auto cram = client(Mechanism::CramMd5, user("tim", "tanstaaftanstaaf"));
  EXPECT_FALSE(cram->speaks_first());
  EXPECT_FALSE(cram->complete());
  const auto answer = cram->step("<1896.697170952@postoffice.reston.mci.net>");
  EXPECT_EQ(answer.reason, Reason::None) << answer.detail;
  EXPECT_EQ(answer.response, "tim b913a602c7eda7a495b4e6e7334d3890");
  EXPECT_TRUE(cram->complete());
  EXPECT_EQ(cram->step("<again>").reason, Reason::AuthProtocol);
}

TEST(SaslCramMd5, RefusesEmptyAndHugeChallenges) {
  EXPECT_EQ(client(Mechanism::CramMd5, user("tim", "x"))->step("").reason, Reason::AuthProtocol);
  auto at_limit = client(Mechanism::CramMd5, user("tim", "x"));
  EXPECT_EQ(at_limit->step(std::string(12'288, '<')).reason, Reason::None);
  auto over = client(Mechanism::CramMd5, user("tim", "x"));
  EXPECT_EQ(over->step(std::string(12'289, '<')).reason, Reason::AuthProtocol);
}

TEST(SaslMaker, RefusesWhatTheFramingCannotCarry) {
  std::string why;
  EXPECT_EQ(make_sasl_client(Mechanism::Plain, user("tim", "a\0b"s), &why), nullptr);
  EXPECT_EQ(why, "the password holds a NUL");
  EXPECT_EQ(make_sasl_client(Mechanism::Plain, user("t\0m"s, "a"), &why), nullptr);
  EXPECT_EQ(make_sasl_client(Mechanism::Xoauth2, bearer("u\x01", "t"), &why), nullptr);
  EXPECT_EQ(make_sasl_client(Mechanism::Oauthbearer, bearer("u", "t\n"), &why), nullptr);
  EXPECT_EQ(why, "the token holds a control character");
  EXPECT_EQ(make_sasl_client(Mechanism::Auto, user("tim", "a"), &why), nullptr);
  EXPECT_FALSE(why.empty());
  EXPECT_EQ(make_sasl_client(Mechanism::Plain, user("tim", "a\0b"s), nullptr), nullptr);
}

TEST(SaslOauthbearer, Rfc7628) {
  Credentials credentials =
      bearer("user@example.com", "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==");
  credentials.host = "server.example.com";
  credentials.port = 587;
  auto oauth = client(Mechanism::Oauthbearer, credentials);
  ASSERT_TRUE(oauth->speaks_first());
  EXPECT_FALSE(oauth->complete());
  const auto answer = oauth->step("");
  // RFC 7628 s4, the example for SMTP.
  EXPECT_EQ(
      base64_encode(answer.response),
      "bixhPXVzZXJAZXhhbXBsZS5jb20sAWhvc3Q9c2VydmVyLmV4YW1wbGUuY29tAXBvcnQ9NTg3AWF1dGg9QmVhcmVy"
      "IHZGOWRmdDRxbVRjMk52YjNSbGNrQmhiSFJoZG1semRHRXVZMjl0Q2c9PQEB");
  EXPECT_TRUE(oauth->complete());
  const std::string json = R"({"status":"invalid_token","scope":"example_scope"})";
  const auto refused = oauth->step(json);
  EXPECT_EQ(refused.reason, Reason::None);
  EXPECT_EQ(refused.response, "\x01");
  EXPECT_EQ(refused.detail, json);
  EXPECT_FALSE(oauth->complete());
  EXPECT_EQ(oauth->step(json).reason, Reason::AuthProtocol);
}

TEST(SaslOauthbearer, EncodesTheNameAndLeavesOutWhatIsNotKnown) {
  EXPECT_EQ(client(Mechanism::Oauthbearer, bearer("a,b=c", "T"))->step("").response,
            "n,a=a=2Cb=3Dc,\x01"
            "auth=Bearer T\x01\x01");
  EXPECT_EQ(client(Mechanism::Oauthbearer, bearer("", "T"))->step("").response,
            "n,,\x01"
            "auth=Bearer T\x01\x01");
}

TEST(SaslXoauth2, SendsUserAndTokenAndAnswersTheErrorWithNothing) {
  auto oauth = client(Mechanism::Xoauth2, bearer("someuser@example.com",
                                                 "ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg"));
  // The example in Google's description of the mechanism.
  EXPECT_EQ(
      base64_encode(oauth->step("").response),
      "dXNlcj1zb21ldXNlckBleGFtcGxlLmNvbQFhdXRoPUJlYXJlciB5YTI5LnZGOWRmdDRxbVRjMk52YjNSbGNrQmhk"
      "SFJoZG1semRHRXVZMjl0Q2cBAQ==");
  EXPECT_TRUE(oauth->complete());
  const auto refused = oauth->step(R"({"status":"401","schemes":"bearer"})");
  EXPECT_EQ(refused.reason, Reason::None);
  EXPECT_EQ(refused.response, "");
  EXPECT_EQ(refused.detail, R"({"status":"401","schemes":"bearer"})");
  EXPECT_FALSE(oauth->complete());
}

TEST(SaslXoauth2, KeepsAnEchoedTokenOutOfTheDetailAndBoundsIt) {
  auto oauth = client(Mechanism::Xoauth2, bearer("u", "s3cr3t"));
  oauth->step("");
  const auto echoed = oauth->step("{\"bad\":\"s3cr3t\",\"again\":\"s3cr3ts3cr3t\"}");
  EXPECT_EQ(echoed.detail, "{\"bad\":\"***\",\"again\":\"******\"}");
  auto wordy = client(Mechanism::Xoauth2, bearer("u", "s3cr3t"));
  wordy->step("");
  EXPECT_EQ(wordy->step(std::string(12'000, 'x')).detail.size(), 512U);
}

TEST(Sasl, APasswordThatIsNoUtf8IsOurFault) {
  Credentials credentials;
  credentials.username = "user";
  credentials.password = "p\xe4ssword";  // Latin-1
  std::string why;
  const auto client = make_sasl_client(Mechanism::CramMd5, credentials, &why);
  ASSERT_TRUE(client) << why;
  const SaslClient::Answer answer = client->step("<1896.697170952@postoffice.example.net>");
  EXPECT_EQ(reason_name(answer.reason), "config") << answer.detail;
}

}  // namespace
}  // namespace smtpprobe
