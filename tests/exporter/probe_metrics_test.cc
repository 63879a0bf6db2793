// The metrics of a probe, as text.
#include "exporter/probe_metrics.h"

#include <gtest/gtest.h>

#include <array>

#include "exporter/exposition.h"
#include "tests/exporter/record_maker.h"

namespace smtpprobe {
namespace {

bool has(const std::string& text, const std::string& line) {
  return ("\n" + text).find("\n" + line + "\n") != std::string::npos;
}

std::string text_of(const ProbeRecord& record) { return exposition(probe_families(record)); }

TEST(ProbeMetrics, OfARefusal) {
  const std::string text = text_of(*refused_record());
  for (const char* line :
       {"# TYPE probe_success gauge", "probe_success 0", "probe_smtp_state 2",
        "probe_timeout_seconds 10", "probe_ip_protocol 4",
        "probe_smtp_step_reply_code{step=\"banner\"} 220",
        "probe_smtp_step_reply_code{step=\"rcpt\"} 550",
        "probe_smtp_step_enhanced_status_info{step=\"rcpt\",status=\"5.1.1\"} 1",
        "probe_failure_info{step=\"rcpt\",reason=\"reply_5xx\"} 1", "probe_smtp_tls 0",
        "probe_smtp_tls_verified 0", "probe_smtp_extension_offered{extension=\"STARTTLS\"} 0"})
    EXPECT_TRUE(has(text, line)) << line << "\n" << text;
  EXPECT_EQ(text.find("probe_ssl_"), std::string::npos);
  EXPECT_EQ(text.find("no such user"), std::string::npos);  // no text of a reply is a label
}

TEST(ProbeMetrics, OfAGoodProbeNameNoFailure) {
  const std::string text = text_of(*good_record());
  EXPECT_TRUE(has(text, "probe_success 1"));
  EXPECT_TRUE(has(text, "probe_smtp_state 0"));
  EXPECT_EQ(text.find("probe_failure_info"), std::string::npos);
}

TEST(ProbeMetrics, HaveEveryPlannedStep) {
  ProbeResult result;
  result.began = at(0);
  result.ended = at(5);
  result.failure = Failure{Step::Resolve, Reason::DnsNxdomain, "mx.test", std::nullopt};
  ProbePlan plan = rcpt_plan();
  plan.dialogue.tls = TlsMode::Opportunistic;
  const std::string text = text_of(*finished(std::move(plan), std::move(result)));
  for (const char* step : {"resolve", "connect", "banner", "ehlo", "starttls", "tls", "ehlo_tls",
                           "mail", "rcpt", "quit"}) {
    const std::string label = std::string("{step=\"") + step + "\"} 0";
    EXPECT_TRUE(has(text, "probe_smtp_step_duration_seconds" + label)) << step;
    EXPECT_TRUE(has(text, "probe_smtp_step_reply_code" + label)) << step;
  }
  EXPECT_TRUE(has(text, "probe_smtp_state 3"));
  EXPECT_TRUE(has(text, "probe_ip_addr_hash 0"));
  EXPECT_EQ(text.find("probe_smtp_extension_offered"), std::string::npos);
}

TEST(ProbeMetrics, LeaveTheWaitOut) {
  auto record = good_record();
  ProbeResult result = record->result;
  result.waited = std::chrono::milliseconds(15);
  record = finished(rcpt_plan(), std::move(result));
  EXPECT_TRUE(has(text_of(*record), "probe_duration_seconds 0.025"));
}

TEST(ProbeMetrics, CountAddressesThatDidNotConnect) {
  EXPECT_TRUE(has(text_of(*good_record()), "probe_smtp_failed_addresses 0"));
  ProbeResult result = good_record()->result;
  for (const char* address : {"192.0.2.8", "192.0.2.9"})
    result.failed_attempts.push_back({address, Reason::ConnectTimeout, "", {}});
  const std::string text = text_of(*finished(rcpt_plan(), std::move(result)));
  EXPECT_TRUE(has(text, "probe_smtp_failed_addresses 2")) << text;
  EXPECT_TRUE(has(text, "probe_success 1"));
}

TEST(ProbeMetrics, CertificateFieldsAreSanitisedAndCut) {
  ProbeResult result = good_record()->result;
  TlsFacts tls;
  tls.version = "TLSv1.2";
  tls.cipher_iana = "TLS_RSA_WITH_AES_128_CBC_SHA";
  tls.checked = true;
  tls.problems.push_back({Reason::CertUntrusted, 0, "self-signed certificate"});
  Certificate leaf;
  leaf.subject = "CN=\"evil\"\n\x1b[31m" + std::string(500, 'x');
  leaf.issuer = "CN=x\\y";
  leaf.serial = "0A";
  leaf.not_after = WallTime(std::chrono::seconds(2'000'000'000));
  tls.chain = {leaf};
  result.tls = tls;
  const std::string text = text_of(*finished(rcpt_plan(), std::move(result)));
  EXPECT_NE(text.find("subject=\"CN=\\\"evil\\\"\\\\x0a\\\\x1b[31mxxx"), std::string::npos) << text;
  EXPECT_NE(text.find("issuer=\"CN=x\\\\y\""), std::string::npos) << text;
  EXPECT_EQ(text.find(std::string(260, 'x')), std::string::npos);
  EXPECT_TRUE(has(text, "probe_ssl_earliest_cert_expiry 2000000000"));
  EXPECT_TRUE(has(text, "probe_tls_version_info{version=\"TLS 1.2\"} 1"));
  EXPECT_TRUE(has(text, "probe_smtp_tls_verified 0"));
  EXPECT_EQ(text.find("probe_ssl_last_chain_expiry_timestamp_seconds"), std::string::npos);
}

TEST(LabelledFamilies, CarryTargetAndModule) {
  auto first = good_record();
  auto second = refused_record();
  second->target = "other.test:25";
  const std::array<std::shared_ptr<const ProbeRecord>, 2> records = {first, second};
  const std::string text = exposition(labelled_families(records));
  EXPECT_TRUE(has(text, "probe_success{target=\"192.0.2.1:25\",module=\"rcpt\"} 1")) << text;
  EXPECT_TRUE(has(text, "probe_success{target=\"other.test:25\",module=\"rcpt\"} 0"));
  std::size_t helps = 0;
  for (std::size_t at = 0; (at = text.find("# HELP probe_success ", at)) != std::string::npos; ++at)
    ++helps;
  EXPECT_EQ(helps, 1U);
}

}  // namespace
}  // namespace smtpprobe
