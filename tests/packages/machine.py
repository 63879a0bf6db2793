"""A Debian system of layers that runs: systemd is its first process, and its processes, mounts, cgroups and network are its
own. What systemd would do to this machine (kernel settings, modules, devices, consoles) it is kept from."""

import json
import os
import pathlib
import subprocess
import sys
import time

import root

E2E = pathlib.Path(__file__).parent.parent / "e2e"

# A cgroup for it, then all namespaces; the root is pivoted to, for no user namespace can be made in a chroot.
START = r"""
set -e
mkdir -p "$CONTROL"
mount -t cgroup2 cgroup2 "$CONTROL"
mkdir -p "$CONTROL$GROUP"
echo $$ >"$CONTROL$GROUP/cgroup.procs"
exec unshare --cgroup --mount --pid --fork --kill-child --net --uts --ipc --propagation private sh -c "$BOOT"
"""
BOOT = root.MOUNT + r"""
ip link set lo up
mount -t proc proc "$AT/proc"
mount --bind "$AT/proc/sys" "$AT/proc/sys"
mount -o remount,bind,ro "$AT/proc/sys"
mount -t sysfs -o ro sysfs "$AT/sys"
mount -t cgroup2 cgroup2 "$AT/sys/fs/cgroup"
mount -t tmpfs -o mode=755 tmpfs "$AT/run"
mount -t tmpfs -o mode=1777 tmpfs "$AT/tmp"
mkdir "$AT/run/shared"
mount --bind "$SHARED" "$AT/run/shared"
for unit in systemd-sysctl systemd-modules-load systemd-remount-fs systemd-tmpfiles-setup-dev systemd-udevd \
    systemd-udev-trigger systemd-binfmt systemd-logind systemd-hwdb-update getty@tty1 console-getty apt-daily \
    apt-daily-upgrade dpkg-db-backup e2scrub_reap systemd-update-utmp; do
  ln -sf /dev/null "$AT/etc/systemd/system/$unit.service"
done
cd "$AT"
mkdir -p .before
pivot_root . .before
umount -l /.before
rmdir /.before
exec env -i container=lxc PATH=/usr/sbin:/usr/bin /lib/systemd/systemd --log-target=journal --show-status=0
"""
FETCH = """
import http.client, json, sys
one = http.client.HTTPConnection("127.0.0.1", 9725, timeout=60)
one.request(sys.argv[1], sys.argv[2])
answer = one.getresponse()
json.dump([answer.status, answer.read().decode()], sys.stdout)
"""


class Machine(root.Root):
    """`shared` is a folder of this machine's that it sees as /run/shared. Commands run in it with this machine's network,
    for apt, or with own_network=True in its own, which has a loopback."""

    def __init__(self, *layers):
        super().__init__(*layers)
        self.shared = self.folder / "shared"
        self.shared.mkdir()
        own = next(line[3:] for line in pathlib.Path("/proc/self/cgroup").read_text().splitlines()
                   if line.startswith("0::"))
        control = self.folder / "control"
        self.where = {"CONTROL": str(control), "GROUP": f"{own.rstrip('/')}/smtp-probe-test-{os.getpid()}"}
        self.peers = []
        self.log = (self.folder / "boot.log").open("w+")
        self.process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--propagation", "private", "sh", "-c", START], stdin=subprocess.DEVNULL,
            stdout=self.log, stderr=self.log,
            env={**self.environment(), **self.mounts(), **self.where, "SHARED": str(self.shared), "BOOT": BOOT})
        try:
            self.first = self._wait(self._child, "its first process")
            self._wait(lambda: self.run(["systemctl", "is-system-running"]).stdout.strip() == "running", "systemd")
        except BaseException:
            self.close()
            raise

    def _child(self):
        children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        # Until it is systemd there is nothing to enter.
        try:
            if children and pathlib.Path(f"/proc/{children[0]}/comm").read_text().strip() == "systemd":
                return children[0]
        except (FileNotFoundError, ProcessLookupError):  # a command of the script, which has ended
            pass
        return None

    def _wait(self, true, what, seconds=120):
        end = time.monotonic() + seconds
        while time.monotonic() < end and self.process.poll() is None:
            answer = true()
            if answer:
                return answer
            time.sleep(0.1)
        self.log.seek(0)
        state = self.run(["systemctl", "--no-pager", "--failed"]).stdout if hasattr(self, "first") else ""
        raise root.Failed(f"the system did not start: no {what}\n{self.log.read()}{state}")

    def close(self):
        for one in self.peers:
            one.kill()
            one.wait()
        self.process.kill()
        self.process.wait()
        self.log.close()
        # The cgroup is empty once the kernel has buried the last one.
        root.run(["unshare", "--mount", "--propagation", "private", "sh", "-c",
                  'mount -t cgroup2 cgroup2 "$CONTROL" || exit 0; i=0; while [ $i -lt 100 ] && [ -d "$CONTROL$GROUP" ]; do '
                  'find "$CONTROL$GROUP" -depth -type d -exec rmdir {} + 2>/dev/null || sleep 0.1; i=$((i+1)); done'],
                 env={**self.environment(), **self.where})
        super().close()

    def _enter(self, words, own_network):
        names = ["--mount", "--pid", "--uts", "--ipc", "--cgroup", "--root", "--wd"]
        return ["nsenter", "--target", self.first, *names, *(["--net"] if own_network else []), *map(str, words)]

    def run(self, words, own_network=False, timeout=root.PATIENCE):
        return root.run(self._enter(words, own_network), timeout=timeout, env=self.environment())

    def peer(self, words, ready, **how):
        """A program of this machine in the network of that one, from when it has printed `ready` until the end."""
        one = subprocess.Popen(["nsenter", "--target", self.first, "--net", *map(str, words)], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, text=True, **how)
        self.peers.append(one)
        lines = []
        for line in one.stdout:
            if line.strip() == ready:
                return lines
            lines.append(line.strip())
        raise root.Failed(f"{words}: ended without {ready}: {lines}")

    def name_server(self):
        """On port 53: good.test is 127.0.0.1."""
        code = "import dns_server, sys; dns_server.NameServer(); print('ready', flush=True); sys.stdin.read()"
        self.peer([sys.executable, "-B", "-c", code], "ready", cwd=E2E)

    def fetch(self, path, method="GET"):
        """Status and text of the exporter's answer."""
        words = ["nsenter", "--target", self.first, "--net", sys.executable, "-c", FETCH, method, path]
        return json.loads(root.checked(root.run(words, timeout=120), words))
