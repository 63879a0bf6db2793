// Results made by hand, as a probe would have left them, for the tests of what is printed.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/probe/result.h"
#include "plugin/options.h"

namespace smtpprobe::samples {

using std::chrono::milliseconds;

// 2026-11-23 12:00:00 UTC
inline WallTime noon() { return WallTime(std::chrono::seconds(1795435200)); }

inline Options options_for(std::string host = "mx.example.net") {
  Options options;
  options.program_name = "check_smtp_probe";
  options.plan.target.host = std::move(host);
  options.plan.dialogue.helo_name = "probe.example.net";
  return options;
}

inline Reply reply(int code, std::string text) {
  Reply made;
  made.code = code;
  made.status = leading_enhanced_status(text);
  made.lines = {std::move(text)};
  return made;
}

inline ProbeResult started() {
  ProbeResult result;
  result.endpoint.host = "mx.example.net";
  result.endpoint.address = "192.0.2.1";
  result.endpoint.port = 25;
  result.endpoint.ip_version = 4;
  result.endpoint.local_address = "192.0.2.7:41234";
  result.started = noon();
  result.began = Instant(std::chrono::hours(5));
  result.ended = result.began;
  return result;
}

// One more step that took ten milliseconds.
inline StepRecord& ran(ProbeResult& result, Step step, std::optional<Reply> said = std::nullopt,
                       Duration took = milliseconds(10)) {
  StepRecord record;
  record.step = step;
  record.began = result.ended;
  result.ended += took;
  record.ended = result.ended;
  record.took = took;
  record.reply = std::move(said);
  result.steps.push_back(std::move(record));
  return result.steps.back();
}

inline void refused(ProbeResult& result, Step step, int code, const std::string& text) {
  const Reply said = reply(code, text);
  const Reason reason = refusal_reason(step, said, false);
  ran(result, step, said).reason = reason;
  result.failure = Failure{step, reason, {}, said};
}

inline void failed(ProbeResult& result, Step step, Reason reason, std::string detail = {}) {
  StepRecord& record = ran(result, step);
  record.reason = reason;
  record.detail = detail;
  result.failure = Failure{step, reason, std::move(detail), std::nullopt};
}

inline void says(ProbeResult& result, TranscriptLine::Who who, std::string text) {
  result.transcript.push_back({who, result.ended, std::move(text)});
}

// connect, banner, ehlo
inline ProbeResult greeted() {
  ProbeResult result = started();
  ran(result, Step::Connect);
  ran(result, Step::Banner, reply(220, "mx.example.net ESMTP"));
  says(result, TranscriptLine::Who::Server, "220 mx.example.net ESMTP");
  says(result, TranscriptLine::Who::Client, "EHLO probe.example.net");
  Reply ehlo = reply(250, "mx.example.net");
  ehlo.lines = {"mx.example.net", "SIZE 1000", "AUTH PLAIN LOGIN"};
  result.extensions = Extensions(ehlo);
  ran(result, Step::Ehlo, std::move(ehlo));
  return result;
}

inline Certificate certificate(std::string name, int days_left) {
  Certificate made;
  made.subject = "CN=" + name + ",O=Example";
  made.common_name = name;
  made.issuer = "CN=Example CA";
  made.serial = "0A1B";
  made.names = {"DNS:" + name};
  made.not_before = noon() - std::chrono::days(30);
  made.not_after = noon() + std::chrono::days(days_left) + std::chrono::hours(1);
  made.fingerprint_sha256 = std::string(64, 'a');
  made.key = "EC prime256v1";
  made.signature = "ecdsa-with-SHA256";
  return made;
}

inline void secured(ProbeResult& result, std::vector<Certificate> chain) {
  ran(result, Step::Starttls, reply(220, "2.0.0 Ready"));
  ran(result, Step::Tls);
  ran(result, Step::EhloTls, reply(250, "mx.example.net"));
  TlsFacts facts;
  facts.version = "TLSv1.3";
  facts.cipher = "TLS_AES_256_GCM_SHA384";
  facts.cipher_iana = "TLS_AES_256_GCM_SHA384";
  facts.group = "x25519";
  facts.server_name = "mx.example.net";
  facts.checked_name = "mx.example.net";
  facts.checked = true;
  facts.chain = std::move(chain);
  result.tls = std::move(facts);
}

inline Range range(std::string_view text) { return *Range::parse(text); }

inline std::vector<std::string> lines_of(std::string_view text) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    lines.emplace_back(text.substr(0, end));
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  return lines;
}

// Nothing but printable UTF-8 and line ends. Written for the tests alone, apart from the sanitiser.
inline bool is_clean(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const auto at = [&](std::size_t k) {
      return k < text.size() ? static_cast<unsigned char>(text[k]) : 0U;
    };
    const unsigned first = at(i);
    const std::size_t more = first < 0x80 ? 0 : first < 0xe0 ? 1 : first < 0xf0 ? 2 : 3;
    if (first < 0x80) {
      if ((first < 0x20 && first != '\n') || first == 0x7f) return false;
    } else if (first < 0xc2 || first > 0xf4) {
      return false;
    }
    for (std::size_t k = 1; k <= more; ++k) {
      if ((at(i + k) & 0xc0U) != 0x80) return false;
    }
    if (first == 0xc2 && at(i + 1) < 0xa0) return false;  // C1 controls
    i += more + 1;
  }
  return true;
}

}  // namespace smtpprobe::samples
