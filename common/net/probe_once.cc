#include "common/net/probe_once.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <exception>
#include <memory>
#include <utility>

#include "common/net/prober.h"
#include "common/net/resolver.h"
#include "common/net/tls_context.h"

namespace smtpprobe {
Result<std::vector<ProbeResult>> probe_once(const ProbePlan& plan) {
  const Result<void> means = check_means(plan);
  if (!means) return tl::make_unexpected(means.error());
  std::shared_ptr<const TlsContext> tls;
  if (plan.dialogue.tls != TlsMode::Off) {
    auto made = TlsContext::create(plan.tls, effective_verify(plan, false));
    if (!made) return tl::make_unexpected(made.error());
    tls = std::move(*made);
  }

  boost::asio::io_context context(1);
  CaresResolver resolver(context.get_executor());
  std::vector<ProbeResult> results;
  std::exception_ptr thrown;
  boost::asio::co_spawn(context,
                        probe(std::make_shared<const ProbePlan>(plan), std::move(tls), resolver),
                        [&results, &thrown](std::exception_ptr failure, ProbeResult result) {
                          thrown = std::move(failure);
                          results.push_back(std::move(result));
                        });
  context.run();
  if (thrown) std::rethrow_exception(thrown);
  return results;
}

}  // namespace smtpprobe
