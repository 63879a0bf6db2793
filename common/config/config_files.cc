// The files that a configuration names, looked at when it is loaded: a probe hours later must not
// be the first to notice that one is missing.
#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "common/config/config_values.h"
#include "common/probe/printable.h"
#include "common/smtp/quoted_value.h"

namespace smtpprobe {
namespace {

constexpr std::size_t kMaxSecretBytes = 65'536;
constexpr std::size_t kMaxBodyBytes = 1'048'576;
constexpr std::size_t kShownBytes = 200;

Unexpected refuse(std::string_view path, std::string_view why) {
  const std::string shown =
      may_hold_secret(path) ? described_value(path) : printable(path, kShownBytes);
  return error(fmt::format("{}: {}", shown, why));
}

class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (number_ >= 0) close(number_);
  }
  int number() const { return number_; }

 private:
  int number_;
};

// Not a fifo, whose writer may never come, and not a folder. Errors say `shown`.
Result<std::string> check_regular(std::string_view path, std::string_view shown) {
  struct stat facts {};
  const std::string name(path);
  if (path.find('\0') != std::string_view::npos) return refuse(shown, "a NUL in a file's name");
  if (stat(name.c_str(), &facts) != 0) return refuse(shown, std::strerror(errno));
  if (!S_ISREG(facts.st_mode)) return refuse(shown, "is no regular file");
  return name;
}

}  // namespace

Result<std::string> read_config_file(const std::string& path, std::size_t max_bytes) {
  const Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY));
  if (file.number() < 0) return refuse(path, std::strerror(errno));
  std::string text;
  std::array<char, 4096> buffer{};
  while (true) {
    const ssize_t got = read(file.number(), buffer.data(), buffer.size());
    if (got == 0) return text;
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return refuse(path, std::strerror(errno));
    text.append(buffer.data(), static_cast<std::size_t>(got));
    if (text.size() > max_bytes) return refuse(path, fmt::format("over {} bytes", max_bytes));
  }
}

Result<std::string> read_body(std::string_view path) {
  Result<std::string> name = check_regular(path, path);
  return name ? read_config_file(*name, kMaxBodyBytes) : name;
}

std::string shown_secret_file(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  const bool in_folder = path.starts_with('/') && slash > 0;
  const bool plausible = access(path.c_str(), F_OK) == 0 ||
                         (in_folder && access(path.substr(0, slash).c_str(), F_OK) == 0);
  return plausible ? printable(path, kShownBytes) : "the file that is named here";
}

Result<std::string> read_secret_file(std::string_view path) {
  const std::string shown = shown_secret_file(std::string(path));
  Result<std::string> name = check_regular(path, shown);
  if (!name) return name;
  Result<std::string> secret = read_config_file(*name, kMaxSecretBytes);
  if (!secret) return secret;
  if (secret->ends_with('\n')) secret->pop_back();
  if (secret->ends_with('\r')) secret->pop_back();
  if (secret->empty()) return refuse(path, "the secret is empty");
  if (secret->find('\0') != std::string::npos) return refuse(path, "the secret holds a NUL byte");
  if (secret->find_first_of("\r\n") != std::string::npos)
    return refuse(path, "the secret holds a line end");
  return secret;
}

Result<std::string> readable_file(std::string_view path) {
  Result<std::string> name = check_regular(path, path);
  if (!name) return name;
  const Descriptor file(open(name->c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY));
  if (file.number() < 0) return refuse(path, std::strerror(errno));
  return name;
}

Result<std::string> readable_folder(std::string_view path) {
  const std::string name(path);
  if (path.find('\0') != std::string_view::npos) return refuse(path, "a NUL in a folder's name");
  DIR* folder = opendir(name.c_str());
  if (!folder) return refuse(path, std::strerror(errno));
  closedir(folder);
  return name;
}

}  // namespace smtpprobe
