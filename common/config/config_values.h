// The values of the configuration: each function makes one of a text, or says what it got and what
// is wanted. Files are looked at here, when the configuration is loaded.
#pragma once

#include <string>
#include <string_view>

#include "common/smtp/error.h"
#include "common/smtp/time.h"

namespace smtpprobe {

// "500ms", "10s", "1m", "2h", "21d"; whole numbers.
Result<Duration> parse_duration(std::string_view text);
Result<int> parse_count(std::string_view text);

// An EHLO keyword (RFC 5321 s4.1.1.1), in upper case.
Result<std::string> parse_extension_name(std::string_view text);
// A host name or an IP literal.
Result<std::string> parse_host_name(std::string_view text);
Result<std::string> parse_ip_literal(std::string_view text);
// A glob for host names (or unix:/paths), or a CIDR; in lower case.
Result<std::string> parse_allowed_target(std::string_view text);
// "host", "host:port" or "unix:/path" in lower case (the path as it is): no URL, which would
// promise more.
Result<std::string> parse_auth_target(std::string_view text);
// Not empty and without control characters.
Result<std::string> parse_words(std::string_view text);
// The name of a module.
bool is_module_name(std::string_view name);

// The whole of a regular file (regular_file.h). `max_bytes` bounds it; the error does not name the
// key.
Result<std::string> read_config_file(const std::string& path, std::size_t max_bytes);
// A message's body.
Result<std::string> read_body(std::string_view path);
// A rejected value as messages show it: in quotes, or described where it may hold a secret.
std::string rejected_value(std::string_view text);
// A key of a mapping as messages show it. One that holds what no key of ours does may be a line
// with a secret.
std::string shown_key(std::string_view key);

// How a message names the file of a secret: by its path where there is such a file or could be, for
// the secret itself may stand where its file's path belongs.
std::string shown_secret_file(const std::string& path);

// The one line of a secret's file. The error never shows it.
Result<std::string> read_secret_file(std::string_view path);
// The path itself, when a file (a folder) that can be read is there.
Result<std::string> readable_file(std::string_view path);
Result<std::string> readable_folder(std::string_view path);

}  // namespace smtpprobe
