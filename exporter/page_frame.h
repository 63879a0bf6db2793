// What all pages share: the head with the style, the way home, the words for a state.
#pragma once

#include <string>
#include <string_view>

#include "common/smtp/reply_code.h"
#include "common/smtp/time.h"

namespace smtpprobe {

std::string_view page_style();

// A whole document around `body`; `title` is escaped here.
std::string framed(std::string_view title, std::string_view body);

// <span class="state critical">CRITICAL</span>
std::string state_mark(State state);

// "455 µs", "4.2 ms", "1.234 s": for people.
std::string readable(Duration time);

// A cell, and one for a number. `html` is escaped already.
std::string cell(std::string_view html);
std::string number_cell(std::string_view html);

}  // namespace smtpprobe
