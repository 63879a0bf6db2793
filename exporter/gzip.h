// gzip for HTTP bodies, and whether a client takes it. RFC 1952, RFC 9110 s8.4.1.3 and s12.5.3.
#pragma once

#include <memory>
#include <string>
#include <string_view>

struct z_stream_s;

namespace smtpprobe {

// One to an event loop: it keeps zlib's state (under 64 KiB) from one body to the next. Not to be
// shared between threads.
class Gzip {
 public:
  Gzip();

  // A whole gzip stream; the same text gives the same bytes. Empty when zlib got no memory: the
  // text then has to go as it is. `text` is under 1 GiB.
  std::string compress(std::string_view text);

 private:
  struct End {
    void operator()(z_stream_s* stream) const;
  };
  std::unique_ptr<z_stream_s, End> stream_;  // null without memory
};

// Whether an Accept-Encoding field allows gzip, by name or by '*' and with a weight above 0. An
// absent or empty field, a malformed weight, gzip both allowed and refused: no, for the text as it
// is suits everybody.
bool accepts_gzip(std::string_view accept_encoding);

}  // namespace smtpprobe
