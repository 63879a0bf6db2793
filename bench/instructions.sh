#!/usr/bin/env bash
# What a check costs its host: instructions of the whole process, counted by callgrind, beside Debian's
# check_smtp against the same server in the same run. Counts, unlike seconds, do not depend on what else the
# machine does. Prints both numbers and their ratio; with --check, exits 1 where a ratio is over its limit.
# Usage: bench/instructions.sh [--check] [BUILD_DIRECTORY]
set -euo pipefail
cd "$(dirname "$0")/.."

enforce=
if [ "${1:-}" = --check ]; then enforce=1; shift; fi
build=${1:-build/release}
ours=$build/plugin/check_smtp_probe
theirs=/usr/lib/nagios/plugins/check_smtp
server=$build/tests/smtp_fake_server
for program in valgrind openssl "$theirs"; do
  command -v "$program" >/dev/null || { echo "not installed: $program"; exit 77; }
done
# A bundle named in the environment would be read whole, by either program.
unset SSL_CERT_FILE SSL_CERT_DIR

work=$(mktemp -d)
server_pid=
trap '[ -z "$server_pid" ] || kill "$server_pid" 2>/dev/null || true; rm -rf "$work"' EXIT

mkdir "$work/certificates"
"$server" --write-certs "$work/certificates" >/dev/null
mkdir "$work/trust"
cp "$work/certificates/ca.pem" "$work/trust/"
openssl rehash "$work/trust"
"$server" --mail --tls-cert-dir "$work/certificates" >"$work/ports" &
server_pid=$!
for _ in $(seq 100); do grep -q '^ready' "$work/ports" && break; sleep 0.1; done
port=$(awk '$1 == "mail" { print $2 }' "$work/ports")

# The count of one run; the run itself must end well.
count() {
  local report
  report=$(valgrind --tool=callgrind --callgrind-out-file=/dev/null "$@" 2>&1 >"$work/output") || {
    echo "failed: $*" >&2
    cat "$work/output" >&2
    exit 1
  }
  sed -n 's/.*Collected : //p' <<<"$report"
}

over=0
compare() { # name, limit of the ratio, instructions of check_smtp, ours
  awk -v name="$1" -v limit="$2" -v theirs="$3" -v ours="$4" 'BEGIN {
    ratio = ours / theirs
    printf "%-30s %12d %16d   %5.2f   %5.2f  %s\n", name, theirs, ours, ratio, limit,
           ratio <= limit ? "ok" : "OVER"
    exit ratio > limit }' || over=1
}

printf '%-30s %12s %16s   %5s   %5s\n' "instructions" check_smtp check_smtp_probe ratio limit
common=(-H 127.0.0.1 -p "$port" -F probe.test)
compare "plain: banner, EHLO, QUIT" 0.35 \
  "$(count "$theirs" "${common[@]}")" "$(count "$ours" "${common[@]}")"
compare "STARTTLS (ours: verified)" 1.00 \
  "$(count "$theirs" "${common[@]}" -S)" \
  "$(count "$ours" "${common[@]}" -S --tls-verify require --tls-name mx.test --ca-path "$work/trust")"

if [ -n "$enforce" ]; then exit "$over"; fi
