// Which rejected values messages show.
#include "common/smtp/quoted_value.h"

#include <gtest/gtest.h>

#include <array>

namespace smtpprobe {
namespace {

TEST(QuotedValue, DescribesWhatMayHoldASecret) {
  for (const char* value :
       {"u:secret@host", "http://u:secret@host", "smtp://secret@host", "u:secret",
        "http://u:secret", "alice:hunter2", "authpass=secret", "[section authpass=secret",
        "AUTHTOKEN = x", "my-secret=x", "AUTH PLAIN AHUAcA==", "auth plain x",
        "-----BEGIN PRIVATE KEY-----\nMII", "-----BEGIN RSA PRIVATE KEY-----", "u:0x", "u:5ecret",
        "u:p:q", "u::secret", "u:1/secret"}) {
    EXPECT_TRUE(may_hold_secret(value)) << value;
    const std::string shown = quoted_value(value);
    EXPECT_TRUE(shown.starts_with("a value of ") && shown.ends_with(" bytes")) << shown;
  }
}

TEST(QuotedValue, QuotesWhatUsersMistype) {
  for (const char* value :
       {"", "mx.test", "mx.test:99999", "[::1]:x", "fe80::1", "2001:db8::zz", "~:10", "@10:20",
        "10:x", "a@b.test", "mx:example.net", "unix:/run/x", "http://mx.test/x", "rcpt=5xx", "1h",
        "mx.test:25:26", "TLS1.4", "banner"}) {
    EXPECT_EQ(may_hold_secret(value), false) << value;
  }
  EXPECT_EQ(quoted_value("a\nb"), "'a\\x0ab'");
  EXPECT_EQ(described_value("x"), "a value of 1 byte");
}

TEST(QuotedValue, KnowsWhatIsLikeAKnownWord) {
  constexpr std::array<std::string_view, 2> kKnown = {"PLAIN", "SCRAM-SHA-1"};
  for (const char* value : {"PLAN", "plian", "PLAINX", "scram", "SCRAM-SHA-512"})
    EXPECT_TRUE(is_like_one_of(value, kKnown)) << value;
  for (const char* value : {"", "hunter", "PLA", "xPLAIN2", "PlainHunter2"})
    EXPECT_FALSE(is_like_one_of(value, kKnown)) << value;
}

TEST(QuotedValue, ShowsNamesAlone) {
  EXPECT_EQ(shown_name("bogus-option"), "bogus-option");
  EXPECT_EQ(shown_name("web.bogus"), "web.bogus");
  for (const char* name : {"", "hunter2", "a b", "pass:word", "S3cr3t!", "a=b"})
    EXPECT_TRUE(shown_name(name).starts_with("a value of ")) << name;
}

}  // namespace
}  // namespace smtpprobe
