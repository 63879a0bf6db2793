"""A network of its own for a test: interfaces, ports and name servers that only it and what it starts can see. Needs
root and Linux's namespaces; `missing()` says what is lacking."""

import contextlib
import ctypes
import os
import pathlib
import subprocess

CLONE_NEWNS, CLONE_NEWNET = 0x00020000, 0x40000000
MS_BIND, MS_REC, MS_PRIVATE = 4096, 16384, 1 << 18
LIBC = ctypes.CDLL(None, use_errno=True)


def _call(name, *arguments):
    if getattr(LIBC, name)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


def missing():
    """Why there can be no namespace here; None when there can."""
    if os.geteuid() != 0:
        return "needs root"
    done = subprocess.run(["unshare", "--net", "--mount", "true"], capture_output=True, text=True, check=False)
    return done.stderr.strip() or None if done.returncode else None


def settings(name, value):
    """Of this thread's network: `net/ipv4/...`."""
    pathlib.Path("/proc/sys", name).write_text(f"{value}\n")


def private_mounts():
    """From here on, what this process mounts only it and its children see. There is no way back, and no need."""
    _call("unshare", CLONE_NEWNS)
    _call("mount", None, b"/", None, MS_REC | MS_PRIVATE, None)


def show_as(path, instead):
    """The file `instead` in the place of `path`; after private_mounts()."""
    _call("mount", str(path).encode(), str(instead).encode(), None, MS_BIND, None)


def mount(kind, path, options):
    """A file system of the kernel's: tmpfs, overlay; after private_mounts()."""
    _call("mount", kind.encode(), str(path).encode(), kind.encode(), 0, options.encode())


@contextlib.contextmanager
def own_network(ipv6=True):
    """The calling thread, and whatever it starts, has an empty network with a loopback, until the end of the block."""
    with open("/proc/thread-self/ns/net", encoding="ascii") as before:
        _call("unshare", CLONE_NEWNET)
        try:
            if not ipv6:
                settings("net/ipv6/conf/all/disable_ipv6", 1)
            subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
            yield
        finally:
            _call("setns", before.fileno(), CLONE_NEWNET)
