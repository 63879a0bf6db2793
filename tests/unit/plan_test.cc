// Plans: how deep they go by default, what they may not ask for, how certificates are judged.
#include "common/probe/plan.h"

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

namespace smtpprobe {
namespace {

ProbePlan plain() {
  ProbePlan plan;
  plan.target.host = "mx.example.net";
  plan.dialogue.helo_name = "probe.example.net";
  return plan;
}

void add_auth(ProbePlan& plan) {
  plan.dialogue.auth.emplace();
  plan.dialogue.auth->credentials.username = "user";
  plan.dialogue.auth->credentials.password = "secret";
}

void add_addresses(ProbePlan& plan) {
  plan.dialogue.from = "probe@example.net";
  plan.dialogue.to = {"postmaster@example.net"};
}

void add_command(ProbePlan& plan) { plan.dialogue.commands = {RawCommand{"NOOP", std::nullopt}}; }

ReplyPattern pattern(std::string_view text) { return ReplyPattern::parse(text).value(); }

// What check_plan() says after `change`; "" when it is content.
std::string fault(const std::function<void(ProbePlan&)>& change) {
  ProbePlan plan = plain();
  change(plan);
  const Result<void> checked = check_plan(plan);
  return checked ? "" : checked.error().text;
}

bool says(const std::string& text, std::string_view words) {
  return text.find(words) != std::string::npos;
}

TEST(TlsVersionNames, BothWays) {
  EXPECT_EQ(tls_version_name(TlsVersion::Tls1_0), "TLSv1.0");
  EXPECT_EQ(tls_version_name(TlsVersion::Tls1_3), "TLSv1.3");
  for (const TlsVersion version :
       {TlsVersion::Tls1_0, TlsVersion::Tls1_1, TlsVersion::Tls1_2, TlsVersion::Tls1_3}) {
    const std::string name(tls_version_name(version));
    EXPECT_EQ(tls_version_from_name(name), version);
    EXPECT_EQ(tls_version_from_name("TLS" + name.substr(4)), version);
    EXPECT_EQ(tls_version_from_name("tlsV" + name.substr(4)), version);
    EXPECT_EQ(tls_version_from_name(name.substr(4)), version);
  }
  EXPECT_EQ(tls_version_from_name("TLSv1"), TlsVersion::Tls1_0);
  for (const char* bad : {"", "tls", "tlsv", "1", "1.4", "TLS1.22", "SSLv3", "TLSv1.2 ", " 1.2",
                          "t1.2", "tl1.2", "v1.2", "TLS 1.2", "tlsvv1.2", "12"}) {
    EXPECT_EQ(tls_version_from_name(bad), std::nullopt) << bad;
  }
}

TEST(DefaultUntil, GoesAsFarAsThePartsNeed) {
  ProbePlan plan = plain();
  EXPECT_EQ(default_until(plan), Step::Ehlo);
  plan.dialogue.tls = TlsMode::Opportunistic;
  EXPECT_EQ(default_until(plan), Step::Ehlo);
  plan.dialogue.tls = TlsMode::Implicit;
  EXPECT_EQ(default_until(plan), Step::Ehlo);
  plan.dialogue.tls = TlsMode::Starttls;
  EXPECT_EQ(default_until(plan), Step::EhloTls);
  add_auth(plan);
  EXPECT_EQ(default_until(plan), Step::Auth);
  plan.dialogue.from = "";
  EXPECT_EQ(default_until(plan), Step::Mail);
  plan.dialogue.to = {"a@example.net"};
  EXPECT_EQ(default_until(plan), Step::Rcpt);
  add_command(plan);
  EXPECT_EQ(default_until(plan), Step::Command);
  plan.dialogue.commands.clear();
  plan.message.emplace();
  EXPECT_EQ(default_until(plan), Step::Message);
  plan = plain();
  add_command(plan);
  EXPECT_EQ(default_until(plan), Step::Command);
}

TEST(DefaultPort, ByTransportAndProtocol) {
  ProbePlan plan = plain();
  EXPECT_EQ(default_port(plan), 25);
  plan.dialogue.tls = TlsMode::Starttls;
  EXPECT_EQ(default_port(plan), 25);
  plan.dialogue.protocol = Protocol::Lmtp;
  EXPECT_EQ(default_port(plan), 24);
  plan.dialogue.tls = TlsMode::Implicit;
  EXPECT_EQ(default_port(plan), 465);
  plan.dialogue.protocol = Protocol::Smtp;
  EXPECT_EQ(default_port(plan), 465);
}

TEST(CheckPlan, EveryDefaultDepthIsContent) {
  using Part = std::function<void(ProbePlan&)>;
  const std::vector<Part> parts = {
      [](ProbePlan& p) { add_auth(p); },
      [](ProbePlan& p) { p.dialogue.from = ""; },
      [](ProbePlan& p) { add_addresses(p); },
      [](ProbePlan& p) { add_command(p); },
      [](ProbePlan& p) {
        add_addresses(p);
        p.dialogue.commands.clear();
        p.message.emplace();
      },
  };
  for (unsigned chosen = 0; chosen < (1U << parts.size()); ++chosen) {
    for (const TlsMode mode :
         {TlsMode::Off, TlsMode::Opportunistic, TlsMode::Starttls, TlsMode::Implicit}) {
      ProbePlan plan = plain();
      plan.dialogue.tls = mode;
      for (std::size_t i = 0; i < parts.size(); ++i) {
        if ((chosen >> i & 1U) != 0) parts[i](plan);
      }
      plan.dialogue.until = default_until(plan);
      const Result<void> checked = check_plan(plan);
      EXPECT_TRUE(checked) << chosen << ": " << checked.error().text;
    }
  }
}

// Whether `until` suits a plan that has all of from, to and a message, but no credentials, commands
// or TLS.
TEST(CheckPlan, UntilEveryStep) {
  for (const Step step : kSteps) {
    const std::string name(step_name(step));
    const std::string bare = fault([&](ProbePlan& p) { p.dialogue.until = step; });
    const std::string addressed = fault([&](ProbePlan& p) {
      add_addresses(p);
      p.dialogue.until = step;
    });
    switch (step) {
      case Step::Resolve:
      case Step::Connect:
      case Step::Tls:
      case Step::Quit:
        EXPECT_TRUE(says(bare, "wanted a step from banner to message")) << name;
        EXPECT_EQ(bare, addressed);
        break;
      case Step::Banner:
      case Step::Ehlo:
        EXPECT_EQ(bare, "") << name;
        EXPECT_EQ(addressed, "") << name;
        break;
      case Step::Starttls:
      case Step::EhloTls:
        EXPECT_EQ(bare, "until " + name + " needs STARTTLS");
        break;
      case Step::Auth:
        EXPECT_EQ(bare, "until auth needs credentials");
        EXPECT_EQ(addressed, bare);
        break;
      case Step::Command:
        EXPECT_EQ(bare, "until command needs a command");
        EXPECT_EQ(addressed, bare);
        break;
      case Step::Mail:
      case Step::Rcpt:
      case Step::Data:
        EXPECT_EQ(bare, "until " + name + " needs a sender (from)");
        EXPECT_EQ(addressed, "") << name;
        break;
      case Step::Message:
        EXPECT_EQ(bare, "until message needs a sender (from)");
        EXPECT_EQ(addressed, "until message needs a message");
        break;
    }
  }
}

TEST(CheckPlan, SenderAndRecipients) {
  for (const Step step : {Step::Rcpt, Step::Data, Step::Message}) {
    EXPECT_EQ(fault([&](ProbePlan& p) {
                p.dialogue.from = "";
                p.message.emplace();
                p.dialogue.until = step;
              }),
              "until " + std::string(step_name(step)) + " needs a recipient (to)");
  }
  EXPECT_EQ(fault([](ProbePlan& p) { p.dialogue.to = {"a@example.net"}; }),
            "a recipient (to) needs a sender (from)");
  EXPECT_EQ(fault([](ProbePlan& p) {
              p.dialogue.from = "";
              p.dialogue.until = Step::Mail;
            }),
            "");
}

TEST(CheckPlan, UntilTooEarly) {
  EXPECT_EQ(fault([](ProbePlan& p) {
              add_auth(p);
              p.dialogue.until = Step::Banner;
            }),
            "until banner stops before auth");
  EXPECT_EQ(fault([](ProbePlan& p) { add_auth(p); }), "until ehlo stops before auth");
  EXPECT_EQ(fault([](ProbePlan& p) {
              p.dialogue.tls = TlsMode::Starttls;
              p.dialogue.until = Step::Banner;
            }),
            "until banner stops before STARTTLS");
  EXPECT_EQ(fault([](ProbePlan& p) {
              p.dialogue.tls = TlsMode::Opportunistic;
              p.dialogue.until = Step::Banner;
            }),
            "");
  for (const Step step : {Step::Starttls, Step::EhloTls, Step::Ehlo}) {
    EXPECT_EQ(fault([&](ProbePlan& p) {
                p.dialogue.tls = TlsMode::Starttls;
                p.dialogue.until = step;
              }),
              "");
  }
  EXPECT_EQ(fault([](ProbePlan& p) {
              add_addresses(p);
              p.message.emplace();
              p.dialogue.until = Step::Data;
            }),
            "until data stops before the message");
  for (auto list : {&ProbePlan::require_extensions, &ProbePlan::forbid_extensions}) {
    EXPECT_EQ(fault([&](ProbePlan& p) {
                p.*list = {"SIZE"};
                p.dialogue.until = Step::Banner;
              }),
              "until banner stops before the extensions");
    EXPECT_EQ(fault([&](ProbePlan& p) { p.*list = {"SIZE"}; }), "");
  }
}

TEST(CheckPlan, CommandsComeLast) {
  for (const Step step : kSteps) {
    if (step < Step::Banner || step == Step::Quit) continue;
    const std::string words = fault([&](ProbePlan& p) {
      p.dialogue.tls = TlsMode::Opportunistic;
      add_auth(p);
      add_addresses(p);
      add_command(p);
      if (step == Step::Message) p.message.emplace();
      p.dialogue.until = step;
    });
    if (step == Step::Command) {
      EXPECT_EQ(words, "");
    } else if (step > Step::Command) {
      EXPECT_TRUE(says(words, "exclude each other")) << words;
    } else {
      EXPECT_TRUE(says(words, "stops before")) << words;
    }
  }
}

TEST(CheckPlan, ExpectationsNeedTheirStep) {
  EXPECT_EQ(fault([](ProbePlan& p) { p.dialogue.expect[Step::Rcpt] = {pattern("550")}; }),
            "expect rcpt: the probe does not go to that step");
  EXPECT_EQ(fault([](ProbePlan& p) {
              p.dialogue.expect[Step::Rcpt] = {pattern("550")};
              add_addresses(p);
              p.dialogue.until = Step::Rcpt;
            }),
            "");
  for (const Step step : {Step::Resolve, Step::Connect, Step::Tls}) {
    EXPECT_TRUE(says(fault([&](ProbePlan& p) { p.dialogue.expect[step] = {pattern("250")}; }),
                     "no reply belongs to that step"));
  }
  for (const Step step : {Step::Banner, Step::Ehlo, Step::Quit}) {
    EXPECT_EQ(fault([&](ProbePlan& p) { p.dialogue.expect[step] = {pattern("2xx")}; }), "");
  }
  EXPECT_FALSE(
      fault([](ProbePlan& p) { p.dialogue.expect[Step::Starttls] = {pattern("454")}; }).empty());
}

TEST(CheckPlan, Credentials) {
  const auto with = [](Mechanism mechanism, std::string user, std::string password,
                       std::string token) {
    return fault([&](ProbePlan& p) {
      p.dialogue.until = Step::Auth;
      p.dialogue.auth.emplace();
      p.dialogue.auth->mechanism = mechanism;
      p.dialogue.auth->credentials = {user, password, token, "", 0};
    });
  };
  EXPECT_EQ(with(Mechanism::Auto, "u", "p", ""), "");
  EXPECT_EQ(with(Mechanism::Auto, "u", "", "t"), "");
  EXPECT_EQ(with(Mechanism::Auto, "u", "", ""), "auth needs a password or a token");
  for (const Mechanism mechanism : {Mechanism::Plain, Mechanism::Login, Mechanism::CramMd5,
                                    Mechanism::ScramSha1, Mechanism::ScramSha256}) {
    EXPECT_EQ(with(mechanism, "u", "p", ""), "");
    EXPECT_TRUE(says(with(mechanism, "u", "", "t"), "needs a password"));
    EXPECT_EQ(with(mechanism, "", "p", ""), "auth needs a user name");
  }
  EXPECT_EQ(with(Mechanism::Plain, "u", "", ""), "auth PLAIN needs a password");
  EXPECT_EQ(with(Mechanism::Xoauth2, "u", "p", ""), "auth XOAUTH2 needs a token");
  EXPECT_EQ(with(Mechanism::Xoauth2, "u", "", "t"), "");
  EXPECT_EQ(with(Mechanism::Xoauth2, "", "", "t"), "auth needs a user name");
  EXPECT_EQ(with(Mechanism::Oauthbearer, "", "", "t"), "");
}

TEST(CheckPlan, HeloShowsNoExtensions) {
  EXPECT_EQ(fault([](ProbePlan& p) { p.dialogue.helo = true; }), "");
  EXPECT_TRUE(says(fault([](ProbePlan& p) {
                     p.dialogue.helo = true;
                     p.dialogue.tls = TlsMode::Starttls;
                   }),
                   "STARTTLS"));
  EXPECT_TRUE(says(fault([](ProbePlan& p) {
                     p.dialogue.helo = true;
                     p.dialogue.until = Step::Auth;
                     add_auth(p);
                   }),
                   "helo and auth"));
  EXPECT_TRUE(says(fault([](ProbePlan& p) {
                     p.dialogue.helo = true;
                     p.require_extensions = {"SIZE"};
                   }),
                   "extensions"));
  EXPECT_TRUE(says(fault([](ProbePlan& p) {
                     p.dialogue.helo = true;
                     p.dialogue.protocol = Protocol::Lmtp;
                     p.port = 24;
                   }),
                   "LMTP"));
}

TEST(CheckPlan, TlsOptionsNeedTls) {
  using Part = std::function<void(ProbePlan&)>;
  const std::vector<Part> parts = {
      [](ProbePlan& p) { p.tls.verify = TlsVerify::Require; },
      [](ProbePlan& p) { p.tls.verify = TlsVerify::Warn; },
      [](ProbePlan& p) {
        p.tls.expiry = ExpiryThresholds{21, 7};
      },
      [](ProbePlan& p) { p.tls.min_version = TlsVersion::Tls1_2; },
      [](ProbePlan& p) { p.tls.legacy = true; },
      [](ProbePlan& p) { p.tls.server_name = "mx.test"; },
  };
  for (const Part& part : parts) {
    EXPECT_TRUE(says(fault(part), "needs TLS"));
    for (const TlsMode mode : {TlsMode::Opportunistic, TlsMode::Starttls, TlsMode::Implicit}) {
      EXPECT_EQ(fault([&](ProbePlan& p) {
                  part(p);
                  p.dialogue.tls = mode;
                }),
                "");
    }
  }
  EXPECT_EQ(fault([](ProbePlan& p) { p.tls.verify = TlsVerify::Off; }), "");
  EXPECT_EQ(fault([](ProbePlan& p) { p.tls.verify = TlsVerify::Report; }), "");
  EXPECT_EQ(fault([](ProbePlan& p) { p.tls.key_file = "k"; }),
            "a client key needs its certificate");
}

TEST(CheckPlan, LegacyTlsAcceptsTls10) {
  const auto with_minimum = [](TlsVersion version) {
    return fault([version](ProbePlan& p) {
      p.dialogue.tls = TlsMode::Starttls;
      p.tls.legacy = true;
      p.tls.min_version = version;
    });
  };
  EXPECT_EQ(with_minimum(TlsVersion::Tls1_0), "");
  for (const TlsVersion version : {TlsVersion::Tls1_1, TlsVersion::Tls1_2, TlsVersion::Tls1_3}) {
    EXPECT_EQ(with_minimum(version), "legacy TLS and a minimum version of " +
                                         std::string(tls_version_name(version)) +
                                         " exclude each other: wanted TLSv1.0, or one of the two");
  }
}

void unix_target(ProbePlan& plan) {
  plan.target = Target{};
  plan.target.unix_path = "/run/lmtp";
  plan.dialogue.protocol = Protocol::Lmtp;
}

TEST(CheckPlan, UnixSockets) {
  EXPECT_EQ(fault(unix_target), "");
  EXPECT_TRUE(says(fault([](ProbePlan& p) {
                     unix_target(p);
                     p.dialogue.protocol = Protocol::Smtp;
                   }),
                   "LMTP only"));
  EXPECT_TRUE(says(fault([](ProbePlan& p) {
                     unix_target(p);
                     p.dialogue.tls = TlsMode::Implicit;
                   }),
                   "implicit TLS"));
  for (const ProxyHeader header : {ProxyHeader::V1, ProxyHeader::V2, ProxyHeader::Local}) {
    const std::string words = fault([&](ProbePlan& p) {
      unix_target(p);
      p.proxy = header;
    });
    EXPECT_EQ(words.empty(), header == ProxyHeader::Local) << words;
  }
  EXPECT_TRUE(says(fault([](ProbePlan& p) {
                     unix_target(p);
                     p.source_address = "127.0.0.1";
                   }),
                   "source address"));
}

TEST(CheckPlan, PortsAndTime) {
  EXPECT_TRUE(says(fault([](ProbePlan& p) { p.dialogue.protocol = Protocol::Lmtp; }), "RFC 2033"));
  for (const int port : {-1, 0, 65536}) {
    EXPECT_TRUE(says(fault([&](ProbePlan& p) { p.port = port; }), "wanted 1 to 65535"));
  }
  EXPECT_EQ(fault([](ProbePlan& p) { p.port = 65535; }), "");
  EXPECT_EQ(fault([](ProbePlan& p) { p.timeout = Duration::zero(); }), "wanted a timeout above 0");
}

TEST(CheckPlan, AddressesOfOneFamily) {
  const std::string v4 = "192.0.2.7";
  const std::string v6 = "2001:db8::7";
  for (const IpChoice ip : {IpChoice::Any, IpChoice::Ipv4, IpChoice::Ipv6, IpChoice::PreferIpv4,
                            IpChoice::PreferIpv6}) {
    for (const std::string& host : {std::string("mx.example.net"), v4, v6}) {
      for (const std::string& source : {std::string(), v4, v6}) {
        const bool fits = (source.empty() || host.starts_with("mx") || source == host) &&
                          (ip != IpChoice::Ipv4 || (source != v6 && host != v6)) &&
                          (ip != IpChoice::Ipv6 || (source != v4 && host != v4));
        const std::string words = fault([&](ProbePlan& p) {
          p.ip = ip;
          p.target.host = host;
          p.source_address = source;
        });
        EXPECT_EQ(words.empty(), fits) << host << " " << source << ": " << words;
        EXPECT_EQ(says(words, "IP version"), !fits) << words;
      }
    }
  }
  for (const char* bad : {"eth0", "192.0.2", "[::1]", "192.0.2.1 ", "x\n"}) {
    const std::string words = fault([&](ProbePlan& p) { p.source_address = bad; });
    EXPECT_TRUE(says(words, "wanted an IP address")) << words;
    EXPECT_EQ(words.find('\n'), std::string::npos);
  }
}

TEST(EffectiveVerify, EveryCase) {
  for (const bool loopback : {false, true}) {
    ProbePlan plan = plain();
    plan.target.host = "localhost";
    plan.dialogue.tls = TlsMode::Starttls;
    EXPECT_EQ(effective_verify(plan, loopback), TlsVerify::Report);
    add_auth(plan);
    EXPECT_EQ(effective_verify(plan, loopback), loopback ? TlsVerify::Report : TlsVerify::Require);
    plan.dialogue.auth->without_verified_tls = true;
    EXPECT_EQ(effective_verify(plan, loopback), TlsVerify::Report);
    for (const TlsVerify said :
         {TlsVerify::Off, TlsVerify::Report, TlsVerify::Warn, TlsVerify::Require}) {
      for (const bool insecure : {false, true}) {
        plan.dialogue.auth->without_verified_tls = insecure;
        plan.tls.verify = said;
        EXPECT_EQ(effective_verify(plan, loopback), said);
      }
    }
  }
}

// A message that is never sent would be reported as OK.
TEST(CheckPlan, AnExpectedRefusalLeavesNoMessageToSend) {
  const auto with = [](Step step, std::vector<std::string_view> replies) {
    return fault([&](ProbePlan& plan) {
      add_addresses(plan);
      plan.message.emplace();
      plan.dialogue.until = Step::Message;
      for (const std::string_view one : replies) plan.dialogue.expect[step].push_back(pattern(one));
    });
  };
  EXPECT_EQ(with(Step::Rcpt, {"550", "5.7.1"}),
            "expect rcpt ends the session before the message; wanted 2xx among the replies, or no "
            "message");
  EXPECT_EQ(with(Step::Data, {"250"}),
            "expect data ends the session before the message; wanted 3xx among the replies, or no "
            "message");
  EXPECT_EQ(with(Step::Rcpt, {"250", "550"}), "");
  EXPECT_EQ(with(Step::Data, {"3xx"}), "");
  EXPECT_EQ(with(Step::Message, {"554"}), "");
  EXPECT_EQ(with(Step::Quit, {"221"}), "");
}

// A name that resolves to a loopback address is no reason to send credentials in clear.
TEST(EffectiveVerify, OnlyATargetThatNamesThisHostIsExempt) {
  const auto verify = [](const Target& target) {
    ProbePlan plan = plain();
    add_auth(plan);
    plan.target = target;
    EXPECT_EQ(effective_verify(plan, false), TlsVerify::Require);
    return effective_verify(plan, true);
  };
  for (const char* here :
       {"127.0.0.1", "127.9.9.9", "[::1]", "[::ffff:127.0.0.1]", "[0:0:0:0:0:0:0:1]", "[0:0::0:01]",
        "localhost", "LocalHost.", "mail.localhost", "unix:/run/lmtp"}) {
    const Result<Target> target = parse_target(here);
    ASSERT_TRUE(target) << here;
    EXPECT_EQ(verify(*target), TlsVerify::Report) << here;
  }
  for (const char* elsewhere :
       {"mx.test", "localhost.test", "notlocalhost", "localhost.localdomain", "128.0.0.1", "[::2]",
        "[1::1]", "[::ffff:192.0.2.1]", "[::10]", "[ffff::127.0.0.1]", "ip6-localhost",
        "local.host"}) {
    const Result<Target> target = parse_target(elsewhere);
    ASSERT_TRUE(target) << elsewhere;
    EXPECT_EQ(verify(*target), TlsVerify::Require) << elsewhere;
  }
}

}  // namespace
}  // namespace smtpprobe
