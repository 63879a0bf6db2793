"""/probe of the real exporter: the failures that no transcript has, the deadline, turns at one host, limits, what it
counts of itself, and a real Postfix."""

import concurrent.futures
import json
import os
import pathlib
import re
import time
import unittest

import peers
from exporter import Exporter, ExporterCase, Listener, server_context, silent, talking
from http_client import PATIENCE
from probe import BUSY, CRITICAL, OK, STATES, UNKNOWN, WARNING, ScriptedServer

TRANSCRIPTS = pathlib.Path(os.environ["TRANSCRIPTS"])
# What the clock of a busy machine may add to a deadline.
SLACK = BUSY


class OtherOutcomes(ExporterCase):
    """Kinds of failure that no transcript has."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.certificates = peers.write_certificates(cls.folder / "certificates")
        tls = {"server_name": "mx.test", "ca_file": str(cls.certificates / "ca.pem")}
        cls.exporter = Exporter(config=json.dumps({"modules": {
            "plain": {"tls": {"mode": "off"}, "timeout": "2s", "helo": "probe.test"},
            "local": {"protocol": "lmtp", "tls": {"mode": "off"}, "helo": "probe.test"},
            "report": {"tls": tls | {"mode": "implicit", "verify": "report"}},
            "warn": {"tls": tls | {"mode": "implicit", "verify": "warn"}},
            "require": {"tls": tls | {"mode": "implicit", "verify": "require"}},
            "expiry": {"tls": tls | {"mode": "implicit", "verify": "off", "expiry": {"warning": "30d",
                                                                                     "critical": "1d"}}},
            "slow": {"tls": {"mode": "off"}, "thresholds": {"total": {"warning": "0.1", "critical": "20"}}},
            "slow_step": {"tls": {"mode": "off"}, "thresholds": {"banner": {"critical": "0.1"}}},
        }}))
        cls.addClassCleanup(cls.exporter.kill)

    def probe(self, target, module, state, failure=None):
        metrics = self.assert_exposed(self.exporter.probe(target, module).metrics, state, failure)
        self.assert_clean(metrics.text)
        return metrics

    def server(self, serve, **how):
        server = Listener(serve, **how)
        self.addCleanup(server.close)
        return server

    def test_refused_connection(self):
        port = peers.closed_port()
        metrics = self.probe(f"127.0.0.1:{port}", "plain", CRITICAL, ("connect", "connection_refused"))
        self.assertEqual(set(metrics.by("probe_smtp_step_reply_code", "step").values()), {0})

    def test_name_that_does_not_resolve(self):
        answer = self.exporter.probe("no-such-host.invalid:25", "plain")
        metrics = answer.metrics
        self.assertEqual(metrics.failure[0], "resolve")
        self.assertRegex(metrics.failure[1], "^dns_")
        self.assert_exposed(metrics, UNKNOWN, metrics.failure)
        self.assertEqual(metrics.value("probe_ip_protocol"), 0)
        self.assertEqual(metrics.value("probe_ip_addr_hash"), 0)
        self.assert_clean(metrics.text)

    def test_name_that_resolves(self):
        metrics = self.probe(f"localhost:{self.server(talking()).port}", "plain", OK)
        durations = metrics.by("probe_smtp_step_duration_seconds", "step")
        self.assertEqual(durations["resolve"], metrics.value("probe_dns_lookup_time_seconds"))

    def test_address_hash(self):
        """FNV-1a of the address' bytes, as blackbox_exporter has it: 4 and 16 bytes, or 4 in 16."""
        metrics = self.probe(self.server(talking()).target, "plain", OK)
        self.assertEqual(metrics.value("probe_ip_protocol"), 4)
        hashes = []
        for address in (b"\x7f\0\0\x01", b"\0" * 10 + b"\xff\xff\x7f\0\0\x01"):
            value = 2166136261
            for byte in address:
                value = ((value ^ byte) * 16777619) % 2**32
            hashes.append(value)
        self.assertIn(metrics.value("probe_ip_addr_hash"), hashes)

    def test_certificates(self):
        for name, reason in (("expired", "cert_expired"), ("not-yet-valid", "cert_not_yet_valid"),
                             ("wrong-name", "cert_name_mismatch"), ("self-signed", "cert_untrusted"),
                             ("hostile", None)):
            server = self.server(talking(), context=server_context(self.certificates, name))
            with self.subTest(name):
                metrics = self.probe(server.target, "report", OK)
                # Shown though it did not verify.
                (shown,) = metrics.samples("probe_ssl_last_chain_info")
                for value in shown.labels.values():
                    self.assertLessEqual(len(value.encode()), 256)
                    self.assertEqual([c for c in value if ord(c) < 32 or 127 <= ord(c) < 160], [])
                self.assertGreater(metrics.value("probe_ssl_earliest_cert_expiry"), 10**9)
                self.assertEqual(metrics.value("probe_smtp_tls"), 1)
                if reason is None:
                    continue
                self.assertEqual(metrics.value("probe_smtp_tls_verified"), 0)
                self.assertEqual(metrics.samples("probe_ssl_last_chain_expiry_timestamp_seconds"), [])
                self.probe(server.target, "warn", WARNING, ("tls", reason))
                refused = self.probe(server.target, "require", CRITICAL, ("tls", reason))
                self.assertEqual(len(refused.samples("probe_ssl_last_chain_info")), 1)

    def test_good_certificate(self):
        server = self.server(talking(), context=server_context(self.certificates))
        metrics = self.probe(server.target, "require", OK)
        self.assertEqual(metrics.value("probe_smtp_tls_verified"), 1)
        chain = metrics.value("probe_ssl_last_chain_expiry_timestamp_seconds")
        self.assertTrue(time.time() + 86400 < chain < time.time() + 366 * 86400, chain)
        self.assertEqual(metrics.value("probe_ssl_earliest_cert_expiry"), chain)

    def test_expiring_certificate(self):
        server = self.server(talking(), context=server_context(self.certificates, "expiring"))
        self.probe(server.target, "expiry", WARNING, ("tls", "cert_expiring"))

    def test_slow(self):
        server = self.server(talking(pause=0.4))
        metrics = self.probe(server.target, "slow", WARNING, ("banner", "slow"))
        self.assertGreater(metrics.by("probe_smtp_step_duration_seconds", "step")["banner"], 0.3)
        self.probe(server.target, "slow_step", CRITICAL, ("banner", "slow"))

    def test_ipv6(self):
        server = ScriptedServer(TRANSCRIPTS / "plain.txt", options=("--listen", "::1"))
        self.addCleanup(server.stop)
        metrics = self.probe(f"[::1]:{server.ports['plain']}", "plain", OK)
        self.assertEqual(metrics.value("probe_ip_protocol"), 6)

    def test_unix_socket(self):
        path = self.folder / "lmtp.socket"
        server = ScriptedServer(TRANSCRIPTS / "lmtp.txt", options=("--listen", f"unix:{path}"))
        self.addCleanup(server.stop)
        exporter = self.start(config=json.dumps({
            "allowed_targets": [f"unix:{path}"],
            "modules": {"local": {"protocol": "lmtp", "tls": {"mode": "off"}, "helo": "probe.test"}}}))
        metrics = self.assert_exposed(exporter.probe(f"unix:{path}", "local").metrics, OK)
        self.assertEqual(metrics.value("probe_ip_protocol"), 0)
        self.assertEqual(metrics.by("probe_smtp_step_reply_code", "step")["ehlo"], 250)

    def test_schemes(self):
        clear = self.server(talking())
        secure = self.server(talking(), context=server_context(self.certificates))
        for target, module, state in ((f"smtp://{clear.target}", "plain", OK),
                                      (f"smtps://{secure.target}", "plain", OK),
                                      (f"submissions://{secure.target}", "smtp", OK),
                                      (f"submission://{clear.target}", "plain", OK),
                                      (f"lmtp://{clear.target}", "plain", OK), (f"smtp://{clear.target}/", "plain", OK),
                                      (f"smtps://{clear.target}", "plain", CRITICAL)):
            with self.subTest(target):
                metrics = self.exporter.probe(target, module).metrics
                self.assertEqual(metrics.value("probe_smtp_state"), state, metrics.text)
                self.assertEqual(metrics.value("probe_smtp_tls"), 1 if (target.startswith(("smtps", "submissions"))
                                                                        and state == OK) else 0)


class Deadline(ExporterCase):

    MODULES = {"none": {}, **{f"of{ms}": {"timeout": f"{ms}ms"} for ms in (500, 1000, 5000, 9500, 10000, 20000)}}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.config = json.dumps({"max_probes_per_host": 0,
                                 "modules": {name: one | {"tls": {"mode": "off"}}
                                             for name, one in cls.MODULES.items()}})

    def test_rule(self):
        """The time that a probe has is blackbox_exporter's to the letter."""
        server = Listener(talking())
        self.addCleanup(server.close)
        table = (("none", "15", 0.5, 14.5), ("none", "15", 0, 15), ("of20000", "15", 0.5, 14.5),
                 ("of20000", "15", 0, 15), ("of5000", "15", 0, 5), ("of5000", "15", 0.5, 5),
                 ("of10000", None, 0.5, 10), ("of10000", "10", 0.5, 9.5), ("of9500", None, 0.5, 9.5),
                 ("of9500", None, 1, 9.5), ("none", None, 0.5, 119.5), ("none", None, 0, 120),
                 ("none", "0", 0.5, 119.5), ("none", "2.75", 0.5, 2.25), ("of500", "0.25", 0.5, 0.5),
                 ("of20000", "0.25", 0.5, 20), ("none", "3", 1, 2), ("of1000", "1.5", 0.5, 1),
                 ("none", "1e1", 0.5, 9.5))
        for offset in (0, 0.5, 1):
            # 0.5 is the default.
            exporter = self.start(*(() if offset == 0.5 else ("--timeout-offset", offset)), config=self.config)
            for module, header, of, seconds in table:
                if of != offset:
                    continue
                with self.subTest(module=module, header=header, offset=offset):
                    metrics = self.assert_exposed(exporter.probe(server.target, module, header).metrics, OK)
                    self.assertAlmostEqual(metrics.value("probe_timeout_seconds"), seconds, places=6)

    def test_no_time_at_all(self):
        """No module timeout, and the scrape's is used up by the offset: an answer at once, whatever it is."""
        server = Listener(silent)
        self.addCleanup(server.close)
        exporter = self.start(config=self.config)
        answer = exporter.probe(server.target, "none", "0.25")
        self.assertLess(answer.seconds, SLACK)
        self.assertEqual(answer.metrics.value("probe_success"), 0)

    def test_silence_is_answered_in_time(self):
        """And what was reached by then is there."""
        def half(connection):
            connection.sendall(b"220 mx.test ESMTP\r\n")
            silent(connection)

        quiet, partial = Listener(silent), Listener(half)
        self.addCleanup(quiet.close)
        self.addCleanup(partial.close)
        exporter = self.start(config=self.config)
        table = (("none", "2", 1.5), ("of1000", "10", 1), ("of1000", None, 1), ("of20000", "2", 1.5),
                 ("of500", "0.25", 0.5), ("none", "1", 0.5))
        with concurrent.futures.ThreadPoolExecutor(2 * len(table)) as pool:
            work = [(server, step_name, seconds, pool.submit(exporter.probe, server.target, module, header))
                    for server, step_name in ((quiet, "banner"), (partial, "ehlo"))
                    for module, header, seconds in table]
        for _, step_name, seconds, answer in work:
            with self.subTest(step=step_name, seconds=seconds):
                answer = answer.result()
                metrics = self.assert_exposed(answer.metrics, CRITICAL, (step_name, "timeout"))
                self.assertAlmostEqual(metrics.value("probe_timeout_seconds"), seconds, places=6)
                # Within the offset that is left for the way back, but for a machine that has other work.
                self.assertTrue(seconds - 0.05 <= answer.seconds <= seconds + SLACK, answer.seconds)
                self.assertLessEqual(metrics.value("probe_duration_seconds"), answer.seconds)
                durations = metrics.by("probe_smtp_step_duration_seconds", "step")
                self.assertAlmostEqual(durations[step_name], seconds, delta=SLACK)
                codes = metrics.by("probe_smtp_step_reply_code", "step")
                self.assertEqual(codes["banner"], 220 if step_name == "ehlo" else 0)
                self.assert_clean(metrics.text)


class Turns(ExporterCase):
    """Probes of one address and port."""

    PAUSE = 0.3

    def config(self, *lines):
        return "\n".join([*lines, "modules:", "  plain: {tls: {mode: off}}",
                          "  hasty: {tls: {mode: off}, timeout: 1s}"])

    def at_once(self, exporter, target, count, module="plain"):
        began = time.monotonic()
        with concurrent.futures.ThreadPoolExecutor(count) as pool:
            work = [pool.submit(exporter.probe, target, module) for _ in range(count)]
        return [one.result() for one in work], time.monotonic() - began

    def test_one_at_a_time_by_default(self):
        server = Listener(talking(pause=self.PAUSE))
        self.addCleanup(server.close)
        exporter = self.start(config=self.config())
        answers, seconds = self.at_once(exporter, server.target, 5)
        # In the order of time: what the server still has open when it has said goodbye is its own affair.
        self.assertGreaterEqual(seconds, 5 * self.PAUSE)
        steps = 0
        for answer in answers:
            metrics = self.assert_exposed(answer.metrics, OK)
            durations = metrics.by("probe_smtp_step_duration_seconds", "step")
            self.assertGreater(durations["banner"], self.PAUSE * 0.9)
            steps += sum(durations.values())
        # The wait for its turn is in no step: as probes come one after the other, so do their steps. With the waits it
        # would be three times as much.
        self.assertLess(steps, 1.2 * seconds)

    def test_as_many_as_configured(self):
        for most, count in ((2, 6), (0, 6)):
            # It answers nobody before as many are there as may be.
            server = Listener(lambda one, wanted=most or count: (
                peers.wait_until(lambda: server.most >= wanted, "not so many at once"),
                talking(pause=self.PAUSE)(one)))
            self.addCleanup(server.close)
            exporter = self.start(config=self.config(f"max_probes_per_host: {most}"))
            answers, seconds = self.at_once(exporter, server.target, count)
            for answer in answers:
                self.assert_exposed(answer.metrics, OK)
            self.assertGreaterEqual(server.most, most or count)
            self.assertGreaterEqual(seconds, count / (most or count) * self.PAUSE)

    def test_other_ports_do_not_wait(self):
        # None of them answers before all are probed.
        def together(connection):
            peers.wait_until(lambda: all(one.taken for one in servers), "not all at once")
            talking()(connection)

        servers = [Listener(together) for _ in range(4)]
        for one in servers:
            self.addCleanup(one.close)
        exporter = self.start(config=self.config())
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(lambda one: exporter.probe(one.target, "plain"), servers))
        for answer in answers:
            self.assert_exposed(answer.metrics, OK)

    def test_whose_turn_does_not_come(self):
        server = Listener(silent)
        self.addCleanup(server.close)
        exporter = self.start(config=self.config())
        with exporter.connect() as first:
            # Has 119.5 s, and is given up when this connection closes.
            first.send(f"GET /probe?target={server.target}&module=plain HTTP/1.1\r\nHost: x\r\n\r\n")
            peers.wait_until(lambda: server.open == 1, "no connection")
            answer = exporter.probe(server.target, "hasty")
            metrics = self.assert_exposed(answer.metrics, UNKNOWN, ("resolve", "probe_rejected"))
            self.assertTrue(0.95 <= answer.seconds <= 1 + SLACK, answer.seconds)
            self.assertEqual(server.most, 1)
            self.assertEqual(set(metrics.by("probe_smtp_step_duration_seconds", "step").values()), {0})
            self.assert_clean(metrics.text)
        # Whoever hangs up makes room.
        peers.wait_until(lambda: server.open == 0, "the probe of a client that went goes on")
        self.assertEqual(exporter.own("probe_failures_total", module="hasty", step="resolve",
                                      reason="probe_rejected"), 1)

    def test_who_hangs_up_while_waiting(self):
        """Has no turn: the next in line gets it."""
        server = Listener(silent)
        self.addCleanup(server.close)
        exporter = self.start(config=self.config())
        path = f"GET /probe?target={server.target}&module=plain HTTP/1.1\r\nHost: x\r\n\r\n"
        with exporter.connect() as first:
            first.send(path)
            peers.wait_until(lambda: server.open == 1, "no connection")
            with exporter.connect() as second:
                second.send(path)
                peers.wait_until(lambda: exporter.own("probes_in_flight") == 2, "not in flight")
            peers.wait_until(lambda: exporter.own("probes_in_flight") == 1, "the waiting probe goes on")
        peers.wait_until(lambda: exporter.own("probes_in_flight") == 0, "a probe is left")
        self.assertEqual(len(server.taken), 1)


class Limits(ExporterCase):

    def test_in_flight(self):
        server = Listener(silent)
        self.addCleanup(server.close)
        exporter = self.start("--probe.max-in-flight", 2,
                              config="max_probes_per_host: 0\nmodules: {plain: {tls: {mode: off}}}\n")
        held = []
        for count in (1, 2):
            one = exporter.connect()
            self.addCleanup(one.close)
            one.send(f"GET /probe?target={server.target}&module=plain HTTP/1.1\r\nHost: x\r\n\r\n")
            held.append(one)
            peers.wait_until(lambda: server.open == count, "no connection")
        self.assertEqual(exporter.own("probes_in_flight"), 2)
        for _ in range(3):
            answer = exporter.probe(server.target, "plain")
            self.assert_refused(answer, 503)
            self.assertLess(answer.seconds, SLACK)
        self.assertEqual(exporter.own("probes_rejected_total"), 3)
        # The rest of it is not concerned, and there is room again when one has gone.
        self.assertEqual(exporter.get("/-/ready").status, 200)
        held[0].close()
        peers.wait_until(lambda: server.open == 1, "still open")
        good = Listener(talking())
        self.addCleanup(good.close)
        peers.wait_until(lambda: exporter.own("probes_in_flight") == 1, "no room")
        self.assert_exposed(exporter.probe(good.target, "plain").metrics, OK)
        self.assertEqual(exporter.own("probes_rejected_total"), 3)

    def test_allowed_targets(self):
        server = Listener(talking())
        self.addCleanup(server.close)
        exporter = self.start(config='allowed_targets: ["127.0.0.0/8", "*.Example.net"]\n')
        for target in (server.target, f"smtp://{server.target}"):
            self.assert_exposed(exporter.probe(target).metrics, OK)
        for target in ("[::1]:25", "192.0.2.1", "localhost", "example.net", "mx.example.net.evil.test",
                       "unix:/run/lmtp", "example.com:25"):
            with self.subTest(target):
                self.assert_refused(exporter.probe(target), 403)
        self.assertEqual(exporter.own("probes_total"), 2)


class SelfMetrics(ExporterCase):

    def test_counted(self):
        server = ScriptedServer(*(TRANSCRIPTS / f"{name}.txt" for name in ("plain", "banner-421-rate", "banner-554")))
        self.addCleanup(server.stop)
        closed = peers.closed_port()
        exporter = self.start(config="modules: {plain: {helo: probe.test, tls: {mode: off}}}\n")
        fresh = exporter.metrics()
        self.assert_clean(fresh.text)
        self.assertEqual(fresh.value("smtp_probe_exporter_config_last_reload_successful"), 1)
        self.assertAlmostEqual(fresh.value("smtp_probe_exporter_config_last_reload_success_timestamp_seconds"),
                               time.time(), delta=PATIENCE)
        self.assertEqual(fresh.value("smtp_probe_exporter_probes_in_flight"), 0)
        self.assertEqual(fresh.value("smtp_probe_exporter_probes_rejected_total"), 0)
        self.assertEqual(fresh.value("smtp_probe_exporter_unknown_module_total"), 0)
        (build,) = fresh.samples("smtp_probe_exporter_build_info")
        self.assertEqual(build.value, 1)
        self.assertTrue(build.labels["version"])
        self.assertIn("revision", build.labels)
        self.assertEqual([one for one in fresh.families
                          if not re.match("smtp_probe_exporter_|process_", one)], [])
        for name in ("process_cpu_seconds_total", "process_resident_memory_bytes", "process_virtual_memory_bytes",
                     "process_open_fds", "process_max_fds", "process_start_time_seconds"):
            self.assertGreater(fresh.value(name), 0, name)
        self.assertAlmostEqual(fresh.value("process_resident_memory_bytes") / 1024, exporter.resident_kib(),
                               delta=exporter.resident_kib() / 2)
        probes = {"plain": 3, "banner-421-rate": 2, "banner-554": 1}
        for name, count in probes.items():
            for _ in range(count):
                exporter.probe(f"127.0.0.1:{server.ports[name]}", "plain").metrics
        exporter.probe(f"127.0.0.1:{closed}", "plain").metrics
        for _ in range(2):
            self.assert_refused(exporter.probe(server.ports and "127.0.0.1", "no_such_module"), 400, "no_such_module")
        after = exporter.metrics()
        self.assert_clean(after.text)
        totals = {state: after.sum("smtp_probe_exporter_probes_total", module="plain", state=state) for state in STATES}
        self.assertEqual(totals, {"ok": 3, "warning": 2, "critical": 2, "unknown": 0})
        self.assertEqual(after.sum("smtp_probe_exporter_probes_total"), 7)
        failures = {(one.labels["step"], one.labels["reason"]): one.value
                    for one in after.samples("smtp_probe_exporter_probe_failures_total") if one.value}
        self.assertEqual(failures, {("banner", "rate_limited"): 2, ("banner", "reply_5xx"): 1,
                                    ("connect", "connection_refused"): 1})
        self.assertEqual(after.value("smtp_probe_exporter_unknown_module_total"), 2)
        steps = {one.labels["step"]: one.value
                 for one in after.samples("smtp_probe_exporter_step_duration_seconds_count", module="plain")}
        self.assertEqual({one: steps.get(one, 0) for one in ("banner", "ehlo")}, {"banner": 6, "ehlo": 3})
        # Each loop looks at its own lag twice a second.
        peers.wait_until(lambda: exporter.own("event_loop_lag_seconds_count") > 0, "the lag is not observed")

    def test_names_of_strangers_become_no_label(self):
        exporter = self.start()
        for at in range(20):
            exporter.probe("127.0.0.1", f"stranger{at}")
        self.assertNotIn("stranger", exporter.get("/metrics").text)
        self.assertEqual(exporter.own("unknown_module_total"), 20)


class Postfix(ExporterCase):
    """A real server, over STARTTLS, to RCPT."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        lacking = peers.missing("postfix")
        if lacking:
            raise unittest.SkipTest(lacking)
        cls.postfix = peers.Postfix()
        cls.addClassCleanup(cls.postfix.stop)

    def test_starttls(self):
        exporter = self.start(config=json.dumps({"modules": {"mx": {
            "helo": "probe.test", "tls": {"mode": "starttls", "verify": "require", "server_name": "mx.test",
                                          "ca_file": str(self.postfix.certificates / "ca.pem")},
            "mail": {"from": "a@b.test", "to": ["u@example.test"]}}}}))
        expected = {"starttls": (OK, None, 250), "reject": (CRITICAL, ("rcpt", "reply_5xx"), 550),
                    "defer": (WARNING, ("rcpt", "greylisted"), 450)}
        for listener, (state, failure, code) in expected.items():
            with self.subTest(listener):
                metrics = exporter.probe(f"127.0.0.1:{self.postfix.ports[listener]}", "mx").metrics
                self.assert_exposed(metrics, state, failure)
                codes = metrics.by("probe_smtp_step_reply_code", "step")
                self.assertEqual(codes, {"resolve": 0, "connect": 0, "banner": 220, "ehlo": 250, "starttls": 220,
                                         "tls": 0, "ehlo_tls": 250, "mail": 250, "rcpt": code, "quit": 221})
                self.assertEqual(metrics.value("probe_smtp_tls_verified"), 1)
                self.assertEqual(metrics.value("probe_smtp_extension_offered", extension="STARTTLS"), 0)
                self.assertEqual(metrics.value("probe_smtp_extension_offered", extension="PIPELINING"), 1)
                self.assertEqual(metrics.value("probe_smtp_size_limit_bytes"), 10240000)
                self.assert_clean(metrics.text)
                peers.wait_until(lambda: self.postfix.sessions(listener), "no session in the log")
                self.assertIn(" quit=1 ", self.postfix.sessions(listener)[0])
