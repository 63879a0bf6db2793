#!/usr/bin/env bash
# Installs what is missing of the Debian packages that the project needs: the one list of them.
# Usage: install-packages.sh build|package|image|test...
set -euo pipefail

build=(g++ cmake ninja-build libboost1.81-dev libexpected-dev libfmt-dev libc-ares-dev libssl-dev
  libgsasl-dev libntlm0-dev libidn-dev libgssglue-dev libcxxopts-dev libyaml-cpp-dev nlohmann-json3-dev
  libgtest-dev python3 prometheus-cpp-dev libcurl4-openssl-dev libspdlog-dev zlib1g-dev libcrypt-dev)
package=(dpkg-dev file)
image=(ca-certificates libcurl4)
test=(git openssl clang-format clang-tidy-16 valgrind monitoring-plugins-basic postfix dovecot-core
  dovecot-lmtpd dovecot-submissiond man-db prometheus prometheus-pushgateway prometheus-blackbox-exporter
  chromium wrk iproute2 time clang-16 libclang-rt-16-dev llvm-16 icinga2-bin icinga2-common nagios4-core haproxy lintian
  debootstrap swaks php8.2-cli rrdtool curl jq systemd python3-yaml bash-completion)

wanted=()
for set in "$@"; do
  declare -n packages=$set
  wanted+=("${packages[@]}")
done

missing=()
for package in "${wanted[@]}"; do
  dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

as_root=()
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null || { echo "Needs root, or sudo, to install: ${missing[*]}" >&2; exit 1; }
  as_root=(sudo)
fi
echo "Installing ${missing[*]}"
if printf '%s\n' "${missing[@]}" | grep -qx postfix; then
  # A private instance is started by the tests; the system's own stays as it is, unconfigured.
  echo 'postfix postfix/main_mailer_type select No configuration' | "${as_root[@]}" debconf-set-selections
fi
"${as_root[@]}" apt-get update -qq
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
  "${missing[@]}" >/dev/null
