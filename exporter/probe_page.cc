#include <fmt/format.h>
#include <openssl/sha.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <string>
#include <string_view>
#include <vector>

#include "common/probe/step_table.h"
#include "common/probe/time_text.h"
#include "common/smtp/base64.h"
#include "exporter/debug_text.h"
#include "exporter/exposition.h"
#include "exporter/html.h"
#include "exporter/page_frame.h"
#include "exporter/pages.h"
#include "exporter/probe_metrics.h"
#include "exporter/self_metrics.h"

namespace smtpprobe {
namespace {

constexpr std::string_view kWayHome = "<nav><a href=\"./\">All probes</a></nav>\n";
constexpr int kAxis = 1000;  // units of the time axis, whatever time it shows

double part_of(Duration some, Duration all) {
  if (all <= Duration::zero()) return 0;
  const double part = static_cast<double>(some.count()) / static_cast<double>(all.count());
  return std::clamp(part, 0.0, 1.0);
}

// One bar, which is seen however short its time was.
std::string bar(Duration from, Duration took, Duration all, std::string_view kind) {
  constexpr double kSeen = 4;
  const double start = part_of(from, all) * kAxis;
  const double width = std::max(part_of(took, all) * kAxis, kSeen);
  return fmt::format(
      "<td class=\"axis\"><svg viewBox=\"0 0 {} 10\" preserveAspectRatio=\"none\" "
      "aria-hidden=\"true\"><rect class=\"{}\" x=\"{:.1f}\" y=\"1\" width=\"{:.1f}\" "
      "height=\"8\"/></svg></td>",
      kAxis, kind, std::min(start, kAxis - width), width);
}

std::string step_row(const StepRow& row, const ProbeResult& result, Duration all) {
  const StepRecord* const ran = result.step(row.step);
  std::string out = "<tr>" + cell(step_name(row.step));
  out += ran == nullptr ? std::string("<td class=\"axis\"></td>")
                        : bar(ran->began - result.began, ran->took, all, state_label(row.state));
  out += number_cell(row.took ? readable(*row.took) : std::string("not reached"));
  out += number_cell(escaped(row.code)) + number_cell(escaped(row.status));
  out += cell(row.state == State::Ok ? "" : reason_name(row.reason));
  return out + "<td class=\"w\">" + escaped(row.text) + "</td></tr>\n";
}

// The wait for the address stands between name resolution and connection.
std::string waited_row(const ProbeResult& result, Duration all) {
  const StepRecord* const connect = result.step(Step::Connect);
  const Instant end = connect == nullptr ? result.ended : connect->began;
  return "<tr>" + cell("<span class=\"soft\">wait for its turn</span>") +
         bar(end - result.waited - result.began, result.waited, all, "wait") +
         number_cell(readable(result.waited)) +
         "<td></td><td></td><td></td><td class=\"w soft\">other probes were at this address; no "
         "part of any step</td></tr>\n";
}

std::string ticks(Duration all) {
  std::string out = "<span class=\"ticks\">";
  for (const int quarter : {0, 2, 4}) {
    const Duration at = all * quarter / 4;
    out += "<span>" + (quarter == 0 ? std::string("0") : readable(at)) + "</span>";
  }
  return out + "</span>";
}

std::string steps_table(const ProbeRecord& record) {
  const ProbeResult& result = record.result;
  const Duration all = result.ended - result.began;
  std::string out =
      "<h2>Steps</h2>\n<div class=\"scroll\"><table><thead><tr><th>Step</th><th class=\"axis\">" +
      ticks(all) +
      "</th><th>Time</th><th>Code</th><th>Status</th><th>Reason</th><th>What it said</th></tr>"
      "</thead><tbody>\n";
  bool told = result.waited <= Duration::zero();
  for (const StepRow& row : step_rows(result, record.verdict)) {
    if (!told && row.step != Step::Resolve) {
      out += waited_row(result, all);
      told = true;
    }
    out += step_row(row, result, all);
  }
  if (!told) out += waited_row(result, all);
  return out + "</tbody></table></div>\n";
}

std::string fact(std::string_view name, std::string_view html) {
  return html.empty() ? std::string() : fmt::format("<dt>{}</dt><dd>{}</dd>\n", name, html);
}

std::string certificate_words(const ProbeResult& result) {
  const std::vector<Certificate>& chain = result.tls->judged_chain();
  if (chain.empty()) return {};
  const Certificate& leaf = chain.front();
  std::string words = escaped(leaf.subject, kCertificateTextBytes) + ", issued by " +
                      escaped(leaf.issuer, kCertificateTextBytes) + ", until " +
                      rfc3339(leaf.not_after);
  if (const std::optional<double> days = result.cert_days_left())
    words += fmt::format(" ({:.0f} days left in the chain)", std::floor(*days));
  return words;
}

std::string tls_facts(const ProbeResult& result) {
  if (!result.tls) return {};
  const TlsFacts& tls = *result.tls;
  std::string out =
      fact("TLS", escaped(tls.version) + (tls.cipher.empty() ? "" : ", ") + escaped(tls.cipher));
  out += fact("Certificate", certificate_words(result));
  std::string verified = tls.verified() ? "yes" : tls.checked ? "no" : "not asked for";
  for (const CertificateProblem& problem : tls.problems)
    verified += "; " + escaped(problem_words(tls, problem));
  return out + fact("Verified", verified);
}

std::string facts(const ProbeRecord& record) {
  const ProbeResult& result = record.result;
  std::string out = "<dl>\n" + fact("Time", rfc3339(result.started));
  out += fact("Module", escaped(record.module));
  if (!result.endpoint.address.empty())
    out += fact("Address", escaped(endpoint_text(result.endpoint)));
  out += fact("Took",
              fmt::format("{} of {} allowed", readable(record.duration), readable(record.timeout)));
  for (const AddressAttempt& attempt : result.failed_attempts)
    out += fact("Tried", escaped(attempt.address) + ": " +
                             escaped(failure_words(attempt.reason, attempt.detail)));
  std::string notes;
  for (const std::string_view note : note_names(result.notes))
    notes.append(notes.empty() ? "" : ", ").append(note);
  return out + tls_facts(result) + fact("Notes", notes) + "</dl>\n";
}

// A verdict's texts are sanitised: a second time the escapes would be escaped.
std::string findings(const Verdict& verdict) {
  std::string out;
  for (const Finding& finding : verdict.findings)
    out += fmt::format("<p>{} {}: {} <span class=\"soft\">({})</span></p>\n",
                       state_mark(finding.state), step_name(finding.step),
                       escaped_lines(finding.text), reason_name(finding.reason));
  if (!verdict.excused.empty())
    out += "<p class=\"soft\">Excused: " + escaped_lines(verdict.excused) + "</p>\n";
  return out;
}

// CSP's name for the one style that may stand in a page.
std::string style_hash() {
  std::array<unsigned char, SHA256_DIGEST_LENGTH> digest{};
  const std::string_view style = page_style();
  const void* bytes = style.data();
  SHA256(static_cast<const unsigned char*>(bytes), style.size(), digest.data());
  return base64_encode(std::string(digest.begin(), digest.end()));
}

}  // namespace

std::span<const std::pair<std::string_view, std::string>> page_headers() {
  static const std::array<std::pair<std::string_view, std::string>, 4> headers = {{
      {"Content-Security-Policy",
       "default-src 'none'; style-src 'sha256-" + style_hash() +
           "'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"},
      {"X-Content-Type-Options", "nosniff"},
      {"Referrer-Policy", "no-referrer"},
      {"Cache-Control", "no-store"},
  }};
  return headers;
}

HttpResponse page_response(std::string html) {
  HttpResponse response;
  response.content_type = kHtml;
  response.body = std::move(html);
  for (const auto& [name, value] : page_headers()) response.headers.emplace_back(name, value);
  return response;
}

HttpResponse refusal_for(const HttpRequest& request, HttpResponse refusal) {
  if (!request.wants_html) return refusal;
  HttpResponse page = page_response(framed(
      "smtp_probe_exporter", std::string(kWayHome) + "<h1>" + std::to_string(refusal.status) +
                                 "</h1>\n<p>" + escaped_lines(refusal.body) + "</p>\n"));
  page.status = refusal.status;
  for (auto& header : refusal.headers) page.headers.push_back(std::move(header));
  return page;
}

std::string probe_page(const ProbeRecord& record) {
  std::string body = std::string(kWayHome) + "<h1>" + state_mark(record.verdict.state) + " " +
                     escaped(record.target) + "</h1>\n";
  body += findings(record.verdict) + facts(record) + steps_table(record);
  body += "<h2>Transcript</h2>\n<pre class=\"wrap\">" +
          escaped_lines(transcript_text(record.result)) + "</pre>\n";
  body +=
      "<h2>Metrics</h2>\n<pre>" + escaped_lines(exposition(probe_families(record))) + "</pre>\n";
  return framed(record.target + " - smtp_probe_exporter", body);
}

}  // namespace smtpprobe
