"""The programs that a document may call: real ones by name, and stand-ins for what a test cannot do to the machine it
runs on. Each stand-in names what runs the real thing."""

import dataclasses

ALLOWED = """
bash sh env cat cp mv rm ln ls mkdir rmdir chmod chown install touch tee echo printf true false test sleep date head
tail sort uniq cut tr wc sed awk grep egrep find xargs seq basename dirname readlink realpath mktemp stat id uname
hostname diff cmp tar gzip zcat cd ps kill pkill pgrep pidof timeout time nice ss jq curl wget openssl python3 promtool
icinga2 nagios4 swaks man htpasswd getent base64 sha256sum git logger flock column fold tac paste yes expr nproc dpkg-divert
""".split()

# The exporter as it is; where it would serve, in the background as if it had a terminal of its own. A second one takes
# the place of the first.
WRAPPER = r"""#!/bin/bash
for word; do
  case $word in
    --once* | --config.check | --version | --help | -h) exec "$REAL_EXPORTER" "$@" ;;
  esac
done
pid=$MACHINE/exporter.pid log=$MACHINE/exporter.log
PATH=$REAL_PATH
if [ -s "$pid" ]; then
  kill "$(cat "$pid")" 2>/dev/null
  for _ in $(seq 200); do kill -0 "$(cat "$pid")" 2>/dev/null || break; sleep 0.05; done
fi
: >"$log"  # of the one before: it has said "listening" too
setsid "$REAL_EXPORTER" "$@" </dev/null >>"$log" 2>&1 &
echo $! >"$pid"
for _ in $(seq 400); do
  grep -q 'listening' "$log" && exit 0
  kill -0 $! 2>/dev/null || break
  sleep 0.05
done
cat "$log"
wait $!
exit $?
"""


@dataclasses.dataclass(frozen=True)
class Shim:
    name: str
    script: str
    covered: str  # what does the real thing


SYSTEMCTL = r"""
PATH=$REAL_PATH
case "$*" in
  daemon-reload | "edit "*) exit 0 ;;
  *smtp_probe_exporter*) ;;
  *nagios* | *icinga2* | *prometheus* | *grafana* | *alertmanager* | *node_exporter* | *node-exporter*) exit 0 ;;
  *) echo "no such unit: $*" >&2; exit 5 ;;
esac
case "$1" in
  enable | start | restart | try-restart)
    if [ "$1" = enable ]; then case "$*" in *--now*) ;; *) exit 0 ;; esac; fi
    ARGS=
    [ ! -f /etc/default/smtp_probe_exporter ] || . /etc/default/smtp_probe_exporter
    exec /usr/bin/smtp_probe_exporter $ARGS ;;
  reload) kill -HUP "$(cat "$MACHINE/exporter.pid")" ;;
  stop | disable) kill "$(cat "$MACHINE/exporter.pid")" ;;
  status | is-active) kill -0 "$(cat "$MACHINE/exporter.pid")" && echo active ;;
  *) echo "systemctl $1: not known here" >&2; exit 5 ;;
esac
"""

SUDO = r"""
while [ $# -gt 0 ]; do
  case $1 in
    -u | -g) shift 2 ;;
    -*) shift ;;
    *=*) export "$1"; shift ;;
    *) break ;;
  esac
done
[ $# -gt 0 ]
exec "$@"
"""

# Only files that are there are installed or applied.
FILES_OF_APT = r"""
for word; do case $word in ./* | /*) ls -d "$word" >/dev/null ;; esac; done
"""
FILES_OF_F = r"""
while [ $# -gt 0 ]; do
  case $1 in
    -f | --filename | -k) case $2 in -) cat >/dev/null ;; http*) ;; *) ls -d "$2" >/dev/null ;; esac; shift ;;
  esac
  shift
done
"""

# Lines of commands that are left out, for what they ask is not here.
ELSEWHERE = (
    (r"curl .*https://\S*:5665/", "tests/e2e/icinga2_test.py asks a real Icinga's API"),
    (r"\bicingacli ", "tests/e2e/icinga2_test.py reads the Director's basket"),
)

SHIMS = (
    Shim("sudo", SUDO, "the command behind it is run"),
    Shim("systemctl", SYSTEMCTL, "tests/e2e/exporter_process_test.py (reload, stop); the flags are really started here"),
    Shim("journalctl", 'cat "$MACHINE/exporter.log"', "the exporter's log itself"),
    Shim("apt", FILES_OF_APT, "scripts/install-packages.sh"),
    Shim("apt-get", FILES_OF_APT, "scripts/install-packages.sh"),
    Shim("apt-cache", "echo '  Candidate: 1'", "tests/packages compares what is linked statically with apt"),
    Shim("dpkg", FILES_OF_APT, "scripts/install-packages.sh"),
    Shim("cmake", ":", "scripts/test.sh builds with these presets"),
    Shim("ctest", ":", "scripts/test.sh"),
    Shim("docker", ":", "the files below deploy/"),
    Shim("podman", ":", "the files below deploy/"),
    Shim("kubectl", FILES_OF_F, "the files below deploy/"),
    Shim("helm", FILES_OF_F, "the files below deploy/"),
    Shim("nano", ":", "an editor"),
    Shim("editor", ":", "an editor"),
    Shim("sudoedit", ":", "an editor"),
)
