// The closed lists that every output uses: a name that changes here breaks somebody's dashboard.
#include <gtest/gtest.h>

#include <set>

#include "common/smtp/reason.h"
#include "common/smtp/reply.h"
#include "common/smtp/step.h"

namespace smtpprobe {
namespace {

TEST(StepNames, AreTheClosedList) {
  const std::vector<std::pair<Step, std::string_view>> names = {
      {Step::Resolve, "resolve"},  {Step::Connect, "connect"}, {Step::Tls, "tls"},
      {Step::Banner, "banner"},    {Step::Ehlo, "ehlo"},       {Step::Starttls, "starttls"},
      {Step::EhloTls, "ehlo_tls"}, {Step::Auth, "auth"},       {Step::Mail, "mail"},
      {Step::Rcpt, "rcpt"},        {Step::Command, "command"}, {Step::Data, "data"},
      {Step::Message, "message"},  {Step::Quit, "quit"},
  };
  ASSERT_EQ(names.size(), kStepCount);
  for (std::size_t i = 0; i < names.size(); ++i) {
    EXPECT_EQ(kSteps[i], names[i].first);
    EXPECT_EQ(step_name(names[i].first), names[i].second);
    EXPECT_EQ(step_from_name(names[i].second), names[i].first);
  }
  for (const char* no_name :
       {"", "EHLO", "Ehlo", "ehlo ", " ehlo", "ehl", "ehlo-tls", "helo", "ok"}) {
    EXPECT_EQ(step_from_name(no_name), std::nullopt) << no_name;
  }
}

TEST(PerStepValues, AreKeptApart) {
  PerStep<int> values;
  for (const Step step : kSteps) EXPECT_EQ(values[step], 0);
  for (const Step step : kSteps) values[step] = static_cast<int>(index(step)) + 1;
  for (const Step step : kSteps) EXPECT_EQ(values[step], static_cast<int>(index(step)) + 1);
}

TEST(ReasonNames, AreTheClosedList) {
  const std::vector<std::string_view> names = {
      "ok",
      "dns_nxdomain",
      "dns_nodata",
      "dns_servfail",
      "dns_timeout",
      "dns_malformed",
      "dns_bogus",
      "null_mx",
      "connection_refused",
      "host_unreachable",
      "connect_timeout",
      "local_error",
      "timeout",
      "connection_closed",
      "connection_reset",
      "reply_4xx",
      "reply_5xx",
      "reply_unexpected",
      "reply_malformed",
      "reply_mixed_codes",
      "reply_line_too_long",
      "reply_too_long",
      "reply_count",
      "early_talker",
      "greylisted",
      "rate_limited",
      "starttls_not_offered",
      "starttls_refused",
      "plaintext_after_starttls",
      "tls_not_tls",
      "tls_alert",
      "tls_version",
      "tls_handshake",
      "tls_record",
      "cert_untrusted",
      "cert_expired",
      "cert_not_yet_valid",
      "cert_name_mismatch",
      "cert_malformed",
      "cert_expiring",
      "auth_not_offered",
      "auth_mechanism",
      "auth_rejected",
      "auth_protocol",
      "auth_limits",
      "auth_server_signature",
      "auth_needs_tls",
      "extension_missing",
      "extension_forbidden",
      "slow",
      "probe_rejected",
      "config",
  };
  ASSERT_EQ(names.size(), kReasonCount);
  for (std::size_t i = 0; i < names.size(); ++i) {
    const auto reason = static_cast<Reason>(i);
    EXPECT_EQ(reason_name(reason), names[i]);
    EXPECT_EQ(reason_from_name(names[i]), reason);
  }
  EXPECT_EQ(reason_name(Reason::None), "ok");
  EXPECT_EQ(reason_name(Reason::Reply4xx), "reply_4xx");
  EXPECT_EQ(reason_name(Reason::PlaintextAfterStarttls), "plaintext_after_starttls");
  EXPECT_EQ(reason_name(Reason::Config), "config");
  for (const char* no_name :
       {"", "OK", "Timeout", "timeout ", "reply_3xx", "starttls-not-offered"}) {
    EXPECT_EQ(reason_from_name(no_name), std::nullopt) << no_name;
  }
}

TEST(ReasonWords, AreShortAndOnePerReason) {
  std::set<std::string_view> seen;
  for (std::size_t i = 1; i < kReasonCount; ++i) {
    const std::string_view words = reason_words(static_cast<Reason>(i));
    EXPECT_FALSE(words.empty()) << i;
    EXPECT_LE(words.size(), 50U) << words;
    EXPECT_NE(words.back(), '.') << words;
    EXPECT_EQ(words.find('|'), std::string_view::npos) << words;
    EXPECT_TRUE(seen.insert(words).second) << words;
  }
  EXPECT_EQ(reason_words(Reason::None), "");
  EXPECT_EQ(reason_words(Reason::ConnectionRefused), "connection refused");
  EXPECT_EQ(reason_words(Reason::StarttlsNotOffered), "STARTTLS not offered");
  EXPECT_EQ(reason_words(Reason::EarlyTalker), "data before it was due");
}

TEST(NoteNames, AreListedInOrder) {
  using Names = std::vector<std::string_view>;
  EXPECT_EQ(note_names(Note::None), Names());
  const Names all = {"control_chars", "bare_lf",       "long_line",    "esc_mismatch",
                     "caps_changed",  "helo_fallback", "will_forward", "no_close_notify",
                     "code_200",      "tls_legacy"};
  for (unsigned set = 0; set < 1024; ++set) {
    Names wanted;
    for (unsigned bit = 0; bit < 10; ++bit) {
      if ((set >> bit & 1U) != 0) wanted.push_back(all[bit]);
    }
    EXPECT_EQ(note_names(static_cast<Note>(set)), wanted);
  }
  EXPECT_TRUE(has(Note::BareLf | Note::LongLine, Note::LongLine));
  EXPECT_FALSE(has(Note::BareLf | Note::LongLine, Note::ControlChars));
}

}  // namespace
}  // namespace smtpprobe
