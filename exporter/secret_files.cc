#include "exporter/secret_files.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <set>

#include "common/probe/printable.h"
#include "exporter/log.h"

namespace smtpprobe {
namespace {

constexpr std::size_t kPathBytes = 200;

void warn_if_open(const std::string& path) {
  struct stat facts {};
  if (path.empty() || ::stat(path.c_str(), &facts) != 0 || (facts.st_mode & S_IROTH) == 0) return;
  constexpr mode_t kPermissions = 07777;
  log(LogLevel::Warn, "a file with a password or token can be read by every user",
      {{"file", printable(path, kPathBytes)},
       {"mode", fmt::format("{:04o}", facts.st_mode & kPermissions)}});
}

}  // namespace

void warn_of_open_secrets(const Config& config) {
  std::set<std::string> files;  // each once, however many modules name it
  for (const auto& [name, module] : config.modules) {
    files.insert(module.secret_files.begin(), module.secret_files.end());
    // Without a key_file the key is in the certificate's.
    const TlsPlan& tls = module.plan.tls;
    files.insert(tls.key_file.empty() ? tls.cert_file : tls.key_file);
  }
  for (const std::string& file : files) warn_if_open(file);
}

void warn_of_open_secrets(const WebConfig& config, const std::string& path) {
  if (!config.users.empty() || (config.tls && !config.tls->key.text.empty())) warn_if_open(path);
  if (config.tls) warn_if_open(config.tls->key.file);
}

}  // namespace smtpprobe
