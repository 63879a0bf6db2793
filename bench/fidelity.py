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

import re
import time

import command
import processes
from capture import ACK, SYN, Capture
from probes_at_once import ProbesAtOnce, is_good_probe

STEPS = {"plain": ["ehlo", "mail", "rcpt", "quit"],
         # Behind the ClientHello the client speaks once for itself: its Finished.
         "starttls": ["ehlo", "starttls", "tls", None, "ehlo_tls", "mail", "rcpt", "quit"]}
LATENCY = re.compile(r'^probe_smtp_step_duration_seconds\{step="(\w+)"\} (\S+)$', re.MULTILINE)
DURATION = re.compile(r"^probe_duration_seconds (\S+)$", re.MULTILINE)
ANSWER_SECONDS = 60
TRIES = 3  # of a row whose bound is broken: a fault of ours breaks it every time


def ask_at_once(exporter, module, port, count, first):
    """{address of the server: what the exporter answered} of `count` probes that are asked for in one go, each of
    an address of its own."""
    addresses = processes.loopback_addresses(count, first)
    probes = ProbesAtOnce(exporter, [exporter.path(module, f"{address}:{port}") for address in addresses])
    try:
        probes.send(per_second=float("inf"))
        answers = probes.answers(ANSWER_SECONDS)
    finally:
        probes.close()
    if None in answers:
        raise RuntimeError(f"{exporter.name}: {answers.count(None)} of {count} probes without an answer")
    return {address: text for address, (_, text) in zip(addresses, answers)}


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
    port = int(responder.port)
    errors = {}
    for turn in range(rounds):
        capture = Capture(port)
        answers = ask_at_once(exporter, module, port, count, turn * count)
        time.sleep(0.05)
        dialogues = capture.stop()
        for address, answer in answers.items():
            if not is_good_probe(answer):
                raise RuntimeError(f"{exporter.name}: a probe failed:\n{answer.decode()}")
            answer = answer.decode()
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


def summary(errors):
    """Of {step: errors}: how many, quantiles of their sizes in milliseconds, and the step that is worst."""
    values = [error for many in errors.values() for error in many]
    return {"values": len(values), "p50": quantile(values, 0.5), "p99": quantile(values, 0.99),
            "max": quantile(values, 1), "worst": max(errors, key=lambda step: quantile(errors[step], 0.99))}


def rounds_of(delay, count, seconds):
    """So that there are some hundred values, within some seconds."""
    wanted = max(1, int(80 * seconds) // count)
    return max(1, min(wanted, int(seconds / (0.02 + delay * 6e-3))))


def rows(build, folder, delays, seconds, with_blackbox, tries=1):
    """One after the other: what was asked of whom, and the summary of the errors."""
    processes.raise_descriptor_limit()
    certificates = processes.write_certificates(build, folder)
    for delay in delays:
        running = [processes.Responder(build, "--tls-cert-dir", certificates, "--delay", str(delay),
                                       "--all-addresses")]
        try:
            responder = running[0]
            running.append(processes.start_ours(build, folder, certificates))
            if with_blackbox:
                running.append(processes.start_blackbox(folder, certificates))
            for exporter in running[1:]:
                for module in STEPS:
                    measure(exporter, module, responder, 1, 3)  # what is loaded once is not what probes take
            for module in STEPS:
                for count in (1, 100, 1000):
                    for exporter in running[1:]:
                        for _ in range(tries):
                            errors = measure(exporter, module, responder, count, rounds_of(delay, count, seconds))
                            row = {"program": exporter.name, "module": module, "delay": delay, "count": count,
                                   **summary(errors)}
                            if is_good(row):
                                break
                        yield row
        finally:
            while running:
                running.pop().stop()


def bounds_of(row):
    """Of the median and of the 99th percentile; of what is measured beside us none."""
    if row["program"] != "ours":
        return None
    return (0.1, 1.0) if row["count"] <= 100 else (float("inf"), 5.0)


def is_good(row):
    bounds = bounds_of(row)
    return bounds is None or (row["p50"] <= bounds[0] and row["p99"] <= bounds[1])


def main(options, folder):
    widths = "{:<9} {:<9} {:>8} {:>8} {:>7} {:>9} {:>9} {:>9}  {:<10} {}"
    print(widths.format("program", "module", "delay", "at once", "values", "p50", "p99", "max", "worst step", "bound"))
    broken = 0
    delays, seconds = ((0, 50), 3) if options.quick else ((0, 5, 50, 500), 12)
    for row in rows(options.build, folder, delays, seconds, not options.quick,
                    TRIES if options.check else 1):
        bounds, verdict = bounds_of(row), ""
        if bounds:
            good = is_good(row)
            broken += not good
            verdict = f"{bounds[0]}, {bounds[1]}: " + ("ok" if good else "BROKEN")
        print(widths.format(row["program"], row["module"], f"{row['delay']} ms", row["count"], row["values"],
                            *(f"{row[key]:.3f}" for key in ("p50", "p99", "max")), row["worst"], verdict), flush=True)
    return 1 if options.check and broken else 0


if __name__ == "__main__":
    blackbox = () if "--quick" in sys.argv else ("prometheus-blackbox-exporter",)
    sys.exit(command.run(__doc__, main, blackbox, as_root=True))
