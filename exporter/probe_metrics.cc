#include "exporter/probe_metrics.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <initializer_list>
#include <map>

#include "common/net/socket_address.h"
#include "common/probe/printable.h"

namespace smtpprobe {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

struct Metric {
  const char* name;
  const char* help;
};

// The one table of them, in the order of the exposition.
constexpr Metric kSuccess = {"probe_success", "1 when the probe is OK or WARNING, else 0."};
constexpr Metric kDuration = {"probe_duration_seconds",
                              "How long the probe took, without the wait for its turn."};
constexpr Metric kTimeout = {"probe_timeout_seconds", "How long the probe was allowed to take."};
constexpr Metric kLookup = {"probe_dns_lookup_time_seconds",
                            "How long the name resolution took; 0 for an address."};
constexpr Metric kIpProtocol = {"probe_ip_protocol", "4 or 6; 0 where no address was tried."};
constexpr Metric kIpHash = {"probe_ip_addr_hash",
                            "FNV-1a hash of the address; it changes when the address does."};
constexpr Metric kState = {"probe_smtp_state",
                           "0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN: the check's exit code."};
constexpr Metric kFailedAddresses = {
    "probe_smtp_failed_addresses",
    "Addresses that did not connect before one did, or until none was left."};
constexpr Metric kStepDuration = {
    "probe_smtp_step_duration_seconds",
    "The server's and the network's time at each planned step; 0 where it was not reached."};
constexpr Metric kStepCode = {"probe_smtp_step_reply_code",
                              "Reply code of each planned step; 0 where there was none."};
constexpr Metric kStepStatus = {"probe_smtp_step_enhanced_status_info",
                                "Enhanced status code of the reply at a step (RFC 3463)."};
constexpr Metric kFailure = {"probe_failure_info",
                             "Step and reason of the first finding of a probe that is not OK."};
constexpr Metric kExtension = {
    "probe_smtp_extension_offered",
    "Whether EHLO offered the extension, after TLS where there was TLS."};
constexpr Metric kSizeLimit = {"probe_smtp_size_limit_bytes",
                               "Largest message that SIZE allows (RFC 1870); 0 is no fixed limit."};
constexpr Metric kTls = {"probe_smtp_tls", "Whether the session was encrypted."};
constexpr Metric kTlsVerified = {"probe_smtp_tls_verified",
                                 "Whether the certificate's chain and name were checked and good."};
constexpr Metric kEarliestExpiry = {
    "probe_ssl_earliest_cert_expiry",
    "When the first of the server's certificates expires, in seconds since the epoch."};
constexpr Metric kChainExpiry = {"probe_ssl_last_chain_expiry_timestamp_seconds",
                                 "When the verified chain expires, in seconds since the epoch."};
constexpr Metric kChainInfo = {"probe_ssl_last_chain_info", "The server's own certificate."};
constexpr Metric kTlsVersion = {"probe_tls_version_info", "The TLS version of the session."};
constexpr Metric kTlsCipher = {"probe_tls_cipher_info", "The cipher of the session, IANA's name."};

double seconds(Duration duration) { return std::chrono::duration<double>(duration).count(); }

double epoch_seconds(WallTime time) { return static_cast<double>(time.time_since_epoch().count()); }

class Families {
 public:
  Families() { families_.reserve(24); }

  // A family of which so many samples follow.
  void begin(const Metric& metric, std::size_t samples) {
    families_.push_back({metric.name, metric.help, MetricType::Gauge, {}});
    families_.back().metric.reserve(samples);
  }
  void add(const Metric& metric, double value,
           std::initializer_list<std::pair<std::string_view, std::string_view>> labels = {}) {
    if (families_.empty() || families_.back().name != metric.name) begin(metric, 1);
    ClientMetric& sample = families_.back().metric.emplace_back();
    sample.gauge.value = value;
    sample.label.reserve(labels.size());
    for (const auto& [name, text] : labels)
      sample.label.push_back({std::string(name), std::string(text)});
  }
  std::vector<MetricFamily> take() { return std::move(families_); }

 private:
  std::vector<MetricFamily> families_;
};

// blackbox_exporter's: FNV-1a, 32 bits, of the address's bytes.
double address_hash(const std::string& literal) {
  const auto address = SocketAddress::from_literal(literal, 0);
  if (!address) return 0;
  const auto bytes = address->ip_bytes();
  const std::size_t size = address->ip_version() == 4 ? 4 : 16;
  std::uint32_t hash = 2166136261U;
  for (std::size_t i = 0; i < size; ++i) hash = (hash ^ bytes[i]) * 16777619U;
  return hash;
}

std::vector<Step> steps_of(const ProbePlan& plan) {
  std::vector<Step> steps = planned_steps(plan.dialogue);
  steps.insert(steps.begin(), {Step::Resolve, Step::Connect});
  return steps;
}

void add_summary(Families& families, const ProbeRecord& record) {
  const ProbeResult& result = record.result;
  const State state = record.verdict.state;
  families.add(kSuccess, state == State::Ok || state == State::Warning ? 1 : 0);
  families.add(kDuration, seconds(record.duration));
  families.add(kTimeout, seconds(record.timeout));
  const StepRecord* resolve = result.step(Step::Resolve);
  families.add(kLookup, resolve != nullptr ? seconds(resolve->took) : 0);
  families.add(kIpProtocol, result.endpoint.ip_version);
  families.add(kIpHash,
               result.endpoint.ip_version == 0 ? 0 : address_hash(result.endpoint.address));
  families.add(kState, static_cast<int>(state));
  families.add(kFailedAddresses, static_cast<double>(result.failed_attempts.size()));
}

void add_steps(Families& families, const ProbeRecord& record) {
  const std::vector<Step> steps = steps_of(*record.plan);
  families.begin(kStepDuration, steps.size());
  for (const Step step : steps) {
    const StepRecord* ran = record.result.step(step);
    families.add(kStepDuration, ran != nullptr ? seconds(ran->took) : 0,
                 {{"step", step_name(step)}});
  }
  families.begin(kStepCode, steps.size());
  for (const Step step : steps) {
    const StepRecord* ran = record.result.step(step);
    families.add(kStepCode, ran != nullptr && ran->reply ? ran->reply->code : 0,
                 {{"step", step_name(step)}});
  }
  for (const StepRecord& ran : record.result.steps) {
    if (ran.reply && ran.reply->status)
      families.add(kStepStatus, 1,
                   {{"step", step_name(ran.step)}, {"status", to_string(*ran.reply->status)}});
  }
  if (!record.verdict.findings.empty()) {
    const Finding& first = record.verdict.findings.front();
    families.add(kFailure, 1,
                 {{"step", step_name(first.step)}, {"reason", reason_name(first.reason)}});
  }
}

// Only where a server has told what it offers: a host that is down has not lost its STARTTLS.
void add_extensions(Families& families, const ProbeResult& result) {
  const StepRecord* ehlo = result.step(Step::Ehlo);
  const bool told =
      result.extensions || (ehlo != nullptr && ehlo->reply && ehlo->reply->code == 250);
  if (!told) return;
  const Extensions offered = result.extensions.value_or(Extensions());
  for (const std::string_view keyword : known_extensions())
    families.add(kExtension, offered.offers(keyword) ? 1 : 0, {{"extension", keyword}});
  if (const auto limit = offered.size_limit())
    families.add(kSizeLimit, static_cast<double>(*limit));
}

double earliest_end(const std::vector<Certificate>& chain) {
  WallTime end = chain.front().not_after;
  for (const Certificate& one : chain) end = std::min(end, one.not_after);
  return epoch_seconds(end);
}

std::string field(std::string_view raw) { return printable(raw, kCertificateTextBytes); }

// Lower case, whole bytes: as blackbox_exporter has it.
std::string serial_number(std::string serial) {
  for (char& digit : serial) {
    if (digit >= 'A' && digit <= 'F') digit = static_cast<char>(digit - 'A' + 'a');
  }
  if (serial.size() % 2 == 1) serial.insert(0, 1, '0');
  return field(serial);
}

std::string dns_names(const Certificate& certificate) {
  std::string names;
  for (const std::string& name : certificate.names) {
    if (!name.starts_with("DNS:")) continue;
    if (!names.empty()) names += ',';
    names += name.substr(4);
  }
  return field(names);
}

// "TLSv1.3" in the words of Go's tools: "TLS 1.3".
std::string version_words(const std::string& version) {
  if (!version.starts_with("TLSv")) return field(version);
  const std::string number = version.substr(4);
  return "TLS " + (number == "1" ? "1.0" : field(number));
}

void add_tls(Families& families, const ProbeResult& result) {
  const bool encrypted = result.tls && result.tls->established();
  families.add(kTls, encrypted ? 1 : 0);
  families.add(kTlsVerified, encrypted && result.tls->verified() ? 1 : 0);
  if (!result.tls) return;
  const TlsFacts& tls = *result.tls;
  if (!tls.chain.empty()) {
    families.add(kEarliestExpiry, earliest_end(tls.chain));
    if (!tls.verified_chain.empty()) families.add(kChainExpiry, earliest_end(tls.verified_chain));
    const Certificate& own = tls.chain.front();
    families.add(kChainInfo, 1,
                 {{"fingerprint_sha256", field(own.fingerprint_sha256)},
                  {"subject", field(own.subject)},
                  {"issuer", field(own.issuer)},
                  {"subjectalternative", dns_names(own)},
                  {"serialnumber", serial_number(own.serial)}});
  }
  if (!tls.established()) return;
  families.add(kTlsVersion, 1, {{"version", version_words(tls.version)}});
  families.add(kTlsCipher, 1,
               {{"cipher", field(tls.cipher_iana.empty() ? tls.cipher : tls.cipher_iana)}});
}

}  // namespace

std::vector<MetricFamily> probe_families(const ProbeRecord& record) {
  Families families;
  add_summary(families, record);
  add_steps(families, record);
  add_extensions(families, record.result);
  add_tls(families, record.result);
  return families.take();
}

std::vector<MetricFamily> labelled_families(
    std::span<const std::shared_ptr<const ProbeRecord>> records) {
  std::vector<MetricFamily> merged;
  std::map<std::string, std::size_t> places;
  for (const auto& record : records) {
    for (MetricFamily& family : probe_families(*record)) {
      const auto [place, is_new] = places.emplace(family.name, merged.size());
      if (is_new) merged.push_back({family.name, family.help, family.type, {}});
      for (ClientMetric& sample : family.metric) {
        sample.label.push_back({"target", record->target});
        sample.label.push_back({"module", record->module});
        merged[place->second].metric.push_back(std::move(sample));
      }
    }
  }
  return merged;
}

}  // namespace smtpprobe
