// --output json: parsed again and looked into.
#include "plugin/json_output.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "plugin/output.h"
#include "tests/unit/result_samples.h"

namespace smtpprobe {
namespace {

using namespace samples;
using nlohmann::json;

json parsed(const Options& options, std::span<const ProbeResult> results) {
  Options as_json = options;
  as_json.output = OutputFormat::Json;
  const Rendered rendered = render(as_json, results, false);
  EXPECT_TRUE(rendered.text.ends_with("}\n"));
  json read = json::parse(rendered.text, nullptr, false);
  EXPECT_FALSE(read.is_discarded()) << rendered.text;
  EXPECT_EQ(read["exit_code"], rendered.exit_code);
  return read;
}

TEST(JsonOutput, HoldsTheWholeResult) {
  ProbeResult result = greeted();
  secured(result, {certificate("mx.example.net", 90)});
  result.tls->problems = {{Reason::CertUntrusted, 0, "self-signed certificate"}};
  result.failed_attempts = {{"2001:db8::1", Reason::ConnectionRefused, "", milliseconds(2)}};
  result.notes = Note::BareLf;
  refused(result, Step::Rcpt, 550, "5.1.1 no such user");
  const json read = parsed(options_for(), std::span(&result, 1));
  EXPECT_EQ(read["program"], "check_smtp_probe");
  EXPECT_EQ(read["version"], SMTPPROBE_VERSION);
  EXPECT_EQ(read["target"], "mx.example.net:25");
  EXPECT_EQ(read["state"], "CRITICAL");
  EXPECT_EQ(read["exit_code"], 2);
  EXPECT_EQ(read["headline"],
            "SMTP CRITICAL - rcpt: 550 5.1.1 no such user, after 1 failed address - 0.070 sec. "
            "response time");
  ASSERT_EQ(read["findings"].size(), 1U);
  EXPECT_EQ(read["findings"][0]["step"], "rcpt");
  EXPECT_EQ(read["findings"][0]["reason"], "reply_5xx");
  EXPECT_EQ(read["findings"][0]["result"], 0);

  ASSERT_EQ(read["results"].size(), 1U);
  const json& one = read["results"][0];
  EXPECT_EQ(one["endpoint"]["address"], "192.0.2.1");
  EXPECT_EQ(one["endpoint"]["port"], 25);
  EXPECT_EQ(one["failed_attempts"][0]["reason"], "connection_refused");
  EXPECT_EQ(one["started"], "2026-11-23T12:00:00Z");
  EXPECT_DOUBLE_EQ(one["response_time_seconds"], 0.07);
  const json& rcpt = one["steps"].back();
  EXPECT_EQ(rcpt["step"], "rcpt");
  EXPECT_DOUBLE_EQ(rcpt["seconds"], 0.01);
  EXPECT_EQ(rcpt["code"], 550);
  EXPECT_EQ(rcpt["status"], "5.1.1");
  EXPECT_EQ(rcpt["text"], json::array({"5.1.1 no such user"}));
  EXPECT_TRUE(one["steps"][0]["code"].is_null());
  EXPECT_EQ(one["extensions"][0]["keyword"], "SIZE");
  EXPECT_EQ(one["extensions"][0]["parameter"], "1000");
  EXPECT_EQ(one["tls"]["version"], "TLSv1.3");
  EXPECT_EQ(one["tls"]["verified"], false);
  EXPECT_EQ(one["tls"]["problems"][0]["reason"], "cert_untrusted");
  EXPECT_EQ(one["tls"]["chain"][0]["common_name"], "mx.example.net");
  EXPECT_EQ(one["tls"]["chain"][0]["days_left"], 90);
  EXPECT_TRUE(one["tls"]["verified_chain"].empty());
  EXPECT_EQ(one["notes"], json::array({"bare_lf"}));
  EXPECT_EQ(one["transcript"][1]["who"], "client");
  EXPECT_EQ(one["transcript"][1]["text"], "EHLO probe.example.net");
  EXPECT_DOUBLE_EQ(one["transcript"][1]["offset_seconds"], 0.02);
}

TEST(JsonOutput, WhatDidNotHappenIsNullOrEmpty) {
  ProbeResult result = started();
  failed(result, Step::Connect, Reason::ConnectionRefused);
  result.endpoint = Endpoint{};
  const json read = parsed(options_for(), std::span(&result, 1));
  const json& one = read["results"][0];
  EXPECT_TRUE(one["tls"].is_null());
  EXPECT_TRUE(one["extensions"].is_null());
  EXPECT_TRUE(one["endpoint"]["address"].is_null());
  EXPECT_TRUE(one["endpoint"]["port"].is_null());
  EXPECT_TRUE(one["transcript"].is_array());
}

TEST(JsonOutput, SeveralResultsAndTheirFindings) {
  std::vector<ProbeResult> results(2, greeted());
  refused(results[1], Step::Rcpt, 550, "5.1.1 no");
  const json read = parsed(options_for(), results);
  EXPECT_EQ(read["results"].size(), 2U);
  EXPECT_EQ(read["results"][0]["state"], "OK");
  EXPECT_EQ(read["findings"][0]["result"], 1);
}

TEST(JsonOutput, ServerTextIsSanitised) {
  ProbeResult result = greeted();
  refused(result, Step::Rcpt, 550, "a\x1b[2J\xff\"\\|b");
  result.tls = TlsFacts{};
  result.tls->chain = {certificate("\xc3(", 1)};
  const Options options = options_for();
  const json read = parsed(options, std::span(&result, 1));
  EXPECT_EQ(read["results"][0]["steps"].back()["text"][0], "a\\x1b[2J\\xff\"\\|b");
  EXPECT_EQ(read["results"][0]["tls"]["chain"][0]["common_name"], "\\xc3(");
  EXPECT_TRUE(read["results"][0]["tls"]["version"].is_null());
}

TEST(JsonOutput, TheDialectDecidesTheExitCodeHereToo) {
  ProbeResult result = greeted();
  result.failure = Failure{Step::Starttls, Reason::StarttlsNotOffered, {}, std::nullopt};
  Options options = options_for();
  options.dialect = Dialect::CheckSmtp;
  const json read = parsed(options, std::span(&result, 1));
  EXPECT_EQ(read["exit_code"], 1);
  EXPECT_EQ(read["headline"], "WARNING - TLS not supported by server");
}

}  // namespace
}  // namespace smtpprobe
