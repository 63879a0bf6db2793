// The command line of the check: every way to write it, what it makes of the plan, what it refuses.
#include "plugin/options.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <set>
#include <sstream>

#include "plugin/option_table.h"
#include "plugin/usage.h"

namespace smtpprobe {
namespace {

using std::chrono::seconds;

// An argv of its own, as the kernel makes it: writable.
class Argv {
 public:
  Argv(std::string program, std::vector<std::string> words) : words_(std::move(words)) {
    words_.insert(words_.begin(), std::move(program));
    for (std::string& word : words_) pointers_.push_back(word.data());
  }
  std::span<char*> span() { return pointers_; }
  // What /proc/PID/cmdline would show.
  std::string shown() const {
    std::string all;
    for (const std::string& word : words_) all += word + " ";
    return all;
  }

 private:
  std::vector<std::string> words_;
  std::vector<char*> pointers_;
};

Result<Options> parse(std::vector<std::string> words, std::string program = "check_smtp_probe") {
  Argv argv(std::move(program), std::move(words));
  return parse_options(argv.span(), Surroundings{});
}

Options good(std::vector<std::string> words, std::string program = "check_smtp_probe") {
  Result<Options> options = parse(std::move(words), std::move(program));
  EXPECT_TRUE(options) << options.error().text;
  return options ? *options : Options{};
}

std::string bad(std::vector<std::string> words, std::string program = "check_smtp_probe") {
  const Result<Options> options = parse(std::move(words), std::move(program));
  EXPECT_FALSE(options);
  return options ? "" : options.error().text;
}

class SecretFile {
 public:
  explicit SecretFile(const std::string& content) {
    const int descriptor = mkstemp(path_);
    EXPECT_GE(descriptor, 0);
    EXPECT_EQ(write(descriptor, content.data(), content.size()), ssize_t(content.size()));
    close(descriptor);
  }
  ~SecretFile() { unlink(path_); }
  SecretFile(const SecretFile&) = delete;
  SecretFile& operator=(const SecretFile&) = delete;
  std::string path() const { return path_; }

 private:
  char path_[32] = "/tmp/options_test.XXXXXX";
};

TEST(Options, TheHostIsAnOptionOrAWord) {
  EXPECT_EQ(good({"-H", "mx.example.net"}).plan.target.host, "mx.example.net");
  EXPECT_EQ(good({"mx.example.net"}).plan.target.host, "mx.example.net");
  EXPECT_EQ(good({"-H", "mx.example.net", "mx.example.net"}).plan.target.host, "mx.example.net");
  EXPECT_EQ(good({"--", "mx.example.net"}).plan.target.host, "mx.example.net");
  EXPECT_EQ(good({"-H", "mx", ""}).plan.target.host, "mx");
  EXPECT_EQ(bad({"-H", "a", "b"}), "--hostname: got a host and another word, expected one host");
  EXPECT_EQ(bad({"a", "b"}), "--hostname: got a host and another word, expected one host");
  EXPECT_TRUE(bad({"-H", ""}).starts_with("--hostname: empty, expected "));
  EXPECT_TRUE(bad({"-H", "a b"}).starts_with("--hostname: got "));
  EXPECT_TRUE(bad({"http://mx"}).starts_with("--hostname: got "));
}

TEST(Options, WatchTellsWhatItTookForItsTime) {
  constexpr const char* kExpected =
      "', expected N or N,COUNT: seconds from 0.1 to 86400, and perhaps after how many probes to "
      "end";
  for (const std::string taken : {"mx.example.net:2525", "soon", "-1", ""}) {
    const std::string text = "--watch: got '" + taken + kExpected;
    EXPECT_EQ(bad({"--watch", taken.c_str()}), text);
    EXPECT_EQ(bad({"--watch", taken.c_str(), "mx"}), text);
  }
  EXPECT_TRUE(bad({"--watch", "1"}).starts_with("--hostname: missing"));
}

TEST(Options, WithoutAHostOnlyTheOldNameHasADefault) {
  EXPECT_EQ(good({"-p", "26"}, "/usr/lib/nagios/plugins/check_smtp").plan.target.host, "127.0.0.1");
  EXPECT_TRUE(bad({}, "check_smtp").starts_with("--hostname: missing"));
  EXPECT_TRUE(bad({"-p", "26"}).starts_with("--hostname: missing"));
}

TEST(Options, PortsComeFromOptionTargetAndProtocol) {
  EXPECT_EQ(good({"mx"}).plan.port, 25);
  EXPECT_EQ(good({"mx", "-s"}).plan.port, 465);
  EXPECT_EQ(good({"-L", "mx"}).plan.port, 24);
  EXPECT_EQ(good({"mx:2525"}).plan.port, 2525);
  EXPECT_EQ(good({"submission://mx"}).plan.port, 587);
  EXPECT_EQ(good({"-p587", "mx", "-s"}).plan.port, 587);
  EXPECT_EQ(good({"mx", "--ssl", "--port=2465"}).plan.port, 2465);
  EXPECT_EQ(good({"-p", "1", "-p", "65535", "mx"}).plan.port, 65535);
  for (const char* port : {"0", "65536", "-1", "abc", "25x", "", " 25", "0x19", "1e2"}) {
    EXPECT_EQ(bad({"mx", "-p", port}),
              "--port: got '" + std::string(port) + "', expected 1 to 65535");
  }
}

TEST(Options, AnOptionAndItsValueMayBeOneWord) {
  EXPECT_EQ(good({"mx", "-p 587"}).plan.port, 587);
  EXPECT_EQ(good({"-H  mx"}).plan.target.host, "mx");
  EXPECT_EQ(good({"mx", "-w 5"}).plan.total.warning->text(), "5");
  EXPECT_EQ(good({"mx", "-D 30,10"}).plan.tls.expiry->critical_days, 10);
  EXPECT_TRUE(bad({"mx", "-S -P secret"}).starts_with("-S: more options in the same word"));
  for (const std::string option : {"-f a@b.test", "-t 10", "-A PLAIN", "-p 25", "-w 2"}) {
    const std::string said = bad({"mx", option + " -P secret"});
    EXPECT_TRUE(said.starts_with(option.substr(0, 2) + ": more options in the same word")) << said;
    EXPECT_EQ(said.find("secret"), std::string::npos) << said;
  }
  EXPECT_EQ(bad({"mx", "-p "}), "--port: got '', expected 1 to 65535");
  EXPECT_EQ(bad({"mx", "-p", " 587"}), "--port: got ' 587', expected 1 to 65535");
  EXPECT_EQ(good({"mx", "-e ESMTP"}).plan.dialogue.expect_banner, " ESMTP");
}

TEST(Options, UnixSocketsAreLmtp) {
  for (const char* target : {"unix:/run/lmtp", "/run/lmtp"}) {
    const Options options = good({"-H", target});
    EXPECT_EQ(options.plan.target.unix_path, "/run/lmtp");
    EXPECT_EQ(options.plan.dialogue.protocol, Protocol::Lmtp);
    EXPECT_EQ(options.plan.port, 0);
  }
  EXPECT_TRUE(bad({"/run/lmtp", "-p", "25"}).starts_with("--port: got '25'"));
  EXPECT_TRUE(bad({"-L", "-p", "25", "mx"}).starts_with("--port: "));
}

TEST(Options, OldSpellingsAndGroupsAreUnderstood) {
  const Options old = good({"-wt", "5", "-ct", "9", "-to", "3", "mx"});
  EXPECT_EQ(old.plan.total.warning->text(), "5");
  EXPECT_EQ(old.plan.total.critical->text(), "9");
  EXPECT_EQ(old.plan.timeout, seconds(3));
  const Options group = good({"-4Svvp587", "-Hmx"});
  EXPECT_EQ(group.plan.ip, IpChoice::Ipv4);
  EXPECT_EQ(group.plan.dialogue.tls, TlsMode::Starttls);
  EXPECT_EQ(group.verbose, 2);
  EXPECT_EQ(group.plan.port, 587);
  EXPECT_EQ(good({"mx", "--cert", "21"}).plan.tls.expiry->warning_days, 21);
  EXPECT_TRUE(bad({"mx", "--auth", "x"}).starts_with("--auth: ambiguous, expected one of --auth"));
  EXPECT_EQ(good({"mx", "-v", "-vvv", "-v"}).verbose, 3);
  EXPECT_EQ(good({"mx", "-w", "-5:5"}).plan.total.warning->text(), "-5:5");
  EXPECT_EQ(good({"-w", "1", "mx", "-w2"}).plan.total.warning->text(), "2");
}

TEST(Options, ABooleanWordAfterQIsNoHost) {
  const Options options = good({"-H", "mx", "-q", "true", "-t", "3", "-w", "5"});
  EXPECT_EQ(options.plan.timeout, seconds(3));
  EXPECT_EQ(options.plan.total.warning->text(), "5");
  EXPECT_EQ(good({"-q", "False", "mx"}).plan.target.host, "mx");
  EXPECT_EQ(good({"--ignore-quit-failure", "1", "mx"}).plan.target.host, "mx");
  EXPECT_EQ(good({"-q", "mx"}).plan.target.host, "mx");
}

TEST(Options, WhatIsNoOptionIsNamed) {
  EXPECT_EQ(bad({"mx", "--bogus"}), "--bogus: unknown option");
  EXPECT_EQ(bad({"mx", "--bogus=secret"}), "--bogus: unknown option");
  EXPECT_EQ(bad({"mx", "-SZ"}), "-Z: unknown option");
  EXPECT_EQ(bad({"mx", "-p"}), "--port: needs a value, expected PORT");
  EXPECT_EQ(bad({"mx", "--starttls=yes"}), "--starttls: got a value of 3 bytes, expected no value");
  EXPECT_EQ(bad({"mx", "-\x01"}), "-\\x01: unknown option");
}

TEST(Options, AcceptanceCommandLinesParse) {
  const Options watchdog =
      good({"-4", "-H", "192.0.2.1", "-p", "589", "-f", "watchdog@invalid", "-C",
            "RCPT TO:watchdog@localhost", "-C", "DATA", "-C", ".", "-R", "250"},
           "check_smtp");
  ASSERT_EQ(watchdog.plan.dialogue.commands.size(), 3U);
  EXPECT_EQ(watchdog.plan.dialogue.commands[0].expected->pattern(), "250");
  EXPECT_FALSE(watchdog.plan.dialogue.commands[1].expected);
  EXPECT_EQ(watchdog.plan.dialogue.until, Step::Command);
  EXPECT_EQ(watchdog.plan.dialogue.from, "watchdog@invalid");

  const Options lmtp = good({"-4", "-H", "192.0.2.1", "-p", "24", "-f", "watchdog@invalid", "-C",
                             "RCPT TO:<watchdog@invalid>", "-L", "-R", "User doesn't exist"});
  EXPECT_EQ(lmtp.plan.dialogue.protocol, Protocol::Lmtp);

  const Options checkmk = good({"-e",
                                "expect",
                                "-p",
                                "123",
                                "-C",
                                "cmda, cmdc",
                                "-C",
                                "cmdb",
                                "-R",
                                "rspa",
                                "-R",
                                "rspb",
                                "-f",
                                "home",
                                "-w",
                                "23.0000",
                                "-c",
                                "42.0000",
                                "-t",
                                "110",
                                "-A",
                                "LOGIN",
                                "-U",
                                "me",
                                "-P",
                                "PASSWORD",
                                "-S",
                                "-F",
                                "at.home.world",
                                "-D",
                                "42,23",
                                "-4",
                                "-H",
                                "1.2.3.4"},
                               "check_smtp");
  const ProbePlan& plan = checkmk.plan;
  EXPECT_EQ(checkmk.dialect, Dialect::CheckSmtp);
  EXPECT_EQ(plan.dialogue.expect_banner, "expect");
  EXPECT_EQ(plan.dialogue.commands[0].text, "cmda, cmdc");
  EXPECT_EQ(plan.dialogue.commands[1].expected->pattern(), "rspb");
  EXPECT_EQ(plan.dialogue.auth->mechanism, Mechanism::Login);
  EXPECT_EQ(plan.dialogue.auth->credentials.username, "me");
  EXPECT_EQ(plan.dialogue.auth->credentials.password, "PASSWORD");
  EXPECT_TRUE(plan.dialogue.auth->without_verified_tls);
  EXPECT_FALSE(plan.tls.verify);
  EXPECT_EQ(plan.dialogue.helo_name, "at.home.world");
  EXPECT_EQ(plan.tls.expiry->warning_days, 42);
  EXPECT_EQ(plan.tls.expiry->critical_days, 23);
  EXPECT_EQ(plan.timeout, seconds(110));
  EXPECT_EQ(plan.port, 123);

  EXPECT_EQ(good({"-6", "-H", "::1"}).plan.ip, IpChoice::Ipv6);
  EXPECT_EQ(good({"-H", "localhost", "-t", "3"}).plan.timeout, seconds(3));
  EXPECT_EQ(good({"-H", "192.0.2.1", "-p", "589", "-4", "-S", "-D", "7"}).plan.dialogue.until,
            Step::EhloTls);
  EXPECT_EQ(good({"-H", "192.0.2.1", "-4", ""}).plan.ip, IpChoice::Ipv4);
}

TEST(Options, TheTimeoutStretchesTheStepsAboveItsDefault) {
  const Options usual = good({"mx"});
  EXPECT_EQ(usual.plan.timeout, seconds(10));
  EXPECT_EQ(good({"mx", "-t", "4"}).plan.dialogue.limits.reply, usual.plan.dialogue.limits.reply);
  const Options longer = good({"mx", "-t", "60"});
  EXPECT_EQ(longer.plan.timeout, seconds(60));
  EXPECT_EQ(longer.plan.dialogue.limits.reply, seconds(60));
  EXPECT_EQ(longer.plan.dialogue.limits.message, seconds(120));
  EXPECT_EQ(longer.plan.dialogue.limits.connect, seconds(30));
  EXPECT_EQ(longer.plan.dialogue.limits.resolve, seconds(30));
  EXPECT_EQ(longer.plan.dialogue.limits.quit, seconds(2));
  EXPECT_EQ(good({"mx", "-t", "0"}).plan.timeout, seconds(3600));
  EXPECT_EQ(good({"mx", "-t", "5:unknown"}).plan.timeout_state, State::Unknown);
  EXPECT_EQ(good({"mx", "-t", "5:1"}).plan.timeout_state, State::Warning);
  const Options state = good({"mx", "-t", ":warning"});
  EXPECT_EQ(state.plan.timeout_state, State::Warning);
  EXPECT_EQ(state.plan.timeout, seconds(10));
  for (const char* value : {"0.5", "", "-1", "5:", "5:bad", ":", "1e3", "86401", "9999999999999"}) {
    EXPECT_TRUE(
        bad({"mx", "-t", value}).starts_with("--timeout: got '" + std::string(value) + "'"));
  }
}

TEST(Options, ExpectWithoutEqualsIsTheBanner) {
  EXPECT_EQ(good({"mx", "--expect", "220 mx"}).plan.dialogue.expect_banner, "220 mx");
  EXPECT_EQ(good({"mx", "--expect=521"}).plan.dialogue.expect_banner, "521");
  EXPECT_EQ(good({"mx", "-e", "a=b"}).plan.dialogue.expect_banner, "a=b");
  EXPECT_FALSE(good({"mx", "-e", ""}).plan.dialogue.expect_banner);
  const Options options = good({"mx", "-f", "", "--to", "a@b", "--expect", "rcpt=550,5.7.1",
                                "--expect=rcpt=554", "--expect", "quit=221"});
  const auto& rcpt = options.plan.dialogue.expect[Step::Rcpt];
  ASSERT_EQ(rcpt.size(), 3U);
  EXPECT_EQ(rcpt[0].text(), "550");
  EXPECT_EQ(rcpt[1].text(), "5.7.1");
  EXPECT_EQ(rcpt[2].text(), "554");
  EXPECT_EQ(options.plan.dialogue.expect[Step::Quit].size(), 1U);
  EXPECT_TRUE(bad({"mx", "--expect", "foo=250"}).starts_with("--expect: got 'foo=250', expected"));
  EXPECT_TRUE(bad({"mx", "--expect", "tls=250"}).starts_with("--expect: got 'tls=250', expected"));
  for (const char* value : {"ehlo=", "ehlo=25", "ehlo=250,", "ehlo=6xx", "ehlo=1.2.3"}) {
    EXPECT_TRUE(bad({"mx", "--expect", value}).starts_with("--expect: "));
  }
  EXPECT_TRUE(bad({"mx", "--expect", "rcpt=550"}).starts_with("--expect: "));
}

TEST(Options, HowDeepToGo) {
  EXPECT_EQ(good({"mx"}).plan.dialogue.until, Step::Ehlo);
  EXPECT_EQ(good({"mx", "-S"}).plan.dialogue.until, Step::EhloTls);
  EXPECT_EQ(good({"mx", "-f", "a@b"}).plan.dialogue.until, Step::Mail);
  EXPECT_EQ(good({"mx", "-f", "<>"}).plan.dialogue.from, "");
  EXPECT_EQ(good({"mx", "-f", "", "--to", "<a@b>"}).plan.dialogue.until, Step::Rcpt);
  EXPECT_EQ(good({"mx", "-f", "", "--to", "a@b", "--until", "data"}).plan.dialogue.until,
            Step::Data);
  EXPECT_EQ(good({"mx", "--until", "banner"}).plan.dialogue.until, Step::Banner);
  for (const char* step : {"connect", "resolve", "tls", "quit", "", "EHLO", "helo"}) {
    EXPECT_EQ(bad({"mx", "--until", step}),
              "--until: got '" + std::string(step) +
                  "', expected one of banner, ehlo, starttls, ehlo_tls, auth, mail, rcpt, command, "
                  "data, message");
  }
  EXPECT_EQ(bad({"mx", "--to", "a@b"}), "--to: needs --from");
  EXPECT_TRUE(bad({"mx", "--until", "mail"}).starts_with("--until: "));
  EXPECT_TRUE(bad({"mx", "--until", "auth"}).starts_with("--until: "));
}

TEST(Options, AMessageIsSentOnRequestOnly) {
  const Options sent = good({"mx", "-f", "a@b", "--to", "c@d", "--to", "e@f", "--send", "--subject",
                             "Hello", "--header", "X-Test:  1, 2 "});
  EXPECT_EQ(sent.plan.dialogue.until, Step::Message);
  ASSERT_TRUE(sent.plan.message);
  EXPECT_EQ(sent.plan.message->subject, "Hello");
  EXPECT_EQ(sent.plan.message->headers.at(0),
            std::pair(std::string("X-Test"), std::string("1, 2")));
  EXPECT_EQ(sent.plan.dialogue.to, (std::vector<std::string>{"c@d", "e@f"}));
  EXPECT_TRUE(good({"mx", "-f", "", "--to", "c@d", "--until", "message"}).plan.message);
  EXPECT_FALSE(good({"mx", "-f", "", "--to", "c@d", "--until", "data"}).plan.message);
  EXPECT_EQ(bad({"mx", "--send", "-f", ""}), "--send: needs --from and --to");
  EXPECT_EQ(bad({"mx", "--send"}), "--send: needs --from and --to");
  EXPECT_TRUE(bad({"mx", "--send", "--until", "rcpt", "-f", "", "--to", "a@b"})
                  .starts_with("--send: means --until message"));
  for (const char* option : {"--subject", "--body-file"}) {
    EXPECT_EQ(bad({"mx", option, "/dev/null"}), std::string(option) + ": needs --send");
  }
  EXPECT_EQ(bad({"mx", "--header", "no colon"}),
            "--header: got 'no colon', expected \"Name: text\"");
  EXPECT_TRUE(bad({"mx", "-f", "", "--to", "a@b", "--send", "--subject", "a\nb"})
                  .starts_with("--header, --subject or --body-file: "));
  EXPECT_TRUE(bad({"mx", "--body-file", "/nonexistent"})
                  .starts_with("--body-file: /nonexistent: No such file"));
}

TEST(Options, NothingThatBreaksALineReachesTheWire) {
  for (const char* evil : {"a\r\nQUIT", "a\nb", "a\rb"}) {
    EXPECT_TRUE(bad({"mx", "-F", evil}).starts_with("--fqdn: "));
    EXPECT_TRUE(bad({"mx", "-f", evil}).starts_with("--from: "));
    EXPECT_TRUE(bad({"mx", "-f", "", "--to", evil}).starts_with("--to: "));
    EXPECT_TRUE(bad({"mx", "-C", evil}).starts_with("--command: "));
    EXPECT_TRUE(bad({"mx", "-U", evil}).starts_with("--authuser: "));
    EXPECT_TRUE(bad({"mx", "-U", "u", "-P", evil}).starts_with("--authpass: the password holds"));
    EXPECT_TRUE(bad({evil}).starts_with("--hostname: "));
    EXPECT_TRUE(bad({"mx", "-S", "--tls-name", evil}).starts_with("--tls-name: "));
    EXPECT_TRUE(bad({"mx", "--require-extension", evil}).starts_with("--require-extension: "));
  }
}

TEST(Options, Tls) {
  EXPECT_EQ(good({"mx", "--tls"}).plan.dialogue.tls, TlsMode::Implicit);
  EXPECT_EQ(good({"smtps://mx"}).plan.dialogue.tls, TlsMode::Implicit);
  EXPECT_EQ(good({"mx", "-D", "21,7"}).plan.dialogue.tls, TlsMode::Starttls);
  EXPECT_EQ(good({"mx", "-sD", "5,10"}).plan.dialogue.tls, TlsMode::Implicit);
  EXPECT_EQ(good({"mx", "-D", "5"}).plan.tls.expiry->critical_days, 0);
  EXPECT_EQ(good({"mx", "-S", "--tls-verify", "require"}).plan.tls.verify, TlsVerify::Require);
  EXPECT_EQ(good({"mx", "-S", "--tls-min-version", "TLS1.3"}).plan.tls.min_version,
            TlsVersion::Tls1_3);
  EXPECT_FALSE(good({"mx", "-S"}).plan.tls.legacy);
  EXPECT_TRUE(good({"mx", "-S", "--tls-legacy"}).plan.tls.legacy);
  EXPECT_TRUE(good({"mx", "-s", "--tls-legacy", "--tls-min-version", "1.0"}).plan.tls.legacy);
  EXPECT_EQ(bad({"mx", "-S", "--tls-legacy", "--tls-min-version", "1.2"}),
            "--tls-legacy: legacy TLS and a minimum version of TLSv1.2 exclude each other: wanted "
            "TLSv1.0, or one of the two");
  const Options files =
      good({"mx", "-s", "--ca-file", "a", "--ca-path", "b", "--client-cert", "c", "--client-key",
            "d", "--tls-name", "e.example", "--sni", "--ignore-certificate-expiration"});
  EXPECT_EQ(files.plan.tls.ca_file, "a");
  EXPECT_EQ(files.plan.tls.ca_path, "b");
  EXPECT_EQ(files.plan.tls.cert_file, "c");
  EXPECT_EQ(files.plan.tls.key_file, "d");
  EXPECT_EQ(files.plan.tls.server_name, "e.example");
  EXPECT_TRUE(files.plan.tls.ignore_expiration);
  EXPECT_TRUE(bad({"mx", "-s", "-S"}).starts_with("--ssl: got --starttls too"));
  EXPECT_TRUE(bad({"smtps://mx", "-S"}).starts_with("--starttls: "));
  for (const char* days : {"x", "", "5,", ",5", "-1", "5,x", "1e9", "nan"}) {
    EXPECT_TRUE(
        bad({"mx", "-D", days}).starts_with("--certificate: got '" + std::string(days) + "'"));
  }
  EXPECT_EQ(bad({"mx", "-S", "--tls-verify", "yes"}),
            "--tls-verify: got 'yes', expected one of off, report, warn, require");
  EXPECT_TRUE(bad({"mx", "--tls-verify", "require"}).starts_with("--tls-verify: "));
  EXPECT_TRUE(bad({"mx", "-S", "--client-key", "d"}).starts_with("--client-key: "));
  EXPECT_TRUE(bad({"mx", "-S", "--tls-min-version", "2"}).starts_with("--tls-min-version: got"));
  EXPECT_TRUE(bad({"mx", "--helo", "-S"}).starts_with("--helo: "));
  EXPECT_TRUE(bad({"mx", "--helo", "-U", "u", "-P", "p"}).starts_with("--helo: "));
}

TEST(Options, AuthNeedsAUserAndASecret) {
  const Options plain = good({"mx", "-U", "u", "-P", "p"});
  EXPECT_EQ(plain.plan.dialogue.auth->mechanism, Mechanism::Auto);
  EXPECT_FALSE(plain.plan.dialogue.auth->without_verified_tls);
  EXPECT_EQ(plain.plan.dialogue.until, Step::Auth);
  EXPECT_TRUE(good({"mx", "-U", "u", "-P", "p", "--auth-insecure"})
                  .plan.dialogue.auth->without_verified_tls);
  const SecretFile token("tok\n");
  const Options oauth =
      good({"mx:587", "-A", "xoauth2", "-U", "u", "--authtoken-file", token.path()});
  EXPECT_EQ(oauth.plan.dialogue.auth->credentials.token, "tok");
  EXPECT_EQ(oauth.plan.dialogue.auth->credentials.host, "mx");
  EXPECT_EQ(oauth.plan.dialogue.auth->credentials.port, 587);
  EXPECT_TRUE(bad({"mx", "-U", "u"}).starts_with("--authuser: needs a password"));
  EXPECT_EQ(bad({"mx", "-A", "PLAIN"}), "--authtype: needs --authuser");
  EXPECT_EQ(bad({"mx", "-P", "p"}), "--authpass: needs --authuser");
  EXPECT_EQ(bad({"mx", "-A", "XOAUTH2", "-U", "u", "-P", "p"}),
            "--authtype: XOAUTH2 needs --authtoken-file");
  EXPECT_TRUE(bad({"mx", "-A", "NTLM", "-U", "u"}).starts_with("--authtype: got 'NTLM', expected"));
  EXPECT_EQ(bad({"mx", "-U", "u", "-P", ""}),
            "--authpass: the password is empty, expected one on one line");
}

TEST(Options, AMisplacedSecretIsNotShown) {
  for (const std::vector<std::string>& words :
       std::vector<std::vector<std::string>>{{"mx", "-U", "u", "--authpass-file", "hunter2"},
                                             {"mx", "-U", "u", "--authpass-file=/hunter2"},
                                             {"mx", "-U", "u", "--authtoken=hunter2"},
                                             {"mx", "--authtoken-file", "/no/such/hunter2"},
                                             {"-H", "u:hunter2@host"},
                                             {"-H", "smtp://u:hunter2@host"},
                                             {"-H", "hunter2@host"},
                                             {"-H", "u:hunter2"},
                                             {"mx", "-U", "u", "-P", "two", "hunter2"},
                                             {"mx", "--hunter2"},
                                             {"mx", "--starttls=hunter2"},
                                             {"mx", "-p", "u:hunter2"},
                                             {"mx", "--until", "password=hunter2"},
                                             {"mx", "-U", "u\nhunter2"},
                                             {"mx", "-C", "AUTH PLAIN hunter2\n"},
                                             {"mx", "--body-file", "u:hunter2"}}) {
    const std::string said = bad(words);
    EXPECT_EQ(said.find("hunter2"), std::string::npos) << said;
  }
}

TEST(Options, SecretFilesHoldOneLine) {
  const auto with = [](const std::string& content) {
    const SecretFile file(content);
    Result<Options> options = parse({"mx", "-U", "u", "--authpass-file", file.path()});
    std::string text = options ? "" : options.error().text;
    const std::size_t at = text.find(file.path());
    if (at != std::string::npos) text.replace(at, file.path().size(), "FILE");
    return options ? "=" + options->plan.dialogue.auth->credentials.password : text;
  };
  EXPECT_EQ(with("s3cret"), "=s3cret");
  EXPECT_EQ(with("s3cret\n"), "=s3cret");
  EXPECT_EQ(with("s3cret\r\n"), "=s3cret");
  EXPECT_EQ(with(" s3cret "), "= s3cret ");
  EXPECT_EQ(with(std::string(65536, 'a') + "\n").size(), 65537U);
  EXPECT_EQ(with(""), "--authpass-file: FILE: the secret is empty");
  EXPECT_EQ(with("\n"), "--authpass-file: FILE: the secret is empty");
  EXPECT_EQ(with("a\n\n"), "--authpass-file: FILE: the secret holds a line end");
  EXPECT_EQ(with("a\nb"), "--authpass-file: FILE: the secret holds a line end");
  EXPECT_EQ(with(std::string("a\0b", 3)), "--authpass-file: FILE: the secret holds a NUL byte");
  EXPECT_EQ(with(std::string(65537, 'a')),
            "--authpass-file: FILE: the secret is longer than 65536 bytes");
  EXPECT_EQ(bad({"mx", "-U", "u", "--authpass-file", "/etc/nonexistent"}),
            "--authpass-file: /etc/nonexistent: No such file or directory");
}

TEST(Options, APasswordIsGoneFromArgv) {
  const std::vector<std::vector<std::string>> lines = {
      {"mx", "-U", "u", "-P", "s3cret"},      {"mx", "-U", "u", "-Ps3cret"},
      {"mx", "-U", "u", "-vPs3cret"},         {"mx", "-U", "u", "--authpass", "s3cret"},
      {"mx", "-U", "u", "--authpass=s3cret"}, {"-P", "s3cret", "-P", "s3cret!", "mx", "-U", "u"},
      {"--bogus", "mx", "-P", "s3cret"},  // refused, and wiped all the same
  };
  for (const auto& words : lines) {
    Argv argv("check_smtp_probe", words);
    const Result<Options> options = parse_options(argv.span(), Surroundings{});
    EXPECT_EQ(argv.shown().find("s3cret"), std::string::npos) << argv.shown();
    EXPECT_NE(argv.shown().find("mx"), std::string::npos);
    if (options) {
      EXPECT_TRUE(options->plan.dialogue.auth->credentials.password.starts_with("s3cret"));
    }
  }
}

TEST(Options, WhatExcludesEachOther) {
  EXPECT_TRUE(bad({"mx", "-4", "-6"}).starts_with("--use-ipv4: got --use-ipv6 too"));
  EXPECT_EQ(good({"mx", "-r"}).plan.proxy, ProxyHeader::V1);
  EXPECT_EQ(good({"mx", "-r", "--proxy-protocol", "v1"}).plan.proxy, ProxyHeader::V1);
  EXPECT_TRUE(bad({"mx", "-r", "--proxy-protocol", "v2"}).starts_with("--proxy: "));
  EXPECT_TRUE(bad({"mx", "-P", "a", "--authpass-file", "/dev/null"}).starts_with("--authpass"));
  EXPECT_TRUE(bad({"mx", "-R", "a", "-C", "x", "-R", "b"}).starts_with("--response: got 2 for 1"));
  EXPECT_TRUE(bad({"mx", "-C", "x", "-R", "["}).starts_with("--response: "));
  EXPECT_TRUE(bad({"-4", "-H", "::1"}).starts_with("--hostname: "));
  EXPECT_TRUE(bad({"-6", "mx", "--source", "192.0.2.1"}).starts_with("--source: "));
  EXPECT_TRUE(bad({"mx", "--source", "eth0"}).starts_with("--source: got 'eth0'"));
}

TEST(Options, NameServers) {
  const DnsSettings dns =
      good({"mx", "--dns-server", "192.0.2.1", "--dns-server=[2001:db8::1]:5353", "--dns-timeout",
            "0.5", "--dns-tries", "3"})
          .plan.dns;
  EXPECT_EQ(dns, (DnsSettings{
                     {"192.0.2.1:53", "[2001:db8::1]:5353"}, std::chrono::milliseconds(500), 3}));
  EXPECT_EQ(good({"mx"}).plan.dns, DnsSettings{});
  // Nothing is to be looked up, which contradicts nothing.
  EXPECT_EQ(good({"192.0.2.7", "--dns-server", "192.0.2.1"}).plan.dns.servers.size(), 1u);
  for (const char* server : {"", "ns.test", "192.0.2.1:0", "192.0.2.1:dns", "1.2.3.4,5.6.7.8"}) {
    const std::string wrong = bad({"mx", "--dns-server", server});
    EXPECT_TRUE(wrong.starts_with("--dns-server: got '")) << wrong;
    EXPECT_NE(wrong.find("expected an IP address with or without a port"), std::string::npos);
  }
  for (const char* timeout : {"-1", "0", "0.001", "61", "1e9", "nan", "2s", ""})
    EXPECT_TRUE(
        bad({"mx", "--dns-timeout", timeout}).ends_with("expected seconds from 0.01 to 60"));
  for (const char* tries : {"-1", "0", "11", "1.5", "99999999999", "x", ""})
    EXPECT_TRUE(bad({"mx", "--dns-tries", tries}).ends_with("a whole number from 1 to 10"));
}

TEST(Options, Thresholds) {
  const Options options = good({"mx", "-w", "2", "-c", "@1:2", "--step-warning", "ehlo=1",
                                "--step-warning", "banner=2", "--step-critical=ehlo=5"});
  EXPECT_EQ(options.plan.total.critical->text(), "@1:2");
  EXPECT_EQ(options.plan.step[Step::Ehlo].warning->text(), "1");
  EXPECT_EQ(options.plan.step[Step::Banner].warning->text(), "2");
  EXPECT_EQ(options.plan.step[Step::Ehlo].critical->text(), "5");
  for (const char* range : {"", "x", "2:1", "5x", "0x1", "1,5", "1e3x", ":", "10:~"}) {
    EXPECT_TRUE(bad({"mx", "-w", range}).starts_with("--warning: ")) << range;
  }
  EXPECT_TRUE(bad({"mx", "--step-warning", "5"}).starts_with("--step-warning: got '5', expected"));
  EXPECT_TRUE(bad({"mx", "--step-critical", "foo=5"}).starts_with("--step-critical: got 'foo=5'"));
}

TEST(Options, JudgementAndOutput) {
  const Options options =
      good({"mx", "--greylisting", "ok", "--require-extension", "starttls", "--forbid-extension",
            "VRFY", "--require-extension", "8BITMIME", "--output", "json"});
  EXPECT_EQ(options.plan.dialogue.greylisting, State::Ok);
  EXPECT_EQ(options.plan.require_extensions, (std::vector<std::string>{"STARTTLS", "8BITMIME"}));
  EXPECT_EQ(options.plan.forbid_extensions, (std::vector<std::string>{"VRFY"}));
  EXPECT_EQ(options.output, OutputFormat::Json);
  const Options words =
      good({"mx", "--greylisting-pattern", "come back", "--greylisting-pattern=^451"});
  ASSERT_EQ(words.plan.dialogue.greylisting_patterns.size(), 2U);
  EXPECT_EQ(words.plan.dialogue.greylisting_patterns[1].pattern(), "^451");
  EXPECT_TRUE(
      bad({"mx", "--greylisting-pattern", "a("}).starts_with("--greylisting-pattern: got 'a(': "));
  EXPECT_TRUE(bad({"mx", "--greylisting-pattern", ""})
                  .starts_with("--greylisting-pattern: got nothing, expected a POSIX"));
  EXPECT_TRUE(bad({"mx", "--greylisting", "unknown"}).starts_with("--greylisting: got 'unknown'"));
  EXPECT_TRUE(bad({"mx", "--output", "xml"}).starts_with("--output: got 'xml'"));
  EXPECT_EQ(good({"mx", "--output-format", "multi-line"}).output, OutputFormat::Text);
  EXPECT_EQ(bad({"mx", "--output-format", "mp-test-json"}),
            "--output-format: got 'mp-test-json', expected multi-line; JSON is --output json");
  EXPECT_TRUE(bad({"mx", "--require-extension", "A B"}).starts_with("--require-extension: got"));
}

TEST(Options, TheDialectFollowsTheName) {
  EXPECT_EQ(good({"mx"}).dialect, Dialect::Native);
  EXPECT_EQ(good({"mx"}, "/opt/check_smtp").dialect, Dialect::CheckSmtp);
  EXPECT_EQ(good({"mx", "--dialect", "native"}, "check_smtp").dialect, Dialect::Native);
  EXPECT_EQ(good({"mx", "--dialect=check_smtp"}).dialect, Dialect::CheckSmtp);
  EXPECT_TRUE(bad({"mx", "--dialect", "x"}).starts_with("--dialect: got 'x'"));
  Argv broken("check_smtp_probe", {"--bogus", "--dialect", "check_smtp"});
  EXPECT_EQ(dialect_of(broken.span()), Dialect::CheckSmtp);
}

TEST(Options, QuestionsNeedNoHost) {
  EXPECT_TRUE(good({"-h"}).help);
  EXPECT_TRUE(good({"--help", "-p", "0"}).help);
  EXPECT_TRUE(good({"-V"}).version);
  EXPECT_TRUE(good({"-?"}).short_usage);
  EXPECT_EQ(good({"--explain", "5.7.1"}).explain, "5.7.1");
}

TEST(Options, AModuleIsTheGroundTheOthersStandOn) {
  const Options options = good({"--module", "smtp_starttls", "mx", "-w", "3"});
  EXPECT_EQ(options.plan.dialogue.tls, TlsMode::Starttls);
  EXPECT_EQ(options.plan.total.warning->text(), "3");
  EXPECT_EQ(good({"--module", "submissions", "mx"}).plan.port, 465);
  EXPECT_EQ(good({"--module", "smtp", "mx", "-f", "", "--to", "a@b"}).plan.dialogue.until,
            Step::Rcpt);
  EXPECT_TRUE(bad({"--module", "nix", "mx"}).starts_with("--module: got 'nix', expected one of "));
  EXPECT_TRUE(
      bad({"--config", "/nonexistent", "--module", "smtp", "mx"}).starts_with("--config: "));
}

TEST(Options, AModulesDepthIsKept) {
  const SecretFile config(
      "modules:\n"
      "  shallow: {until: banner}\n"
      "  half: {until: mail, mail: {from: a@b, to: [c@d]}}\n");
  const auto depth = [&config](std::vector<std::string> words) {
    words.insert(words.end(), {"mx", "--config", config.path()});
    return good(words).plan.dialogue.until;
  };
  EXPECT_EQ(depth({"--module", "shallow"}), Step::Banner);
  EXPECT_EQ(depth({"--module", "shallow", "-w", "3"}), Step::Banner);
  EXPECT_EQ(depth({"--module", "shallow", "-f", "a@b"}), Step::Mail);
  EXPECT_EQ(depth({"--module", "half"}), Step::Mail);
  EXPECT_EQ(depth({"--module", "half", "--until", "rcpt"}), Step::Rcpt);
}

TEST(Options, AModulesPortIsKept) {
  EXPECT_EQ(good({"--module", "submission", "mx"}).plan.port, 587);
  EXPECT_EQ(good({"--module", "submission", "mx:2525"}).plan.port, 2525);
  EXPECT_EQ(good({"--module", "submission", "mx", "-p", "2525"}).plan.port, 2525);
  EXPECT_EQ(good({"--module", "submission", "mx", "-s"}).plan.port, 465);
  EXPECT_EQ(good({"--module", "lmtp", "mx"}).plan.port, 24);
}

TEST(Options, AModulesCredentialsGoToItsTargetsOnly) {
  const SecretFile secret("secret");
  const SecretFile config(
      "modules:\n  sub:\n    tls: {mode: starttls}\n"
      "    auth: {username: u, password_file: " +
      secret.path() + ", targets: [\"mx:2525\"]}\n");
  const std::vector<std::string> module = {"--config", config.path(), "--module", "sub"};
  const auto with = [&module](std::vector<std::string> words) {
    words.insert(words.end(), module.begin(), module.end());
    return words;
  };
  EXPECT_EQ(good(with({"-H", "mx", "-p", "2525"})).plan.port, 2525);
  EXPECT_EQ(good(with({"mx:2525"})).plan.port, 2525);
  EXPECT_TRUE(bad(with({"-H", "mx:2525", "-p", "25"})).starts_with("--module: "));
  EXPECT_TRUE(bad(with({"mx"})).starts_with("--module: "));
  EXPECT_TRUE(bad(with({"other", "-p", "2525"})).starts_with("--module: "));
}

TEST(Options, WhatIsDemandedOfTlsIsNotMetByNone) {
  EXPECT_EQ(good({"--module", "smtp", "mx"}).plan.dialogue.tls, TlsMode::Opportunistic);
  for (const std::vector<std::string>& words :
       std::vector<std::vector<std::string>>{{"--tls-verify", "require"},
                                             {"--tls-verify", "warn"},
                                             {"-D", "21"},
                                             {"--tls-min-version", "1.3"}}) {
    std::vector<std::string> all = {"--module", "smtp", "mx"};
    all.insert(all.end(), words.begin(), words.end());
    EXPECT_EQ(good(all).plan.dialogue.tls, TlsMode::Starttls) << words.front();
  }
  EXPECT_EQ(good({"--module", "smtp", "mx", "--tls-verify", "report"}).plan.dialogue.tls,
            TlsMode::Opportunistic);
  // What makes more servers acceptable demands nothing.
  EXPECT_EQ(good({"--module", "smtp", "mx", "--tls-legacy"}).plan.dialogue.tls,
            TlsMode::Opportunistic);
}

TEST(Options, WhatCanNeverMatterIsRefused) {
  EXPECT_TRUE(bad({"mx", "--ca-file", "/x"}).starts_with("--ca-file: "));
  EXPECT_TRUE(bad({"mx", "--ca-path", "/x"}).starts_with("--ca-path: "));
  EXPECT_TRUE(bad({"mx", "--client-cert", "/x"}).starts_with("--client-cert: "));
  EXPECT_EQ(bad({"mx", "--tls-legacy"}), "--tls-legacy: legacy TLS needs TLS");
  EXPECT_EQ(bad({"mx", "--tls-name", "mx.test"}),
            "--tls-name: a name for the certificate needs TLS");
  EXPECT_TRUE(bad({"mx", "--step-critical", "rcpt=1"}).starts_with("--step-warning, "));
  EXPECT_EQ(bad({"mx", "--expect", "rcpt=250"}),
            "--expect: rcpt: the probe does not go to that step");
}

TEST(Options, TheOldNameOverlooksWhatItAlwaysDid) {
  EXPECT_EQ(good({"-H", "mx", "stray"}, "check_smtp").plan.target.host, "mx");
  EXPECT_TRUE(good({"-H", "mx", "-R", "x"}, "check_smtp").plan.dialogue.commands.empty());
  EXPECT_TRUE(bad({"-H", "mx", "-R", "x"}).starts_with("--response: "));
}

TEST(Options, AFifoWithoutAWriterHoldsNobodyUp) {
  const std::string fifo = "/tmp/options_test_fifo." + std::to_string(getpid());
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  EXPECT_TRUE(
      bad({"mx", "-S", "-U", "u", "--authpass-file", fifo}).starts_with("--authpass-file: "));
  unlink(fifo.c_str());
}

// What stands in a text as "--name".
std::set<std::string> long_names_in(const std::string& text) {
  std::set<std::string> names;
  for (std::size_t at = text.find("--"); at != std::string::npos; at = text.find("--", at)) {
    at += 2;
    std::size_t end = at;
    while (end < text.size() &&
           (std::isalnum(static_cast<unsigned char>(text[end])) != 0 || text[end] == '-')) {
      ++end;
    }
    if (end > at) names.insert(text.substr(at, end - at));
    at = end;
  }
  return names;
}

// troff's escapes for '-' and fonts undone.
std::string man_page() {
  std::ifstream file(std::string(SMTPPROBE_TESTS_DIR) + "/../docs/check_smtp_probe.8");
  std::stringstream content;
  content << file.rdbuf();
  std::string plain;
  const std::string text = content.str();
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\' || i + 1 == text.size()) {
      plain += text[i];
    } else if (text[i + 1] == '-') {
      plain += '-';
      ++i;
    } else if (text[i + 1] == 'f') {
      i += 2;
    }
  }
  return plain;
}

TEST(Options, WatchTakesSecondsAndACount) {
  EXPECT_FALSE(good({"mx.test"}).watch);
  const Options forever = good({"mx.test", "--watch", "0.5"});
  ASSERT_TRUE(forever.watch);
  EXPECT_EQ(forever.watch->every, std::chrono::milliseconds(500));
  EXPECT_EQ(forever.watch->count, 0U);
  const Options some = good({"mx.test", "--watch=60,10"});
  EXPECT_EQ(some.watch->every, seconds(60));
  EXPECT_EQ(some.watch->count, 10U);
  EXPECT_TRUE(good({"mx.test", "--watch", "0.1,1000000000000"}).watch);
  EXPECT_TRUE(good({"mx.test", "--watch", "86400"}).watch);
  for (const char* wrong : {"", "0", "0.09", "86400.1", "-1", "1s", "1,", "1,0", "1,-1", "1,1.5",
                            "1,1000000000001", ",3", "nan", "inf", "1e1"}) {
    EXPECT_TRUE(bad({"mx.test", "--watch", wrong}).starts_with("--watch: got '")) << wrong;
  }
}

TEST(Options, AWatchThatDeliversIsASlowOne) {
  const std::vector<std::string> mail = {"mx.test", "-f", "a@b.test", "--to", "c@d.test", "--send"};
  const auto with = [&mail](std::string every) {
    std::vector<std::string> words = mail;
    words.insert(words.end(), {"--watch", std::move(every)});
    return words;
  };
  EXPECT_TRUE(good(with("10")).watch);
  EXPECT_EQ(bad(with("9.9")),
            "--watch: delivers a message each time, expected 10 seconds at least");
}

TEST(Options, ListModulesNeedsNoTarget) {
  EXPECT_EQ(good({"--list-modules"}).modules,
            "lmtp\nsmtp\nsmtp_starttls\nsubmission\nsubmissions\n");
  EXPECT_TRUE(bad({"--list-modules", "--config", "/nowhere.yml"}).starts_with("--config: "));
  EXPECT_FALSE(good({"mx.test"}).modules);
}

TEST(Options, ExitCodeIsOfTheStateOrOfTheStep) {
  EXPECT_EQ(good({"mx.test"}).exit_codes, ExitCodes::State);
  EXPECT_EQ(good({"mx.test", "--exit-code", "step"}).exit_codes, ExitCodes::Step);
  EXPECT_EQ(good({"mx.test", "--exit-code=step", "--exit-code=state"}).exit_codes,
            ExitCodes::State);
  EXPECT_EQ(bad({"mx.test", "--exit-code", "x"}),
            "--exit-code: got 'x', expected one of state, step");
}

TEST(Options, EveryOptionIsInTheManPageAndInTheHelp) {
  const std::string man = man_page();
  const std::string help = help_text("check_smtp_probe");
  ASSERT_GT(man.size(), 10000U);
  std::set<std::string> table;
  for (const OptionRow& row : option_rows()) {
    table.emplace(row.name);
    if (!row.alias.empty()) table.emplace(row.alias);
    if (row.short_name != 0) {
      const std::string letter = std::string("-") + row.short_name;
      EXPECT_NE(man.find(".BR " + letter + " "), std::string::npos) << letter;
      EXPECT_NE(help.find("  " + letter + ", --"), std::string::npos) << letter;
    }
  }
  EXPECT_EQ(long_names_in(man), table);
  EXPECT_EQ(long_names_in(help), table);
}

TEST(Options, HelpFitsTheTerminal) {
  for (const std::string& text : {help_text("check_smtp_probe"), short_usage("check_smtp_probe")}) {
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 80U) << line;
  }
  const std::string usage = short_usage("check_smtp_probe");
  EXPECT_LE(std::count(usage.begin(), usage.end(), '\n'), 23);
}

// check_smtp takes no banner but a 220; senders, and the native dialect, take every 2yz.
TEST(Options, UnderTheOtherNameTheBannerIsA220) {
  EXPECT_TRUE(good({"mx", "--dialect", "check_smtp"}).plan.dialogue.banner_is_220);
  EXPECT_FALSE(good({"mx"}).plan.dialogue.banner_is_220);
}

}  // namespace
}  // namespace smtpprobe
