#include "exporter/page_frame.h"

#include <fmt/format.h>

#include <chrono>

#include "exporter/html.h"
#include "exporter/self_metrics.h"

namespace smtpprobe {

std::string_view page_style() {
  return R"(
:root{color-scheme:light dark;--ground:#fff;--card:#f5f6f8;--line:#d5d9e0;--text:#1b1f24;--soft:#545c66;
--link:#0b57b0;--ok:#146c2e;--warning:#8a5300;--critical:#b3261e;--unknown:#5b3fb5;--bar:#2f7d4a;--wait:#9aa3ae}
@media(prefers-color-scheme:dark){:root{--ground:#14171b;--card:#1d2127;--line:#39404a;--text:#e6e9ed;
--soft:#a8b0ba;--link:#8ab8ff;--ok:#7fd494;--warning:#f2c46d;--critical:#ff9a91;--unknown:#c7b6ff;
--bar:#4c9f68;--wait:#5c6570}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:72rem;padding:1.25rem 1rem 3rem;background:var(--ground);color:var(--text);
font:16px/1.5 system-ui,sans-serif}
h1{font-size:1.4rem;line-height:1.25;margin:.2rem 0 .6rem;overflow-wrap:anywhere}
h2{font-size:1.05rem;margin:2rem 0 .5rem}
p{margin:.4rem 0;max-width:60rem;overflow-wrap:anywhere}
a{color:var(--link)}
nav{display:flex;flex-wrap:wrap;gap:.2rem 1.2rem;font-size:.95rem}
.soft{color:var(--soft)}
form{display:flex;flex-wrap:wrap;gap:.75rem;align-items:end;background:var(--card);border:1px solid var(--line);
border-radius:8px;padding:.9rem}
label{display:flex;flex-direction:column;gap:.2rem;font-size:.85rem;color:var(--soft);flex:1 1 13rem}
input,select,button{font:inherit;color:var(--text);background:var(--ground);border:1px solid var(--soft);
border-radius:6px;padding:.4rem .6rem;min-width:0;width:100%;height:2.3rem}
button{width:auto;background:var(--link);border-color:var(--link);color:var(--ground);font-weight:600;
padding:.4rem 1.4rem;cursor:pointer}
:focus-visible{outline:3px solid var(--link);outline-offset:2px}
.scroll{overflow-x:auto;border:1px solid var(--line);border-radius:8px}
table{border-collapse:collapse;width:100%;font-size:.9rem}
th,td{text-align:left;padding:.35rem .7rem;vertical-align:top;border-top:1px solid var(--line)}
tr:first-child th,thead+tbody tr:first-child td{border-top:0}
thead th{background:var(--card);font-weight:600;white-space:nowrap;border-bottom:1px solid var(--line)}
td.n{font-variant-numeric:tabular-nums;white-space:nowrap}
td.w{overflow-wrap:anywhere;min-width:14rem}
.alarm{border:1px solid var(--critical);border-left-width:.5rem;border-radius:8px;padding:.5rem .9rem;margin:.9rem 0;
background:var(--card)}
.alarm strong{color:var(--critical)}
.state{font-weight:700;white-space:nowrap}
.state::before{content:"";display:inline-block;width:.6em;height:.6em;margin-right:.4em;border-radius:50%;
background:currentColor}
.ok{color:var(--ok)}.warning{color:var(--warning)}.critical{color:var(--critical)}.unknown{color:var(--unknown)}
.state.critical::before{border-radius:0}.state.warning::before{border-radius:0;transform:rotate(45deg) scale(.85)}
dl{display:grid;grid-template-columns:minmax(7rem,auto) 1fr;gap:.2rem 1rem;margin:.6rem 0;font-size:.95rem}
dt{color:var(--soft)}dd{margin:0;overflow-wrap:anywhere}
td.axis{width:34%;min-width:11rem;padding-left:0;padding-right:.7rem}
svg{display:block;width:100%;height:1.1rem;background:var(--card)}
rect.ok{fill:var(--bar)}rect.warning{fill:var(--warning)}rect.critical{fill:var(--critical)}
rect.unknown{fill:var(--unknown)}rect.wait{fill:var(--wait)}
.ticks{display:flex;justify-content:space-between;font-weight:400;font-size:.8rem;
font-variant-numeric:tabular-nums}
pre{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:.8rem;margin:.4rem 0;
overflow-x:auto;font:.82rem/1.5 ui-monospace,monospace}
pre.wrap{white-space:pre-wrap;overflow-wrap:anywhere}
summary{cursor:pointer;color:var(--link);margin:.6rem 0}
@media(max-width:40rem){dl{grid-template-columns:1fr;gap:0}dd{margin-bottom:.5rem}}
)";
}

std::string framed(std::string_view title, std::string_view body) {
  return fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
      "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">"
      "<title>{}</title><style>{}</style></head>\n<body>\n{}</body></html>\n",
      escaped(title), page_style(), body);
}

std::string state_mark(State state) {
  return fmt::format("<span class=\"state {}\">{}</span>", state_label(state), state_name(state));
}

std::string readable(Duration time) {
  const double seconds = std::chrono::duration<double>(time).count();
  if (seconds < 0.0009995) return fmt::format("{:.0f} µs", seconds * 1e6);
  if (seconds < 0.9995) return fmt::format("{:.1f} ms", seconds * 1e3);
  return fmt::format("{:.3f} s", seconds);
}

std::string cell(std::string_view html) { return fmt::format("<td>{}</td>", html); }

std::string number_cell(std::string_view html) {
  return fmt::format("<td class=\"n\">{}</td>", html);
}

}  // namespace smtpprobe
