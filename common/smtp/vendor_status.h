// Enhanced statuses that a provider uses in its own sense, registered or not, with what an operator
// must do. Only those that the provider documents.
#pragma once

#include <optional>
#include <string_view>

#include "common/smtp/enhanced_status.h"

namespace smtpprobe {

struct VendorStatus {
  EnhancedStatus status;
  std::string_view vendor;
  std::string_view meaning;
  std::string_view advice;  // one sentence or more
};

// Null when no provider has a sense of its own for it.
const VendorStatus* vendor_status(const EnhancedStatus& status);

}  // namespace smtpprobe
