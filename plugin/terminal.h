// What standard output is: whether it wants colours, and whether and where one may draw on it.
#pragma once

#include "plugin/watch_text.h"

namespace smtpprobe {

// A terminal, and no NO_COLOR (https://no-color.org) in the environment.
bool wants_colour();

// A terminal that is not called dumb.
bool can_move_cursor();

// As large as it is now; 80 by 24 where it does not tell.
Window window_of_stdout();

}  // namespace smtpprobe
