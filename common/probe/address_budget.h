// How long each address of a name may take to connect. One of several has at most a fixed limit and
// at most its share of the time that is left, and a third of all time is kept for the dialogue: a
// healthy address after dead ones is reached, and there is time to talk to it. Pure.
#pragma once

#include <cstddef>

#include "common/smtp/time.h"

namespace smtpprobe {

class AddressBudget {
 public:
  // `addresses` are to be tried from `now` on, each for `most` at the longest. A single one has all
  // the time until `deadline`.
  AddressBudget(std::size_t addresses, Duration most, Instant now, Instant deadline);

  // Until when the address at `index` may take that is tried from `now` on; never after the
  // deadline. The last one is not cut for the sake of another.
  Instant limit(std::size_t index, Instant now) const;

 private:
  std::size_t addresses_;
  Duration most_;
  Instant deadline_;
  Duration for_dialogue_;
};

}  // namespace smtpprobe
