// A file for node_exporter's textfile collector. Its law: whoever reads PATH sees the old text or
// the new one, whole, whatever happens in between.
#pragma once

#include <string>
#include <string_view>

#include "common/smtp/error.h"

namespace smtpprobe {

// Writes a temporary file into the same folder (its name never ends in .prom, so no collector reads
// it), syncs it, renames it to `path` and syncs the folder. The file is readable by everybody: the
// collector is another user. On an error the temporary file is gone and the old one untouched; only
// when the very last sync fails is the new one in place. A `path` that is there and no regular
// file, /dev/stdout for one, is refused: it would be replaced. The error names the path and the
// cause. SIGXFSZ has to be ignored by then: at a limit on file sizes it would end the process.
Result<void> write_textfile(const std::string& path, std::string_view text);

}  // namespace smtpprobe
