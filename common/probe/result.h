// What came of probing one endpoint: one value, always returned, apart from its rendering. A target
// may lead to several endpoints and so to several results.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "common/probe/plan.h"
#include "common/probe/tls_facts.h"
#include "common/smtp/dialogue.h"
#include "common/smtp/extensions.h"
#include "common/smtp/time.h"

namespace smtpprobe {

struct Endpoint {
  std::string host;  // as asked for; empty for a unix socket
  std::string
      address;   // "192.0.2.1", "2001:db8::1" or the socket's path; empty when nothing resolved
  int port = 0;  // 0 for a unix socket
  int ip_version = 0;  // 4, 6 or 0
  bool loopback = false;
  std::string local_address;  // ours, "192.0.2.7:41234"; empty when not connected
};

// An address that was tried and did not connect before another did, or before all failed.
struct AddressAttempt {
  std::string address;
  Reason reason = Reason::None;
  std::string detail;
  Duration took{};
};

// Of attempts that all failed, the index of the one that says most: what answered outweighs
// silence, that a network which is not there, and that what this host lacks. Of equals the first,
// which a sender would try first. `attempts` is not empty.
std::size_t most_telling(const std::vector<AddressAttempt>& attempts);

struct ProbeResult {
  Endpoint endpoint;
  WallTime started{};  // for the dates of certificates
  Instant began{};
  Instant ended{};                // after QUIT
  Duration waited{};              // for other probes, attempts they ended included; of no step
  unsigned interruptions = 0;     // by probes of other clients, after each of which it began again
  std::vector<StepRecord> steps;  // those that ran, in order; Resolve only for a name
  std::optional<Failure> failure;
  std::vector<Failure> deviations;  // see Dialogue::deviations()
  std::size_t addresses = 0;  // that the name has, of those that may be tried; 0 for an address
  std::vector<AddressAttempt> failed_attempts;
  std::vector<TranscriptLine> transcript;
  std::optional<Extensions> extensions;
  std::optional<TlsFacts> tls;           // set as soon as a handshake was begun
  TlsVerify verify = TlsVerify::Report;  // the one in force for this peer
  std::optional<Mechanism> auth_mechanism;
  Note notes = Note::None;
  // Some replies count from when they were read, for the kernel had no timestamps for them.
  bool unstamped = false;

  // nullptr when the step did not run.
  const StepRecord* step(Step step) const;
  // From the start to the last answer before QUIT, without `waited`: QUIT is outside the verdict.
  Duration response_time() const;
  // Days to the end of the certificate that expires first, of judged_chain(); nullopt without
  // certificates.
  std::optional<double> cert_days_left() const;
};

}  // namespace smtpprobe
