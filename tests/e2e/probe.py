"""The real binary, run as a monitoring system runs it, and what came of it."""

import dataclasses
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import time
import unittest

import peers

CHECK = os.environ["CHECK"]
# Under a sanitizer: memory is not the check's own, and everything takes longer.
SANITIZED = os.environ.get("SMTPPROBE_SANITIZE", "") != ""
# What a machine with other work may add to a time that has an upper bound, in seconds. The faults that such a bound is
# to find take longer.
BUSY = 15 if SANITIZED else 5
OK, WARNING, CRITICAL, UNKNOWN = range(4)
STATES = ("ok", "warning", "critical", "unknown")


@dataclasses.dataclass
class Outcome:
    code: int
    out: str
    err: str
    seconds: float

    @property
    def first(self):
        return self.out.split("\n", 1)[0]

    @property
    def text(self):
        """The first line up to its performance data."""
        return self.first.split("|", 1)[0]

    @property
    def perfdata(self):
        """label -> the value with its unit, thresholds and bounds."""
        return dict(one.split("=", 1) for one in self.first.split("|", 1)[1].split())

    @property
    def json(self):
        return json.loads(self.out)


def environment(**more):
    """Without what would reach the check from the outside."""
    kept = {name: value for name, value in os.environ.items()
            if name not in ("MP_CONFIG_FILE", "NAGIOS_CONFIG_PATH", "SSL_CERT_FILE", "SSL_CERT_DIR")}
    return kept | more


def run(*arguments, program=CHECK, stdin="", env=None, timeout=60):
    began = time.monotonic()
    done = subprocess.run([program, *map(str, arguments)], input=stdin, capture_output=True, text=True,
                          errors="surrogateescape", timeout=timeout, env=env or environment(), check=False)
    return Outcome(done.returncode, done.stdout, done.stderr, time.monotonic() - began)


def step(result, name):
    """The record of a step in the JSON's `results[i]`; None when it did not run."""
    return next((one for one in result["steps"] if one["step"] == name), None)


def without_times(text):
    """The lines of what the check printed. Of two runs of the same check they are equal: without the times, our own port,
    which step was the slowest, and the days of a certificate that was made for just so many."""
    text = re.sub(r"(cert_days_left=|expires in )\d+", r"\1D", re.sub(r"\d+\.\d+", "T", text))
    text = re.sub(r"(local address +\S+):\d+", r"\1", re.sub(r"([-,]) \w+: response time", r"\1 response time", text))
    return [" ".join(line.split()) for line in re.split(r"[\r\n]+", text.strip())]


class ProbeCase(unittest.TestCase):
    """With a folder of its own for the files that a test hands to the check."""

    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="smtp-probe-e2e-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        cls.compatible = cls.folder / "check_smtp"
        cls.compatible.symlink_to(CHECK)

    def file(self, name, content):
        path = self.folder / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def run_clean(self, *arguments, **how):
        """Nothing on stderr, an exit code that is a state, and one `|` in the first line at most."""
        outcome = run(*arguments, **how)
        self.assertEqual(outcome.err, "", outcome.out)
        self.assertIn(outcome.code, range(4), outcome.out)
        self.assertLessEqual(outcome.first.count("|"), 1, outcome.out)
        self.assertLessEqual(len(outcome.text.encode()), 512)
        return outcome

    def assert_verdict(self, outcome, state, step_name=None, reason=None, code=None, status=None):
        """What `--output json` printed: the state, the first finding and the reply at its step. Where there is
        no finding, `step_name` and `code` are of a step that went well."""
        self.assertEqual(outcome.err, "")
        whole = outcome.json
        self.assertEqual((outcome.code, whole["exit_code"], whole["state"].lower()),
                         (state, state, STATES[state]), outcome.out)
        first = whole["findings"][0] if whole["findings"] else {"step": step_name, "reason": None}
        self.assertEqual((first["step"], first["reason"]), (step_name, reason), outcome.out)
        result = whole["results"][0]
        if code is not None:
            self.assertEqual(step(result, step_name)["code"], code, outcome.out)
        if status is not None:
            self.assertEqual(step(result, step_name)["status"], status, outcome.out)
        return result

    def assert_usage_error(self, outcome, *words):
        """Exit 3, at most three lines on stdout, of which the first holds `words`."""
        self.assertEqual(outcome.err, "")
        self.assertEqual(outcome.code, UNKNOWN, outcome.out)
        self.assertLessEqual(len(outcome.out.splitlines()), 3, outcome.out)
        self.assertTrue(outcome.out.endswith("\n"))
        for word in words:
            self.assertIn(word, outcome.first)


class ScriptedServer:
    """smtp_fake_server with some transcripts: `ports` by their names, `log()` what was said."""

    def __init__(self, *transcripts, options=()):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="smtp-probe-scripts-"))
        self.certificates = peers.write_certificates(self.folder / "certificates")
        self.log_file = self.folder / "log"
        self.process = subprocess.Popen(
            [peers.FAKE_SERVER, "--until-eof", "--log", str(self.log_file),
             "--tls-cert-dir", str(self.certificates), *options, *map(str, transcripts)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.ports = {}
        for line in self.process.stdout:
            if line == "ready\n":
                return
            name, port = line.split()
            self.ports[name] = int(port)
        self.stop()
        raise RuntimeError("smtp_fake_server did not get ready")

    def log(self):
        return self.log_file.read_text() if self.log_file.exists() else ""

    def stop(self):
        self.process.stdin.close()
        self.process.stdout.close()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)
