// The first line: the one that notifications carry. Law: it is made of sanitised text alone and
// is cut, never broken; the seconds at its end always fit.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/probe/verdict.h"

namespace smtpprobe {

// What stands above the long text. Up to the '|' at most kFirstLineBytes.
struct Summary {
  std::vector<std::string> lines;
  std::optional<std::size_t> perfdata_at = 0;  // at the end of which line; nullopt: nowhere
};

// "SMTP OK - 0.042 sec. response time, 250 at rcpt, TLSv1.3"
// "SMTP CRITICAL - rcpt: 550 5.1.1 <x@y>: Recipient address rejected - 0.031 sec. response time"
// "SMTP CRITICAL - mx.example.net [192.0.2.1] banner: no banner in 5.0 s, after 1 failed address -
// 8.3 sec. response time": of a name with several addresses the one that was judged.
// `where` names the endpoint where there are several results, else it is empty.
std::string headline(const ProbeResult& result, const Verdict& verdict, std::string_view where,
                     std::size_t max_bytes);

// `head` and `tail` whole, and between them `text`, then as many whole `remarks` as fit, each
// behind " / ". All sanitised.
std::string compose_line(std::string_view head, std::string_view text,
                         const std::vector<std::string>& remarks, std::string_view tail,
                         std::size_t max_bytes);

// The findings behind the headline, for its remarks: "slow: rcpt: the step took 2.301 s (limit 1)".
std::vector<std::string> other_findings(const Verdict& verdict);

// " - 0.031 sec. response time"
std::string response_time_tail(const ProbeResult& result);

// Cuts what is sanitised already, never inside a character or an escape; "..." marks the cut.
std::string cut_sanitised(std::string_view text, std::size_t max_bytes);

}  // namespace smtpprobe
