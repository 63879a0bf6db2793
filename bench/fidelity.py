#!/usr/bin/env python3
"""Whether the time that is reported as the server's is the server's. A scripted server answers each step after a known
delay while many probes run at once; what the exporter says of every step is held against a capture of the wire, and
blackbox_exporter's duration against the same. Prints a table of the errors (reported less true), in milliseconds.

Usage: bench/fidelity.py [--check] [--quick] [BUILD_DIRECTORY]
  --check  exit 1 when a bound is broken: with up to 100 probes at once p50 0.1 ms and p99 1 ms, with 1,000 p99 5 ms
  --quick  the exporter alone, fewer rounds, delays of 0 and 50 ms: half a minute
Needs root, for the capture. Exit 77 without root or, where it is needed, without
blackbox_exporter, 2 when the measurement itself failed."""

import sys

sys.dont_write_bytecode = True

import argparse
import os
import pathlib
import re
import select
import shutil
import socket
import subprocess
import tempfile
import time

import processes
from capture import ACK, SYN, Capture
from hanging_probes import is_whole

HERE = pathlib.Path(__file__).resolve().parent
STEPS = {"plain": ["ehlo", "mail", "rcpt", "quit"],
         # Behind the ClientHello the client speaks once for itself: its Finished.
         "starttls": ["ehlo", "starttls", "tls", None, "ehlo_tls", "mail", "rcpt", "quit"]}
LATENCY = re.compile(r'^probe_smtp_step_duration_seconds\{step="(\w+)"\} (\S+)$', re.MULTILINE)
DURATION = re.compile(r"^probe_duration_seconds (\S+)$", re.MULTILINE)
ANSWER_SECONDS = 60


def ask_at_once(exporter, module, port, count, first):
    """{address of the server: what the exporter answered} of `count` probes that are asked for in one go, each of
    an address of its own."""
    addresses = [f"127.{1 + (first + i) // 65536}.{(first + i) // 256 % 256}.{(first + i) % 256}"
                 for i in range(1, count + 1)]
    connections = {}
    for address in addresses:
        connection = socket.create_connection(("127.0.0.1", exporter.port), timeout=10)
        connections[connection.fileno()] = (connection, address)
    poll = select.epoll()
    for descriptor, (connection, address) in connections.items():
        poll.register(descriptor, select.EPOLLIN)
    for connection, address in connections.values():
        path = exporter.path(module, f"{address}:{port}")
        connection.send(f"GET {path} HTTP/1.1\r\nHost: {exporter.name}\r\n\r\n".encode())
    answers, received = {}, {descriptor: b"" for descriptor in connections}
    end = time.monotonic() + ANSWER_SECONDS
    while len(answers) < count and time.monotonic() < end:
        for descriptor, _ in poll.poll(1, 1000):
            connection, address = connections[descriptor]
            received[descriptor] += connection.recv(65536)
            if is_whole(received[descriptor]):
                poll.unregister(descriptor)
                answers[address] = received[descriptor].decode()
    for connection, _ in connections.values():
        connection.close()
    if len(answers) < count:
        raise RuntimeError(f"{exporter.name}: {len(answers)} answers to {count} requests")
    return answers


def truth(segments, module):
    """{step: seconds} of one dialogue."""
    syn = next(one for one in segments if one.from_client and one.flags & SYN)
    up = next(one for one in segments if not one.from_client and one.flags & (SYN | ACK) == SYN | ACK)
    seen, said = set(), []
    for one in sorted(segments):
        if one.payload and (one.from_client, one.sequence) not in seen:
            seen.add((one.from_client, one.sequence))
            said.append(one)
    commands = [i for i, one in enumerate(said) if one.from_client]
    replies = [one.at for one in said[:commands[0]]]
    true = {"connect": up.at - syn.at, "banner": replies[-1] - up.at}
    for i, step in enumerate(STEPS[module]):
        if step is None:
            continue
        after = said[commands[i] + 1:commands[i + 1] if i + 1 < len(commands) else None]
        # Behind the 221 the server says close_notify.
        reply = after[0] if step == "quit" else after[-1]
        true[step] = reply.at - said[commands[i]].at
    return true


def measure(exporter, module, responder, count, rounds):
    """{what: [error in milliseconds]} for the steps that the exporter reports, or for the whole where it reports none:
    then its duration is held against what the server and the network took."""
    port = int(responder.target.rpartition(":")[2])
    errors = {}
    for turn in range(rounds):
        capture = Capture(port)
        answers = ask_at_once(exporter, module, port, count, turn * count)
        time.sleep(0.05)
        dialogues = capture.stop()
        for address, answer in answers.items():
            if "\nprobe_success 1\n" not in answer:
                raise RuntimeError(f"{exporter.name}: a probe failed:\n{answer}")
            true = truth(dialogues[address], module)
            reported = [one for one in LATENCY.findall(answer) if one[0] != "resolve"]  # nothing to look up
            if not reported:
                true = {"whole": sum(true.values())}
                reported = [("whole", *DURATION.findall(answer))]
            for step, seconds in reported:
                errors.setdefault(step, []).append((float(seconds) - true[step]) * 1e3)
    return errors


def quantile(values, share):
    """Of the errors' sizes."""
    ordered = sorted(map(abs, values))
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]


class Table:
    WIDTHS = "{:<9} {:<9} {:>8} {:>8} {:>7} {:>9} {:>9} {:>9}  {:<10} {}"

    def __init__(self):
        self.broken = 0
        print(self.WIDTHS.format("program", "module", "delay", "at once", "values", "p50", "p99", "max", "worst step",
                                 "bound"))

    def line(self, program, module, delay, count, errors, bounds=None):
        values = [error for many in errors.values() for error in many]
        worst = max(errors, key=lambda step: quantile(errors[step], 0.99))
        p50, p99 = quantile(values, 0.5), quantile(values, 0.99)
        verdict = ""
        if bounds:
            good = p50 <= bounds[0] and p99 <= bounds[1]
            self.broken += not good
            verdict = f"{bounds[0]}, {bounds[1]}: " + ("ok" if good else "BROKEN")
        print(self.WIDTHS.format(program, module, f"{delay} ms", count, len(values), f"{p50:.3f}", f"{p99:.3f}",
                                 f"{quantile(values, 1):.3f}", worst, verdict), flush=True)


def bounds_of(count):
    return (0.1, 1.0) if count <= 100 else (float("inf"), 5.0)


def rounds_of(delay, count, quick):
    """So that there are some hundred values, within some seconds."""
    wanted = max(1, (300 if quick else 1000) // count)
    return max(1, min(wanted, int((3 if quick else 12) / (0.02 + delay * 6e-3))))


def run(table, build, folder, quick):
    processes.raise_descriptor_limit()
    certificates = folder / "certificates"
    certificates.mkdir()
    subprocess.run([build / "tests/smtp_fake_server", "--write-certs", certificates], check=True,
                   stdout=subprocess.DEVNULL)
    for delay in (0, 50) if quick else (0, 5, 50, 500):
        responder = processes.Responder(build, "--tls-cert-dir", certificates, "--delay", str(delay),
                                        "--all-addresses")
        ours = processes.start_ours(build, folder, certificates, 5)
        theirs = [] if quick else [processes.start_blackbox(folder, certificates, 5)]
        try:
            for exporter in (ours, *theirs):
                for module in STEPS:
                    measure(exporter, module, responder, 1, 3)  # what is loaded once is not what probes take
            for module in STEPS:
                for count in (1, 100, 1000):
                    rounds = rounds_of(delay, count, quick)
                    errors = measure(ours, module, responder, count, rounds)
                    table.line("ours", module, delay, count, errors, bounds_of(count))
                    for blackbox in theirs:
                        errors = measure(blackbox, module, responder, count, rounds)
                        table.line("blackbox", module, delay, count, errors)
        finally:
            for process in (*theirs, ours, responder):
                process.stop()


def main():
    parser = argparse.ArgumentParser(usage=__doc__.partition("Usage: ")[2])
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("build", nargs="?", default=HERE.parent / "build/release", type=pathlib.Path)
    options = parser.parse_args()
    if os.geteuid() != 0 or (not options.quick and shutil.which("prometheus-blackbox-exporter") is None):
        print("needs root and prometheus-blackbox-exporter")
        return 77
    table = Table()
    with tempfile.TemporaryDirectory(prefix="smtp-probe-bench-") as folder:
        try:
            run(table, options.build.resolve(), pathlib.Path(folder), options.quick)
        except (RuntimeError, TimeoutError, OSError, StopIteration, subprocess.SubprocessError) as error:
            print(f"the measurement failed: {error!r}", file=sys.stderr)
            return 2
    return 1 if options.check and table.broken else 0


if __name__ == "__main__":
    sys.exit(main())
