"""The exporter under attack by one of its clients, in short forms: the others keep their share, memory and log stay
bounded. The attacker comes from 127.0.0.2, everybody else from 127.0.0.1."""

import socket
import threading
import time
import unittest
import urllib.parse

import peers
from exporter import ExporterCase, Listener, silent, talking
from http_client import PATIENCE, Connection
from probe import CRITICAL, OK, SANITIZED, UNKNOWN

SLACK = 3 if SANITIZED else 1.5
PLAIN = "modules: {plain: {tls: {mode: off}, helo: probe.test}}\n"
ATTACKER = "127.0.0.2"


def asking(target, timeout=None, module="plain", method="GET", **more):
    """The bytes of one request."""
    query = urllib.parse.urlencode({"target": target, "module": module} | more)
    header = f"X-Prometheus-Scrape-Timeout-Seconds: {timeout}\r\n" if timeout is not None else ""
    return f"{method} /probe?{query} HTTP/1.1\r\nHost: x\r\n{header}\r\n"


class AttackCase(ExporterCase):

    def peer(self, serve=silent):
        server = Listener(serve)
        self.addCleanup(server.close)
        return server

    def attack(self, exporter, request, count=1):
        """Sends it on so many connections from the attacker's address, and keeps these."""
        attackers = []
        for _ in range(count):
            one = Connection(exporter.address, source=(ATTACKER, 0))
            self.addCleanup(one.close)
            one.send(request)
            attackers.append(one)
        return attackers


class Fairness(AttackCase):

    def test_header_is_capped(self):
        exporter = self.start(config=PLAIN)
        metrics = exporter.probe(self.peer(talking()).target, "plain", timeout=86400).metrics
        self.assertEqual(metrics.value("probe_timeout_seconds"), 299.5)

    def test_long_timeout(self):
        """A probe that may take minutes is interrupted when another client needs the address, and begins again."""
        silences = [threading.Event() for _ in range(3)]
        taken = []

        def serve(connection):
            taken.append(connection)
            if len(taken) <= len(silences):
                silences[len(taken) - 1].wait(60)
            talking()(connection)

        server = self.peer(serve)
        self.addCleanup(lambda: [one.set() for one in silences])
        exporter = self.start(config=PLAIN)
        (attacker,) = self.attack(exporter, asking(server.target, 86400))
        peers.wait_until(lambda: len(taken) == 1, "no connection")
        answer = exporter.probe(server.target, "plain", timeout=8.5)
        self.assert_exposed(answer.metrics, CRITICAL, ("banner", "timeout"))
        self.assertLess(answer.seconds, 8 + SLACK)
        peers.wait_until(lambda: len(taken) == 3, "it did not begin again")
        silences[2].set()
        metrics = self.assert_exposed(attacker.answer().metrics, OK)
        self.assert_clean(metrics.text)
        self.assertLess(metrics.value("probe_duration_seconds"), 4, "the rest was waiting")
        self.assertEqual(exporter.own("probes_rejected_total"), 0)

    def test_interrupted_with_no_time_left(self):
        """Then it says why."""
        server = self.peer()
        exporter = self.start(config=PLAIN)
        (attacker,) = self.attack(exporter, asking(server.target, 21))
        peers.wait_until(lambda: server.open == 1, "no connection")
        while not self.ends(attacker):
            exporter.probe(server.target, "plain", timeout=5)
        metrics = self.assert_exposed(attacker.answer().metrics, UNKNOWN, ("resolve", "probe_rejected"))
        self.assertEqual(metrics.value("probe_success"), 0)
        # The connection of the interrupted probe serves the next request.
        attacker.send("GET /-/ready HTTP/1.1\r\nHost: x\r\n\r\n")
        self.assertEqual(attacker.answer().status, 200)

    def test_crowded_queue(self):
        """1,100 requests for one server, which takes its time for each."""
        server = self.peer(talking(pause=0.2))
        exporter = self.start(config=PLAIN)
        attackers = self.attack(exporter, asking(server.target, 300), 1100)
        peers.wait_until(lambda: exporter.own("probes_in_flight") >= 1024, "no crowd")
        for _ in range(3):
            answer = exporter.probe(server.target, "plain", timeout=10)
            self.assert_exposed(answer.metrics, OK)
            self.assertLess(answer.seconds, 5)
        self.assertEqual(server.most, 1)
        refused = exporter.own("probes_rejected_total")
        self.assertGreaterEqual(refused, 1100 - 1024 - 40)
        self.assertEqual(exporter.own("probe_failures_total", step="resolve", reason="probe_rejected"), refused)
        self.assertIn("queue of probes", exporter.log())
        for one in attackers:
            one.close()

    def test_crowd_of_hanging_probes(self):
        """Each of the crowd hangs as long as the honest scrape may take."""
        server = self.peer()
        exporter = self.start(config=PLAIN)
        self.attack(exporter, asking(server.target, 10), 60)
        peers.wait_until(lambda: exporter.own("probes_in_flight") >= 50, "no crowd")
        answer = exporter.probe(server.target, "plain", timeout=8)
        self.assert_exposed(answer.metrics, CRITICAL, ("banner", "timeout"))

    def test_like_timeouts(self):
        """Two clients with one probe each: the first ends as it would alone."""
        server = self.peer()
        exporter = self.start(config=PLAIN)
        (other,) = self.attack(exporter, asking(server.target, 5))
        peers.wait_until(lambda: server.open == 1, "no connection")
        exporter.probe(server.target, "plain", timeout=5)
        self.assert_exposed(other.answer().metrics, CRITICAL, ("banner", "timeout"))

    def test_all_places_in_flight(self):
        server = self.peer()
        exporter = self.start("--probe.max-in-flight", 20, config="max_probes_per_host: 0\n" + PLAIN)
        attackers = self.attack(exporter, asking(server.target, 300), 20)
        peers.wait_until(lambda: server.open == 20, "not full")
        good = self.peer(talking())
        for _ in range(5):
            self.assert_exposed(exporter.probe(good.target, "plain").metrics, OK)
        peers.wait_until(lambda: server.open == 19, "one has made way, and its place was given on")
        held = [exporter.connect() for _ in range(11)]
        for one in held:
            self.addCleanup(one.close)
            one.send(asking(server.target, 300))
        # Half of the places each, and no more.
        answers = [one for one in held if self.ends(one)]
        self.assertEqual([one.answer().status for one in answers], [503])
        self.assertEqual(exporter.own("probes_in_flight"), 20)
        ended = [one for one in attackers if self.ends(one, 0.01)]
        self.assertEqual(len(ended), 10)
        for one in ended:
            self.assert_exposed(one.answer().metrics, UNKNOWN, ("resolve", "probe_rejected"))

    def ends(self, connection, seconds=0.3):
        """Whether an answer begins within that time."""
        connection.socket.settimeout(seconds)
        try:
            return bool(connection.socket.recv(1, socket.MSG_PEEK))
        except socket.timeout:
            return False
        finally:
            connection.socket.settimeout(PATIENCE)


def long_answers(connection):
    """A banner and a reply to EHLO of 60,000 bytes each, and then nothing."""
    for code in ("220", "250"):
        lines = [f"{code}-X{i} " + "y" * 900 for i in range(65)] + [f"{code} end"]
        connection.sendall("".join(line + "\r\n" for line in lines).encode())
        connection.recv(4096)
        if code == "250":
            while connection.recv(4096):
                pass


class Memory(AttackCase):

    @staticmethod
    def settled(exporter):
        return exporter.resident_kib() / 1024

    def assert_grew_less(self, exporter, before, megabytes):
        if not SANITIZED:  # a sanitizer has memory of its own
            self.assertLess(self.settled(exporter) - before, megabytes)

    def test_hostile_sessions(self):
        """600 at a time: 316 MB, where each keeps all that its server says."""
        count = 600
        server = self.peer(long_answers)
        module = "modules: {plain: {tls: {mode: off}, helo: probe.test, until: mail, mail: {from: a@b.test}}}\n"
        exporter = self.start(config="max_probes_per_host: 0\n" + module)
        before = self.settled(exporter)
        attackers = self.attack(exporter, asking(server.target, 20), count)
        peers.wait_until(lambda: server.open == count, "not all are there", PATIENCE)
        time.sleep(1)
        self.assertEqual(exporter.own("probes_in_flight"), count)
        self.assert_grew_less(exporter, before, 100)
        # An honest probe keeps its transcript.
        good = self.peer(talking())
        text = exporter.probe(good.target, "plain", debug="true").text
        self.assertIn("S: 250 mx.test", text)
        self.assertNotIn("is not shown", text)
        for one in attackers:
            one.close()

    def test_distinct_parameters(self):
        """A short form of 256,000 requests."""
        (closed,) = peers.free_ports(1)
        exporter = self.start(config=PLAIN)
        batch = 500
        with exporter.connect() as one:
            def ask(numbers, name):
                for number in numbers:
                    one.send(asking(f"127.0.0.1:{closed}", method="HEAD", **{name: f"h{number}"}))
                for _ in numbers:
                    self.assertEqual(one.answer("HEAD").status, 200)
            ask(range(batch), "x")
            before = self.settled(exporter)
            for begin in range(batch, 10000, batch):
                ask(range(begin, begin + batch), "x")
                ask(range(begin, begin + batch), "hostname")
        self.assert_grew_less(exporter, before, 30)


class Log(AttackCase):

    def test_failed_probes(self):
        (closed,) = peers.free_ports(1)
        exporter = self.start(config=PLAIN)
        count = 2000
        with exporter.connect() as one:
            for _ in range(count // 100):
                one.send(asking(f"127.0.0.1:{closed}") * 100)
                for _ in range(100):
                    self.assertEqual(one.answer().status, 200)
        self.assertEqual(exporter.own("probe_failures_total"), count)
        self.assertEqual(exporter.stop(), 0)
        lines = [line for line in exporter.lines if "connection_refused" in line]
        # The first, and at the end how many others there were (on a slow machine one a minute).
        self.assertLessEqual(len(lines), 3, lines)
        self.assertIn("msg=\"probe failed\"", lines[0])
        self.assertIn("state=critical", lines[0])
        self.assertIn(f"left_out={count - 1}", lines[-1])
        self.assertLess(len(exporter.log()), 10000)

    def test_refused_scrapes(self):
        exporter = self.start("--log.level", "debug", config=PLAIN)
        with exporter.connect() as one:
            for _ in range(500):
                self.assertEqual(one.request("/probe?target=").status, 400)
            for number in range(5000):
                one.send(f"GET /probe?target=mx.test&module=m{number} HTTP/1.1\r\nHost: x\r\n\r\n")
                self.assertEqual(one.answer().status, 400)
        self.assertEqual(exporter.stop(), 0)
        refused = [line for line in exporter.lines if "scrape refused" in line]
        self.assertEqual(len([line for line in refused if "target is missing" in line]), 2)
        self.assertLessEqual(len(refused), 2 * 2048)
        self.assertIn("too many different lines", exporter.log())


class UnixSockets(AttackCase):

    def test_refused_with_one_text(self):
        """Whatever is at the path: a socket, a file, a file that cannot be read, nothing."""
        path = self.folder / "socket"
        listener = socket.socket(socket.AF_UNIX)
        self.addCleanup(listener.close)
        listener.bind(str(path))
        listener.listen()
        listed = 'allowed_targets: ["127.0.0.1", "*", "0.0.0.0/0", "unix:/run/other"]\n'
        for config in (None, listed):
            exporter = self.start(config=config)
            texts = set()
            for one in (path, "/etc/passwd", "/etc/shadow", "/root", "/nonexistent", "/run/other/x"):
                for module in ("smtp", "lmtp"):
                    answer = exporter.probe(f"unix:{one}", module)
                    self.assert_refused(answer, 403, "allowed_targets")
                    texts.add(answer.text)
            self.assertEqual(len(texts), 1, texts)
            listener.settimeout(0.1)
            self.assertRaises(socket.timeout, listener.accept)


if __name__ == "__main__":
    unittest.main()
