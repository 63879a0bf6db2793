// The configuration in force, and how another takes its place. Invariants: a bad one changes
// nothing but what is said of it; probes in flight keep the one they began with; files are never
// read on an event loop, and nothing but a reload waits for the thread that reads them.
//
// However many ask for a reload at a time, one runs and one waits, and all that asked while it ran
// get the outcome of the one that waited: it began after they asked, so it saw what they changed.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/thread_pool.hpp>
#include <memory>
#include <string>

#include "common/net/address_turns.h"
#include "common/smtp/error.h"
#include "exporter/event_loop.h"
#include "exporter/self_metrics.h"

namespace smtpprobe {

class ConfigReload {
 public:
  // `path` empty: the built-in modules, for good. All outlive this. `reader` has one thread, which
  // a file on a dead network file system may occupy for good: nothing else is to run there.
  ConfigReload(std::string path, EventLoops& loops, boost::asio::thread_pool& reader,
               AddressTurns& turns, SelfMetrics& metrics)
      : path_(std::move(path)), loops_(loops), reader_(reader), turns_(turns), metrics_(metrics) {}

  // Before the loops run. The error names file, line and key.
  Result<void> load();
  // On any loop. When it is done every loop has the new one, or knows what is wrong with it; or the
  // files could not be read in time. Logged and counted.
  boost::asio::awaitable<Result<void>> reload();
  // On the first loop, or when no loop runs.
  bool running() const { return running_; }

 private:
  struct Round;

  Result<void> load_and_hand_out();
  boost::asio::awaitable<Result<void>> join_next_round();
  boost::asio::awaitable<void> run_rounds();
  boost::asio::awaitable<Result<void>> run_one();
  template <typename Set>
  void hand_out(const Set& set);

  std::string path_;
  EventLoops& loops_;
  boost::asio::thread_pool& reader_;
  AddressTurns& turns_;
  SelfMetrics& metrics_;
  // Of the first loop's thread:
  bool running_ = false;
  std::shared_ptr<Round> next_;  // that has not begun; null: nobody asked for it
};

}  // namespace smtpprobe
