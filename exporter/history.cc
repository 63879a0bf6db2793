#include "exporter/history.h"

#include <algorithm>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>

#include "exporter/plan_bytes.h"

namespace smtpprobe {
namespace {

// A record of this size is kept whole, whatever the limit is.
constexpr std::size_t kAlwaysKept = std::size_t{64} * 1024;

std::size_t bytes_of(const std::vector<std::string>& texts) {
  std::size_t bytes = 0;
  for (const std::string& text : texts) bytes += sizeof(std::string) + text.capacity();
  return bytes;
}

std::size_t bytes_of(const std::vector<Certificate>& chain) {
  std::size_t bytes = 0;
  for (const Certificate& one : chain)
    bytes += sizeof one + one.subject.size() + one.issuer.size() + one.serial.size() +
             one.fingerprint_sha256.size() + one.key.size() + one.signature.size() +
             bytes_of(one.names);
  return bytes;
}

std::size_t bytes_of(const Failure& failure) {
  return failure.detail.size() + (failure.reply ? bytes_of(failure.reply->lines) : 0);
}

void shorten(std::optional<Reply>& reply) {
  constexpr std::size_t kLines = 2;
  constexpr std::size_t kBytes = 200;
  if (!reply) return;
  reply->lines.resize(std::min(reply->lines.size(), kLines));
  for (std::string& line : reply->lines) line = line.substr(0, kBytes);
}

// What says how it ended, without what makes it large: a hostile server's texts.
History::Record short_copy_of(const ProbeRecord& record) {
  auto copy = std::make_shared<ProbeRecord>(record);
  ProbeResult& result = copy->result;
  result.transcript = {{TranscriptLine::Who::Probe, result.began,
                        "not kept, for this probe alone is larger than the history may be"}};
  for (StepRecord& step : result.steps) shorten(step.reply);
  if (result.failure) shorten(result.failure->reply);
  for (Failure& deviation : result.deviations) shorten(deviation.reply);
  result.extensions.reset();
  if (result.tls) {
    result.tls->verified_chain.clear();
    result.tls->chain.resize(std::min<std::size_t>(result.tls->chain.size(), 1));
  }
  return copy;
}

std::size_t bytes_of(const ProbeResult& result) {
  std::size_t bytes = sizeof result;
  for (const StepRecord& step : result.steps)
    bytes += sizeof step + step.detail.size() + (step.reply ? bytes_of(step.reply->lines) : 0);
  for (const TranscriptLine& line : result.transcript) bytes += sizeof line + line.text.size();
  for (const AddressAttempt& attempt : result.failed_attempts)
    bytes += sizeof attempt + attempt.detail.size();
  if (result.failure) bytes += bytes_of(*result.failure);
  for (const Failure& deviation : result.deviations)
    bytes += sizeof deviation + bytes_of(deviation);
  if (result.extensions) {
    for (const Extension& one : result.extensions->all())
      bytes += sizeof one + one.keyword.size() + one.parameter.size();
  }
  if (result.tls) bytes += bytes_of(result.tls->chain) + bytes_of(result.tls->verified_chain);
  return bytes;
}

}  // namespace

History::Record copy_of(const ProbeRecord& record) {
  auto copy = std::make_shared<ProbeRecord>(record);
  copy->plan = std::make_shared<const ProbePlan>(*record.plan);
  return copy;
}

std::size_t bytes_of(const ProbeRecord& record) {
  std::size_t bytes = sizeof record + record.target.size() + record.module.size();
  if (record.plan) {
    bytes += bytes_of(*record.plan);
  }
  for (const Finding& finding : record.verdict.findings)
    bytes += sizeof finding + finding.text.size();
  return bytes + bytes_of(record.result);
}

void History::add(Record record) {
  if (limits_.probes == 0) return;
  std::size_t bytes = bytes_of(*record);
  if (bytes > std::max(limits_.bytes, kAlwaysKept)) {
    record = short_copy_of(*record);
    bytes = bytes_of(*record);
  }
  recent_.push_back({std::move(record), bytes});
  bytes_ += bytes;
  while (recent_.size() > limits_.probes) push_out();
  while (bytes_ > limits_.bytes && recent_.size() + failed_.size() > 1) {
    if (failed_.empty() || recent_.size() > 1) {
      push_out();
    } else {
      bytes_ -= failed_.front().bytes;
      failed_.pop_front();
    }
  }
}

// The oldest of the recent: gone, or one of the failed.
void History::push_out() {
  Kept oldest = std::move(recent_.front());
  recent_.pop_front();
  if (oldest.record->verdict.state == State::Ok) {
    bytes_ -= oldest.bytes;
    return;
  }
  failed_.push_back(std::move(oldest));
  if (failed_.size() <= limits_.probes) return;
  bytes_ -= failed_.front().bytes;
  failed_.pop_front();
}

History::Record History::find(std::uint64_t id) const {
  for (const auto* list : {&recent_, &failed_}) {
    const auto found = std::find_if(list->begin(), list->end(),
                                    [id](const Kept& kept) { return kept.record->id == id; });
    if (found != list->end()) return found->record;
  }
  return nullptr;
}

void History::exchange(const std::vector<Record>& copies) {
  std::unordered_map<std::uint64_t, Record> by_id;
  for (const Record& copy : copies) by_id.emplace(copy->id, copy);
  for (auto* list : {&recent_, &failed_}) {
    for (Kept& kept : *list) {
      if (const auto copy = by_id.find(kept.record->id); copy != by_id.end())
        kept.record = copy->second;
    }
  }
}

std::vector<History::Record> History::all() const {
  std::vector<Record> records;
  for (const auto* list : {&recent_, &failed_}) {
    for (auto kept = list->rbegin(); kept != list->rend(); ++kept) records.push_back(kept->record);
  }
  return records;
}

}  // namespace smtpprobe
