#!/usr/bin/env bash
# scripts/stages.sh with commands that do as they are told: everything runs, and the summary names what failed.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/bin"
cd "$work"

cat >bin/cmake <<'END'
#!/bin/sh
echo "cmake $*" >>calls
case "$*" in *--build*broken*) exit 1 ;; esac
END
cat >bin/ctest <<'END'
#!/bin/sh
echo "ctest $*" >>calls
mkdir -p "build/$2/Testing/Temporary"
: >"build/$2/Testing/Temporary/LastTest.log"
case $2 in
  failing)
    printf '\nThe following tests FAILED:\n\t  5 - e2e_dns (Failed)\n\t 17 - net (Timeout)\nErrors while running CTest\n'
    exit 8 ;;
  skipping) printf '1/1 Test #1: e2e_dns ...***Skipped\nThe following tests did not run:\n\t  1 - e2e_dns (Skipped)\n' ;;
  skipping-inside) echo '[  SKIPPED ] Net.Ipv6 (0 ms)' >"build/$2/Testing/Temporary/LastTest.log" ;;
  crashing) exit 3 ;;
  *) echo '100% tests passed' ;;
esac
END
chmod +x bin/*
PATH=$work/bin:$PATH

# WANTED GOT
same() {
  [ "$1" = "$2" ] || { printf 'wanted:\n%s\ngot:\n%s\n' "$1" "$2"; exit 1; }
}
# COMMAND...: its last lines, after the summary's title, in `said`, and its exit code in `code`.
run() {
  rm -f calls
  code=0
  said=$(bash -euo pipefail -c ". '$root/scripts/stages.sh'; $1; summary" 2>&1) || code=$?
  said=$(sed '1,/^== Summary$/d' <<<"$said")
}

run 'stage Format true; build good; stage_of Tidy good true; test_stage Tests good'
same "0 Nothing failed." "$code $said"
same $'cmake --preset good\ncmake --build --preset good\nctest --preset good' "$(cat calls)"

run 'stage Format false; build broken; build good; stage_of Tidy broken true; stage Fuzz false
     test_stage "Tests (failing)" failing; test_stage "Tests (broken)" broken; test_stage "Tests (good)" good
     test_stage "Tests (skipping)" skipping; test_stage "Tests (skipping-inside)" skipping-inside
     test_stage "Tests (crashing)" crashing; test_stage "Tests (tsan)" tsan -V'
same 1 "$code"
same 'FAILED  Format
FAILED  Building (broken)
FAILED  Tidy: not run, for broken was not built
FAILED  Fuzz
FAILED  Tests (failing): e2e_dns (Failed), net (Timeout)
FAILED  Tests (broken): not run, for broken was not built
FAILED  Tests (skipping): e2e_dns (Skipped)
FAILED  Tests (skipping-inside): Net.Ipv6 (skipped)
FAILED  Tests (crashing): ctest ended with 3' "$said"
same "failing good skipping skipping-inside crashing tsan" \
  "$(sed -n 's/^ctest --preset \([^ ]*\).*/\1/p' calls | paste -sd' ')"
grep -qF 'ctest --preset tsan -R ^(net|exporter|' calls
