#include "common/net/probe_once.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <exception>
#include <memory>
#include <utility>

#include "common/net/prober.h"
#include "common/net/resolver.h"
#include "common/net/tls_context.h"
#include "common/smtp/message.h"
#include "common/smtp/sasl.h"

namespace smtpprobe {
namespace {

// What would fail for a reason of ours in the middle of the session.
Result<void> check_means(const ProbePlan& plan) {
  if (plan.dialogue.until == Step::Message && plan.message) {
    Result<void> message = check_message(*plan.message);
    if (!message) return message;
  }
  const std::optional<AuthPlan>& auth = plan.dialogue.auth;
  if (auth && auth->mechanism != Mechanism::Auto) {
    std::string why;
    if (!make_sasl_client(auth->mechanism, auth->credentials, &why))
      return error(std::string(mechanism_name(auth->mechanism)) + " cannot be had: " + why);
  }
  return {};
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

  boost::asio::io_context context(1);
  CaresResolver resolver(context.get_executor());
  std::vector<ProbeResult> results;
  std::exception_ptr thrown;
  boost::asio::co_spawn(context, probe(plan, std::move(tls), resolver),
                        [&results, &thrown](std::exception_ptr failure, ProbeResult result) {
                          thrown = std::move(failure);
                          results.push_back(std::move(result));
                        });
  context.run();
  if (thrown) std::rethrow_exception(thrown);
  return results;
}

}  // namespace smtpprobe
