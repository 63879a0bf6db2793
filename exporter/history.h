// The probes of late, of one event loop: the last ones, and those of them that failed for longer.
// Law: bounded in number and in bytes; the newest always fits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "exporter/probe_record.h"

namespace smtpprobe {

struct HistoryLimits {
  std::size_t probes = 100;                // and as many failed ones that these have pushed out
  std::size_t bytes = 16UL * 1024 * 1024;  // of both together

  // What one of `loops` loops may hold: as many probes, for all may come to one loop; its part of
  // the bytes.
  HistoryLimits share_of(std::size_t loops) const { return {probes, bytes / loops}; }
};

class History {
 public:
  using Record = std::shared_ptr<const ProbeRecord>;

  explicit History(const HistoryLimits& limits) : limits_(limits) {}

  void add(Record record);
  // Null when it is no longer, or never was, here.
  Record find(std::uint64_t id) const;
  // Newest first.
  std::vector<Record> all() const;
  std::size_t bytes() const { return bytes_; }
  // Puts equal records in the place of those with the same ids.
  void exchange(const std::vector<Record>& copies);

 private:
  struct Kept {
    Record record;
    std::size_t bytes = 0;
  };
  void push_out();

  HistoryLimits limits_;
  std::deque<Kept> recent_;
  std::deque<Kept> failed_;  // older than all of recent_
  std::size_t bytes_ = 0;
};

// A record of its own memory. After a burst of probes the records that are kept lie scattered over
// all the memory that it took; copies lie together, and the rest can be given back.
History::Record copy_of(const ProbeRecord& record);

// What a record holds, roughly: its texts and the sizes of its parts.
std::size_t bytes_of(const ProbeRecord& record);

}  // namespace smtpprobe
