# For scripts/test.sh and scripts/stress-tests.sh: stages that all run, whatever comes of the others, and a summary that
# names what failed. Sourced, in the root of the tree.

failures=()   # what the summary names, one line each
not_built=()  # presets

# What several threads of the exporter share, and all that runs on its loops: the tests of the tsan preset.
concurrent='^(net|exporter|e2e_exporter_(http|probe|process|web|page))$'

say() { printf '\n== %s\n' "$*"; }

# NAME COMMAND...
stage() {
  local name=$1
  shift
  say "$name"
  "$@" || failures+=("$name")
}

# PRESET [BUILD OPTION...]
build() {
  local preset=$1
  shift
  say "Building ($preset)"
  if cmake --preset "$preset" >/dev/null && cmake --build --preset "$preset" "$@"; then return; fi
  failures+=("Building ($preset)")
  not_built+=("$preset")
}

# NAME PRESET COMMAND...: a stage that needs what the preset builds.
stage_of() {
  local name=$1 preset=$2
  shift 2
  if [[ " ${not_built[*]} " != *" $preset "* ]]; then
    stage "$name" "$@"
  else
    failures+=("$name: not run, for $preset was not built")
  fi
}

# PRESET [CTEST OPTION...]: its tests. One that is skipped is a failure, also inside a test program.
ctest_of() {
  local preset=$1 output names status=0
  shift
  [ "$preset" != tsan ] || set -- -R "$concurrent" "$@"
  output=$(mktemp)
  ctest --preset "$preset" "$@" 2>&1 | tee "$output" || status=$?
  # CTest lists those that failed and those that did not run; what a passing test printed is in the log alone.
  names=$(sed -nE 's/^[[:space:]]+[0-9]+ - (\S+ \(.*\))[[:space:]]*$/\1/p' "$output"
    grep -ahoE '\[  SKIPPED \] [[:alnum:]_/.]+' "$output" "build/$preset/Testing/Temporary/LastTest.log" 2>/dev/null |
      sed 's/^\[  SKIPPED \] \(.*\)/\1 (skipped)/')
  if [ -z "$names" ] && grep -qF '***Skipped' "$output"; then names="a test (skipped)"; fi
  rm -f "$output"
  names=$(sort -u <<<"$names" | paste -sd, | sed 's/,/, /g')
  [ "$status" -ne 0 ] || [ -n "$names" ] || return 0
  what_failed=${names:-ctest ended with $status}
  return 1
}

# NAME PRESET [CTEST OPTION...]
test_stage() {
  local name=$1 preset=$2 before=${#failures[@]} what_failed=
  shift 2
  stage_of "$name" "$preset" ctest_of "$preset" "$@"
  [ "${#failures[@]}" -eq "$before" ] || [ -z "$what_failed" ] || failures[before]+=": $what_failed"
}

# The exit code is 1 where anything failed.
summary() {
  say "Summary"
  if [ "${#failures[@]}" -eq 0 ]; then
    echo "Nothing failed."
    return 0
  fi
  printf 'FAILED  %s\n' "${failures[@]}"
  return 1
}
