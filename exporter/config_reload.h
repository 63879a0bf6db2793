// The configuration in force, and how another takes its place. Laws: a bad one changes nothing
// but what is said of it; probes in flight keep the one they began with; files are never read on an
// event loop.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/thread_pool.hpp>
#include <string>

#include "common/net/address_turns.h"
#include "common/smtp/error.h"
#include "exporter/event_loop.h"
#include "exporter/self_metrics.h"

namespace smtpprobe {

class ConfigReload {
 public:
  // `path` empty: the built-in modules, for good. All outlive this. `workers` has one thread, or
  // two reloads at a time could end in the wrong order.
  ConfigReload(std::string path, EventLoops& loops, boost::asio::thread_pool& workers,
               AddressTurns& turns, SelfMetrics& metrics)
      : path_(std::move(path)),
        loops_(loops),
        workers_(workers),
        turns_(turns),
        metrics_(metrics) {}

  // Before the loops run. The error names file, line and key.
  Result<void> load();
  // On any loop. When it is done every loop has the new one, or knows what is wrong with it.
  // Logged and counted.
  boost::asio::awaitable<Result<void>> reload();

 private:
  Result<void> load_and_hand_out();
  template <typename Set>
  void hand_out(const Set& set);

  std::string path_;
  EventLoops& loops_;
  boost::asio::thread_pool& workers_;
  AddressTurns& turns_;
  SelfMetrics& metrics_;
};

}  // namespace smtpprobe
