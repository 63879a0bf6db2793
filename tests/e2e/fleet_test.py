"""More than one exporter: targets spread over several by hashmod.yml, and replicas behind HAProxy of which one goes
away during the run, killed or drained."""

import collections
import concurrent.futures
import json
import shutil
import signal
import socket
import subprocess
import threading
import time
import unittest

import mail_network
import peers
from exporter import Exporter, ExporterCase, Listener, talking
from http_client import PATIENCE, Connection
from prometheus import DEPLOYED, Prometheus, deployed

HAPROXY = shutil.which("haproxy", path="/usr/sbin:/usr/bin")
TARGETS = 24
PORT = 9725
# Of exporter k: where it listens, and from where it probes.
LISTENS = ["127.0.1.1", "127.0.1.2", "127.0.1.3"]
SOURCES = ["127.0.2.1", "127.0.2.2", "127.0.2.3"]
INTERVAL = 1.0
# A probe lasts so long, that some are in flight when its exporter goes.
PAUSE = 0.3
SCRAPES_AFTER = 6
# Of the stored times against the clock: Prometheus moves a scrape by some milliseconds, a busy machine by more. Less than
# an interval: two scrapes that were lost show.
SLACK = 0.9


def setUpModule():
    mail_network.begin()
    if not HAPROXY:
        raise unittest.SkipTest("haproxy is not installed")


class FleetCase(mail_network.NetworkMixin, ExporterCase):
    EXPORTERS = 3

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        hosts = {f"mx{i}.example.net": f"127.0.3.{i + 1}" for i in range(TARGETS)}
        names = hosts | {f"exporter-{i}.example.net": LISTENS[i] for i in range(3)}
        cls.make_network({name: [address] for name, address in names.items()})
        cls.lock = threading.Lock()
        cls.answering = threading.Event()  # while it is clear the targets say nothing
        cls.answering.set()
        cls.probers = {}  # target -> the addresses that its connections came from, in their order
        cls.targets = {}
        for name, address in hosts.items():
            target = f"{name}:25"
            cls.targets[target] = cls.probers[target] = []
            cls.addClassCleanup(Listener(cls.noting(target), None, (address, 25)).close)
        folder = cls.folder / "prometheus"
        folder.mkdir()
        cls.config = folder / "prometheus.yml"
        cls.config.write_text(deployed(cls.NAME, folder))
        (folder / "smtp-targets" / "smtp.yml").write_text(json.dumps([{"targets": list(cls.targets)}]))

    @classmethod
    def noting(cls, target):
        serve = talking(PAUSE)

        def noted(connection):
            with cls.lock:
                cls.probers[target].append(connection.getpeername()[0])
            cls.answering.wait(PATIENCE)
            serve(connection)
        return noted

    def start_exporter(self, number):
        module = {"tls": {"mode": "off"}, "source_address": SOURCES[number]}
        # Two probes, one after the other, end within the second that Prometheus waits.
        exporter = Exporter("--web.listen-address", f"{LISTENS[number]}:{PORT}", "--timeout-offset", 0.1,
                            config=json.dumps({"modules": {"smtp_starttls": module}}))
        self.addCleanup(exporter.kill)
        return exporter

    def start_prometheus(self):
        prometheus = Prometheus(self.config)
        self.addCleanup(prometheus.stop)
        peers.wait_until(prometheus.ready, "Prometheus is not ready", PATIENCE)
        return prometheus


class Hashmod(FleetCase):
    NAME = "hashmod.yml"

    def test_each_target_has_one_exporter(self):
        exporters = [self.start_exporter(number) for number in range(3)]
        prometheus = self.start_prometheus()

        def often():
            counted = prometheus.query('sum_over_time(probe_success[1h])')
            return len(counted) == TARGETS and min(value for _, value in counted) >= 4
        try:
            peers.wait_until(often, "", PATIENCE)
        except TimeoutError:
            self.fail(json.dumps(prometheus.targets(), indent=1))
        self.assertEqual({value for _, value in prometheus.query("min_over_time(probe_success[1h])")}, {1})
        prometheus.stop()
        shares = collections.Counter()
        for target, probers in self.probers.items():
            with self.subTest(target):
                self.assertGreaterEqual(len(probers), 4)
                # By the same one at every scrape.
                self.assertEqual(len(set(probers)), 1, probers)
                shares[probers[0]] += 1
        self.assertEqual(set(shares), set(SOURCES), shares)
        # And nothing was probed that Prometheus did not ask for.
        for exporter, source in zip(exporters, SOURCES):
            asked = sum(len(probers) for probers in self.probers.values() if probers[0] == source)
            counted = exporter.own("probes_total")
            # Those whose scrape ended with Prometheus are not counted.
            self.assertTrue(asked - shares[source] <= counted <= asked, (counted, asked))


class HAProxy:
    """haproxy.cfg as it is deployed."""

    def __init__(self):
        self.log = []
        checked = subprocess.run([HAPROXY, "-c", "-f", DEPLOYED / "haproxy.cfg"], capture_output=True, text=True,
                                 timeout=PATIENCE, check=False)
        assert checked.returncode == 0 and "WARNING" not in checked.stderr, checked.stderr + checked.stdout
        self.process = subprocess.Popen([HAPROXY, "-db", "-f", DEPLOYED / "haproxy.cfg"], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self.reader = threading.Thread(target=lambda: self.log.extend(self.process.stderr), daemon=True)
        self.reader.start()

    def listens(self):
        assert self.process.poll() is None, self.log
        try:
            socket.create_connection(("127.0.0.1", PORT), 1).close()
            return True
        except OSError:
            return False

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.reader.join(PATIENCE)
        self.process.stderr.close()


class Replicas(FleetCase):
    NAME = "replicas.yml"

    def start_replicas(self):
        exporters = [self.start_exporter(number) for number in range(2)]
        proxy = HAProxy()
        self.addCleanup(proxy.stop)
        peers.wait_until(proxy.listens, "HAProxy does not listen", PATIENCE)
        return exporters, proxy

    def run_and_lose(self, end):
        """One of two replicas ends during the run by end(exporter): what Prometheus stored of every target."""
        exporters, proxy = self.start_replicas()
        prometheus = self.start_prometheus()

        def scraped(at_least, since=0):
            found = prometheus.samples('up{job="smtp"}[5m]')
            return (len(found) == TARGETS and
                    min(sum(when > since for when, _ in samples) for _, samples in found) >= at_least)
        peers.wait_until(lambda: scraped(3), "Prometheus scrapes too little: " +
                         "".join(prometheus.lines[-5:] + proxy.log), PATIENCE)
        # Both had their part before, and the one that goes has probes in its hands.
        self.assertEqual({prober for probers in self.probers.values() for prober in probers}, set(SOURCES[:2]))
        lost = exporters[0]
        peers.wait_until(lambda: lost.own("probes_in_flight") > 0, "no probe in flight", PATIENCE)
        ended = time.time()
        end(lost)
        peers.wait_until(lambda: scraped(SCRAPES_AFTER, ended), "Prometheus scrapes no more", PATIENCE)
        found = {name: {labels["instance"]: samples for labels, samples in prometheus.samples(f"{name}[5m]")}
                 for name in ('up{job="smtp"}', "probe_success")}
        yardstick = dict(prometheus.samples(f'up{{instance="exporter-1.example.net:{PORT}"}}[5m]')[0][1])
        return ended, list(found.values()), yardstick, lost

    @staticmethod
    def widest(samples):
        return max(after - before for before, after in zip(samples, samples[1:]))

    def assert_nothing_lost(self, ended, found, yardstick):
        up, success = found
        self.assertEqual(set(up), set(self.targets))
        self.assertEqual(set(success), set(self.targets))
        # How evenly this machine let Prometheus work: measured on a job that nothing happened to.
        self.assertEqual(set(yardstick.values()), {1})
        stalled = max(0, self.widest(list(yardstick)) - INTERVAL)
        for target in self.targets:
            with self.subTest(target):
                self.assertLessEqual([value for _, value in up[target]].count(0), 1, up[target])
                self.assertLessEqual([value for _, value in success[target]].count(0), 1, success[target])
                good = [when for when, value in success[target] if value == 1]
                self.assertLessEqual(self.widest(good), 2 * INTERVAL + SLACK + stalled, success[target])
                self.assertGreaterEqual(sum(when > ended for when in good), SCRAPES_AFTER - 1)

    @staticmethod
    def probe(target):
        """By HAProxy, on a connection of its own: Go's HTTP client asks again by itself on one that it has used."""
        with Connection(("127.0.0.1", PORT)) as connection:
            return connection.request(f"/probe?target={target}&module=smtp_starttls")

    def in_flight(self, exporter, asking):
        """A probe of each target of which this exporter has one in its hands: their answers to come."""
        self.answering.clear()
        self.addCleanup(self.answering.set)
        futures = [asking.submit(self.probe, target) for target in self.targets]
        peers.wait_until(lambda: exporter.own("probes_in_flight") > 2, "no probes in flight", PATIENCE)
        return futures

    def assert_answered(self, futures):
        for future in futures:
            answer = future.result(PATIENCE)
            self.assertEqual(answer.metrics.value("probe_success"), 1, answer.text)

    def test_killed_with_probes_in_its_hands(self):
        exporters, _ = self.start_replicas()
        with concurrent.futures.ThreadPoolExecutor(TARGETS) as asking:
            futures = self.in_flight(exporters[0], asking)
            exporters[0].signal(signal.SIGKILL)
            self.answering.set()
            self.assert_answered(futures)
            # Before HAProxy has looked at it again.
            self.assert_answered([asking.submit(self.probe, target) for target in self.targets])

    def test_asked_while_it_drains(self):
        exporters, _ = self.start_replicas()
        with concurrent.futures.ThreadPoolExecutor(2 * TARGETS) as asking:
            futures = self.in_flight(exporters[0], asking)
            exporters[0].signal(signal.SIGTERM)
            peers.wait_until(lambda: "msg=draining" in exporters[0].log(), "it does not drain", PATIENCE)
            self.answering.set()
            self.assert_answered(futures + [asking.submit(self.probe, target) for target in self.targets])
        self.assertEqual(exporters[0].wait(), 0)

    def test_killed(self):
        ended, found, yardstick, lost = self.run_and_lose(lambda one: one.signal(signal.SIGKILL))
        self.assert_nothing_lost(ended, found, yardstick)
        self.assertEqual(lost.wait(), -signal.SIGKILL)

    def test_drained(self):
        ended, found, yardstick, lost = self.run_and_lose(lambda one: one.signal(signal.SIGTERM))
        self.assert_nothing_lost(ended, found, yardstick)
        self.assertEqual(lost.wait(), 0)
