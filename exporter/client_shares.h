// The probes in flight, by client. Where all places are taken, a client that has fewer than another
// gets the place of one of the other's, which is interrupted. Invariant: at most `places` have one
// at a time; those that were interrupted and have not ended are at most a quarter of that, and 17.
//
// One lock for all loops: only a table of all clients tells which one has most. It is held for a
// look-up in a hash map, twice a probe, which is well under a microsecond of a probe's 60.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "common/net/interrupt.h"

namespace smtpprobe {

class ClientShares {
 public:
  explicit ClientShares(std::size_t places) : places_(places) {}
  ClientShares(const ClientShares&) = delete;
  ClientShares& operator=(const ClientShares&) = delete;

  struct Probe {
    std::uint64_t client = 0;
    Interrupt* interrupt = nullptr;  // stays until leave(); null: the probe keeps its place
    std::uint32_t index = 0;         // in its client's list
    bool entered = false;
    bool listed = false;
    bool leaving = false;  // interrupted, its place is another's
  };

  // False: there is no place for it. The probe stays where it is until it leaves.
  bool enter(Probe& probe);
  // Also for one that did not enter, or was interrupted.
  void leave(Probe& probe);

 private:
  using Probes = std::vector<Probe*>;

  void remove(Probe& probe);
  Probe* last_of_largest(std::size_t above);

  std::size_t places_;
  std::mutex mutex_;
  std::size_t taken_ = 0;
  std::size_t leaving_ = 0;
  std::unordered_map<std::uint64_t, Probes> clients_;  // only those that have probes
};

}  // namespace smtpprobe
