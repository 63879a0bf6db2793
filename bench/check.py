#!/usr/bin/env python3
"""What a check costs its host, beside Debian's check_smtp, swaks and smtp-source against the same server in the same
run: instructions of the whole process, counted by callgrind; with run() also time and peak memory.
Counts, unlike seconds, do not depend on what else the machine does. Prints them and their ratio for what is held to a
limit.

Usage: bench/check.py [--check] [BUILD_DIRECTORY]
  --check  exit 1 where a ratio is over its limit
Exit 77 when a program that this needs is not installed, 2 when the measurement itself failed."""

import sys

sys.dont_write_bytecode = True

import collections
import re
import shutil
import subprocess

import command
import processes

CHECK_SMTP = "/usr/lib/nagios/plugins/check_smtp"
SMTP_SOURCE = "/usr/sbin/smtp-source"
SENDER, RECIPIENT = "probe@probe.test", "postmaster@mx.test"
TEXT = "Subject: smtp-probe\r\n\r\nA message of a probe.\r\n."
RUN_SECONDS = 120  # swaks under callgrind

# What one run must leave in the responder's counts; dialogues always.
Scenario = collections.namedtuple("Scenario", "name programs tls messages")

# Of check_smtp's instructions.
LIMITS = {"plain": 0.35, "starttls_verified": 1.00}


def scenarios(build, port, trust):
    """With the command of each program that can do it; `trust` is a hashed directory."""
    ours = [build / "plugin/check_smtp_probe", "-H", "127.0.0.1", "-p", port, "-F", "probe.test"]
    theirs = [CHECK_SMTP, *ours[1:]]
    swaks = [shutil.which("swaks") or "swaks", "--server", f"127.0.0.1:{port}", "--helo", "probe.test",
             "--silent", "2"]
    to_ehlo = ["--quit-after", "HELO"]
    return [
        Scenario("plain", {"ours": ours, "check_smtp": theirs, "swaks": [*swaks, *to_ehlo]}, 0, 0),
        Scenario("starttls", {"ours": [*ours, "-S", "--tls-verify", "off"], "check_smtp": [*theirs, "-S"],
                              "swaks": [*swaks, "--tls", *to_ehlo]}, 1, 0),
        # check_smtp cannot verify: it is there as the price of not doing so.
        Scenario("starttls_verified", {
            "ours": [*ours, "-S", "--tls-verify", "require", "--tls-name", "mx.test", "--ca-path", trust],
            "check_smtp": [*theirs, "-S"],
            "swaks": [*swaks, "--tls", "--tls-verify", "--tls-ca-path", trust, *to_ehlo]}, 1, 0),
        Scenario("message", {
            "ours": [*ours, "-f", SENDER, "--to", RECIPIENT, "--send"],
            "check_smtp": [*theirs, "-f", SENDER, "-C", f"RCPT TO:<{RECIPIENT}>", "-C", "DATA", "-C", TEXT],
            "swaks": [*swaks, "-f", SENDER, "-t", RECIPIENT],
            "smtp-source": [SMTP_SOURCE, "-m", "1", "-M", "probe.test", "-f", SENDER, "-t", RECIPIENT,
                            f"127.0.0.1:{port}"]}, 0, 1),
    ]


class Runner:
    """Runs programs against one responder, and believes nothing that its counts do not show."""

    def __init__(self, build, folder):
        self._build = build
        self._output = folder / "output"
        certificates = processes.write_certificates(build, folder)
        trust = folder / "trust"
        trust.mkdir()
        shutil.copy(certificates / "ca.pem", trust)
        subprocess.run(["openssl", "rehash", trust], check=True)
        self._responder = processes.Responder(build, "--tls-cert-dir", certificates)
        self.scenarios = scenarios(build, self._responder.port, trust)

    def stop(self):
        self._responder.stop()

    def _run(self, scenario, program, command_line):
        before = self._responder.counts()
        done = subprocess.run(command_line, capture_output=True, text=True, timeout=RUN_SECONDS,
                              env=processes.plain_environment())

        def is_there():
            after = self._responder.counts()
            return [after[what] - before[what] for what in ("dialogues", "tls", "messages")] == [
                1, scenario.tls, scenario.messages]
        processes.wait_until(is_there, f"{program} does not do what {scenario.name} is: {command_line}\n"
                                       f"{done.stdout}{done.stderr}")
        return done

    def instructions(self, scenario, program):
        done = self._run(scenario, program, ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null",
                                             *scenario.programs[program]])
        if done.returncode != 0:
            raise RuntimeError(f"{program} failed:\n{done.stdout}{done.stderr}")
        return int(re.search(r"Collected : (\d+)", done.stderr)[1])

    def cost(self, scenario, program):
        """Microseconds on the wall, microseconds of CPU, kilobytes at the peak."""
        done = self._run(scenario, program, [self._build / "tests/run_once", self._output,
                                             *scenario.programs[program]])
        if done.returncode != 0 or done.stdout.split()[3] != "0":
            raise RuntimeError(f"{program} failed: {done.stdout}{done.stderr}{self._output.read_text()}")
        return list(map(int, done.stdout.split()[:3]))


def run(build, folder, counted, timed):
    """{scenario: {program: {"instructions": [...], "wall_us": [...], "cpu_us": [...], "peak_kb": [...]}}}; who comes
    first changes with each round."""
    runner = Runner(build, folder)
    figures = {}
    try:
        for scenario in runner.scenarios:
            names = list(scenario.programs)
            of = figures[scenario.name] = {
                name: {"instructions": [], "wall_us": [], "cpu_us": [], "peak_kb": []} for name in names}
            for name in names:
                runner.cost(scenario, name)  # what has to be read from disk is read
                of[name]["instructions"] = [runner.instructions(scenario, name) for _ in range(counted)]
            for turn in range(timed):
                for name in names[turn % len(names):] + names[:turn % len(names)]:
                    for key, value in zip(("wall_us", "cpu_us", "peak_kb"), runner.cost(scenario, name)):
                        of[name][key].append(value)
    finally:
        runner.stop()
    return figures


def main(options, folder):
    over = 0
    widths = "{:<24} {:>12} {:>16} {:>7} {:>7}  {}"
    print(widths.format("instructions", "check_smtp", "check_smtp_probe", "ratio", "limit", ""))
    runner = Runner(options.build, folder)
    try:
        for scenario in runner.scenarios:
            limit = LIMITS.get(scenario.name)
            if limit is None:
                continue
            theirs, ours = (runner.instructions(scenario, name) for name in ("check_smtp", "ours"))
            good = ours <= limit * theirs
            over += not good
            print(widths.format(scenario.name, theirs, ours, f"{ours / theirs:.2f}", f"{limit:.2f}",
                                "ok" if good else "OVER"), flush=True)
    finally:
        runner.stop()
    return 1 if options.check and over else 0


if __name__ == "__main__":
    sys.exit(command.run(__doc__, main, ("valgrind", "openssl", CHECK_SMTP), options=("check",)))
