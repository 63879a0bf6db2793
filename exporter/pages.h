// The exporter's pages: HTML and CSS, no script, nothing from elsewhere, readable on a telephone,
// in light and dark, and by those who see no colours. Laws: pure; every link is relative; what a
// server or a client said is text, never markup.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "exporter/history.h"
#include "exporter/http_message.h"
#include "exporter/served_config.h"

namespace smtpprobe {

// Response headers that every page needs: a browser runs and fetches nothing because of it.
std::span<const std::pair<std::string_view, std::string>> page_headers();

// "/": what this is, the modules, a form that probes, the probes of late (newest first). `fault`,
// sanitised: why the last reload was refused, or null.
std::string index_page(const ServedConfig& config, const Error* fault,
                       std::span<const History::Record> recent);

// An answer that is a page.
HttpResponse page_response(std::string html);

// A refusal of what pages lead to: for browsers a page with the way back.
HttpResponse refusal_for(const HttpRequest& request, HttpResponse refusal);

// "/logs?id=": one probe: its steps on a time axis, the transcript, the metrics it gave.
std::string probe_page(const ProbeRecord& record);

}  // namespace smtpprobe
