#include <gtest/gtest.h>

#include "exporter/probe_record.h"

namespace smtpprobe {
TEST(ProbeRecord, BeginsWithoutAnId) { EXPECT_EQ(ProbeRecord{}.id, 0U); }
}  // namespace smtpprobe
