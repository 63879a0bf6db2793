#!/usr/bin/env bash
# The instructions of a check beside check_smtp's. Usage: bench/instructions.sh [--check] [BUILD_DIRECTORY]
exec "$(dirname "$0")/check.py" "$@"
