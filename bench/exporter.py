#!/usr/bin/env python3
"""What a probe costs smtp_probe_exporter, beside Debian's blackbox_exporter on the same dialogue in the same run:
banner, EHLO, MAIL, RCPT, QUIT, in clear and with STARTTLS. Prints a table of what is asked and what was measured.
Seconds depend on what else the machine does, ratios of two that take turns hardly do; so most bounds are ratios, and
of several rounds the median counts.

Usage: bench/exporter.py [--check] [--quick] [BUILD_DIRECTORY]
  --check  exit 1 when any bound is broken; without it only when one of memory or of descriptors is, for times
           depend on the machine's other work
  --quick  shorter rounds: under a minute
Exit 77 when a program that this needs is not installed, 2 when the measurement itself failed."""

import sys

sys.dont_write_bytecode = True

import http.client
import statistics
import subprocess
import time

import command
import processes
from load import cpu_per_probe, latencies
from probes_at_once import ProbesAtOnce, is_failed_probe

RETURN_SECONDS = 15     # until memory and descriptors are as before
SPARE_DESCRIPTORS = 200

# The bounds.
# Of blackbox_exporter's. With TLS a half was aimed at: eight of the nine million instructions of such a probe are
# OpenSSL 3.0's handshake, and Go's is cheaper. Both check the certificate.
CPU_RATIO = {"plain": 0.25, "starttls": 1.0}
BARE_RATIO = 2.0                              # of the bare client's
STEP_SECONDS = 0.035                          # below Nagle's algorithm with a delayed ACK: 40 ms
HANGING_MB = {2000: 30, 10000: 120}
LATE_SECONDS = 0.5                            # behind the deadline
KEPT_MB = 8
METRICS_SECONDS = 0.010


class Lengths:
    """How long what is measured: seconds and counts."""

    def __init__(self, quick):
        self.rounds = 3
        self.connections = [1, 64] if quick else [1, 16, 64]
        self.load = 1 if quick else 3  # wrk counts in whole seconds
        self.dialogues = 3000 if quick else 8000
        self.requests = 400 if quick else 1500
        self.deadline = 8 if quick else 5  # while a busy machine sends all of them, too


class Table:
    """One line for each thing that is asked."""

    WIDTHS = "{:<49} {:<24} {:>9} {:>9} {:>6}  {}"

    def __init__(self):
        self.broken = 0
        self.broken_for_sure = 0
        print(self.WIDTHS.format("what", "asked", "ours", "theirs", "ratio", "ok"))

    def line(self, what, asked, good, ours, theirs="", ratio=None, timed=True):
        self.broken += not good
        self.broken_for_sure += not good and not timed
        print(self.WIDTHS.format(what, asked, ours, theirs, "" if ratio is None else f"{ratio:.3f}",
                                 "ok" if good else "BROKEN"), flush=True)


def microseconds(seconds):
    return f"{seconds * 1e6:.0f} us"


def milliseconds(seconds):
    return f"{seconds * 1e3:.2f} ms"


def megabytes(size):
    return f"{size:.1f} MB"


def bare_cpu(build, responder, lengths):
    """The same of the bare client: seconds of CPU for a dialogue."""
    told = subprocess.run([build / "tests/bare_client", responder.port, str(lengths.dialogues)],
                          check=True, capture_output=True, text=True).stdout
    return float(told) / 1e6


def measure_cpu(table, build, ours, theirs, responder, lengths):
    for module, limit in CPU_RATIO.items():
        for connections in lengths.connections:
            rounds = []
            for _ in range(lengths.rounds):
                one = [cpu_per_probe(e, responder, module, connections, lengths.load) for e in (ours, theirs)]
                if module == "plain":
                    one.append(bare_cpu(build, responder, lengths))
                rounds.append(one)
            medians = [statistics.median(column) for column in zip(*rounds)]
            what = f"CPU per probe, {module}, {connections} connection{'s' * (connections > 1)}"
            ratio = statistics.median(r[0] / r[1] for r in rounds)
            table.line(what, f"<= {limit} of blackbox", ratio <= limit,
                       microseconds(medians[0]), microseconds(medians[1]), ratio)
            if module == "plain":
                ratio = statistics.median(r[0] / r[2] for r in rounds)
                table.line(what, f"<= {BARE_RATIO} of a bare client", ratio <= BARE_RATIO,
                           microseconds(medians[0]), microseconds(medians[2]), ratio)


def measure_latency(table, ours, theirs, responder, lengths):
    for module in CPU_RATIO:
        rounds = [[latencies(e, e.path(module, responder.target), lengths.requests) for e in (ours, theirs)]
                  for _ in range(lengths.rounds)]

        def at(share):
            return [[one[min(int(len(one) * share), len(one) - 1)] for one in pair] for pair in rounds]
        for name, share in (("median", 0.5), ("99th percentile", 0.99)):
            pairs = at(share)
            ratio = statistics.median(a / b for a, b in pairs)
            table.line(f"latency, {module}, 1 connection, {name}", "below blackbox", ratio < 1,
                       *(milliseconds(statistics.median(side)) for side in zip(*pairs)), ratio)
        # A step of the protocol's would be in every round, one of the machine's is not.
        worst = [statistics.median(side) for side in zip(*at(0.999))]
        table.line(f"latency, {module}, 1 connection, 99.9 %", f"< {milliseconds(STEP_SECONDS)}, no step",
                   worst[0] < STEP_SECONDS, *map(milliseconds, worst))


def scrape_seconds(exporter, count=25):
    """How long /metrics takes: the median."""
    connection = http.client.HTTPConnection("127.0.0.1", exporter.port, timeout=30)
    taken = []
    for _ in range(count):
        began = time.monotonic()
        connection.request("GET", "/metrics")
        connection.getresponse().read()
        taken.append(time.monotonic() - began)
        time.sleep(0.01)
    connection.close()
    return statistics.median(taken)


class Hung:
    """What `count` probes that hang at a silent server do to an exporter."""

    def __init__(self, exporter, silent, count, deadline):
        open_before = silent.counts()["open"]
        exporter.reset_peak()
        probes = ProbesAtOnce(exporter, [exporter.path("silent", silent.target)] * count)
        try:
            probes.send()
            processes.wait_until(lambda: silent.counts()["open"] == open_before + count,
                                 f"{exporter.name} does not probe {count} at once", deadline)
            self.resident = exporter.resident_mb()
            self.scrape = scrape_seconds(exporter)
            still = silent.counts()["open"] - open_before
            if still != count:
                raise RuntimeError(f"{exporter.name}: only {still} of {count} hung until the end of the measurement")
            answers = [answer for answer in probes.answers(deadline + 10) if answer]
        finally:
            probes.close()
        self.peak = exporter.peak_mb()
        self.good = sum(is_failed_probe(answer) for _, answer in answers)
        self.slowest = max((took for took, _ in answers), default=float("inf"))


def wait_for_return(exporter, resident, descriptors):
    """Resident memory and descriptors, as soon as they are as before, or when that takes too long."""
    end = time.monotonic() + RETURN_SECONDS
    while True:
        now = exporter.resident_mb(), exporter.descriptors()
        if (now[0] <= resident + KEPT_MB and now[1] <= descriptors) or time.monotonic() > end:
            return now
        time.sleep(0.1)


def report_hung(table, count, asked, hung, theirs=None):
    limit = HANGING_MB[asked]
    table.line(f"{count} hanging probes: resident", f"<= {limit} MB", hung.resident <= limit,
               megabytes(hung.resident), megabytes(theirs.resident) if theirs else "",
               hung.resident / theirs.resident if theirs else None, timed=False)
    table.line(f"{count} hanging probes: peak", f"<= {limit} MB" if asked == 10000 else "below blackbox",
               hung.peak <= limit if asked == 10000 else hung.peak < theirs.peak,
               megabytes(hung.peak), megabytes(theirs.peak) if theirs else "",
               hung.peak / theirs.peak if theirs else None, timed=False)


def measure_hanging(table, start_ours, start_theirs, silent, lengths, descriptor_limit):
    theirs = start_theirs()
    try:
        theirs_hung = Hung(theirs, silent, 2000, lengths.deadline)
    finally:
        theirs.stop()
    ours = start_ours()
    try:
        # One of each comes first: what is loaded once and kept is not what probes cost.
        Hung(ours, silent, 1, lengths.deadline)
        resident, descriptors = ours.resident_mb(), ours.descriptors()
        hung = Hung(ours, silent, 2000, lengths.deadline)
        report_hung(table, 2000, 2000, hung, theirs_hung)
        table.line("/metrics while 2000 probes hang", f"<= {milliseconds(METRICS_SECONDS)}",
                   hung.scrape <= METRICS_SECONDS, milliseconds(hung.scrape), milliseconds(theirs_hung.scrape),
                   hung.scrape / theirs_hung.scrape)
        # Each has two descriptors in the exporter.
        count = min(10000, (descriptor_limit - SPARE_DESCRIPTORS) // 2)
        hung = Hung(ours, silent, count, lengths.deadline)
        report_hung(table, count, 10000, hung)
        table.line(f"{count} hanging probes: answered, as failed", f"{count}", hung.good == count, f"{hung.good}",
                   timed=False)
        table.line(f"{count} hanging probes: the slowest", f"<= {lengths.deadline + LATE_SECONDS:.1f} s",
                   hung.slowest <= lengths.deadline + LATE_SECONDS, f"{hung.slowest:.3f} s")
        now = wait_for_return(ours, resident, descriptors)
        table.line("afterwards: resident", f"<= {megabytes(resident + KEPT_MB)}", now[0] <= resident + KEPT_MB,
                   megabytes(now[0]), timed=False)
        table.line("afterwards: descriptors", f"{descriptors}", now[1] <= descriptors, f"{now[1]}", timed=False)
    finally:
        ours.stop()


def measure(table, build, folder, lengths):
    descriptor_limit = processes.raise_descriptor_limit()
    certificates = processes.write_certificates(build, folder)

    def start_ours():
        return processes.start_ours(build, folder, certificates, lengths.deadline)

    def start_theirs():
        return processes.start_blackbox(folder, certificates, lengths.deadline)
    running = []
    try:
        running.append(processes.Responder(build, "--tls-cert-dir", certificates))
        running.append(start_ours())
        running.append(start_theirs())
        responder, ours, theirs = running
        measure_latency(table, ours, theirs, responder, lengths)  # first, and so the warming up of both
        measure_cpu(table, build, ours, theirs, responder, lengths)
        while running:
            running.pop().stop()
        running.append(processes.Responder(build, "--silent"))
        measure_hanging(table, start_ours, start_theirs, running[0], lengths, descriptor_limit)
    finally:
        while running:
            running.pop().stop()


def main(options, folder):
    table = Table()
    measure(table, options.build, folder, Lengths(options.quick))
    return 1 if table.broken_for_sure or (options.check and table.broken) else 0


if __name__ == "__main__":
    sys.exit(command.run(__doc__, main, programs=("wrk", "prometheus-blackbox-exporter")))
