"""Clean Debian systems in folders: debootstrap's minimal one, layers upon it as a container engine has them, and commands
within, each in mounts and processes of its own. Needs root. What takes long (the minimal system, layers, downloaded
packages) stays below ROOTS for the next run; a week later it is made anew."""

import hashlib
import os
import pathlib
import shutil
import subprocess
import tempfile
import time

ROOTS = pathlib.Path(os.environ["ROOTS"])
SUITE = "bookworm"
WEEK = 7 * 86400
# Machines may be ten times slower than an idle one of two cores.
PATIENCE = 1500

# Mounts a root of layers at $AT, with the devices that a program may count on, and becomes what it was asked to.
MOUNT = r"""
set -e
mount -t overlay overlay -o "lowerdir=$LOWER,upperdir=$UPPER,workdir=$WORK" "$AT"
mkdir -p "$AT/proc" "$AT/dev" "$AT/sys" "$AT/etc"
mount -t tmpfs -o mode=755 tmpfs "$AT/dev"
for node in null zero full random urandom tty; do
  : >"$AT/dev/$node"
  mount --bind "/dev/$node" "$AT/dev/$node"
done
mkdir "$AT/dev/pts" "$AT/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$AT/dev/pts"
ln -s pts/ptmx "$AT/dev/ptmx"
ln -s /proc/self/fd "$AT/dev/fd"
printf '%s\n' "$BINDS" | while read -r from to; do
  [ -z "$from" ] || { mkdir -p "$AT$to"; mount --bind "$from" "$AT$to"; }
done
"""
ENTER = MOUNT + r"""
mount -t proc proc "$AT/proc"
exec "$@"
"""


class Failed(AssertionError):
    """A command that had to succeed; its output is the text."""


def checked(done, words):
    if done.returncode != 0:
        raise Failed(f"{words}: exit {done.returncode}\n{done.stdout[-6000:]}")
    return done.stdout


def sources():
    """The lines of sources.list of this machine's own mirrors: of the suite, its updates and its security updates."""
    listed = subprocess.run(["apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT)",
                             "Created-By: Packages"], capture_output=True, text=True, check=True).stdout
    found = sorted({line for line in listed.splitlines()
                    if line.split()[1] in (SUITE, SUITE + "-updates", SUITE + "-security") and line.split()[2] == "main"})
    if not any(line.split()[1] == SUITE for line in found):
        raise Failed(f"no mirror of {SUITE} in this machine's apt sources")
    return found


def made(name, make):
    """The folder ROOTS/name, which `make(folder)` fills when it is not there or old; whole or not at all."""
    folder = ROOTS / name
    if folder.exists() and time.time() - folder.stat().st_mtime > WEEK:
        shutil.rmtree(folder)
    if not folder.exists():
        ROOTS.mkdir(parents=True, exist_ok=True)
        draft = pathlib.Path(tempfile.mkdtemp(prefix="draft-", dir=ROOTS))
        try:
            make(draft)
            draft.chmod(0o755)
            os.utime(draft)
            draft.rename(folder)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    return folder


def tidy():
    """Away with what runs that were killed have left, and layers that nothing asks for any more."""
    for one in ROOTS.glob("*-*"):
        if time.time() - one.stat().st_mtime > WEEK:
            shutil.rmtree(one, ignore_errors=True)


def minimal():
    """The lowest layer: debootstrap's minimal system with this machine's mirrors."""
    lines = sources()

    def make(folder):
        mirror = next(line.split()[0] for line in lines if line.split()[1] == SUITE)
        words = ["debootstrap", "--variant=minbase", SUITE, str(folder), mirror]
        checked(run(words), words)
        (folder / "etc/apt/sources.list").write_text("".join(f"deb {line}\n" for line in lines))
        # A root that is thrown away need not survive a power cut.
        (folder / "etc/dpkg/dpkg.cfg.d/unsafe-io").write_text("force-unsafe-io\n")
        (folder / "etc/apt/apt.conf.d/50keep").write_text('Binary::apt::APT::Keep-Downloaded-Packages "true";\n')

    return made("minimal-" + digest(*lines), make)


def digest(*parts):
    return hashlib.sha256("\0".join(map(str, parts)).encode()).hexdigest()[:16]


def run(words, timeout=PATIENCE, **how):
    return subprocess.run([str(word) for word in words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors="replace", timeout=timeout, check=False, **how)


class Root:
    """A system of layers, the topmost first, and an uppermost one of its own that goes with close()."""

    def __init__(self, *layers):
        ROOTS.mkdir(parents=True, exist_ok=True)
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="run-", dir=ROOTS))
        self.folder.chmod(0o755)
        self.upper = self.folder / "upper"
        for one in ("upper", "work", "at", "none"):
            (self.folder / one).mkdir()
        self.layers = layers or (self.folder / "none",)
        archives = ROOTS / "archives"
        (archives / "partial").mkdir(parents=True, exist_ok=True)
        self.binds = {archives: "/var/cache/apt/archives"} if layers else {}

    def close(self):
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def at(self):
        return self.folder / "at"

    def environment(self, extra=()):
        return {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8",
                "DEBIAN_FRONTEND": "noninteractive", "HOME": "/root",
                **{key: value for key, value in os.environ.items() if key.lower().endswith("_proxy")}, **dict(extra)}

    def mounts(self):
        """What the scripts above are told."""
        return {"LOWER": ":".join(map(str, self.layers)), "UPPER": str(self.upper), "WORK": str(self.folder / "work"),
                "AT": str(self.at), "BINDS": "\n".join(f"{one} {at}" for one, at in self.binds.items())}

    def words(self, words, user=None, inside=True):
        enter = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--propagation", "private",
                 "sh", "-c", ENTER, "enter"]
        if inside:
            enter += ["chroot", *([f"--userspec={user}"] if user else []), str(self.at)]
        return enter + [str(word) for word in words]

    def run(self, words, user=None, env=(), inside=True):
        """With inside=False this machine's own program, which finds the root at $AT."""
        return run(self.words(words, user, inside), env={**self.environment(env), **self.mounts()})

    def do(self, words, **how):
        return checked(self.run(words, **how), words)

    def shell(self, line, **how):
        return self.do(["/bin/sh", "-ec", line], **how)

    def copy_in(self, source, to):
        """The contents of a folder, or a file, into the folder `to`."""
        what = f"{source}/." if pathlib.Path(source).is_dir() else str(source)
        self.do(["sh", "-ec", 'mkdir -p "$AT$2" && cp -a "$1" "$AT$2/"', "copy", what, to], inside=False)

    def copy_out(self, pattern, folder):
        """What matches a pattern of the shell's; the contents where that is a folder."""
        self.do(["sh", "-ec", 'for one in "$AT"$1; do [ ! -d "$one" ] || one=$one/.; cp -a "$one" "$2/"; done',
                 "copy", pattern, str(folder)], inside=False)


def with_packages(*names):
    """Layers: the minimal system and upon it these packages."""
    base = minimal()

    def make(folder):
        root = Root(base)
        try:
            root.shell("apt-get update -qq && apt-get install -y -qq --no-install-recommends " + " ".join(names))
            shutil.rmtree(folder)
            root.upper.rename(folder)
        finally:
            root.close()

    return made("layer-" + digest(base.name, base.stat().st_mtime, *names), make), base
