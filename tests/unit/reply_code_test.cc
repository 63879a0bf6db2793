// The table of reply codes, and the reasons and states of refusals at every step.
#include "common/smtp/reply_code.h"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "common/smtp/greylisting.h"

namespace smtpprobe {
namespace {

constexpr State O = State::Ok;
constexpr State W = State::Warning;
constexpr State C = State::Critical;
constexpr State U = State::Unknown;

Reply reply(int code, std::string text = "no words") {
  Reply r;
  r.code = code;
  r.status = leading_enhanced_status(text);
  if (r.status && r.status->klass != code / 100) r.status.reset();
  r.lines = {std::move(text)};
  return r;
}

struct Judged {
  Reason reason;
  State state;
  bool operator==(const Judged&) const = default;
};

void PrintTo(const Judged& j, std::ostream* out) {
  *out << reason_name(j.reason) << " " << state_name(j.state);
}

Judged judged(Step step, const Reply& r, bool tls = false) {
  const Reason reason = refusal_reason(step, r, tls);
  return {reason, refusal_state(step, r, reason)};
}

TEST(States, NamesGoBothWays) {
  const std::vector<std::string> names = {"OK", "WARNING", "CRITICAL", "UNKNOWN"};
  for (int i = 0; i < 4; ++i) {
    const auto state = static_cast<State>(i);
    EXPECT_EQ(state_name(state), names[static_cast<std::size_t>(i)]);
    EXPECT_EQ(state_from_name(state_name(state)), state);
    EXPECT_EQ(state_from_name(std::to_string(i)), state);
  }
  EXPECT_EQ(state_from_name("Warning"), W);
  EXPECT_EQ(state_from_name("cRITICAL"), C);
  for (const char* bad : {"", "4", "-1", "00", "warn", "criticals", " ok", "ok "}) {
    EXPECT_EQ(state_from_name(bad), std::nullopt) << bad;
  }
}

TEST(States, TheOrderOfThePlugins) {
  const std::vector<State> order = {O, U, W, C};
  for (std::size_t a = 0; a < order.size(); ++a) {
    for (std::size_t b = 0; b < order.size(); ++b) {
      EXPECT_EQ(worse(order[a], order[b]), order[std::max(a, b)]);
    }
  }
}

struct Row {
  int code;
  State state;
  State state_at_rcpt;
};

// Every code of the reference and what it is where nobody expected it.
const std::vector<Row> kRows = {
    {200, C, C}, {211, C, C}, {214, C, C}, {220, C, C}, {221, C, C}, {235, C, C}, {250, C, C},
    {251, C, C}, {252, C, W}, {253, C, C}, {334, C, C}, {354, C, C}, {421, C, C}, {432, W, W},
    {450, C, W}, {451, C, C}, {452, C, C}, {454, C, C}, {455, W, W}, {458, W, W}, {459, W, W},
    {500, C, C}, {501, C, C}, {502, C, C}, {503, C, C}, {504, C, C}, {521, C, C}, {523, C, C},
    {524, C, C}, {525, C, C}, {530, C, C}, {534, C, C}, {535, C, C}, {538, C, C}, {541, W, W},
    {550, C, C}, {551, C, C}, {552, C, W}, {553, C, C}, {554, C, C}, {555, C, C}, {556, C, C},
};

TEST(ReplyCodeTable, HasExactlyTheReferencesCodesAndTheClasses) {
  const auto table = reply_code_table();
  ASSERT_EQ(table.size(), kRows.size() + 4);
  for (std::size_t i = 0; i < kRows.size(); ++i) {
    EXPECT_EQ(table[i].code, kRows[i].code);
    EXPECT_EQ(table[i].state, kRows[i].state) << kRows[i].code;
    EXPECT_EQ(table[i].state_at_rcpt, kRows[i].state_at_rcpt) << kRows[i].code;
    EXPECT_EQ(reply_code_meaning(kRows[i].code), &table[i]);
  }
  for (std::size_t i = kRows.size(); i < table.size(); ++i) EXPECT_EQ(table[i].code, 0);
  std::set<std::string_view> meanings;
  for (const ReplyCodeMeaning& row : table) {
    EXPECT_FALSE(row.meaning.empty());
    EXPECT_FALSE(row.source.empty());
    EXPECT_FALSE(row.typical.empty());
    EXPECT_TRUE(row.advice.ends_with('.')) << row.code;
    meanings.insert(row.meaning);
  }
  EXPECT_GE(meanings.size(), table.size() - 1);  // 524 and 538 mean the same
  EXPECT_EQ(reply_code_meaning(200)->meaning, "non-standard success");
}

TEST(ReplyCodeTable, EveryNumberHasARowOrNone) {
  const auto table = reply_code_table();
  for (int code = -10; code < 1100; ++code) {
    const bool valid = code >= 200 && code <= 559 && code / 10 % 10 <= 5;
    const ReplyCodeMeaning* row = reply_code_meaning(code);
    ASSERT_EQ(row != nullptr, valid) << code;
    if (row == nullptr || row->code == code) continue;
    EXPECT_EQ(row, &table[table.size() - 4 + static_cast<std::size_t>(code / 100 - 2)]) << code;
  }
  EXPECT_EQ(reply_code_meaning(419)->state, C);
  EXPECT_EQ(reply_code_meaning(419)->state_at_rcpt, W);
  EXPECT_EQ(reply_code_meaning(559)->state_at_rcpt, C);
  EXPECT_EQ(reply_code_meaning(299), nullptr);
  EXPECT_EQ(reply_code_meaning(460), nullptr);
}

TEST(ExpectedReply, EveryStepAndEveryCode) {
  for (const Step step : kSteps) {
    for (int code = 0; code < 1000; ++code) {
      bool expected = false;
      switch (step) {
        case Step::Resolve:
        case Step::Connect:
        case Step::Tls:
          break;
        case Step::Banner:
        case Step::Starttls:
          expected = code == 220;
          break;
        case Step::Ehlo:
        case Step::EhloTls:
        case Step::Mail:
        case Step::Message:
          expected = code == 250;
          break;
        case Step::Auth:
          expected = code == 235;
          break;
        case Step::Rcpt:
          expected = code == 250 || code == 251;
          break;
        case Step::Command:
          expected = code / 100 == 2 || code / 100 == 3;
          break;
        case Step::Data:
          expected = code == 354;
          break;
        case Step::Quit:
          expected = code == 221;
          break;
      }
      // RFC 5321 s4.3.2: senders act on the first digit, but for AUTH, and nothing follows QUIT.
      const bool by_class =
          step >= Step::Banner && step != Step::Auth && step != Step::Quit && step != Step::Command;
      const bool right_class = code / 100 == (step == Step::Data ? 3 : 2);
      const ReplyFit fit = expected                  ? ReplyFit::Expected
                           : by_class && right_class ? ReplyFit::OtherCode
                                                     : ReplyFit::WrongClass;
      ASSERT_EQ(fit_of(step, code), fit) << step_name(step) << " " << code;
    }
  }
  EXPECT_EQ(expected_reply_words(Step::Banner), "220");
  EXPECT_EQ(expected_reply_words(Step::Starttls), "220");
  EXPECT_EQ(expected_reply_words(Step::Rcpt), "250 or 251");
  EXPECT_EQ(expected_reply_words(Step::Command), "2xx or 3xx");
  EXPECT_EQ(expected_reply_words(Step::Data), "354");
  EXPECT_EQ(expected_reply_words(Step::Quit), "221");
  EXPECT_EQ(expected_reply_words(Step::Auth), "235");
  for (const Step step : {Step::Ehlo, Step::EhloTls, Step::Mail, Step::Message}) {
    EXPECT_EQ(expected_reply_words(step), "250");
  }
}

constexpr std::array kReplyingSteps = {
    Step::Banner, Step::Ehlo, Step::Starttls, Step::EhloTls, Step::Auth, Step::Mail,
    Step::Rcpt,   Step::Data, Step::Message,  Step::Command, Step::Quit,
};

// Without an enhanced status and over TLS the table alone decides, but for the rules named here.
TEST(Refusal, EveryCodeAtEveryStepFollowsTheTable) {
  for (const Step step : kReplyingSteps) {
    for (int code = 200; code <= 559; ++code) {
      const ReplyCodeMeaning* row = reply_code_meaning(code);
      if (row == nullptr) continue;
      const int klass = code / 100;
      Judged wanted{Reason::ReplyUnexpected, step == Step::Rcpt ? row->state_at_rcpt : row->state};
      if (klass == 4) wanted.reason = Reason::Reply4xx;
      if (klass == 5) wanted.reason = Reason::Reply5xx;
      if (step == Step::Quit) wanted.state = W;
      if (step == Step::Command && klass >= 4) wanted.state = W;
      if (step == Step::Starttls && klass >= 4 && code != 421)
        wanted = {Reason::StarttlsRefused, C};
      if (step == Step::Auth && code == 535) wanted = {Reason::AuthRejected, C};
      if (step == Step::Auth && (code == 504 || code == 534)) wanted = {Reason::AuthMechanism, C};
      if ((step == Step::Ehlo || step == Step::EhloTls) && code == 501)
        wanted = {Reason::Config, U};
      EXPECT_EQ(judged(step, reply(code), true), wanted) << step_name(step) << " " << code;
    }
  }
}

TEST(Refusal, RateLimitsAtAnyStep) {
  for (const Step step : kReplyingSteps) {
    for (const int code : {421, 432, 450, 451, 452, 454}) {
      for (const char* text : {"4.7.0 too many connections", "4.7.28 x", "Too much mail"}) {
        EXPECT_EQ(judged(step, reply(code, text)), (Judged{Reason::RateLimited, W}))
            << step_name(step) << " " << code;
      }
    }
    const State plain = step == Step::Command || step == Step::Quit ? W : C;
    for (const char* text :
         {"4.3.2 shutting down", "4.4.2 timeout", "closing", "5.7.0 x", "4.7.0 System Problem"}) {
      EXPECT_EQ(judged(step, reply(421, text)), (Judged{Reason::Reply4xx, plain}))
          << step_name(step) << " " << text;
    }
    EXPECT_NE(judged(step, reply(550, "5.7.28 rate limited")).reason, Reason::RateLimited);
  }
}

TEST(Refusal, GreylistingByWordsAlone) {
  const std::vector<std::string> yes = {
      "Greylisted",     "you are GREYLISTED, try again",
      "grey listed",    "gray-listing in action",
      "4.5.1 graylist", "grey grey-LIST",
      "the Gray Lists", "<a@b.test>: Greylisted, see http://postgrey.schweikert.ch/",
      "x greylist",
  };
  const std::vector<std::string> no = {
      "4.7.1 try later", "4.7.0 wait", "4.2.0 rejected", "4.3.2 not available",
      "4.7.2 try later", "4.3.0 x",    "4.2.1 x",        "grey",
      "gre ylist",       "grey  list", "grey--listed",   "greyhound",
      "graylis",         "grey-",      "blacklisted",    "grey_list",
      "4.7.10 x",        "",           "5.7.1 x",        "<greylist@b.test>: busy",
      "a@greylist.test",
  };
  for (const Step step : kReplyingSteps) {
    const bool here = step == Step::Rcpt || step == Step::Data || step == Step::Message;
    for (const int code : {421, 450, 451, 452, 454}) {
      for (const std::string& text : yes) {
        EXPECT_EQ(judged(step, reply(code, text)).reason == Reason::Greylisted, here)
            << step_name(step) << " " << code << " " << text;
      }
      for (const std::string& text : no) {
        EXPECT_NE(judged(step, reply(code, text)).reason, Reason::Greylisted) << text;
      }
    }
    for (const int code : {550, 250}) {
      EXPECT_NE(judged(step, reply(code, "greylisted")).reason, Reason::Greylisted) << code;
    }
  }
  Reply lines = reply(451, "4.3.0 sorry");
  lines.lines.emplace_back("4.3.0 greylisted for 300 s");
  EXPECT_EQ(judged(Step::Rcpt, lines).reason, Reason::Greylisted);
}

TEST(Refusal, GreylistingByAServersOwnWords) {
  const std::vector<ReplyRegex> patterns = {*parse_greylisting_pattern("come (back|again)"),
                                            *parse_greylisting_pattern("^451 4\\.7\\.1 ")};
  const auto is_one = [&patterns](Step step, const Reply& said) {
    return refusal_reason(step, said, false, patterns) == Reason::Greylisted;
  };
  EXPECT_TRUE(is_one(Step::Rcpt, reply(450, "please come back")));
  EXPECT_TRUE(is_one(Step::Message, reply(451, "4.7.1 milter")));
  EXPECT_FALSE(is_one(Step::Rcpt, reply(450, "4.7.1 milter")));
  EXPECT_FALSE(is_one(Step::Rcpt, reply(450, "Come Back")));
  EXPECT_FALSE(is_one(Step::Mail, reply(450, "please come back")));
  EXPECT_FALSE(is_one(Step::Rcpt, reply(550, "please come back")));
  EXPECT_FALSE(parse_greylisting_pattern(""));
  EXPECT_FALSE(parse_greylisting_pattern("a("));
}

TEST(Refusal, OfOurNameAtAnyStep) {
  for (const Step step : kReplyingSteps) {
    const bool here = step != Step::Command && step != Step::Quit;
    for (const int code : {421, 450, 501, 504, 550, 554}) {
      const Judged got = judged(step, reply(code, "<x>: Helo command rejected: Host not found"));
      EXPECT_EQ(got.reason == Reason::Config, here) << step_name(step) << " " << code;
      EXPECT_EQ(got.state == U, here) << step_name(step) << " " << code;
    }
    for (const int code : {500, 502, 503, 530}) {
      EXPECT_NE(judged(step, reply(code, "EHLO rejected, invalid HELO")).reason, Reason::Config);
    }
  }
}

TEST(Refusal, TooManyRecipientsIsAWarning) {
  EXPECT_EQ(judged(Step::Rcpt, reply(452, "4.5.3 too many")), (Judged{Reason::Reply4xx, W}));
  EXPECT_EQ(judged(Step::Mail, reply(452, "4.5.3 too many")), (Judged{Reason::Reply4xx, W}));
  EXPECT_EQ(judged(Step::Rcpt, reply(452, "4.3.1 full")), (Judged{Reason::Reply4xx, C}));
  EXPECT_EQ(judged(Step::Rcpt, reply(552, "5.2.2 full")), (Judged{Reason::Reply5xx, W}));
  EXPECT_EQ(judged(Step::Mail, reply(552, "5.3.4 big")), (Judged{Reason::Reply5xx, C}));
}

TEST(Refusal, ARefusedStarttlsIsItsOwnReason) {
  for (const int code : {450, 454, 501, 502, 503, 504, 523, 535, 538, 550, 554}) {
    EXPECT_EQ(judged(Step::Starttls, reply(code)), (Judged{Reason::StarttlsRefused, C})) << code;
  }
  EXPECT_EQ(judged(Step::Starttls, reply(421)), (Judged{Reason::Reply4xx, C}));
  EXPECT_EQ(judged(Step::Starttls, reply(250)), (Judged{Reason::ReplyUnexpected, C}));
}

TEST(Refusal, WhatBlamesTheConfiguration) {
  for (const bool tls : {false, true}) {
    EXPECT_EQ(judged(Step::Ehlo, reply(501), tls), (Judged{Reason::Config, U}));
    EXPECT_EQ(judged(Step::EhloTls, reply(501), tls), (Judged{Reason::Config, U}));
    for (const Step step : {Step::Mail, Step::Rcpt}) {
      EXPECT_EQ(judged(step, reply(501, "5.1.7 bad"), tls), (Judged{Reason::Config, U}));
      EXPECT_EQ(judged(step, reply(501, "5.1.3 bad"), tls), (Judged{Reason::Config, U}));
      EXPECT_EQ(judged(step, reply(501, "5.5.4 bad"), tls), (Judged{Reason::Reply5xx, C}));
      EXPECT_EQ(judged(step, reply(553, "5.1.7 bad"), tls), (Judged{Reason::Reply5xx, C}));
    }
    EXPECT_EQ(judged(Step::Auth, reply(501, "5.5.2 x"), tls), (Judged{Reason::Reply5xx, C}));
    EXPECT_EQ(judged(Step::Message, reply(501, "5.1.7 x"), tls), (Judged{Reason::Reply5xx, C}));
    EXPECT_EQ(judged(Step::Banner, reply(501), tls), (Judged{Reason::Reply5xx, C}));
  }
}

TEST(Refusal, ADemandForEncryptionIsOursWithoutTlsAndTheirsWithIt) {
  for (const int code : {523, 524, 538}) {
    EXPECT_EQ(judged(Step::Auth, reply(code), false), (Judged{Reason::AuthNeedsTls, U}));
    EXPECT_EQ(judged(Step::Mail, reply(code), false), (Judged{Reason::Config, U}));
    EXPECT_EQ(judged(Step::Ehlo, reply(code), false), (Judged{Reason::Config, U}));
    EXPECT_EQ(judged(Step::Auth, reply(code), true), (Judged{Reason::Reply5xx, C}));
    EXPECT_EQ(judged(Step::Mail, reply(code), true), (Judged{Reason::Reply5xx, C}));
    EXPECT_EQ(judged(Step::Command, reply(code), false), (Judged{Reason::Reply5xx, W}));
    EXPECT_EQ(judged(Step::Quit, reply(code), false), (Judged{Reason::Reply5xx, W}));
  }
  EXPECT_EQ(judged(Step::Mail, reply(530, "5.7.0 Must issue a STARTTLS command first"), false),
            (Judged{Reason::Reply5xx, C}));
}

TEST(Refusal, ACodeThatIsNoneIsCritical) {
  EXPECT_EQ(judged(Step::Banner, reply(0)), (Judged{Reason::ReplyUnexpected, C}));
  EXPECT_EQ(refusal_state(Step::Rcpt, reply(999), Reason::ReplyMalformed), C);
}

struct Entry {
  std::uint16_t subject;
  std::uint16_t last_detail;
};

TEST(EnhancedStatusMeaning, TheRegistryAndNothingElse) {
  const std::vector<Entry> registry = {{0, 0}, {1, 10}, {2, 4},  {3, 6},
                                       {4, 7}, {5, 6},  {6, 10}, {7, 30}};
  for (std::uint16_t klass = 0; klass < 8; ++klass) {
    for (std::uint16_t subject = 0; subject < 12; ++subject) {
      for (std::uint16_t detail = 0; detail < 110; ++detail) {
        const bool known = (klass == 2 || klass == 4 || klass == 5) && subject < registry.size() &&
                           detail <= registry[subject].last_detail;
        EXPECT_EQ(enhanced_status_meaning({klass, subject, detail}).has_value(), known)
            << klass << "." << subject << "." << detail;
      }
    }
  }
  EXPECT_EQ(enhanced_status_meaning({5, 1, 1}), "bad destination mailbox address");
  EXPECT_EQ(enhanced_status_meaning({5, 7, 25}), "reverse DNS validation failed");
  EXPECT_EQ(enhanced_status_meaning({4, 7, 12}), "a password transition is needed");
  EXPECT_EQ(enhanced_status_meaning({5, 7, 30}), "REQUIRETLS support required");
  EXPECT_EQ(enhanced_status_meaning({2, 1, 5}), "destination address valid");
}

}  // namespace
}  // namespace smtpprobe
