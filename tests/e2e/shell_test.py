"""The exit codes of check_smtp_probe by step: those of the documentation, and swaks's."""

import os
import pathlib
import re
import subprocess

import peers
import scripted_test
from probe import CRITICAL, OK, UNKNOWN, WARNING, ProbeCase, ScriptedServer, run

TRANSCRIPTS = pathlib.Path(os.environ["TRANSCRIPTS"])
DOCS = TRANSCRIPTS.parents[1] / "docs"

# A step, and the transcript that refuses at it. That of `connect` and `resolve` is no server's.
REFUSALS = {
    "banner": "banner-554", "ehlo": "ehlo-550", "starttls": "starttls-refused-454", "tls": "tls-alert",
    "ehlo_tls": "tls-ehlo-refused", "auth": "auth-535", "mail": "mail-550", "rcpt": "rcpt-550",
    "command": "command-refused", "data": "data-554", "message": "message-554", "quit": "quit-500-asked-for",
}
SWAKS = {"connect": 2, "banner": 21, "ehlo": 22, "mail": 23, "rcpt": 24, "data": 25, "message": 26, "quit": 27,
         "auth": 28, "tls": 29, "starttls": 29, "ehlo_tls": 32}


def documented_codes():
    """step -> code, of docs/shell.md."""
    rows = re.findall(r"^\| (\d+) \| (\w+) \|", (DOCS / "shell.md").read_text(), re.M)
    return {step: int(code) for code, step in rows}


class ExitCodes(ProbeCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        names = [*REFUSALS.values(), "plain", "ehlo-501", "rcpt-450-greylisted", "close-at-mail",
                 "starttls-not-offered"]
        cls.server = ScriptedServer(*(TRANSCRIPTS / f"{name}.txt" for name in names))
        cls.addClassCleanup(cls.server.stop)

    def options(self, name):
        plan = scripted_test.settings(TRANSCRIPTS / f"{name}.txt", "plan:")
        return ["-H", "127.0.0.1", "-p", self.server.ports[name],
                *scripted_test.options_of(plan, lambda text: self.file("secret", text))]

    def by_step(self, *arguments):
        """The exit code with --exit-code step; the state is the same with it and without."""
        outcome = run(*arguments, "--exit-code", "step")
        self.assertEqual(outcome.err, "")
        return outcome

    def test_every_step_has_the_documented_one(self):
        codes = documented_codes()
        arguments = {step: self.options(name) for step, name in REFUSALS.items()}
        arguments["connect"] = ["-H", "127.0.0.1", "-p", peers.closed_port()]
        arguments["resolve"] = ["-H", "no-such-host.invalid", "-t", "2"]
        self.assertEqual(set(codes), set(arguments))
        for step, words in arguments.items():
            with self.subTest(step):
                outcome = self.by_step(*words)
                self.assertRegex(outcome.text, rf"^SMTP [A-Z]+ - {step}: ")
                self.assertEqual(outcome.code, codes[step], outcome.out)
        self.assertEqual({step: codes[step] for step in SWAKS}, SWAKS)

    def test_swaks_agrees(self):
        for step in ("banner", "mail", "rcpt", "data", "message"):  # it says HELO after a refused EHLO
            with self.subTest(step):
                theirs = subprocess.run(
                    ["swaks", "--server", "127.0.0.1", "--port", str(self.server.ports[REFUSALS[step]]), "--ehlo",
                     "probe.test", "--from", "a@b.test", "--to", "c@d.test", "--timeout", "20s"],
                    capture_output=True, text=True, timeout=60, check=False)
                self.assertEqual(theirs.returncode, SWAKS[step], theirs.stdout + theirs.stderr)

    def test_ok_and_what_is_not_the_servers(self):
        self.assertEqual(self.by_step(*self.options("plain")).code, OK)
        self.assertEqual(self.by_step("-H", "127.0.0.1", "-p", "0").code, UNKNOWN)
        self.assertEqual(self.by_step("--help").code, UNKNOWN)
        self.assertEqual(self.by_step(*self.options("plain"), "--ca-file", "/nowhere", "-S").code, UNKNOWN)
        outcome = self.by_step(*self.options("ehlo-501"))
        self.assertEqual((outcome.code, outcome.text[:20]), (UNKNOWN, "SMTP UNKNOWN - ehlo:"))

    def test_a_warning_has_the_steps_unless_it_is_excused(self):
        greylisted = self.options("rcpt-450-greylisted")
        self.assertEqual(run(*greylisted).code, WARNING)
        self.assertEqual(self.by_step(*greylisted).code, 24)
        self.assertEqual(self.by_step(*greylisted, "--greylisting", "ok").code, OK)

    def test_a_close_has_the_steps(self):
        self.assertEqual(self.by_step(*self.options("close-at-mail")).code, 23)

    def test_the_state_is_the_default(self):
        refused = self.options(REFUSALS["mail"])
        self.assertEqual(run(*refused).code, CRITICAL)
        self.assertEqual(run(*refused, "--exit-code", "state").code, CRITICAL)

    def test_in_the_other_dialect_and_in_json(self):
        missing = ["-H", "127.0.0.1", "-p", self.server.ports["starttls-not-offered"], "-F", "probe.test", "-S",
                   "--exit-code", "step"]
        outcome = run(*missing, program=self.compatible)
        self.assertEqual((outcome.code, outcome.first), (29, "WARNING - TLS not supported by server"))
        outcome = run(*missing, "--output", "json")
        self.assertEqual((outcome.code, outcome.json["exit_code"], outcome.json["state"]), (29, 29, "CRITICAL"))
