#include "tests/fake_server/transcript_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <utility>

#include "common/smtp/greylisting.h"

namespace smtpprobe {
namespace {

using Setting = std::pair<std::string, std::string>;

// What `message=short` sends: a line that has to be dot-stuffed is in it.
constexpr std::string_view kShortMessage =
    "From: <a@b.test>\r\nTo: <c@d.test>\r\nSubject: probe\r\n\r\nHello\r\n.leading dot\r\n";

Unexpected bad(const Setting& setting, std::string_view wanted) {
  return error(fmt::format("{}={}: wanted {}", setting.first, setting.second, wanted));
}

std::optional<int> number(std::string_view digits) {
  int value = 0;
  const auto [end, problem] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (problem != std::errc() || end != digits.data() + digits.size() || value < 0) {
    return std::nullopt;
  }
  return value;
}

std::vector<std::string> words(std::string_view text) {
  std::vector<std::string> list;
  while (!text.empty()) {
    const std::size_t comma = std::min(text.find(','), text.size());
    list.emplace_back(text.substr(0, comma));
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  return list;
}

template <typename T>
std::optional<T> one_of(std::string_view name,
                        std::initializer_list<std::pair<std::string_view, T>> names) {
  for (const auto& [candidate, value] : names) {
    if (candidate == name) return value;
  }
  return std::nullopt;
}

class PlanReader {
 public:
  PlanReader() {
    plan_.target.host = "mx.test";
    plan_.dialogue.helo_name = "probe.test";
    plan_.timeout = std::chrono::seconds(60);  // the limits of the steps are what counts
  }

  Result<ProbePlan> read(const Transcript& transcript) {
    for (const Setting& setting : transcript.plan) {
      Result<void> taken = take(setting);
      if (!taken) return fault(transcript, taken.error().text);
    }
    if (auth_) plan_.dialogue.auth = *auth_;
    plan_.dialogue.until = until_.value_or(default_until(plan_));
    plan_.port = default_port(plan_);
    plan_.dialogue.stop_on_bad_certificate = effective_verify(plan_, true) == TlsVerify::Require;
    const Result<void> sound = check_plan(plan_);
    if (!sound) return fault(transcript, sound.error().text);
    return plan_;
  }

 private:
  static Unexpected fault(const Transcript& transcript, const std::string& text) {
    return error(fmt::format("{}: plan: {}", transcript.name, text));
  }

  // What has one fixed set of values.
  template <typename T, typename Field>
  static Result<void> choose(const Setting& setting, Field& field,
                             std::initializer_list<std::pair<std::string_view, T>> names,
                             std::string_view wanted) {
    const std::optional<T> value = one_of<T>(setting.second, names);
    if (!value) return bad(setting, wanted);
    field = *value;
    return {};
  }

  Result<void> take(const Setting& setting) {
    const auto& [key, value] = setting;
    if (key.starts_with("expect.")) return take_expectation(setting);
    if (key.starts_with("limit.") || key == "timeout") return take_limit(setting);
    if (key == "auth" || key == "user" || key == "password" || key == "token" ||
        key == "insecure") {
      return take_auth(setting);
    }
    if (key == "command" || key == "response") return take_command(setting);
    DialoguePlan& dialogue = plan_.dialogue;
    if (key == "until") {
      until_ = step_from_name(value);
      return until_ ? Result<void>() : bad(setting, "a step");
    }
    if (key == "from") {
      dialogue.from = value;
    } else if (key == "to") {
      dialogue.to = words(value);
    } else if (key == "helo") {
      dialogue.helo_name = value;
    } else if (key == "greet") {
      if (value != "helo") return bad(setting, "helo");
      dialogue.helo = true;
    } else if (key == "protocol") {
      return choose<Protocol>(setting, dialogue.protocol,
                              {{"smtp", Protocol::Smtp}, {"lmtp", Protocol::Lmtp}}, "smtp or lmtp");
    } else if (key == "tls") {
      return choose<TlsMode>(setting, dialogue.tls,
                             {{"off", TlsMode::Off},
                              {"opportunistic", TlsMode::Opportunistic},
                              {"starttls", TlsMode::Starttls},
                              {"implicit", TlsMode::Implicit}},
                             "off, opportunistic, starttls or implicit");
    } else if (key == "verify") {
      return choose<TlsVerify>(setting, plan_.tls.verify,
                               {{"off", TlsVerify::Off},
                                {"report", TlsVerify::Report},
                                {"warn", TlsVerify::Warn},
                                {"require", TlsVerify::Require}},
                               "off, report, warn or require");
    } else if (key == "banner") {
      dialogue.expect_banner = value;
    } else if (key == "message") {
      if (value != "short") return bad(setting, "short");
      dialogue.message = kShortMessage;
      plan_.message = MessagePlan();
    } else if (key == "greylisting" || key == "timeout-state") {
      const std::optional<State> state = state_from_name(value);
      if (!state) return bad(setting, "a state");
      (key == "greylisting" ? plan_.dialogue.greylisting : plan_.timeout_state) = *state;
    } else if (key == "greylisting-pattern") {
      Result<ReplyRegex> pattern = parse_greylisting_pattern(value);
      if (!pattern) return Unexpected(pattern.error());
      dialogue.greylisting_patterns.push_back(std::move(*pattern));
    } else if (key == "require" || key == "forbid") {
      (key == "require" ? plan_.require_extensions : plan_.forbid_extensions) = words(value);
    } else {
      return bad(setting, "a setting of tests/transcripts/README.md");
    }
    return {};
  }

  Result<void> take_expectation(const Setting& setting) {
    const std::optional<Step> step = step_from_name(setting.first.substr(7));
    if (!step) return bad(setting, "expect. and a step");
    for (const std::string& word : words(setting.second)) {
      const Result<ReplyPattern> pattern = ReplyPattern::parse(word);
      if (!pattern) return Unexpected(pattern.error());
      plan_.dialogue.expect[*step].push_back(*pattern);
    }
    return {};
  }

  Result<void> take_limit(const Setting& setting) {
    const std::string& text = setting.second;
    const std::optional<int> count =
        text.ends_with("ms") ? number(text.substr(0, text.size() - 2)) : std::nullopt;
    StepLimits& limits = plan_.dialogue.limits;
    Duration* limit = setting.first == "timeout"         ? &plan_.timeout
                      : setting.first == "limit.reply"   ? &limits.reply
                      : setting.first == "limit.message" ? &limits.message
                      : setting.first == "limit.quit"    ? &limits.quit
                                                         : nullptr;
    if (!count || limit == nullptr) {
      return bad(setting, "timeout, limit.reply, limit.message or limit.quit, in ms");
    }
    *limit = std::chrono::milliseconds(*count);
    return {};
  }

  Result<void> take_auth(const Setting& setting) {
    if (!auth_) auth_.emplace();
    Credentials& credentials = auth_->credentials;
    if (setting.first == "auth") {
      const std::optional<Mechanism> mechanism = mechanism_from_name(setting.second);
      if (!mechanism && setting.second != "auto") return bad(setting, "a mechanism or auto");
      auth_->mechanism = mechanism.value_or(Mechanism::Auto);
    } else if (setting.first == "user") {
      credentials.username = setting.second;
    } else if (setting.first == "password") {
      credentials.password = setting.second;
    } else if (setting.first == "token") {
      credentials.token = setting.second;
    } else {
      if (setting.second != "yes") return bad(setting, "yes");
      auth_->without_verified_tls = true;
    }
    return {};
  }

  Result<void> take_command(const Setting& setting) {
    std::vector<RawCommand>& commands = plan_.dialogue.commands;
    if (setting.first == "command") {
      commands.push_back({setting.second, std::nullopt});
      return {};
    }
    if (commands.empty() || commands.back().expected) return bad(setting, "a command before it");
    Result<ReplyRegex> regex = ReplyRegex::compile(setting.second);
    if (!regex) return Unexpected(regex.error());
    commands.back().expected = std::move(*regex);
    return {};
  }

  ProbePlan plan_;
  std::optional<AuthPlan> auth_;
  std::optional<Step> until_;
};

Result<void> take_outcome(ExpectedOutcome& outcome, const Setting& setting) {
  const auto& [key, value] = setting;
  if (key == "state") {
    const std::optional<State> state = state_from_name(value);
    if (!state) return bad(setting, "a state");
    outcome.state = *state;
  } else if (key == "step") {
    outcome.step = step_from_name(value);
    if (!outcome.step) return bad(setting, "a step");
  } else if (key == "reason") {
    outcome.reason = reason_from_name(value);
    if (!outcome.reason) return bad(setting, "a reason");
  } else if (key == "code") {
    outcome.code = number(value);
    if (!outcome.code) return bad(setting, "a reply code, 0 for none");
  } else if (key == "status") {
    outcome.status = parse_enhanced_status(value);
    if (!outcome.status) return bad(setting, "an enhanced status");
  } else if (key == "note") {
    outcome.notes = words(value);
  } else if (key == "text") {
    outcome.text = value;
  } else {
    return bad(setting, "state, step, reason, code, status, note or text");
  }
  return {};
}

std::string step_text(std::optional<Step> step) {
  return step ? std::string(step_name(*step)) : "none";
}

}  // namespace

Result<ProbePlan> plan_of(const Transcript& transcript) { return PlanReader().read(transcript); }

Result<ExpectedOutcome> outcome_of(const Transcript& transcript) {
  ExpectedOutcome outcome;
  bool has_state = false;
  for (const Setting& setting : transcript.outcome) {
    const Result<void> taken = take_outcome(outcome, setting);
    if (!taken) return error(fmt::format("{}: outcome: {}", transcript.name, taken.error().text));
    has_state = has_state || setting.first == "state";
  }
  if (!has_state) return error(transcript.name + ": outcome: a state is wanted");
  if (outcome.state != State::Ok && (!outcome.step || !outcome.reason)) {
    return error(transcript.name + ": outcome: with such a state a step and a reason are wanted");
  }
  return outcome;
}

std::vector<std::string> compare(const ExpectedOutcome& expected, const ProbePlan& plan,
                                 const ProbeResult& result) {
  std::vector<std::string> differences;
  const auto differ = [&differences](std::string_view what, std::string_view wanted,
                                     std::string_view got) {
    if (wanted != got) {
      differences.push_back(fmt::format("{}: wanted {}, got {}", what, wanted, got));
    }
  };
  const Verdict verdict = judge(plan, result);
  const Finding* first = verdict.findings.empty() ? nullptr : &verdict.findings.front();
  differ("state", state_name(expected.state), state_name(verdict.state));
  differ("reason", reason_name(expected.reason.value_or(Reason::None)),
         reason_name(first ? first->reason : Reason::None));
  if (first) differ("step", step_text(expected.step), step_text(first->step));

  const StepRecord* record = expected.step ? result.step(*expected.step) : nullptr;
  const Reply* reply = result.failure && result.failure->reply ? &*result.failure->reply
                       : record && record->reply               ? &*record->reply
                                                               : nullptr;
  if (expected.code) {
    differ("code", std::to_string(*expected.code), std::to_string(reply ? reply->code : 0));
  }
  if (expected.status) {
    const bool has = reply && reply->status;
    differ("status", to_string(*expected.status), has ? to_string(*reply->status) : "none");
  }
  const std::vector<std::string_view> notes = note_names(result.notes);
  for (const std::string& note : expected.notes) {
    if (std::find(notes.begin(), notes.end(), note) == notes.end()) {
      differences.push_back("note " + note + ": missing");
    }
  }
  std::string said = first ? first->text : "";
  if (result.failure) said += '\n' + result.failure->detail;
  if (said.find(expected.text) == std::string::npos) {
    differences.push_back(fmt::format("text: wanted \"{}\", got \"{}\"", expected.text, said));
  }
  return differences;
}

}  // namespace smtpprobe
