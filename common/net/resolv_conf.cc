#include "common/net/resolv_conf.h"

#include <tuple>

namespace smtpprobe {
namespace {

constexpr const char* kPath = "/etc/resolv.conf";  // c-ares's
constexpr auto kLook = std::chrono::seconds(1);

auto facts_of(const struct stat& file) {
  return std::make_tuple(file.st_dev, file.st_ino, file.st_size, file.st_mtim.tv_sec,
                         file.st_mtim.tv_nsec);
}

}  // namespace

void ResolvConf::about_to_read(Instant now) {
  looked_ = now;
  struct stat present {};
  if (::stat(kPath, &present) == 0) read_ = present;
}

bool ResolvConf::has_changed(Instant now) {
  if (now - looked_ < kLook) return false;
  looked_ = now;
  struct stat present {};
  return ::stat(kPath, &present) == 0 && facts_of(present) != facts_of(read_);
}

}  // namespace smtpprobe
