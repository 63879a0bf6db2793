#!/usr/bin/env bash
# Installs what is missing, builds and runs every test: formatting, clang-tidy, everything under the address
# and undefined-behaviour sanitizers, what runs in several threads under the thread sanitizer, each fuzz target for ten
# seconds, everything in the release build, the instruction counts against check_smtp, the exporter's memory, speed and
# fidelity. The last lines are ctest's. A skipped test is a failure.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf '\n== %s\n' "$*"; }

scripts/install-packages.sh build test

say "Formatting"
scripts/check-format.sh

say "Building (release, asan)"
for preset in release asan; do
  cmake --preset "$preset" >/dev/null
  cmake --build --preset "$preset"
done

# What several threads of the exporter share, and all that runs on its loops.
say "Building (tsan: the exporter and its tests)"
cmake --preset tsan >/dev/null
cmake --build --preset tsan --target smtp_probe_exporter check_smtp_probe smtp_fake_server smtp_responder \
  smtpprobe_net_tests smtpprobe_exporter_tests

say "clang-tidy (the pure parts and both programs)"
scripts/check-tidy.sh

say "Fuzzing, a short while"
# The same inputs every time: a new finding is scripts/fuzz.sh's to make, not a change's that has no part in it.
scripts/fuzz.sh --seed 1 10

output=$(mktemp)
trap 'rm -f "$output"' EXIT
concurrent='^(net|exporter|e2e_exporter_(http|probe|process|web|page))$'
for preset in asan tsan release; do
  say "Tests ($preset)"
  status=0
  only=()
  [ "$preset" != tsan ] || only=(-R "$concurrent")
  ctest --preset "$preset" "${only[@]}" 2>&1 | tee "$output" || status=$?
  # What a passing test printed is in the log alone.
  if grep -qF -e '***Skipped' -e '[  SKIPPED ]' "$output" "build/$preset/Testing/Temporary/LastTest.log"; then
    echo "A test was skipped: here that is a failure."
    exit 1
  fi
  [ "$status" -eq 0 ] || exit "$status"
done
