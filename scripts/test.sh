#!/usr/bin/env bash
# Installs what is missing, builds and runs every test: formatting, clang-tidy, everything under the address
# and undefined-behaviour sanitizers, what runs in several threads under the thread sanitizer, each fuzz target for ten
# seconds, everything in the release build, the instruction counts against check_smtp, the exporter's memory, speed and
# fidelity. What fails keeps nothing else from being run; the last lines name all that failed. A skipped test is a failure.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/stages.sh

scripts/install-packages.sh build test

stage "Formatting" scripts/check-format.sh
build release
build asan
build tsan --target smtp_probe_exporter check_smtp_probe smtp_fake_server smtp_responder \
  smtpprobe_net_tests smtpprobe_exporter_tests
stage_of "clang-tidy (the pure parts and both programs)" release scripts/check-tidy.sh
# The same inputs every time: a new finding is scripts/fuzz.sh's to make, not a change's that has no part in it.
stage "Fuzzing, a short while" scripts/fuzz.sh --seed 1 10
for preset in asan tsan release; do
  test_stage "Tests ($preset)" "$preset"
done
summary
