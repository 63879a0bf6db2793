"""The real exporter as a process, peers made of a function, and the other daemons of the ecosystem."""

import atexit
import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import threading
import time
import urllib.parse

import peers
from exposition import ALWAYS, FAMILIES, promtool
from http_client import PATIENCE, PLAIN_TEXT, Connection
from probe import ProbeCase, environment

EXPORTER = os.environ["EXPORTER"]


class Exporter:
    """smtp_probe_exporter on a port of the kernel's choice, with the log that it writes. `config` is a YAML text
    or None. With `listens=False` nobody waits for it to be ready."""

    def __init__(self, *flags, config=None, listens=True, scheme="http", prefix="", env=None, program=EXPORTER, **how):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="smtp-probe-exporter-"))
        self.config_file = self.folder / "smtp_probe.yml"
        self.prefix = prefix
        words = [str(program), "--web.listen-address", "127.0.0.1:0", *map(str, flags)]
        if config is not None:
            self.config_file.write_text(config)
            words += ["--config.file", str(self.config_file)]
        self.process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True, errors="surrogateescape",
                                        env=env or environment(), **how)
        atexit.register(self.kill)  # also when the tests are interrupted
        self.lines = []
        self.stdout = ""
        self.readers = [threading.Thread(target=self._read_log, daemon=True),
                        threading.Thread(target=self._read_stdout, daemon=True)]
        for one in self.readers:
            one.start()
        self.addresses = []
        if not listens:
            return
        try:
            peers.wait_until(lambda: self.listening() or self.process.poll() is not None, "no `listening` in the log")
            if not self.addresses:
                raise RuntimeError(f"the exporter ended with {self.process.wait()}: {self.log()}")
            if scheme == "http":
                peers.wait_until(lambda: self.get("/-/ready").status == 200, "not ready: " + self.log())
        except BaseException:
            self.kill()
            raise

    def _read_log(self):
        for line in self.process.stderr:
            self.lines.append(line)

    def _read_stdout(self):
        self.stdout = self.process.stdout.read()

    def listening(self):
        said = [re.search(r'"?address"?[=:] ?"?([^\s"}]+):(\d+)', line) for line in list(self.lines)
                if re.search(r'msg"?[=:] ?"?listening\b', line)]
        self.addresses = [(one[1].strip("[]"), int(one[2])) for one in said if one]
        return self.addresses

    @property
    def address(self):
        return self.addresses[0]

    @property
    def url(self):
        return f"http://{self.address[0]}:{self.address[1]}{self.prefix}"

    def log(self):
        return "".join(self.lines)

    def connect(self, **how):
        return Connection(self.address, **how)

    def request(self, path, method="GET", headers=(), body=b"", **how):
        """One request on a connection of its own."""
        with self.connect(**how) as connection:
            return connection.request(self.prefix + path, method, [*headers, ("Connection", "close")], body)

    def get(self, path, **how):
        return self.request(path, **how)

    def probe(self, target, module=None, timeout=None, **more):
        """GET /probe?target=TARGET&module=MODULE&...; `timeout` is Prometheus' header."""
        asked = {"target": target} | ({"module": module} if module else {}) | more
        headers = [("X-Prometheus-Scrape-Timeout-Seconds", timeout)] if timeout is not None else []
        return self.get("/probe?" + urllib.parse.urlencode(asked), headers=headers)

    def metrics(self):
        return self.get("/metrics").metrics

    def own(self, name, **labels):
        return self.metrics().sum("smtp_probe_exporter_" + name, **labels)

    def resident_kib(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1])

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def signal(self, number):
        self.process.send_signal(number)

    def wait(self, seconds=PATIENCE):
        """The exit code, all output read."""
        code = self.process.wait(seconds)
        for one in self.readers:
            one.join(seconds)
        return code

    def stop(self):
        """By SIGTERM, as systemd does: its exit code."""
        self.process.send_signal(signal.SIGTERM)
        code = self.wait()
        self.kill()
        return code

    def kill(self):
        atexit.unregister(self.kill)
        if self.process.poll() is None:
            self.process.kill()
        self.wait()
        self.process.stdout.close()
        self.process.stderr.close()
        shutil.rmtree(self.folder, ignore_errors=True)


class ExporterCase(ProbeCase):

    def start(self, *flags, **how):
        exporter = Exporter(*flags, **how)
        self.addCleanup(self.finish, exporter)
        return exporter

    def finish(self, exporter):
        """Every exporter of these tests drains and ends well, and has nothing for stdout."""
        if exporter.process.poll() is None:
            exporter.signal(signal.SIGTERM)
            try:
                code = exporter.wait()
            except subprocess.TimeoutExpired:
                exporter.kill()
                self.fail("SIGTERM did not end it: " + exporter.log())
            self.assertEqual(code, 0, exporter.log())
        exporter.kill()
        self.assertEqual(exporter.stdout, "")

    def run_once(self, *arguments, timeout=PATIENCE, **how):
        """The exporter as a command that ends by itself."""
        began = time.monotonic()
        done = subprocess.run([EXPORTER, *map(str, arguments)], stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=timeout, env=environment(), check=False, **how)
        done.seconds = time.monotonic() - began
        return done

    def assert_clean(self, text):
        """promtool has nothing to say about the exposition."""
        self.assertEqual(promtool("check", "metrics", stdin=text), (0, ""), text)

    def assert_refused(self, answer, status, *words):
        """A refusal is one line or some of plain text that says why."""
        self.assertEqual((answer.status, answer.header("content-type")), (status, PLAIN_TEXT), answer.body)
        self.assertTrue(answer.text.strip())
        self.assertEqual([c for c in answer.text if ord(c) < 32 and c != "\n"], [])
        for word in words:
            self.assertIn(word, answer.text)

    def assert_exposed(self, metrics, state, failure=None):
        """What holds for the metrics of every probe."""
        text = metrics.text
        self.assertEqual(metrics.value("probe_smtp_state"), state, text)
        self.assertEqual(metrics.value("probe_success"), 1 if state < 2 else 0, text)
        self.assertEqual(metrics.failure, failure, text)
        self.assertEqual(metrics.families - FAMILIES, set(), text)
        self.assertEqual(ALWAYS - metrics.families, set(), text)
        self.assertEqual(set(metrics.types.values()), {"gauge"}, text)
        self.assertEqual(set(metrics.types), set(metrics.help), text)
        durations = metrics.by("probe_smtp_step_duration_seconds", "step")
        self.assertEqual(set(durations), set(metrics.by("probe_smtp_step_reply_code", "step")), text)
        self.assertGreaterEqual(min(durations.values()), 0, text)
        # Sixteen digits are printed of each.
        self.assertLessEqual(sum(durations.values()), metrics.value("probe_duration_seconds") + 1e-9, text)
        return metrics


class Listener:
    """A peer made of a function: `serve(socket)` runs in a thread for each connection. Counts those that are open
    at the same time."""

    def __init__(self, serve, context=None, address=("127.0.0.1", 0)):
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.listener = socket.create_server(address, family=family, backlog=4096)
        self.port = self.listener.getsockname()[1]
        self.target = f"127.0.0.1:{self.port}"
        self.serve = serve
        self.context = context
        self.lock = threading.Lock()
        self.taken = []
        self.open = self.most = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                one = self.listener.accept()[0]
            except OSError:
                return
            with self.lock:
                self.taken.append(one)
                self.open += 1
                self.most = max(self.most, self.open)
            threading.Thread(target=self._serve, args=(one,), daemon=True).start()

    def _serve(self, one):
        try:
            one.settimeout(PATIENCE)
            with self.context.wrap_socket(one, server_side=True) if self.context else contextlib.nullcontext(one) as end:
                self.serve(end)
        except (OSError, ValueError):
            pass
        finally:
            with self.lock:
                self.open -= 1
            try:
                one.close()
            except OSError:
                pass

    def close(self):
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.listener.close()
        with self.lock:
            for one in self.taken:
                try:
                    one.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass


def silent(connection):
    """Says nothing until the client goes."""
    while connection.recv(4096):
        pass


def talking(pause=0.0, banner="220 mx.test ESMTP", ehlo="250 mx.test"):
    """A server for a plain EHLO and QUIT that takes `pause` before its banner."""
    def serve(connection):
        lines = connection.makefile("rb")
        time.sleep(pause)
        connection.sendall(banner.encode() + b"\r\n")
        for line in lines:
            quits = line.upper().startswith(b"QUIT")
            connection.sendall(b"221 bye\r\n" if quits else ehlo.encode() + b"\r\n")
            if quits:
                return
    return serve


def talking_tls(context, pause=0.0):
    """The same with STARTTLS."""
    def serve(connection):
        lines = connection.makefile("rb")
        time.sleep(pause)
        connection.sendall(b"220 mx.test ESMTP\r\n")
        for line in lines:
            if line.upper().startswith(b"QUIT"):
                connection.sendall(b"221 bye\r\n")
                return
            if line.upper().startswith(b"STARTTLS"):
                connection.sendall(b"220 go ahead\r\n")
                break
            connection.sendall(b"250-mx.test\r\n250 STARTTLS\r\n")
        else:
            return
        with context.wrap_socket(connection, server_side=True) as secured, secured.makefile("rb") as lines:
            for line in lines:
                quits = line.upper().startswith(b"QUIT")
                secured.sendall(b"221 bye\r\n" if quits else b"250 mx.test\r\n")
                if quits:
                    return
    return serve


def server_context(certificates, name="server"):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates / f"{name}.pem", certificates / f"{name}.key")
    return context


class Service:
    """Another daemon of the ecosystem (Prometheus, the Pushgateway) on a port of the kernel's choice; `words` name
    127.0.0.1:0, and the log tells which port it became."""

    def __init__(self, *words):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="smtp-probe-service-"))
        self.process = subprocess.Popen([str(word).replace("@FOLDER@", str(self.folder)) for word in words],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                        text=True, cwd=self.folder, env=environment())
        atexit.register(self.stop)
        self.lines = []
        self.port = None
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        try:
            peers.wait_until(lambda: self.port or self.process.poll() is not None, "no port in the log", PATIENCE)
            if not self.port:
                raise RuntimeError("".join(self.lines))
        except BaseException:
            self.stop()
            raise
        self.address = ("127.0.0.1", self.port)
        self.url = f"http://127.0.0.1:{self.port}"

    def _read(self):
        for line in self.process.stderr:
            self.lines.append(line)
            match = re.search(r'msg="Listening on" address=127\.0\.0\.1:(\d+)', line)
            if match:
                self.port = int(match[1])

    def request(self, path, method="GET", headers=(), body=b""):
        with Connection(self.address) as connection:
            return connection.request(path, method, [*headers, ("Connection", "close")], body)

    def json(self, path):
        answer = self.request(path)
        assert answer.status == 200, answer
        return json.loads(answer.text)

    def stop(self):
        atexit.unregister(self.stop)
        peers.end(self.process)
        self.reader.join(20)
        self.process.stderr.close()
        shutil.rmtree(self.folder, ignore_errors=True)
