#include "plugin/headline.h"

#include <algorithm>

#include "common/probe/printable.h"
#include "common/probe/time_text.h"

namespace smtpprobe {
namespace {

constexpr std::string_view kCut = "...";
constexpr std::size_t kHostBytes = 120;
constexpr std::size_t kAddressBytes = 64;
constexpr std::size_t kEscapeBytes = 4;       // "\xHH"
constexpr std::string_view kBetween = " / ";  // Nagios makes ':' of a ';'

// The code of the EHLO that HELO followed. The step's record has HELO's reply alone, so the
// transcript tells.
std::string refused_ehlo_code(const ProbeResult& result) {
  std::string_view last_reply;
  for (const TranscriptLine& line : result.transcript) {
    if (line.who == TranscriptLine::Who::Server) last_reply = line.text;
    if (line.who == TranscriptLine::Who::Client && line.text.starts_with("HELO ")) break;
  }
  const std::string_view code = last_reply.substr(0, 3);
  const bool digits = code.size() == 3 && std::all_of(code.begin(), code.end(),
                                                      [](char c) { return c >= '0' && c <= '9'; });
  return digits ? std::string(code) : std::string();
}

// ", 250 at rcpt, TLSv1.3": how far the probe came.
std::string depth_reached(const ProbeResult& result) {
  std::string text;
  const StepRecord* last = nullptr;
  for (const StepRecord& record : result.steps) {
    if (record.step != Step::Quit && record.reply && record.reply->code != 0) last = &record;
  }
  if (last != nullptr) {
    text += ", " + std::to_string(last->reply->code) + " at " + std::string(step_name(last->step));
  }
  if (result.tls && result.tls->established()) {
    text += ", " + printable_for_nagios(result.tls->version, kCertificateTextBytes);
    if (has(result.notes, Note::TlsLegacy)) text += ", legacy TLS accepted";
  }
  if (has(result.notes, Note::HeloFallback)) {
    const std::string code = refused_ehlo_code(result);
    text += ", EHLO refused" + (code.empty() ? code : " with " + code) + ", HELO accepted";
  }
  if (has(result.notes, Note::WillForward)) {
    text += last != nullptr && last->reply->code == 251 ? ", the server will forward"
                                                        : ", 251 at rcpt: the server will forward";
  }
  return text;
}

// "mx.example.net [192.0.2.1]" where the name has several addresses, else empty.
std::string judged_address(const ProbeResult& result, std::size_t max_host_bytes) {
  const Endpoint& endpoint = result.endpoint;
  if (result.addresses < 2 || endpoint.address.empty()) return {};
  return printable_for_nagios(endpoint.host, max_host_bytes) + " [" +
         printable_for_nagios(endpoint.address, kAddressBytes) + "]";
}

// "after 1 failed address", "none of 3 addresses connected"; empty where the first one connected.
std::string failed_addresses_note(const ProbeResult& result) {
  const std::size_t failed = result.failed_attempts.size();
  const StepRecord* connect = result.step(Step::Connect);
  if (failed == 0 || connect == nullptr) return {};
  if (connect->reason == Reason::None) {
    return "after " + std::to_string(failed) + " failed address" + (failed == 1 ? "" : "es");
  }
  if (result.addresses < 2) return {};
  const std::string all = std::to_string(result.addresses) + " addresses";
  return failed == result.addresses ? "none of " + all + " connected"
                                    : std::to_string(failed) + " of " + all + " tried";
}

}  // namespace

std::string cut_sanitised(std::string_view text, std::size_t max_bytes) {
  if (text.size() <= max_bytes) return std::string(text);
  std::size_t keep = max_bytes - std::min(max_bytes, kCut.size());
  while (keep > 0 && (static_cast<unsigned char>(text[keep]) & 0xc0U) == 0x80) --keep;
  for (std::size_t back = 1; back < kEscapeBytes && back <= keep; ++back) {
    if (text.substr(keep - back).starts_with("\\x")) {
      keep -= back;
      break;
    }
  }
  keep = before_link(text, keep);
  return std::string(text.substr(0, keep)) + std::string(kCut.substr(0, max_bytes));
}

std::string compose_line(std::string_view head, std::string_view text,
                         const std::vector<std::string>& remarks, std::string_view tail,
                         std::size_t max_bytes) {
  const std::size_t fixed = head.size() + tail.size();
  std::string line(head);
  line += cut_sanitised(text, max_bytes - std::min(max_bytes, fixed));
  for (const std::string& remark : remarks) {
    if (line.size() + kBetween.size() + remark.size() + tail.size() > max_bytes) continue;
    line += kBetween;
    line += remark;
  }
  line += tail;
  return cut_sanitised(line, max_bytes);
}

std::vector<std::string> other_findings(const Verdict& verdict) {
  std::vector<std::string> remarks;
  for (std::size_t i = 1; i < verdict.findings.size(); ++i) {
    const Finding& finding = verdict.findings[i];
    const std::string_view kind = finding.reason == Reason::Slow ? "slow: " : "";
    remarks.push_back(std::string(kind) + std::string(step_name(finding.step)) + ": " +
                      finding.text);
  }
  return remarks;
}

std::string response_time_tail(const ProbeResult& result) {
  return " - " + fixed_seconds(result.response_time(), 3) + " sec. response time";
}

std::string headline(const ProbeResult& result, const Verdict& verdict, std::string_view where,
                     std::size_t max_bytes) {
  const std::string address = judged_address(result, std::min(kHostBytes, max_bytes / 4));
  std::string note = failed_addresses_note(result);
  if (!note.empty()) note.insert(0, ", ");
  std::string head = "SMTP " + std::string(state_name(verdict.state)) + " - ";
  if (verdict.findings.empty()) {
    std::string text = fixed_seconds(result.response_time(), 3) + " sec. response time" +
                       (verdict.excused.empty() ? depth_reached(result) : ", " + verdict.excused);
    std::string tail = address.empty() ? note : ", " + address + note;
    if (!where.empty()) tail += ", " + std::string(where);
    return compose_line(head, text, {}, tail, max_bytes);
  }
  const Finding& first = verdict.findings.front();
  if (!where.empty()) head += std::string(where) + ", ";
  if (!address.empty()) head += address + ' ';
  head += std::string(step_name(first.step)) + ": ";
  return compose_line(head, first.text, other_findings(verdict), note + response_time_tail(result),
                      max_bytes);
}

}  // namespace smtpprobe
