#!/usr/bin/env python3
"""All measurements beside the peers in one go, into bench/RESULTS.md and BUILD_DIRECTORY/bench.json. bench/run.sh
builds what this needs and starts it.

Usage: bench/run.py [--quick] [BUILD_DIRECTORY]
  --quick  few repetitions, three minutes at most; the page goes to BUILD_DIRECTORY/RESULTS.md
Needs root, for the capture of the wire. Exit 77 when something is not installed, 2 when a measurement failed."""

import sys

sys.dont_write_bytecode = True

import collections
import json
import os
import pathlib
import platform
import subprocess
import time

import check
import command
import fidelity
import in_flight
import processes
import report

PACKAGES = {"check_smtp": "monitoring-plugins-basic", "blackbox_exporter": "prometheus-blackbox-exporter",
            "swaks": "swaks", "smtp-source": "postfix", "Perl (swaks)": "perl", "OpenSSL": "libssl3", "wrk": "wrk",
            "valgrind": "valgrind"}
NEEDED = ("valgrind", "openssl", "wrk", "swaks", "prometheus-blackbox-exporter", check.CHECK_SMTP, check.SMTP_SOURCE)

# Repetitions, and seconds of each. Whole: some 18 minutes on two cores with nothing else to do.
Lengths = collections.namedtuple(
    "Lengths", "counted timed in_flight rounds seconds requests targets target_seconds delays fidelity")
WHOLE = Lengths(3, 40, (1, 64, 256, 2000, 10000), 3, 3, 1500, (10, 100, 1000, 10000), 4, (0, 5, 50, 500), 4)
QUICK = Lengths(1, 5, (1, 64, 2000), 1, 1, 200, (10, 1000), 1, (0, 50), 1)


def say(what):
    print(f"{time.strftime('%H:%M:%S')} {what}", flush=True)


def told(*command_line):
    """The first line of what a program prints."""
    done = subprocess.run(command_line, capture_output=True, text=True)
    return (done.stdout.splitlines() or ["unknown"])[0]  # a Nagios plugin's --version exits with 3


def line_of(file, key):
    for line in pathlib.Path(file).read_text().splitlines():
        if line.startswith(key):
            return line.removeprefix(key).strip(' \t:="')
    return "unknown"


def versions(build):
    ours = {name: told(build / path, "--version") for name, path in (
        ("check_smtp_probe", "plugin/check_smtp_probe"), ("smtp_probe_exporter", "exporter/smtp_probe_exporter"))}
    theirs = {name: f"{package} {told('dpkg-query', '-W', '-f', '${Version}', package)}"
              for name, package in PACKAGES.items()}
    return {**ours, **theirs}


def about(build, quick):
    return {"date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()), "quick": quick,
            "revision": told("git", "-C", command.HERE, "describe", "--always", "--dirty"),
            "processor": line_of("/proc/cpuinfo", "model name"), "cores": os.cpu_count(),
            "memory_mb": int(line_of("/proc/meminfo", "MemTotal").split()[0]) // 1024,
            "system": line_of("/etc/os-release", "PRETTY_NAME"), "kernel": platform.release(),
            "load_before": os.getloadavg()[0], "versions": versions(build)}


def folder_in(folder, name):
    made = folder / name
    made.mkdir()
    return made


def measure(build, folder, quick):
    lengths = QUICK if quick else WHOLE
    began = time.monotonic()
    figures = {"about": about(build, quick)}
    say("the check beside check_smtp, swaks and smtp-source")
    figures["check"] = check.run(build, folder_in(folder, "check"), lengths.counted, lengths.timed)
    of_exporters = folder_in(folder, "exporters")
    certificates = processes.write_certificates(build, of_exporters)
    common = (build, of_exporters, certificates)
    figures["in_flight"] = []
    for row in in_flight.by_count(*common, lengths.in_flight, lengths.rounds, lengths.seconds):
        say(f"done: the exporters, {row['module']}, {row['count']} in flight")
        figures["in_flight"].append(row)
    say("the exporters' latency")
    figures["latency"] = in_flight.latency(*common, lengths.rounds, lengths.requests)
    say("the exporters by number of targets")
    figures["targets"] = in_flight.by_targets(*common, lengths.targets, lengths.rounds, lengths.target_seconds)
    say("fidelity")
    figures["fidelity"] = list(fidelity.rows(build, folder_in(folder, "fidelity"), lengths.delays, lengths.fidelity,
                                             True))
    figures["about"]["load_after"] = os.getloadavg()[0]
    figures["about"]["minutes"] = (time.monotonic() - began) / 60
    return figures


def main(options, folder):
    figures = measure(options.build, folder, options.quick)
    (options.build / "bench.json").write_text(json.dumps(figures, indent=1) + "\n")
    page = (options.build if options.quick else command.HERE) / "RESULTS.md"
    page.write_text(report.page(figures, in_flight.TARGET_CONNECTIONS, in_flight.MEMORY_LIMIT_MB))
    say(f"written: {page}")
    return 0


if __name__ == "__main__":
    sys.exit(command.run(__doc__, main, NEEDED, as_root=True, options=("quick",)))
