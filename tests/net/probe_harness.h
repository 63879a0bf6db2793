// Runs one probe on an io_context of its own, bounded in time, with a resolver that knows what the
// test tells it.
#pragma once

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/net/prober.h"
#include "common/net/resolver.h"
#include "common/net/tls_context.h"
#include "tests/fake_server/fake_server.h"

namespace smtpprobe {

class FixedResolver : public Resolver {
 public:
  explicit FixedResolver(Resolved answer = {{}, Reason::DnsNxdomain, "not to be asked"})
      : answer_(std::move(answer)) {}

  boost::asio::awaitable<Resolved> resolve(std::string name, IpChoice, Instant,
                                           DnsSettings) override {
    asked_.push_back(std::move(name));
    co_return answer_;
  }
  const std::vector<std::string>& asked() const { return asked_; }

 private:
  Resolved answer_;
  std::vector<std::string> asked_;
};

inline ProbePlan plan_for_port(int port, std::string host = "127.0.0.1") {
  ProbePlan plan;
  plan.target.host = std::move(host);
  plan.port = port;
  plan.dialogue.helo_name = "probe.test";
  plan.timeout = std::chrono::seconds(5);
  return plan;
}

inline ProbePlan plan_for_server(const FakeServer& server) { return plan_for_port(server.port()); }

// `before` is called when all is set up and nothing has run.
inline ProbeResult run_probe(const ProbePlan& plan, Resolver& resolver,
                             const std::function<void()>& before = {},
                             AddressTurns* turns = nullptr) {
  std::shared_ptr<const TlsContext> tls;
  if (plan.dialogue.tls != TlsMode::Off) {
    auto made = TlsContext::create(plan.tls, effective_verify(plan, false));
    if (!made) {
      ADD_FAILURE() << made.error().text;
      return {};
    }
    tls = *made;
  }
  boost::asio::io_context context(1);
  const boost::asio::steady_timer opens_the_reactor(context);
  std::optional<ProbeResult> result;
  boost::asio::co_spawn(context,
                        probe(std::make_shared<const ProbePlan>(plan), tls, resolver, {turns}),
                        [&result](const std::exception_ptr& thrown, ProbeResult got) {
                          if (!thrown) result = std::move(got);
                        });
  if (before) before();
  context.run_for(plan.timeout + std::chrono::seconds(5));
  if (!result) {
    ADD_FAILURE() << "the probe did not end";
    return {};
  }
  return std::move(*result);
}

inline ProbeResult run_probe(const ProbePlan& plan) {
  FixedResolver resolver;
  ProbeResult result = run_probe(plan, resolver);
  EXPECT_TRUE(resolver.asked().empty());
  return result;
}

inline std::vector<Step> step_names(const ProbeResult& result) {
  std::vector<Step> steps;
  for (const StepRecord& record : result.steps) steps.push_back(record.step);
  return steps;
}

// A wait of `wanted` seconds: not shorter, and on a busy machine not much longer.
inline void expect_wait(double seconds, double wanted) {
  EXPECT_GE(seconds, wanted - 0.05);
  EXPECT_LE(seconds, wanted + 0.6);
}

// The failure as one line: "banner timeout no banner in 0.3 s".
inline std::string failure_of(const ProbeResult& result) {
  if (!result.failure) return {};
  const Failure& failure = *result.failure;
  return std::string(step_name(failure.step)) + " " + std::string(reason_name(failure.reason)) +
         (failure.detail.empty() ? "" : " " + failure.detail);
}

inline double seconds_of(Duration duration) {
  return std::chrono::duration<double>(duration).count();
}

}  // namespace smtpprobe
