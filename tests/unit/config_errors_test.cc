// Configurations that must not load: each with the line and the words that its error has to name.
// Files stand in a folder of the test's own: $F is a good one, $D the folder, $E an empty one, $L
// one with two lines.
#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "common/config/config.h"
#include "common/config/section.h"
#include "common/config/yaml_tree.h"
#include "tests/unit/config_files.h"

namespace smtpprobe {
namespace {

struct Bad {
  const char* text;
  int line;
  const char* words;  // what stands behind "FILE:LINE: ", or a part of it
};

constexpr const char* kAddresses = "mail: {from: a@b.example, to: [c@d.example]}";

const Bad kSyntax[] = {
    {"modules: {a: {}\n", 2, "no YAML"},
    {"modules:\n  a: {}\n b: {}\n", 3, "no YAML"},
    {"modules:\n\ta: {}\n", 2, "no YAML: illegal map value; the line is indented with a tab"},
    {"modules:\n  a:\n    until: ehlo\n  \thelo: x\n", 4, "the line is indented with a tab"},
    {"modules: {a: {helo: 'x}}\n", 2, "no YAML"},
    {"modules:\n  a: *nowhere\n", 2, "no YAML"},
    {"a: b: c\n", 1, "no YAML"},
    {"modules: {}\n--- {modules: {}},\n", 2, "no YAML: unexpected ','"},
    {", modules: {}\n", 1, "no YAML: unexpected ','"},
    {"- a\n", 1, "got a list, wanted a mapping"},
    {"words\n", 1, "got a single value, wanted a mapping"},
    {"modules:\n  ? [a, b]\n  : {}\n", 2, "a key that is no single word"},
    {"modules:\n  a: !include other.yml\n", 2,
     "unknown tag; a value that begins with '!' needs quotes"},
    {"modules:\n  a: {timeout: !!binary MTBz}\n", 2, "unknown tag"},
};

const Bad kKeys[] = {
    {"module: {}\n", 1,
     "module: unknown key; did you mean modules? known here: allowed_targets, max_probes_per_host, "
     "modules"},
    {"\n\nmodules:\n  m: {}\nfoo: 1\n", 5, "foo: unknown key"},
    {"modules:\n  m:\n    timeot: 10s\n", 3,
     "modules.m.timeot: unknown key; did you mean timeout? known here: protocol, timeout, helo, "
     "until, ip_protocol, dns, source_address, proxy_protocol, tls, auth, mail, message, expect, "
     "require_extensions, "
     "forbid_extensions, thresholds, greylisting, greylisting_pattern"},
    {"modules:\n  submission:\n    tls:\n      mode: starttls\n      verfy: require\n", 5,
     "modules.submission.tls.verfy: unknown key; did you mean verify? known here: mode, verify, "
     "server_name, ca_file, "
     "ca_path, cert_file, key_file, min_version, legacy, expiry"},
    {"modules:\n  m:\n    tls: {expiry: {warn: 21d}}\n", 3,
     "modules.m.tls.expiry.warn: unknown key; known here: warning, critical"},
    {"modules:\n  m:\n    auth: {username: u, password: hunter2, targets: [a]}\n", 3,
     "modules.m.auth"},
    {"modules:\n  m:\n    mail: {from: '', rcpt: a@b.example}\n", 3,
     "modules.m.mail.rcpt: unknown key; known here: from, to"},
    {"modules:\n  m:\n    message: {text: x}\n", 3,
     "modules.m.message.text: unknown key; known here: subject, headers, body_file"},
    {"modules:\n  m:\n    expect: {helo: '250'}\n", 3,
     "modules.m.expect.helo: unknown key; did you mean ehlo? known here: banner, ehlo, starttls, "
     "ehlo_tls, auth, "
     "mail, "
     "rcpt, data, message, quit"},
    {"modules:\n  m:\n    expect: {connect: '250'}\n", 3, "modules.m.expect.connect: unknown key"},
    {"modules:\n  m:\n    thresholds: {command: {warning: 1}}\n", 3,
     "modules.m.thresholds.command: unknown key; known here: total, resolve, connect"},
    {"modules:\n  m:\n    thresholds:\n      rcpt:\n        warn: 1\n", 5,
     "modules.m.thresholds.rcpt.warn: unknown key; known here: warning, critical"},
    {"modules:\n  m:\n    <<: {timeout: 1s}\n", 3, "modules.m.<<: unknown key"},
    {"modules:\n  m: {}\n  m: {}\n", 3, "modules.m: key given twice, first in line 2"},
    {"modules: {}\nmodules: {}\n", 2, "modules: key given twice, first in line 1"},
    {"modules:\n  m:\n    tls:\n      mode: off\n      mode: off\n", 5,
     "modules.m.tls.mode: key given twice, first in line 4"},
    {"modules: {m: {}}\n---\nmodules: {m: {}}\n", 3, "modules.m: key given twice, first in line 1"},
    {"max_probes_per_host: 1\n---\nmax_probes_per_host: 2\n", 3, "first in line 1"},
    {"allowed_targets: [a]\n---\nallowed_targets: [b]\n", 3, "first in line 1"},
};

const Bad kTypes[] = {
    {"modules:\n  - m\n", 1, "modules: got a list, wanted a mapping"},
    {"modules:\n", 1, "modules: got nothing, wanted a mapping"},
    {"modules:\n  m:\n", 2, "modules.m: got nothing, wanted a mapping"},
    {"modules:\n  m: x\n", 2, "modules.m: got a single value, wanted a mapping"},
    {"modules:\n  m:\n    tls: starttls\n", 3, "modules.m.tls: got a single value"},
    {"modules:\n  m:\n    tls:\n    auth:\n", 3, "modules.m.tls: got nothing"},
    {"modules:\n  m:\n    timeout:\n      - 10s\n", 3,
     "modules.m.timeout: got a list, wanted a single"},
    {"modules:\n  m:\n    timeout: ~\n", 3, "modules.m.timeout: got nothing"},
    {"modules:\n  m:\n    helo: {a: b}\n", 3, "modules.m.helo: got a mapping"},
    {"modules:\n  m:\n    require_extensions: SIZE\n", 3, "wanted a list"},
    {"modules:\n  m:\n    require_extensions:\n      - SIZE\n      - [A]\n", 5,
     "modules.m.require_extensions: got a list, wanted a list of single values"},
    {"modules:\n  m:\n    expect: {rcpt: {a: b}}\n", 3,
     "modules.m.expect.rcpt: got a mapping, wanted a value"},
    {"modules:\n  m:\n    expect: ['250']\n", 3, "modules.m.expect: got a list"},
    {"modules:\n  m:\n    thresholds: {total: 5}\n", 3,
     "modules.m.thresholds.total: got a single value"},
    {"modules:\n  m:\n    message: {headers: [a]}\n", 3, "modules.m.message.headers: got a list"},
    {"modules:\n  m:\n    message: {headers: {X: [a]}}\n", 3,
     "modules.m.message.headers.X: got a list"},
    {"allowed_targets: a\n", 1, "allowed_targets: got a single value, wanted a list"},
    {"max_probes_per_host: [1]\n", 1, "max_probes_per_host: got a list"},
};

const Bad kValues[] = {
    {"max_probes_per_host: -1\n", 1, "got \"-1\", wanted a whole number from 0 to 100000"},
    {"max_probes_per_host: 1.5\n", 1, "got \"1.5\""},
    {"max_probes_per_host: 100001\n", 1, "got \"100001\""},
    {"allowed_targets: []\n", 1, "allowed_targets: got an empty list"},
    {"allowed_targets:\n  - '*.a.example'\n  - 192.0.2.0/33\n", 3, "got \"192.0.2.0/33\""},
    {"allowed_targets: ['2001:db8::/129']\n", 1, "2001:db8::/129"},
    {"allowed_targets: ['192.0.2.0/']\n", 1, "192.0.2.0/"},
    {"allowed_targets: ['192.0.2.0/024']\n", 1, "192.0.2.0/024"},
    {"allowed_targets: ['a b']\n", 1, "got \"a b\""},
    {"allowed_targets: ['']\n", 1, "wanted a host name with *"},
    {"allowed_targets: ['a.example:25']\n", 1, "a.example:25"},
    {"modules:\n  'a b': {}\n", 2, "modules.a b: wanted a name of letters"},
    {"modules:\n  m:\n    protocol: esmtp\n", 3,
     "modules.m.protocol: got \"esmtp\", wanted one of smtp, lmtp"},
    {"modules:\n  m:\n    timeout: 10\n", 3, "modules.m.timeout: got \"10\", wanted a duration"},
    {"modules:\n  m:\n    timeout: 0s\n", 3,
     "modules.m.timeout: got \"0s\", wanted a time above 0"},
    {"modules:\n  m:\n    timeout: 1.5s\n", 3, "modules.m.timeout"},
    {"modules:\n  m:\n    helo: 'a b'\n", 3, "modules.m.helo: "},
    {"modules:\n  m:\n    helo: \"a\\r\\nMAIL\"\n", 3, "modules.m.helo: "},
    {"modules:\n  m:\n    until: quit\n", 3,
     "modules.m.until: got \"quit\", wanted one of banner, ehlo"},
    {"modules:\n  m:\n    until: tls\n", 3, "modules.m.until"},
    {"modules:\n  m:\n    until: command\n", 3, "modules.m.until"},
    {"modules:\n  m:\n    until: RCPT\n", 3, "modules.m.until"},
    {"modules:\n  m:\n    dns: 192.0.2.1\n", 3, "modules.m.dns: "},
    {"modules:\n  m:\n    dns: {server: 192.0.2.1}\n", 3,
     "modules.m.dns.server: unknown key; did you mean servers? known here: servers, timeout, "
     "tries"},
    {"modules:\n  m:\n    dns: {servers: [192.0.2.1, ns.test]}\n", 3,
     "modules.m.dns.servers: got \"ns.test\", wanted an IP address with or without a port"},
    {"modules:\n  m:\n    dns: {servers: \"192.0.2.1:0\"}\n", 3, "modules.m.dns.servers: got"},
    {"modules:\n  m:\n    dns: {servers: [::1, ::2, ::3, ::4, ::5, ::6, ::7, ::8, ::9, ::a, ::b, "
     "::c, "
     "::d, ::e, ::f, ::10, ::11]}\n",
     3, "modules.m.dns: wanted at most 16 servers"},
    {"modules:\n  m:\n    dns: {timeout: -1s}\n", 3, "modules.m.dns.timeout: got \"-1s\""},
    {"modules:\n  m:\n    dns: {timeout: 0s}\n", 3,
     "modules.m.dns.timeout: got \"0s\", wanted a duration from 10ms to 60s"},
    {"modules:\n  m:\n    dns: {timeout: 61s}\n", 3, "modules.m.dns.timeout: got \"61s\""},
    {"modules:\n  m:\n    dns: {tries: 0}\n", 3,
     "modules.m.dns.tries: got \"0\", wanted a whole number from 1 to 10"},
    {"modules:\n  m:\n    dns: {tries: 11}\n", 3, "modules.m.dns.tries: got \"11\""},
    {"modules:\n  m:\n    dns: {tries: -1}\n", 3, "modules.m.dns.tries: got \"-1\""},
    {"modules:\n  m:\n    ip_protocol: ip4\n", 3,
     "modules.m.ip_protocol: got \"ip4\", wanted one of any"},
    {"modules:\n  m:\n    source_address: 192.0.2\n", 3,
     "modules.m.source_address: got \"192.0.2\""},
    {"modules:\n  m:\n    proxy_protocol: v3\n", 3,
     "modules.m.proxy_protocol: got \"v3\", wanted one of v1"},
    {"modules:\n  m:\n    greylisting: unknown\n", 3, "modules.m.greylisting"},
    {"modules:\n  m:\n    greylisting_pattern: 'a('\n", 3,
     "modules.m.greylisting_pattern: got 'a(': "},
    {"modules:\n  m:\n    greylisting_pattern: [later, '']\n", 3,
     "modules.m.greylisting_pattern: got nothing"},
    {"modules:\n  m:\n    tls: {mode: ssl}\n", 3,
     "modules.m.tls.mode: got \"ssl\", wanted one of off"},
    {"modules:\n  m:\n    tls: {verify: yes}\n", 3, "modules.m.tls.verify: got \"yes\""},
    {"modules:\n  m:\n    tls: {min_version: SSL3}\n", 3,
     "modules.m.tls.min_version: got \"SSL3\""},
    {"modules:\n  m:\n    tls: {legacy: yes}\n", 3,
     "modules.m.tls.legacy: got \"yes\", wanted one of true, false"},
    {"modules:\n  m:\n    tls: {legacy: true, min_version: TLS1.2}\n", 2,
     "legacy TLS and a minimum version of TLSv1.2 exclude each other"},
    {"modules:\n  m:\n    tls: {mode: \"off\", legacy: true}\n", 2, "legacy TLS needs TLS"},
    {"modules:\n  m:\n    tls: {mode: \"off\", server_name: a.test}\n", 2,
     "a name for the certificate needs TLS"},
    {"modules:\n  m:\n    tls: {server_name: 'a:25'}\n", 3,
     "modules.m.tls.server_name: got \"a:25\""},
    {"modules:\n  m:\n    tls: {expiry: {warning: 21}}\n", 3,
     "modules.m.tls.expiry.warning: got \"21\""},
    {"modules:\n  m:\n    tls: {expiry: {warning: 7d, critical: 21d}}\n", 3,
     "critical is above warning"},
    {"modules:\n  m:\n    tls: {expiry: {}}\n", 3, "modules.m.tls.expiry: wanted warning"},
    {"modules:\n  m:\n    mail: {from: 'a b@c'}\n", 3, "modules.m.mail.from: "},
    {"modules:\n  m:\n    mail:\n      from: ''\n      to:\n        - a@b.example\n        - '@'\n",
     7, "modules.m.mail.to: "},
    {"modules:\n  m:\n    expect: {rcpt: []}\n", 3, "modules.m.expect.rcpt: got an empty list"},
    {"modules:\n  m:\n    expect: {rcpt: ['250', '2x']}\n", 3, "modules.m.expect.rcpt: "},
    {"modules:\n  m:\n    expect: {rcpt: '666'}\n", 3, "modules.m.expect.rcpt: "},
    {"modules:\n  m:\n    require_extensions: ['AUTH PLAIN']\n", 3, "got \"AUTH PLAIN\""},
    {"modules:\n  m:\n    require_extensions: [-X]\n", 3, "got \"-X\", wanted an EHLO keyword"},
    {"modules:\n  m: {require_extensions: [size], forbid_extensions: [SIZE]}\n", 2,
     "modules.m: SIZE is both required and forbidden"},
    {"modules:\n  m:\n    thresholds: {total: {warning: fast}}\n", 3,
     "modules.m.thresholds.total.warning: got \"fast\", wanted a range"},
    {"modules:\n  m:\n    thresholds: {rcpt: {critical: '5:1'}}\n", 3,
     "modules.m.thresholds.rcpt.critical: "},
    {"modules:\n  m:\n    thresholds: {total: {}}\n", 3,
     "modules.m.thresholds.total: wanted warning"},
};

const Bad kFiles[] = {
    {"modules:\n  m:\n    tls: {ca_file: $D/none}\n", 3, "/none: No such file or directory"},
    {"modules:\n  m:\n    tls: {ca_file: $D}\n", 3, "is a directory"},
    {"modules:\n  m:\n    tls: {ca_path: $F}\n", 3, "Not a directory"},
    {"modules:\n  m:\n    tls: {cert_file: $D/none}\n", 3, "modules.m.tls.cert_file: "},
    {"modules:\n  m:\n    tls: {cert_file: $F, key_file: $D/none}\n", 3,
     "modules.m.tls.key_file: "},
    {"modules:\n  m:\n    auth: {username: u, password_file: $D/none, targets: [a]}\n", 3,
     "modules.m.auth.password_file: "},
    // The secret itself, where its file belongs.
    {"modules:\n  m:\n    auth: {username: u, password_file: hunter two, targets: [a]}\n", 3,
     "modules.m.auth.password_file: the file that is named here: No such file"},
    {"modules:\n  m:\n    auth: {username: u, password_file: $E, targets: [a]}\n", 3,
     "the secret is empty"},
    {"modules:\n  m:\n    auth: {username: u, password_file: $L, targets: [a]}\n", 3,
     "the secret holds a line end"},
    {"modules:\n  m:\n    auth: {username: u, token_file: $D, targets: [a]}\n", 3,
     "modules.m.auth.token_file: "},
    {"modules:\n  m:\n    mail: {from: '', to: a@b.example}\n    message: {body_file: $D/none}\n",
     4, "modules.m.message.body_file: "},
};

const Bad kAuth[] = {
    {"modules:\n  m:\n    auth: {password_file: $F, targets: [a]}\n", 3,
     "modules.m.auth: wanted a username"},
    {"modules:\n  m:\n    auth: {username: '', password_file: $F, targets: [a]}\n", 3,
     "modules.m.auth.username: "},
    {"modules:\n  m:\n    auth: {username: \"a\\0b\", password_file: $F, targets: [a]}\n", 3,
     "modules.m.auth.username: "},
    {"modules:\n  m:\n    auth: {username: u, targets: [a]}\n", 3,
     "wanted password_file or token_file"},
    {"modules:\n  m:\n    auth: {mechanism: PLAIN, username: u, password_file: $F, token_file: $F, "
     "targets: [a]}\n",
     3, "password_file and token_file exclude each other"},
    {"modules:\n  m:\n    auth: {mechanism: xoauth2, username: u, password_file: $F, targets: "
     "[a]}\n",
     3, "XOAUTH2 wants token_file"},
    {"modules:\n  m:\n    auth: {mechanism: plain, username: u, token_file: $F, targets: [a]}\n", 3,
     "PLAIN wants password_file"},
    {"modules:\n  m:\n    auth: {mechanism: DIGEST-MD5, username: u, password_file: $F, targets: "
     "[a]}\n",
     3, "modules.m.auth.mechanism: got \"DIGEST-MD5\", wanted auto, PLAIN"},
    {"modules:\n  m:\n    auth: {hunter2: , username: u, password_file: $F, targets: [a]}\n", 3,
     "modules.m.auth: unknown key, a value of 7 bytes; known here: mechanism"},
    {"modules:\n  m:\n    auth: {password: , username: u, password_file: $F, targets: [a]}\n", 3,
     "modules.m.auth.password: unknown key; known here: mechanism"},
    {"modules:\n  m:\n    auth: {username: u, password_file: $F, targts: [a], targets: [a]}\n", 3,
     "modules.m.auth.targts: unknown key; did you mean targets?"},
    {"modules:\n  m:\n    auth: {mechanism: hunter2, username: u, password_file: $F, targets: "
     "[a]}\n",
     3, "modules.m.auth.mechanism: got a value of 7 bytes, wanted auto, PLAIN"},
    {"modules:\n  m:\n    auth: {username: u, password_file: $F}\n", 3,
     "modules.m.auth: wanted targets"},
    {"modules:\n  m:\n    auth: {username: u, password_file: $F, targets: []}\n", 3,
     "wanted targets"},
    {"modules:\n  m:\n    auth: {username: u, password_file: $F, targets: ['smtp://a']}\n", 3,
     "modules.m.auth.targets: got \"smtp://a\""},
    {"modules:\n  m:\n    auth: {username: u, password_file: $F, targets: ['a:0']}\n", 3,
     "modules.m.auth.targets: "},
};

// Where "hunter2" is in no message.
const Bad kMisplacedSecrets[] = {
    {"modules:\n  m:\n    auth: {username: u, password_file: !hunter2 , targets: [a]}\n", 3, ""},
    {"modules:\n  m:\n    auth: {username: u, password_file: *hunter2 , targets: [a]}\n", 3, ""},
    {"modules:\n  m:\n    auth: {username: u, password_file: /hunter2, targets: [a]}\n", 3, ""},
    {"modules:\n  m:\n    auth: {username: u, password_file: $F, targets: "
     "['smtp://u:hunter2@h']}\n",
     3, ""},
    {"modules:\n  m:\n    auth: {username: u, password_file: $F, targets: ['u:hunter2']}\n", 3, ""},
    {"modules:\n  m:\n    auth: {username: \"u\\nhunter2\", password_file: $F, targets: [a]}\n", 3,
     ""},
    {"modules:\n  m:\n    auth: {'u:hunter2': x, password_file: $F, targets: [a]}\n", 3, ""},
    {"allowed_targets: ['u:hunter2@h']\n", 1, ""},
    {"modules:\n  'u:hunter2': {}\n", 2, ""},
    {"modules:\n  'u:hunter2': {}\n  'u:hunter2': {}\n", 3, ""},
    {"modules:\n  m:\n    protocol: password=hunter2\n", 3, ""},
    {"modules:\n  m:\n    tls: {key_file: \"-----BEGIN PRIVATE KEY-----\\nhunter2\"}\n", 3, ""},
    {"modules:\n  m:\n    $A\n    message: {headers: {X-Token: \"hunter2\\n\"}}\n", 4, ""},
};

// What contradicts itself: the module's line stands in front.
const Bad kContradictions[] = {
    {"modules:\n  m:\n    until: rcpt\n    mail: {from: ''}\n", 2,
     "modules.m: until rcpt needs a recipient"},
    {"modules:\n  m:\n    until: mail\n", 2, "modules.m: until mail needs a sender"},
    {"modules:\n  m:\n    until: message\n    $A\n", 2, "modules.m: until message needs a message"},
    {"modules:\n  m:\n    message: {}\n", 2, "modules.m: "},
    {"modules:\n  m:\n    until: auth\n", 2, "modules.m: until auth needs credentials"},
    {"modules:\n  m:\n    tls: {mode: implicit}\n    until: ehlo_tls\n", 2, "modules.m: "},
    {"modules:\n  m:\n    tls: {mode: off, verify: require}\n", 2,
     "modules.m: certificate verification"},
    {"modules:\n  m:\n    tls: {key_file: $F}\n", 2,
     "modules.m: a client key needs its certificate"},
    {"modules:\n  m:\n    until: ehlo\n    auth: {username: u, password_file: $F, targets: [a]}\n",
     2, "modules.m: until ehlo stops before auth"},
    {"modules:\n  m:\n    expect: {rcpt: '550'}\n", 2, "modules.m: expect rcpt"},
    {"modules:\n  m:\n    ip_protocol: ipv6\n    source_address: 192.0.2.1\n", 2,
     "modules.m: source address"},
    {"modules:\n  m:\n    $A\n    message: {headers: {'X Y': z}}\n", 4, "modules.m.message: "},
    {"modules:\n  m:\n    $A\n    message: {headers: {X: \"a\\nBcc: b\"}}\n", 4,
     "modules.m.message: "},
    {"modules:\n  m:\n    $A\n    message: {subject: \"a\\rb\"}\n", 4, "modules.m.message: "},
};

class ConfigErrors : public testing::Test {
 protected:
  std::string error_of(std::string text) const {
    text = with(with(std::move(text), "$F", good_), "$E", empty_);
    text = with(with(std::move(text), "$L", lines_), "$D", folder_.path());
    const Result<Config> config =
        parse_config(with(std::move(text), "$A", kAddresses), "probe.yml");
    return config ? "it loaded" : config.error().text;
  }

  template <std::size_t size>
  void expect_each(const Bad (&table)[size]) const {
    for (const Bad& bad : table) {
      const std::string got = error_of(bad.text);
      const std::string place = "probe.yml:" + std::to_string(bad.line) + ": ";
      EXPECT_EQ(got.substr(0, place.size()), place) << bad.text << got;
      EXPECT_NE(got.find(bad.words), std::string::npos) << bad.text << got;
      EXPECT_EQ(got.find('\n'), std::string::npos) << got;
      EXPECT_EQ(got.find("hunter2"), std::string::npos) << got;
    }
  }

  TestFolder folder_;
  std::string good_ = folder_.write("good", "hunter2\n");
  std::string empty_ = folder_.write("empty", "\n");
  std::string lines_ = folder_.write("lines", "hunter2\nhunter2\n");
};

TEST_F(ConfigErrors, Syntax) { expect_each(kSyntax); }
TEST_F(ConfigErrors, UnknownAndRepeatedKeys) { expect_each(kKeys); }
TEST_F(ConfigErrors, WrongTypes) { expect_each(kTypes); }
TEST_F(ConfigErrors, BadValues) { expect_each(kValues); }
TEST_F(ConfigErrors, UnreadableFiles) { expect_each(kFiles); }
TEST_F(ConfigErrors, Auth) { expect_each(kAuth); }
TEST_F(ConfigErrors, Contradictions) { expect_each(kContradictions); }

TEST_F(ConfigErrors, TheFaultNearestToTheTopIsNamed) {
  const std::string text =
      "modules:\n  m:\n    zzz: 1\n    timeout: x\n    thresholds: {total: {warning: x}}\nyyy: 1\n";
  EXPECT_EQ(error_of(text).find("probe.yml:3: modules.m.zzz: unknown key"), 0U) << error_of(text);
}

TEST_F(ConfigErrors, AllFaultsAreToldInTheOrderOfTheFile) {
  const auto bad = parse_config(
      "modules:\n  m:\n    zzz: 1\n    timeout: x\n    helo: a b\nyyy: 1\n", "probe.yml");
  ASSERT_FALSE(bad.has_value());
  EXPECT_EQ(all_lines(bad.error()).find("probe.yml:3: modules.m.zzz: "), 0U);
  ASSERT_EQ(bad.error().others.size(), 3U);
  EXPECT_EQ(bad.error().others[0].find("probe.yml:4: modules.m.timeout: "), 0U);
  EXPECT_EQ(bad.error().others[1].find("probe.yml:5: modules.m.helo: "), 0U);
  EXPECT_EQ(bad.error().others[2].find("probe.yml:6: yyy: "), 0U);
}

TEST_F(ConfigErrors, OnlySoManyFaultsAreTold) {
  const auto told = [](std::size_t faults) {
    std::string text;
    for (std::size_t i = 0; i < faults; ++i) text += "unknown" + std::to_string(i) + ": 1\n";
    return parse_config(text, "probe.yml").error().others;
  };
  EXPECT_EQ(told(kMaxFaultsTold).size(), kMaxFaultsTold - 1);
  const std::vector<std::string> others = told(kMaxFaultsTold + 7);
  ASSERT_EQ(others.size(), kMaxFaultsTold);
  EXPECT_EQ(others[kMaxFaultsTold - 2].find("probe.yml:20: unknown19: "), 0U);
  EXPECT_EQ(others.back(), "probe.yml: 7 more");
}

TEST_F(ConfigErrors, OneSlipIsGuessed) {
  const auto guess = [this](const std::string& key) {
    const std::string got = error_of("modules:\n  m:\n    " + key + ": 1\n");
    const std::size_t begin = got.find("did you mean ");
    return begin == std::string::npos ? "" : got.substr(begin + 13, got.find('?') - begin - 13);
  };
  for (const char* key : {"untl", "untill", "untik", "unitl", "ntil", "untli", "xuntil", "Until"})
    EXPECT_EQ(guess(key), "until") << key;
  for (const char* key : {"unt", "nutli", "intell", "untill2", "u", "\"\""})
    EXPECT_EQ(guess(key), "") << key;
}

TEST_F(ConfigErrors, BytesThatAreNoText) {
  EXPECT_EQ(error_of(std::string("modules: {}\n\0", 13)),
            "probe.yml:1: a NUL byte; wanted YAML in UTF-8");
  EXPECT_EQ(error_of("modules:\n  m:\n    message: {subject: \xaauit}\n"),
            "probe.yml:3: a byte that is no UTF-8: \"\\xaa\"");
  EXPECT_EQ(error_of("# Gr\xfc\xdf"
                     "e in Latin-1\nmodules: {}\n"),
            "probe.yml:1: a byte that is no UTF-8: \"\\xfc\"");
  const std::string shown = error_of("modules: {m: {\"a\\nb\\e[31m\": 1}}\n");
  EXPECT_EQ(shown.find("probe.yml:1: modules.m.a\\x0ab\\x1b[31m: unknown key"), 0U) << shown;
}

TEST_F(ConfigErrors, DepthIsBounded) {
  const auto nested = [](int depth) {
    const auto count = static_cast<std::size_t>(depth);
    return "x: " + std::string(count, '[') + std::string(count, ']') + "\n";
  };
  EXPECT_NE(error_of(nested(kMaxYamlDepth - 1)).find("x: unknown key"), std::string::npos);
  EXPECT_NE(error_of(nested(kMaxYamlDepth)).find("nested over 16 deep"), std::string::npos);
  EXPECT_NE(error_of(nested(100'000)).find("probe.yml:1: "), std::string::npos);
}

TEST_F(ConfigErrors, AliasBombsAreRefused) {
  std::string bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 10; ++i) {
    const std::string before = "*a" + std::to_string(i - 1);
    std::string list = before;
    for (int j = 1; j < 9; ++j) list += ", " + before;
    bomb += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + list + "]\n";
  }
  EXPECT_NE(error_of(bomb).find("over 100000 values"), std::string::npos) << error_of(bomb);
  const std::string loop = error_of("a: &a [*a, *a]\n");
  EXPECT_EQ(loop.find("probe.yml:1: "), 0U) << loop;
}

TEST_F(ConfigErrors, MisplacedSecrets) {
  expect_each(kMisplacedSecrets);
  for (const Bad& bad : kMisplacedSecrets) {
    const std::string got = error_of(bad.text);
    EXPECT_EQ(got.find("hunter2"), std::string::npos) << got;
  }
}

}  // namespace
}  // namespace smtpprobe
