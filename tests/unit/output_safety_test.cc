// Whatever a server says, from the first byte on, in a session of any length: what the check prints
// is one line of text with one bar and text below it, or JSON, and no secret stands in it.
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <random>
#include <set>
#include <span>

#include "plugin/output.h"
#include "tests/unit/hostile_session.h"
#include "tests/unit/result_samples.h"

namespace smtpprobe {
namespace {

constexpr int kSessions = 1500;

std::string printed(const hostile::Session& session, Dialect dialect, OutputFormat format,
                    int verbose, std::string host) {
  Options options = samples::options_for(std::move(host));
  const Target target = options.plan.target;
  options.plan = session.plan;
  options.plan.target = target;
  options.dialect = dialect;
  options.output = format;
  options.verbose = verbose;
  const Rendered rendered = render(options, std::span(&session.result, 1), false);
  EXPECT_TRUE(rendered.exit_code >= 0 && rendered.exit_code <= 3);
  return rendered.text;
}

void expect_text(const std::string& text, bool may_lack_perfdata) {
  ASSERT_TRUE(samples::is_clean(text)) << text;
  ASSERT_TRUE(text.ends_with('\n')) << text;
  const auto bars = std::count(text.begin(), text.end(), '|');
  if (bars == 0 && may_lack_perfdata) return;
  ASSERT_EQ(bars, 1) << text;
  ASSERT_LT(text.find('|'), text.find('\n')) << text;
  ASSERT_LE(text.find('|'), kFirstLineBytes) << text;
}

// Some way down a document; the words of it must be as clean as its text.
void expect_clean_strings(const nlohmann::json& value) {
  if (value.is_string()) {
    const std::string text = value.get<std::string>();
    ASSERT_TRUE(samples::is_clean(text) && text.find('\n') == std::string::npos) << text;
  }
  for (const auto& [key, inner] : value.items()) {
    if (value.is_structured()) expect_clean_strings(inner);
  }
}

TEST(OutputSafety, NoServerBreaksTheCheck) {
  std::mt19937 random(20261126);
  std::set<Step> failed_at;
  std::set<Reason> failed_for;
  for (int round = 0; round < kSessions; ++round) {
    SCOPED_TRACE(round);
    hostile::Server server(random);
    const hostile::Session session = server.run();
    if (session.result.failure) {
      failed_at.insert(session.result.failure->step);
      failed_for.insert(session.result.failure->reason);
    }
    const std::string host = round % 4 == 0 ? server.text() : "mx.example.net";
    for (const Dialect dialect : {Dialect::Native, Dialect::CheckSmtp}) {
      for (int verbose = 0; verbose <= 3; ++verbose) {
        const std::string text = printed(session, dialect, OutputFormat::Text, verbose, host);
        expect_text(text, session.result.steps.empty() || dialect == Dialect::CheckSmtp);
        // A name to probe is the user's own: it may be what it likes.
        if (host == "mx.example.net") {
          ASSERT_EQ(hostile::shown_secret(text, session.secrets), "") << text;
        }
        if (testing::Test::HasFatalFailure()) return;
      }
    }
    const std::string text = printed(session, Dialect::Native, OutputFormat::Json, 3, host);
    ASSERT_TRUE(samples::is_clean(text)) << text;
    const nlohmann::json read = nlohmann::json::parse(text, nullptr, false);
    ASSERT_FALSE(read.is_discarded()) << text;
    expect_clean_strings(read);
    if (host == "mx.example.net") {
      ASSERT_EQ(hostile::shown_secret(text, session.secrets), "") << text;
    }
    if (testing::Test::HasFatalFailure()) return;
  }
  // The sessions go everywhere, or they would show little.
  EXPECT_GE(failed_at.size(), 9U);
  EXPECT_GE(failed_for.size(), 12U);
}

}  // namespace
}  // namespace smtpprobe
