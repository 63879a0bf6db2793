#include "exporter/textfile.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "common/net/write_all.h"
#include "common/probe/printable.h"

namespace smtpprobe {
namespace {

constexpr std::size_t kShownBytes = 200;
constexpr mode_t kMode = 0644;

Unexpected refuse(std::string_view path, std::string_view why) {
  return error(fmt::format("{}: {}", printable(path, kShownBytes), why));
}

Unexpected failed(std::string_view path, std::string_view doing, int cause) {
  return refuse(path, fmt::format("{}: {}", doing, std::strerror(cause)));
}

// The folder of a path, ready to be prefixed to a name.
std::string folder_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? "./" : path.substr(0, slash + 1);
}

class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() { shut(); }
  int number() const { return number_; }
  // Some file systems tell only now that there was no room.
  bool shut() {
    const int number = std::exchange(number_, -1);
    return number < 0 || close(number) == 0;
  }

 private:
  int number_;
};

// Gone with its object, unless it was renamed.
class TemporaryFile {
 public:
  explicit TemporaryFile(const std::string& folder)
      : name_(folder + ".smtp_probe_exporter.XXXXXX"), file_(mkostemp(name_.data(), O_CLOEXEC)) {
    if (file_.number() < 0) name_.clear();
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  ~TemporaryFile() {
    if (!name_.empty()) unlink(name_.c_str());
  }

  bool is_open() const { return file_.number() >= 0; }
  // On the disk and complete, or false and errno.
  bool fill(std::string_view text) {
    // mkostemp gives 0600, and the umask has no say in fchmod.
    return write_all(file_.number(), text) && fchmod(file_.number(), kMode) == 0 &&
           fsync(file_.number()) == 0 && file_.shut();
  }
  bool rename_to(const std::string& path) {
    if (rename(name_.c_str(), path.c_str()) != 0) return false;
    name_.clear();
    return true;
  }

 private:
  std::string name_;
  Descriptor file_;
};

}  // namespace

Result<void> write_textfile(const std::string& path, std::string_view text) {
  if (path.empty() || path.ends_with('/')) return refuse(path, "wanted the name of a file");
  struct stat facts {};
  if (lstat(path.c_str(), &facts) == 0) {
    if (!S_ISREG(facts.st_mode)) return refuse(path, "is no regular file");
  } else if (errno != ENOENT) {
    return refuse(path, std::strerror(errno));
  }
  const std::string folder_name = folder_of(path);
  const Descriptor folder(open(folder_name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (folder.number() < 0) return failed(path, "opening its folder", errno);
  TemporaryFile file(folder_name);
  if (!file.is_open()) return failed(path, "making a temporary file in its folder", errno);
  if (!file.fill(text)) return failed(path, "writing a temporary file in its folder", errno);
  if (!file.rename_to(path)) return failed(path, "renaming the temporary file", errno);
  // EINVAL: a file system that cannot sync folders.
  if (fsync(folder.number()) != 0 && errno != EINVAL) {
    return failed(path, "is written, but syncing its folder failed", errno);
  }
  return {};
}

}  // namespace smtpprobe
