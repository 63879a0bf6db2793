// Where the time of one probe went. The one place that decides whose fault a deadline is: the
// server's, that of other probes it had to wait for, or this host's.
//
// Invariant: the host's are the times that no owner accounts for, and what it computed itself;
// sends, failed connection attempts and look-ups all have an owner. Pure: time is an argument.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "common/smtp/dialogue.h"
#include "common/smtp/time.h"

namespace smtpprobe {

// What a stretch of time was spent on. Each stretch is added once.
enum class TimeUse : std::uint8_t {
  Resolving,   // the name servers' time
  Connecting,  // the network's and the server's, failed attempts included
  Queued,      // for a turn at the address, a start, a handshake: other probes' time
  Sending,     // until the peer had taken what we sent, where it did not take it at once
  Receiving,   // from our last byte to the last byte of the answer, or to the end of the wait
  Computing,   // our part of a TLS handshake
};
inline constexpr std::size_t kTimeUses = 6;

class TimeLedger {
 public:
  // A probe that began at `began` and may take `allowed`.
  TimeLedger(Instant began, Duration allowed) : began_(began), allowed_(allowed) {}

  Instant began() const { return began_; }
  void add(TimeUse use, Duration took);
  // The Sending and Receiving of a dialogue's steps.
  void add(std::span<const StepRecord> steps);

  Duration total(TimeUse use) const { return totals_[static_cast<std::size_t>(use)]; }
  // What nobody accounts for until `now`: the host was suspended, or busy with something else.
  Duration unaccounted(Instant now) const;
  // The host's own: unaccounted, or computing.
  Duration host_time(Instant now) const { return unaccounted(now) + total(TimeUse::Computing); }

  enum class Cause : std::uint8_t { Server, OtherProbes, Host };
  // Whose fault it is that a probe had no time left at `now`. Before its deadline always the
  // server's, and while it had at least half of what was allowed.
  Cause cause_of_timeout(Instant now) const;

 private:
  Instant began_;
  Duration allowed_;
  std::array<Duration, kTimeUses> totals_{};
};

}  // namespace smtpprobe
