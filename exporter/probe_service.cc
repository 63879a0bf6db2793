#include "exporter/probe_service.h"

#include <fmt/format.h>

#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/system/system_error.hpp>
#include <utility>

#include "common/net/prober.h"
#include "common/probe/printable.h"
#include "common/probe/verdict.h"
#include "exporter/log.h"

namespace smtpprobe {
namespace asio = boost::asio;
namespace {

// What an interrupted probe needs at least to begin again.
constexpr auto kLeastForAttempt = std::chrono::seconds(1);

Instant now() { return std::chrono::steady_clock::now(); }

// Without a moment to look there is nothing to be said of the server.
void tell_no_time_left(const ProbePlan& plan, ProbeResult& result) {
  result.began = result.ended = now();
  result.started = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
  result.endpoint.host = plan.target.host;
  result.failure = Failure{Step::Resolve, Reason::ProbeRejected,
                           "the scrape's timeout leaves no time for a probe", std::nullopt};
}

// For a probe of another client. What was found so far says nothing of the server.
void report_interruption(const std::string& why, ProbeResult& result) {
  ProbeResult rejected;
  rejected.began = result.began;
  rejected.ended = now();
  rejected.started = result.started;
  rejected.endpoint = std::move(result.endpoint);
  rejected.failure = Failure{Step::Resolve, Reason::ProbeRejected, why, std::nullopt};
  result = std::move(rejected);
}

// Another client's probe, or the queue of its own ones, took the place of this one.
bool lost_its_place(const TurnClaim* claim) {
  return claim != nullptr && (claim->refusal != TurnClaim::Refusal::None ||
                              (claim->interrupt && claim->interrupt->requested()));
}

// Whether an interrupted probe has a right to another attempt, and time for it.
bool begins_again(TurnClaim& claim, const ProbeResult& result) {
  if (!claim.interrupt->may_repeat()) return false;
  const Instant began = claim.begins_again() ? claim.first_began : result.began;
  if (began + claim.timeout - now() < kLeastForAttempt) return false;
  claim.first_began = began;
  claim.refusal = TurnClaim::Refusal::None;
  claim.interrupt->begin_next_attempt();
  return true;
}

void write_log(const ProbeRecord& record, std::uint64_t client) {
  const bool good = record.verdict.findings.empty();
  const LogLevel level = good ? LogLevel::Debug : LogLevel::Warn;
  if (!log_enabled(level)) return;
  const std::string seconds =
      fmt::format("{:.6f}", std::chrono::duration<double>(record.duration).count());
  const std::string id = std::to_string(record.id);
  const std::string address = printable(record.result.endpoint.address, kReplyTextBytes);
  const std::string failed = std::to_string(record.result.failed_attempts.size());
  if (good) {
    log(level, "probe went well",
        {{"target", record.target},
         {"module", record.module},
         {"address", address},
         {"failed_addresses", failed},
         {"seconds", seconds},
         {"id", id}});
    return;
  }
  const Finding& first = record.verdict.findings.front();
  const std::string event = record.verdict.state == State::Warning ? "probe warns" : "probe failed";
  const std::string reason(reason_name(first.reason));
  log_limited(LogKind::Probe, level, client, {event, record.target, reason},
              {{"target", record.target},
               {"module", record.module},
               {"state", std::string(state_label(record.verdict.state))},
               {"step", std::string(step_name(first.step))},
               {"reason", reason},
               {"text", first.text},
               {"address", address},
               {"failed_addresses", failed},
               {"seconds", seconds},
               {"id", id}});
}

}  // namespace

ProbeService::Admission::Admission(ProbeService& service, const HttpClient& client, EventLoop& loop)
    : probe_(new Admitted{service, {}, {}, nullptr}) {
  if (client.cancel != nullptr)
    probe_->claim.interrupt = std::make_shared<Interrupt>(loop.executor(), *client.cancel);
  probe_->gone = client.gone;
  probe_->claim.client = probe_->share.client = client.id;
  probe_->share.interrupt = probe_->claim.interrupt.get();
  if (service.shares_.enter(probe_->share)) ++service.metrics_.probes_in_flight;
}

ProbeService::Admission::~Admission() {
  if (!probe_) return;
  probe_->service.shares_.leave(probe_->share);
  if (probe_->claim.interrupt) probe_->claim.interrupt->close();
  if (probe_->share.entered) --probe_->service.metrics_.probes_in_flight;
}

ProbeService::Admission ProbeService::admit(EventLoop& loop, const HttpClient& client) {
  if (!draining()) {
    Admission admission(*this, client, loop);
    if (admission) return admission;
  }
  metrics_.probes_rejected.fetch_add(1);
  return {};
}

asio::awaitable<std::shared_ptr<const ProbeRecord>> ProbeService::run(EventLoop& loop,
                                                                      const ProbeOrder& order,
                                                                      const Admission* admission) {
  auto record = std::make_shared<ProbeRecord>();
  record->target = order.plan->target.text(order.plan->port);
  record->module = order.module->module.name;
  record->timeout = order.timeout;
  record->plan = order.plan;
  if (order.timeout <= Duration::zero()) {
    tell_no_time_left(*record->plan, record->result);
  } else {
    TurnClaim* const claim = admission != nullptr ? &admission->probe_->claim : nullptr;
    if (claim != nullptr) claim->timeout = order.timeout;
    const Restraint restraint{&turns_, &loop.starts(), &loop.handshakes(), claim, &texts_};
    while (true) {
      bool cancelled = false;
      try {
        auto probing =
            probe_into(record->result, record->plan, order.module->tls, loop.resolver(), restraint);
        co_await std::move(probing);
      } catch (const boost::system::system_error& ended) {
        if (ended.code() != asio::error::operation_aborted) throw;
        cancelled = true;
      }
      // A wait that was cancelled may look like one whose time was over.
      const bool interrupted =
          claim != nullptr && claim->interrupt && claim->interrupt->requested();
      const bool gone = admission != nullptr && admission->client_has_gone();
      if (!cancelled && !interrupted && !gone) break;
      // The client has gone, and the server has done nothing wrong.
      if (!interrupted || gone) throw boost::system::system_error(asio::error::operation_aborted);
      co_await asio::this_coro::reset_cancellation_state();
      if (!begins_again(*claim, record->result)) {
        report_interruption(claim->interrupt->why(), record->result);
        break;
      }
      record->result = ProbeResult();
      record->result.interruptions = claim->interrupt->attempt();
    }
    if (lost_its_place(claim)) metrics_.probes_rejected.fetch_add(1);
    if (claim != nullptr && claim->interrupt) claim->interrupt->close();
  }
  record->duration = record->result.ended - record->result.began - record->result.waited;
  record->verdict = judge(*record->plan, record->result);
  record->id = ++made_ * loops_ + loop.index();
  order.module->counts->count(*record);
  if (record->result.unstamped) metrics_.unstamped_probes.fetch_add(1, std::memory_order_relaxed);
  write_log(*record, admission != nullptr ? admission->probe_->claim.client : 0);
  loop.history().add(record);
  co_return record;
}

}  // namespace smtpprobe
