#!/usr/bin/env bash
# Makes the Debian packages: build/packages/*.deb. Usage: package.sh [BUILD_FOLDER]
# Of the preset `package`, which it builds: the two programs without their tests. With BUILD_FOLDER, as in
# `package.sh build/release`, of what is built there. SMTPPROBE_REVISION is the commit where .git is absent.
set -euo pipefail
cd "$(dirname "$0")/.."

folder=${1:-build/package}
if [ $# -eq 0 ]; then
  cmake --preset package ${SMTPPROBE_REVISION:+-DSMTPPROBE_REVISION="$SMTPPROBE_REVISION"} >/dev/null
fi
cmake --build "$folder" --target check_smtp_probe smtp_probe_exporter

# The same commit gives the same bytes.
if [ -z "${SOURCE_DATE_EPOCH:-}" ] && SOURCE_DATE_EPOCH=$(git log -1 --format=%ct 2>/dev/null); then
  export SOURCE_DATE_EPOCH
fi
umask 022
rm -rf build/packages
mkdir -p build/packages
cpack --config "$folder/CPackConfig.cmake" -B build/packages >build/packages/cpack.log ||
  { cat build/packages/cpack.log >&2; exit 1; }
rm -rf build/packages/_CPack_Packages build/packages/cpack.log
ls -l build/packages/*.deb
