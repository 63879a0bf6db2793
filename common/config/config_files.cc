// The files that a configuration names, looked at when it is loaded: a probe hours later must not
// be the first to notice that one is missing.
#include <dirent.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <optional>

#include "common/base/regular_file.h"
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

// Errors name the file as `shown`.
Result<std::string> read_whole(const std::string& path, std::string_view shown,
                               std::size_t max_bytes) {
  RegularFile file(path);
  std::optional<std::string> text = file.read(max_bytes);
  if (!text) return refuse(shown, file.problem());
  return *std::move(text);
}

}  // namespace

Result<std::string> read_config_file(const std::string& path, std::size_t max_bytes) {
  return read_whole(path, path, max_bytes);
}

Result<std::string> read_body(std::string_view path) {
  return read_whole(std::string(path), path, kMaxBodyBytes);
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
  Result<std::string> secret = read_whole(std::string(path), shown, kMaxSecretBytes);
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
  std::string name(path);
  const RegularFile file(name);
  if (!file.problem().empty()) return refuse(path, file.problem());
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
