"""The figures of bench/run.py as a page of Markdown. Pure: figures in, text out."""

import statistics

FEW = 8  # of so many repetitions and more the quartiles are told, of fewer the least and the greatest

SCENARIOS = {
    "plain": "banner, EHLO, QUIT",
    "starttls": "STARTTLS, nothing verified",
    "starttls_verified": "STARTTLS, verified (check_smtp does not verify)",
    "message": "a message delivered",
}
MODULES = {"plain": "plain", "starttls": "STARTTLS, verified"}


def median_of(values, digits):
    return f"{statistics.median(values):,.{digits}f}"


def spread(values, digits):
    """Median and spread."""
    if len(values) == 1:
        return median_of(values, digits)
    if len(values) >= FEW:
        low, _, high = statistics.quantiles(values, n=4)
    else:
        low, high = min(values), max(values)
    return f"{median_of(values, digits)} ({low:,.{digits}f} to {high:,.{digits}f})"


def ratios(ours, theirs):
    """Of those that were measured one after the other."""
    return [a / b for a, b in zip(ours, theirs)]


def table(head, rows):
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def check_section(figures):
    parts = []
    for key, name in SCENARIOS.items():
        programs = figures[key]
        ours = programs["ours"]
        rows = []
        for program, one in programs.items():
            cells = ["**check_smtp_probe**" if program == "ours" else program]
            for what, unit, digits in (("instructions", 1e6, 2), ("wall_us", 1e3, 2), ("cpu_us", 1e3, 2),
                                       ("peak_kb", 1024, 1)):
                cells.append(spread([value / unit for value in one[what]], digits) if what != "peak_kb"
                             else median_of([value / unit for value in one[what]], digits))
                cells.append("" if program == "ours" else spread(ratios(ours[what], one[what]), 3 if what ==
                                                                 "instructions" else 2))
            rows.append(cells)
        runs = len(ours["wall_us"])
        parts.append(f"### {name[0].upper()}{name[1:]}\n\n" + table(
            ["", "instructions, M", "ours/theirs", f"wall, ms ({runs} runs)", "ours/theirs", "CPU, ms", "ours/theirs",
             "peak, MiB", "ours/theirs"], rows))
    return "\n".join(parts)


def exporter_cells(row, what, digits, unit=1):
    """Ours, theirs, the ratio; of a failure its reason."""
    ours = [value / unit for value in row["ours"][what]]
    theirs = [value / unit for value in row["blackbox"][what]]
    if not theirs:
        return [spread(ours, digits), "not done", ""]
    return [spread(ours, digits), spread(theirs, digits), spread(ratios(ours, theirs), 2)]


def in_flight_section(rows):
    cells = [[MODULES[row["module"]], f"{row['count']:,}", f"{row['delay_ms']} ms",
              *exporter_cells(row, "cpu_us", 0), *exporter_cells(row, "peak_mb", 0)] for row in rows]
    failures = [f"- blackbox_exporter, {MODULES[row['module']]}, {row['count']:,} at once: {row['blackbox']['failed']}\n"
                for row in rows if row["blackbox"]["failed"]]
    return table(["dialogue", "in flight", "a reply after", "CPU a probe, us: ours", "blackbox", "ratio",
                  "peak resident, MB: ours", "blackbox", "ratio"], cells) + ("\n" + "".join(failures) if failures else "")


def latency_section(rows):
    return table(["dialogue", "median, ms: ours", "blackbox", "ratio", "99 %, ms: ours", "blackbox", "ratio"],
                 [[MODULES[row["module"]], *exporter_cells(row, "median_ms", 2), *exporter_cells(row, "p99_ms", 2)]
                  for row in rows])


def targets_section(rows):
    fewest = rows[0]
    cells = []
    for row in rows:
        line = [f"{row['count']:,}"]
        for program in ("ours", "blackbox"):
            line += [spread(row[program]["cpu_us"], 0),
                     spread(ratios(row[program]["cpu_us"], fewest[program]["cpu_us"]), 2)]
        cells.append(line)
    beside = f"to {fewest['count']}"
    return table(["targets", "CPU a probe, us: ours", beside, "blackbox", beside], cells)


def fidelity_section(rows):
    cells = [[MODULES[row["module"]], f"{row['delay']} ms", f"{row['count']:,}", row["program"], f"{row['values']:,}",
              *(f"{row[key]:.3f}" for key in ("p50", "p99", "max")), row["worst"]] for row in rows]
    return table(["dialogue", "a reply after", "at once", "program", "values", "p50, ms", "p99, ms", "most, ms", "worst in"],
                 cells)


def about_section(about):
    cells = [["date", about["date"]], ["version measured", about["revision"]],
             ["run", "short (`--quick`): few repetitions, no figures to quote" if about["quick"] else "whole"],
             ["processor", f"{about['processor']}, {about['cores']} cores"],
             ["memory", f"{about['memory_mb']:,} MB"], ["system", f"{about['system']}, Linux {about['kernel']}"],
             ["load when it began, and when it ended", f"{about['load_before']:.2f}, {about['load_after']:.2f}"],
             ["took", f"{about['minutes']:.0f} minutes"],
             *([program, version] for program, version in about["versions"].items())]
    return table(["", ""], cells)


HOW = """\
Every ratio is ours divided by theirs, so below 1 ours is cheaper. The two were measured one after the other in each
repetition, and the ratio is that repetition's; a figure is the median, with the quartiles in brackets where there are
{few} repetitions or more, else with the least and the greatest. Times depend on the machine and on what else it does,
ratios much less, instructions hardly. That the work was done is the server's word: it counts the dialogues, TLS
sessions and messages, and one too few ends the run.

The server is `bench/smtp_responder.cc` on the loopback: one thread, no disk, an EC P-256 certificate with its authority.
Its cost is in the times on the wall and in the latencies alone. Written by `bench/run.sh`.
"""

CHECK_HOW = """\
Instructions: the whole process under `valgrind --tool=callgrind`, loader and exit included. Wall time: from before
`posix_spawn` to after `wait4` (`bench/run_once.cc`). CPU and peak memory: what `wait4` says of the process. The
programs take turns, and who is first changes each time.
"""

CHECK_LIMITS = """\
What these tables cannot compare:

- **swaks is a Perl program.** Most of its cost is Perl and its modules being read and compiled; it is a tool for tests
  by hand, and here because people do use it as a check.
- check_smtp (2.3) never verifies a certificate: in the table of verified STARTTLS it stands with what it does with `-S`.
  swaks verifies the chain, we the chain and the name. Not told what to trust, swaks reads the system's whole bundle,
  verify or not: so it costs more in the table without.
- check_smtp delivers by `-C` lines and takes any reply to them for fine; the others judge the replies.
- smtp-source speaks no TLS, says HELO for EHLO, and cannot do without a message: it is in the last table alone. It is a
  generator of load, made to be started once for many messages.
- check_smtp_probe is linked statically, the others are not: part of its advantage in instructions, and of its memory.
"""

IN_FLIGHT_HOW = """\
The dialogue is banner, EHLO, (STARTTLS, EHLO,) MAIL, RCPT, QUIT; both verify chain and name. Up to some hundred in
flight, `wrk` keeps that many requests open and the server answers at once. With thousands each reply comes as much later
as is told, so that all are begun before the first one ends, and all must end well. CPU is user and system time of the
exporter's process (`/proc/PID/stat`); the peak is `VmHWM`, put back before each repetition. Both exporters are started
anew for each line. A blackbox_exporter that needs more than {limit} MB is stopped. Fewer than 10,000 are in flight where
the limit of open files allows no more: each probe has two in an exporter.
"""

TARGETS_HOW = """\
Targets are addresses of the loopback, asked in turn over {connections} connections; one probe at a time to an address
(ours), plain dialogue. Flat is good: 1.00 is the cost with the fewest.
"""

FIDELITY_HOW = """\
The error of what is reported, held against a capture of the wire: its size, in ms. Of ours each value is a step's, of
blackbox_exporter the whole duration, for it reports no steps: its errors are sums over a dialogue, and its duration
counts its own work and its own queue as the server's.
"""


def page(figures, connections, memory_limit):
    parts = [
        "# What it costs, beside its peers\n", about_section(figures["about"]), HOW.format(few=FEW),
        "## A check\n", CHECK_HOW, check_section(figures["check"]), CHECK_LIMITS,
        "## The exporter, by probes in flight\n", IN_FLIGHT_HOW.format(limit=memory_limit),
        in_flight_section(figures["in_flight"]),
        "## Latency of a probe, one at a time\n", latency_section(figures["latency"]),
        "## The exporter, by targets\n", TARGETS_HOW.format(connections=connections),
        targets_section(figures["targets"]),
        "## Fidelity\n", FIDELITY_HOW, fidelity_section(figures["fidelity"])]
    return "\n".join(parts)
