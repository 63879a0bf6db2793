#!/usr/bin/env bash
# Measures both programs beside check_smtp, swaks, smtp-source and blackbox_exporter, and writes bench/RESULTS.md: some
# 18 minutes on a machine that does nothing else. Builds what is missing; the peers come with
# scripts/install-packages.sh build test.
# Usage: bench/run.sh [--quick]    --quick: three minutes at most, few repetitions, into build/release/RESULTS.md
set -euo pipefail
cd "$(dirname "$0")/.."

[ -f build/release/build.ninja ] || cmake --preset release
cmake --build --preset release --target \
  check_smtp_probe smtp_probe_exporter smtp_fake_server smtp_responder run_once
exec bench/run.py "$@" build/release
