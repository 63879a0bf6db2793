#include "common/smtp/extensions.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace smtpprobe {
namespace {

using namespace std::string_literals;
using Lines = std::vector<std::string>;

Extensions offered(Lines lines) {
  Reply reply;
  reply.code = 250;
  reply.lines = std::move(lines);
  reply.lines.insert(reply.lines.begin(), "mail.example.net");
  return Extensions(reply);
}

struct Case {
  Lines lines;  // behind the first one
  std::vector<Extension> all;
};

TEST(Extensions, AreReadFromTheSecondLineOn) {
  const std::vector<Case> cases = {
      {{}, {}},
      {{"PIPELINING"}, {{"PIPELINING", ""}}},
      {{"pipelining", "StartTLS"}, {{"PIPELINING", ""}, {"STARTTLS", ""}}},
      {{"SIZE 10240000"}, {{"SIZE", "10240000"}}},
      {{"SIZE"}, {{"SIZE", ""}}},
      {{"STARTTLS "}, {{"STARTTLS", ""}}},
      {{"SIZE  1 "}, {{"SIZE", "1"}}},
      {{"8BITMIME", "8bitmime"}, {{"8BITMIME", ""}}},
      {{"MT-PRIORITY MIXER"}, {{"MT-PRIORITY", "MIXER"}}},
      {{"X-EXPS GSSAPI NTLM"}, {{"X-EXPS", "GSSAPI NTLM"}}},
      {{"a--b-"}, {{"A--B-", ""}}},
      {{"AUTH LOGIN PLAIN"}, {{"AUTH", "LOGIN PLAIN"}}},
      {{"AUTH=LOGIN PLAIN"}, {{"AUTH", "LOGIN PLAIN"}}},
      {{"auth=login"}, {{"AUTH", "login"}}},
      {{"AUTH PLAIN", "AUTH=LOGIN"}, {{"AUTH", "PLAIN LOGIN"}}},
      {{"AUTH", "AUTH PLAIN", "AUTH"}, {{"AUTH", "PLAIN"}}},
      {{"SIZE 1", "DSN", "size 2"}, {{"SIZE", "1 2"}, {"DSN", ""}}},
      {{"XCLIENT NAME ADDR\x1b"}, {{"XCLIENT", "NAME ADDR\x1b"}}},
      // No keyword.
      {{"", " ", " DSN", "-DSN", "\tDSN", "DSN\t1", "DSN=1", "DSN:", "D_SN", "D\xc3\xbc", "*****",
        "\0DSN"s, "STARTTLS\0"s, "STARTTLS\r", "STARTTLS.", "XXXX@"},
       {}},
      {{"?", "DSN", "HTTP/1.1 400"}, {{"DSN", ""}}},
  };
  for (const Case& one : cases) {
    SCOPED_TRACE(testing::PrintToString(one.lines));
    EXPECT_EQ(offered(one.lines).all(), one.all);
  }
}

TEST(Extensions, IgnoreTheFirstLine) {
  Reply reply;
  reply.code = 250;
  reply.lines = {"STARTTLS"};
  EXPECT_TRUE(Extensions(reply).all().empty());
  reply.lines = {"mail.example.net says AUTH PLAIN STARTTLS", "HELP"};
  const Extensions extensions(reply);
  EXPECT_FALSE(extensions.offers("STARTTLS"));
  EXPECT_FALSE(extensions.offers("AUTH"));
  EXPECT_TRUE(extensions.offers("HELP"));
  EXPECT_TRUE(Extensions(Reply()).all().empty());
  EXPECT_EQ(Extensions(Reply()), Extensions());
}

TEST(Extensions, TakeEveryByteOfAKeywordOrSkipTheLine) {
  for (int byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(byte);
    const bool letter_or_digit = byte < 0x80 && std::isalnum(byte) != 0;
    SCOPED_TRACE(byte);
    EXPECT_EQ(offered({"A"s + c + "B"}).all().size(),
              letter_or_digit || c == '-' || c == ' ' ? 1U : 0U);
    EXPECT_EQ(offered({c + "AB"s}).all().size(), letter_or_digit ? 1U : 0U);
    EXPECT_EQ(offered({"STARTTLS"s + c}).offers("STARTTLS"), c == ' ');
    EXPECT_EQ(offered({"AUTH"s + c}).offers("AUTH"), c == ' ' || c == '=');
  }
}

TEST(Extensions, AreFoundWithoutCase) {
  const Extensions extensions = offered({"StartTls", "SIZE 5", "mt-Priority"});
  for (const char* keyword : {"STARTTLS", "starttls", "StArTtLs", "size", "SIZE", "MT-PRIORITY"}) {
    EXPECT_TRUE(extensions.offers(keyword)) << keyword;
  }
  for (const char* keyword :
       {"", "START", "STARTTLSX", "TARTTLS", "SIZE 5", "STARTTLS ", "MT_PRIORITY"}) {
    EXPECT_FALSE(extensions.offers(keyword)) << keyword;
  }
  EXPECT_FALSE(Extensions().offers("STARTTLS"));
}

TEST(Extensions, ListAuthMechanisms) {
  const std::vector<std::pair<Lines, Lines>> cases = {
      {{}, {}},
      {{"DSN"}, {}},
      {{"AUTH"}, {}},
      {{"AUTH PLAIN"}, {"PLAIN"}},
      {{"AUTH plain Login scram-sha-256"}, {"PLAIN", "LOGIN", "SCRAM-SHA-256"}},
      {{"AUTH  PLAIN \t LOGIN "}, {"PLAIN", "LOGIN"}},
      {{"AUTH=PLAIN LOGIN"}, {"PLAIN", "LOGIN"}},
      {{"AUTH PLAIN LOGIN", "AUTH=LOGIN PLAIN CRAM-MD5"}, {"PLAIN", "LOGIN", "CRAM-MD5"}},
      {{"AUTH PLAIN plain PLAIN"}, {"PLAIN"}},
      {{"XAUTH PLAIN"}, {}},
  };
  for (const auto& [lines, mechanisms] : cases) {
    SCOPED_TRACE(testing::PrintToString(lines));
    EXPECT_EQ(offered(lines).auth_mechanisms(), mechanisms);
  }
}

TEST(Extensions, TellTheSizeLimit) {
  const std::vector<std::pair<std::string, std::optional<std::uint64_t>>> cases = {
      {"DSN", std::nullopt},
      {"SIZE", std::nullopt},
      {"SIZE ", std::nullopt},
      {"SIZE 0", 0U},
      {"SIZE 1", 1U},
      {"size 10240000", 10240000U},
      {"SIZE  35882577 ", 35882577U},
      {"SIZE 007", 7U},
      {"SIZE 5 6", 5U},
      {"SIZE 18446744073709551615", 18446744073709551615U},
      {"SIZE 18446744073709551616", std::nullopt},
      {"SIZE 99999999999999999999999", std::nullopt},
      {"SIZE -1", std::nullopt},
      {"SIZE +1", std::nullopt},
      {"SIZE 1k", std::nullopt},
      {"SIZE 0x10", std::nullopt},
      {"SIZE 1.5", std::nullopt},
      {"SIZE unlimited", std::nullopt},
      {"SIZE=5", std::nullopt},
  };
  for (const auto& [line, limit] : cases) EXPECT_EQ(offered({line}).size_limit(), limit) << line;
}

TEST(Extensions, AreBounded) {
  Lines lines;
  for (std::size_t i = 0; i < kMaxExtensions + 1; ++i) lines.push_back("X" + std::to_string(i));
  lines.emplace_back("X0 more");
  const Extensions many = offered(lines);
  EXPECT_EQ(many.all().size(), kMaxExtensions);
  EXPECT_TRUE(many.offers("X" + std::to_string(kMaxExtensions - 1)));
  EXPECT_FALSE(many.offers("X" + std::to_string(kMaxExtensions)));
  EXPECT_EQ(many.all().front().parameter, "more");

  const std::string longest(kMaxExtensionParameterBytes, 'p');
  EXPECT_EQ(offered({"X " + longest}).all()[0].parameter, longest);
  EXPECT_EQ(offered({"X " + longest + "p"}).all()[0].parameter, longest);
  EXPECT_EQ(offered({"X " + longest, "X q"}).all()[0].parameter, longest);
  const std::string part = longest.substr(2);
  EXPECT_EQ(offered({"X " + part, "X q"}).all()[0].parameter, part + " q");
  EXPECT_EQ(offered({"X " + part, "X qq"}).all()[0].parameter, part + " q");
}

TEST(Extensions, KnowAClosedList) {
  const auto known = known_extensions();
  EXPECT_TRUE(std::is_sorted(known.begin(), known.end()));
  EXPECT_EQ(std::adjacent_find(known.begin(), known.end()), known.end());
  for (const std::string_view keyword : known) {
    EXPECT_EQ(offered({std::string(keyword)}).all(),
              (std::vector<Extension>{{std::string(keyword), ""}}));
  }
  for (const char* keyword : {"8BITMIME", "AUTH", "CHUNKING", "DSN", "PIPELINING", "REQUIRETLS",
                              "SIZE", "SMTPUTF8", "STARTTLS", "XFORWARD"}) {
    EXPECT_TRUE(std::binary_search(known.begin(), known.end(), keyword)) << keyword;
  }
}

}  // namespace
}  // namespace smtpprobe
