"""The exporter as a process: its configuration and reloads, secrets, its log, its words, and its end by a signal."""

import base64
import concurrent.futures
import json
import os
import pathlib
import re
import signal
import threading
import time
import urllib.parse

import peers
from exporter import ExporterCase, Listener, silent, talking
from http_client import PATIENCE
from probe import BUSY, CRITICAL, OK, ScriptedServer

TRANSCRIPTS = pathlib.Path(os.environ["TRANSCRIPTS"])
SECRET = "hunter2-Xyzzy"


class ProcessCase(ExporterCase):

    def waiting(self):
        """A server that answers when the event beside it is set."""
        answer = threading.Event()
        server = Listener(lambda one: answer.wait(PATIENCE) and talking()(one))
        self.addCleanup(server.close)
        return server, answer


class Configuration(ProcessCase):

    GOOD = "modules:\n  first: {tls: {mode: off}, timeout: 7s}\n"
    BAD = (("modules:\n  first:\n    no_such_key: 1\n", 3, "no_such_key"), ("modules:\n  first: [\n", 0, ""),
           ("modules:\n  first:\n    timeout: 10\n", 3, "timeout"), ("- 1\n", 1, ""), ("\0\x01", 0, ""),
           ("modules:\n  a: {until: moon}\n", 2, "until"), ("max_probes_per_host: -1\n", 1, "max_probes_per_host"),
           ("modules:\n  a:\n    auth: {username: u, password_file: /nonexistent, targets: ['x:1']}\n", 3,
            "password_file"),
           ("allowed_targets: []\n", 1, "allowed_targets"), ("modules:\n  a: {tls: {mode: off}}\n  a: {}\n", 3, "a"))

    def test_check(self):
        for flags in ((), ("--config.file", self.file("good.yml", self.GOOD))):
            done = self.run_once("--config.check", *flags)
            self.assertEqual(done.returncode, 0, done)
            said = f'msg="good configuration" file={flags[1]} modules=6' if flags else \
                'msg="no configuration file, built-in modules" modules=5'
            self.assertIn(said, done.stdout + done.stderr)
        for at, (text, line, key) in enumerate(self.BAD):
            with self.subTest(text):
                path = self.file(f"bad{at}.yml", text)
                done = self.run_once("--config.check", "--config.file", path)
                self.assertNotEqual(done.returncode, 0, done)
                self.assertGreater(done.returncode, 0, done)
                said = done.stdout + done.stderr
                self.assertIn(str(path), said)
                self.assertIn(key, said)
                if line:
                    self.assertIn(f"{path}:{line}", said)
        missing = self.run_once("--config.check", "--config.file", self.folder / "nowhere.yml")
        self.assertGreater(missing.returncode, 0)
        self.assertIn("nowhere.yml", missing.stdout + missing.stderr)

    def test_all_that_is_wrong_is_named(self):
        path = self.file("many.yml", "modules:\n  a:\n    untl: ehlo\n    timeout: x\n  b: {helo: 'a b'}\nfoo: 1\n")
        expected = ((3, "modules.a.untl", "did you mean until?"), (4, "modules.a.timeout", ""), (5, "modules.b.helo", ""),
                    (6, "foo", ""))
        done = self.run_once("--config.check", "--config.file", path)
        lines = (done.stdout + done.stderr).splitlines()
        self.assertEqual(len(lines), len(expected), lines)
        exporter = self.start(config=self.GOOD)
        exporter.config_file.write_text(path.read_text())
        answer = exporter.request("/-/reload", "POST")
        self.assertEqual(answer.status, 500)
        for said, answered, (line, key, guess) in zip(lines, answer.text.splitlines(), expected):
            self.assertIn(f"{path}:{line}: {key}: ", said)
            self.assertIn(f"{exporter.config_file}:{line}: {key}: ", answered)
            self.assertIn(guess, said)
        self.assertEqual(len(answer.text.splitlines()), len(expected))

    def test_start_with_a_bad_file(self):
        for path in (self.file("bad.yml", self.BAD[0][0]), self.folder / "nowhere.yml"):
            done = self.run_once("--web.listen-address", "127.0.0.1:0", "--config.file", path)
            self.assertGreater(done.returncode, 0, done)
            self.assertIn(str(path), done.stdout + done.stderr)

    def config_state(self, exporter):
        metrics = exporter.metrics()
        return (metrics.value("smtp_probe_exporter_config_last_reload_successful"),
                metrics.value("smtp_probe_exporter_config_last_reload_success_timestamp_seconds"))

    def knows(self, exporter, module):
        """Whether that module serves: a target that is refused beforehand tells."""
        return exporter.probe("127.0.0.1:1", module).status == 200

    def test_reload(self):
        exporter = self.start(config=self.GOOD)
        self.assertTrue(self.knows(exporter, "first"))
        first = self.config_state(exporter)
        for way in ("POST", "PUT"):
            with self.subTest(way):
                exporter.config_file.write_text(f"modules:\n  by_{way.lower()}: {{tls: {{mode: off}}}}\n")
                self.assertEqual(exporter.request("/-/reload", way).status, 200)
                self.assertTrue(self.knows(exporter, f"by_{way.lower()}"))
                self.assertFalse(self.knows(exporter, "first"))
                # The built-in ones stay.
                self.assertTrue(self.knows(exporter, "smtp"))
        self.assertEqual(self.config_state(exporter)[0], 1)
        self.assertGreater(self.config_state(exporter)[1], first[1])
        exporter.config_file.write_text("modules:\n  by_signal: {tls: {mode: off}}\n")
        exporter.signal(signal.SIGHUP)
        peers.wait_until(lambda: self.knows(exporter, "by_signal"), "SIGHUP did nothing: " + exporter.log())
        self.assertFalse(self.knows(exporter, "by_put"))

    def test_bad_reload_keeps_the_old(self):
        exporter = self.start(config=self.GOOD)
        _, loaded = self.config_state(exporter)
        for text, line, key in self.BAD:
            with self.subTest(text):
                exporter.config_file.write_text(text)
                answer = exporter.request("/-/reload", "POST")
                self.assert_refused(answer, 500, str(exporter.config_file) + (f":{line}" if line else ""), key)
                self.assertEqual(self.config_state(exporter), (0, loaded))
                self.assertTrue(self.knows(exporter, "first"))
                self.assertEqual(exporter.get("/-/ready").status, 200)
                page = exporter.get("/").text
                self.assertIn("The last reload was refused:</strong> " + str(exporter.config_file), page)
                self.assertRegex(page, r"running the one of \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ\.</p>")
        exporter.config_file.write_text(self.GOOD)
        self.assertEqual(exporter.request("/-/reload", "POST").status, 200)
        self.assertEqual(self.config_state(exporter)[0], 1)
        self.assertNotIn("on disk", exporter.get("/").text)
        # By a signal: the reason is in the log.
        exporter.config_file.write_text(self.BAD[0][0])
        exporter.signal(signal.SIGHUP)
        peers.wait_until(lambda: self.config_state(exporter)[0] == 0, "SIGHUP did nothing")
        self.assertTrue(self.knows(exporter, "first"))
        peers.wait_until(lambda: re.search(r"level=error .*no_such_key", exporter.log()), exporter.log())
        exporter.config_file.unlink()
        self.assert_refused(exporter.request("/-/reload", "POST"), 500, str(exporter.config_file))

    def test_reload_without_a_file(self):
        exporter = self.start()
        self.assertEqual(exporter.request("/-/reload", "POST").status, 200)
        exporter.signal(signal.SIGHUP)
        self.assertEqual(exporter.request("/-/reload", "PUT").status, 200)
        self.assertEqual(self.config_state(exporter)[0], 1)
        self.assertTrue(self.knows(exporter, "smtp"))

    def test_reload_drops_no_probe(self):
        server, answer = self.waiting()
        exporter = self.start(config=self.GOOD.replace("7s", "70s"))
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            running = pool.submit(exporter.probe, server.target, "first")
            peers.wait_until(lambda: server.open == 1, "no connection")
            exporter.config_file.write_text("modules: {}\n")
            self.assertEqual(exporter.request("/-/reload", "POST").status, 200)
            self.assertFalse(self.knows(exporter, "first"))
            self.assertFalse(running.done())
            answer.set()
            metrics = self.assert_exposed(running.result().metrics, OK)
        self.assertEqual(metrics.value("probe_timeout_seconds"), 70)

    def test_shown(self):
        exporter = self.start(config=self.GOOD)
        shown = exporter.get("/config").text
        for name in ("first", "smtp", "smtp_starttls", "submission", "submissions", "lmtp"):
            self.assertRegex(shown, rf"(?m)^\s*{name}:")
        # What is shown is a configuration again.
        done = self.run_once("--config.check", "--config.file", self.file("shown.yml", shown))
        self.assertEqual(done.returncode, 0, done)


class Credentials(ExporterCase):

    USER = "probe-user"

    def config(self, *targets, **tls):
        password = self.file("password", SECRET + "\n")
        return json.dumps({"modules": {"login": {
            "helo": "probe.test", "timeout": "5s",
            "tls": {"mode": "off"} | tls,
            "auth": {"mechanism": "PLAIN", "username": self.USER, "password_file": str(password),
                     "targets": list(targets)}}}})

    def test_only_to_their_targets(self):
        server = ScriptedServer(TRANSCRIPTS / "auth-535.txt")
        self.addCleanup(server.stop)
        port = server.ports["auth-535"]
        other = Listener(silent)
        self.addCleanup(other.close)
        exporter = self.start(config=self.config(f"127.0.0.1:{port}"))
        self.assertEqual(exporter.probe(f"127.0.0.1:{port}", "login").status, 200)
        for target in (other.target, f"localhost:{port}", f"[::1]:{port}", "127.0.0.1", f"smtps://{other.target}",
                       f"127.0.0.2:{port}", f"[::ffff:127.0.0.1]:{port}", "unix:/run/lmtp"):
            with self.subTest(target):
                self.assert_refused(exporter.probe(target, "login"), 403)
        self.assertEqual(other.taken, [])

    def test_only_over_verified_tls_where_demanded(self):
        server = ScriptedServer(TRANSCRIPTS / "auth-after-starttls.txt", options=("--cert", "self-signed"))
        self.addCleanup(server.stop)
        target = f"127.0.0.1:{server.ports['auth-after-starttls']}"
        exporter = self.start(config=self.config(target, mode="starttls", verify="require", server_name="mx.test"))
        self.assert_exposed(exporter.probe(target, "login").metrics, CRITICAL, ("tls", "cert_untrusted"))
        # Whoever asks for another name does not get round it.
        self.assertEqual(exporter.probe(target, "login", hostname="elsewhere.test").metrics.value("probe_success"), 0)
        self.assertNotIn("C: AUTH", server.log())

    def test_secrets_are_nowhere(self):
        names = ("auth-535", "auth-login-wrong", "auth-cram-md5", "auth-plain-mail")
        server = ScriptedServer(*(TRANSCRIPTS / f"{name}.txt" for name in names))
        self.addCleanup(server.stop)
        mechanisms = {"auth-login-wrong": "LOGIN", "auth-cram-md5": "CRAM-MD5"}
        password = self.file("password", SECRET)
        exporter = self.start("--log.level", "debug", config=json.dumps({"modules": {
            name: {"helo": "probe.test", "tls": {"mode": "off"}, "timeout": "5s",
                   "auth": {"mechanism": mechanisms.get(name, "PLAIN"), "username": "probe",
                            "password_file": str(password), "targets": [f"127.0.0.1:{server.ports[name]}"]}}
            for name in names}}))
        hidden = [SECRET, SECRET.encode().hex()]
        for text in (SECRET, f"\0probe\0{SECRET}"):
            hidden.append(base64.b64encode(text.encode()).decode().rstrip("="))
        seen = {}
        for name in names:
            target = f"127.0.0.1:{server.ports[name]}"
            seen[f"probe {name}"] = exporter.probe(target, name)
            seen[f"debug {name}"] = exporter.probe(target, name, debug="true")
            self.assertIn("AUTH " + mechanisms.get(name, "PLAIN"), seen[f"debug {name}"].text)
            page = exporter.probe(target, name, view="page")
            self.assertEqual(page.status, 303)
            shown = exporter.get(urllib.parse.urljoin("/probe", page.header("location")))
            self.assertIn("AUTH " + mechanisms.get(name, "PLAIN"), shown.text)
            seen[f"logs {name}"] = shown
        for path in ("/", "/config", "/metrics"):
            seen[path] = exporter.get(path)
        exporter.config_file.write_text(self.config("127.0.0.1:1").replace("password_file", "password"))
        seen["bad reload"] = exporter.request("/-/reload", "POST")
        texts = {where: answer.text for where, answer in seen.items()} | {"log": exporter.log()}
        for where, text in texts.items():
            for one in hidden:
                self.assertNotIn(one, text, where)
        command_line = pathlib.Path(f"/proc/{exporter.process.pid}/cmdline").read_text()
        self.assertNotIn(SECRET, command_line)

    def test_bad_secret_file_does_not_tell_it(self):
        two = self.file("two-lines", f"{SECRET}\nsecond\n")
        text = self.config("127.0.0.1:1").replace(str(self.folder / "password"), str(two))
        done = self.run_once("--config.check", "--config.file", self.file("c.yml", text))
        self.assertGreater(done.returncode, 0)
        self.assertIn(str(two), done.stdout + done.stderr)
        self.assertNotIn(SECRET, done.stdout + done.stderr)


class Log(ExporterCase):

    def about(self, exporter, target):
        return [line for line in exporter.lines if target in line]

    def test_one_line_for_a_failed_probe_and_none_for_a_good_one(self):
        good = Listener(talking())
        bad = Listener(talking(banner='554 5.7.1 "go" away\x1b[31m\u0085 a=b'))
        self.addCleanup(good.close)
        self.addCleanup(bad.close)
        for form in ("logfmt", "json"):
            with self.subTest(form):
                exporter = self.start("--log.format", form)
                self.assert_exposed(exporter.probe(good.target).metrics, OK)
                self.assert_exposed(exporter.probe(bad.target).metrics, CRITICAL, ("banner", "reply_5xx"))
                peers.wait_until(lambda: self.about(exporter, bad.target), "nothing in the log")
                self.assertEqual(self.about(exporter, good.target), [])
                (line,) = self.about(exporter, bad.target)
                for word in ("smtp", "banner", "reply_5xx", "critical"):
                    self.assertIn(word, line)
                self.assertEqual([c for c in line if ord(c) < 32 and c != "\n"], [])
                for one in exporter.lines:
                    if form == "json":
                        said = json.loads(one)
                        self.assertIn(said["level"], ("info", "warn", "error"))
                    else:
                        self.assertRegex(one, r'^ts=\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z level=(info|warn|error)'
                                              r'( [\w.]+=([^\s"=]*|"([^"\\\n]|\\.)*"))+\n$')

    def test_levels(self):
        # One line a minute for each target: two of them.
        servers = [Listener(talking(banner="554 no")) for _ in range(2)]
        exporter = self.start("--log.level", "debug")
        for server in servers:
            self.addCleanup(server.close)
            exporter.probe(server.target)
            peers.wait_until(lambda: self.about(exporter, server.target), exporter.log())
        # Prometheus shows the number of a refusal alone.
        self.assertEqual(exporter.get(f"/probe?target={server.target}&module=no-such").status, 400)
        refused = ('msg="scrape refused" status=400 why="unknown module \\"no-such\\"; the configuration has'
                   ' lmtp, smtp, smtp_starttls, submission, submissions"\n')
        peers.wait_until(lambda: refused in exporter.log(), exporter.log())
        for flags in (("--log.level", "loud"), ("--log.format", "xml")):
            self.assertGreater(self.run_once("--web.listen-address", "127.0.0.1:0", *flags).returncode, 0)



class TheEnd(ProcessCase):

    def test_idle(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            exporter = self.start()
            with exporter.connect() as idle:
                # Connections that wait for a next request, or have never asked, hold nobody up.
                self.assertEqual(idle.request("/-/healthy").status, 200)
                with exporter.connect():
                    began = time.monotonic()
                    exporter.signal(number)
                    self.assertEqual(exporter.wait(), 0)
                    self.assertLess(time.monotonic() - began, 2 + BUSY)

    def test_drain(self):
        server, answer = self.waiting()
        exporter = self.start(config="modules: {plain: {tls: {mode: off}, timeout: 60s}}\n")
        with concurrent.futures.ThreadPoolExecutor(1) as pool, exporter.connect() as early:
            self.assertEqual(early.request("/-/ready").status, 200)
            running = pool.submit(exporter.probe, server.target, "plain")
            peers.wait_until(lambda: server.open == 1, "no connection")
            exporter.signal(signal.SIGTERM)
            # A balancer asks on a new connection; it is told to go elsewhere while the probe ends.
            peers.wait_until(lambda: exporter.get("/-/ready").status == 503, "still ready")
            self.assertFalse(running.done())
            self.assertIsNone(exporter.process.poll())
            self.assertEqual(exporter.get("/-/healthy").status, 200)
            self.assertEqual(early.request("/-/ready").status, 503)
            answer.set()
            self.assert_exposed(running.result().metrics, OK)
        began = time.monotonic()
        self.assertEqual(exporter.wait(), 0)
        self.assertLess(time.monotonic() - began, 2 + BUSY)

    def test_drain_ends_with_the_longest_deadline(self):
        server = Listener(silent)
        self.addCleanup(server.close)
        exporter = self.start(config="modules: {plain: {tls: {mode: off}, timeout: 2s}}\n")
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            running = pool.submit(exporter.probe, server.target, "plain")
            peers.wait_until(lambda: server.open == 1, "no connection")
            exporter.signal(signal.SIGTERM)
            self.assert_exposed(running.result().metrics, CRITICAL, ("banner", "timeout"))
        self.assertEqual(exporter.wait(), 0)

    def test_impatience(self):
        """A second SIGTERM ends it at once."""
        server = Listener(silent)
        self.addCleanup(server.close)
        exporter = self.start(config="modules: {plain: {tls: {mode: off}}}\n")
        with exporter.connect() as asking:
            asking.send(f"GET /probe?target={server.target}&module=plain HTTP/1.1\r\nHost: x\r\n\r\n")
            peers.wait_until(lambda: server.open == 1, "no connection")
            exporter.signal(signal.SIGTERM)
            peers.wait_until(lambda: exporter.get("/-/ready").status == 503, "still ready")
            exporter.signal(signal.SIGTERM)
            self.assertIn(exporter.wait(2 + BUSY), (0, -signal.SIGTERM))

    def test_taken_address(self):
        exporter = self.start()
        done = self.run_once("--web.listen-address", f"127.0.0.1:{exporter.address[1]}")
        self.assertGreater(done.returncode, 0)
        self.assertIn(str(exporter.address[1]), done.stdout + done.stderr)

    def test_several_addresses(self):
        exporter = self.start("--web.listen-address", "[::1]:0")
        peers.wait_until(lambda: len(exporter.listening()) == 2, exporter.log())
        self.assertEqual({one[0] for one in exporter.addresses}, {"127.0.0.1", "::1"})
        for address in exporter.addresses:
            exporter.addresses = [address]
            self.assertEqual(exporter.get("/-/healthy").status, 200)


class Words(ExporterCase):
    """Flags that print and end, and those that are wrong."""

    def test_help_and_version(self):
        told = self.run_once("--help")
        self.assertEqual((told.returncode, told.stderr), (0, ""))
        for flag in ("--config.file", "--config.check", "--web.listen-address", "--web.config.file",
                     "--web.external-url", "--web.route-prefix", "--timeout-offset", "--history.limit",
                     "--probe.max-in-flight", "--log.level", "--log.format", "--once", "--module", "--push.url",
                     "--push.user", "--push.password-file", "--push.job", "--push.grouping", "--textfile", "--version", "--help"):
            self.assertIn(flag, told.stdout)
        self.assertLessEqual(max(map(len, told.stdout.splitlines())), 100)
        version = self.run_once("--version")
        self.assertEqual((version.returncode, version.stderr), (0, ""))
        self.assertIn("smtp_probe_exporter", version.stdout)

    def test_wrong(self):
        for words in (("--no-such-flag",), ("--timeout-offset", "x"), ("--timeout-offset", "-1"),
                      ("--history.limit", "-1"), ("--probe.max-in-flight", "0"), ("--web.listen-address", "nonsense"),
                      ("--web.listen-address", "127.0.0.1:70000"), ("--config.file",), ("stray",),
                      ("--web.external-url", "not a url")):
            with self.subTest(words):
                done = self.run_once(*words)
                self.assertGreater(done.returncode, 0, done)
                said = "a word without a flag" if words == ("stray",) else words[0]
                self.assertIn(said, done.stdout + done.stderr)
                self.assertLessEqual(len((done.stdout + done.stderr).splitlines()), 3)
