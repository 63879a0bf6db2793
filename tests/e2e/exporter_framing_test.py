"""Where a request begins and ends, and what of it counts (RFC 9110, 9112), for the exporter's HTTP server."""

import base64
import crypt
import json
import re
import socket
import threading
import time

import peers
from exporter import ExporterCase, Listener, silent, talking
from exporter_http_test import HEADER_TIMEOUT, query
from exposition import promtool
from probe import CRITICAL, OK

MODULES = "modules: {plain: {tls: {mode: off}, helo: probe.test}, short: {tls: {mode: off}, timeout: 2s}}\n"
LOGIN = "Basic " + base64.b64encode(b"alice:correct horse").decode()


class FramingCase(ExporterCase):

    def setUp(self):
        super().setUp()
        self.exporter = self.start(config=MODULES)

    def said(self, data, exporter=None, ends=False):
        """All that the exporter answers until it closes; `ends` closes our direction first."""
        with (exporter or self.exporter).connect() as connection:
            connection.send(data)
            if ends:
                connection.socket.shutdown(socket.SHUT_WR)
            return connection.everything()

    def assert_refused_once(self, status, data):
        """With one answer, that ends the connection: nothing of what follows is a request."""
        said = self.said(data + b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n")
        self.assertTrue(said.startswith(b"HTTP/1.1 %d " % status), said)
        self.assertEqual(len(re.findall(rb"HTTP/1\.[01] \d", said)), 1, said)
        self.assertIn(b"Connection: close", said)


class Trailers(FramingCase):

    def chunked(self, *headers, trailer=(), size=3):
        lines = ["GET /-/healthy HTTP/1.1", "Host: x", "Transfer-Encoding: chunked", *headers, ""]
        return "\r\n".join([*lines, f"{size:x}", "a" * size, "0", *trailer, "", ""]).encode()

    def test_are_no_header_fields(self):
        web = {"basic_auth_users": {"alice": crypt.crypt("correct horse", "$2y$05$abcdefghijklmnopqrstuu")}}
        exporter = self.start("--web.config.file", self.file("web.yml", json.dumps(web)), scheme="https")
        with exporter.connect() as connection:
            for trailer, status in ((["Authorization: " + LOGIN], 401), ([], 401)):
                connection.send(self.chunked(trailer=trailer))
                self.assertEqual(connection.answer().status, status, trailer)
            connection.send(self.chunked("Authorization: " + LOGIN, trailer=["Authorization: Basic x"]))
            self.assertEqual(connection.answer().status, 200)
            # Byte by byte it is the same.
            for byte in self.chunked(trailer=["Authorization: " + LOGIN]):
                connection.send(bytes([byte]))
            self.assertEqual(connection.answer().status, 401)

    def test_change_nothing(self):
        with self.exporter.connect() as connection:
            connection.send(self.chunked(trailer=["Connection: close", "X-Prometheus-Scrape-Timeout-Seconds: 0"]))
            self.assertEqual(connection.answer().status, 200)
            self.assertEqual(connection.request("/-/healthy").status, 200)
        # A Host that comes too late is none.
        self.assert_refused_once(400, b"GET /-/healthy HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nHost: x\r\n\r\n")


class Codings(FramingCase):

    def coded(self, codings, version="1.1"):
        lines = "".join(f"Transfer-Encoding: {one}\r\n" for one in codings)
        return f"POST /-/reload HTTP/{version}\r\nHost: x\r\n{lines}\r\n3\r\nabc\r\n0\r\n\r\n".encode()

    def test_unknown(self):
        for codings in (["gzip, chunked"], ["gzip", "chunked"], ["identity, chunked"], ["x-y;q=1, chunked"]):
            with self.subTest(codings):
                self.assert_refused_once(501, self.coded(codings))

    def test_without_an_end(self):
        for codings in (["gzip"], ["chunked, gzip"], ["chunked, chunked"], ["chunked", "chunked"], ["xchunked"], [""],
                        ["chunked", "gzip"], ["chunked gzip"], ["chunked;a=b"], ["chunked, @"]):
            with self.subTest(codings):
                self.assert_refused_once(400, self.coded(codings))

    def test_chunked_alone(self):
        for coding in ("chunked", "Chunked", " chunked "):
            with self.exporter.connect() as connection:
                connection.send(self.coded([coding]))
                self.assertEqual(connection.answer().status, 200)

    def test_http_1_0(self):
        data = self.coded(["chunked"], "1.0").replace(b"\r\n\r\n3", b"\r\nConnection: keep-alive\r\n\r\n3")
        self.assert_refused_once(400, data)

    def test_length_too(self):
        for order in ("Content-Length: 3\r\nTransfer-Encoding: chunked", "Transfer-Encoding: chunked\r\nContent-Length: 3"):
            self.assert_refused_once(400, f"POST /-/reload HTTP/1.1\r\nHost: x\r\n{order}\r\n\r\n3\r\nabc\r\n0\r\n\r\n".encode())


class Expect(FramingCase):

    HEAD = "POST /-/reload HTTP/1.1\r\nHost: x\r\nExpect: {}\r\n"

    def test_continue(self):
        for framing, body in (("Content-Length: 3\r\n\r\n", "abc"),
                              ("Transfer-Encoding: chunked\r\n\r\n", "3\r\nabc\r\n0\r\n\r\n")):
            for value in ("100-continue", "100-Continue"):
                with self.subTest((framing, value)), self.exporter.connect() as connection:
                    connection.send(self.HEAD.format(value) + framing)
                    self.assertEqual(connection.answer("HEAD").status, 100)
                    connection.send(body)
                    self.assertEqual(connection.answer().status, 200)
                    self.assertEqual(connection.request("/-/healthy").status, 200)

    def test_without_need(self):
        """The body is there already, or there is none."""
        for rest in ("Content-Length: 3\r\n\r\nabc", "\r\n"):
            with self.exporter.connect() as connection:
                connection.send(self.HEAD.format("100-continue") + rest)
                self.assertEqual(connection.answer().status, 200)
        said = self.said(b"POST /-/reload HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc")
        self.assertTrue(said.startswith(b"HTTP/1.0 200 "), said)

    def test_refused(self):
        """With the final answer alone."""
        self.assert_refused_once(417, self.HEAD.format("a-miracle").encode() + b"Content-Length: 3\r\n\r\nabc")
        self.assert_refused_once(413, self.HEAD.format("100-continue").encode() + b"Content-Length: 99999\r\n\r\n")


class Late(FramingCase):

    def test_answers(self):
        """A request that does not arrive in time is answered with 408, on a connection that nobody used just closed."""
        late = {}

        def wait(name, data):
            with self.exporter.connect() as connection:
                connection.send(data)
                began = time.monotonic()
                late[name] = (connection.everything(), time.monotonic() - began)

        threads = [threading.Thread(target=wait, args=one) for one in {
            "line": b"GET /", "header": b"GET / HTTP/1.1\r\nHost: x\r\n",
            "body": b"POST /-/reload HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nabc", "nothing": b"",
            "second": b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\nGET /"}.items()]
        for one in threads:
            one.start()
        for one in threads:
            one.join()
        self.assertEqual(late.pop("nothing")[0], b"")
        first, rest = late["second"][0].split(b"healthy\n")
        self.assertTrue(first.startswith(b"HTTP/1.1 200 "))
        late["second"] = rest, late["second"][1]
        for name, (said, seconds) in late.items():
            with self.subTest(name):
                self.assertTrue(said.startswith(b"HTTP/1.1 408 "), said)
                self.assertIn(b"Connection: close", said)
                self.assertTrue(HEADER_TIMEOUT * 0.8 <= seconds <= HEADER_TIMEOUT + 6, seconds)


class HalfClosed(FramingCase):
    """A client that has said all it has to say, and waits for the answer (RFC 9112 section 9.6)."""

    def test_gets_its_answer(self):
        server = Listener(talking(pause=1.5))
        self.addCleanup(server.close)
        for version in ("1.0", "1.1"):
            for path, begin in (("/-/healthy", b"healthy"), (query(target=server.target, module="plain"), b"# HELP")):
                with self.subTest((version, path)):
                    request = f"GET {path} HTTP/{version}\r\nHost: x\r\n\r\n".encode()
                    head, body = self.said(request, ends=True).split(b"\r\n\r\n", 1)
                    self.assertTrue(head.startswith(f"HTTP/{version} 200 ".encode()), head)
                    self.assertIn(b"Content-Length: %d\r\n" % len(body), head + b"\r\n")
                    self.assertTrue(body.startswith(begin), body)

    def test_head_and_gzip(self):
        server = Listener(talking(pause=1))
        self.addCleanup(server.close)
        path = query(target=server.target, module="plain")
        head = self.said(f"HEAD {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode(), ends=True)
        self.assertTrue(head.startswith(b"HTTP/1.1 200 OK\r\n") and head.endswith(b"\r\n\r\n"), head)
        with self.exporter.connect() as connection:
            connection.send(f"GET {path} HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\n\r\n")
            connection.socket.shutdown(socket.SHUT_WR)
            answer = connection.answer()
            self.assertEqual(answer.header("content-encoding"), "gzip")
            self.assert_exposed(answer.metrics, OK)

    def test_late_end(self):
        """Some time after the request, and of a probe that fails at its deadline."""
        server = Listener(silent)
        self.addCleanup(server.close)
        with self.exporter.connect() as connection:
            connection.send(f"GET {query(target=server.target, module='short')} HTTP/1.1\r\nHost: x\r\n\r\n")
            peers.wait_until(lambda: server.open == 1, "not probed")
            connection.socket.shutdown(socket.SHUT_WR)
            self.assert_exposed(connection.answer().metrics, CRITICAL, ("banner", "timeout"))

    def test_all_of_several(self):
        server = Listener(talking(pause=1.2))
        self.addCleanup(server.close)
        one = f"GET {query(target=server.target, module='plain')} HTTP/1.1\r\nHost: x\r\n\r\n"
        for apart in (False, True):
            with self.subTest(apart), self.exporter.connect() as connection:
                if apart:
                    connection.send(one)
                    time.sleep(0.3)
                connection.send(one * (2 if apart else 3))
                connection.socket.shutdown(socket.SHUT_WR)
                for _ in range(3):
                    self.assert_exposed(connection.answer().metrics, OK)

    def test_that_closes_after_all(self):
        """Then nobody reads the answer, and the probe ends."""
        server = Listener(silent)
        self.addCleanup(server.close)
        with self.exporter.connect() as connection:
            connection.send(f"GET {query(target=server.target, module='plain')} HTTP/1.1\r\nHost: x\r\n\r\n")
            peers.wait_until(lambda: server.open == 1, "not probed")
            connection.socket.shutdown(socket.SHUT_WR)
            time.sleep(0.5)
            self.assertEqual(server.open, 1)
        peers.wait_until(lambda: server.open == 0, "the probe goes on", 3)


class NoSniff(FramingCase):

    def test_every_answer(self):
        for data in (b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", b"GET /metrics HTTP/1.0\r\n\r\n",
                     b"GET /nope HTTP/1.0\r\n\r\n", b"POST / HTTP/1.0\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n",
                     b"nonsense\r\n\r\n", b"HEAD /config HTTP/1.0\r\n\r\n", b"GET / HTTP/3.0\r\n\r\n",
                     b"GET / HTTP/1.1\r\nX: " + b"y" * 20000 + b"\r\n\r\n"):
            with self.subTest(data[:40]):
                self.assertEqual(self.said(data).count(b"X-Content-Type-Options: nosniff\r\n"), 1)
        web = self.file("headers.yml", json.dumps({"http_server_config": {"headers": {"X-Content-Type-Options": "nosniff"}}}))
        self.assertEqual(promtool("check", "web-config", web)[0], 0)
        exporter = self.start("--web.config.file", web)
        self.assertEqual(exporter.get("/-/healthy").header("x-content-type-options"), "nosniff")
