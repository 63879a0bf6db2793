// The pages and the debug text: what strangers say is text in them.
#include "exporter/pages.h"

#include <gtest/gtest.h>
#include <openssl/sha.h>

#include <string>
#include <vector>

#include "common/probe/printable.h"
#include "common/smtp/base64.h"
#include "exporter/debug_text.h"
#include "exporter/html.h"
#include "tests/exporter/record_maker.h"

namespace smtpprobe {
namespace {

constexpr std::string_view kMarkup = "<script>alert(1)</script>\"'&\x1b";

// What is open at the end, or the first tag that closes another than the last one; empty: balanced.
std::string unbalanced(const std::string& html) {
  std::vector<std::string> open;
  for (std::size_t at = html.find('<'); at != std::string::npos; at = html.find('<', at + 1)) {
    const std::size_t end = html.find('>', at);
    const std::string tag = html.substr(at + 1, end - at - 1);
    const std::string name = tag.substr(0, tag.find_first_of(" /", tag[0] == '/' ? 1 : 0));
    if (tag[0] == '!' || tag.ends_with('/') || name == "meta" || name == "input") continue;
    if (tag[0] != '/') {
      open.push_back(name);
    } else if (open.empty() || "/" + open.back() != name) {
      return name + " closes " + (open.empty() ? "nothing" : open.back());
    } else {
      open.pop_back();
    }
  }
  return open.empty() ? "" : open.back();
}

ServedConfig served() {
  ServedConfig config;
  config.config = built_in_config();
  for (const auto& [name, module] : config.config.modules)
    config.modules.emplace(name, ServedModule{module, nullptr, nullptr});
  return config;
}

std::shared_ptr<ProbeRecord> hostile_record() {
  auto record = refused_record();
  record->module = std::string(kMarkup);
  record->target = std::string(kMarkup);
  record->result.transcript.push_back({TranscriptLine::Who::Server, at(3), std::string(kMarkup)});
  record->result.steps[1].reply->lines = {std::string(kMarkup)};
  record->verdict.findings.front().text = printable_for_nagios(kMarkup, 200);  // as judge() does
  record->verdict.excused = printable_for_nagios(kMarkup, 200);
  return record;
}

TEST(Html, Escapes) {
  EXPECT_EQ(escaped("a<b>&\"'\x01"), "a&lt;b&gt;&amp;&quot;&#39;\\x01");
  EXPECT_EQ(escaped_lines("a\n<b>"), "a\n&lt;b&gt;");
  EXPECT_EQ(escaped(std::string(100, '<'), 10).find("<"), std::string::npos);
}

TEST(Pages, HaveNoMarkupFromStrangers) {
  const auto record = hostile_record();
  const std::vector<History::Record> recent = {record};
  for (const std::string& page : {index_page(served(), nullptr, recent), probe_page(*record)}) {
    EXPECT_EQ(page.find("<script"), std::string::npos);
    EXPECT_EQ(page.find('\x1b'), std::string::npos);
    EXPECT_EQ(page.find("\\x5c"), std::string::npos) << "escaped twice";
    EXPECT_NE(page.find("&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;&amp;\\x1b"),
              std::string::npos);
    EXPECT_EQ(unbalanced(page), "");
  }
}

TEST(Pages, LinkToNothingElsewhere) {
  const auto record = refused_record();
  const std::vector<History::Record> recent = {record};
  for (const std::string& page : {index_page(served(), nullptr, recent), probe_page(*record)}) {
    for (const char* attribute : {"href=\"", "action=\"", "src=\""}) {
      for (std::size_t at = page.find(attribute); at != std::string::npos;
           at = page.find(attribute, at + 1)) {
        const std::string link = page.substr(at + std::string_view(attribute).size(), 8);
        EXPECT_NE(link[0], '/') << link;
        EXPECT_EQ(link.find("://"), std::string::npos) << link;
      }
    }
    EXPECT_EQ(page.find(" style=\""), std::string::npos);  // the policy would not let it in
  }
}

TEST(Pages, AllowTheirOwnStyleAlone) {
  const std::string page = index_page(served(), nullptr, {});
  const std::size_t begin = page.find("<style>") + 7;
  const std::string style = page.substr(begin, page.find("</style>") - begin);
  std::array<unsigned char, SHA256_DIGEST_LENGTH> digest{};
  const void* bytes = style.data();
  SHA256(static_cast<const unsigned char*>(bytes), style.size(), digest.data());
  const std::string hash = base64_encode(std::string(digest.begin(), digest.end()));
  const auto headers = page_headers();
  EXPECT_EQ(headers[0].first, "Content-Security-Policy");
  EXPECT_EQ(headers[0].second,
            "default-src 'none'; style-src 'sha256-" + hash +
                "'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'");
}

TEST(IndexPage, ShowsModulesAndProbes) {
  std::vector<History::Record> recent;
  for (std::uint64_t id = 300; id > 0; --id) {
    auto record = id % 2 == 0 ? good_record() : refused_record();
    record->id = id;
    recent.push_back(record);
  }
  const std::string page = index_page(served(), nullptr, recent);
  for (const char* word :
       {"smtp_starttls", "submissions", "logs?id=300\"", "logs?id=1\"", "reply_5xx", "CRITICAL",
        ">550<", "name=\"target\"", "name=\"view\" value=\"page\""})
    EXPECT_NE(page.find(word), std::string::npos) << word;
  EXPECT_EQ(unbalanced(page), "");
  EXPECT_NE(index_page(served(), nullptr, {}).find("None yet"), std::string::npos);
}

TEST(IndexPage, TellsOfABadConfigurationOnDisk) {
  ServedConfig config = served();
  config.loaded = WallTime(std::chrono::seconds(1'795'694'400));
  const Error wrong{"/etc/<b>.yml:3: modules.m.x\\x1b: unknown key", {"/etc/<b>.yml:5: more"}};
  const std::string page = index_page(config, &wrong, {});
  EXPECT_NE(
      page.find("reload was refused:</strong> /etc/&lt;b&gt;.yml:3: modules.m.x\\x1b: unknown "
                "key; running the one of 2026-11-26T12:00:00Z."),
      std::string::npos)
      << page;
  EXPECT_NE(page.find("<p>/etc/&lt;b&gt;.yml:5: more</p>"), std::string::npos);
  EXPECT_EQ(unbalanced(page), "");
  EXPECT_EQ(page.find("<script"), std::string::npos);
  EXPECT_EQ(index_page(config, nullptr, {}).find("refused"), std::string::npos);
}

TEST(IndexPage, HasTheStateWhereASmallScreenShowsIt) {
  const std::vector<History::Record> recent = {refused_record()};
  const std::string page = index_page(served(), nullptr, recent);
  EXPECT_NE(page.find("<th>Time</th><th>State</th><th>Target</th>"), std::string::npos);
  const std::size_t row = page.find("logs?id=");
  EXPECT_LT(page.find("CRITICAL", row), page.find("<td class=\"w\">", row));
}

TEST(Refusals, AreAPageForBrowsersAlone) {
  HttpRequest request;
  HttpResponse refused = plain_response(400, "target: got <b>");
  refused.headers.emplace_back("Retry-After", "1");
  EXPECT_EQ(refusal_for(request, refused).body, "target: got <b>\n");
  EXPECT_EQ(refusal_for(request, refused).content_type, kPlainText);
  request.wants_html = true;
  const HttpResponse page = refusal_for(request, refused);
  EXPECT_EQ(page.status, 400);
  EXPECT_EQ(page.content_type, kHtml);
  EXPECT_EQ(page.headers.size(), page_headers().size() + 1);
  EXPECT_NE(page.body.find("<p>target: got &lt;b&gt;"), std::string::npos) << page.body;
  EXPECT_NE(page.body.find("<a href=\"./\">"), std::string::npos);
  EXPECT_EQ(unbalanced(page.body), "");
}

TEST(ProbePage, ShowsStepsThatWereNotReachedAndTheWait) {
  ProbeResult result = connected_result();
  result.waited = std::chrono::milliseconds(5);
  result.failure = Failure{Step::Starttls, Reason::StarttlsNotOffered, "", std::nullopt};
  ProbePlan plan = rcpt_plan();
  plan.dialogue.tls = TlsMode::Starttls;
  const std::string page = probe_page(*finished(std::move(plan), std::move(result)));
  for (const char* word : {"wait for its turn", "not reached", "starttls_not_offered",
                           "<rect class=\"wait\"", "5.0 ms", "probe_smtp_state 2"})
    EXPECT_NE(page.find(word), std::string::npos) << word << page;
  EXPECT_EQ(unbalanced(page), "");
}

TEST(ProbePage, NotesAreShownThereAndInTheDebugText) {
  const auto record = refused_record();
  EXPECT_EQ(probe_page(*record).find("<dt>Notes</dt>"), std::string::npos);
  record->result.notes = Note::NoCloseNotify | Note::TlsLegacy;
  EXPECT_NE(probe_page(*record).find("<dt>Notes</dt><dd>no_close_notify, tls_legacy</dd>"),
            std::string::npos);
  EXPECT_NE(debug_text(*record, "", "").find("note no_close_notify\nnote tls_legacy\n"),
            std::string::npos);
}

TEST(DebugText, HasBlackboxExportersThreeParts) {
  auto record = refused_record();
  record->result.transcript = {{TranscriptLine::Who::Server, at(30), "220 mx\x07"},
                               {TranscriptLine::Who::Client, at(31), "EHLO probe.test"},
                               {TranscriptLine::Who::Probe, at(32), "connection closed"}};
  const std::string text = debug_text(*record, "probe_success 0\n", "rcpt: {}\n");
  std::size_t at = 0;
  for (const char* part : {"Logs for the probe:\n", "+0.030 S: 220 mx\\x07\n",
                           "+0.031 C: EHLO probe.test\n", "+0.032 -- connection closed\n", "rcpt  ",
                           "state=CRITICAL\n", "CRITICAL step=rcpt reason=reply_5xx 550 ",
                           "Metrics that would have been returned:\nprobe_success 0\n",
                           "Module configuration:\nrcpt: {}\n"}) {
    const std::size_t found = text.find(part, at);
    ASSERT_NE(found, std::string::npos) << part << text;
    at = found;
  }
}

}  // namespace
}  // namespace smtpprobe
