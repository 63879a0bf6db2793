#!/usr/bin/env bash
# The exporter under a mixed load for a while (tests/e2e/soak.py): does it keep its memory, its descriptors and its
# counts? Usage: soak.sh [SECONDS] [RATE] [BUILD_DIRECTORY]   (600 s, 300 probes a second, build/release)
set -euo pipefail
cd "$(dirname "$0")/.."

build=$(realpath "${3:-build/release}")
export CHECK=$build/plugin/check_smtp_probe EXPORTER=$build/exporter/smtp_probe_exporter
export SMTP_FAKE_SERVER=$build/tests/smtp_fake_server TRANSCRIPTS=$PWD/tests/transcripts
for program in "$CHECK" "$EXPORTER" "$SMTP_FAKE_SERVER" "$build/tests/smtp_responder"; do
  [ -x "$program" ] || { echo "Not built: $program (cmake --preset release && cmake --build --preset release)" >&2; exit 2; }
done
SMTPPROBE_SANITIZE=$(sed -n 's/^SMTPPROBE_SANITIZE:[A-Z]*=//p' "$build/CMakeCache.txt")
export SMTPPROBE_SANITIZE
exec python3 -B tests/e2e/soak.py --seconds "${1:-600}" --rate "${2:-300}"
