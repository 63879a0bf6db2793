"""The exporter under attack by one of its clients, in short forms: the others keep their share, memory and log stay
bounded. The attacker comes from 127.0.0.2, everybody else from 127.0.0.1."""

import socket
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
        """A probe that may take minutes ends when another client needs the address."""
        server = self.peer()
        exporter = self.start(config=PLAIN)
        (attacker,) = self.attack(exporter, asking(server.target, 86400))
        peers.wait_until(lambda: server.open == 1, "no connection")
        for _ in range(2):
            answer = exporter.probe(server.target, "plain", timeout=6.5)
            self.assert_exposed(answer.metrics, CRITICAL, ("banner", "timeout"))
            self.assertLess(answer.seconds, 6 + SLACK)
        metrics = self.assert_exposed(attacker.answer().metrics, UNKNOWN, ("resolve", "probe_rejected"))
        self.assert_clean(metrics.text)
        self.assertEqual(server.most, 1)
        self.assertIn("another client waits for its turn there", exporter.log())
        self.assertEqual(exporter.own("probes_rejected_total"), 1)
        # The connection of the interrupted probe serves the next request.
        attacker.send("GET /-/ready HTTP/1.1\r\nHost: x\r\n\r\n")
        self.assertEqual(attacker.answer().status, 200)

    def test_crowded_queue(self):
        """300 requests for one server, which takes its time for each."""
        server = self.peer(talking(pause=0.2))
        exporter = self.start(config=PLAIN)
        attackers = self.attack(exporter, asking(server.target, 300), 300)
        peers.wait_until(lambda: exporter.own("probes_in_flight") >= 100, "no crowd")
        for _ in range(3):
            answer = exporter.probe(server.target, "plain", timeout=10)
            self.assert_exposed(answer.metrics, OK)
            self.assertLess(answer.seconds, 5)
        self.assertEqual(server.most, 1)
        refused = exporter.own("probes_rejected_total")
        self.assertGreaterEqual(refused, 300 - 128 - 40)
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
