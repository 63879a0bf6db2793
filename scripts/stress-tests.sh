#!/usr/bin/env bash
# Runs the tests of a preset that is built several times while other processes keep the processors busy: shows the tests
# that depend on how quick the machine is. What failed in which run stands in the last lines.
# Usage: stress-tests.sh [-n RUNS] [-l BUSY_LOOPS] PRESET [CTEST OPTION...]      (3 runs, 2 loops)
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/stages.sh

runs=3
loops=2
while getopts n:l: option; do
  case $option in
    n) runs=$OPTARG ;;
    l) loops=$OPTARG ;;
    *) exit 2 ;;
  esac
done
shift $((OPTIND - 1))
preset=${1:?PRESET is missing}
shift

busy=()
trap '[ ${#busy[@]} -eq 0 ] || kill "${busy[@]}"' EXIT
for ((loop = 0; loop < loops; ++loop)); do
  while :; do :; done &
  busy+=($!)
done
for ((run = 1; run <= runs; ++run)); do
  test_stage "Tests ($preset), run $run of $runs" "$preset" "$@"
done
summary
