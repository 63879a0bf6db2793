// The answer to --explain. Law: what it says of the check is not written down but asked of
// refusal_reason() and refusal_state(), so that it cannot differ from what the check does.

#include <algorithm>
#include <array>
#include <string>
#include <utility>
#include <vector>

#include "common/smtp/meaning.h"
#include "common/smtp/reply_code.h"
#include "common/smtp/vendor_status.h"

namespace smtpprobe {

namespace {

// The steps that a refusal ends. Raw commands and QUIT have rules of their own.
constexpr std::array kJudgedSteps = {
    Step::Banner, Step::Ehlo, Step::Starttls, Step::EhloTls, Step::Auth,
    Step::Mail,   Step::Rcpt, Step::Data,     Step::Message,
};

// What an enhanced status or the channel changes about a code.
struct Variant {
  int code;
  EnhancedStatus status;
  bool tls;
  std::string_view condition;
};

constexpr auto kVariants = std::to_array<Variant>({
    {452, {4, 5, 3}, false, "with 4.5.3"},
    {501, {5, 1, 7}, false, "with 5.1.7 or 5.1.3"},
    {523, {}, true, "over TLS"},
    {524, {}, true, "over TLS"},
    {538, {}, true, "over TLS"},
});

// What the text changes, by an example of one.
struct Wording {
  std::string_view condition;
  std::string_view text;
};

constexpr auto kWordings = std::to_array<Wording>({
    {"a text that says greylisted, or matches --greylisting-pattern", "greylisted"},
    {"a text or an enhanced status that names a limit", "too many connections"},
    {"a text that refuses our EHLO name", "helo command rejected"},
});

struct Outcome {
  bool expected = false;
  State state = State::Ok;
  Reason reason = Reason::None;

  bool operator==(const Outcome&) const = default;
};

Outcome outcome_of(Step step, int code, const EnhancedStatus& status, bool tls,
                   std::string_view text = {}) {
  if (fit_of(step, code) == ReplyFit::Expected) return {true, State::Ok, Reason::None};
  if (fit_of(step, code) == ReplyFit::OtherCode) {
    return {false, other_code_state(code), Reason::ReplyUnexpected};
  }
  Reply reply;
  reply.code = code;
  reply.lines = {std::string(text)};
  if (status.klass != 0) reply.status = status;
  const Reason reason = refusal_reason(step, reply, tls);
  return {false, refusal_state(step, reply, reason), reason};
}

std::string outcome_words(const Outcome& outcome) {
  if (outcome.expected) return "expected";
  if (outcome.state == State::Ok) return "OK, with a note";
  return std::string(state_name(outcome.state)) + " (" + std::string(reason_name(outcome.reason)) +
         ")";
}

// The steps where the outcome is the same.
struct Group {
  Outcome outcome;
  std::vector<Step> steps;
};

void add_step(std::vector<Group>& groups, const Outcome& outcome, Step step) {
  for (Group& group : groups) {
    if (group.outcome != outcome) continue;
    group.steps.push_back(step);
    return;
  }
  groups.push_back({outcome, {step}});
}

// "at rcpt, data and message WARNING (greylisted)"
std::string group_words(const Group& group) {
  if (group.steps.size() == kJudgedSteps.size()) {
    return "at every step " + outcome_words(group.outcome);
  }
  std::string out = "at ";
  for (std::size_t i = 0; i < group.steps.size(); ++i) {
    if (i != 0) out += i + 1 == group.steps.size() ? " and " : ", ";
    out += step_name(group.steps[i]);
  }
  return out + " " + outcome_words(group.outcome);
}

// "at rcpt WARNING (reply_4xx), elsewhere CRITICAL (reply_4xx)"; `elsewhere` is the largest group.
std::string judgement_words(int code) {
  std::vector<Group> groups;
  for (const Step step : kJudgedSteps) {
    add_step(groups, outcome_of(step, code, {}, false), step);
  }
  if (groups.size() == 1) return group_words(groups.front());
  std::size_t largest = 0;
  for (std::size_t i = 1; i < groups.size(); ++i) {
    if (groups[i].steps.size() > groups[largest].steps.size()) largest = i;
  }
  std::string out;
  for (std::size_t i = 0; i < groups.size(); ++i) {
    if (i != largest) out += group_words(groups[i]) + ", ";
  }
  return out + "elsewhere " + outcome_words(groups[largest].outcome);
}

// What `status`, TLS or `text` changes about `code`: only the steps where it makes a difference.
// Empty when it makes none.
std::string difference_words(int code, const EnhancedStatus& status, bool tls,
                             std::string_view text = {}) {
  std::vector<Group> groups;
  for (const Step step : kJudgedSteps) {
    const Outcome refined = outcome_of(step, code, status, tls, text);
    if (refined != outcome_of(step, code, {}, false)) add_step(groups, refined, step);
  }
  std::string out;
  for (const Group& group : groups) {
    if (!out.empty()) out += ", ";
    out += group_words(group);
  }
  return out;
}

std::string_view class_words(int klass) {
  if (klass == 2) return "success";
  if (klass == 3) return "the server waits for more";
  if (klass == 4) return "transient failure: the same again later may succeed";
  return "permanent failure: the same again will fail again";
}

std::string_view subject_words(int subject) {
  constexpr std::array<std::string_view, 8> kSubjects = {
      "other or undefined",
      "addressing",
      "mailbox",
      "mail system",
      "network and routing",
      "mail delivery protocol",
      "message content or media",
      "security or policy",
  };
  return kSubjects[static_cast<std::size_t>(subject)];
}

std::string explain_code(int code, const ReplyCodeMeaning& row) {
  const auto line = [](std::string_view name, std::string_view words) {
    return "  " + std::string(name) + std::string(words) + "\n";
  };
  std::string out = std::to_string(code) + " ";
  out += row.meaning;
  out += " (" + std::string(row.source) + ")\n";
  out += line("class:      ", class_words(code / 100));
  out += line("typical at: ", row.typical);
  out += line("the check:  ", judgement_words(code));
  for (const Variant& variant : kVariants) {
    if (variant.code != code) continue;
    out += line("            ", std::string(variant.condition) + ": " +
                                    difference_words(code, variant.status, variant.tls));
  }
  for (const Wording& wording : kWordings) {
    const std::string words = difference_words(code, {}, false, wording.text);
    if (words.empty()) continue;
    out += line("            ", "with " + std::string(wording.condition) + ": " + words);
  }
  if (code / 100 == 4) {
    out += line("            ", "the state of a greylisting answer is --greylisting's");
  }
  if (code >= 500) {
    out += line("            ",
                std::string("at ehlo and ehlo_tls HELO is tried; where that is accepted: ") +
                    (helo_fallback_state(code) == State::Ok ? "OK, with a note" : "WARNING"));
  }
  if (code >= 400) {
    out += line("            ", "as the answer to a raw command (-C) without its -R: WARNING");
  }
  if (code >= 400) {
    out += line("            ", "at the banner under the name check_smtp, or against -e: WARNING");
  }
  if (code != 221) out += line("            ", "at quit: shown, the verdict stays");
  out += line("advice:     ", row.advice);
  return out;
}

// "450, 451: at every step WARNING (rate_limited)": the codes that `status` changes something
// about, a line for those with the same change.
std::string effect_lines(const EnhancedStatus& status) {
  std::vector<std::pair<std::string, std::string>> changes;  // the change, its codes
  for (const ReplyCodeMeaning& row : reply_code_table()) {
    if (row.code / 100 != status.klass) continue;
    std::string words = difference_words(row.code, status, false);
    if (words.empty()) continue;
    const auto same = std::find_if(changes.begin(), changes.end(),
                                   [&words](const auto& change) { return change.first == words; });
    if (same != changes.end()) {
      same->second += ", " + std::to_string(row.code);
    } else {
      changes.emplace_back(std::move(words), std::to_string(row.code));
    }
  }
  std::string out;
  for (const auto& [words, codes] : changes) {
    out.append("              ").append(codes).append(": ").append(words).append("\n");
  }
  return out;
}

std::optional<std::string> explain_status(const EnhancedStatus& status) {
  if ((status.klass != 2 && status.klass != 4 && status.klass != 5) || status.subject > 7) {
    return std::nullopt;
  }
  const std::optional<std::string_view> meaning = enhanced_status_meaning(status);
  std::string out = to_string(status) + " ";
  out += meaning.value_or("not registered, a vendor's own");
  out += meaning ? " (RFC 3463, IANA registry)\n" : "\n";
  out += "  class:      ";
  out += class_words(status.klass);
  out += "\n  subject:    ";
  out += subject_words(status.subject);
  out += "\n  the check:  it refines the reply code and never overrules its class\n";
  out += effect_lines(status);
  if (const VendorStatus* vendor = vendor_status(status)) {
    out +=
        "  provider:   " + std::string(vendor->vendor) + ": " + std::string(vendor->meaning) + "\n";
    out += "  advice:     " + std::string(vendor->advice) + "\n";
  }
  return out;
}

// Without the marks of what is typed, which are the document's.
std::string unmarked(std::string_view words) {
  std::string out(words);
  std::erase(out, '`');
  return out;
}

std::string explain_reason(Reason reason) {
  const ReasonMeaning& row = reason_meaning(reason);
  std::string out = std::string(reason_name(reason)) + ": " + std::string(reason_words(reason));
  out += "\n  means:      " + unmarked(row.means);
  out += "\n  look at:    " + unmarked(row.look) + "\n";
  for (const StepHint& hint : row.here) {
    if (hint.look.empty()) break;
    out +=
        "              at " + std::string(step_name(hint.step)) + ": " + unmarked(hint.look) + "\n";
  }
  return out;
}

std::string explain_step(Step step) {
  const StepMeaning& row = step_meaning(step);
  std::string out = std::string(step_name(step)) + ": a step of the probe";
  out += "\n  does:       " + unmarked(row.does);
  return out + "\n  look at:    " + unmarked(row.look) + "\n";
}

// Lines of at most 80 columns; what is carried over stands under the first line's words.
std::string wrapped(std::string_view text) {
  constexpr std::size_t kColumns = 80;
  constexpr std::string_view kIndent = "              ";
  std::string out;
  while (!text.empty()) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    for (std::size_t room = kColumns; line.size() > room; room = kColumns - kIndent.size()) {
      const std::size_t blank = line.rfind(' ', room);
      if (blank == std::string_view::npos || blank < kIndent.size()) break;
      out += std::string(line.substr(0, blank)) + "\n" + std::string(kIndent);
      line.remove_prefix(blank + 1);
    }
    out += std::string(line) + "\n";
  }
  return out;
}

std::optional<std::string> wrapped(const std::optional<std::string>& text) {
  return text ? std::optional(wrapped(std::string_view(*text))) : std::nullopt;
}

}  // namespace

std::optional<std::string> explain(std::string_view code) {
  if (const std::optional<Step> step = step_from_name(code))
    return wrapped(std::string_view(explain_step(*step)));
  const std::optional<Reason> reason = reason_from_name(code);
  if (reason && *reason != Reason::None) return wrapped(std::string_view(explain_reason(*reason)));
  const std::optional<EnhancedStatus> status = parse_enhanced_status(code);
  if (status) return wrapped(explain_status(*status));
  if (code.size() != 3) return std::nullopt;
  int value = 0;
  for (const char c : code) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + (c - '0');
  }
  const ReplyCodeMeaning* row = reply_code_meaning(value);
  if (row == nullptr) return std::nullopt;
  return wrapped(std::string_view(explain_code(value, *row)));
}

}  // namespace smtpprobe
