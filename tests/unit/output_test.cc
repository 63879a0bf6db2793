// The text output, whole: first line, perfdata, exit code; and that no server can break it.
#include "plugin/output.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>

#include "plugin/headline.h"
#include "tests/unit/result_samples.h"

namespace smtpprobe {
namespace {

using namespace samples;

std::string before_bar(const Rendered& rendered) {
  return rendered.text.substr(0, std::min(rendered.text.find('|'), rendered.text.find('\n')));
}

Rendered rendered(const Options& options, const ProbeResult& result) {
  return render(options, std::span(&result, 1), false);
}

TEST(Output, OkSaysSecondsDepthAndTls) {
  ProbeResult result = greeted();
  secured(result, {certificate("mx.example.net", 90)});
  ran(result, Step::Mail, reply(250, "2.1.0 Ok"));
  ran(result, Step::Rcpt, reply(250, "2.1.5 Ok"));
  ran(result, Step::Quit, reply(221, "bye"));
  const Rendered out = rendered(options_for(), result);
  EXPECT_EQ(out.exit_code, 0);
  EXPECT_TRUE(out.text.starts_with(
      "SMTP OK - 0.080 sec. response time, 250 at rcpt, TLSv1.3|time=0.080000s;;;0.000000 "))
      << out.text;
  EXPECT_TRUE(out.text.ends_with(" cert_days_left=90\n")) << out.text;
  EXPECT_EQ(std::count(out.text.begin(), out.text.end(), '\n'), 1);
}

TEST(Output, NotesOfAnOkStandBehindIt) {
  ProbeResult result = started();
  ran(result, Step::Connect);
  ran(result, Step::Banner, reply(220, "old"));
  says(result, TranscriptLine::Who::Client, "EHLO probe.example.net");
  says(result, TranscriptLine::Who::Server, "502 5.5.1 what");
  says(result, TranscriptLine::Who::Client, "HELO probe.example.net");
  says(result, TranscriptLine::Who::Server, "250 old");
  ran(result, Step::Ehlo, reply(250, "old"));
  result.notes = Note::HeloFallback;
  EXPECT_EQ(before_bar(rendered(options_for(), result)),
            "SMTP OK - 0.030 sec. response time, 250 at ehlo, EHLO refused with 502, HELO "
            "accepted");
  ran(result, Step::Rcpt, reply(251, "will forward"));
  result.notes = Note::WillForward;
  EXPECT_EQ(before_bar(rendered(options_for(), result)),
            "SMTP OK - 0.040 sec. response time, 251 at rcpt, the server will forward");
  ran(result, Step::Data, reply(354, "go"));
  EXPECT_EQ(before_bar(rendered(options_for(), result)),
            "SMTP OK - 0.050 sec. response time, 354 at data, 251 at rcpt: the server will "
            "forward");
}

TEST(Output, LegacyTlsIsNoted) {
  ProbeResult result = started();
  ran(result, Step::Connect);
  ran(result, Step::Banner, reply(220, "old"));
  ran(result, Step::Tls);
  result.tls.emplace();
  result.tls->version = "TLSv1";
  result.notes = Note::TlsLegacy;
  EXPECT_TRUE(before_bar(rendered(options_for(), result))
                  .ends_with(", 220 at banner, TLSv1, legacy TLS accepted"))
      << before_bar(rendered(options_for(), result));
}

TEST(Output, ARefusalNamesStepReplyAndSeconds) {
  ProbeResult result = greeted();
  refused(result, Step::Rcpt, 550, "5.1.1 <x@y>: Recipient address rejected");
  const Rendered out = rendered(options_for(), result);
  EXPECT_EQ(out.exit_code, 2);
  EXPECT_EQ(before_bar(out),
            "SMTP CRITICAL - rcpt: 550 5.1.1 <x@y>: Recipient address rejected - 0.040 sec. "
            "response time");
}

TEST(Output, AFailureWithoutReplyHasItsDetail) {
  ProbeResult result = started();
  failed(result, Step::Connect, Reason::ConnectionRefused,
         "connection refused by 192.0.2.1 port 25");
  EXPECT_EQ(before_bar(rendered(options_for(), result)),
            "SMTP CRITICAL - connect: connection refused by 192.0.2.1 port 25 - 0.010 sec. "
            "response time");
}

TEST(Output, ASecondFindingIsMentioned) {
  ProbeResult result = greeted();
  refused(result, Step::Rcpt, 450, "4.2.1 busy");
  result.failure->reason = Reason::Reply4xx;
  Options options = options_for();
  options.plan.step[Step::Rcpt].critical = range("0.001");
  const Rendered out = rendered(options, result);
  EXPECT_EQ(out.exit_code, 2);
  EXPECT_EQ(before_bar(out),
            "SMTP CRITICAL - rcpt: 450 4.2.1 busy / slow: rcpt: took 0.010 s (limit "
            "0.001) - 0.040 sec. response time");
}

TEST(Output, WithoutAClockThereIsNoPerfdata) {
  ProbeResult result = started();
  result.failure = Failure{Step::Resolve, Reason::Config, "no such module", std::nullopt};
  const Rendered out = rendered(options_for(), result);
  EXPECT_EQ(out.exit_code, 3);
  EXPECT_EQ(out.text.find('|'), std::string::npos) << out.text;
  EXPECT_TRUE(out.text.starts_with("SMTP UNKNOWN - resolve: ")) << out.text;
}

TEST(Output, OfSeveralEndpointsTheWorstSpeaks) {
  std::vector<ProbeResult> results(3, greeted());
  refused(results[1], Step::Rcpt, 550, "5.1.1 no");
  results[1].endpoint.host = "mx2.example.net";
  results[1].endpoint.address = "192.0.2.2";
  Options options = options_for();
  options.verbose = 1;
  const Rendered out = render(options, results, false);
  EXPECT_EQ(out.exit_code, 2);
  EXPECT_EQ(before_bar(out),
            "SMTP CRITICAL - mx2.example.net (192.0.2.2), 1 of 3, rcpt: 550 5.1.1 no - 0.040 "
            "sec. response time");
  EXPECT_NE(out.text.find(" time_ehlo_3="), std::string::npos);
  EXPECT_NE(out.text.find("\nmx2.example.net (192.0.2.2): CRITICAL\n"), std::string::npos);
  EXPECT_EQ(std::count(out.text.begin(), out.text.end(), '|'), 1);
  results[1] = greeted();
  EXPECT_TRUE(before_bar(render(options, results, false)).ends_with(", 3 of 3"));
  EXPECT_EQ(render(options, {}, false).exit_code, 3);
}

TEST(Output, JsonHasTheExitCodeOfTheText) {
  ProbeResult result = greeted();
  refused(result, Step::Rcpt, 550, "5.1.1 no");
  Options options = options_for();
  options.output = OutputFormat::Json;
  const Rendered out = rendered(options, result);
  EXPECT_EQ(out.exit_code, 2);
  EXPECT_TRUE(out.text.starts_with("{")) << out.text;
}

TEST(Output, UsageErrors) {
  const Error wrong{"--port: got '0|\x1b', expected 1 to 65535"};
  const Rendered native = render_usage_error("check_smtp_probe", wrong, Dialect::Native);
  EXPECT_EQ(native.exit_code, 3);
  EXPECT_EQ(native.text,
            "SMTP UNKNOWN - --port: got '0\u00a6\\x1b', expected 1 to 65535\n"
            "Try 'check_smtp_probe --help' for the options.\n");
  const Rendered old = render_usage_error("check_smtp", wrong, Dialect::CheckSmtp);
  EXPECT_EQ(old.exit_code, 3);
  EXPECT_TRUE(old.text.starts_with("check_smtp: --port: got ")) << old.text;
  // What an error shows is sanitised already.
  const Rendered once = render_usage_error("x", Error{"got 'a\\x0ab'"}, Dialect::Native);
  EXPECT_TRUE(once.text.starts_with("SMTP UNKNOWN - got 'a\\x0ab'\n")) << once.text;
}

TEST(Headline, CutsNeitherCharactersNorEscapes) {
  EXPECT_EQ(cut_sanitised("abcdef", 6), "abcdef");
  EXPECT_EQ(cut_sanitised("abcdefg", 6), "abc...");
  EXPECT_EQ(cut_sanitised("ab\u00e9efgh", 6), "ab...");
  for (std::size_t cut = 4; cut < 7; ++cut) {
    EXPECT_EQ(cut_sanitised("a\\x1bcdef", cut), cut < 8 ? "a..." : "") << cut;
  }
  EXPECT_EQ(cut_sanitised("a\\x1bcdef", 8), "a\\x1b...");
  EXPECT_EQ(cut_sanitised("abcdef", 2), "..");
  EXPECT_EQ(cut_sanitised("abcdef", 0), "");
}

TEST(Headline, TheSecondsAlwaysFit) {
  const std::string line =
      compose_line("head: ", std::string(900, 'x'), {"remark"}, " - 1.000 sec.", 100);
  EXPECT_EQ(line.size(), 100U);
  EXPECT_TRUE(line.ends_with("... - 1.000 sec."));
  EXPECT_EQ(compose_line("a", "b", {"cc", std::string(90, 'd'), "ee"}, "f", 20), "ab / cc / eef");
}

struct AddressesRow {
  const char* name;
  std::size_t addresses;
  std::size_t failed;
  bool connected;
  bool refused;  // at rcpt
  const char* line;
};

class AddressesTest : public testing::TestWithParam<AddressesRow> {};

TEST_P(AddressesTest, AreOnTheFirstLine) {
  const AddressesRow& row = GetParam();
  ProbeResult result = started();
  result.addresses = row.addresses;
  for (std::size_t i = 0; i < row.failed; ++i)
    result.failed_attempts.push_back({"192.0.2.9", Reason::ConnectTimeout, "", milliseconds(9)});
  if (!row.connected) {
    failed(result, Step::Connect, Reason::ConnectTimeout, "no answer from 192.0.2.1 port 25");
  } else {
    ran(result, Step::Connect);
    ran(result, Step::Banner, reply(220, "mx.example.net ESMTP"));
    if (row.refused) refused(result, Step::Rcpt, 550, "5.1.1 no");
  }
  EXPECT_EQ(before_bar(rendered(options_for(), result)), row.line);
}

INSTANTIATE_TEST_SUITE_P(
    All, AddressesTest,
    testing::Values(
        AddressesRow{"Literal", 0, 0, true, false,
                     "SMTP OK - 0.020 sec. response time, 220 at banner"},
        AddressesRow{"SingleAddress", 1, 0, true, true,
                     "SMTP CRITICAL - rcpt: 550 5.1.1 no - 0.030 sec. response time"},
        AddressesRow{"SingleAddressDead", 1, 1, false, false,
                     "SMTP CRITICAL - connect: connection attempt timed out: no answer from "
                     "192.0.2.1 port 25 - "
                     "0.010 sec. response time"},
        AddressesRow{"FirstOfTwo", 2, 0, true, false,
                     "SMTP OK - 0.020 sec. response time, 220 at banner, mx.example.net "
                     "[192.0.2.1]"},
        AddressesRow{"SecondOfTwo", 2, 1, true, false,
                     "SMTP OK - 0.020 sec. response time, 220 at banner, mx.example.net "
                     "[192.0.2.1], after 1 failed address"},
        AddressesRow{"ThirdRefuses", 4, 2, true, true,
                     "SMTP CRITICAL - mx.example.net [192.0.2.1] rcpt: 550 5.1.1 no, after 2 "
                     "failed addresses - 0.030 sec. response time"},
        AddressesRow{
            "None", 3, 3, false, false,
            "SMTP CRITICAL - mx.example.net [192.0.2.1] connect: connection attempt timed out: no "
            "answer from 192.0.2.1 port 25, none of 3 addresses connected - 0.010 sec. "
            "response time"},
        AddressesRow{
            "NotAllTried", 5, 3, false, false,
            "SMTP CRITICAL - mx.example.net [192.0.2.1] connect: connection attempt timed out: no "
            "answer from 192.0.2.1 port 25, 3 of 5 addresses tried - 0.010 sec. response "
            "time"}),
    [](const auto& one) { return std::string(one.param.name); });

TEST(Headline, OfALongNameTheNoteAndTheSecondsFit) {
  ProbeResult result = started();
  result.addresses = 16;
  result.endpoint.host = std::string(253, 'h');
  result.endpoint.address = "2001:db8:1111:2222:3333:4444:5555:6666";
  for (int i = 0; i < 15; ++i)
    result.failed_attempts.push_back({"192.0.2.9", Reason::ConnectTimeout, "", milliseconds(9)});
  ran(result, Step::Connect);
  refused(result, Step::Rcpt, 550, std::string(900, 'x'));
  const Verdict verdict = judge(options_for().plan, result);
  for (const std::size_t max : {std::size_t{210}, kFirstLineBytes}) {
    const std::string line = headline(result, verdict, {}, max);
    EXPECT_LE(line.size(), max);
    EXPECT_TRUE(line.ends_with(", after 15 failed addresses - 0.020 sec. response time")) << line;
    EXPECT_NE(line.find("[2001:db8:1111:2222:3333:4444:5555:6666] rcpt: 550"), std::string::npos)
        << line;
  }
}

// Whatever a server says.

std::string noise(std::mt19937& random) {
  static constexpr std::string_view kPieces[] = {
      "|",       "\n",       "\r\n",     "\x1b[2J",     "\u00e9",  "\u20ac", "\U0001f600",
      "\xff",    "\xc3",     "\xe2\x82", "\u202e",      "\u2028",  "\x85",   "\x7f",
      "time=1s", "'",        "\\x41",    "\\",          "a=b|c=d", " ",      "550 5.1.1 ",
      "%s%n",    "{\"a\":1", "\xc2\x9b", "\xed\xa0\x80"};
  std::string text;
  const std::size_t pieces = random() % 40;
  for (std::size_t i = 0; i < pieces; ++i) {
    if (random() % 2 == 0) {
      text += kPieces[random() % std::size(kPieces)];
    } else {
      text += static_cast<char>(random() % 256);
    }
  }
  if (random() % 8 == 0) text += std::string(random() % 3000, 'x');
  return text;
}

ProbeResult noisy_result(std::mt19937& random) {
  ProbeResult result = greeted();
  Reply ehlo = reply(250, noise(random));
  ehlo.lines.push_back("X" + noise(random));
  ehlo.lines.push_back("AUTH " + noise(random));
  result.steps.back().reply = ehlo;
  result.extensions = Extensions(ehlo);
  if (random() % 2 == 0) {
    Certificate bad = certificate(noise(random), static_cast<int>(random() % 40) - 20);
    bad.subject = noise(random);
    bad.issuer = noise(random);
    bad.serial = noise(random);
    bad.names = {noise(random), noise(random)};
    bad.key = noise(random);
    bad.signature = noise(random);
    secured(result, {bad, certificate("Example CA", 400)});
    result.tls->problems = {{Reason::CertUntrusted, 0, noise(random)}};
    result.verify = static_cast<TlsVerify>(random() % 4);
  }
  const Step step = kSteps[random() % kStepCount];
  std::erase_if(result.steps, [step](const StepRecord& record) { return record.step == step; });
  const auto reason = static_cast<Reason>(1 + random() % (kReasonCount - 1));
  if (random() % 2 == 0) {
    refused(result, step, 400 + static_cast<int>(random() % 160), noise(random));
    if (random() % 2 == 0) result.failure->reason = reason;
  } else {
    failed(result, step, reason, noise(random));
  }
  result.failure->detail = noise(random);
  result.endpoint.host = noise(random);
  result.endpoint.local_address = noise(random);
  result.failed_attempts.push_back({noise(random), reason, noise(random), milliseconds(3)});
  for (int i = 0; i < 4; ++i) {
    says(result, static_cast<TranscriptLine::Who>(random() % 3), noise(random));
  }
  result.notes = static_cast<Note>(random() % 256);
  return result;
}

bool is_number(std::string_view text) {
  if (text.starts_with('-')) text.remove_prefix(1);
  const bool plain =
      !text.empty() && text.find_first_not_of("0123456789.") == std::string_view::npos;
  return plain && std::count(text.begin(), text.end(), '.') <= 1 && text != ".";
}

// 'label'=value[UOM];[warn];[crit];[min], here with the units s and none and no quotes.
void expect_perfdata(std::string_view text) {
  std::set<std::string_view> labels;
  while (!text.empty()) {
    const std::size_t blank = std::min(text.find(' '), text.size());
    std::string_view item = text.substr(0, blank);
    text.remove_prefix(std::min(text.size(), blank + 1));
    const std::size_t equals = item.find('=');
    ASSERT_NE(equals, std::string_view::npos) << item;
    const std::string_view label = item.substr(0, equals);
    EXPECT_EQ(label.find_first_not_of("abcdefghijklmnopqrstuvwxyz_0123456789"),
              std::string_view::npos)
        << label;
    EXPECT_TRUE(labels.insert(label.substr(0, 19)).second) << label;
    item.remove_prefix(equals + 1);
    std::vector<std::string_view> fields;
    for (std::size_t semicolon = 0; semicolon != std::string_view::npos;) {
      semicolon = item.find(';');
      fields.push_back(item.substr(0, semicolon));
      if (semicolon != std::string_view::npos) item.remove_prefix(semicolon + 1);
    }
    ASSERT_LE(fields.size(), 5U);
    if (fields[0].ends_with('s')) fields[0].remove_suffix(1);
    EXPECT_TRUE(is_number(fields[0])) << label << ": " << fields[0];
    for (std::size_t i = 1; i < fields.size(); ++i) {
      const bool good = fields[i].empty() || is_number(fields[i]) || Range::parse(fields[i]);
      EXPECT_TRUE(good) << label << ": " << fields[i];
    }
  }
  EXPECT_TRUE(labels.contains("time"));
}

TEST(Output, NoServerBreaksIt) {
  std::mt19937 random(20261123);
  for (int round = 0; round < 1500; ++round) {
    const ProbeResult result = noisy_result(random);
    Options options = options_for(noise(random));
    options.dialect = random() % 2 == 0 ? Dialect::Native : Dialect::CheckSmtp;
    options.verbose = static_cast<int>(random() % 4);
    options.plan.total.warning = range("@0.001:10");
    if (random() % 2 == 0) options.plan.tls.expiry = ExpiryThresholds{30, 10};
    const Rendered out = rendered(options, result);
    SCOPED_TRACE(round);
    ASSERT_TRUE(is_clean(out.text)) << out.text;
    ASSERT_TRUE(out.text.ends_with('\n'));
    ASSERT_TRUE(out.exit_code >= 0 && out.exit_code <= 3);
    const std::size_t bar = out.text.find('|');
    if (bar == std::string::npos) {
      ASSERT_TRUE(out.text.starts_with("WARNING - TLS not supported by server\n")) << out.text;
      continue;
    }
    ASSERT_LE(bar, kFirstLineBytes) << out.text;
    ASSERT_EQ(std::count(out.text.begin(), out.text.end(), '|'), 1) << out.text;
    expect_perfdata(std::string_view(out.text).substr(bar + 1, out.text.find('\n', bar) - bar - 1));
    if (testing::Test::HasFailure()) return;
    if (round % 8 != 0) continue;
    options.output = OutputFormat::Json;
    ASSERT_TRUE(is_clean(rendered(options, result).text));
  }
}

}  // namespace
}  // namespace smtpprobe
