// The command line of the exporter: every way to write it, what it makes of it, what it refuses;
// and that the man pages, the help and the samples in deploy/ say what the program does.
#include "exporter/options.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>

#include "exporter/option_table.h"
#include "exporter/usage.h"

namespace smtpprobe {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Words = std::vector<std::string>;

// An argv of its own, as the kernel makes it.
class Argv {
 public:
  explicit Argv(Words words) : words_(std::move(words)) {
    words_.insert(words_.begin(), "/usr/bin/smtp_probe_exporter");
    for (std::string& word : words_) pointers_.push_back(word.data());
  }
  std::span<char* const> span() const { return pointers_; }

 private:
  Words words_;
  std::vector<char*> pointers_;
};

ExporterOptions good(Words words) {
  const Argv argv(std::move(words));
  const Result<ExporterOptions> options = parse_exporter_options(argv.span());
  EXPECT_TRUE(options) << options.error().text;
  return options ? *options : ExporterOptions{};
}

std::string bad(Words words) {
  const Argv argv(std::move(words));
  const Result<ExporterOptions> options = parse_exporter_options(argv.span());
  EXPECT_FALSE(options);
  return options ? "" : options.error().text;
}

OneShotOptions once(Words words) {
  const std::optional<OneShotOptions> found = good(std::move(words)).once;
  EXPECT_TRUE(found);
  return found.value_or(OneShotOptions{});
}

TEST(ExporterOptions, WithoutFlagsTheDefaultsHold) {
  const ExporterOptions options = good({});
  EXPECT_EQ(options, ExporterOptions{});
  EXPECT_EQ(options.config_file, "");
  EXPECT_EQ(options.listen, (std::vector{ListenAddress{"", 9725}}));
  EXPECT_EQ(options.timeout_offset, milliseconds(500));
  EXPECT_EQ(options.history_limit, 100);
  EXPECT_EQ(options.max_in_flight, 4096);
  EXPECT_EQ(options.log_level, LogLevel::Info);
  EXPECT_EQ(options.log_format, LogFormat::Logfmt);
  EXPECT_FALSE(options.once);
}

TEST(ExporterOptions, TheTablesDefaultsAreTheProgramsDefaults) {
  std::size_t checked = 0;
  for (const FlagRow& row : flag_rows()) {
    if (row.standard.empty()) continue;
    ++checked;
    Words plain;
    if (row.use == FlagUse::Once) plain = {"--once", "mx", "--push.url", "gw"};
    Words said = plain;
    said.push_back(std::string("--").append(row.name));
    said.emplace_back(row.standard);
    EXPECT_EQ(good(said), good(plain)) << row.name;
  }
  EXPECT_EQ(checked, 8U);
}

TEST(ExporterOptions, AValueStandsBehindABlankOrAnEqualsSign) {
  EXPECT_EQ(good({"--config.file", "/a b"}).config_file, "/a b");
  EXPECT_EQ(good({"--config.file=/a=b"}).config_file, "/a=b");
  EXPECT_EQ(good({"--config.file", "--log.level"}).config_file, "--log.level");
  EXPECT_EQ(good({"--config.file", "a\nb"}).config_file, "a\nb");
  EXPECT_EQ(good({"--config.file=" + std::string(100'000, 'x')}).config_file.size(), 100'000U);
  EXPECT_EQ(good({"--web.config.file=w.yml"}).web_config_file, "w.yml");
  EXPECT_TRUE(good({"--web.systemd-socket"}).systemd_socket);
  EXPECT_TRUE(good({"--web.disable-reload"}).disable_reload);
  EXPECT_TRUE(good({"--config.check"}).config_check);
  EXPECT_TRUE(good({"--config.modules"}).config_modules);
  EXPECT_EQ(good({"--log.level=debug", "--log.level", "error"}).log_level, LogLevel::Error);
  EXPECT_EQ(bad({"--config.file"}), "--config.file: needs a value, expected FILE");
  EXPECT_EQ(bad({"--config.file="}), "--config.file: got '', expected FILE");
  EXPECT_EQ(bad({"--web.config.file", ""}), "--web.config.file: got '', expected FILE");
  EXPECT_EQ(bad({"--config.check=yes"}),
            "--config.check: got a value of 3 bytes, expected no value");
}

TEST(ExporterOptions, ACommaNeverSplitsAValue) {
  EXPECT_EQ(good({"--config.file=a,b"}).config_file, "a,b");
  EXPECT_EQ(once({"--once", "a,b", "--textfile", "c,d", "--push.url=gw", "--push.job=e,f",
                  "--push.grouping=g=h,i=j"}),
            (OneShotOptions{{"a,b"}, "smtp", "http://gw", "", "", "e,f", {{"g", "h,i=j"}}, "c,d"}));
  EXPECT_EQ(bad({"--web.listen-address=:1,:2"}).find("--web.listen-address: got ':1,:2', expected"),
            0U);
}

TEST(ExporterOptions, WhatIsNoFlagIsNamed) {
  for (const char* word : {"--bogus", "--config_file", "--config", "--config.fil", "--CONFIG.FILE",
                           "-v", "---help", "--."}) {
    EXPECT_EQ(bad({word}), std::string(word) + ": unknown flag; --help lists them");
  }
  EXPECT_EQ(bad({"--bogus=secret"}), "--bogus: unknown flag; --help lists them");
  EXPECT_EQ(bad({"--=x"}), "--: unknown flag; --help lists them");
  EXPECT_EQ(bad({"-\x01"}), "-\\x01: unknown flag; --help lists them");
  const std::vector<Words> no_flags = {{"mx.test"}, {"--", "--once"}, {""}, {"-"}, {"hunter2"}};
  for (const Words& words : no_flags) {
    EXPECT_EQ(bad(words), "got a word without a flag, expected flags only; targets need --once");
  }
}

TEST(ExporterOptions, ListenAddresses) {
  const auto listen = [](const std::string& text) {
    return good({"--web.listen-address", text}).listen;
  };
  EXPECT_EQ(listen(":9725"), (std::vector{ListenAddress{"", 9725}}));
  EXPECT_EQ(listen(":0"), (std::vector{ListenAddress{"", 0}}));
  EXPECT_EQ(listen("[::1]:65535"), (std::vector{ListenAddress{"::1", 65'535}}));
  EXPECT_EQ(listen("[::]:9725"), (std::vector{ListenAddress{"::", 9725}}));
  EXPECT_EQ(listen("[fe80::1%eth0]:1"), (std::vector{ListenAddress{"fe80::1%eth0", 1}}));
  EXPECT_EQ(listen("127.0.0.1:80"), (std::vector{ListenAddress{"127.0.0.1", 80}}));
  EXPECT_EQ(listen("localhost:80"), (std::vector{ListenAddress{"localhost", 80}}));
  EXPECT_EQ(good({"--web.listen-address=127.0.0.1:1", "--web.listen-address", "[::1]:1"}).listen,
            (std::vector{ListenAddress{"127.0.0.1", 1}, ListenAddress{"::1", 1}}));
  EXPECT_EQ(good({"--web.listen-address=:0", "--web.listen-address=:0"}).listen.size(), 2U);
  EXPECT_EQ(bad({"--web.listen-address=:1", "--web.listen-address=:1"}),
            "--web.listen-address: got ':1' twice, expected each address once");
}

TEST(ExporterOptions, WhatIsNoListenAddress) {
  for (const char* text : {"",           ":",      "9725",        "localhost",
                           "localhost:", ":65536", ":-1",         ":+1",
                           ": 1",        ":1 ",    ":0x50",       ":99999999999",
                           "::1:9725",   "[::1]",  "[::1]:",      "[127.0.0.1]:80",
                           "[mx]:80",    "[]:80",  "[::1:80",     "::1]:80",
                           "a b:80",     "a/b:80", "http://a:80", "user@a:80",
                           "a\n:80",     "unix:/x"}) {
    const std::string fault = bad({"--web.listen-address", text});
    EXPECT_EQ(fault.find("--web.listen-address: got '"), 0U) << text;
    EXPECT_NE(fault.find("', expected host:port, [v6]:port or :port"), std::string::npos) << text;
  }
}

struct UrlCase {
  const char* given;
  const char* url;
  const char* path;
};

TEST(ExporterOptions, TheExternalUrlLendsItsPath) {
  for (const UrlCase& c : {
           UrlCase{"", "", ""},
           {"http://proxy.com/prometheus", "http://proxy.com/prometheus", "/prometheus"},
           {"http://alertmanager.company.com", "http://alertmanager.company.com", ""},
           {"https://double--dash.de", "https://double--dash.de", ""},
           {"https://mon.test:8443/a/b/", "https://mon.test:8443/a/b", "/a/b"},
           {"https://mon.test//", "https://mon.test", ""},
           {"http://[::1]:9725/x", "http://[::1]:9725/x", "/x"},
           {"http://[::1]", "http://[::1]", ""},
           {"mon.test", "http://mon.test", ""},
           {"mon.test:9725", "http://mon.test:9725", ""},
           {"mon.test/smtp/", "http://mon.test/smtp", "/smtp"},
           {"/", "", ""},
           {"/smtp-1_x.y~z/", "/smtp-1_x.y~z", "/smtp-1_x.y~z"},
       }) {
    const ExporterOptions options = good({"--web.external-url", c.given});
    EXPECT_EQ(options.external_url, c.url) << c.given;
    EXPECT_EQ(options.route_prefix, c.path) << c.given;
  }
  for (const char* text : {"'https://url/prometheus'",
                           "'relative/path/with/quotes'",
                           "'http://starts/with/quote",
                           "ends/with/quote\"",
                           "\"http://x\"",
                           "ftp://x",
                           "http://",
                           "http:///x",
                           "https://x:0",
                           "https://x:65536",
                           "https://x:y",
                           "http://x/a b",
                           "http://x/?q",
                           "http://x/#f",
                           "http://x?q",
                           "http://x/%41",
                           "http://x/a//b",
                           "http://x/../b",
                           "http://x/.",
                           "http://x/<b>",
                           "http://x/'",
                           "//x/y/\xc3\xa4",
                           ":80",
                           "javascript:alert(1)",
                           "http://::1/"}) {
    EXPECT_EQ(bad({"--web.external-url", text}).find("--web.external-url: got "), 0U) << text;
  }
  EXPECT_EQ(bad({"--web.external-url", "http://u:s3cret@x/"}),
            "--web.external-url: got 'http://***@x/', expected http(s)://host:port/path, "
            "host:port/path or /path; letters, digits and -._~ in the path, no quotes");
}

TEST(ExporterOptions, TheRoutePrefixIsNormalised) {
  const auto prefix = [](Words words) { return good(std::move(words)).route_prefix; };
  EXPECT_EQ(prefix({}), "");
  EXPECT_EQ(prefix({"--web.route-prefix="}), "");
  EXPECT_EQ(prefix({"--web.route-prefix=/"}), "");
  EXPECT_EQ(prefix({"--web.route-prefix=x"}), "/x");
  EXPECT_EQ(prefix({"--web.route-prefix=/x/y/"}), "/x/y");
  EXPECT_EQ(prefix({"--web.route-prefix=//x//"}), "/x");
  const std::string url = "--web.external-url=http://mon.test/ext/";
  EXPECT_EQ(prefix({url}), "/ext");
  EXPECT_EQ(prefix({url, "--web.route-prefix="}), "/ext");
  EXPECT_EQ(prefix({url, "--web.route-prefix=/"}), "");
  EXPECT_EQ(prefix({"--web.route-prefix=/own", url}), "/own");
  EXPECT_EQ(prefix({"--web.route-prefix=/own", "--web.route-prefix=", url}), "/ext");
  for (const char* text : {"/a//b", "/a/../b", "..", "/a b", "/a?b", "/\"", "/%2f", "/\xc3\xa4"}) {
    EXPECT_EQ(bad({"--web.route-prefix", text}).find("--web.route-prefix: got '"), 0U) << text;
  }
}

TEST(ExporterOptions, NumbersHaveTheirBounds) {
  EXPECT_EQ(good({"--timeout-offset=0"}).timeout_offset, seconds(0));
  EXPECT_EQ(good({"--timeout-offset", "1.25"}).timeout_offset, milliseconds(1250));
  EXPECT_EQ(good({"--timeout-offset", "86400"}).timeout_offset, kMaxTimeoutOffset);
  for (const char* text : {"", "-0.5", "+1", "1s", "1e3", "0x1", "inf", "nan", ".", "1.2.3", " 1",
                           "1,5", "86400.001", "99999999999999999999"}) {
    EXPECT_EQ(bad({"--timeout-offset", text}), "--timeout-offset: got '" + std::string(text) +
                                                   "', expected seconds from 0 to 86400, such as "
                                                   "0.5");
  }
  EXPECT_EQ(good({"--history.limit=0"}).history_limit, 0);
  EXPECT_EQ(good({"--history.limit=1000000"}).history_limit, kMaxHistoryLimit);
  EXPECT_EQ(good({"--probe.max-in-flight=1"}).max_in_flight, 1);
  EXPECT_EQ(good({"--probe.max-in-flight=1000000"}).max_in_flight, kMaxInFlightLimit);
  EXPECT_EQ(bad({"--probe.max-in-flight=0"}),
            "--probe.max-in-flight: got '0', expected 1 to 1000000");
  for (const char* text : {"", "-1", "+1", "1000001", "1.0", "ten", "0x1", "1 ", "4294967297",
                           "99999999999999999999"}) {
    EXPECT_EQ(bad({"--history.limit", text}),
              "--history.limit: got '" + std::string(text) + "', expected 0 to 1000000");
    EXPECT_EQ(bad({"--probe.max-in-flight", text}),
              "--probe.max-in-flight: got '" + std::string(text) + "', expected 1 to 1000000");
  }
}

TEST(ExporterOptions, TheLog) {
  EXPECT_EQ(good({"--log.level=debug"}).log_level, LogLevel::Debug);
  EXPECT_EQ(good({"--log.level=info"}).log_level, LogLevel::Info);
  EXPECT_EQ(good({"--log.level=warn"}).log_level, LogLevel::Warn);
  EXPECT_EQ(good({"--log.format=json"}).log_format, LogFormat::Json);
  EXPECT_EQ(bad({"--log.level=trace"}), "--log.level: got 'trace', expected debug|info|warn|error");
  EXPECT_EQ(bad({"--log.level="}), "--log.level: got '', expected debug|info|warn|error");
  EXPECT_EQ(bad({"--log.format=text"}), "--log.format: got 'text', expected logfmt|json");
}

TEST(ExporterOptions, OnceTakesTheWordsAsTargets) {
  EXPECT_EQ(once({"--once", "mx"}).targets, Words{"mx"});
  EXPECT_EQ(once({"mx", "--once"}).targets, Words{"mx"});
  EXPECT_EQ(once({"--once=mx"}).targets, Words{"mx"});
  EXPECT_EQ(once({"a", "--once=b", "--module", "m", "c", "--once", "--", "--d"}).targets,
            (Words{"a", "b", "c", "--d"}));
  EXPECT_EQ(once({"--once", "mx"}),
            (OneShotOptions{{"mx"}, "smtp", "", "", "", "smtp_probe", {}, ""}));
  const ExporterOptions all = good({"--once", "mx", "--config.file=c", "--log.level=error",
                                    "--timeout-offset=0", "--probe.max-in-flight=9"});
  EXPECT_EQ(all.config_file, "c");
  EXPECT_EQ(bad({"--once"}), "--once: needs a target, expected TARGET...");
  EXPECT_EQ(bad({"--once="}), "--once: got '', expected a target such as mx.example.net");
  EXPECT_EQ(bad({"--once", "mx", ""}), "--once: got '', expected a target such as mx.example.net");
  EXPECT_EQ(bad({"--once", "mx", "--module="}), "--module: got '', expected NAME");
}

TEST(ExporterOptions, Push) {
  const auto url = [](const std::string& text) {
    return once({"--once", "mx", "--push.url", text}).push_url;
  };
  EXPECT_EQ(url("http://gw:9091"), "http://gw:9091");
  EXPECT_EQ(url("https://gw:9091/prefix//"), "https://gw:9091/prefix");
  EXPECT_EQ(url("gw:9091"), "http://gw:9091");
  EXPECT_EQ(url("gw"), "http://gw");
  EXPECT_EQ(url("http://[::1]:9091/"), "http://[::1]:9091");
  EXPECT_EQ(url("https://u:p%40x@gw/a%20b"), "https://u:p%40x@gw/a%20b");
  for (const char* text :
       {"", "/", "ftp://gw", "http://", "http://gw:0", "http://gw:x", "http://gw/?a=b",
        "http://gw/#a", "http://gw/a b", "http://g w", "http://u p@gw", "http://gw/\n"}) {
    EXPECT_EQ(bad({"--once", "mx", "--push.url", text}).find("--push.url: got "), 0U) << text;
  }
  EXPECT_EQ(bad({"--once", "mx", "--push.url", "http://u:s3cret@gw:0/"}),
            "--push.url: got 'http://***@gw:0/', expected http(s)://host:port/path or host:port");

  const OneShotOptions full =
      once({"--once", "mx", "--push.url=gw", "--push.job", "a/b", "--push.grouping", "instance=x/y",
            "--push.grouping=_e=", "--push.grouping", "z9=a=b", "--textfile", "/x/y.prom"});
  EXPECT_EQ(full.push_job, "a/b");
  EXPECT_EQ(full.push_grouping, (std::vector<std::pair<std::string, std::string>>{
                                    {"instance", "x/y"}, {"_e", ""}, {"z9", "a=b"}}));
  EXPECT_EQ(full.textfile, "/x/y.prom");
  for (const char* text :
       {"", "a", "=b", "1a=b", "a-b=c", "a b=c", "job=x", "__name__=x", "\xc3\xa4=b"}) {
    EXPECT_EQ(bad({"--once", "mx", "--push.url=gw", "--push.grouping", text})
                  .find("--push.grouping: got '"),
              0U)
        << text;
  }
  EXPECT_EQ(bad({"--once", "mx", "--push.url=gw", "--push.grouping=a=1", "--push.grouping=a=2"}),
            "--push.grouping: got 'a' twice, expected each label once");
  EXPECT_EQ(bad({"--once", "mx", "--push.url=gw", "--push.job="}),
            "--push.job: got '', expected NAME");
  EXPECT_EQ(bad({"--once", "mx", "--textfile="}), "--textfile: got '', expected PATH");
}

TEST(ExporterOptions, WhatCanDoNothingIsRefused) {
  std::size_t serving = 0;
  std::size_t one_shot = 0;
  for (const FlagRow& row : flag_rows()) {
    const std::string name = std::string("--").append(row.name);
    Words words = {name};
    if (row.argument == FlagArgument::Required) {
      words.emplace_back(row.standard.empty() ? "x=y" : row.standard);
    }
    if (row.id == FlagId::PushUrl || row.id == FlagId::ExternalUrl) words.back() = "gw";
    if (row.id == FlagId::RoutePrefix) words.back() = "/x";
    if (row.use == FlagUse::Serving) {
      ++serving;
      good(words);
      words.insert(words.end(), {"--once", "mx"});
      EXPECT_EQ(bad(words), name + ": got --once too, which starts no server");
    } else if (row.use == FlagUse::Once && row.id != FlagId::Once) {
      ++one_shot;
      EXPECT_EQ(bad(words), name + ": needs --once");
    }
  }
  EXPECT_EQ(serving, 9U);
  EXPECT_EQ(one_shot, 7U);
  EXPECT_EQ(bad({"--once", "mx", "--push.job=x"}), "--push.job: needs --push.url");
  EXPECT_EQ(bad({"--once", "mx", "--push.grouping=x=y"}), "--push.grouping: needs --push.url");
}

TEST(ExporterOptions, AMisplacedSecretIsNotShown) {
  for (const Words& words :
       std::vector<Words>{{"--once", "mx", "--push.url", "http://u:hunter2"},
                          {"--once", "mx", "--push.url", "u:hunter2@"},
                          {"--once", "mx", "--push.url", "https://u:hunter2@gw:0"},
                          {"--once", "mx", "--push.url=gw", "--push.user", "u:hunter2"},
                          {"--once=hunter2", "--push.url=http://u:hunter2"},
                          {"--phunter2"},
                          {"-phunter2"},
                          {"hunter2"},
                          {"--config.check=hunter2"},
                          {"--web.listen-address", "u:hunter2"},
                          {"--web.external-url", "http://u:hunter2"},
                          {"--log.level", "password=hunter2"},
                          {"--once", "mx", "--push.url=gw", "--push.grouping", "u:hunter2"}}) {
    const std::string said = bad(words);
    EXPECT_EQ(said.find("hunter2"), std::string::npos) << said;
  }
}

TEST(ExporterOptions, CredentialsOfAPush) {
  const OneShotOptions full = once(
      {"--once", "mx", "--push.url=gw", "--push.user=u", "--push.password-file", "/run/push.pw"});
  EXPECT_EQ(full.push_user, "u");
  EXPECT_EQ(full.push_password_file, "/run/push.pw");
  EXPECT_EQ(bad({"--once", "mx", "--push.url=gw", "--push.user=u"}),
            "--push.user: needs --push.password-file");
  EXPECT_EQ(bad({"--once", "mx", "--push.url=gw", "--push.password-file=f"}),
            "--push.password-file: needs --push.user");
  EXPECT_EQ(bad({"--once", "mx", "--push.user=u", "--push.password-file=f"}),
            "--push.user: needs --push.url");
  EXPECT_EQ(bad({"--once", "mx", "--push.url=x:y@gw", "--push.user=u", "--push.password-file=f"}),
            "--push.user: got credentials in --push.url too, expected one of them");
  for (const char* name : {"", "a\nb", "a:b"}) {
    EXPECT_TRUE(
        bad({"--once", "mx", "--push.url=gw", "--push.user", name, "--push.password-file=f"})
            .starts_with("--push.user: got a value of "));
  }
}

// What others read of the process, whether the rest of the words is good or not.
TEST(ExporterOptions, APasswordIsWipedFromTheArguments) {
  const auto left = [](Words words) {
    const Argv argv(std::move(words));
    static_cast<void>(parse_exporter_options(argv.span()));
    std::string all;
    for (const char* word : argv.span().subspan(1)) all.append(word).append(" ");
    return all;
  };
  EXPECT_EQ(left({"--once", "mx", "--push.url", "https://u:hunter2@gw:9091/a"}),
            "--once mx --push.url https://*********@gw:9091/a ");
  EXPECT_EQ(left({"--once", "mx", "--push.url=u:p@ss@gw"}), "--once mx --push.url=******@gw ");
  EXPECT_EQ(left({"--bogus", "--push.url", "http://u:hunter2"}),
            "--bogus --push.url http://********* ");
  EXPECT_EQ(left({"--push.url=http://gw:9091", "--push.url"}),
            "--push.url=http://gw:9091 --push.url ");
  EXPECT_EQ(once({"--once", "mx", "--push.url", "https://u:hunter2@gw"}).push_url,
            "https://u:hunter2@gw");
}

TEST(ExporterOptions, HelpAndVersionGoBeforeEverythingElse) {
  for (const char* word : {"-h", "--help"}) {
    EXPECT_TRUE(good({word}).help);
    EXPECT_TRUE(good({"--history.limit=x", word, "stray"}).help);
    EXPECT_FALSE(good({word, "--version"}).version);
  }
  EXPECT_TRUE(good({"--version"}).version);
  EXPECT_TRUE(good({"--version", "--module=x"}).version);
  EXPECT_FALSE(good({"--version"}).help);
  EXPECT_EQ(bad({"--help", "--bogus"}), "--bogus: unknown flag; --help lists them");
  EXPECT_EQ(bad({"--version=1"}), "--version: got a value of 1 byte, expected no value");
}

TEST(ExporterOptions, AnArgvOfNothingIsADaemon) {
  EXPECT_EQ(*parse_exporter_options({}), ExporterOptions{});
  EXPECT_EQ(usage_exit_code({}), 2);
}

TEST(ExporterOptions, UsageErrorsOfAOneShotAreUnknown) {
  const auto code = [](Words words) { return usage_exit_code(Argv(std::move(words)).span()); };
  EXPECT_EQ(code({}), 2);
  EXPECT_EQ(code({"--bogus", "--oncet"}), 2);
  EXPECT_EQ(code({"--bogus", "--once", "mx"}), 3);
  EXPECT_EQ(code({"--once=mx", "--bogus"}), 3);
}

TEST(ExporterUsage, TheVersionIsOneLine) {
  EXPECT_EQ(version_text(), "smtp_probe_exporter, version " SMTPPROBE_VERSION "\n");
}

TEST(ExporterUsage, HelpFitsTheTerminal) {
  std::istringstream lines(help_text());
  for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 80U) << line;
}

TEST(ExporterUsage, EveryGroupIsThereOnce) {
  const std::string help = help_text();
  for (const FlagGroup& group : flag_groups()) {
    const std::string title = "\n" + std::string(group.title) + ":\n";
    const std::size_t at = help.find(title);
    ASSERT_NE(at, std::string::npos) << group.title;
    EXPECT_EQ(help.find(title, at + 1), std::string::npos) << group.title;
  }
  EXPECT_EQ(flag_groups().front().first, flag_rows().front().id);
}

}  // namespace
}  // namespace smtpprobe
