"""What probes cost the two exporters, by how many are in flight and by how many targets there are.

Up to some hundred, wrk keeps that many requests open to a server that answers at once. More than that no two cores keep
busy: there the server takes its time for each reply, every probe is begun before the first one ends, and all must end
well."""

import threading

import processes
from load import TooFewProbes, cpu_per_probe, latencies
from probes_at_once import ProbesAtOnce, is_good_probe

MODULES = ("plain", "starttls")
AT_ONCE = 1000           # from here on the server takes its time
TIMEOUT = 90             # of such a probe
MEMORY_LIMIT_MB = 2000   # whoever needs more has failed
SPARE_DESCRIPTORS = 200
LONGEST_LOAD = 60        # seconds
TARGET_CONNECTIONS = 8   # fewer than the fewest targets, which have one probe at a time


class MemoryGuard:
    """Kills an exporter that takes more than its share of the machine."""

    def __init__(self, exporter):
        self.exceeded = False
        self._exporter = exporter
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def _watch(self):
        while not self._over.wait(0.1):
            if self._exporter.resident_mb() > MEMORY_LIMIT_MB:
                self.exceeded = True
                self._exporter.process.kill()
                return

    def stop(self):
        self._over.set()
        self._thread.join()


def delay_ms(count):
    """Of each reply: so long that all are begun before the first ends."""
    return 0 if count < AT_ONCE else max(500, count // 5)


def wave(exporter, responder, module, count):
    """The same of `count` probes at once as of load.cpu_per_probe."""
    before, cpu = responder.counts(), exporter.cpu_seconds()
    guard = MemoryGuard(exporter)
    probes = None
    try:
        probes = ProbesAtOnce(exporter, [exporter.path(module, responder.target)] * count)
        probes.send()
        processes.wait_until(lambda: responder.counts()["open"] == count,
                             f"{exporter.name} does not probe {count} at once", TIMEOUT)
        answers = probes.answers(TIMEOUT + 10)
        good = sum(1 for answer in answers if answer and is_good_probe(answer[1]))
    except OSError as error:
        if guard.exceeded:
            raise RuntimeError(f"{exporter.name} needs more than {MEMORY_LIMIT_MB} MB") from error
        raise
    finally:
        guard.stop()
        if probes:
            probes.close()
    if guard.exceeded:
        raise RuntimeError(f"{exporter.name} needs more than {MEMORY_LIMIT_MB} MB")
    if good != count:
        raise RuntimeError(f"{exporter.name}: only {good} of {count} probes ended well")
    processes.wait_until(lambda: responder.counts()["open"] == 0, f"{exporter.name} holds on to connections")
    cpu, after = exporter.cpu_seconds() - cpu, responder.counts()
    done = [after[what] - before[what] for what in ("dialogues", "tls")]
    if done != [count, count if module == "starttls" else 0]:
        raise RuntimeError(f"{exporter.name}: {count} probes, but {done} dialogues and TLS sessions")
    return cpu / count


def one_load(exporter, responder, module, count, seconds):
    """Microseconds of CPU for a probe, and megabytes at the peak."""
    exporter.reset_peak()
    if count < AT_ONCE:
        cpu = cpu_per_probe(exporter, responder, module, count, seconds)
    else:
        cpu = wave(exporter, responder, module, count)
    return cpu * 1e6, exporter.peak_mb()


def start_both(build, folder, certificates, **options):
    """Started anew, for what is measured is not to be what came before."""
    ours = processes.start_ours(build, folder, certificates, **options)
    options.pop("per_host", None)
    return {"ours": ours, "blackbox": processes.start_blackbox(folder, certificates, **options)}


def warm_up(exporter, responder, module):
    for _ in range(20):
        status, text = exporter.get(exporter.path(module, responder.target))
        if status != 200 or "\nprobe_success 1\n" not in text:
            raise RuntimeError(f"{exporter.name}: a probe failed:\n{text}")


def by_count(build, folder, certificates, counts, rounds, seconds):
    """One after the other {"module", "count", program: {"cpu_us": [...], "peak_mb": [...], "failed": why or None}}."""
    most = (processes.raise_descriptor_limit() - SPARE_DESCRIPTORS) // 2
    for module in MODULES:
        for count in (min(count, most) for count in counts):
            quick = processes.Responder(build, "--tls-cert-dir", certificates)
            responder = processes.Responder(build, "--tls-cert-dir", certificates, "--delay", str(delay_ms(count)))
            exporters = {}
            row = {"module": module, "count": count, "delay_ms": delay_ms(count)}
            try:
                exporters = start_both(build, folder, certificates, timeout=TIMEOUT)
                for name, exporter in exporters.items():
                    warm_up(exporter, quick, module)
                    row[name] = {"cpu_us": [], "peak_mb": [], "failed": None}
                for _ in range(rounds):
                    for name, exporter in exporters.items():
                        if row[name]["failed"]:
                            continue
                        try:
                            cpu, peak = one_load(exporter, responder, module, count, seconds)
                        except (RuntimeError, TimeoutError, OSError) as error:
                            if name == "ours":
                                raise
                            row[name]["failed"] = str(error)
                            continue
                        row[name]["cpu_us"].append(cpu)
                        row[name]["peak_mb"].append(peak)
            finally:
                for process in (*exporters.values(), responder, quick):
                    process.stop()
            yield row


def cpu_over_targets(exporter, responder, seconds, count):
    """Of so many seconds, and more where those are too few to ask all."""
    while True:
        try:
            return cpu_per_probe(exporter, responder, "plain", TARGET_CONNECTIONS, seconds, count)
        except TooFewProbes:
            if seconds > LONGEST_LOAD:
                raise
            seconds *= 2


def by_targets(build, folder, certificates, counts, rounds, seconds):
    """The same by the number of targets: {"count", program: {"cpu_us": [...]}}."""
    responder = processes.Responder(build, "--all-addresses")
    exporters = {}
    try:
        exporters = start_both(build, folder, certificates, per_host=1)
        rows = [{"count": count, **{name: {"cpu_us": []} for name in exporters}} for count in counts]
        for exporter in exporters.values():
            warm_up(exporter, responder, "plain")
        for _ in range(rounds):
            for row in rows:
                for name, exporter in exporters.items():
                    cpu = cpu_over_targets(exporter, responder, seconds, row["count"])
                    row[name]["cpu_us"].append(cpu * 1e6)
    finally:
        for process in (*exporters.values(), responder):
            process.stop()
    return rows


def latency(build, folder, certificates, rounds, requests):
    """[{"module", program: {"median_ms": [...], "p99_ms": [...]}}] of probes one after the other."""
    responder = processes.Responder(build, "--tls-cert-dir", certificates)
    exporters = {}
    rows = []
    try:
        exporters = start_both(build, folder, certificates)
        for module in MODULES:
            row = {"module": module, **{name: {"median_ms": [], "p99_ms": []} for name in exporters}}
            for exporter in exporters.values():
                warm_up(exporter, responder, module)
            for _ in range(rounds):
                for name, exporter in exporters.items():
                    taken = latencies(exporter, exporter.path(module, responder.target), requests)
                    row[name]["median_ms"].append(taken[len(taken) // 2] * 1e3)
                    row[name]["p99_ms"].append(taken[len(taken) * 99 // 100] * 1e3)
            rows.append(row)
    finally:
        for process in (*exporters.values(), responder):
            process.stop()
    return rows
