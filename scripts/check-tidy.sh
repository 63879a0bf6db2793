#!/usr/bin/env bash
# clang-tidy over the pure parts and the plugin, by the release build's compile commands. The whole tree:
# cmake --preset tidy && cmake --build --preset tidy
set -euo pipefail
cd "$(dirname "$0")/.."
find common/smtp common/probe common/config plugin -name '*.cc' | sort |
  xargs -n 2 -P "$(nproc)" clang-tidy-16 --quiet -p build/release 2> >(grep -v 'warnings generated' >&2)
