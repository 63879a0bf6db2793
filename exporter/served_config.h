// A configuration ready to probe with: parsed, its files read, its TLS contexts made. Immutable;
// probes in flight keep the one they began with.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "common/config/config.h"
#include "common/net/tls_context.h"
#include "common/smtp/error.h"
#include "common/smtp/time.h"
#include "exporter/self_metrics.h"

namespace smtpprobe {

struct ServedModule {
  Module module;
  std::shared_ptr<const TlsContext> tls;  // null where no target of it can have TLS
  ModuleCounts* counts = nullptr;         // lives as long as the process
};

struct ServedConfig {
  Config config;
  WallTime loaded{};
  std::map<std::string, ServedModule, std::less<>> modules;
};

// `path` empty: the built-in modules. Reads files and may take a while: not on an event loop. The
// error names file, line and key, or the module; its text is sanitised.
Result<std::shared_ptr<const ServedConfig>> load_served_config(const std::string& path,
                                                               SelfMetrics& metrics);

}  // namespace smtpprobe
