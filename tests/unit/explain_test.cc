// What --explain says.
#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "common/smtp/reply_code.h"

namespace smtpprobe {
namespace {

std::string explained(std::string_view code) { return explain(code).value_or("nothing"); }

// Whatever line ends stand between the words.
bool says(std::string text, std::string_view words) {
  constexpr std::string_view kCarriedOver = "\n              ";
  for (std::size_t at = text.find(kCarriedOver); at != std::string::npos;
       at = text.find(kCarriedOver, at)) {
    text.replace(at, kCarriedOver.size(), " ");
  }
  return text.find(words) != std::string::npos;
}

TEST(Explain, NoLineIsOver80Columns) {
  for (int code = 200; code < 560; ++code) {
    std::string text = explain(std::to_string(code)).value_or("");
    for (std::size_t end = text.find('\n'); end != std::string::npos; end = text.find('\n')) {
      EXPECT_LE(end, 80U) << text.substr(0, end);
      text.erase(0, end + 1);
    }
  }
}

TEST(Explain, EveryCodeOfTheTableHasItsWords) {
  for (const ReplyCodeMeaning& row : reply_code_table()) {
    if (row.code == 0) continue;
    const std::string text = explained(std::to_string(row.code));
    EXPECT_TRUE(text.starts_with(std::to_string(row.code) + " ")) << text;
    for (const auto part : {row.meaning, row.source, row.typical, row.advice}) {
      EXPECT_TRUE(says(text, part)) << text;
    }
    EXPECT_TRUE(text.ends_with('\n'));
    EXPECT_FALSE(says(text, "|"));
  }
}

TEST(Explain, SaysWhatTheCheckMakesOfIt) {
  EXPECT_TRUE(says(explained("450"), "at rcpt WARNING (reply_4xx), elsewhere CRITICAL"));
  EXPECT_TRUE(says(explained("450"), "at rcpt, data and message WARNING (greylisted)"));
  EXPECT_TRUE(says(explained("450"), "--greylisting"));
  EXPECT_TRUE(says(explained("550"), "elsewhere CRITICAL (reply_5xx)"));
  EXPECT_TRUE(says(explained("550"), "permanent failure"));
  EXPECT_TRUE(says(explained("250"), "elsewhere expected"));
  EXPECT_TRUE(says(explained("251"), "at rcpt expected, elsewhere WARNING"));
  EXPECT_TRUE(says(explained("421"), "names a limit: at every step WARNING (rate_limited)"));
  EXPECT_TRUE(says(explained("452"), "with 4.5.3: at banner"));
  EXPECT_TRUE(says(explained("501"), "at ehlo and ehlo_tls UNKNOWN (config)"));
  EXPECT_TRUE(says(explained("501"), "with 5.1.7 or 5.1.3: at mail and rcpt UNKNOWN (config)"));
  EXPECT_TRUE(says(explained("502"),
                   "at ehlo and ehlo_tls HELO is tried; where that is accepted: OK, with"));
  EXPECT_TRUE(says(explained("550"),
                   "at ehlo and ehlo_tls HELO is tried; where that is accepted: WARNING"));
  EXPECT_TRUE(says(explained("200"), "elsewhere OK, with a note"));
  EXPECT_TRUE(says(explained("535"), "at auth CRITICAL (auth_rejected)"));
  EXPECT_TRUE(says(explained("538"), "at auth UNKNOWN (auth_needs_tls)"));
  EXPECT_TRUE(says(explained("538"), "over TLS"));
  EXPECT_TRUE(says(explained("200"), "non-standard success"));
  EXPECT_TRUE(says(explained("417"), "transient")) << explained("417");
  EXPECT_FALSE(says(explained("221"), "at quit"));
}

TEST(Explain, SaysWhatAnOperatorMustDoAtLargeProviders) {
  for (const char* code : {"534", "535", "5.7.139", "5.7.30", "5.7.57", "5.7.8", "5.7.9"}) {
    EXPECT_TRUE(says(explained(code), "OAuth")) << code;
    EXPECT_TRUE(says(explained(code), "XOAUTH2")) << code;
  }
  for (const char* code : {"534", "535", "5.7.8", "5.7.9"})
    EXPECT_TRUE(says(explained(code), "app password")) << code;
  for (const char* code : {"5.7.139", "5.7.30"})
    EXPECT_TRUE(says(explained(code), "end of December 2026")) << code;
  EXPECT_TRUE(
      says(explained("5.7.30"), "provider:   Microsoft 365: Basic authentication has ended"));
  EXPECT_TRUE(says(explained("5.7.30"), "REQUIRETLS support required (RFC 3463, IANA registry)"));
  EXPECT_TRUE(says(explained("454"), "temporary failure"));
  EXPECT_TRUE(says(explained("454"), "too many logins"));
}

TEST(Explain, EnhancedStatuses) {
  const std::string policy = explained("5.7.1");
  EXPECT_TRUE(says(policy, "5.7.1 delivery not authorized, message refused"));
  EXPECT_TRUE(says(policy, "security or policy"));
  EXPECT_TRUE(says(policy, "permanent failure"));
  EXPECT_FALSE(says(explained("4.7.1"), "greylisted"));
  EXPECT_FALSE(says(explained("4.7.0"), "rate_limited"));
  EXPECT_TRUE(says(explained("4.7.28"), "459: at every step WARNING (rate_limited)"));
  EXPECT_TRUE(says(explained("4.5.3"), "452: at"));
  EXPECT_TRUE(says(explained("5.1.3"), "501: at mail and rcpt UNKNOWN (config)"));
  EXPECT_TRUE(says(explained("5.7.57"), "not registered"));
  EXPECT_FALSE(says(explained("5.7.57"), "IANA"));
  EXPECT_TRUE(says(explained("2.0.0"), "success"));
}

TEST(Explain, Steps) {
  for (const Step step : kSteps) {
    const std::string text = explained(step_name(step));
    EXPECT_EQ(text.find(std::string(step_name(step)) + ": a step of the probe\n  does:       "),
              0U);
    EXPECT_TRUE(says(text, "\n  look at:    ")) << text;
  }
  EXPECT_TRUE(says(explained("auth"), "Dovecot"));
}

TEST(Explain, Reasons) {
  for (std::size_t i = 1; i < kReasonCount; ++i) {
    const auto reason = static_cast<Reason>(i);
    const std::string text = explained(reason_name(reason));
    EXPECT_EQ(text.find(std::string(reason_name(reason)) + ": "), 0U) << text;
    EXPECT_TRUE(says(text, reason_words(reason)));
    EXPECT_EQ(text.find("means:      \n"), std::string::npos) << text;
    EXPECT_EQ(text.find("look at:    \n"), std::string::npos) << text;
    EXPECT_EQ(text.find('`'), std::string::npos) << text;
    for (std::size_t from = 0, to = 0; from < text.size(); from = to + 1) {
      to = text.find('\n', from);
      EXPECT_LE(to - from, 80U) << text;
    }
  }
  EXPECT_TRUE(says(explained("cert_untrusted"), "The chain leads to no trusted root."));
  EXPECT_TRUE(says(explained("slow"), "at banner: Look-ups of our address"));
  EXPECT_EQ(explain("ok"), std::nullopt);
  EXPECT_EQ(explain("Slow"), std::nullopt);
}

TEST(Explain, RefusesAllElse) {
  for (const char* bad : {"",      "5xx",   "55",  "5500",    "+50",      "-50",   "199",   "560",
                          "266",   "600",   "000", "abc",     " 550",     "550 ",  "3.1.1", "1.1.1",
                          "5.8.0", "5.9.1", "5.1", "5.1.1.1", "5.1.1234", "5.1.x", "\xff"}) {
    EXPECT_EQ(explain(bad), std::nullopt) << bad;
  }
  EXPECT_EQ(explain(std::string_view("55\0", 3)), std::nullopt);
}

}  // namespace
}  // namespace smtpprobe
