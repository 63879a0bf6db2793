#include "exporter/plan_bytes.h"

#include <string>
#include <vector>

namespace smtpprobe {
namespace {

constexpr std::size_t kNodeBytes = 48;  // of a map, beside what it holds

// Short strings are inside their objects, and counted all the same.
std::size_t bytes_of(const std::vector<std::string>& texts) {
  std::size_t bytes = 0;
  for (const std::string& text : texts) bytes += sizeof(std::string) + text.size();
  return bytes;
}

std::size_t bytes_of(const TlsPlan& tls) {
  return tls.server_name.size() + tls.ca_file.size() + tls.ca_path.size() + tls.cert_file.size() +
         tls.key_file.size();
}

std::size_t bytes_of(const MessagePlan& message) {
  std::size_t bytes = message.subject.size() + message.body.size();
  for (const auto& [name, value] : message.headers)
    bytes += 2 * sizeof(std::string) + name.size() + value.size();
  return bytes;
}

std::size_t bytes_of(const DialoguePlan& dialogue) {
  std::size_t bytes = dialogue.helo_name.size() + dialogue.message.size() + bytes_of(dialogue.to);
  if (dialogue.from) bytes += dialogue.from->size();
  if (dialogue.expect_banner) bytes += dialogue.expect_banner->size();
  if (dialogue.auth) {
    const Credentials& secret = dialogue.auth->credentials;
    bytes +=
        secret.username.size() + secret.password.size() + secret.token.size() + secret.host.size();
  }
  for (const ReplyRegex& regex : dialogue.greylisting_patterns)
    bytes += sizeof regex + regex.pattern().size();
  for (const Step step : kSteps) {
    const auto& expected = dialogue.expect[step];
    if (!expected.empty()) bytes += kNodeBytes + expected.size() * sizeof expected.front();
  }
  return bytes;
}

}  // namespace

std::size_t bytes_of(const ProbePlan& plan) {
  std::size_t bytes = sizeof plan + plan.target.host.size() + plan.target.unix_path.size() +
                      plan.source_address.size() + bytes_of(plan.tls) + bytes_of(plan.dialogue) +
                      bytes_of(plan.require_extensions) + bytes_of(plan.forbid_extensions);
  if (plan.message) bytes += bytes_of(*plan.message);
  // Thresholds are few: as if each step had some.
  return bytes + kStepCount * (kNodeBytes + sizeof(Thresholds)) / 4;
}

}  // namespace smtpprobe
