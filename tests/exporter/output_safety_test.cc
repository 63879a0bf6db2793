// What the exporter makes of sessions with servers that say whatever chance tells them to: the
// exposition, the debug text, the pages and the log.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "common/probe/printable.h"
#include "common/probe/verdict.h"
#include "exporter/debug_text.h"
#include "exporter/exposition.h"
#include "exporter/log.h"
#include "exporter/pages.h"
#include "exporter/probe_metrics.h"
#include "tests/unit/hostile_session.h"
#include "tests/unit/result_samples.h"

namespace smtpprobe {
namespace {

constexpr int kSessions = 800;

std::shared_ptr<ProbeRecord> record_of(hostile::Session& session) {
  auto record = std::make_shared<ProbeRecord>();
  record->id = 7;
  record->target = session.plan.target.text(session.plan.port);
  record->module = "module";
  record->timeout = session.plan.timeout;
  record->plan = std::make_shared<const ProbePlan>(session.plan);
  record->result = std::move(session.result);
  record->duration = record->result.ended - record->result.began;
  record->verdict = judge(*record->plan, record->result);
  return record;
}

// The text format 0.0.4, read as strictly as Prometheus does; what is wrong with it, if anything.
class ExpositionReader {
 public:
  std::string fault(std::string_view text) {
    if (!text.ends_with('\n')) return "no line end at its end";
    while (!text.empty()) {
      const std::string_view line = text.substr(0, text.find('\n'));
      text.remove_prefix(line.size() + 1);
      const std::string what = line.starts_with('#') ? comment(line) : sample(line);
      if (!what.empty()) return what + ": " + std::string(line);
    }
    return {};
  }

 private:
  static bool is_name(std::string_view name) {
    return !name.empty() && !(name[0] >= '0' && name[0] <= '9') &&
           name.find_first_not_of(
               "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") ==
               std::string_view::npos;
  }

  std::string comment(std::string_view line) {
    const bool help = line.starts_with("# HELP ");
    if (!help && !line.starts_with("# TYPE ")) return "a comment of nobody's";
    line.remove_prefix(7);
    const std::string name(line.substr(0, line.find(' ')));
    if (!is_name(name)) return "no name";
    if (!(help ? helped_ : typed_).insert(name).second) return "told twice";
    if (!help && !line.ends_with(" gauge")) return "no gauge";
    return {};
  }

  std::string sample(std::string_view line) {
    const std::size_t end = line.find_first_of("{ ");
    if (end == std::string_view::npos) return "no value";
    const std::string name(line.substr(0, end));
    if (!is_name(name) || !typed_.contains(name) || !helped_.contains(name)) return "no family";
    std::string_view rest = line.substr(end);
    std::set<std::string> labels;
    if (rest.starts_with('{')) {
      rest.remove_prefix(1);
      while (!rest.starts_with('}')) {
        const std::size_t equals = rest.find("=\"");
        if (equals == std::string_view::npos) return "no label";
        const std::string label(rest.substr(0, equals));
        if (!is_name(label) || !labels.insert(label).second) return "no name of a label";
        rest.remove_prefix(equals + 2);
        while (!rest.starts_with('"')) {
          if (rest.empty()) return "a label without end";
          const bool escape = rest[0] == '\\';
          if (escape && (rest.size() < 2 ||
                         std::string_view("\\n\"").find(rest[1]) == std::string_view::npos))
            return "no escape";
          rest.remove_prefix(escape ? 2 : 1);
        }
        rest.remove_prefix(1);
        if (rest.starts_with(',')) rest.remove_prefix(1);
      }
      rest.remove_prefix(1);
    }
    if (!rest.starts_with(' ')) return "no blank before the value";
    rest.remove_prefix(1);
    if (rest.empty() || rest.find_first_not_of("0123456789.e+-") != std::string_view::npos)
      return "no number";
    if (!samples_.insert(std::string(line.substr(0, line.size() - rest.size()))).second)
      return "there twice";
    return {};
  }

  std::set<std::string> helped_, typed_, samples_;
};

// The tags of a page with their attributes' names; a '<' that is none stands for itself.
std::set<std::string> tags_of(std::string_view page) {
  std::set<std::string> tags;
  for (std::size_t at = page.find('<'); at != std::string_view::npos; at = page.find('<', at + 1)) {
    std::string_view tag = page.substr(at + 1, page.find('>', at) - at - 1);
    const std::string name(tag.substr(0, tag.find_first_of(" ")));
    tags.insert(name);
    for (std::size_t value = tag.find("=\""); value != std::string_view::npos;
         value = tag.find("=\"")) {
      const std::size_t blank = tag.rfind(' ', value);
      tags.insert(name + " " + std::string(tag.substr(blank + 1, value - blank - 1)));
      const std::size_t end = tag.find('"', value + 2);
      if (end == std::string_view::npos) {
        tags.insert("an attribute without end");
        break;
      }
      tag.remove_prefix(end + 1);
    }
  }
  return tags;
}

// Every tag that the pages have for servers that are well.
std::set<std::string> own_tags() {
  static const std::set<std::string> tags = [] {
    std::set<std::string> all;
    std::mt19937 random(1);
    for (int i = 0; i < 200; ++i) {
      hostile::Server server(random);
      hostile::Session session = server.run();
      // The shape of a hostile session without its words.
      ProbeResult& result = session.result;
      for (StepRecord& step : result.steps) {
        step.detail.clear();
        if (step.reply) step.reply->lines = {"words"};
      }
      if (result.failure) {
        result.failure->detail.clear();
        if (result.failure->reply) result.failure->reply->lines = {"words"};
      }
      for (TranscriptLine& line : result.transcript) line.text = "words";
      for (AddressAttempt& one : result.failed_attempts)
        one = {"192.0.2.9", one.reason, "words", {}};
      if (result.tls) {
        result.tls->chain = {samples::certificate("mx.example.net", 90)};
        result.tls->problems.clear();
        if (result.tls->established()) result.tls->version = "TLSv1.3";
      }
      result.endpoint.host = "mx.example.net";
      if (i % 3 == 0) result.waited = std::chrono::milliseconds(1);
      const auto found = tags_of(probe_page(*record_of(session)));
      all.insert(found.begin(), found.end());
    }
    return all;
  }();
  return tags;
}

TEST(ExporterSafety, NoServerBreaksAnOutput) {
  std::mt19937 random(20261127);
  const std::set<std::string> own = own_tags();
  for (int round = 0; round < kSessions; ++round) {
    SCOPED_TRACE(round);
    hostile::Server server(random);
    hostile::Session session = server.run();
    const auto record = record_of(session);
    const std::string metrics = exposition(probe_families(*record));
    ASSERT_EQ(ExpositionReader().fault(metrics), "") << metrics;
    const std::string labelled =
        exposition(labelled_families(std::array{std::shared_ptr<const ProbeRecord>(record)}));
    ASSERT_EQ(ExpositionReader().fault(labelled), "") << labelled;
    const std::string debug = debug_text(*record, metrics, "tls: {}");
    const std::string page = probe_page(*record);
    const std::string index =
        index_page(ServedConfig{}, nullptr, std::array<History::Record, 1>{record});
    for (const std::string& text : {metrics, labelled, debug, page, index}) {
      ASSERT_TRUE(samples::is_clean(text)) << text;
      ASSERT_EQ(hostile::shown_secret(text, session.secrets), "") << text;
    }
    std::vector<std::string> strange;
    const std::set<std::string> tags = tags_of(page);
    std::set_difference(tags.begin(), tags.end(), own.begin(), own.end(),
                        std::back_inserter(strange));
    ASSERT_TRUE(strange.empty()) << strange.front() << "\n" << page;
  }
}

// One line of logfmt as Go's readers take it: its keys and values.
std::map<std::string, std::string> read_logfmt(std::string_view line) {
  std::map<std::string, std::string> fields;
  while (!line.empty()) {
    const std::size_t equals = line.find('=');
    if (equals == std::string_view::npos) return {};
    std::string& value = fields[std::string(line.substr(0, equals))];
    line.remove_prefix(equals + 1);
    if (!line.starts_with('"')) {
      value = line.substr(0, line.find(' '));
      line.remove_prefix(value.size());
    } else {
      line.remove_prefix(1);
      while (!line.empty() && line[0] != '"') {
        if (line[0] == '\\') line.remove_prefix(1);
        if (line.empty()) return {};
        value += line[0];
        line.remove_prefix(1);
      }
      if (line.empty()) return {};
      line.remove_prefix(1);
    }
    if (!line.empty() && line[0] != ' ') return {};
    if (!line.empty()) line.remove_prefix(1);
  }
  return fields;
}

TEST(ExporterSafety, ALogLineIsOneLineThatCanBeRead) {
  std::mt19937 random(20261128);
  const std::chrono::system_clock::time_point when{std::chrono::seconds(1795435200)};
  for (int round = 0; round < 4000; ++round) {
    SCOPED_TRACE(round);
    hostile::Server server(random);
    const std::string message = server.text(), target = server.text(), text = server.text();
    const auto line = [&](LogFormat format) {
      return log_line(format, when, LogLevel::Warn, message, {{"target", target}, {"text", text}});
    };
    const std::string logfmt = line(LogFormat::Logfmt);
    ASSERT_TRUE(samples::is_clean(logfmt) && logfmt.find('\n') == std::string::npos) << logfmt;
    const auto fields = read_logfmt(logfmt);
    ASSERT_EQ(fields.size(), 5U) << logfmt;
    ASSERT_EQ(fields.at("level"), "warn") << logfmt;
    ASSERT_EQ(fields.at("target"), printable(target, kLogValueBytes)) << logfmt;
    ASSERT_EQ(fields.at("text"), printable(text, kLogValueBytes)) << logfmt;
    const std::string json = line(LogFormat::Json);
    ASSERT_TRUE(samples::is_clean(json) && json.find('\n') == std::string::npos) << json;
    const nlohmann::json read = nlohmann::json::parse(json, nullptr, false);
    ASSERT_FALSE(read.is_discarded()) << json;
    ASSERT_EQ(read.size(), 5U) << json;
    ASSERT_EQ(read["text"], printable(text, kLogValueBytes)) << json;
  }
}

}  // namespace
}  // namespace smtpprobe
