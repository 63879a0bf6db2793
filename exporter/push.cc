#include "exporter/push.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <memory>

#include "common/probe/printable.h"
#include "common/smtp/base64.h"
#include "common/smtp/quoted_value.h"
#include "common/smtp/secret_mask.h"
#include "exporter/curl_library.h"

namespace smtpprobe {
namespace {

constexpr std::size_t kShownBytes = 200;

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

// Of the group besides its job. Names with two underscores in front are Prometheus' own.
Result<void> check_label_name(std::string_view name) {
  const auto quoted = [&] { return printable(name, kShownBytes); };
  const bool good =
      !name.empty() && is_letter(name[0]) &&
      std::all_of(name.begin(), name.end(), [](char c) { return is_letter(c) || is_digit(c); });
  if (!good || name.starts_with("__")) {
    return error(fmt::format("grouping: got the label name \"{}\", wanted letters, digits and '_'",
                             quoted()));
  }
  if (name == "job") return error("grouping: got the label \"job\", which --push.job sets");
  return {};
}

// Slashes and dots would be taken for the path's, an empty value would vanish, and proxies do not
// like controls, percent signs or not.
bool needs_base64(std::string_view value) {
  return value.empty() || value == "." || value == ".." ||
         std::any_of(value.begin(), value.end(), [](char c) { return c == '/' || is_control(c); });
}

// RFC 4648 s5, without padding; "=" is the gateway's way to write nothing.
std::string base64url(std::string_view value) {
  if (value.empty()) return "=";
  std::string text = base64_encode(value);
  while (text.ends_with('=')) text.pop_back();
  std::replace(text.begin(), text.end(), '+', '-');
  std::replace(text.begin(), text.end(), '/', '_');
  return text;
}

// RFC 3986 s2.3.
std::string percent_encode(std::string_view value) {
  std::string text;
  for (const char c : value) {
    if (is_letter(c) || is_digit(c) || c == '-' || c == '.' || c == '~') {
      text += c;
    } else {
      text += fmt::format("%{:02X}", static_cast<unsigned>(static_cast<unsigned char>(c)));
    }
  }
  return text;
}

std::string path_segments(std::string_view name, std::string_view value) {
  return needs_base64(value) ? fmt::format("/{}@base64/{}", name, base64url(value))
                             : fmt::format("/{}/{}", name, percent_encode(value));
}

std::string percent_decode(std::string_view text) {
  const auto value = [](char c) {
    return is_digit(c)            ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
  };
  std::string decoded;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool escape =
        text[i] == '%' && i + 2 < text.size() && value(text[i + 1]) >= 0 && value(text[i + 2]) >= 0;
    decoded += escape ? static_cast<char>(value(text[i + 1]) * 16 + value(text[i + 2])) : text[i];
    if (escape) i += 2;
  }
  return decoded;
}

// What a gateway's answer, and curl's words, must not show.
SecretMask secrets_of(const PushPlan& plan) {
  SecretMask mask;
  const auto add = [&mask](const std::string& user, const std::string& password) {
    mask.add_secret(password);
    mask.add_sent(base64_encode(user + ":" + password));
  };
  if (!plan.user.empty()) add(plan.user, plan.password);
  const std::size_t at = plan.url.rfind('@');
  if (at == std::string::npos) return mask;
  std::size_t begin = plan.url.find("://");
  begin = begin == std::string::npos || begin > at ? 0 : begin + 3;
  const std::string credentials = plan.url.substr(begin, at - begin);
  const std::size_t colon = std::min(credentials.find(':'), credentials.size());
  const std::string user = credentials.substr(0, colon);
  const std::string password = credentials.substr(std::min(colon + 1, credentials.size()));
  mask.add_secret(password.empty() ? user : password);  // a token alone is a user
  add(percent_decode(user), percent_decode(password));
  return mask;
}

// curl's own parser: what we take for the host is then what curl takes for it.
Result<void> check_gateway(const CurlLibrary& curl, const std::string& url) {
  const auto refuse = [&](std::string_view why) {
    return error(fmt::format("push URL \"{}\": {}", shown_url(url), why));
  };
  const bool odd = std::any_of(url.begin(), url.end(), [](char c) {
    return is_control(c) || c == ' ' || c == '?' || c == '#' || c == '\\';
  });
  if (odd) return refuse("wanted no query, no fragment, no blank and no control character");
  const std::unique_ptr<CURLU, decltype(curl.url_cleanup)> parsed(curl.url(), curl.url_cleanup);
  if (!parsed) return refuse("out of memory");
  const CURLUcode code =
      curl.url_set(parsed.get(), CURLUPART_URL, url.c_str(), CURLU_NON_SUPPORT_SCHEME);
  if (code != CURLUE_OK) return refuse(curl.url_strerror(code));
  char* scheme = nullptr;
  curl.url_get(parsed.get(), CURLUPART_SCHEME, &scheme, 0);
  const std::unique_ptr<char, decltype(curl.free)> owner(scheme, curl.free);
  const std::string_view name = scheme == nullptr ? "" : scheme;
  if (name != "http" && name != "https") return refuse("wanted http:// or https://");
  // A password with a bare '/' would be taken for a host and a path, and shown as such.
  char* path = nullptr;
  curl.url_get(parsed.get(), CURLUPART_PATH, &path, 0);
  const std::unique_ptr<char, decltype(curl.free)> path_owner(path, curl.free);
  if (path != nullptr && std::string_view(path).find('@') != std::string_view::npos) {
    return refuse("wanted no '@' behind the host; in a user or password write '/' as %2F");
  }
  return {};
}

// What came back, as much of it as is wanted.
struct Answer {
  std::string text;
  std::size_t bytes = 0;
};

std::size_t take_answer(const char* data, std::size_t size, std::size_t count, void* user) {
  Answer& answer = *static_cast<Answer*>(user);
  const std::string_view piece(data, size * count);
  // More than is shown, for blanks are taken out of it.
  constexpr std::size_t kKept = std::size_t{4} * kGatewayTextBytes;
  answer.text += piece.substr(0, kKept - std::min(kKept, answer.text.size()));
  answer.bytes += piece.size();
  return answer.bytes > kMaxGatewayAnswerBytes ? CURL_WRITEFUNC_ERROR : piece.size();
}

// In one line: Go's errors end in a line end, a proxy's page is full of them.
std::string one_line(std::string_view text) {
  std::string line;
  bool blank = false;
  for (const char c : text) {
    if (c == ' ' || (c >= '\t' && c <= '\r')) {
      blank = !line.empty();
      continue;
    }
    if (blank) line += ' ';
    blank = false;
    line += c;
  }
  return line;
}

template <typename Value>
void set(const CurlLibrary& curl, CURL* handle, CURLcode& result, CURLoption option, Value value) {
  if (result == CURLE_OK) result = curl.easy_setopt(handle, option, value);
}

CURLcode perform(const CurlLibrary& curl, CURL* handle, const PushPlan& plan,
                 const std::string& url, std::string_view exposition, Answer& answer) {
  std::unique_ptr<curl_slist, decltype(curl.slist_free_all)> headers(
      curl.slist_append(nullptr, "Content-Type: text/plain; version=0.0.4; charset=utf-8"),
      curl.slist_free_all);
  // No "Expect: 100-continue": a server that does not know it costs a second.
  if (!headers || curl.slist_append(headers.get(), "Expect:") == nullptr) {
    return CURLE_OUT_OF_MEMORY;
  }
  const auto limit = std::chrono::ceil<std::chrono::milliseconds>(plan.timeout).count();
  const long milliseconds = std::max<long>(1, limit);  // for curl, 0 is without end
  CURLcode result = CURLE_OK;
  set(curl, handle, result, CURLOPT_URL, url.c_str());
  if (!plan.user.empty()) {
    set(curl, handle, result, CURLOPT_HTTPAUTH, CURLAUTH_BASIC);
    set(curl, handle, result, CURLOPT_USERNAME, plan.user.c_str());
    set(curl, handle, result, CURLOPT_PASSWORD, plan.password.c_str());
  }
  set(curl, handle, result, CURLOPT_PROTOCOLS_STR, "http,https");
  set(curl, handle, result, CURLOPT_FOLLOWLOCATION, 0L);
  set(curl, handle, result, CURLOPT_CUSTOMREQUEST, "PUT");
  set(curl, handle, result, CURLOPT_POSTFIELDS, exposition.data());
  set(curl, handle, result, CURLOPT_POSTFIELDSIZE_LARGE,
      static_cast<curl_off_t>(exposition.size()));
  set(curl, handle, result, CURLOPT_HTTPHEADER, headers.get());
  set(curl, handle, result, CURLOPT_USERAGENT, "smtp_probe_exporter/" SMTPPROBE_VERSION);
  set(curl, handle, result, CURLOPT_CONNECTTIMEOUT_MS, milliseconds);
  set(curl, handle, result, CURLOPT_TIMEOUT_MS, milliseconds);
  set(curl, handle, result, CURLOPT_NOSIGNAL, 1L);
  set(curl, handle, result, CURLOPT_QUICK_EXIT, 1L);  // do not wait for a resolver that is too late
  set(curl, handle, result, CURLOPT_WRITEFUNCTION, &take_answer);
  set(curl, handle, result, CURLOPT_WRITEDATA, &answer);
  return result == CURLE_OK ? curl.easy_perform(handle) : result;
}

}  // namespace

std::string shown_url(std::string_view url) {
  const std::size_t at = url.rfind('@');
  if (at == std::string_view::npos)
    return may_hold_secret(url) ? described_value(url) : printable(url, kShownBytes);
  // Of these two we know that they are no part of a secret.
  std::string_view scheme;
  for (const std::string_view known : {"http://", "https://"}) {
    if (url.starts_with(known)) scheme = known;
  }
  return printable(fmt::format("{}***{}", scheme, url.substr(at)), kShownBytes);
}

Result<std::string> push_url(const PushPlan& plan) {
  const Result<const CurlLibrary*> curl = curl_library();
  if (!curl) return Unexpected(curl.error());
  if (const Result<void> good = check_gateway(**curl, plan.url); !good)
    return Unexpected(good.error());
  if (plan.job.empty()) return error("push job: got nothing, wanted a name");
  std::string url = plan.url;
  while (url.ends_with('/')) url.pop_back();
  url += "/metrics" + path_segments("job", plan.job);
  for (auto label = plan.grouping.begin(); label != plan.grouping.end(); ++label) {
    if (const Result<void> good = check_label_name(label->first); !good) {
      return Unexpected(good.error());
    }
    const bool again = std::any_of(plan.grouping.begin(), label, [&](const auto& earlier) {
      return earlier.first == label->first;
    });
    if (again) return error(fmt::format("grouping: got the label \"{}\" twice", label->first));
    url += path_segments(label->first, label->second);
  }
  if (url.size() > kMaxPushUrlBytes) {
    return error(fmt::format("push URL: got {} bytes with job and grouping, wanted at most {}",
                             url.size(), kMaxPushUrlBytes));
  }
  return url;
}

Result<void> push(const PushPlan& plan, std::string_view exposition) {
  const Result<std::string> url = push_url(plan);
  if (!url) return Unexpected(url.error());
  const CurlLibrary& curl = **curl_library();  // push_url() had it
  const auto failed = [&](std::string_view why) {
    return error(fmt::format("push to {}: {}", shown_url(plan.url),
                             secrets_of(plan).masked(std::string(why))));
  };
  const std::unique_ptr<CURL, decltype(curl.easy_cleanup)> handle(curl.easy_init(),
                                                                  curl.easy_cleanup);
  if (!handle) return failed("curl does not start");
  std::array<char, CURL_ERROR_SIZE> words{};
  curl.easy_setopt(handle.get(), CURLOPT_ERRORBUFFER, words.data());
  Answer answer;
  const CURLcode code = perform(curl, handle.get(), plan, *url, exposition, answer);

  long status = 0;
  curl.easy_getinfo(handle.get(), CURLINFO_RESPONSE_CODE, &status);
  const bool cut_by_us = code == CURLE_WRITE_ERROR && answer.bytes > kMaxGatewayAnswerBytes;
  if (code != CURLE_OK && !cut_by_us) {
    const std::string_view cause = words[0] != '\0' ? words.data() : curl.easy_strerror(code);
    return failed(printable(cause, kGatewayTextBytes));
  }
  if (status >= 200 && status < 300) return {};
  if (status >= 300 && status < 400) {
    return failed(fmt::format("HTTP status {}, and redirects are not followed", status));
  }
  // Masked before it is cut: a piece of a secret is one, too.
  const std::string text =
      printable(secrets_of(plan).masked_unfinished(one_line(answer.text)), kGatewayTextBytes);
  return failed(fmt::format("HTTP status {}{}{}", status, text.empty() ? "" : ": ", text));
}

}  // namespace smtpprobe
