#include "common/net/probe_once.h"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/system/system_error.hpp>
#include <chrono>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "common/net/prober.h"
#include "common/net/resolver.h"
#include "common/net/tls_context.h"

namespace smtpprobe {
namespace {

// What Asio waits with, too, is descriptors.
ProbeResult not_begun(const ProbePlan& plan, const std::string& why) {
  ProbeResult result;
  result.began = result.ended = std::chrono::steady_clock::now();
  result.started = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
  result.endpoint.host = plan.target.host;
  result.endpoint.port = plan.target.unix_path.empty() ? plan.port : 0;
  result.failure =
      Failure{Step::Resolve, Reason::LocalError, "no probe can be made here: " + why, std::nullopt};
  return result;
}

// Ends what is bound to `slot()` as soon as a descriptor of somebody else's becomes readable.
class Interrupt {
 public:
  Interrupt(boost::asio::io_context& context, int fd) {
    if (fd < 0) return;
    watched_.emplace(context, fd);
    watched_->async_wait(boost::asio::posix::descriptor_base::wait_read,
                         [this](const boost::system::error_code& failure) {
                           if (failure) return;
                           came_ = true;
                           signal_.emit(boost::asio::cancellation_type::terminal);
                         });
  }
  ~Interrupt() {
    if (watched_) watched_->release();
  }
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  boost::asio::cancellation_slot slot() { return signal_.slot(); }
  bool came() const { return came_; }
  // Nobody waits for it any more.
  void stop() {
    if (watched_) watched_->cancel();
  }

 private:
  std::optional<boost::asio::posix::stream_descriptor> watched_;
  boost::asio::cancellation_signal signal_;
  bool came_ = false;
};

void run(const ProbePlan& plan, std::shared_ptr<const TlsContext> tls, int interrupt_fd,
         std::vector<ProbeResult>& results) {
  boost::asio::io_context context(1);
  CaresResolver resolver(context.get_executor());
  Interrupt interrupt(context, interrupt_fd);
  std::exception_ptr thrown;
  boost::asio::co_spawn(
      context, probe(std::make_shared<const ProbePlan>(plan), std::move(tls), resolver),
      boost::asio::bind_cancellation_slot(
          interrupt.slot(),
          [&results, &thrown, &interrupt](std::exception_ptr failure, ProbeResult result) {
            thrown = std::move(failure);
            results.push_back(std::move(result));
            interrupt.stop();
          }));
  context.run();
  if (interrupt.came()) {
    results.clear();  // whatever a probe that was cut short has to say
  } else if (thrown) {
    std::rethrow_exception(thrown);
  }
}

}  // namespace

Result<std::vector<ProbeResult>> probe_once(const ProbePlan& plan, int interrupt) {
  const Result<void> means = check_means(plan);
  if (!means) return tl::make_unexpected(means.error());
  std::shared_ptr<const TlsContext> tls;
  if (plan.dialogue.tls != TlsMode::Off) {
    auto made = TlsContext::create(plan.tls, effective_verify(plan, false));
    if (!made) return tl::make_unexpected(made.error());
    tls = std::move(*made);
  }

  std::vector<ProbeResult> results;
  try {
    run(plan, std::move(tls), interrupt, results);
  } catch (const boost::system::system_error& lacking) {
    results.assign(1, not_begun(plan, lacking.code().message()));
  }
  return results;
}

}  // namespace smtpprobe
