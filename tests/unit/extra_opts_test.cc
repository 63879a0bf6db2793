// The ini files of --extra-opts: where they are looked for, how they are read, what beats them.
#include "plugin/extra_opts.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace smtpprobe {
namespace {

// "port=25 starttls" of what a section says; the error's text where it is refused.
std::string section(std::string_view text, std::string_view name = "check_smtp_probe") {
  const Result<std::vector<Setting>> settings = parse_section(text, name, "x.ini");
  if (!settings) return settings.error().text;
  std::string all;
  for (const Setting& setting : *settings) {
    if (!all.empty()) all += ' ';
    all += setting.row->name;
    if (setting.row->argument != OptionArgument::None) all += "=" + setting.value;
  }
  return all;
}

class Folder {
 public:
  Folder() { EXPECT_NE(mkdtemp(path_), nullptr); }
  ~Folder() { std::filesystem::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  std::string path() const { return path_; }
  std::string file(const std::string& name, const std::string& text) const {
    const std::string path = path_ + ("/" + name);
    std::ofstream(path, std::ios::binary) << text;
    return path;
  }

 private:
  char path_[40] = "/tmp/extra_opts_test.XXXXXX";
};

Result<Options> parse(std::vector<std::string> words, const Surroundings& surroundings = {}) {
  words.insert(words.begin(), "check_smtp_probe");
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  return parse_options(argv, surroundings);
}

TEST(ExtraOpts, KeysAreNamesOfOptions) {
  EXPECT_EQ(section("[check_smtp_probe]\nport=587\n"), "port=587");
  EXPECT_EQ(section("[check_smtp_probe]\r\n  p =  587 \r\n"), "port=587");
  EXPECT_EQ(section("[ check_smtp_probe ]\nstarttls\ntls\nS"), "starttls ssl starttls");
  EXPECT_EQ(section("[check_smtp_probe]\nC=a\nC=b, c\ncommand = d=e\n"),
            "command=a command=b, c command=d=e");
  EXPECT_EQ(section("[check_smtp_probe]\nfrom=\n"), "from=");
}

TEST(ExtraOpts, CommentsQuotesAndOtherSections) {
  EXPECT_EQ(section("# a\n; b\n\n[other]\nnonsense here\n[check_smtp_probe]\n # c\nport=1\n"
                    "[other]\nport=2\n[check_smtp_probe]\nw=3\n"),
            "port=1 warning=3");
  EXPECT_EQ(section("[check_smtp_probe]\nauthpass=\"a b \"\nfrom='x'\nfqdn=\"y\n"),
            "authpass=a b  from=x fqdn=\"y");
  EXPECT_EQ(section("[check_smtp_probe]\nauthpass=a#b;c\n"), "authpass=a#b;c");
  EXPECT_EQ(section("[check_smtp_probe]\n"), "");
}

TEST(ExtraOpts, FlagsTakeABooleanWord) {
  EXPECT_EQ(section("[check_smtp_probe]\nstarttls=yes\nlmtp=no\nsni=TRUE\nhelo=0\n"),
            "starttls sni");
  EXPECT_EQ(section("[check_smtp_probe]\nstarttls =\nlmtp= \n"), "starttls lmtp");
  EXPECT_EQ(section("[check_smtp_probe]\nverbose=2\n"), "verbose verbose");
  EXPECT_EQ(section("[check_smtp_probe]\nstarttls=perhaps\n"),
            "x.ini:2: starttls: got a value of 7 bytes, expected no value, yes or no");
}

TEST(ExtraOpts, AMisplacedSecretIsNotShown) {
  for (const char* text :
       {"[check_smtp_probe authpass=hunter2\n", "[check_smtp_probe]\nhunter2\n",
        "[check_smtp_probe]\nhunter2 = x\n", "[check_smtp_probe]\nstarttls = hunter2\n",
        "[check_smtp_probe]\nauthpass:hunter2 = x\n"}) {
    const std::string said = section(text);
    EXPECT_EQ(said.find("hunter2"), std::string::npos) << said;
  }
}

TEST(ExtraOpts, FaultsNameFileAndLine) {
  EXPECT_EQ(section("[check_smtp_probe]\n\nprot=25\n"),
            "x.ini:3: got 'prot', expected the name of an option");
  EXPECT_EQ(section("[check_smtp_probe]\nauthpasz s3cret\n"),
            "x.ini:2: got a line without '=', expected the name of an option");
  EXPECT_EQ(section("[check_smtp_probe]\nport\n"), "x.ini:2: port: needs a value, expected PORT");
  EXPECT_EQ(section("[check_smtp_probe\n"),
            "x.ini:1: got a line that does not end with ']', expected [SECTION]");
  EXPECT_EQ(section("[check_smtp_probe]\nextra-opts=x\n"),
            "x.ini:2: extra-opts: not in an ini file");
  EXPECT_EQ(section("[other]\n"), "--extra-opts: no section [check_smtp_probe] in x.ini");
  EXPECT_EQ(section(""), "--extra-opts: no section [check_smtp_probe] in x.ini");
  EXPECT_EQ(section(std::string_view("[check_smtp_probe]\nF=a\0b\n", 25)),
            "x.ini: holds a NUL byte");
  EXPECT_EQ(section("[check_smtp_probe]\n=5\n"), "x.ini:2: got '', expected the name of an option");
}

TEST(ExtraOpts, ABadValueNamesFileAndLine) {
  const Folder folder;
  const std::string file = folder.file("a.ini", "[s]\nport=0\n");
  const Result<Options> options = parse({"mx", "--extra-opts=s@" + file});
  ASSERT_FALSE(options);
  EXPECT_EQ(options.error().text, file + ":2: port: got '0', expected 1 to 65535");
}

TEST(ExtraOpts, TheCommandLineBeatsThemWhereverTheyStand) {
  const Folder folder;
  const std::string file =
      folder.file("a.ini",
                  "[check_smtp_probe]\nport=0\nwarning=1\nuse-ipv4\nstarttls\nauthpass-file=/none\n"
                  "authuser=u\nC=a\nverbose=3\n");
  const std::vector<std::string> line = {"-p", "587", "-6", "-s", "-P", "x", "-C", "b", "-v"};
  for (const bool first : {true, false}) {
    std::vector<std::string> words = line;
    const auto at = first ? words.begin() : words.end();
    words.insert(at, {"mx", "--extra-opts", "@" + file});
    const Result<Options> options = parse(words);
    ASSERT_TRUE(options) << options.error().text;
    EXPECT_EQ(options->plan.port, 587);
    EXPECT_EQ(options->plan.total.warning->text(), "1");
    EXPECT_EQ(options->plan.ip, IpChoice::Ipv6);
    EXPECT_EQ(options->plan.dialogue.tls, TlsMode::Implicit);
    EXPECT_EQ(options->plan.dialogue.auth->credentials.username, "u");
    EXPECT_EQ(options->plan.dialogue.auth->credentials.password, "x");
    ASSERT_EQ(options->plan.dialogue.commands.size(), 2U);
    EXPECT_EQ(options->plan.dialogue.commands[0].text, "a");
    EXPECT_EQ(options->plan.dialogue.commands[1].text, "b");
    EXPECT_EQ(options->verbose, 1);
  }
}

TEST(ExtraOpts, TheHostMayComeFromTheFile) {
  const Folder folder;
  const std::string file = folder.file("a.ini", "[check_smtp_probe]\nhostname=mx.example.net\n");
  const Result<Options> options = parse({"--extra-opts=@" + file});
  ASSERT_TRUE(options) << options.error().text;
  EXPECT_EQ(options->plan.target.host, "mx.example.net");
}

TEST(ExtraOpts, TheFileIsLookedForInOrder) {
  const Folder folder;
  const Folder empty;
  const std::string named = folder.file("named.ini", "[check_smtp_probe]\nport=1\n");
  folder.file("plugins.ini", "[check_smtp_probe]\nport=2\n[other]\nport=4\n");
  folder.file("nagios-plugins.ini", "[check_smtp_probe]\nport=3\n");
  const std::string path = empty.path() + "::" + folder.path();
  Surroundings surroundings{nullptr, path.c_str(), 0};
  EXPECT_EQ(parse({"mx", "--extra-opts"}, surroundings)->plan.port, 2);
  EXPECT_EQ(parse({"mx", "--extra-opts="}, surroundings)->plan.port, 2);
  EXPECT_EQ(parse({"mx", "--extra-opts", "other"}, surroundings)->plan.port, 4);
  EXPECT_EQ(parse({"--extra-opts", "-H", "mx"}, surroundings)->plan.port, 2);
  EXPECT_EQ(parse({"mx", "--extra-opts=@" + named}, surroundings)->plan.port, 1);
  surroundings.mp_config_file = named.c_str();
  EXPECT_EQ(parse({"mx", "--extra-opts"}, surroundings)->plan.port, 1);
  const std::string gone = folder.path() + "/gone.ini";
  surroundings.mp_config_file = gone.c_str();
  const Result<Options> options = parse({"mx", "--extra-opts"}, surroundings);
  ASSERT_FALSE(options);
  EXPECT_EQ(options.error().text, "--extra-opts: " + gone + ": No such file or directory");
}

TEST(ExtraOpts, StandardInput) {
  std::array<int, 2> ends{};
  ASSERT_EQ(pipe(ends.data()), 0);
  constexpr std::string_view kText = "[check_smtp_probe]\nport=7\n";
  ASSERT_EQ(write(ends[1], kText.data(), kText.size()), ssize_t(kText.size()));
  close(ends[1]);
  const Result<Options> options =
      parse({"mx", "--extra-opts=@-"}, Surroundings{nullptr, nullptr, ends[0]});
  close(ends[0]);
  ASSERT_TRUE(options) << options.error().text;
  EXPECT_EQ(options->plan.port, 7);
}

}  // namespace
}  // namespace smtpprobe
