// Everything that is made of a ProbeResult, of one that came out of a fuzzed dialogue (play.h):
// what Nagios reads, JSON, the pages, the exposition, the debug text. Whatever the server said, it
// is text in them, and no secret of ours is in any.
#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "common/smtp/base64.h"
#include "exporter/debug_text.h"
#include "exporter/exposition.h"
#include "exporter/pages.h"
#include "exporter/probe_metrics.h"
#include "plugin/output.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/play.h"

namespace smtpprobe::fuzz {
namespace {

void check_secrets(const Play& play, std::string_view text) {
  for (const std::string_view secret : {kPassword, kToken}) {
    SMTPPROBE_HOLDS(text.find(secret) == std::string_view::npos, text);
    SMTPPROBE_HOLDS(text.find(base64_encode(secret)) == std::string_view::npos, text);
  }
  for (const std::string& word : play.auth_words) {
    SMTPPROBE_HOLDS(word.size() < 12 || text.find(word) == std::string_view::npos, text);
  }
}

void check_text(const Play& play, std::string_view text) {
  SMTPPROBE_HOLDS(is_plain(text, true) && is_clean_utf8(text), text);
  check_secrets(play, text);
}

bool is_number(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789.") == std::string_view::npos;
}

// "label=0.042133s;10.000000;;0.000000 ..."
void check_perfdata(std::string_view data) {
  SMTPPROBE_HOLDS(data.starts_with("time="), data);
  while (!data.empty()) {
    const std::string_view item = data.substr(0, data.find(' '));
    data.remove_prefix(std::min(item.size() + 1, data.size()));
    const std::size_t equals = item.find('=');
    SMTPPROBE_HOLDS(equals != std::string_view::npos && equals > 0, item);
    std::string_view value = item.substr(equals + 1);
    value = value.substr(0, value.find(';'));
    if (value.ends_with('s')) value.remove_suffix(1);
    if (value.starts_with('-') && item.starts_with("cert_days_left")) value.remove_prefix(1);
    SMTPPROBE_HOLDS(is_number(value), item);
  }
}

void check_nagios(const Play& play) {
  Options options;
  options.plan = play.plan;
  options.program_name = "check_smtp_probe";
  for (const Dialect dialect : {Dialect::Native, Dialect::CheckSmtp}) {
    for (options.verbose = 0; options.verbose <= 3; options.verbose += 3) {
      options.dialect = dialect;
      const Rendered rendered = render(options, std::span(&play.result, 1), false);
      check_text(play, rendered.text);
      SMTPPROBE_HOLDS(rendered.exit_code >= 0 && rendered.exit_code <= 3, rendered.text);
      SMTPPROBE_HOLDS(rendered.text.ends_with('\n'), rendered.text);
      const auto bars = std::count(rendered.text.begin(), rendered.text.end(), '|');
      const std::string first = rendered.text.substr(0, rendered.text.find('\n'));
      const std::size_t bar = first.find('|');
      SMTPPROBE_HOLDS(std::min(bar, first.size()) <= kFirstLineBytes, first);
      // check_smtp has answers without perfdata.
      SMTPPROBE_HOLDS(dialect == Dialect::Native ? bars == 1 : bars <= 1, rendered.text);
      if (dialect == Dialect::Native) SMTPPROBE_HOLDS(bar != std::string::npos, first);
      if (bar != std::string::npos) check_perfdata(std::string_view(first).substr(bar + 1));
    }
  }
  options.dialect = Dialect::Native;
  options.output = OutputFormat::Json;
  const Rendered rendered = render(options, std::span(&play.result, 1), false);
  check_text(play, rendered.text);
  const nlohmann::json json = nlohmann::json::parse(rendered.text, nullptr, false);
  SMTPPROBE_HOLDS(!json.is_discarded() && json.is_object(), rendered.text);
  SMTPPROBE_HOLDS(json.value("exit_code", -1) == rendered.exit_code, rendered.text);
}

// Each tag is one that the page has of its own, and no attribute but of ours.
void check_page(const Play& play, std::string_view html) {
  check_text(play, html);
  static constexpr auto kTags = std::to_array<std::string_view>(
      {"!doctype", "html",  "head",   "meta",   "title",  "style",   "body",   "nav", "a",
       "h1",       "h2",    "p",      "span",   "dl",     "dt",      "dd",     "div", "table",
       "thead",    "tbody", "tr",     "th",     "td",     "svg",     "rect",   "pre", "form",
       "input",    "label", "button", "select", "option", "details", "summary"});
  for (std::size_t at = html.find('<'); at != std::string_view::npos; at = html.find('<', at + 1)) {
    const std::size_t end = html.find('>', at);
    SMTPPROBE_HOLDS(end != std::string_view::npos, html.substr(at));
    std::string tag(html.substr(at + 1, end - at - 1));
    for (char& c : tag) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    std::string_view name = tag;
    if (name.starts_with('/')) name.remove_prefix(1);
    name = name.substr(0, name.find_first_of(" /\n"));
    SMTPPROBE_HOLDS(std::find(kTags.begin(), kTags.end(), name) != kTags.end(), tag);
    for (const std::string_view bad : {" on", "javascript", "src=", "style="})
      SMTPPROBE_HOLDS(tag.find(bad) == std::string::npos, tag);
    SMTPPROBE_HOLDS(tag.find('<') == std::string::npos, tag);
  }
}

bool is_name(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || (c >= 'A' && c <= 'Z');
  });
}

// Takes `name="value"` and the comma or brace behind it off `rest`.
bool take_label(std::string_view& rest) {
  const std::size_t equals = rest.find("=\"");
  if (equals == std::string_view::npos || !is_name(rest.substr(0, equals))) return false;
  rest.remove_prefix(equals + 2);
  while (!rest.empty() && rest.front() != '"') {
    const bool escape = rest.front() == '\\';
    if (escape && (rest.size() < 2 || std::string_view("\\n\"").find(rest[1]) > 2)) return false;
    rest.remove_prefix(escape ? 2 : 1);
  }
  if (rest.size() < 2 || (rest[1] != ',' && rest[1] != '}')) return false;
  const bool last = rest[1] == '}';
  rest.remove_prefix(last ? 1 : 2);
  return true;
}

void check_sample(std::string_view line) {
  const std::size_t name = line.find_first_of("{ ");
  SMTPPROBE_HOLDS(name != std::string_view::npos && is_name(line.substr(0, name)), line);
  SMTPPROBE_HOLDS(line.starts_with("probe_"), line);
  std::string_view rest = line.substr(name);
  if (rest.starts_with('{')) {
    rest.remove_prefix(1);
    while (!rest.starts_with('}')) SMTPPROBE_HOLDS(take_label(rest), line);
    rest.remove_prefix(1);
  }
  SMTPPROBE_HOLDS(rest.starts_with(' '), line);
  rest.remove_prefix(1);
  SMTPPROBE_HOLDS(!rest.empty() && rest.find_first_not_of("0123456789.e+-") == rest.npos, line);
}

void check_exposition(std::string_view text) {
  SMTPPROBE_HOLDS(text.ends_with('\n'), text);
  std::size_t successes = 0;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(line.size() + 1);
    if (line.starts_with("# HELP probe_") || line.starts_with("# TYPE probe_")) continue;
    check_sample(line);
    if (line.starts_with("probe_success ")) ++successes;
  }
  SMTPPROBE_HOLDS(successes == 1, "probe_success");
}

void check_exporter(const Play& play) {
  auto record = std::make_shared<ProbeRecord>();
  record->id = 1;
  record->target = play.plan.target.text(play.plan.port);
  record->module = "fuzz";
  record->timeout = play.plan.timeout;
  record->plan = std::make_shared<const ProbePlan>(play.plan);
  record->result = play.result;
  record->duration = play.result.ended - play.result.began;
  record->verdict = judge(play.plan, play.result);

  const std::string metrics = exposition(probe_families(*record));
  check_text(play, metrics);
  check_exposition(metrics);
  check_text(play, debug_text(*record, metrics, "fuzz: {}"));
  check_page(play, probe_page(*record));
  const std::array<History::Record, 1> recent = {record};
  check_page(play, index_page(ServedConfig(), nullptr, recent));
}

}  // namespace
}  // namespace smtpprobe::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto play = smtpprobe::fuzz::play(smtpprobe::fuzz::bytes_of(data, size));
  if (!play) return 0;
  smtpprobe::fuzz::check_nagios(*play);
  smtpprobe::fuzz::check_exporter(*play);
  return 0;
}
