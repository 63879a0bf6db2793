// The tables of rate limits and of refused HELO names: each row has a transcript of its name, whose
// reply meets that row first; what only looks like one meets none.
#include <gtest/gtest.h>

#include <fstream>
#include <set>
#include <string>

#include "common/smtp/helo_refusal.h"
#include "common/smtp/rate_limit.h"
#include "common/smtp/reply_phrase.h"

namespace smtpprobe {
namespace {

Reply reply(const std::string& wire) {
  ReplyParser parser;
  parser.consume(wire + "\r\n");
  EXPECT_EQ(parser.state(), ReplyParser::State::Complete) << wire;
  return parser.reply();
}

// The first 4yz or 5yz of a transcript.
Reply refusal_in(const std::string& name) {
  std::ifstream file(std::string(SMTPPROBE_TESTS_DIR) + "/transcripts/" + name + ".txt");
  EXPECT_TRUE(file.good()) << name;
  ReplyParser parser;
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with("S: 4") && !line.starts_with("S: 5")) continue;
    parser.consume(line.substr(3) + "\r\n");
    if (parser.state() == ReplyParser::State::Complete) break;
  }
  return parser.reply();
}

TEST(RateLimit, EachRowHasATranscriptAndASource) {
  std::set<std::string_view> names;
  for (const RateLimit& row : rate_limit_table()) {
    SCOPED_TRACE(row.name);
    EXPECT_TRUE(names.insert(row.name).second);
    EXPECT_FALSE(row.source.empty());
    EXPECT_TRUE(row.status.klass == 4 || !row.phrase.empty());
    EXPECT_EQ(rate_limit_of(refusal_in("limit-" + std::string(row.name))), &row);
  }
}

TEST(RateLimit, WhatIsNone) {
  for (const char* text : {
           "452 4.5.3 Error: too many recipients",
           "452 4.2.2 mailbox over quota",
           "452 4.3.4 Message size exceeds fixed limit",
           "452 4.3.1 Insufficient system storage",
           "421 4.7.0 Error: too many errors",
           "421 4.4.5 Server busy, try again later.",
           "421 4.3.2 All server ports are busy",
           "451 4.3.0 Too many open files",
           "450 4.2.1 corporate limited mailbox",
           "451 4.6.0 too many hops",
           "421 4.7.0 Temporary System Problem. Try again later",
           "451 4.7.5 x",
           "450 4.7.29 x",
           "450 <too-many-connections@a.test>: busy",
           "450 see https://a.test/rate-limited now",
           "550 5.7.1 rate limited",
           "552 5.3.4 too much mail",
           "554 5.7.28 flood",
           "250 rate limit",
           "451 accelerate limit",
           "451 crate limit",
           "451 ratelim",
       }) {
    const RateLimit* row = rate_limit_of(reply(text));
    EXPECT_EQ(row, nullptr) << text << ": " << row->name;
  }
}

TEST(HeloRefusal, EachRowHasATranscriptAndASource) {
  std::set<std::string_view> names;
  for (const HeloRefusal& row : helo_refusal_table()) {
    SCOPED_TRACE(row.name);
    EXPECT_TRUE(names.insert(row.name).second);
    EXPECT_FALSE(row.source.empty());
    EXPECT_EQ(helo_refusal_of(refusal_in("helo-" + std::string(row.name))), &row);
  }
}

TEST(HeloRefusal, EveryGreetingStandsForTheOthers) {
  for (const char* greeting : {"HELO", "ehlo", "LHLO", "HELO/EHLO", "EHLO/HELO"}) {
    EXPECT_NE(helo_refusal_of(reply("550 Invalid " + std::string(greeting) + " name")), nullptr)
        << greeting;
  }
}

TEST(HeloRefusal, WhatIsNone) {
  for (const char* text : {
           "503 Polite people say HELO first",
           "503 5.5.1 Error: send HELO/EHLO first",
           "503 EHLO first",
           "550 send HELO first",
           "503 HELO or EHLO required",
           "502 5.5.1 EHLO not implemented",
           "500 EHLO rejected",
           "530 bad helo",
           "553 5.5.4 <a>... Domain name required for sender address a",
           "451 4.3.5 <x>: Helo command rejected: Server configuration error",
           "450 4.7.1 <helo.name.test>: Recipient address rejected",
           "550 5.1.1 helo@name.test",
           "421 helo.example.net Service not available",
           "250 helo name",
           "550 othello name",
       }) {
    EXPECT_EQ(helo_refusal_of(reply(text)), nullptr) << text;
  }
}

TEST(ReplyPhrase, BeginsAndEndsAtTheEdgeOfAWord) {
  EXPECT_TRUE(has_phrase("too many connections", "too many connections"));
  EXPECT_TRUE(has_phrase("x: too many connections.", "too many connections"));
  EXPECT_FALSE(has_phrase("too many connections2", "too many connections"));
  EXPECT_FALSE(has_phrase("stoo many connections", "too many connections"));
  EXPECT_TRUE(has_phrase("rate limited", "rate limit*"));
  EXPECT_FALSE(has_phrase("rate limited", "rate limit"));
  EXPECT_FALSE(has_phrase("", "a"));
  EXPECT_TRUE(has_phrase("helo is no fqdn", "helo * fqdn"));
  EXPECT_TRUE(has_phrase("helo fqdn", "helo * fqdn"));
  EXPECT_FALSE(has_phrase("fqdn helo", "helo * fqdn"));
  EXPECT_TRUE(has_phrase("helo" + std::string(kPhraseGap - 1, '.') + " fqdn", "helo * fqdn"));
  EXPECT_FALSE(has_phrase("helo" + std::string(kPhraseGap, '.') + " fqdn", "helo * fqdn"));
  // The first "helo" is too far away, the second is not.
  EXPECT_TRUE(has_phrase("helo" + std::string(90, '.') + " helo a fqdn", "helo * fqdn"));
}

TEST(ReplyPhrase, LeavesOutAddressesAndLinks) {
  EXPECT_EQ(without_addresses("<a.b+c@d-e.test>: x@y, @ z"), "<>: ,  z");
  Reply lines = reply("450 Rate-Limited\tby   HTTPS://X");
  lines.lines.emplace_back("see https://a.test/greylist?x=1, ok <http://b>");
  EXPECT_EQ(words_of(lines), "rate limited by https://x see ok <>");
}

}  // namespace
}  // namespace smtpprobe
