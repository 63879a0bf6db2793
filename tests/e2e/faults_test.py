"""Faults of our own side, with both programs: no descriptor, no port, no network, nobody who takes the output, signals
at any moment, more work than is let in. Whatever is missing here is UNKNOWN, never the server's fault."""

import concurrent.futures
import json
import os
import pathlib
import random
import re
import resource
import signal
import socket
import subprocess
import threading
import time
import unittest

import namespaces
import peers
from exporter import EXPORTER, Exporter, ExporterCase, Listener, silent, talking
from http_client import PATIENCE
from probe import BUSY, CHECK, CRITICAL, OK, SANITIZED, UNKNOWN, ScriptedServer, environment, run

TRANSCRIPTS = pathlib.Path(os.environ["TRANSCRIPTS"])
LACKING = namespaces.missing()
PLAIN = "max_probes_per_host: 0\nmodules: {plain: {tls: {mode: off}, timeout: 2s}}\n"
SIGPIPE_BIT = 1 << (signal.SIGPIPE - 1)


def connections_to(port):
    """As the kernel has them: the peer itself may learn of one's end when the next is there."""
    lines = pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]
    return sum(line.split()[2] == f"0100007F:{port:04X}" and line.split()[3] in ("01", "02") for line in lines)


def limited(program, *arguments, descriptors):
    return subprocess.run([program, *map(str, arguments)], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=60, env=environment(), check=False,
                          preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors)))


class FaultCase(ExporterCase):

    def peer(self, serve=None):
        server = Listener(serve or talking())
        self.addCleanup(server.close)
        return server


class FewDescriptors(FaultCase):

    def test_check(self):
        """From what it needs to be loaded on: ours or nobody's fault."""
        server = ScriptedServer("--mail")
        self.addCleanup(server.stop)
        trust = self.folder / "trust"
        trust.mkdir()
        (trust / "ca.pem").symlink_to(server.certificates / "ca.pem")
        subprocess.run(["openssl", "rehash", trust], check=True)
        verified = ("-S", "--tls-verify", "require", "--tls-name", "mx.test", "--ca-path", trust)
        warned = ("-S", "--tls-verify", "warn", "--tls-name", "mx.test", "--ca-path", trust)
        for words in (("127.0.0.1",), ("localhost",), ("127.0.0.1", *verified), ("127.0.0.1", *warned)):
            codes = []
            for descriptors in range(4, 14):
                with self.subTest(words, descriptors=descriptors):
                    done = limited(CHECK, "-H", *words, "-p", server.ports["mail"], "--output", "json",
                                   descriptors=descriptors)
                    self.assertEqual(done.stderr, "")
                    codes.append(done.returncode)
                    if done.returncode == OK:
                        continue
                    self.assertEqual(done.returncode, UNKNOWN, done.stdout)
                    whole = json.loads(done.stdout)
                    self.assertEqual(whole["findings"][0]["reason"], "local_error", done.stdout)
                    self.assertIn("too many open files", whole["headline"].lower())
            self.assertEqual((codes[0], codes[-1]), (UNKNOWN, OK), codes)

    def test_once(self):
        server = self.peer()
        codes = []
        for descriptors in range(5, 24):
            with self.subTest(descriptors):
                done = limited(EXPORTER, "--once", server.target, descriptors=descriptors)
                codes.append(done.returncode)
                self.assertIn(done.returncode, (OK, UNKNOWN) if descriptors > 8 else (OK, UNKNOWN, 127), done)
                if done.returncode == UNKNOWN:
                    self.assertRegex(done.stderr, "(?i)too many open files|no file descriptors")
        self.assertEqual(codes[-1], OK)

    def starved(self, spare=0):
        """An exporter that may open no more descriptors (but `spare`), and a client that it knows already."""
        exporter = self.start(config=PLAIN)
        client = exporter.connect()
        self.addCleanup(client.close)
        self.assertEqual(client.request("/-/healthy").status, 200)
        usual = resource.prlimit(exporter.process.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(exporter.process.pid, resource.RLIMIT_NOFILE, (exporter.descriptors() + spare, usual[1]))
        return exporter, client, lambda: resource.prlimit(exporter.process.pid, resource.RLIMIT_NOFILE, usual)

    def test_exporter(self):
        server = self.peer()
        exporter, client, relieve = self.starved()
        # localhost needs no descriptor to be resolved (RFC 6761).
        for target, step in ((server.target, "connect"), (f"localhost:{server.port}", "connect"),
                             (f"mx.invalid:{server.port}", "resolve")):
            answer = client.request(f"/probe?target={target}&module=plain")
            self.assert_exposed(answer.metrics, UNKNOWN, (step, "local_error"))
        self.assertEqual(server.taken, [])
        # Those that knock meanwhile wait in the kernel's queue, and nobody's core is spent on them.
        with concurrent.futures.ThreadPoolExecutor(20) as pool:
            waiting = [pool.submit(exporter.probe, server.target, "plain") for _ in range(20)]
            time.sleep(0.3)
            before, lines = peers.cpu_seconds(exporter.process.pid), len(exporter.lines)
            time.sleep(2)
            spent, said = peers.cpu_seconds(exporter.process.pid) - before, len(exporter.lines) - lines
            print(f"descriptors used up: {spent / 2:.1%} of a core, {said / 2:.0f} lines of log a second")
            self.assertLess(spent, 0.2)
            self.assertLessEqual(said, 30)
            self.assertEqual(client.request("/-/healthy").status, 200)
            self.assertEqual(client.request("/metrics").status, 200)
            self.assertEqual(sum(one.done() for one in waiting), 0)
            relieve()
            for one in waiting:
                self.assert_exposed(one.result().metrics, OK)
        self.assertEqual(exporter.own("probes_in_flight"), 0)
        self.assertEqual(exporter.own("probes_total"), 23)

    def test_exporter_in_between(self):
        """Some find a descriptor, others do not: each is answered for what it got."""
        server = self.peer(silent)
        exporter, client, relieve = self.starved(spare=30)
        with concurrent.futures.ThreadPoolExecutor(60) as pool:
            running = [pool.submit(exporter.probe, server.target, "plain") for _ in range(60)]
            peers.wait_until(lambda: "Too many open files" in exporter.log() or any(one.done() for one in running),
                             "not short of descriptors")
            self.assertEqual(client.request("/metrics").status, 200)
            failures = [one.result().metrics.failure for one in running]
        self.assertEqual(set(failures), {("connect", "local_error"), ("banner", "timeout")})
        relieve()
        self.assert_exposed(exporter.probe(self.peer().target, "plain").metrics, OK)
        self.assertEqual(exporter.own("probes_in_flight"), 0)


if SANITIZED:
    # The sanitizer's check of virtual calls asks by a pipe whether memory is readable: without descriptors it takes all
    # of it for wild, and ends the program. The release build is held to these.
    del FewDescriptors


@unittest.skipIf(LACKING, LACKING)
class Network(FaultCase):

    def both(self, exporter, target, state, failure, *options):
        host, port = target.rsplit(":", 1)
        outcome = run("-H", host.strip("[]"), "-p", port, "-t", 2, "--output", "json", *options)
        self.assert_verdict(outcome, state, *failure)
        if not options:
            self.assert_exposed(exporter.probe(target, "plain").metrics, state, failure)
        line = self.run_clean("-H", host.strip("[]"), "-p", port, "-t", 2, *options)
        self.assertRegex(line.text, r"^SMTP \w+ - connect: ")

    def test_no_ipv6(self):
        with namespaces.own_network(ipv6=False):
            server = self.peer()
            exporter = self.start("--web.listen-address", ":0", config=PLAIN)
            # Its default, all addresses, is to be had without IPv6, too.
            everywhere = next(port for host, port in exporter.listening() if host != "127.0.0.1")
            with socket.create_connection(("127.0.0.1", everywhere), 5):
                pass
            self.both(exporter, f"[::1]:{server.port}", UNKNOWN, ("connect", "local_error"))
            self.both(exporter, "[2001:db8::1]:25", UNKNOWN, ("connect", "local_error"))
            self.assert_exposed(exporter.probe(server.target, "plain").metrics, OK)

    def test_no_route(self):
        """A host with an address: which end lacks the route cannot be told, and is as the contract has it."""
        with namespaces.own_network():
            exporter = self.start(config=PLAIN)
            self.both(exporter, "192.0.2.1:25", UNKNOWN, ("connect", "local_error"))
            subprocess.run(["ip", "addr", "add", "198.51.100.7/32", "dev", "lo"], check=True)
            self.both(exporter, "192.0.2.1:25", CRITICAL, ("connect", "host_unreachable"))
            self.both(exporter, "[2001:db8::1]:25", UNKNOWN, ("connect", "local_error"))

    def test_no_port_left(self):
        with namespaces.own_network():
            server = self.peer(silent)
            other = self.peer()
            exporter = self.start(config=PLAIN)
            namespaces.settings("net/ipv4/ip_local_port_range", "20000 20003")
            held = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(4)]
            self.both(exporter, server.target, UNKNOWN, ("connect", "local_error"))
            self.both(exporter, server.target, UNKNOWN, ("connect", "local_error"), "--source", "127.0.0.1")
            # A port is taken for one peer, not for others.
            self.assert_exposed(exporter.probe(other.target, "plain").metrics, OK)
            for one in held:
                one.close()
            peers.wait_until(lambda: server.open == 0, "not closed")
            # TIME_WAIT holds the ports for a minute: those of a range that nobody has had.
            namespaces.settings("net/ipv4/ip_local_port_range", "30000 30010")
            self.assert_exposed(exporter.probe(server.target, "plain").metrics, CRITICAL, ("banner", "timeout"))

    def test_source_that_is_not_ours(self):
        server = self.peer()
        outcome = run("-H", "127.0.0.1", "-p", server.port, "--source", "192.0.2.77", "--output", "json")
        self.assert_verdict(outcome, UNKNOWN, "connect", "local_error")
        exporter = self.start(config=PLAIN.replace("timeout", "source_address: 192.0.2.77, timeout"))
        self.assert_exposed(exporter.probe(server.target, "plain").metrics, UNKNOWN, ("connect", "local_error"))

    def test_no_loopback(self):
        """Nothing at all is up."""
        with namespaces.own_network():
            subprocess.run(["ip", "link", "set", "lo", "down"], check=True)
            outcome = run("-H", "192.0.2.1", "-t", 2, "--output", "json")
            self.assert_verdict(outcome, UNKNOWN, "connect", "local_error")
            named = run("-H", "mx.test", "-t", 2, "--output", "json")
            self.assertEqual((named.code, named.json["findings"][0]["step"]), (UNKNOWN, "resolve"), named.out)


class Output(FaultCase):
    """Of the exporter; the check's is in process_test."""

    def test_once(self):
        server = self.peer()
        reading, closed = os.pipe()
        os.close(reading)
        self.addCleanup(os.close, closed)
        with open("/dev/full", "wb") as full:
            for stdout in (full, closed):
                done = subprocess.run([EXPORTER, "--once", server.target], stdin=subprocess.DEVNULL, stdout=stdout,
                                      stderr=subprocess.PIPE, text=True, timeout=60, env=environment(), check=False)
                self.assertEqual(done.returncode, UNKNOWN)
                self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
                self.assertIn("cannot print the metrics", done.stderr)
        without = subprocess.run(["/bin/sh", "-c", 'exec "$@" >&-', "sh", EXPORTER, "--once", server.target],
                                 stderr=subprocess.PIPE, text=True, timeout=60, env=environment(), check=False)
        self.assertEqual(without.returncode, UNKNOWN)
        # Nor did the metrics go to another descriptor.
        self.assertNotIn("probe_success", without.stderr)

    def test_log_that_nobody_takes(self):
        """It serves all the same, and ends as it should."""
        reading, closed = os.pipe()
        os.close(reading)
        self.addCleanup(os.close, closed)
        bad = peers.closed_port()
        with open("/dev/full", "wb") as full:
            for stderr in (full, closed):
                (port,) = peers.free_ports(1)
                process = subprocess.Popen([EXPORTER, "--web.listen-address", f"127.0.0.1:{port}"],
                                           stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=stderr,
                                           env=environment())
                self.addCleanup(process.wait)
                self.addCleanup(process.kill)
                peers.wait_until(lambda at=port: peers.listens(at), "does not listen")
                known = Exporter.__new__(Exporter)
                known.addresses, known.prefix = [("127.0.0.1", port)], ""
                for _ in range(50):
                    self.assertEqual(known.probe(f"127.0.0.1:{bad}").metrics.failure, ("connect", "connection_refused"))
                process.send_signal(signal.SIGTERM)
                self.assertEqual(process.wait(60), 0)


class Signals(FaultCase):

    def test_sigpipe_is_ignored(self):
        server = self.peer(silent)
        child = subprocess.Popen([CHECK, "-H", "127.0.0.1", "-p", str(server.port)], stdout=subprocess.DEVNULL,
                                 env=environment(), preexec_fn=lambda: signal.signal(signal.SIGPIPE, signal.SIG_DFL))
        self.addCleanup(child.wait)
        self.addCleanup(child.kill)
        peers.wait_until(lambda: server.taken, "no connection")
        exporter = self.start(preexec_fn=lambda: signal.signal(signal.SIGPIPE, signal.SIG_DFL))
        for pid in (child.pid, exporter.process.pid):
            status = pathlib.Path(f"/proc/{pid}/status").read_text()
            self.assertTrue(int(re.search(r"SigIgn:\s+(\w+)", status)[1], 16) & SIGPIPE_BIT)

    def test_check_at_any_moment(self):
        """It dies of it, or says its line: a monitoring system takes either for UNKNOWN or better."""
        server = self.peer(talking(pause=0.01))
        seen = set()
        for delay in range(40):
            child = subprocess.Popen([CHECK, "-H", "127.0.0.1", "-p", str(server.port)], stdout=subprocess.PIPE,
                                     stderr=subprocess.PIPE, env=environment())
            time.sleep(delay / 1000 * (20 if SANITIZED else 1))
            child.send_signal(signal.SIGTERM)
            out, err = child.communicate(timeout=60)
            self.assertEqual(err, b"")
            self.assertIn(child.returncode, (-signal.SIGTERM, OK, UNKNOWN))
            # A sanitizer has work between the line and the end.
            self.assertIn(out[:5], (b"SMTP ",) if child.returncode >= 0 else (b"", b"SMTP "))
            seen.add(child.returncode)
        self.assertIn(-signal.SIGTERM, seen)

    def test_exporter_while_it_starts(self):
        for delay in range(0, 40, 2):
            (port,) = peers.free_ports(1)
            process = subprocess.Popen([EXPORTER, "--web.listen-address", f"127.0.0.1:{port}"],
                                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                       env=environment())
            time.sleep(delay / 1000 * (10 if SANITIZED else 1))
            process.send_signal(signal.SIGTERM)
            log = process.communicate(timeout=60)[1]
            self.assertIn(process.returncode, (0, -signal.SIGTERM), log)

    def test_exporter_at_any_moment(self):
        """Under load: every client is answered, or its connection ends; the exit is 0 and in time."""
        slow, hanging = self.peer(talking(pause=0.2)), self.peer(silent)
        server = self.peer()
        for number in range(8):
            exporter = self.start(config=PLAIN)
            stop, answered = threading.Event(), threading.Event()

            def scrape(at=exporter, ended=stop, first=answered):
                answers = []
                while not ended.is_set():
                    target = random.choice((server, server, slow, hanging)).target
                    try:
                        answers.append(at.probe(target, "plain").status)
                        first.set()
                    except (ConnectionError, ValueError):  # dropped before a byte was said
                        answers.append(0)
                return answers
            with concurrent.futures.ThreadPoolExecutor(8) as pool:
                running = [pool.submit(scrape) for _ in range(8)]
                self.assertTrue(answered.wait(PATIENCE))
                time.sleep(0.05 * number)
                began = time.monotonic()
                for _ in range(number % 3):
                    exporter.signal(signal.SIGHUP)
                exporter.signal(signal.SIGTERM)
                self.assertEqual(exporter.wait(60), 0, exporter.log())
                seconds = time.monotonic() - began
                stop.set()
                statuses = [status for one in running for status in one.result()]
            self.assertLessEqual(seconds, 2 + 2 + BUSY)  # the deadline, and the answers' time
            self.assertLessEqual(set(statuses), {200, 503, 0})
            self.assertIn(200, statuses)
            self.assertNotIn("level=error", exporter.log())


class Storm(FaultCase):
    """H55: many scrapes of servers that hang."""

    def test_beyond_the_cap(self):
        cap, count = 50, 300
        hanging = self.peer(silent)
        deadline = 40 if SANITIZED else 15  # time for all of them to come
        exporter = self.start("--probe.max-in-flight", cap, config=PLAIN.replace("2s", f"{deadline}s"))
        with concurrent.futures.ThreadPoolExecutor(count) as pool, exporter.connect() as client:
            running = [pool.submit(exporter.probe, hanging.target, "plain") for _ in range(count)]
            peers.wait_until(lambda: hanging.open == cap, "the cap is not reached")
            for path in ("/metrics", "/-/healthy", "/-/ready", "/"):
                answer = client.request(path)
                self.assertEqual(answer.status, 200)
                self.assertLess(answer.seconds, BUSY)
            answers = [one.result() for one in running]
        self.assertEqual(hanging.most, cap)
        served = [one for one in answers if one.status == 200]
        refused = [one for one in answers if one.status == 503]
        self.assertEqual((len(served), len(refused)), (cap, count - cap))
        for one in refused:
            self.assert_refused(one, 503, "too many probes are in flight")
            self.assertEqual(one.header("retry-after"), "1")
        for one in served:
            self.assert_exposed(one.metrics, CRITICAL, ("banner", "timeout"))
            self.assertLess(one.seconds, deadline + BUSY)
        self.assertEqual(exporter.own("probes_rejected_total"), count - cap)
        self.assertEqual(exporter.own("probes_total"), cap)
        self.assertEqual(exporter.own("probes_in_flight"), 0)
        self.assert_exposed(exporter.probe(self.peer().target, "plain").metrics, OK)

    def test_one_connection_for_one_server(self):
        """By default; a scrape storm is none for the server."""
        hanging = self.peer(silent)
        exporter = self.start(config="modules: {plain: {tls: {mode: off}, timeout: 1s}}\n")
        with concurrent.futures.ThreadPoolExecutor(50) as pool:
            running = [pool.submit(exporter.probe, hanging.target, "plain") for _ in range(50)]
            most = last = 0
            while not all(one.done() for one in running):
                # The kernel's table is read in pieces: one that ends meanwhile may be seen beside the next, but once.
                now = connections_to(hanging.port)
                most, last = max(most, min(last, now)), now
                time.sleep(0.002)
            answers = [one.result() for one in running]
        self.assertEqual(most, 1)
        failures = [one.metrics.failure for one in answers]
        self.assertLessEqual(set(failures), {("banner", "timeout"), ("resolve", "probe_rejected")})
        self.assertIn(("banner", "timeout"), failures)
        self.assertLess(max(one.seconds for one in answers), 1 + BUSY)
