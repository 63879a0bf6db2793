#!/usr/bin/env bash
# Installs what is missing, builds, and shows an SMTP server probed step by step, by the check and by the
# Prometheus exporter: the embedded one, or with HOST[:PORT] yours. At a terminal the exporter stays until
# you press Enter.
set -euo pipefail
cd "$(dirname "$0")/.."
here=$PWD

case "${1:-}" in
  -h | --help) echo "Usage: scripts/demo.sh [HOST[:PORT]]"; exit 0 ;;
esac

scripts/install-packages.sh build
echo "Building (the first time takes a few minutes) ..."
cmake --preset release >/dev/null
cmake --build --preset release --target check_smtp_probe smtp_probe_exporter smtp_fake_server
check=build/release/plugin/check_smtp_probe
exporter=build/release/exporter/smtp_probe_exporter

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then bold=$'\e[1m' plain=$'\e[0m'; else bold='' plain=''; fi
title() { printf '\n%s== %s%s\n' "$bold" "$*" "$plain"; }

# Shows a command as a user would type it, runs it, and shows what Nagios sees: the exit code.
show() {
  local code=0 names=(OK WARNING CRITICAL UNKNOWN)
  printf '%s$ check_smtp_probe' "$bold"
  printf ' %q' "$@"
  printf '%s\n' "$plain"
  "$check" "$@" || code=$?
  printf '%s(exit code %d: %s)%s\n' "$bold" "$code" "${names[$code]:-?}" "$plain"
}

next_steps() {
  title "Next, on a server of yours"
  cat <<END
  $here/$check -H mx.example.net -v                          # banner, EHLO, QUIT
  $here/$check -H mx.example.net -S -D 21,7 --tls-verify warn -v   # STARTTLS and its certificates
  $here/$check -H mx.example.net -f you@example.net --to postmaster@example.net -vv   # up to RCPT, no mail is sent
  $here/$check --explain 450                                 # what a reply code means
  $here/$exporter --web.listen-address 127.0.0.1:9725   # then http://127.0.0.1:9725/
  man -l $here/docs/check_smtp_probe.8                       # everything else
  man -l $here/docs/smtp_probe_exporter.8
END
}

if [ $# -gt 0 ]; then
  title "$1, step by step"
  show -H "$1" -vv
  title "$1, as Prometheus sees it"
  printf '%s$ smtp_probe_exporter --once %q%s\n' "$bold" "$1" "$plain"
  "$exporter" --once "$1" || true
  next_steps
  exit 0
fi

work=$(mktemp -d)
server='' exporting=''
stop() {
  for process in $server $exporting; do kill "$process" 2>/dev/null || true; done
  rm -rf "$work"
}
trap stop EXIT
mkdir "$work/certificates"
build/release/tests/smtp_fake_server --write-certs "$work/certificates" >/dev/null
build/release/tests/smtp_fake_server --mail --tls-cert-dir "$work/certificates" \
  mdaemon=tests/transcripts/mdaemon.txt >"$work/ports" &
server=$!
for _ in $(seq 100); do grep -q '^ready' "$work/ports" && break; sleep 0.1; done
port_of() { awk -v name="$1" '$1 == name { print $2 }' "$work/ports"; }
mail=$(port_of mail)

title "The whole dialogue, as one would type it into telnet, and a message accepted"
show -H 127.0.0.1 -p "$(port_of mdaemon)" -F probe.test -f a@b.test --to c@d.test --send -vv

title "OK: a server that takes our mail"
show -H 127.0.0.1 -p "$mail" -f probe@example.net --to postmaster@example.net

title "WARNING: a greylisted recipient"
show -H 127.0.0.1 -p "$mail" -f probe@example.net --to grey@example.net

title "CRITICAL: mail would be refused (check_smtp says OK here)"
show -H 127.0.0.1 -p "$mail" -f probe@example.net --to unknown@example.net

title "STARTTLS, its certificate verified, with the time of every step"
show -H 127.0.0.1 -p "$mail" -S --tls-verify require --tls-name mx.test \
  --ca-file "$work/certificates/ca.pem" -D 21 -v

title "The exporter, on the same servers"
cat >"$work/smtp-probe.yml" <<END
modules:
  rcpt:
    helo: probe.test
    tls: {mode: starttls, verify: require, server_name: mx.test, ca_file: $work/certificates/ca.pem}
    mail: {from: probe@example.net, to: [unknown@example.net]}
END
"$exporter" --config.file "$work/smtp-probe.yml" --web.listen-address 127.0.0.1:0 2>"$work/log" &
exporting=$!
address=
for _ in $(seq 100); do
  address=$(sed -n 's/.*msg=listening address=//p' "$work/log")
  [ -z "$address" ] || break
  sleep 0.1
done
[ -n "$address" ] || { cat "$work/log"; exit 1; }
url="http://$address/probe?target=127.0.0.1:$mail&module=rcpt"
printf "%s\$ curl '%s'%s\n" "$bold" "$url" "$plain"
python3 - "$url" <<'END'
import sys, urllib.request
print(urllib.request.urlopen(sys.argv[1], timeout=30).read().decode(), end="")
END

title "The same for Prometheus: copy this into prometheus.yml"
cat <<END
scrape_configs:
  - job_name: smtp
    metrics_path: /probe
    params: {module: [rcpt]}
    static_configs:
      - targets: ["127.0.0.1:$mail"]
    relabel_configs:
      - {source_labels: [__address__], target_label: __param_target}
      - {source_labels: [__param_target], target_label: instance}
      - {source_labels: [__param_module], target_label: module}
      - {target_label: __address__, replacement: "$address"}
END

next_steps

title "The exporter's page, as long as this script runs: http://$address/"
if [ -t 0 ] && [ -t 1 ]; then
  read -r -p "It is there until you press Enter. " || true
fi
