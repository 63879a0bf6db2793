// libcurl, loaded when somebody pushes: it brings thirty more libraries and 3 MB into the memory of
// a daemon that never does. The functions are those of curl/curl.h, without the prefix.
#pragma once

#define CURL_DISABLE_TYPECHECK 1
#include <curl/curl.h>

#include "common/smtp/error.h"

namespace smtpprobe {

struct CurlLibrary {
  decltype(&curl_global_init) global_init;
  decltype(&curl_easy_init) easy_init;
  decltype(&curl_easy_setopt) easy_setopt;
  decltype(&curl_easy_perform) easy_perform;
  decltype(&curl_easy_getinfo) easy_getinfo;
  decltype(&curl_easy_cleanup) easy_cleanup;
  decltype(&curl_easy_strerror) easy_strerror;
  decltype(&curl_slist_append) slist_append;
  decltype(&curl_slist_free_all) slist_free_all;
  decltype(&curl_url) url;
  decltype(&curl_url_set) url_set;
  decltype(&curl_url_get) url_get;
  decltype(&curl_url_cleanup) url_cleanup;
  decltype(&curl_url_strerror) url_strerror;
  decltype(&curl_free) free;
};

// Loaded and set up by the first call, which has to come before other threads use it; never
// unloaded. The error says which library or function is missing.
Result<const CurlLibrary*> curl_library();

}  // namespace smtpprobe
