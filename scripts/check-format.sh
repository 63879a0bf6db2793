#!/usr/bin/env bash
# Is every C++ file as clang-format leaves it? `check-format.sh --fix` makes it so.
set -euo pipefail
cd "$(dirname "$0")/.."
mode=(--dry-run -Werror)
[ "${1:-}" != --fix ] || mode=(-i)
find . -path ./build -prune -o \( -name '*.h' -o -name '*.cc' \) -print | sort | xargs clang-format "${mode[@]}"
