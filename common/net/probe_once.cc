#include "common/net/probe_once.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/system/system_error.hpp>
#include <chrono>
#include <exception>
#include <memory>
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

void run(const ProbePlan& plan, std::shared_ptr<const TlsContext> tls,
         std::vector<ProbeResult>& results) {
  boost::asio::io_context context(1);
  CaresResolver resolver(context.get_executor());
  std::exception_ptr thrown;
  boost::asio::co_spawn(context,
                        probe(std::make_shared<const ProbePlan>(plan), std::move(tls), resolver),
                        [&results, &thrown](std::exception_ptr failure, ProbeResult result) {
                          thrown = std::move(failure);
                          results.push_back(std::move(result));
                        });
  context.run();
  if (thrown) std::rethrow_exception(thrown);
}

}  // namespace

Result<std::vector<ProbeResult>> probe_once(const ProbePlan& plan) {
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
    run(plan, std::move(tls), results);
  } catch (const boost::system::system_error& lacking) {
    results.assign(1, not_begun(plan, lacking.code().message()));
  }
  return results;
}

}  // namespace smtpprobe
