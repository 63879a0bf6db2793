#!/usr/bin/env bash
# Builds the fuzz targets of tests/fuzz and runs each for SECONDS (60) in parallel on the cores, or those
# that are named. Findings are in build/fuzz/findings and make it fail; new inputs gather in
# build/fuzz/corpus. With --merge the smallest set of them that covers as much replaces the tree's corpus. With
# --seed the inputs are made from that number and not by chance.
# Usage: fuzz.sh [--merge] [--seed N] [SECONDS] [TARGET...]
set -euo pipefail
cd "$(dirname "$0")/.."

merge=false
if [ "${1:-}" = --merge ]; then merge=true; shift; fi
seed=()
if [ "${1:-}" = --seed ]; then seed=("-seed=$2"); shift 2; fi
seconds=60
if [[ ${1:-} =~ ^[1-9][0-9]*$ ]]; then seconds=$1; shift; fi
targets=("$@")
if [ ${#targets[@]} -eq 0 ]; then
  for file in tests/fuzz/*_fuzz.cc; do targets+=("$(basename "$file" _fuzz.cc)"); done
fi

build=build/fuzz
findings=$build/findings
logs=$build/logs
cmake --preset fuzz >/dev/null
cmake --build --preset fuzz >"$build/build.log" || { cat "$build/build.log"; exit 1; }
mkdir -p "$findings" "$logs"
ASAN_SYMBOLIZER_PATH=$(command -v llvm-symbolizer-16 || true)
export ASAN_SYMBOLIZER_PATH

# Longer inputs find nothing more and are slow; a configuration needs room for its modules.
longest() {
  case $1 in
    dialogue | rendering | reply) echo 8192 ;;
    config | web_config) echo 4096 ;;
    *) echo 2048 ;;
  esac
}

dictionary() {
  case $1 in
    dialogue | rendering | reply | extensions | sasl) echo tests/fuzz/smtp.dict ;;
    config | web_config) echo tests/fuzz/yaml.dict ;;
    request | target) echo tests/fuzz/request.dict ;;
  esac
}

run() {
  local target=$1 corpus=$build/corpus/$1 words
  mkdir -p "$corpus"
  words=$(dictionary "$target")
  "$build/tests/fuzz/${target}_fuzz" "${seed[@]}" -max_total_time="$seconds" -rss_limit_mb=2048 -timeout=10 \
    -max_len="$(longest "$target")" ${words:+-dict="$words"} -print_final_stats=1 \
    -artifact_prefix="$findings/$target-" "$corpus" "tests/fuzz/corpus/$target" >"$logs/$target.log" 2>&1
}

# The last number behind a word of the log.
number() { grep -oP "$2\\s*\\K[0-9]+" "$logs/$1.log" | tail -1 || true; }

report() {
  printf '%-14s %12s %8s %8s %8s %9s\n' target executions exec/s edges corpus findings
  for target in "${targets[@]}"; do
    local found
    found=$(find "$findings" -name "$target-*" | wc -l)
    printf '%-14s %12s %8s %8s %8s %9s\n' "$target" "$(number "$target" 'number_of_executed_units:')" \
      "$(number "$target" 'average_exec_per_sec:')" "$(number "$target" 'cov:')" "$(number "$target" 'corp:')" "$found"
  done
}

merge_corpus() {
  local target=$1 kept=$build/merged/$1
  rm -rf "$kept"
  mkdir -p "$kept"
  "$build/tests/fuzz/${target}_fuzz" -set_cover_merge=1 -use_counters=0 -max_len="$(longest "$target")" -rss_limit_mb=2048 "$kept" \
    "tests/fuzz/corpus/$target" "$build/corpus/$target" >"$logs/$target.merge.log" 2>&1
  rm -rf "tests/fuzz/corpus/$target"
  mv "$kept" "tests/fuzz/corpus/$target"
}

declare -A target_of=()
failed=()
finish_one() {
  local status=0 ended
  wait -n -p ended || status=$?
  [ "$status" -eq 0 ] || failed+=("${target_of[$ended]}")
  unset "target_of[$ended]"
}
trap 'kill "${!target_of[@]}" 2>/dev/null || true' EXIT

for target in "${targets[@]}"; do
  [ "${#target_of[@]}" -lt "$(nproc)" ] || finish_one
  run "$target" &
  target_of[$!]=$target
done
while [ "${#target_of[@]}" -gt 0 ]; do finish_one; done

report
for target in "${failed[@]}"; do
  echo "== $target: $logs/$target.log"
  grep -vE '^#[0-9]|^INFO:|NEW_FUNC' "$logs/$target.log" | head -60
done
if [ ${#failed[@]} -gt 0 ] || [ -n "$(find "$findings" -type f)" ]; then
  echo "Findings are in $findings; each makes a transcript or a unit test first."
  exit 1
fi
if $merge; then
  for target in "${targets[@]}"; do merge_corpus "$target"; done
  du -sh tests/fuzz/corpus
fi
