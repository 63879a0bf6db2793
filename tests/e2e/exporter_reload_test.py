"""A reload never makes the exporter deaf: not many of them, not a file that blocks or has no end."""

import os
import pathlib
import signal
import socket
import threading
import time

import peers
from exporter import ExporterCase
from http_client import PATIENCE
from probe import SANITIZED

AT_ONCE = 5 if SANITIZED else 2
BUNDLE = pathlib.Path("/etc/ssl/certs/ca-certificates.crt")
POST = "POST /-/reload HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"


def fifo_at(path):
    """In the place of the file that was there."""
    path = pathlib.Path(path)
    path.unlink(missing_ok=True)
    os.mkfifo(path)


class ReloadCase(ExporterCase):

    def flood(self, exporter, count):
        connections = [exporter.connect(seconds=60) for _ in range(count)]
        for one in connections:
            self.addCleanup(one.close)
            one.send(POST)
        return connections

    def assert_answers_at_once(self, exporter):
        began = time.monotonic()
        self.assertEqual(exporter.get("/-/healthy").status, 200)
        self.assertLess(time.monotonic() - began, AT_ONCE)

    def assert_ends_at_once(self, exporter, seconds=AT_ONCE):
        exporter.signal(signal.SIGTERM)
        began = time.monotonic()
        peers.wait_until(lambda: "draining" in exporter.log(), "no draining", seconds)
        self.assertEqual(exporter.wait(), 0)
        self.assertLess(time.monotonic() - began, seconds + 3)


class Flood(ReloadCase):

    def bundles(self):
        """20 modules of which each names a bundle of authorities."""
        bundle = BUNDLE
        if not bundle.exists():
            self.skipTest(f"no {BUNDLE}")
        return "modules:\n" + "".join(f"  m{at}: {{tls: {{mode: starttls, verify: require, ca_file: {bundle}}}}}\n"
                                      for at in range(20))

    def test_new_connections_and_the_end(self):
        exporter = self.start(config=self.bundles())
        self.flood(exporter, 60)
        for _ in range(5):
            self.assert_answers_at_once(exporter)
        self.flood(exporter, 20)
        self.assert_ends_at_once(exporter)

    def test_are_merged(self):
        """All get an answer, after one that ran already and one for all that came meanwhile."""
        exporter = self.start(config=self.bundles())
        connections = self.flood(exporter, 60)
        self.assertEqual([one.answer().status for one in connections], [200] * 60)
        self.assertLessEqual(exporter.log().count('msg="configuration loaded"'), 8)

    def test_sees_what_was_changed_before(self):
        """One that was asked for while another ran reads what is there then."""
        exporter = self.start(config=self.bundles())
        for at in range(5):
            first = self.flood(exporter, 3)
            time.sleep(0.05 * at)
            exporter.config_file.write_text(self.bundles() + f"  new{at}: {{}}\n")
            self.assertEqual(exporter.request("/-/reload", "POST").status, 200)
            self.assertIn(f"  new{at}:", exporter.get("/config").text)
            for one in first:
                one.answer()

    def test_signals_meanwhile(self):
        exporter = self.start(config=self.bundles())
        for _ in range(10):
            exporter.signal(signal.SIGHUP)
            time.sleep(0.02)
        self.assert_answers_at_once(exporter)
        self.assert_ends_at_once(exporter)


class Blocking(ReloadCase):
    """A FIFO in a file's place blocks whoever opens it without O_NONBLOCK."""

    def assert_survives(self, exporter, path, word="regular file"):
        kept = pathlib.Path(path).read_bytes()
        fifo_at(path)
        for connection in self.flood(exporter, 3):
            answer = connection.answer()
            self.assertEqual(answer.status, 500)
            self.assertIn(word, answer.text)
        exporter.signal(signal.SIGHUP)
        self.assert_answers_at_once(exporter)
        pathlib.Path(path).unlink()
        pathlib.Path(path).write_bytes(kept)
        peers.wait_until(lambda: exporter.request("/-/reload", "POST").status == 200, "does not come back")
        fifo_at(path)
        exporter.signal(signal.SIGHUP)
        self.assert_ends_at_once(exporter)
        pathlib.Path(path).unlink()
        pathlib.Path(path).write_bytes(kept)

    def test_configuration(self):
        exporter = self.start(config="modules: {}\n")
        self.assert_survives(exporter, exporter.config_file)

    def test_files_it_names(self):
        certificates = peers.write_certificates(self.folder / "reload-certificates")
        password, token, body = (self.file(name, "secret") for name in ("password", "token", "body"))
        pem, key, ca = certificates / "client.pem", certificates / "client.key", certificates / "ca.pem"
        config = (f"modules:\n  a: {{tls: {{mode: implicit, ca_file: {ca}, cert_file: {pem}, key_file: {key}}},"
                  f" auth: {{username: u, password_file: {password}, targets: [mx.test]}}}}\n"
                  f"  b: {{tls: {{mode: starttls}}, auth: {{username: u, mechanism: XOAUTH2, token_file: {token},"
                  f" targets: [mx.test]}}}}\n")
        for path in (password, token, ca, pem, key):
            with self.subTest(path):
                self.assert_survives(self.start(config=config), path)

    def test_web_configuration(self):
        certificates = peers.write_certificates(self.folder / "web-certificates")
        pem, key = certificates / "server.pem", certificates / "server.key"
        web = self.file("reload-web.yml", "http_server_config: {headers: {X-Frame-Options: deny}}\n")
        exporter = self.start("--web.config.file", web)
        fifo_at(web)
        peers.wait_until(lambda: self.assert_answers_at_once(exporter) or "regular file" in exporter.log(), "not seen")
        self.assertEqual(exporter.get("/-/healthy").header("x-frame-options"), "deny")
        self.assert_ends_at_once(exporter)
        for path in (pem, key):
            kept = path.read_bytes()
            web = self.file("reload-tls.yml", f"tls_server_config: {{cert_file: {pem}, key_file: {key}}}\n")
            exporter = self.start("--web.config.file", web, scheme="https")
            fifo_at(path)
            deadline = time.monotonic() + PATIENCE
            while "regular file" not in exporter.log() and time.monotonic() < deadline:
                with exporter.connect() as connection:
                    connection.send(b"x")
                time.sleep(0.1)
            self.assertIn("regular file", exporter.log())
            self.assert_ends_at_once(exporter)
            path.unlink()
            path.write_bytes(kept)

    def test_at_the_start(self):
        """And what else is no file: one that has no end, one that would be a gigabyte."""
        fifo = self.folder / "start.fifo"
        fifo_at(fifo)
        socket_path = self.folder / "start.socket"
        listener = socket.socket(socket.AF_UNIX)
        self.addCleanup(listener.close)
        listener.bind(str(socket_path))
        large = self.folder / "large"
        with open(large, "wb") as file:
            file.truncate(1 << 30)
        for path, word in ((fifo, "regular file"), ("/dev/zero", "regular file"), (socket_path, "regular file"),
                           (self.folder, "is a directory"), (large, "over 1048576 bytes")):
            for flags in (("--config.check",), ("--web.listen-address", "127.0.0.1:0")):
                with self.subTest((path, flags)):
                    done = self.run_once("--config.file", path, *flags, timeout=10)
                    self.assertEqual(done.returncode, 1, done)
                    self.assertIn(word, done.stderr)
                    done = self.run_once("--web.config.file", path, *flags, timeout=10)
                    self.assertEqual(done.returncode, 1, done)
                    self.assertIn(word, done.stderr)

    def test_swapped_all_the_time(self):
        """No moment between a look at the file and its opening."""
        exporter = self.start(config="modules: {}\n")
        good, fifo = self.file("good.yml", "modules: {}\n"), self.folder / "swap.fifo"
        end = time.monotonic() + 3

        def swap():
            while time.monotonic() < end:
                for source in (fifo, good):
                    new = self.folder / "new.link"
                    new.unlink(missing_ok=True)
                    new.symlink_to(source)
                    new.rename(exporter.config_file)

        fifo_at(fifo)
        swapping = threading.Thread(target=swap)
        swapping.start()
        statuses = set()
        while time.monotonic() < end:
            statuses.add(exporter.request("/-/reload", "POST").status)
        swapping.join()
        self.assertEqual(statuses, {200, 500})

    def test_symbolic_links(self):
        """As Kubernetes and systemd have them."""
        folder = self.folder / "volume"
        (folder / "..2026").mkdir(parents=True)
        (folder / "..data").symlink_to("..2026")
        (folder / "..2026" / "smtp-probe.yml").write_text("modules: {linked: {}}\n")
        (folder / "smtp-probe.yml").symlink_to("..data/smtp-probe.yml")
        exporter = self.start("--config.file", folder / "smtp-probe.yml")
        self.assertEqual(exporter.request("/-/reload", "POST").status, 200)
        self.assertIn("linked", exporter.get("/config").text)


class Disabled(ReloadCase):

    def test_by_http_alone(self):
        exporter = self.start("--web.disable-reload", config="modules: {one: {}}\n")
        for method in ("POST", "PUT"):
            answer = exporter.request("/-/reload", method)
            self.assert_refused(answer, 403, "--web.disable-reload")
        self.assertEqual(exporter.get("/-/reload").status, 405)
        exporter.config_file.write_text("modules: {two: {}}\n")
        self.assertEqual(exporter.request("/-/reload", "POST").status, 403)
        self.assertNotIn("two", exporter.get("/config").text)
        exporter.signal(signal.SIGHUP)
        peers.wait_until(lambda: "two" in exporter.get("/config").text, "not reloaded by SIGHUP")
