#include "common/probe/result.h"

#include <algorithm>
#include <chrono>

namespace smtpprobe {
namespace {

int weight(Reason reason) {
  switch (reason) {
    case Reason::ConnectionRefused:
    case Reason::ConnectionReset:
      return 3;
    case Reason::ConnectTimeout:
      return 2;
    case Reason::LocalError:
      return 0;
    default:
      return 1;
  }
}

}  // namespace

std::size_t most_telling(const std::vector<AddressAttempt>& attempts) {
  const auto found = std::max_element(attempts.begin(), attempts.end(),
                                      [](const AddressAttempt& a, const AddressAttempt& b) {
                                        return weight(a.reason) < weight(b.reason);
                                      });
  return static_cast<std::size_t>(found - attempts.begin());
}

const StepRecord* ProbeResult::step(Step step) const {
  const auto found =
      std::find_if(steps.begin(), steps.end(), [&](const StepRecord& s) { return s.step == step; });
  return found == steps.end() ? nullptr : &*found;
}

Duration ProbeResult::response_time() const {
  std::optional<Instant> last;
  for (const StepRecord& record : steps) {
    if (record.step == Step::Quit) continue;
    last = last ? std::max(*last, record.ended) : record.ended;
  }
  return last.value_or(ended) - began - waited;
}

std::optional<double> ProbeResult::cert_days_left() const {
  if (!tls) return std::nullopt;
  const std::vector<Certificate>& chain = tls->judged_chain();
  if (chain.empty()) return std::nullopt;
  const auto first = std::min_element(
      chain.begin(), chain.end(),
      [](const Certificate& a, const Certificate& b) { return a.not_after < b.not_after; });
  using Days = std::chrono::duration<double, std::chrono::days::period>;
  return Days(first->not_after - started).count();
}

}  // namespace smtpprobe
