// What clients of /probe may say, and the time that a probe gets.
#include "exporter/probe_query.h"

#include <gtest/gtest.h>

#include <array>
#include <string>
#include <vector>

namespace smtpprobe {
namespace {

ProbeQuery good(const std::string& request) {
  Result<ProbeQuery> query = parse_probe_query(request);
  EXPECT_TRUE(query) << request << ": " << (query ? "" : query.error().text);
  return query ? *query : ProbeQuery{};
}

std::string bad(const std::string& request) {
  const Result<ProbeQuery> query = parse_probe_query(request);
  EXPECT_FALSE(query) << request;
  return query ? "" : query.error().text;
}

TEST(ProbeQuery, HasWhatWasAsked) {
  const ProbeQuery query =
      good("/probe?target=mx.test:2525&module=rcpt&hostname=mail.test&debug=true&view=page");
  EXPECT_EQ(query.target.text(25), "mx.test:2525");
  EXPECT_EQ(query.module, "rcpt");
  EXPECT_EQ(query.hostname, "mail.test");
  EXPECT_TRUE(query.debug);
  EXPECT_TRUE(query.page);
}

TEST(ProbeQuery, AMisplacedSecretIsNotRepeated) {
  for (const char* request :
       {"/probe?target=u:hunter2@h", "/probe?target=smtp://u:hunter2@h", "/probe?target=hunter2@h",
        "/probe?target=u%3Ahunter2%40h", "/probe?target=u:hunter2",
        "/probe?target=mx&hostname=u:hunter2", "/probe?target=mx&hostname=u:hunter2@h"}) {
    const std::string said = bad(request);
    EXPECT_EQ(said.find("hunter2"), std::string::npos) << said;
  }
}

TEST(ProbeQuery, HasDefaults) {
  for (const char* request :
       {"/probe?target=mx.test", "/probe?target=mx.test&module=&hostname=",
        "/probe?target=mx.test&debug=false&view=", "/probe?target=mx.test&x"}) {
    const ProbeQuery query = good(request);
    EXPECT_EQ(query.module, "smtp");
    EXPECT_EQ(query.hostname, "");
    EXPECT_FALSE(query.debug);
    EXPECT_FALSE(query.page);
  }
}

TEST(ProbeQuery, OfTheFormMayHaveBlanksAround) {
  const ProbeQuery query =
      good("/probe?target=+mx.test%3A25%09%0D%0A&hostname=%20mail.test+&view=page");
  EXPECT_EQ(query.target.text(25), "mx.test:25");
  EXPECT_EQ(query.hostname, "mail.test");
  EXPECT_EQ(bad("/probe?target=+%20&view=page"), "parameter target is missing");
  EXPECT_NE(bad("/probe?target=mx.test+x&view=page"), "");
  for (const char* strict : {"/probe?target=+mx.test", "/probe?target=mx.test+&view=",
                             "/probe?target=mx.test&hostname=mail.test+"})
    EXPECT_NE(bad(strict), "");
}

TEST(ProbeQuery, IsDecodedOnceOrTwice) {
  EXPECT_EQ(good("/probe?target=%5B2001%3Adb8%3A%3A1%5D%3A25").target.text(1), "[2001:db8::1]:25");
  EXPECT_EQ(good("/probe?target=smtp%3A%2F%2Fmx.test%3A26").target.text(1), "mx.test:26");
  EXPECT_EQ(good("/probe?target=smtp%253A%252F%252Fmx.test%253A26").target.text(1), "mx.test:26");
  EXPECT_TRUE(bad("/probe?target=mx%252500.test").starts_with("target: "));
  EXPECT_TRUE(bad("/probe?target=mx+test").starts_with("target: "));
}

TEST(ProbeQuery, IsTakenFromAProxysRequestToo) {
  EXPECT_EQ(good("http://exporter:9725/probe?target=mx.test").target.text(25), "mx.test:25");
  EXPECT_EQ(request_path("http://exporter:9725/probe?target=%zz"), "/probe");
  EXPECT_EQ(request_path("http://exporter:9725"), "/");
  EXPECT_EQ(request_path("HTTPS://exporter/probe?target=x"), "/probe");
  EXPECT_EQ(good("https://exporter/probe?target=mx.test").target.text(25), "mx.test:25");
  EXPECT_EQ(request_path("gopher://exporter/probe"), "");
}

TEST(ProbeQuery, RefusesWhatIsMissingOrThereTwice) {
  EXPECT_EQ(bad("/probe"), "parameter target is missing");
  EXPECT_EQ(bad("/probe?target="), "parameter target is missing");
  EXPECT_EQ(bad("/probe?Target=mx.test"), "parameter target is missing");
  for (const char* name : {"target", "module", "hostname", "debug", "view"}) {
    const std::string twice = std::string("/probe?target=a.test&") + name + "=b&" + name + "=b";
    EXPECT_EQ(bad(twice), "parameter " + std::string(name) + " is given more than once");
  }
}

TEST(ProbeQuery, RefusesWhatIsMalformed) {
  EXPECT_EQ(bad("/probe?target=%zz"), "the request's query is malformed");
  EXPECT_EQ(bad("/probe?target=%4"), "the request's query is malformed");
  for (const char* target : {"%00", "a%20b", "mx.test:0", "mx.test:70000", "file:///etc/passwd",
                             "http://mx.test", "mx.test%0d%0aX:y", "%5B::1"})
    EXPECT_TRUE(bad(std::string("/probe?target=") + target).starts_with("target: ")) << target;
  EXPECT_TRUE(bad("/probe?target=" + std::string(300, 'x')).starts_with("target: "));
  for (const char* name : {"two%20words", "mx.test:25", "http://mx.test", "a%09b"})
    EXPECT_TRUE(bad(std::string("/probe?target=a.test&hostname=") + name).starts_with("hostname: "))
        << name;
}

TEST(RequestPath, IsDecodedAndEmptyWhenMalformed) {
  EXPECT_EQ(request_path("/"), "/");
  EXPECT_EQ(request_path("/-/ready?x=y"), "/-/ready");
  EXPECT_EQ(request_path("/%2D/ready"), "/-/ready");
  EXPECT_EQ(request_path("/%zz"), "");
  EXPECT_EQ(request_path(""), "");
  // Boost.URL 1.81 asserts on a scheme and one character that no path may hold.
  for (const char* odd : {"x:^", "http:|", "x:\"", "x:%", "ab:^?://", "http:", "http:/x"})
    EXPECT_EQ(request_path(odd), "") << odd;
}

TEST(QueryParameter, IsThereExactlyOnceOrNot) {
  EXPECT_EQ(query_parameter("/logs?id=7", "id"), "7");
  EXPECT_EQ(query_parameter("/logs?id=", "id"), "");
  EXPECT_EQ(query_parameter("/logs", "id"), std::nullopt);
  EXPECT_EQ(query_parameter("/logs?id=1&id=1", "id"), std::nullopt);
  EXPECT_EQ(query_parameter("/logs?id=%zz", "id"), std::nullopt);
}

TEST(ScrapeTimeout, IsAFiniteNumberOfSeconds) {
  EXPECT_EQ(*parse_scrape_timeout(""), 0.0);
  EXPECT_EQ(*parse_scrape_timeout("10"), 10.0);
  EXPECT_EQ(*parse_scrape_timeout("1.5"), 1.5);
  EXPECT_EQ(*parse_scrape_timeout("300"), 300.0);
  EXPECT_EQ(*parse_scrape_timeout("300.001"), kLongestScrape);
  EXPECT_EQ(*parse_scrape_timeout("1e300"), kLongestScrape);
  for (const char* text : {"abc", "10s", "1,5", "10 20", " 10", "nan", "inf", "1e999", "-1", "--1"})
    EXPECT_FALSE(parse_scrape_timeout(text)) << text;
}

struct TimeoutCase {
  double module, scrape, offset, wanted;
};

// blackbox_exporter's own table, and its edges.
TEST(ProbeTimeout, IsBlackboxExporters) {
  constexpr std::array kCases = {
      TimeoutCase{0, 0, 0.5, 119.5}, TimeoutCase{0, 10, 0.5, 9.5},
      TimeoutCase{0, 10, 0, 10},     TimeoutCase{5, 10, 0.5, 5},
      TimeoutCase{20, 10, 0.5, 9.5}, TimeoutCase{9.5, 10, 0.5, 9.5},
      TimeoutCase{5, 0, 0.5, 5},     TimeoutCase{130, 0, 0.5, 119.5},
      TimeoutCase{5, 10, 11, 5},     TimeoutCase{0, 10, 10, 0},
      TimeoutCase{0, 0.4, 0.5, 0},   TimeoutCase{2, 0.4, 0.5, 2},
      TimeoutCase{0, 10, 86'400, 0},
  };
  for (const TimeoutCase& one : kCases)
    EXPECT_DOUBLE_EQ(probe_timeout(one.module, one.scrape, one.offset), one.wanted)
        << one.module << ' ' << one.scrape << ' ' << one.offset;
}

}  // namespace
}  // namespace smtpprobe
