// A regular file that is opened and read without waiting for anybody. Invariants: what is opened is
// what is checked (fstat after open), so that a FIFO, a device or a socket put in a file's place
// never blocks; a read has a size limit and a deadline. Symbolic links are followed, as Kubernetes
// and systemd have them for secrets.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>

namespace smtpprobe {

// A disk or a network file system that takes longer for one file is a fault to report.
inline constexpr std::chrono::seconds kFileReadTime{5};

class RegularFile {
 public:
  explicit RegularFile(const std::string& path);
  ~RegularFile();
  RegularFile(const RegularFile&) = delete;
  RegularFile& operator=(const RegularFile&) = delete;

  // Why it cannot be read: the system's words or "is no regular file"; empty where it can. What
  // read() finds is added.
  const std::string& problem() const { return problem_; }
  bool is_directory() const { return is_directory_; }  // the cause of the problem
  mode_t mode() const { return mode_; }                // of the file opened

  // The whole file, once. nullopt: see problem(). The deadline is checked between the system's
  // reads: one of them that hangs, as on a dead network file system, is not ended.
  std::optional<std::string> read(std::size_t max_bytes);

 private:
  int descriptor_ = -1;
  mode_t mode_ = 0;
  bool is_directory_ = false;
  std::string problem_;
};

}  // namespace smtpprobe
