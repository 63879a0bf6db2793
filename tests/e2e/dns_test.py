"""Name servers that are slow, broken or hostile, with both programs; and what a bad name does to other probes. In a
network of its own with a resolv.conf of its own."""

import concurrent.futures
import contextlib
import pathlib
import re
import shutil
import socket
import tempfile
import time
import unittest

import namespaces
import peers
from dns_server import NXDOMAIN, REFUSED, SERVFAIL, SLOW_SECONDS, NameServer, failing, good, silent
from exporter import ExporterCase, Listener, talking
from probe import CRITICAL, OK, SANITIZED, UNKNOWN, environment, run, step

LACKING = namespaces.missing()
# Less than the deadline: what is answered at once must not pass for what waits.
SLACK = 2.5
PROMPT_SECONDS = 1.0 if SANITIZED else 0.1
DEADLINE = 4
RESOLVE_SECONDS = DEADLINE  # below the limit of the step, which is 5 s
TRIES = 3  # what delays others does it every time, a busy machine now and then
TRY_SECONDS = 2
MODULE = f"modules: {{plain: {{tls: {{mode: off}}, timeout: {DEADLINE}s}}}}\n"

# The reason, and within which time. What is no answer to the question asked (another id, another question, bytes that
# are no message) is not heard, or anybody who can send a packet could end a probe.
AT_ONCE = 0
OUTCOMES = {
    "nxdomain": ("dns_nxdomain", AT_ONCE), "nodata": ("dns_nodata", AT_ONCE), "servfail": ("dns_servfail", AT_ONCE),
    "refused": ("dns_servfail", AT_ONCE), "notimp": ("dns_servfail", AT_ONCE), "formerr": ("dns_malformed", AT_ONCE),
    "silent": ("dns_timeout", RESOLVE_SECONDS), "noise": ("dns_timeout", RESOLVE_SECONDS),
    "noisybody": ("dns_timeout", RESOLVE_SECONDS), "short": ("dns_timeout", RESOLVE_SECONDS),
    "wrongid": ("dns_timeout", RESOLVE_SECONDS), "wrongquestion": ("dns_timeout", RESOLVE_SECONDS),
    "mute": ("dns_timeout", TRY_SECONDS),
    "torn": ("dns_malformed", AT_ONCE), "missing": ("dns_malformed", AT_ONCE),
    "selfpointer": ("dns_malformed", AT_ONCE), "shortaddress": ("dns_nodata", AT_ONCE),
    "loop": ("dns_nodata", AT_ONCE), "hostile": ("dns_malformed", AT_ONCE), "dead": ("dns_malformed", AT_ONCE),
}
GOOD = {"good": 0, "slow": SLOW_SECONDS, "truncated": 0, "alias": 0}


# One family is there, and the other is dropped or fails: the step takes at most the resolution delay.
HALVES = ("nosix", "nofour", "sixfails", "fourfails")
DELAY_SECONDS = 0.5
# What the name server does below the search domain, the options of resolv.conf, the name, and what is asked, in this order.
FIVE = "search search.test\noptions ndots:5 timeout:3 attempts:1\n"
SEARCHES = {
    "refused": (failing(REFUSED), FIVE, "mx.good.test", ["mx.good.test.search.test", "mx.good.test"]),
    "servfail": (failing(SERVFAIL), FIVE, "mx.good.test", ["mx.good.test.search.test", "mx.good.test"]),
    "nxdomain": (failing(NXDOMAIN), FIVE, "mx.good.test", ["mx.good.test.search.test", "mx.good.test"]),
    "nodata": (lambda question: question.reply(), FIVE, "mx.good.test", ["mx.good.test.search.test", "mx.good.test"]),
    "silent": (silent, FIVE, "mx.good.test", ["mx.good.test.search.test", "mx.good.test"]),
    "found": (good, FIVE, "mx.good.test", ["mx.good.test.search.test"]),
    "ndots 1": (good, "search search.test\n", "mx.good.test", ["mx.good.test"]),
    "ndots 0": (good, "search search.test\noptions ndots:0\n", "mx", ["mx", "mx.search.test"]),
    "short name": (good, "search search.test\n", "mx", ["mx.search.test"]),
    "two domains": (failing(REFUSED), "search search.test good.test\n", "mx", ["mx.search.test", "mx.good.test"]),
    "root": (good, "search .\noptions ndots:5\n", "mx.good.test", ["mx.good.test"]),
    "final dot": (good, FIVE, "mx.good.test.", ["mx.good.test"]),
}


RESOLV_CONF = pathlib.Path(tempfile.mkdtemp(prefix="smtp-probe-dns-"), "resolv.conf")


def setUpModule():
    if LACKING:
        raise unittest.SkipTest(LACKING)
    unittest.addModuleCleanup(shutil.rmtree, RESOLV_CONF.parent, ignore_errors=True)
    RESOLV_CONF.touch()
    namespaces.private_mounts()
    namespaces.show_as(RESOLV_CONF, "/etc/resolv.conf")


@contextlib.contextmanager
def swallowing(address, port):
    """A listener with a full backlog: whoever connects gets no answer."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind((address, port))
        listener.listen(0)
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex((address, port))
        yield


class NameServerCase(ExporterCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.write_resolv_conf("127.0.0.1")
        network = contextlib.ExitStack()
        network.enter_context(namespaces.own_network())
        cls.addClassCleanup(network.close)
        cls.names = NameServer()
        cls.addClassCleanup(cls.names.close)

    @staticmethod
    def write_resolv_conf(*servers):
        """In place: what is mounted is this file, not its name."""
        RESOLV_CONF.write_text("".join(f"nameserver {one}\n" for one in servers))

    def peer(self, serve=None):
        server = Listener(serve or talking())
        self.addCleanup(server.close)
        return server

    def assert_no_raw_bytes(self, text):
        self.assertEqual([c for c in text if (ord(c) < 32 and c not in "\n\t") or 127 <= ord(c) < 160], [], text)


class Check(NameServerCase):

    def check(self, name, *options):
        return run("-H", f"{name}.test", "-t", DEADLINE, "--output", "json", *options)

    def test_every_way_to_fail(self):
        with concurrent.futures.ThreadPoolExecutor(len(OUTCOMES)) as pool:
            # A thread of the pool has the network of the one that made it.
            running = {name: pool.submit(self.check, name) for name in OUTCOMES}
        for name, (reason, seconds) in OUTCOMES.items():
            with self.subTest(name):
                outcome = running[name].result()
                self.assert_verdict(outcome, UNKNOWN, "resolve", reason)
                self.assertLessEqual(outcome.seconds, seconds + 1 + SLACK)
                self.assertGreaterEqual(outcome.seconds, seconds - 0.1)

    def test_one_clear_line(self):
        for name in ("nxdomain", "servfail", "torn", "dead", "loop"):
            for options in ((), ("-vvv",)):
                with self.subTest(name, options=options):
                    outcome = self.run_clean("-H", f"{name}.test", *options)
                    self.assertEqual(outcome.code, UNKNOWN)
                    self.assertRegex(outcome.text, rf"^SMTP UNKNOWN - resolve: .*{name}\.test")
                    self.assert_no_raw_bytes(outcome.out)

    def test_good_answers(self):
        server = self.peer()
        for name, seconds in GOOD.items():
            with self.subTest(name):
                outcome = self.check(name, "-p", server.port)
                result = self.assert_verdict(outcome, OK, "ehlo")
                took = step(result, "resolve")["seconds"]
                self.assertTrue(seconds <= took <= seconds + SLACK, took)
                self.assert_no_raw_bytes(self.run_clean("-H", f"{name}.test", "-p", server.port, "-vvv").out)

    def test_thousands_of_addresses(self):
        port = peers.closed_port()
        # 127.0.0.1 to 127.0.16.0. What is too long for UDP is asked for by TCP, whether that was said or not.
        for name in ("many", "oversized"):
            outcome = self.check(name, "-p", port, "-4")
            self.assert_verdict(outcome, CRITICAL, "connect", "connection_refused")
            self.assertEqual(len(outcome.json["results"][0]["failed_attempts"]), 16, outcome.out)
            self.assertLess(outcome.seconds, 1 + SLACK)

    def test_dead_address_before_a_healthy_one(self):
        server = self.peer()
        where = r"two\.test \[127\.0\.0\.1\], after 1 failed address$"
        with swallowing("127.0.0.2", server.port):
            outcome = self.check("two", "-p", server.port)
            result = self.assert_verdict(outcome, OK, "ehlo")
            self.assertRegex(outcome.json["headline"], where)
            text = self.run_clean("-H", "two.test", "-t", DEADLINE, "-p", server.port, "-v")
        self.assertEqual(result["endpoint"]["address"], "127.0.0.1")
        (failed,) = result["failed_attempts"]
        self.assertEqual((failed["address"], failed["reason"]), ("127.0.0.2", "connect_timeout"))
        # A third of the time is the dialogue's, the rest is shared.
        self.assertTrue(DEADLINE / 3 - 0.1 <= failed["seconds"] <= DEADLINE / 3 + 1, failed)
        self.assertRegex(text.text.split("|")[0], where)
        self.assertRegex(text.out, r"(?m)^tried +127\.0\.0\.2: connection attempt timed out: no answer")

    def test_silent_server_after_a_dead_address(self):
        server = self.peer(lambda connection: connection.recv(1))
        with swallowing("127.0.0.2", server.port):
            outcome = self.check("two", "-p", server.port)
        self.assert_verdict(outcome, CRITICAL, "banner", "timeout")
        self.assertRegex(outcome.json["headline"],
                         r"^SMTP CRITICAL - two\.test \[127\.0\.0\.1\] banner: .*, after 1 failed address - \d")

    def test_no_address_connects(self):
        port = peers.closed_port()
        outcome = self.check("two", "-p", port)
        self.assert_verdict(outcome, CRITICAL, "connect", "connection_refused")
        self.assertRegex(outcome.json["headline"], r"^SMTP CRITICAL - two\.test \[127\.0\.0\.2\] connect: connection "
                         rf"refused by 127\.0\.0\.2 port {port}, none of 2 addresses connected - \d")

    def test_name_server_that_is_not_there(self):
        self.addCleanup(self.write_resolv_conf, "127.0.0.1")
        self.write_resolv_conf("127.0.0.77")
        outcome = self.check("good")
        self.assertIn(outcome.json["findings"][0]["reason"], ("dns_servfail", "dns_timeout"))
        self.assertEqual(outcome.code, UNKNOWN)
        # The second one is asked when the first is silent.
        self.write_resolv_conf("127.0.0.77", "127.0.0.1")
        server = self.peer()
        self.assert_verdict(self.check("good", "-p", server.port), OK, "ehlo")

    def resolv_conf(self, text):
        self.addCleanup(self.write_resolv_conf, "127.0.0.1")
        RESOLV_CONF.write_text("nameserver 127.0.0.1\n" + text)

    def test_one_family_never_hides_the_other(self):
        for host in ("127.0.0.1", "::1"):
            with self.subTest(host):
                server = Listener(talking(), address=(host, 0))
                self.addCleanup(server.close)
                for name in HALVES:
                    if (name in ("nosix", "sixfails")) != (host == "127.0.0.1"):
                        continue
                    result = self.assert_verdict(self.check(name, "-p", server.port), OK, "ehlo")
                    took = step(result, "resolve")["seconds"]
                    dropped = name in ("nosix", "nofour")
                    self.assertGreaterEqual(took, DELAY_SECONDS - 0.01 if dropped else 0, name)
                    # Below what a retry would take.
                    self.assertLess(took, TRY_SECONDS - 0.1, name)

    def test_search_list(self):
        server = self.peer()
        for case, (below, conf, name, asked) in SEARCHES.items():
            with self.subTest(case):
                self.resolv_conf(conf)
                names = self.names
                behaviours = dict.fromkeys(("mx.good.test.search.test", "mx.search.test"), below) | {"mx.good.test": good}
                names.behaviours.update(behaviours)
                names.asked.clear()
                outcome = run("-H", name, "-p", server.port, "-4", "--output", "json")
                self.assert_verdict(outcome, OK, "ehlo")
                self.assertEqual(list(names.asked), asked)

    def test_reason_is_that_of_the_name_as_it_stands(self):
        self.names.behaviours.update({"mx.gone.test.search.test": failing(REFUSED), "mx.gone.test": failing(NXDOMAIN)})
        self.resolv_conf(FIVE)
        outcome = run("-H", "mx.gone.test", "--output", "json")
        self.assert_verdict(outcome, UNKNOWN, "resolve", "dns_nxdomain")
        self.assertIn("refused mx.gone.test.search.test", outcome.out)

    def test_timeout_and_attempts(self):
        # The options, and how often the name is asked for in how many seconds: each round takes twice as long.
        for options, asked, seconds in (("timeout:1 attempts:1", 1, 1), ("timeout:1 attempts:2", 2, 3)):
            with self.subTest(options):
                self.resolv_conf(f"search .\noptions {options}\n")
                name = f"silent-{asked}.test"
                outcome = run("-H", name, "-4", "-t", 30, "--output", "json")
                self.assert_verdict(outcome, UNKNOWN, "resolve", "dns_timeout")
                self.assertEqual(self.names.asked[name], asked)
                # c-ares of Debian 13 waits at random for up to a half less in later rounds.
                self.assertTrue(0.45 * seconds <= outcome.seconds <= seconds + 1 + SLACK, outcome.seconds)
        outcome = run("-H", "silent-9.test", "-4", "-t", 30, "--dns-timeout", 0.1, "--dns-tries", 3, "--output", "json")
        self.assert_verdict(outcome, UNKNOWN, "resolve", "dns_timeout")
        self.assertEqual(self.names.asked["silent-9.test"], 3)
        self.assertLess(outcome.seconds, 1 + SLACK)

    def test_environment(self):
        self.resolv_conf("search search.test\n")
        server = self.peer()
        outcome = run("-H", "good", "-p", server.port, "-4", "--output", "json",
                      env=environment() | {"LOCALDOMAIN": "other.test", "RES_OPTIONS": "timeout:1 attempts:1"})
        self.assert_verdict(outcome, OK, "ehlo")
        self.assertIn("good.other.test", self.names.asked)

    def test_name_servers_of_its_own(self):
        other = NameServer("127.0.0.3", 5353, {"own": good})
        self.addCleanup(other.close)
        server = self.peer()
        self.assertEqual(self.check("own").code, UNKNOWN)
        self.assert_verdict(self.check("own", "-p", server.port, "--dns-server", "127.0.0.3:5353"), OK, "ehlo")
        # The second one where nobody is at the first.
        self.assert_verdict(self.check("own", "-p", server.port, "--dns-server", "127.0.0.77",
                                       "--dns-server", "127.0.0.3:5353"), OK, "ehlo")
        other.asked.clear()
        # An address is not looked up.
        self.assert_verdict(run("-H", "127.0.0.1", "-p", server.port, "--dns-server", "127.0.0.3:5353",
                                "--output", "json"), OK, "ehlo")
        for wrong in (("--dns-server", "ns.test"), ("--dns-server", "127.0.0.3:0"), ("--dns-timeout", -1),
                      ("--dns-timeout", 86400), ("--dns-tries", 0), ("--dns-tries", 1000)):
            outcome = self.run_clean("-H", "own.test", *wrong)
            self.assertEqual(outcome.code, UNKNOWN)
            self.assertRegex(outcome.text, rf"^SMTP UNKNOWN - {wrong[0]}: got '{wrong[1]}', expected ")
        self.assertEqual(other.asked, {})

    def test_no_resolv_conf(self):
        self.addCleanup(self.write_resolv_conf, "127.0.0.1")
        for text in ("", "nameserver nonsense\n", "\0\xff\n", "nameserver 127.0.0.1 \\\n" * 5000):
            RESOLV_CONF.write_text(text)
            outcome = self.check("nxdomain")
            self.assertEqual(outcome.code, UNKNOWN, outcome.out)
            self.assertEqual(outcome.json["findings"][0]["step"], "resolve")


class ExporterNames(NameServerCase):

    def test_every_way_to_fail(self):
        exporter = self.start(config=MODULE)
        with concurrent.futures.ThreadPoolExecutor(len(OUTCOMES)) as pool:
            running = {name: pool.submit(exporter.probe, f"{name}.test", "plain") for name in OUTCOMES}
        for name, (reason, seconds) in OUTCOMES.items():
            with self.subTest(name):
                answer = running[name].result()
                metrics = self.assert_exposed(answer.metrics, UNKNOWN, ("resolve", reason))
                self.assertLessEqual(answer.seconds, seconds + 0.5 + SLACK)
                self.assertGreaterEqual(metrics.value("probe_duration_seconds"), seconds - 0.1)
        self.assertEqual(exporter.own("probes_total", state="unknown"), len(OUTCOMES))
        for line in exporter.lines:
            self.assert_no_raw_bytes(line)
        for path in ("/", *("/logs?id=" + one for one in set(re.findall(r"logs\?id=(\d+)", exporter.get("/").text)))):
            self.assert_no_raw_bytes(exporter.get(path).text)

    def test_good_answers(self):
        server = self.peer()
        exporter = self.start(config=MODULE)
        for name, seconds in GOOD.items():
            with self.subTest(name):
                metrics = self.assert_exposed(exporter.probe(f"{name}.test:{server.port}", "plain").metrics, OK)
                took = metrics.value("probe_dns_lookup_time_seconds")
                self.assertTrue(seconds <= took <= seconds + SLACK, took)

    def test_name_servers_of_a_module(self):
        other = NameServer("127.0.0.3", 5353, {"own": good, "good": failing(NXDOMAIN)})
        self.addCleanup(other.close)
        server = self.peer()
        exporter = self.start(config="modules:\n  plain: {tls: {mode: off}}\n"
                                     "  own: {tls: {mode: off}, dns: {servers: ['127.0.0.3:5353'], tries: 1}}\n"
                                     "  quick: {tls: {mode: off}, dns: {timeout: 100ms, tries: 2}}\n")
        for _ in range(4):  # on every loop, turn and turn about
            self.assert_exposed(exporter.probe(f"own.test:{server.port}", "own").metrics, OK)
            self.assertEqual(exporter.probe("own.test", "plain").metrics.failure, ("resolve", "dns_nxdomain"))
            self.assert_exposed(exporter.probe(f"good.test:{server.port}", "plain").metrics, OK)
            self.assertEqual(exporter.probe("good.test", "own").metrics.failure, ("resolve", "dns_nxdomain"))
        answer = exporter.probe("silent-once.test", "quick")
        self.assertEqual(answer.metrics.failure, ("resolve", "dns_timeout"))
        self.assertLess(answer.seconds, 1 + SLACK)

    def test_one_family_never_hides_the_other(self):
        server = self.peer()
        exporter = self.start(config=MODULE)
        for name in ("nosix", "sixfails"):
            metrics = self.assert_exposed(exporter.probe(f"{name}.test:{server.port}", "plain").metrics, OK)
            self.assertLess(metrics.value("probe_dns_lookup_time_seconds"), TRY_SECONDS - 0.1, name)

    def test_a_final_dot_is_the_same_target(self):
        server = self.peer()
        exporter = self.start(config='allowed_targets: ["good.test"]\n' + MODULE)
        for name in ("good.test", "good.test.", "GOOD.test."):
            self.assert_exposed(exporter.probe(f"{name}:{server.port}", "plain").metrics, OK)
        # And one queue, whatever the name.
        with concurrent.futures.ThreadPoolExecutor(12) as pool:
            running = [pool.submit(exporter.probe, f"{name}:{server.port}", "plain")
                       for name in ("good.test", "good.test.", "GOOD.test.") * 4]
            for one in running:
                self.assert_exposed(one.result().metrics, OK)
        self.assertEqual(server.most, 1)
        self.assertEqual(exporter.get(f"/probe?target=other.test.:{server.port}&module=plain").status, 403)

    def test_failed_addresses_are_counted(self):
        server = self.peer()
        exporter = self.start(config=MODULE)
        with swallowing("127.0.0.2", server.port):
            metrics = self.assert_exposed(exporter.probe(f"two.test:{server.port}", "plain").metrics, OK)
        self.assertEqual(metrics.value("probe_smtp_failed_addresses"), 1)
        metrics = self.assert_exposed(exporter.probe(f"good.test:{server.port}", "plain").metrics, OK)
        self.assertEqual(metrics.value("probe_smtp_failed_addresses"), 0)

    def slowest(self, exporter, server):
        """Of twenty probes each of an address and of names, one after the other."""
        slowest = 0
        with exporter.connect() as client:
            for one in range(20):
                for target in (f"127.0.0.1:{server.port}", f"good-{one}.test:{server.port}"):
                    answer = client.request(f"/probe?target={target}&module=plain")
                    self.assert_exposed(answer.metrics, OK)
                    slowest = max(slowest, answer.seconds)
        return slowest

    def slowest_beside_silence(self, exporter, server, turn):
        """While fifty names are not answered; and how many of these probes had ended by then."""
        with concurrent.futures.ThreadPoolExecutor(60) as pool:
            names = {f"silent-{turn}-{one}.test" for one in range(50)}
            silent = [pool.submit(exporter.probe, name, "plain") for name in names]
            peers.wait_until(lambda: names <= set(self.names.asked), "the questions are not asked")
            slowest = self.slowest(exporter, server)
            ended = sum(one.done() for one in silent)
            for one in silent:
                answer = one.result()
                self.assert_exposed(answer.metrics, UNKNOWN, ("resolve", "dns_timeout"))
                self.assertLess(answer.seconds, DEADLINE + SLACK)
        return slowest, ended

    def test_a_bad_name_delays_nobody_else(self):
        server = self.peer()
        exporter = self.start(config=MODULE)
        usual = self.slowest(exporter, server)
        for turn in range(TRIES):
            slowest, ended = self.slowest_beside_silence(exporter, server, turn)
            if ended == 0 and slowest < max(PROMPT_SECONDS, 3 * usual):
                return
        self.fail(f"{slowest} s, usually {usual} s; {ended} had ended")

    def test_thousands_of_addresses_hold_nobody_up(self):
        server = self.peer()
        exporter = self.start(config=MODULE)
        with concurrent.futures.ThreadPoolExecutor(1) as pool, exporter.connect() as client:
            usual = self.slowest(exporter, server)

            def beside(name):
                flood = pool.submit(exporter.probe, f"{name}.test:1", "plain")
                slowest = 0
                while not flood.done():
                    answer = client.request(f"/probe?target=127.0.0.1:{server.port}&module=plain")
                    slowest = max(slowest, answer.seconds)
                return slowest
            slowest = min(beside(f"many-{one}") for one in range(TRIES))
            print(f"slowest probe beside a name of thousands of addresses: {slowest * 1e3:.1f} ms")
            self.assertLess(slowest, max(PROMPT_SECONDS, 3 * usual))

    def test_changed_resolv_conf(self):
        self.addCleanup(self.write_resolv_conf, "127.0.0.1")
        moved = NameServer("127.0.0.2", behaviours={"new": good, "good": lambda question: question.reply(code=3)})
        self.addCleanup(moved.close)
        server = self.peer()
        exporter = self.start(config=MODULE)
        target = f"good.test:{server.port}"
        self.assert_exposed(exporter.probe(target, "plain").metrics, OK)
        self.assertEqual(exporter.probe("new.test", "plain").metrics.failure, ("resolve", "dns_nxdomain"))
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            pending = [pool.submit(exporter.probe, f"slow-{one}.test:{server.port}", "plain") for one in range(6)]
            unanswered = pool.submit(exporter.probe, "silent.test", "plain")
            names = {"silent.test", *(f"slow-{one}.test" for one in range(6))}
            peers.wait_until(lambda: names <= set(self.names.asked), "not asked")
            self.write_resolv_conf("127.0.0.2")
            time.sleep(1.1)
            for _ in range(4):  # on every loop
                metrics = exporter.probe(f"new.test:{server.port}", "plain").metrics
                self.assert_exposed(metrics, OK)
                self.assertEqual(exporter.probe(target, "plain").metrics.failure, ("resolve", "dns_nxdomain"))
            # What was asked of the old one is answered by it.
            for one in pending:
                self.assert_exposed(one.result().metrics, OK)
            self.assert_exposed(unanswered.result().metrics, UNKNOWN, ("resolve", "dns_timeout"))
        descriptors = exporter.descriptors()
        for one in range(6):
            self.write_resolv_conf(f"127.0.0.{2 - one % 2}")
            time.sleep(1.1)
            expected = OK if one % 2 == 0 else UNKNOWN
            self.assertEqual(exporter.probe(f"new.test:{server.port}", "plain").metrics.value("probe_smtp_state"),
                             expected)
        peers.wait_until(lambda: exporter.descriptors() <= descriptors, "a name server's socket is left")
        # One that was cut short names nobody: a probe is UNKNOWN, and the exporter comes back with the file.
        RESOLV_CONF.write_text("")
        time.sleep(1.1)
        exporter.probe("good.test", "plain")
        self.write_resolv_conf("127.0.0.1")
        time.sleep(1.1)
        self.assert_exposed(exporter.probe(target, "plain").metrics, OK)


class Once(NameServerCase):

    def test_mixed(self):
        server = self.peer()
        names = [f"{name}.test:{server.port}" for name in ("good", "nxdomain", "silent", "torn", "slow")]
        done = self.run_once("--once", *names, "--config.file", self.file("c.yml", MODULE), "--module", "plain")
        self.assertEqual(done.returncode, UNKNOWN)
        self.assertLessEqual(done.seconds, DEADLINE + 0.5 + SLACK)
        for name, state in zip(names, (OK, UNKNOWN, UNKNOWN, UNKNOWN, OK)):
            self.assertRegex(done.stdout, rf'probe_smtp_state{{[^}}]*target="{re.escape(name)}"[^}}]*}} {state}\n')
