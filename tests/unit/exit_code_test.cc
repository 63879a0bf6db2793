// --exit-code: the table of codes, that it is the documented one, and which findings have it.
#include "plugin/exit_code.h"

#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <sstream>

#include "plugin/output.h"
#include "plugin/usage.h"
#include "tests/unit/result_samples.h"

namespace smtpprobe {
namespace {

using namespace samples;

int code_of(const ProbeResult& result, Options options = options_for()) {
  options.exit_codes = ExitCodes::Step;
  return render(options, std::span(&result, 1), false).exit_code;
}

TEST(ExitCode, IsNeitherAStateNorAShellsOwn) {
  for (const Step step : kSteps) {
    const int code = exit_code_of_step(step);
    EXPECT_GE(code, 2) << step_name(step);  // 1 is any failure of a shell
    EXPECT_LE(code, 125) << step_name(step);
    EXPECT_NE(code, 3) << step_name(step);
  }
}

// swaks(1), EXIT CODES.
TEST(ExitCode, IsSwakss) {
  const std::map<Step, int> theirs = {
      {Step::Connect, 2}, {Step::Banner, 21}, {Step::Ehlo, 22},     {Step::Mail, 23},
      {Step::Rcpt, 24},   {Step::Data, 25},   {Step::Message, 26},  {Step::Quit, 27},
      {Step::Auth, 28},   {Step::Tls, 29},    {Step::Starttls, 29}, {Step::EhloTls, 32},
  };
  for (const auto& [step, code] : theirs) EXPECT_EQ(exit_code_of_step(step), code);
  // What swaks has no step for has no code of swaks's: 0 to 6, 10, 21 to 36.
  EXPECT_EQ(exit_code_of_step(Step::Resolve), 20);
  EXPECT_EQ(exit_code_of_step(Step::Command), 40);
}

TEST(ExitCode, TheManPageHasTheTable) {
  std::ifstream file(std::string(SMTPPROBE_TESTS_DIR) + "/../docs/check_smtp_probe.8");
  std::map<std::string, int> documented;
  bool inside = false;
  for (std::string line; std::getline(file, line);) {
    if (line == ".SS By step") inside = true;
    if (line == ".SH OUTPUT") inside = false;
    std::istringstream words(line);
    int code = 0;
    std::string name;
    if (inside && words >> code >> name && step_from_name(name)) documented[name] = code;
  }
  std::map<std::string, int> table;
  for (const Step step : kSteps) table[std::string(step_name(step))] = exit_code_of_step(step);
  EXPECT_EQ(documented, table);
}

TEST(ExitCode, TheHelpHasTheTable) {
  EXPECT_EQ(exit_codes_of_steps(),
            "2 connect, 20 resolve, 21 banner, 22 ehlo, 23 mail, 24 rcpt, 25 data, 26 message, "
            "27 quit, 28 auth, 29 tls, 29 starttls, 32 ehlo_tls, 40 command");
  std::string help;
  std::istringstream words(help_text("check_smtp_probe"));
  for (std::string word; words >> word;) help += word + ' ';
  EXPECT_NE(help.find("step: 0 OK, " + exit_codes_of_steps() + ", and 3 "), std::string::npos);
}

TEST(ExitCode, OkIsNoneWhateverWasExcused) {
  EXPECT_EQ(code_of(greeted()), 0);
  Options lenient = options_for();
  lenient.plan.dialogue.greylisting = State::Ok;
  ProbeResult result = greeted();
  refused(result, Step::Rcpt, 450, "4.7.1 Greylisted");
  EXPECT_EQ(code_of(result, lenient), 0);
  EXPECT_EQ(code_of(result), 24);  // WARNING else
}

TEST(ExitCode, IsOfTheStepThatTheFirstLineNames) {
  ProbeResult result = greeted();
  refused(result, Step::Mail, 550, "5.7.1 no");
  EXPECT_EQ(code_of(result), 23);

  Options strict = options_for();
  strict.plan.step[Step::Banner].warning = range("0.001");
  EXPECT_EQ(code_of(result, strict), 23);
  EXPECT_EQ(code_of(greeted(), strict), 21);

  result = started();
  failed(result, Step::Connect, Reason::ConnectionRefused);
  EXPECT_EQ(code_of(result), 2);
  result = started();
  failed(result, Step::Resolve, Reason::DnsNxdomain);
  EXPECT_EQ(code_of(result), 20);
}

TEST(ExitCode, IsTheStateForWhatIsNotTheServers) {
  const std::pair<Step, Reason> ours[] = {{Step::Connect, Reason::LocalError},
                                          {Step::Ehlo, Reason::Config},
                                          {Step::Auth, Reason::AuthNeedsTls},
                                          {Step::Resolve, Reason::ProbeRejected}};
  for (const auto& [step, reason] : ours) {
    ProbeResult result = started();
    failed(result, step, reason);
    EXPECT_EQ(code_of(result), 3) << step_name(step);
  }
  // A timeout that is UNKNOWN by the user's choice is the server's all the same.
  Options options = options_for();
  options.plan.timeout_state = State::Unknown;
  ProbeResult result = greeted();
  failed(result, Step::Mail, Reason::Timeout);
  EXPECT_EQ(code_of(result, options), 23);
}

TEST(ExitCode, OfSeveralServersIsTheWorstOnes) {
  Options options = options_for();
  options.exit_codes = ExitCodes::Step;
  std::vector<ProbeResult> results = {greeted(), greeted(), greeted()};
  refused(results[0], Step::Rcpt, 450, "4.2.1 busy");  // WARNING
  refused(results[1], Step::Mail, 550, "5.7.1 no");
  EXPECT_EQ(render(options, results, false).exit_code, 23);
}

TEST(ExitCode, OfTheJsonIsThatOfTheProgram) {
  Options options = options_for();
  options.exit_codes = ExitCodes::Step;
  options.output = OutputFormat::Json;
  ProbeResult result = greeted();
  refused(result, Step::Mail, 550, "5.7.1 no");
  const Rendered out = render(options, std::span(&result, 1), false);
  EXPECT_EQ(out.exit_code, 23);
  EXPECT_NE(out.text.find("\"exit_code\": 23,"), std::string::npos);
  EXPECT_NE(out.text.find("\"state\": \"CRITICAL\""), std::string::npos);
}

}  // namespace
}  // namespace smtpprobe
