"""Runs check_smtp 2.3.3 and ours under its name with the same words against the same server, and shows what each said
in a form that can be compared: without times, dates and ports."""

import concurrent.futures
import dataclasses
import os
import pathlib
import re
import shlex

import dropin_server
from probe import CHECK, run

THEIRS = "/usr/lib/nagios/plugins/check_smtp"
AT_ONCE = 8
ALONE_PORT = 2525
# In a network of its own, in which nobody listens and no name resolves.
ALONE = ["unshare", "-n" if os.geteuid() == 0 else "-rn", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]
# `[check_smtp]` is what --extra-opts without a section means.
INI = """[check_smtp]
from = a@b.test
[mail]
expect = ESMTP
starttls =
[slow]
warning = 30
critical = 60
[flag]
ignore-quit-failure
[wrong]
frobnicate = 1
"""
MASKS = (
    (re.compile(r"\d+\.\d{3} sec\."), "T sec."),
    (re.compile(r"\b\d+\.\d+ s\b"), "T s"),
    (re.compile(r"[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4} \+0000"), "DATE"),
    (re.compile(r"'Short CA' expires in \d day"), "'Short CA' expires in N day"),
    (re.compile(r"(\bv|smtp-probe |monitoring-plugins )\d+\.\d+\.\d+"), r"\1N"),
)


@dataclasses.dataclass(frozen=True)
class Case:
    """`options` stand behind the server's address; with `alone` they are everything there is."""
    server: str
    options: str
    alone: bool = False

    def __str__(self):
        return f"{self.options or 'no option'} ({'nobody at all' if self.alone else self.server})"


class Said:
    """What a program said: the exit code, the first line as it can be compared, the thresholds of `time`."""

    def __init__(self, outcome, port, ini):
        self.outcome = outcome
        self.code = outcome.code
        line = outcome.text.rstrip().replace(str(port), "PORT").replace(str(ini), "FILE")
        for mask, word in MASKS:
            line = mask.sub(word, line)
        self.line = line
        found = re.search(r"\|time=\d+\.\d{6}s;([^;\s]*;[^;\s]*;\d\.\d{6})(?=\s|$)", outcome.out)
        self.thresholds = found.group(1) if found else None

    def __str__(self):
        return f"{self.code} {self.line}"

    def begins_as(self, other):
        """The same exit code, and the other's first line perhaps with more behind it."""
        rest = self.line[len(other.line):]
        return self.code == other.code and self.line.startswith(other.line) and rest[:1] in ("", " ", ",", ";")


class Pairs:
    """The servers, the two programs and a pool of threads."""

    def __init__(self, folder):
        folder = pathlib.Path(folder)
        self.ours = folder / "check_smtp"
        if not self.ours.exists():
            self.ours.symlink_to(CHECK)
        self.ini = folder / "plugins.ini"
        self.ini.write_text(INI)
        self.certificates = dropin_server.write_certificates(folder / "certificates")
        self.servers = dropin_server.start_all(dropin_server.SERVERS, self.certificates)
        self.pool = concurrent.futures.ThreadPoolExecutor(AT_ONCE)

    def words(self, case, options):
        port = ALONE_PORT if case.alone else self.servers[case.server].port
        words = shlex.split(options.replace("{port}", str(port)).replace("{ini}", str(self.ini)))
        if case.alone:
            return port, words
        address = "::1" if "address" in dropin_server.SERVERS[case.server] else "127.0.0.1"
        return port, ["-H", address, "-p", str(port), *words]

    def _run(self, program, case, options):
        port, words = self.words(case, options)
        before = ALONE if case.alone else []
        program, *words = [*before, str(program), *words]
        return Said(run(*words, program=program), port, self.ini)

    def theirs_of(self, case):
        return self.pool.submit(self._run, THEIRS, case, case.options)

    def ours_of(self, case, options=None):
        return self.pool.submit(self._run, self.ours, case, case.options if options is None else options)

    def wire(self, server, options, program):
        """The verbs that the program says to a server of its own."""
        one = dropin_server.Server(dropin_server.SERVERS[server], self.certificates)
        try:
            run("-H", "127.0.0.1", "-p", one.port, *shlex.split(options), program=program)
            one.done.wait(dropin_server.PATIENCE)
            return " ".join(one.said)
        finally:
            one.stop()

    def stop(self):
        self.pool.shutdown()
        for server in self.servers.values():
            server.stop()
