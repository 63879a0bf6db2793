#include "plugin/secrets.h"

#include <cstring>

#include "common/config/config_values.h"
#include "plugin/read_file.h"

namespace smtpprobe {

Result<void> check_secret(std::string_view secret) {
  if (secret.empty()) return error("is empty");
  if (secret.size() > kMaxSecretBytes) return error("is longer than 65536 bytes");
  if (secret.find('\0') != std::string_view::npos) return error("holds a NUL byte");
  if (secret.find_first_of("\r\n") != std::string_view::npos) return error("holds a line end");
  return {};
}

Result<std::string> read_secret(const std::string& path) {
  constexpr std::size_t kLineEnd = 2;
  const std::string shown = shown_secret_file(path);
  Result<std::string> secret = read_file(path, kMaxSecretBytes + kLineEnd, shown);
  if (!secret) return secret;
  if (secret->ends_with('\n')) secret->pop_back();
  if (secret->ends_with('\r')) secret->pop_back();
  if (const Result<void> good = check_secret(*secret); !good) {
    return error(shown + ": the secret " + good.error().text);
  }
  return secret;
}

void wipe(char* text) { explicit_bzero(text, std::strlen(text)); }

}  // namespace smtpprobe
