"""A headless Chromium, told what to do over its DevTools protocol: JSON on a WebSocket (RFC 6455), of which a few
lines are enough when both ends are on the loopback."""

import atexit
import base64
import json
import os
import pathlib
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time
import urllib.request

import peers
from probe import environment


class WebSocket:
    """A client's end: text frames, no extensions."""

    def __init__(self, host, port, path, seconds=60):
        self.socket = socket.create_connection((host, port), seconds)
        key = base64.b64encode(os.urandom(16)).decode()
        self.socket.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\n"
                            f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
                            "\r\n".encode())
        self.stream = self.socket.makefile("rb")
        status = self.stream.readline()
        if b" 101 " not in status:
            raise ConnectionError(status)
        while self.stream.readline().strip():
            pass

    def send(self, text):
        data = text.encode()
        size = bytes([0x80 | len(data)]) if len(data) < 126 else (
            b"\xfe" + struct.pack(">H", len(data)) if len(data) < 65536 else b"\xff" + struct.pack(">Q", len(data)))
        # The mask is there for proxies that do not know WebSocket; zeros mask nothing.
        self.socket.sendall(b"\x81" + size + b"\0\0\0\0" + data)

    def receive(self):
        """The next text message, put together of its frames."""
        message = b""
        while True:
            head, size = self.stream.read(2)
            size &= 0x7f
            if size >= 126:
                size = int.from_bytes(self.stream.read(2 if size == 126 else 8), "big")
            data = self.stream.read(size)
            kind = head & 0x0f
            if kind == 8:
                raise ConnectionError("the browser closed")
            if kind in (0, 1):
                message += data
                if head & 0x80:
                    return message.decode()

    def close(self):
        self.stream.close()
        self.socket.close()


class Chromium:
    """One browser with one page. Everything that it would fetch by itself is switched off."""

    FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-dev-shm-usage",
             "--no-first-run", "--no-default-browser-check", "--disable-background-networking",
             "--disable-component-update", "--disable-sync", "--disable-extensions", "--disable-default-apps", "--disable-domain-reliability",
             "--disable-client-side-phishing-detection", "--disable-features=OptimizationHints,MediaRouter,Translate",
             "--metrics-recording-only", "--mute-audio", "--hide-scrollbars", "--force-color-profile=srgb",
             "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1", "--remote-debugging-port=0", "about:blank")

    def __init__(self, width=1100, height=900):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="smtp-probe-chromium-"))
        self.process = subprocess.Popen(
            ["chromium", f"--user-data-dir={self.folder}", f"--window-size={width},{height}", *self.FLAGS],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
            env=environment(HOME=str(self.folder)))
        atexit.register(self.stop)
        self.web = None
        self.last = 0
        self.events = []
        try:
            port_file = self.folder / "DevToolsActivePort"
            peers.wait_until(lambda: port_file.exists() and port_file.read_text().count("\n"), "no DevTools port", 60)
            port = int(port_file.read_text().split("\n")[0])
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list", timeout=20) as listed:
                (page,) = [one for one in json.load(listed) if one["type"] == "page"]
            self.web = WebSocket("127.0.0.1", port, f"/devtools/page/{page['id']}")
            for domain in ("Page", "Runtime", "Network", "Log"):
                self.call(f"{domain}.enable")
        except BaseException:
            self.stop()
            raise

    def _next(self):
        message = json.loads(self.web.receive())
        if "method" in message:
            self.events.append((message["method"], message["params"]))
            if message["method"] == "Page.javascriptDialogOpening":
                self.call("Page.handleJavaScriptDialog", accept=True)
        return message

    def call(self, method, **parameters):
        self.last += 1
        number = self.last
        self.web.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            message = self._next()
            if message.get("id") == number:
                if "error" in message:
                    raise RuntimeError(f"{method}: {message['error']}")
                return message["result"]

    def seen(self, method):
        """The parameters of all events of that kind so far."""
        return [parameters for name, parameters in self.events if name == method]

    def loaded(self, act, seconds=60):
        """Does `act` and waits for the page that it leads to."""
        before = len(self.seen("Page.loadEventFired"))
        act()
        end = time.monotonic() + seconds
        while len(self.seen("Page.loadEventFired")) == before:
            if time.monotonic() > end:
                raise TimeoutError("no page was loaded")
            self._next()

    def open(self, url):
        self.loaded(lambda: self.call("Page.navigate", url=url))

    def run(self, script):
        """The value of a JavaScript expression in the page."""
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(f"{script}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def size(self, width, height, mobile=False):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=mobile)

    def scheme(self, name):
        """light or dark"""
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": name}])

    def screenshot(self, path):
        """The whole page, however long."""
        shot = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(base64.b64decode(shot["data"]))

    def stop(self):
        atexit.unregister(self.stop)
        if self.web:
            try:
                self.call("Browser.close")
            except (OSError, ConnectionError, ValueError, RuntimeError):
                pass
            self.web.close()
        try:
            self.process.wait(10 if self.web else 0.1)
        except subprocess.TimeoutExpired:
            # Its own session: the wrapper's children are in it, and nobody else.
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)
