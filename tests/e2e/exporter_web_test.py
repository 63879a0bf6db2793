"""The exporter behind --web.config.file: TLS with certificates that change, client certificates, passwords, headers."""

import base64
import concurrent.futures
import crypt
import json
import os
import pathlib
import shutil
import ssl
import time
import urllib.parse

import peers
from exporter import ExporterCase, Listener, silent, talking
from exposition import EXPOSITION, promtool
from probe import BUSY, OK, environment

ROOT = pathlib.Path(os.environ["TRANSCRIPTS"]).parents[1]
USERS = {"alice": "correct horse", "bob": "p\u00e4ss:w\u00f6rd"}


def bcrypt(password, prefix="$2y$", rounds=5):
    return crypt.crypt(password, f"{prefix}{rounds:02}$" + "abcdefghijklmnopqrstuu")


def basic(user, password):
    return [("Authorization", "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode())]


class WebCase(ExporterCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.certificates = peers.write_certificates(cls.folder / "certificates")
        cls.users = {user: bcrypt(password) for user, password in USERS.items()}

    def serve(self, web, *flags, scheme="https", **how):
        """An exporter with that web configuration, which promtool finds good, too."""
        self.web_file = self.file(f"web-{len(list(self.folder.iterdir()))}.yml", json.dumps(web))
        code, said = promtool("check", "web-config", self.web_file)
        self.assertEqual(code, 0, said)
        return self.start("--web.config.file", self.web_file, *flags, scheme=scheme, **how)

    def tls(self, name="server", **more):
        return {"cert_file": str(self.certificates / f"{name}.pem"), "key_file": str(self.certificates / f"{name}.key"),
                **more}

    def context(self, client=None, **versions):
        context = ssl.create_default_context(cafile=str(self.certificates / "ca.pem"))
        if client:
            context.load_cert_chain(self.certificates / f"{client}.pem", self.certificates / f"{client}.key")
        for name, value in versions.items():
            setattr(context, name, value)
        return context

    def get(self, exporter, path="/-/healthy", context=None, headers=(), server_name="mx.test"):
        return exporter.get(path, context=context or self.context(), headers=headers, server_name=server_name)


class Tls(WebCase):

    def test_serves(self):
        server = Listener(talking())
        self.addCleanup(server.close)
        exporter = self.serve({"tls_server_config": self.tls()},
                              config="modules: {plain: {tls: {mode: off}}}\n")
        for path in ("/", "/metrics", "/config", "/-/ready"):
            self.assertEqual(self.get(exporter, path).status, 200)
        with exporter.connect(context=self.context(), server_name="mx.test") as connection:
            self.assertIn(connection.socket.version(), ("TLSv1.2", "TLSv1.3"))
            for _ in range(3):
                answer = connection.request("/probe?" + urllib.parse.urlencode({"target": server.target,
                                                                                "module": "plain"}))
                self.assert_exposed(answer.metrics, OK)
            connection.send("GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n" * 3)
            self.assertEqual([connection.answer().status for _ in range(3)], [200] * 3)

    def test_speaks_no_plain_http(self):
        exporter = self.serve({"tls_server_config": self.tls()})
        with exporter.connect() as connection:
            connection.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            try:
                said = connection.everything()
            except ConnectionResetError:
                said = b""
            self.assertNotIn(b" 200 ", said)
        self.assertEqual(self.get(exporter).status, 200)

    def test_versions(self):
        exporter = self.serve({"tls_server_config": self.tls(min_version="TLS13")})
        old = self.context(maximum_version=ssl.TLSVersion.TLSv1_2)
        with self.assertRaises((ssl.SSLError, ConnectionError)):
            self.get(exporter, context=old)
        self.assertEqual(self.get(exporter).status, 200)
        exporter = self.serve({"tls_server_config": self.tls(max_version="TLS12")})
        with exporter.connect(context=self.context(), server_name="mx.test") as connection:
            self.assertEqual(connection.socket.version(), "TLSv1.2")

    def test_rotation(self):
        """New files are in force for new connections, without a reload; old connections go on."""
        for name in ("server", "rsa"):
            shutil.copy(self.certificates / f"{name}.pem", self.folder / f"{name}-copy.pem")
        pair = {end: self.folder / f"rotating.{end}" for end in ("pem", "key")}

        def put(name):
            for end, path in pair.items():
                new = self.folder / "new"
                shutil.copy(self.certificates / f"{name}.{end}", new)
                new.rename(path)

        def shown(connection):
            return ssl.DER_cert_to_PEM_cert(connection.socket.getpeercert(True))

        put("server")
        exporter = self.serve({"tls_server_config": {"cert_file": str(pair["pem"]), "key_file": str(pair["key"])}})
        with exporter.connect(context=self.context(), server_name="mx.test") as early:
            self.assertEqual(early.request("/-/healthy").status, 200)
            put("rsa")

            def rotated():
                with exporter.connect(context=self.context(), server_name="mx.test") as connection:
                    self.assertEqual(connection.request("/-/healthy").status, 200)
                    return shown(connection) != shown(early)

            peers.wait_until(rotated, "the old certificate is shown")
            self.assertEqual(early.request("/-/healthy").status, 200)
        # A bad pair: the last good one serves on, or nobody is served; it does not end.
        pair["key"].write_text("no key\n")
        time.sleep(0.1)
        try:
            self.get(exporter)
        except (ssl.SSLError, OSError):
            pass
        self.assertIsNone(exporter.process.poll())
        put("server")
        peers.wait_until(lambda: self.get(exporter).status == 200, "does not come back")

    def test_client_certificate(self):
        ca = str(self.certificates / "ca.pem")
        exporter = self.serve({"tls_server_config": self.tls(client_auth_type="RequireAndVerifyClientCert",
                                                             client_ca_file=ca)})
        self.assertEqual(self.get(exporter, context=self.context("client")).status, 200)
        for name in (None, "self-signed"):
            with self.subTest(name), self.assertRaises((ssl.SSLError, ConnectionError)):
                self.get(exporter, context=self.context(name))
        given = self.serve({"tls_server_config": self.tls(client_auth_type="VerifyClientCertIfGiven",
                                                          client_ca_file=ca)})
        for name in (None, "client"):
            self.assertEqual(self.get(given, context=self.context(name)).status, 200)
        with self.assertRaises((ssl.SSLError, ConnectionError)):
            self.get(given, context=self.context("self-signed"))

    def test_system_authorities_verify_clients(self):
        """Where no client_ca_file is given; SSL_CERT_FILE says which they are."""
        exporter = self.serve({"tls_server_config": self.tls(client_auth_type="RequireAndVerifyClientCert")},
                              env=environment(SSL_CERT_FILE=str(self.certificates / "ca.pem")))
        self.assertEqual(self.get(exporter, context=self.context("client")).status, 200)
        for name in (None, "self-signed"):
            with self.subTest(name), self.assertRaises((ssl.SSLError, ConnectionError)):
                self.get(exporter, context=self.context(name))
        # Those of this machine have signed none of ours.
        exporter = self.serve({"tls_server_config": self.tls(client_auth_type="VerifyClientCertIfGiven")})
        self.assertEqual(self.get(exporter).status, 200)
        with self.assertRaises((ssl.SSLError, ConnectionError)):
            self.get(exporter, context=self.context("client"))

    def test_settings_without_a_certificate_are_plain_http(self):
        exporter = self.serve({"tls_server_config": {"min_version": "TLS13", "curve_preferences": ["X25519"],
                                                     "cert_file": "", "key_file": ""}}, scheme="http")
        self.assertEqual(exporter.get("/-/healthy").status, 200)

    def test_handshakes_that_hang(self):
        """Hold up nobody, and are ended."""
        exporter = self.serve({"tls_server_config": self.tls()})
        hanging = [exporter.connect(seconds=60) for _ in range(50)]
        for one in hanging:
            self.addCleanup(one.close)
        hanging[0].send(b"\x16\x03\x01")
        self.assertEqual(self.get(exporter).status, 200)
        began = time.monotonic()
        self.assertTrue(hanging[0].closed())
        self.assertTrue(hanging[1].closed())
        self.assertLess(time.monotonic() - began, 10 + BUSY)  # the handshake has ten

    def test_hang_up_ends_the_probe(self):
        """close_notify is an alert of its own in TLS 1.2 and hidden in 1.3; the end of TCP is behind it."""
        quiet = Listener(silent)
        self.addCleanup(quiet.close)
        exporter = self.serve({"tls_server_config": self.tls()},
                              config="modules: {plain: {tls: {mode: off}, timeout: 60s}}\n")
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            with self.subTest(version):
                context = self.context(minimum_version=version, maximum_version=version)
                connection = exporter.connect(context=context, server_name="mx.test")
                connection.send(f"GET /probe?target={quiet.target}&module=plain HTTP/1.1\r\nHost: x\r\n\r\n")
                peers.wait_until(lambda: quiet.open == 1, "not probed")
                connection.socket.setblocking(False)
                try:
                    connection.socket.unwrap()
                except (ssl.SSLError, OSError):
                    pass  # the exporter's own close_notify is not there yet
                connection.close()
                peers.wait_until(lambda: quiet.open == 0, "the probe goes on", BUSY)


class Passwords(WebCase):

    def test_basic(self):
        exporter = self.serve({"basic_auth_users": self.users}, scheme="https")
        for user, password in USERS.items():
            for _ in range(2):
                self.assertEqual(exporter.get("/-/healthy", headers=basic(user, password)).status, 200)
        for headers in ((), basic("alice", "wrong"), basic("nobody", "correct horse"), basic("", ""),
                        basic("alice", ""),
                        basic("alice", self.users["alice"]), [("Authorization", "Basic !!!")],
                        [("Authorization", "Bearer " + USERS["alice"])], [("Authorization", "Basic")],
                        basic("alice", "correct horse\0x"), basic("alice", "x" * 5000)):
            with self.subTest(headers):
                for path in ("/", "/metrics", "/-/healthy", "/config", "/probe?target=127.0.0.1", "/nope"):
                    answer = exporter.get(path, headers=headers)
                    self.assertEqual(answer.status, 401, path)
                    self.assertRegex(answer.header("www-authenticate"), "^Basic")
                self.assertEqual(exporter.request("/-/reload", "POST", headers=headers).status, 401)
        log = exporter.log()
        for secret in (*USERS.values(), *self.users.values()):
            self.assertNotIn(secret, log)

    def test_time_tells_no_names(self):
        """A user that there is not takes as long as a wrong password, by the exporter's processor time."""
        users = {"alice": bcrypt("correct horse", rounds=10)}
        exporter = self.serve({"basic_auth_users": users})

        def spent(user):
            before = peers.cpu_seconds(exporter.process.pid)
            for at in range(7):
                self.assertEqual(exporter.get("/-/healthy", headers=basic(user, f"wrong{at}")).status, 401)
            return peers.cpu_seconds(exporter.process.pid) - before

        known, unknown = spent("alice"), spent("nobody")
        self.assertGreater(known, 0.05)
        self.assertTrue(0.33 < unknown / known < 3, (known, unknown))

    def test_invented_names_hold_up_nobody(self):
        """However expensive one user's hash is: at a cost of 18 each check would take half a minute."""
        expensive = "$2y$18$" + bcrypt("whatever")[7:]
        exporter = self.serve({"basic_auth_users": {"alice": bcrypt("correct horse"), "bob": expensive}})
        with concurrent.futures.ThreadPoolExecutor(3) as pool:
            strangers = [pool.submit(exporter.get, "/-/healthy", headers=basic(f"nobody{at}", "x")) for at in range(3)]
            answer = exporter.get("/-/healthy", headers=basic("alice", "correct horse"))
            self.assertEqual(answer.status, 200)
            self.assertLess(answer.seconds, BUSY)
            self.assertEqual([one.result().status for one in strangers], [401] * 3)

    def test_hashing_holds_up_nobody(self):
        """A few hundred good requests cost one hash, and a slow one stops no other."""
        users = {"alice": bcrypt("correct horse", rounds=12)}
        exporter = self.serve({"basic_auth_users": users})
        headers = basic("alice", "correct horse")
        idle = peers.cpu_seconds(exporter.process.pid)
        self.assertEqual(exporter.get("/-/healthy", headers=headers).status, 200)
        one_hash = peers.cpu_seconds(exporter.process.pid) - idle
        self.assertGreater(one_hash, 0.05)
        for _ in range(100):
            self.assertEqual(exporter.get("/-/healthy", headers=headers).status, 200)
        self.assertLess(peers.cpu_seconds(exporter.process.pid) - idle, 25 * one_hash)

    def test_with_tls(self):
        exporter = self.serve({"tls_server_config": self.tls(), "basic_auth_users": self.users})
        self.assertEqual(self.get(exporter, headers=basic("alice", USERS["alice"])).status, 200)
        self.assertEqual(self.get(exporter).status, 401)

    def test_users_change_without_a_restart(self):
        exporter = self.serve({"basic_auth_users": self.users})
        self.web_file.write_text(json.dumps({"basic_auth_users": {"carol": bcrypt("third")}}))
        peers.wait_until(lambda: exporter.get("/-/healthy", headers=basic("carol", "third")).status == 200,
                         "carol is not known")
        self.assertEqual(exporter.get("/-/healthy", headers=basic("alice", USERS["alice"])).status, 401)


class Headers(WebCase):

    def test_on_every_answer(self):
        wanted = {"X-Frame-Options": "deny", "X-Content-Type-Options": "nosniff",
                  "Content-Security-Policy": "default-src 'none'; style-src 'self' 'unsafe-inline'",
                  "Strict-Transport-Security": "max-age=31536000"}
        exporter = self.serve({"http_server_config": {"headers": wanted}})
        for path, status in (("/", 200), ("/metrics", 200), ("/nope", 404), ("/probe", 400)):
            answer = exporter.get(path)
            self.assertEqual(answer.status, status)
            for name, value in wanted.items():
                self.assertEqual(answer.header(name), value, path)
        self.assertEqual(exporter.get("/metrics").header("content-type"), EXPOSITION)


class RateLimit(WebCase):

    def limited(self, text):
        """Not by promtool, for that of Debian does not know rate_limit."""
        return self.start("--web.config.file", self.file("limited.yml", text), scheme="https")

    def test_burst(self):
        exporter = self.limited("rate_limit: {interval: 1h, burst: 2}\n")
        self.assertEqual([exporter.get("/-/healthy").status for _ in range(4)], [200, 200, 429, 429])

    def test_no_burst_is_no_request(self):
        for text in ("rate_limit: {interval: 1s, burst: 0}\n", "rate_limit: {interval: 1s}\n"):
            exporter = self.limited(text)
            for path in ("/-/healthy", "/metrics"):
                self.assertEqual(exporter.get(path).status, 429)

    def test_no_interval_is_no_limit(self):
        exporter = self.limited("rate_limit: {interval: 0, burst: 0}\n")
        self.assertEqual({exporter.get("/-/healthy").status for _ in range(20)}, {200})


class File(WebCase):

    def test_sample(self):
        """The one of our documentation, with files that are there."""
        text = (ROOT / "docs" / "web-config.example.yml").read_text()
        for name, file in (("web.pem", "server.pem"), ("web.key", "server.key"), ("clients.pem", "ca.pem")):
            self.assertIn(f"/etc/smtp-probe/{name}", text)
            text = text.replace(f"/etc/smtp-probe/{name}", str(self.certificates / file))
        sample = self.file("sample.yml", text)
        code, said = promtool("check", "web-config", sample)
        self.assertEqual(code, 0, said)
        done = self.run_once("--config.check", "--web.config.file", sample)
        self.assertEqual(done.returncode, 0, done)

    def test_wrong(self):
        pem = str(self.certificates / "server.pem")
        for web, word in (({"no_such_key": 1}, "no_such_key"), ({"tls_server_config": {"cert_file": pem}}, "key"),
                          ({"tls_server_config": {"cert_file": "/nonexistent", "key_file": pem}}, "/nonexistent"),
                          ({"basic_auth_users": {"alice": "plain text"}}, "alice"),
                          ({"tls_server_config": self.tls(min_version="TLS99")}, "TLS99"),
                          ({"tls_server_config": self.tls(client_auth_type="Nonsense")}, "Nonsense"),
                          ({"http_server_config": {"headers": {"X-Nonsense": "x"}}}, "X-Nonsense")):
            with self.subTest(web):
                path = self.file("wrong.yml", json.dumps(web))
                done = self.run_once("--web.listen-address", "127.0.0.1:0", "--web.config.file", path)
                self.assertGreater(done.returncode, 0, done)
                self.assertIn(str(path), done.stdout + done.stderr)
                self.assertIn(word, done.stdout + done.stderr)
                self.assertNotIn("plain text", done.stdout + done.stderr)
        done = self.run_once("--web.listen-address", "127.0.0.1:0", "--web.config.file", self.folder / "nowhere")
        self.assertGreater(done.returncode, 0)
