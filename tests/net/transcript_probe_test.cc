// Every file of tests/transcripts once more, now by the real prober against the scripted server on
// a socket: the outcome must be the one that the pure dialogue has.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "common/net/probe_once.h"
#include "tests/fake_server/fake_server.h"
#include "tests/fake_server/transcript_plan.h"

namespace smtpprobe {
namespace {

std::vector<std::string> transcript_files() {
  std::vector<std::string> paths;
  for (const auto& entry :
       std::filesystem::directory_iterator(SMTPPROBE_TESTS_DIR "/transcripts")) {
    // To a loopback peer AUTH goes without TLS, too: that refusal is for the pure tests alone.
    if (entry.path().stem() == "auth-needs-tls") continue;
    if (entry.path().extension() == ".txt") paths.push_back(entry.path().string());
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

class ProbedTranscript : public testing::TestWithParam<std::string> {
 protected:
  // One certificate for all of them: the pure tests take each handshake for a verified one.
  static void SetUpTestSuite() {
    identity_ = make_certificate(TestPki::server_request());
    anchor_file_ = testing::TempDir() + "transcript_probe_test." + std::to_string(getpid());
    std::ofstream(anchor_file_) << identity_.chain;
  }
  static void TearDownTestSuite() { std::filesystem::remove(anchor_file_); }

  static TestCertificate identity_;
  static std::string anchor_file_;
};

TestCertificate ProbedTranscript::identity_;
std::string ProbedTranscript::anchor_file_;

TEST_P(ProbedTranscript, HasTheSameOutcome) {
  const Result<Transcript> script = read_transcript(GetParam());
  ASSERT_TRUE(script) << script.error().text;
  const Result<ExpectedOutcome> expected = outcome_of(*script);
  ASSERT_TRUE(expected) << expected.error().text;
  Result<ProbePlan> plan = plan_of(*script);
  ASSERT_TRUE(plan) << plan.error().text;

  FakeServerOptions options;
  options.identity = identity_;
  const FakeServer server(*script, options);
  plan->target.host = "127.0.0.1";
  plan->port = server.port();
  plan->tls.server_name = "mx.test";
  plan->tls.ca_file = anchor_file_;
  const Result<std::vector<ProbeResult>> results = probe_once(*plan);
  ASSERT_TRUE(results) << results.error().text;
  ASSERT_EQ(results->size(), 1U);
  EXPECT_EQ(compare(*expected, *plan, results->front()), std::vector<std::string>());
  EXPECT_TRUE(server.wait_idle());
  EXPECT_EQ(server.mismatches(), std::vector<std::string>());
}

INSTANTIATE_TEST_SUITE_P(Files, ProbedTranscript, testing::ValuesIn(transcript_files()),
                         [](const testing::TestParamInfo<std::string>& file) {
                           std::string name = std::filesystem::path(file.param).stem().string();
                           std::replace_if(
                               name.begin(), name.end(),
                               [](unsigned char c) { return std::isalnum(c) == 0; }, '_');
                           return name;
                         });

}  // namespace
}  // namespace smtpprobe
