"""The exporter for cron and CI jobs: --once, its exit code, --textfile, and --push.url to a real Pushgateway."""

import base64
import http.server
import json
import os
import pathlib
import re
import resource
import signal
import stat
import subprocess
import threading
import urllib.parse

import peers
from exporter import EXPORTER, ExporterCase, Listener, Service, silent, talking
from exposition import EXPOSITION, FAMILIES, Exposition
from probe import BUSY, CRITICAL, OK, UNKNOWN, WARNING, ScriptedServer

TRANSCRIPTS = pathlib.Path(os.environ["TRANSCRIPTS"])
SCRIPTS = ("plain", "banner-554", "banner-421-rate", "starttls-opportunistic")
# Debian's package persists to a file of its own unless told otherwise.
GATEWAY = ("--web.listen-address=127.0.0.1:0", "--persistence.file=@FOLDER@/metrics")
CONFIG = "modules:\n  plain: {helo: probe.test, tls: {mode: off}, timeout: 2s}\n"


class OnceCase(ExporterCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server = ScriptedServer(*(TRANSCRIPTS / f"{name}.txt" for name in SCRIPTS))
        cls.addClassCleanup(cls.server.stop)
        cls.targets = {name: f"127.0.0.1:{port}" for name, port in cls.server.ports.items()}
        cls.config = cls.folder / "once.yml"
        cls.config.write_text(CONFIG)

    def once(self, *arguments, module="plain", **how):
        return self.run_once("--config.file", self.config, *arguments, "--module", module, **how)

    def assert_printed(self, done, targets, module="plain"):
        """`targets`: target -> state. The exposition is that of /probe, with two labels more on each sample."""
        metrics = Exposition(done.stdout)
        self.assertEqual(metrics.families - FAMILIES, set())
        for one in metrics.all:
            self.assertEqual(one.labels.get("module"), module)
            self.assertIn(one.labels.get("target"), targets)
        self.assertEqual({target: metrics.value("probe_smtp_state", target=target) for target in targets}, targets)
        self.assertEqual({target: metrics.value("probe_success", target=target) for target in targets},
                         {target: 1 if state < 2 else 0 for target, state in targets.items()})
        self.assert_clean(done.stdout)
        return metrics


class Printed(OnceCase):

    def test_one_target(self):
        for name, state in (("plain", OK), ("banner-421-rate", WARNING), ("banner-554", CRITICAL)):
            done = self.once("--once", self.targets[name])
            self.assertEqual(done.returncode, state, done)
            self.assert_printed(done, {self.targets[name]: state})
            if state == OK:
                self.assertEqual(done.stderr, "")

    def test_several_targets(self):
        closed = peers.closed_port()
        plain, limited, refused = (self.targets[name] for name in ("plain", "banner-421-rate", "banner-554"))
        nowhere = "no-such-host.invalid:25"
        for targets, worst in (({plain: OK, limited: WARNING}, WARNING), ({limited: WARNING, plain: OK}, WARNING),
                               ({plain: OK, f"127.0.0.1:{closed}": CRITICAL, limited: WARNING}, CRITICAL),
                               ({nowhere: UNKNOWN, plain: OK}, UNKNOWN),
                               ({refused: CRITICAL, nowhere: UNKNOWN}, CRITICAL)):
            with self.subTest(targets):
                done = self.once("--once", *targets)
                self.assertEqual(done.returncode, worst, done)
                self.assert_printed(done, targets)

    def test_built_in_module(self):
        target = self.targets["starttls-opportunistic"]
        done = self.run_once("--once", target)
        # The script wants another name in EHLO; what the server makes of it is no matter here.
        metrics = Exposition(done.stdout)
        self.assertEqual({one.labels["module"] for one in metrics.all}, {"smtp"})

    def test_targets_are_probed_side_by_side(self):
        # None of them answers before all are probed.
        def together(connection):
            peers.wait_until(lambda: all(one.taken for one in servers), "not all at once")
            talking()(connection)

        servers = [Listener(together) for _ in range(5)]
        for one in servers:
            self.addCleanup(one.close)
        done = self.once("--once", *(one.target for one in servers))
        self.assertEqual(done.returncode, OK, done)
        self.assert_printed(done, {one.target: OK for one in servers})

    def test_same_target_twice(self):
        """Is one target: a sample must not be there twice."""
        done = self.once("--once", self.targets["plain"], self.targets["plain"])
        if done.returncode == OK:
            self.assert_printed(done, {self.targets["plain"]: OK})
        else:
            self.assertEqual((done.returncode, done.stdout), (UNKNOWN, ""), done)
            self.assertIn(self.targets["plain"], done.stderr)

    def test_silent_server(self):
        server = Listener(silent)
        self.addCleanup(server.close)
        done = self.once("--once", server.target)
        self.assertEqual(done.returncode, CRITICAL)
        metrics = self.assert_printed(done, {server.target: CRITICAL})
        self.assertEqual(metrics.value("probe_timeout_seconds"), 2)
        self.assertEqual(metrics.failure, ("banner", "timeout"))

    def test_wrong_words(self):
        """No probe was made: exit 3 and no exposition."""
        plain = self.targets["plain"]
        before = len(self.server.log())
        built_in = "expected one of lmtp, smtp, smtp_starttls, submission, submissions"
        for words, said in ((("--once",), "--once"), (("--once", plain, "--module", "mx"), built_in),
                            (("--once", plain, "--module", "mx"), "for no --config.file is given"),
                            (("--once", plain, "--module", "no-such"), "no-such"),
                            (("--once", "a b"), "a b"), (("--once", "http://x"), "http://x"),
                            (("--once", "127.0.0.1:70000"), "70000"), (("--once", "file:///etc/passwd", plain), "file"),
                            (("--once", plain, "--push.url", "gopher://x"), "gopher"),
                            (("--once", plain, "--push.grouping", "novalue", "--push.url", "http://127.0.0.1:1"),
                             "novalue"),
                            (("--once", plain, "--push.grouping", "bad-name=x", "--push.url", "http://127.0.0.1:1"),
                             "bad-name"),
                            (("--once", plain, "--config.file", "/nonexistent.yml"), "/nonexistent.yml")):
            with self.subTest(words):
                done = self.run_once(*words)
                self.assertEqual((done.returncode, done.stdout), (UNKNOWN, ""), done)
                self.assertIn(said, done.stderr)
        self.assertEqual(len(self.server.log()), before)

    def test_flags_of_a_round_that_is_not_asked_for(self):
        """Bad flags of a service: exit 2."""
        for words in (("--push.url", "http://127.0.0.1:1"), ("--textfile", "x.prom")):
            done = self.run_once(*words)
            self.assertEqual((done.returncode, done.stdout), (2, ""), done)
            self.assertIn(words[0], done.stderr)

    def test_output_that_nobody_takes(self):
        with open("/dev/full", "w", encoding="ascii") as full:
            done = subprocess.run([EXPORTER, "--config.file", str(self.config), "--once", self.targets["plain"],
                                   "--module", "plain"], stdout=full, stderr=subprocess.PIPE, timeout=30)
        self.assertEqual(done.returncode, UNKNOWN)

    def test_credentials_go_to_their_targets_only(self):
        secret = self.file("secret", "hunter2")
        config = self.file("auth.yml", json.dumps({"modules": {"login": {
            "tls": {"mode": "off"},
            "auth": {"username": "u", "password_file": str(secret), "targets": ["127.0.0.1:1"]}}}}))
        done = self.run_once("--config.file", config, "--once", self.targets["plain"], "--module", "login")
        self.assertEqual((done.returncode, done.stdout), (UNKNOWN, ""), done)
        self.assertIn("auth.targets", done.stderr)


class Textfile(OnceCase):

    def setUp(self):
        self.path = self.folder / f"{self.id()}.d" / "smtp.prom"
        self.path.parent.mkdir()
        self.args = ("--once", self.targets["banner-554"], "--textfile", self.path)

    def beside(self):
        return sorted(one.name for one in self.path.parent.iterdir())

    def test_written(self):
        self.path.write_text("old\n")
        done = self.once(*self.args)
        self.assertEqual(done.returncode, CRITICAL, done)
        self.assert_printed(done, {self.targets["banner-554"]: CRITICAL})
        self.assertEqual(self.path.read_text(), done.stdout)
        self.assertEqual(self.beside(), ["smtp.prom"])
        # node_exporter runs as another user.
        self.assertEqual(stat.S_IMODE(self.path.stat().st_mode), 0o644)

    def test_never_half_written(self):
        """A reader sees the old file or the new one."""
        self.path.write_text("old\n" * 10)
        descriptor = os.open(self.path, os.O_RDONLY)
        self.addCleanup(os.close, descriptor)
        self.once(*self.args)
        self.assertEqual(os.pread(descriptor, 100, 0), b"old\n" * 10)
        self.assertNotEqual(self.path.stat().st_ino, os.fstat(descriptor).st_ino)

    def assert_lost(self, done, path):
        """Exit 3, the verdict printed all the same, and the reason with the file's name."""
        self.assertEqual(done.returncode, UNKNOWN, done)
        self.assert_printed(done, {self.targets["banner-554"]: CRITICAL})
        self.assertIn(str(path), done.stderr)

    def test_no_such_folder(self):
        path = self.path.parent / "nowhere" / "smtp.prom"
        self.assert_lost(self.once(*self.args[:-1], path), path)
        self.assertEqual(self.beside(), [])

    def test_folder_in_its_place(self):
        self.path.mkdir()
        self.assert_lost(self.once(*self.args), self.path)
        self.assertEqual(self.beside(), ["smtp.prom"])
        self.assertEqual(list(self.path.iterdir()), [])

    def test_no_space_left(self):
        """As on a full disk: a write fails in the middle."""
        self.path.write_text("old\n")

        def full():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (512, 512))

        self.assert_lost(self.once(*self.args, preexec_fn=full, restore_signals=False), self.path)
        self.assertEqual(self.path.read_text(), "old\n")
        self.assertEqual(self.beside(), ["smtp.prom"])

    def test_folder_that_may_not_be_written(self):
        if os.geteuid() == 0:
            # Root may write everywhere but where nobody may.
            path = pathlib.Path("/proc/smtp.prom")
        else:
            path = self.path
            path.parent.chmod(0o555)
            self.addCleanup(path.parent.chmod, 0o755)
        self.assert_lost(self.once(*self.args[:-1], path), path)


class Gateway(OnceCase):
    """Debian's prometheus-pushgateway."""

    def setUp(self):
        self.gateway = Service("prometheus-pushgateway", *GATEWAY)
        self.addCleanup(self.gateway.stop)

    def push(self, *words, target="plain", url=None, **how):
        return self.once("--once", self.targets[target], "--push.url", url or self.gateway.url, *words, **how)

    def groups(self):
        """(labels, names of the metrics but the gateway's own) of each group."""
        own = {"labels", "last_push_successful", "push_time_seconds", "push_failure_time_seconds"}
        return [(one["labels"], set(one) - own) for one in self.gateway.json("/api/v1/metrics")["data"]]

    def pushed(self):
        return Exposition(self.gateway.request("/metrics").text)

    def test_pushed(self):
        done = self.push()
        self.assertEqual((done.returncode, done.stderr), (OK, ""), done)
        self.assert_printed(done, {self.targets["plain"]: OK})
        ((labels, names),) = self.groups()
        self.assertEqual(labels["job"], "smtp_probe")
        self.assertEqual(names, Exposition(done.stdout).families)
        pushed = self.pushed()
        self.assertEqual(pushed.value("probe_success", job="smtp_probe", target=self.targets["plain"],
                                      module="plain"), 1)
        # What is pushed is what was printed.
        for one in Exposition(done.stdout).all:
            self.assertEqual(pushed.value(one.name, **one.labels), one.value)

    def test_a_failed_probe_is_pushed_too(self):
        done = self.push(target="banner-554")
        self.assertEqual(done.returncode, CRITICAL, done)
        self.assertEqual(self.pushed().value("probe_failure_info", step="banner", reason="reply_5xx"), 1)

    def test_a_push_replaces_its_group(self):
        self.push(target="banner-554")
        self.assertIn("probe_failure_info", self.pushed().families)
        self.push(target="plain")
        pushed = self.pushed()
        self.assertNotIn("probe_failure_info", pushed.families)
        self.assertEqual({one.labels["target"] for one in pushed.samples("probe_success")}, {self.targets["plain"]})
        self.push("--push.grouping", "site=b", target="banner-554")
        self.assertEqual(len(self.groups()), 2)

    def test_labels_of_every_kind(self):
        labels = {"path": "/a/b", "words": "two words", "empty": "", "umlaut": "gr\u00fc\u00df", "percent": "50%",
                  "dots": "..", "query": "a?b=c&d#e", "plus": "a+b", "equals": "a=b=c", "plain": "eu-west.1"}
        words = [word for name, value in labels.items() for word in ("--push.grouping", f"{name}={value}")]
        done = self.push("--push.job", "cron job/1", *words)
        self.assertEqual((done.returncode, done.stderr), (OK, ""), done)
        ((group, _),) = self.groups()
        self.assertEqual(group, {"job": "cron job/1"} | labels)

    def test_url_with_a_path(self):
        prefix = "/push/gw"
        gateway = Service("prometheus-pushgateway", *GATEWAY, f"--web.route-prefix={prefix}")
        self.addCleanup(gateway.stop)
        for slash in ("", "/"):
            done = self.push(url=gateway.url + prefix + slash)
            self.assertEqual(done.returncode, OK, done)

    def test_refused_by_the_gateway(self):
        """A type that contradicts another group's."""
        answer = self.gateway.request("/metrics/job/other", "PUT",
                                      body=b"# TYPE probe_success counter\nprobe_success 1\n")
        self.assertEqual(answer.status, 200, answer.body)
        for name, state in (("plain", OK), ("banner-554", CRITICAL)):
            done = self.push(target=name)
            self.assertEqual(done.returncode, UNKNOWN, done)
            self.assert_printed(done, {self.targets[name]: state})
            self.assertIn("400", done.stderr)
            self.assertIn("pushed metrics are invalid or inconsistent", done.stderr)
            self.assertLessEqual(len(done.stderr.splitlines()), 3)

    def test_both_ways(self):
        path = self.folder / "both.prom"
        done = self.push("--textfile", path)
        self.assertEqual(done.returncode, OK, done)
        self.assertEqual(path.read_text(), done.stdout)
        self.assertEqual(len(self.groups()), 1)
        # One that fails does not keep the other from being done.
        path.unlink()
        closed = peers.closed_port()
        done = self.push("--textfile", path, url=f"http://127.0.0.1:{closed}")
        self.assertEqual(done.returncode, UNKNOWN, done)
        self.assertEqual(path.read_text(), done.stdout)


class LostGateway(OnceCase):

    def assert_lost(self, done, *words):
        self.assertEqual(done.returncode, UNKNOWN, done)
        self.assert_printed(done, {self.targets["plain"]: OK})
        for word in words:
            self.assertIn(word, done.stderr)
        self.assertLessEqual(len(done.stderr.splitlines()), 3)
        self.assertEqual([c for c in done.stderr if ord(c) < 32 and c != "\n"], [])

    def push(self, url, *words, **how):
        return self.once("--once", self.targets["plain"], "--push.url", url, *words, **how)

    def test_nobody_there(self):
        closed = peers.closed_port()
        self.assert_lost(self.push(f"http://127.0.0.1:{closed}"), f"127.0.0.1:{closed}")
        self.assert_lost(self.push("http://no-such-gateway.invalid:9091"), "no-such-gateway.invalid")

    def test_it_hangs(self):
        """Before it answers, and in the middle of its answer."""
        def half(connection):
            connection.recv(100)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf")
            silent(connection)

        for serve in (silent, half):
            server = Listener(serve)
            self.addCleanup(server.close)
            done = self.push(f"http://{server.target}", timeout=60)
            self.assert_lost(done, server.target)
            self.assertLess(done.seconds, 10 + BUSY)

    def test_it_answers_nonsense(self):
        def answer(data):
            def serve(connection):
                connection.recv(100)
                connection.sendall(data)
            return serve

        for data, word in ((b"SSH-2.0-x\r\n", ""), (b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n"
                                                    b"Content-Length: 0\r\n\r\n", "302"),
                           (b"HTTP/1.1 500 No\r\nContent-Length: 13\r\n\r\n\x1b[31mred\ntwo\0", "500"),
                           (b"HTTP/1.1 503 No\r\n\r\n" + b"x" * 5_000_000, "503"), (b"", "")):
            server = Listener(answer(data))
            self.addCleanup(server.close)
            with self.subTest(data[:40]):
                done = self.push(f"http://{server.target}")
                self.assert_lost(done, word)
                self.assertLess(len(done.stderr), 2000)

    def test_password_of_the_url(self):
        """Is sent as basic authentication, and in no message."""
        seen = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_PUT(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                seen.append((self.path, dict(self.headers), body))
                self.send_response(401)
                self.end_headers()

            def log_message(self, *_):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        port = server.server_address[1]
        done = self.push(f"http://user:hunter2@127.0.0.1:{port}", "--push.grouping", "a=x/y", "--push.grouping", "b=")
        self.assert_lost(done, "401")
        self.assertNotIn("hunter2", done.stderr)
        ((path, headers, body),) = seen
        self.assertEqual(headers["Authorization"], "Basic " + base64.b64encode(b"user:hunter2").decode())
        self.assertEqual(headers["Content-Type"], EXPOSITION)
        self.assertEqual(body.decode(), done.stdout)
        words = path.split("/")
        self.assertEqual(words[:4], ["", "metrics", "job", "smtp_probe"])
        pairs = dict(zip(words[4::2], words[5::2]))
        self.assertEqual(set(pairs), {"a@base64", "b@base64"})
        self.assertEqual(pairs["b@base64"], "=")
        encoded = urllib.parse.unquote(pairs["a@base64"])
        self.assertEqual(base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)), b"x/y")

    def test_credentials_of_a_file(self):
        """They are sent, and what a gateway repeats of them is masked."""
        def echo(connection):
            request = b""
            while b"\r\n\r\n" not in request:
                request += connection.recv(65536)
            headers, _, body = request.partition(b"\r\n\r\n")
            rest = int(re.search(rb"Content-Length: (\d+)", headers)[1]) - len(body)
            while rest > 0:
                rest -= len(connection.recv(65536))
            request = headers.decode()
            sent = re.search(r"Authorization: Basic (\S+)", request)[1]
            answer = f"no: {sent[:-1]} {sent.upper()} correct-horse {b'correct-hor'.hex()}"
            connection.sendall(f"HTTP/1.1 403 No\r\nContent-Length: {len(answer)}\r\n\r\n{answer}".encode())
            seen.append(base64.b64decode(sent))

        seen = []
        secret = self.folder / "push.pw"
        secret.write_text("correct-horse\n")
        server = Listener(echo)
        self.addCleanup(server.close)
        done = self.push(f"http://{server.target}", "--push.user", "u", "--push.password-file", secret)
        self.assertEqual(seen, [b"u:correct-horse"])
        self.assert_lost(done, "403", "no: **** **** **** ****")
        done = self.push("http://127.0.0.1:1", "--push.user", "u", "--push.password-file", "correct-horse")
        self.assertEqual((done.returncode, done.stdout), (UNKNOWN, ""))
        self.assertNotIn("correct-horse", done.stderr)


