// What --watch prints: lines, table, frame.
#include "plugin/watch_text.h"

#include <gtest/gtest.h>

#include <sstream>

#include "plugin/output.h"
#include "tests/unit/result_samples.h"

namespace smtpprobe {
namespace {

using namespace samples;

class WatchTextTest : public ::testing::Test {
 protected:
  Options options = options_for();
  WatchStatistics statistics{options.plan};
  std::string last_failure;

  void add(const ProbeResult& result) {
    const Verdict verdict = judge(options.plan, result);
    statistics.add(std::span(&result, 1), std::span(&verdict, 1));
  }
  static ProbeResult refused_connection() {
    ProbeResult result = started();
    failed(result, Step::Connect, Reason::ConnectionRefused);
    return result;
  }
  Frame frame(const std::optional<Window>& window, std::size_t drawn = 0,
              std::string_view colour = "") {
    return watch_frame(options, statistics,
                       {"12:00:01 SMTP OK - \xc3\xa4 line of a server", last_failure, colour},
                       window, drawn);
  }
};

// What a terminal shows of it: the lines without the escape sequences.
std::vector<std::string> shown(const std::string& text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\x1b') {
      while (std::isalpha(static_cast<unsigned char>(text[i])) == 0) ++i;
    } else if (text[i] != '\r') {
      plain += text[i];
    }
  }
  return lines_of(plain);
}

TEST_F(WatchTextTest, ALineIsTheTimeAndTheFirstLine) {
  EXPECT_EQ(watch_line("12:00:01", State::Ok, "SMTP OK - 0.042 sec. response time"),
            "12:00:01 SMTP OK - 0.042 sec. response time");
  EXPECT_EQ(watch_line("12:00:01", State::Warning, "WARNING - TLS not supported by server"),
            "12:00:01 WARNING - TLS not supported by server");
  EXPECT_EQ(watch_line("12:00:01", State::Critical, "connect to address x and port 25: refused"),
            "12:00:01 CRITICAL - connect to address x and port 25: refused");
}

TEST_F(WatchTextTest, TheSummaryNamesTheStatesThatOccurred) {
  EXPECT_EQ(watch_summary(options, statistics), "mx.example.net:25: 0 probes");
  add(greeted());
  EXPECT_EQ(watch_summary(options, statistics), "mx.example.net:25: 1 probe, 1 OK");
  add(refused_connection());
  EXPECT_EQ(watch_summary(options, statistics), "mx.example.net:25: 2 probes, 1 OK, 1 CRITICAL");
}

TEST_F(WatchTextTest, TheTableIsInMilliseconds) {
  add(greeted());
  add(refused_connection());
  const std::vector<std::string> table = watch_table(statistics);
  ASSERT_EQ(table.size(), 6U);
  EXPECT_EQ(table[0], "ms             last        min     median        p95        max    loss");
  EXPECT_EQ(table[1], "connect           -     10.000     10.000     10.000     10.000   50.0%");
  EXPECT_EQ(table[4],  // the sample does not say QUIT
            "quit              -          -          -          -          -  100.0%");
  EXPECT_EQ(table[5], "total             -     30.000     30.000     30.000     30.000   50.0%");
}

TEST_F(WatchTextTest, ADayLongStepKeepsItsColumn) {
  ProbeResult result = started();
  ran(result, Step::Connect, std::nullopt, std::chrono::hours(1));
  add(result);
  for (const std::string& line : watch_table(statistics)) EXPECT_EQ(line.size(), 71U) << line;
}

TEST_F(WatchTextTest, TheEndIsTheTable) {
  EXPECT_EQ(watch_end(options, statistics, ""), "\n--- mx.example.net:25: 0 probes\n");
  add(greeted());
  EXPECT_TRUE(watch_end(options, statistics, "")
                  .starts_with("\n--- mx.example.net:25: 1 probe, 1 OK\nms "));
}

TEST_F(WatchTextTest, TheLastFailureStaysInSight) {
  add(refused_connection());
  add(greeted());
  last_failure = "12:00:00 SMTP CRITICAL - connect: connection refused";
  EXPECT_TRUE(watch_end(options, statistics, last_failure)
                  .ends_with("%\nlast failure: " + last_failure + "\n"));
  const std::vector<std::string> lines = shown(frame(Window{}).text);
  ASSERT_GT(lines.size(), 4U);
  EXPECT_EQ(lines[2], "last failure: " + last_failure);
  EXPECT_TRUE(lines[3].starts_with("ms "));
}

TEST_F(WatchTextTest, TheLastFrameIsWhole) {
  add(greeted());
  last_failure = std::string(1000, 'x');
  const Frame last = frame(std::nullopt, 3);
  const std::vector<std::string> lines = shown(last.text);
  EXPECT_EQ(lines.size(), 8U);
  EXPECT_EQ(lines[2], "last failure: " + last_failure);
  EXPECT_TRUE(last.text.starts_with("\r\x1b[3A"));
}

TEST_F(WatchTextTest, AFrameIsDrawnOverTheOneBefore) {
  add(greeted());
  const Frame first = frame(Window{});
  EXPECT_EQ(first.lines, 7U);  // summary, line, heading, three steps, total
  EXPECT_TRUE(first.text.starts_with("\rmx.example.net:25: 1 probe")) << first.text;
  EXPECT_EQ(shown(first.text).size(), first.lines);
  EXPECT_TRUE(frame(Window{}, first.lines).text.starts_with("\r\x1b[7Amx.example.net"));
}

TEST_F(WatchTextTest, AFrameFitsItsWindow) {
  add(greeted());
  last_failure = "12:00:00 SMTP CRITICAL - banner: 554 \xc3\xa4 line of a server";
  for (std::size_t columns = 1; columns < 90; ++columns) {
    for (std::size_t rows = 1; rows < 10; ++rows) {
      const Frame drawn = frame(Window{columns, rows}, 0, "\x1b[32m");
      EXPECT_LT(drawn.lines, std::max<std::size_t>(rows, 2));
      const std::vector<std::string> lines = shown(drawn.text);
      EXPECT_EQ(lines.size(), drawn.lines);
      for (const std::string& line : lines) {
        EXPECT_LT(line.size(), std::max<std::size_t>(columns, 2));
        EXPECT_TRUE(is_clean(line)) << line;
      }
    }
  }
}

TEST_F(WatchTextTest, ColourIsOfTheProbeAlone) {
  add(greeted());
  EXPECT_EQ(frame(Window{}).text.find("\x1b[0m"), std::string::npos);
  const std::string text = frame(Window{}, 0, "\x1b[32m").text;
  EXPECT_NE(text.find("\n\x1b[32m12:00:01 SMTP OK"), std::string::npos);
  EXPECT_EQ(text.find("\x1b[32m"), text.rfind("\x1b[32m"));
}

TEST_F(WatchTextTest, JsonIsALineForEachProbe) {
  options.output = OutputFormat::Json;
  const ProbeResult result = greeted();
  EXPECT_GT(lines_of(render(options, std::span(&result, 1), false).text).size(), 10U);
  options.watch = WatchPlan{};
  const std::string text = render(options, std::span(&result, 1), false).text;
  EXPECT_EQ(text.find('\n'), text.size() - 1);
}

}  // namespace
}  // namespace smtpprobe
