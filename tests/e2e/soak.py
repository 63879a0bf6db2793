"""Runs the exporter under a mixed load for a while, with reloads of good and bad configurations, servers that go and
come back, and clients that hang up; then compares what it counted with what was asked, and its memory and descriptors
with what they were. Prints a table of what is asked and what was measured.

Usage: scripts/soak.sh [SECONDS] [RATE] [BUILD_DIRECTORY], which sets the environment that the end-to-end tests have.
Exit 1 when anything is not as asked."""

import argparse
import asyncio
import collections
import os
import pathlib
import random
import re
import resource
import signal
import sys
import tempfile
import time

from exporter import Exporter
from exposition import Exposition
from probe import SANITIZED, STATES
from soak_attackers import MODULE as ATTACKED
from soak_attackers import Attackers
from soak_client import PATIENCE, Client, probe_path
from soak_peers import Servers

WEIGHTS = {"good": 40, "starttls": 10, "scripted": 35, "hanging": 5, "closed": 5, "vanishing": 4, "unknown": 1}
RELOAD_SECONDS, LOOK_SECONDS, RESTART_SECONDS, BURST_SECONDS = 3, 2, 20, 15
MAX_IN_FLIGHT = 400
SETTLED_SECONDS = 15  # until what is over is forgotten
FLAT = 0.05           # of the resident memory over the second half of a run that is long enough to tell
LONG_SECONDS = 240
FLOOR_SECONDS = 60
EXPECTED_LOG = re.compile(r'msg="?(probe failed|probe warns|configuration loaded|listening|draining|ended|'
                          r'bad configuration, the old one stays|too many different lines)\b')


class Soak:

    def __init__(self, exporter, servers, client, seconds, rate):
        self.exporter, self.servers, self.client = exporter, servers, client
        self.seconds, self.rate = seconds, rate
        self.end = self.began = 0.0
        self.states = collections.Counter()    # of the answers, as probes_total has them
        self.failures = collections.Counter()  # (step, reason)
        self.sent = collections.Counter()      # by kind
        self.rejected = self.unknown = self.refused = self.hung_up = 0
        self.unsettled = 0                     # probes of servers that were going or coming
        self.wrong = []
        self.restarts = []                     # (from, until)
        self.generation = 0
        self.bad_reloads = self.reloads = 0
        self.memory = []                       # (second, KiB)
        self.open = set()
        self.in_burst = 0
        self.attackers = Attackers(exporter.address, servers.held.target, f"127.0.0.1:{servers.closed}")

    def complain(self, text):
        self.wrong.append(text)
        if len(self.wrong) <= 20:
            print("not as asked:", text, flush=True)

    # The load.

    def was_unsettled(self, began):
        now = time.monotonic()
        return any(began <= until and now >= since for since, until in self.restarts)

    async def probe(self, aim):
        began = time.monotonic()
        in_burst = self.in_burst
        path = probe_path(aim.target, aim.module)
        status, body = await self.client.request(path)
        unsettled = self.was_unsettled(began)
        if status == 503 and (in_burst or self.in_burst):
            self.rejected += 1
            return
        if status in (400, 403) and unsettled:  # a module or a right of the other configuration
            self.refused += 1
            self.unknown += "unknown module" in body
            return
        if status != 200:
            self.complain(f"{path}: {status} {body[:200]}")
            return
        state = int(re.search(r"^probe_smtp_state (\d)$", body, re.M)[1])
        found = re.search(r'^probe_failure_info\{(.*)\} 1$', body, re.M)
        labels = dict(re.findall(r'(\w+)="([^"]*)"', found[1])) if found else {}
        failure = (labels["step"], labels["reason"]) if found else None
        self.states[STATES[state]] += 1
        if failure:
            self.failures[failure] += 1
        if unsettled:
            self.unsettled += 1
        elif state != aim.state or (aim.failure and failure != aim.failure):
            self.complain(f"{path}: {state} {failure}, wanted {aim.state} {aim.failure}")

    async def vanish(self):
        path = probe_path(self.servers.vanishing.target, "vanishing")
        if await self.client.hang_up(path, random.uniform(0.1, 0.5)):
            self.hung_up += 1
        elif self.in_burst:
            self.rejected += 1
        else:
            self.complain("an answer before the hang-up")

    async def ask_for_nothing(self):
        status, _ = await self.client.request(probe_path("127.0.0.1:1", "no-such-module"))
        self.unknown += 1
        if status != 400:
            self.complain(f"unknown module: {status}")

    def spawn(self, coroutine):
        async def watched():
            try:
                await coroutine
            except (OSError, asyncio.TimeoutError, asyncio.IncompleteReadError) as error:
                self.complain(f"{type(error).__name__}: {error}")
        task = asyncio.ensure_future(watched())
        self.open.add(task)
        task.add_done_callback(self.open.discard)

    def send_one(self, kind):
        self.sent[kind] += 1
        if kind == "vanishing":
            self.spawn(self.vanish())
        elif kind == "unknown":
            self.spawn(self.ask_for_nothing())
        else:
            self.spawn(self.probe(random.choice(self.servers.aims[kind])))

    async def load(self):
        kinds, weights = list(WEIGHTS), list(WEIGHTS.values())
        sent = 0
        while (now := time.monotonic()) < self.end:
            while sent < (now - self.began) * self.rate:
                self.send_one(random.choices(kinds, weights)[0])
                sent += 1
            await asyncio.sleep(0.005)

    # What happens meanwhile.

    async def every(self, seconds, act, until=1.0):
        """While the run lasts, or the given part of it."""
        end = self.began + (self.end - self.began) * until
        while True:
            await asyncio.sleep(seconds)
            if time.monotonic() >= end:
                return
            await act()

    async def reload(self):
        self.reloads += 1
        # In turns: a good and a bad one, each by request and by signal.
        good, by_signal = self.reloads % 2 == 0, self.reloads % 4 < 2
        if good:
            self.generation += 1
        text = self.servers.config(self.generation) if good else random.choice(
            ("modules: {x: {no_such_key: 1}}\n", "modules: [\n", "\0", "modules: {a: {until: moon}}\n"))
        self.exporter.config_file.write_text(text)
        if not good:
            self.bad_reloads += 1
        if by_signal:
            self.exporter.signal(signal.SIGHUP)
            # Before the file is another.
            await asyncio.sleep(0.5)
            end = time.monotonic() + PATIENCE
            while time.monotonic() < end:
                _, text = await self.client.request("/metrics")
                if Exposition(text).value("smtp_probe_exporter_config_last_reload_successful") == good:
                    return
                await asyncio.sleep(0.1)
            self.complain(f"SIGHUP, a {'good' if good else 'bad'} file: not read")
            return
        status, body = await self.client.request("/-/reload", "POST")
        if status != (200 if good else 500):
            self.complain(f"reload of a {'good' if good else 'bad'} file: {status} {body[:200]}")

    async def look(self):
        status, text = await self.client.request("/metrics")
        Exposition(text)
        status_page, page = await self.client.request("/")
        ids = re.findall(r"logs\?id=(\d+)", page)
        status_logs = 200
        if ids:
            status_logs, _ = await self.client.request(f"/logs?id={random.choice(ids)}")
        # By the time of the second request the probe may have been pushed out.
        if (status, status_page) != (200, 200) or status_logs not in (200, 404) or not ids:
            self.complain(f"/metrics {status}, / {status_page} with {len(ids)} probes, /logs {status_logs}")

    async def burst(self):
        """More at once than are let in."""
        self.in_burst += 1
        (aim,) = self.servers.aims["hanging"]
        before = self.rejected
        tasks = [asyncio.ensure_future(self.probe(aim)) for _ in range(MAX_IN_FLIGHT + 100)]
        self.sent["hanging"] += len(tasks)
        await asyncio.gather(*tasks)
        self.in_burst -= 1
        if self.rejected == before and not self.was_unsettled(time.monotonic() - 10):
            self.complain("nobody was rejected in a burst")

    async def restart(self):
        self.restarts.append((time.monotonic(), float("inf")))
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, self.servers.stop_targets)
        await asyncio.sleep(0.3)
        await loop.run_in_executor(None, self.servers.start)
        self.generation += 1
        self.exporter.config_file.write_text(self.servers.config(self.generation))
        status, body = await self.client.request("/-/reload", "POST")
        if status != 200:
            self.complain(f"reload after a restart: {status} {body[:200]}")
        self.restarts[-1] = (self.restarts[-1][0], time.monotonic())

    async def maintain(self):
        """Reloads and restarts share the file: one after the other."""
        next_restart = self.began + min(RESTART_SECONDS, self.seconds / 3)
        while True:
            await asyncio.sleep(RELOAD_SECONDS)
            if time.monotonic() >= self.end - 2:
                return
            if time.monotonic() >= next_restart:
                await self.restart()
                next_restart = time.monotonic() + RESTART_SECONDS
            else:
                await self.reload()

    async def sample(self):
        self.memory.append((time.monotonic() - self.began, self.exporter.resident_kib()))

    async def run(self):
        self.began = time.monotonic()
        self.end = self.began + self.seconds
        # In the half whose memory is judged, when no burst of ours takes more than our share of the places.
        attack = self.attackers.run(self.began + self.seconds / 2, self.end)
        await asyncio.gather(self.load(), self.maintain(), self.every(LOOK_SECONDS, self.look),
                             self.every(min(BURST_SECONDS, self.seconds / 4), self.burst, until=0.45),
                             self.every(1, self.sample), attack)
        while self.open:
            await asyncio.wait(set(self.open), timeout=PATIENCE)
        await self.client.close()


class Table:

    def __init__(self):
        self.broken = 0

    def line(self, what, asked, good, measured):
        self.broken += not good
        print(f"{what:<46} {asked!s:<26} {measured!s:>26}  {'ok' if good else 'BROKEN'}", flush=True)

    def told(self, what, measured):
        print(f"{what:<46} {'':<26} {measured!s:>26}")


def slope(points):
    """Least squares: KiB a minute."""
    middle = sum(x for x, _ in points) / len(points), sum(y for _, y in points) / len(points)
    spread = sum((x - middle[0]) ** 2 for x, _ in points)
    return 60 * sum((x - middle[0]) * (y - middle[1]) for x, y in points) / spread if spread else 0.0


def compare_memory(table, soak):
    """While a configuration is loaded there are two, and the allocator keeps the room for a while: a leak raises the
    lowest, too."""
    half = [one for one in soak.memory if one[0] >= soak.seconds / 2]
    least, most = min(y for _, y in half), max(y for _, y in half)
    floors = collections.defaultdict(lambda: sys.maxsize)
    for second, size in half:
        window = int((second - soak.seconds / 2) / FLOOR_SECONDS)
        floors[window] = min(floors[window], size)
    highest = max(floors.values())
    growth = slope(half) * soak.seconds / 2 / 60
    lines = (("all samples, spread", False, f"{least}..{most} KiB, {(most - least) / least:.1%}"),
             ("lowest of each minute, spread", highest - least <= FLAT * least,
              f"{least}..{highest} KiB, {(highest - least) / least:.1%}"),
             ("growth", growth <= FLAT * least, f"{slope(half):+.1f} KiB/min, {growth / least:+.2%}"))
    table.told("resident: first, last sample", f"{soak.memory[0][1]}, {soak.memory[-1][1]} KiB")
    judged = not SANITIZED and soak.seconds >= LONG_SECONDS
    for number, (what, good, measured) in enumerate(lines):
        if judged and number > 0:
            table.line(f"second half, {what}", f"<= {FLAT:.0%}", good, measured)
        else:
            table.told(f"second half, {what}", measured)


def compare_counts(table, soak, metrics):
    def own(name, **labels):
        return int(metrics.sum("smtp_probe_exporter_" + name, **labels))

    def honest(name, **labels):
        return own(name, **labels) - own(name, module=ATTACKED, **labels)
    for state in STATES:
        table.line(f"probes_total {state}", soak.states[state], honest("probes_total", state=state) == soak.states[state],
                   honest("probes_total", state=state))
    counted = collections.Counter()
    for one in metrics.samples("smtp_probe_exporter_probe_failures_total"):
        if one.labels["module"] != ATTACKED:
            counted[one.labels["step"], one.labels["reason"]] += int(one.value)
    differ = {key: (soak.failures[key], counted[key]) for key in soak.failures.keys() | counted.keys()
              if soak.failures[key] != counted[key]}
    table.line(f"probe_failures_total, {len(counted)} step and reason", sum(soak.failures.values()), not differ,
               sum(counted.values()))
    if differ:
        print("  answered, counted:", differ)
    rejected = soak.rejected + soak.attackers.rejected
    table.line("probes_rejected_total", rejected, own("probes_rejected_total") == rejected,
               own("probes_rejected_total"))
    table.line("unknown_module_total", soak.unknown, own("unknown_module_total") == soak.unknown,
               own("unknown_module_total"))
    table.line("probes_in_flight", 0, own("probes_in_flight") == 0, own("probes_in_flight"))
    requests = sum(soak.states.values()) + soak.rejected + soak.refused + soak.hung_up
    sent = sum(soak.sent.values()) - soak.sent["unknown"]
    table.line("answered, rejected, refused, hung up", sent, requests == sent, requests)
    seen = soak.servers.vanishing.counts()
    table.line("hang-ups: probes that had begun, still open", f"{soak.hung_up}, 0",
               seen["accepted"] == soak.hung_up and seen["open"] == 0, f"{seen['accepted']}, {seen['open']}")


def compare_log(table, soak, lines):
    strange = [line for line in lines if not EXPECTED_LOG.search(line)]
    bad = [line for line in lines if "bad configuration" in line]
    errors = [line for line in lines if " level=error " in line and line not in bad]
    table.line("lines in the log of another kind", 0, not strange and not errors, len(strange) + len(errors))
    for line in (strange + errors)[:5]:
        print("  " + line.rstrip())
    table.line("bad configurations told", soak.bad_reloads, len(bad) == soak.bad_reloads, len(bad))


async def soak_it(exporter, servers, options, table):
    client = Client(exporter.address)
    # One of each first: what is loaded once and kept is no leak.
    for module in ("plain", "starttls"):
        await client.request(probe_path("127.0.0.1:1", module))
    await client.close()
    warmed_up = 2
    await asyncio.sleep(0.5)
    descriptors = exporter.descriptors()
    soak = Soak(exporter, servers, client, options.seconds, options.rate)
    soak.states["critical"] += warmed_up
    soak.failures["connect", "connection_refused"] += warmed_up
    soak.sent["closed"] += warmed_up
    cpu = cpu_seconds(exporter)
    await soak.run()
    cpu = cpu_seconds(exporter) - cpu
    until = time.monotonic() + SETTLED_SECONDS
    while exporter.descriptors() > descriptors and time.monotonic() < until:
        await asyncio.sleep(0.1)
    compare_memory(table, soak)
    table.line("descriptors", descriptors, exporter.descriptors() == descriptors, exporter.descriptors())
    metrics = exporter.metrics()
    compare_counts(table, soak, metrics)
    table.line("answers that were not as expected", 0, not soak.wrong, len(soak.wrong))
    table.told("of servers that were going or coming", soak.unsettled)
    table.told("restarts, reloads, of these bad", f"{len(soak.restarts)}, {soak.reloads}, {soak.bad_reloads}")
    table.told("attackers: requests, of these rejected", f"{soak.attackers.asked}, {soak.attackers.rejected}")
    sent = sum(soak.sent.values())
    table.told("requests for probes, a second", f"{sent}, {sent / options.seconds:.0f}")
    table.told("CPU: seconds, for each probe", f"{cpu:.1f} s, {1e6 * cpu / sent:.0f} us")
    lag = metrics.value("smtp_probe_exporter_event_loop_lag_seconds_sum")
    looks = metrics.value("smtp_probe_exporter_event_loop_lag_seconds_count")
    table.told("event loop lag, mean", f"{1e3 * lag / looks:.2f} ms")
    exporter.signal(signal.SIGTERM)
    code = await asyncio.get_running_loop().run_in_executor(None, exporter.wait)
    table.line("exit after SIGTERM", 0, code == 0, code)
    compare_log(table, soak, exporter.lines)


def cpu_seconds(exporter):
    fields = pathlib.Path(f"/proc/{exporter.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main():
    parser = argparse.ArgumentParser(usage=__doc__.partition("Usage: ")[2])
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--rate", type=int, default=300)
    options = parser.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(2))
    table = Table()
    with tempfile.TemporaryDirectory(prefix="smtp-probe-soak-") as folder:
        servers = Servers(pathlib.Path(folder))
        try:
            exporter = Exporter(f"--probe.max-in-flight={MAX_IN_FLIGHT}", config=servers.config(0))
            try:
                asyncio.run(soak_it(exporter, servers, options, table))
            finally:
                exporter.kill()
        finally:
            servers.stop()
    return 1 if table.broken else 0


if __name__ == "__main__":
    sys.exit(main())
