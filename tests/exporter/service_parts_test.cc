// Small parts of the service: orders, descriptors, the exporter's own counts.
#include <gtest/gtest.h>

#include "exporter/descriptors.h"
#include "exporter/exposition.h"
#include "exporter/probe_order.h"
#include "exporter/self_metrics.h"
#include "tests/exporter/record_maker.h"

namespace smtpprobe {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

ProbeOrder order(const ServedModule& module, double scrape, const std::string& hostname = "") {
  Result<ProbeOrder> made =
      order_for(nullptr, module, *parse_target("mx.test"), hostname, scrape, milliseconds(500));
  if (made) return *made;
  ADD_FAILURE() << made.error().text;
  return {nullptr, &module, std::make_shared<const ProbePlan>(), {}};
}

ServedModule served(const std::string& name) {
  return {built_in_config().modules.find(name)->second, nullptr, nullptr};
}

TEST(ProbeOrder, HasTheScrapesTime) {
  ServedModule module = served("smtp");
  EXPECT_EQ(order(module, 10).timeout, milliseconds(9500));
  EXPECT_EQ(order(module, 0).timeout, milliseconds(119'500));
  EXPECT_EQ(order(module, 0.4).timeout, Duration::zero());
  EXPECT_EQ(order(module, 1e9).timeout, seconds(86'400));
  module.module.timeout = seconds(3);
  EXPECT_EQ(order(module, 10).timeout, seconds(3));
  EXPECT_EQ(order(module, 10).plan->timeout, seconds(3));
}

TEST(ProbeOrder, StretchesStepsWhereSomebodyNamedALimit) {
  ServedModule module = served("smtp");
  EXPECT_EQ(order(module, 0).plan->dialogue.limits.reply, StepLimits().reply);
  EXPECT_EQ(order(module, 60.5).plan->dialogue.limits.reply, seconds(60));
  module.module.timeout = seconds(30);
  EXPECT_EQ(order(module, 0).plan->dialogue.limits.reply, seconds(30));
}

TEST(ProbeOrder, TakesTheHostnameWhereTheModuleNamesNone) {
  ServedModule module = served("smtp_starttls");
  EXPECT_EQ(order(module, 0, "mail.test").plan->tls.server_name, "mail.test");
  module.module.plan.tls.server_name = "own.test";
  EXPECT_EQ(order(module, 0, "mail.test").plan->tls.server_name, "own.test");
}

TEST(ProbeOrder, LetsNobodyRenameAServerThatGetsCredentials) {
  ServedModule module = served("submission");
  AuthPlan& auth = module.module.plan.dialogue.auth.emplace();
  auth.credentials.username = "probe";
  auth.credentials.password = "secret";
  module.module.plan.dialogue.until = Step::Auth;
  module.module.auth_targets = {"mx.test:587"};
  EXPECT_EQ(order(module, 0, "evil.test").plan->tls.server_name, "");
}

TEST(ProbeOrder, RefusesWhatContradictsTheModule) {
  const ServedModule module = served("lmtp");
  EXPECT_FALSE(
      order_for(nullptr, module, *parse_target("smtp://mx.test"), "", 0, milliseconds(500)));
}

TEST(Capacity, IsAsWantedWhereThereIsRoom) {
  const Capacity capacity = capacity_of(1UL << 20, 4096, 12'288);
  EXPECT_EQ(capacity.probes, 4096);
  EXPECT_EQ(capacity.connections, 12'288U);
}

TEST(Capacity, ShrinksWithTheDescriptorsAndNeverToNothing) {
  for (const std::size_t descriptors :
       {0UL, 1UL, 63UL, 64UL, 65UL, 66UL, 128UL, 1024UL, 20'000UL}) {
    const Capacity capacity = capacity_of(descriptors, 4096, 12'288);
    EXPECT_GE(capacity.probes, 1) << descriptors;
    EXPECT_GE(capacity.connections, static_cast<std::size_t>(capacity.probes)) << descriptors;
    if (descriptors > kReservedDescriptors + 1) {
      EXPECT_LE(static_cast<std::size_t>(capacity.probes) + capacity.connections,
                descriptors - kReservedDescriptors)
          << descriptors;
    }
  }
  EXPECT_EQ(capacity_of(128, 4096, 12'288).probes, 32);
  EXPECT_EQ(capacity_of(20'000, 12'000, 12'288).probes, 9968);
}

TEST(Histogram, CountsUpToItsBounds) {
  Histogram histogram;
  histogram.observe(0.00005);
  histogram.observe(0.000051);
  histogram.observe(1000);
  const auto metric = histogram.metric().histogram;
  EXPECT_EQ(metric.sample_count, 3U);
  EXPECT_DOUBLE_EQ(metric.sample_sum, 1000.000101);
  ASSERT_GE(metric.bucket.size(), 20U);
  EXPECT_DOUBLE_EQ(metric.bucket[0].upper_bound, 0.00005);
  EXPECT_EQ(metric.bucket[0].cumulative_count, 1U);
  EXPECT_EQ(metric.bucket[1].cumulative_count, 2U);
  EXPECT_EQ(metric.bucket[19].cumulative_count, 2U);
}

TEST(SelfMetrics, CountProbesFailuresAndSteps) {
  SelfMetrics metrics;
  ModuleCounts& counts = metrics.of_module("rcpt");
  EXPECT_EQ(&counts, &metrics.of_module("rcpt"));
  counts.count(*refused_record());
  counts.count(*good_record());
  counts.count(*good_record());
  const std::string text = exposition(metrics.families());
  for (const char* line :
       {"smtp_probe_exporter_probes_total{module=\"rcpt\",state=\"ok\"} 2",
        "smtp_probe_exporter_probes_total{module=\"rcpt\",state=\"critical\"} 1",
        "smtp_probe_exporter_probe_failures_total{module=\"rcpt\",step=\"rcpt\",reason=\"reply_"
        "5xx\"} 1",
        "smtp_probe_exporter_step_duration_seconds_count{module=\"rcpt\",step=\"banner\"} 3",
        "# TYPE smtp_probe_exporter_step_duration_seconds histogram",
        "# TYPE smtp_probe_exporter_probes_total counter",
        "smtp_probe_exporter_probes_in_flight 0"})
    EXPECT_NE(text.find(line), std::string::npos) << line << "\n" << text;
}

}  // namespace
}  // namespace smtpprobe
