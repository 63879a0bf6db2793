#include "exporter/curl_library.h"

#include <dlfcn.h>

#include <string>

namespace smtpprobe {
namespace {

constexpr const char* kLibrary = "libcurl.so.4";

template <typename Function>
bool find(void* library, const char* name, Function& function) {
  void* const symbol = ::dlsym(library, name);
  function = reinterpret_cast<Function>(symbol);
  return symbol != nullptr;
}

bool find_all(void* library, CurlLibrary& curl) {
  return find(library, "curl_global_init", curl.global_init) &&
         find(library, "curl_easy_init", curl.easy_init) &&
         find(library, "curl_easy_setopt", curl.easy_setopt) &&
         find(library, "curl_easy_perform", curl.easy_perform) &&
         find(library, "curl_easy_getinfo", curl.easy_getinfo) &&
         find(library, "curl_easy_cleanup", curl.easy_cleanup) &&
         find(library, "curl_easy_strerror", curl.easy_strerror) &&
         find(library, "curl_slist_append", curl.slist_append) &&
         find(library, "curl_slist_free_all", curl.slist_free_all) &&
         find(library, "curl_url", curl.url) && find(library, "curl_url_set", curl.url_set) &&
         find(library, "curl_url_get", curl.url_get) &&
         find(library, "curl_url_cleanup", curl.url_cleanup) &&
         find(library, "curl_url_strerror", curl.url_strerror) &&
         find(library, "curl_free", curl.free);
}

Result<CurlLibrary> load() {
  const auto refuse = [] {
    const char* const why = ::dlerror();
    return error("libcurl cannot be loaded: " + std::string(why == nullptr ? "unknown" : why));
  };
  void* const library = ::dlopen(kLibrary, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) return refuse();
  CurlLibrary curl{};
  if (!find_all(library, curl)) return refuse();
  if (curl.global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) return error("curl does not start");
  return curl;
}

}  // namespace

Result<const CurlLibrary*> curl_library() {
  static const Result<CurlLibrary> loaded = load();
  if (!loaded) return Unexpected(loaded.error());
  return &*loaded;
}

}  // namespace smtpprobe
