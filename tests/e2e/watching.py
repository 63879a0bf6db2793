"""check_smtp_probe --watch, and servers whose answers change from one connection to the next."""

import re
import subprocess
import threading

from exporter import Listener, silent
from probe import CHECK, ProbeCase, environment

PATIENCE = 60
GOOD, BUSY, GONE = "220 mx.test ESMTP", "421 4.7.0 too many connections", "554 no"
FAILURE = "last failure: "
LINE = r"\d\d:\d\d:\d\d "
HEADING = re.compile(r"^ms +last +min +median +p95 +max +loss$")


def answering(*banners):
    """A server whose n-th connection gets the n-th banner, and all later ones the last."""
    numbers = iter(range(10**9))
    lock = threading.Lock()

    def serve(connection):
        with lock:
            banner = banners[min(next(numbers), len(banners) - 1)]
        if banner is None:
            return silent(connection)
        lines = connection.makefile("rb")
        connection.sendall(banner.encode() + b"\r\n")
        for line in lines:
            quits = line.startswith(b"QUIT")
            connection.sendall(b"221 bye\r\n" if quits else b"250 mx.test\r\n")
            if quits:
                return None
        return None
    return serve


class WatchCase(ProbeCase):

    def serve(self, *banners):
        server = Listener(answering(*banners))
        self.addCleanup(server.close)
        return server

    def words(self, server, *options):
        port = server if isinstance(server, int) else server.port
        return [CHECK, "-H", "127.0.0.1", "-p", str(port), "-F", "probe.test", *map(str, options)]

    def watch(self, server, *options, **how):
        return self.run_clean(*self.words(server, *options)[1:], **how)

    def start(self, server, *options, **how):
        child = subprocess.Popen(self.words(server, *options), stdin=subprocess.DEVNULL, text=True,
                                 **{"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "env": environment()} | how)
        self.addCleanup(child.wait)
        self.addCleanup(child.kill)
        if child.stdout:
            self.addCleanup(child.stdout.close)
        return child

    def table(self, out):
        """What stands before the end of `out`; its summary; step -> the columns of its table, "last failure" -> that line."""
        before, rows = out.split("\n--- ", 1)
        summary, heading, *rows = rows.splitlines()
        self.assertRegex(heading, HEADING)
        for row in rows:
            self.assertTrue(len(row) <= 80 or row.startswith(FAILURE), row)
        failure = [row.removeprefix(FAILURE) for row in rows if row.startswith(FAILURE)]
        table = {row.split()[0]: row.split()[1:] for row in rows[:len(rows) - len(failure)]}
        return before.splitlines(), summary, table | {"last failure": one for one in failure}
