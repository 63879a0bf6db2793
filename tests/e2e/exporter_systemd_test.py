"""What the exporter has of a service manager: sockets that were opened for it, its units, and warnings of secrets that
every user of the machine can read."""

import configparser
import crypt
import json
import os
import pathlib
import shlex
import shutil
import socket
import subprocess
import tempfile

import peers
from exporter import EXPORTER, Exporter, ExporterCase
from probe import environment

ROOT = pathlib.Path(os.environ["TRANSCRIPTS"]).parents[1]
ACTIVATE = shutil.which("systemd-socket-activate")


def unit(name):
    parsed = configparser.ConfigParser(strict=False, interpolation=None)
    parsed.optionxform = str
    parsed.read(ROOT / "deploy" / name)
    return parsed


class Activated(Exporter):
    """With these sockets as descriptors 3, 4 ..., and the environment that systemd makes."""

    def __init__(self, *flags, sockets, pid="$$", count=None, **how):
        count = len(sockets) if count is None else count
        script = pathlib.Path(tempfile.mkdtemp(prefix="smtp-probe-activated-")) / "run"
        moves = " ".join(f"{at + 100}<&{one.fileno()}" for at, one in enumerate(sockets))
        places = " ".join(f"{at + 3}<&{at + 100} {at + 100}<&-" for at in range(len(sockets)))
        script.write_text("#!/bin/bash\n" + (f"exec {moves}\nexec {places}\n" if sockets else "") +
                          f"LISTEN_PID={pid} LISTEN_FDS={count} LISTEN_FDNAMES=x exec {shlex.quote(EXPORTER)} \"$@\"\n")
        script.chmod(0o755)
        self.script = script
        super().__init__(*flags, program=script, pass_fds=[one.fileno() for one in sockets], **how)

    def kill(self):
        shutil.rmtree(self.script.parent, ignore_errors=True)
        super().kill()


class Sockets(ExporterCase):

    def listening(self, family=socket.AF_INET, address=("127.0.0.1", 0)):
        one = socket.socket(family)
        self.addCleanup(one.close)
        one.bind(address)
        one.listen(100)
        return one

    def activated(self, *sockets, flags=("--web.systemd-socket",), **how):
        exporter = Activated(*flags, sockets=sockets, **how)
        self.addCleanup(exporter.kill)
        return exporter

    def test_serves_on_all(self):
        sockets = [self.listening(), self.listening(), self.listening(socket.AF_INET6, ("::1", 0))]
        exporter = self.activated(*sockets)
        self.assertEqual(sorted(port for _, port in exporter.addresses), sorted(one.getsockname()[1] for one in sockets))
        for address in exporter.addresses:
            exporter.addresses = [address]
            self.assertEqual(exporter.get("/-/ready").status, 200)
        # --web.listen-address, which Exporter gives, is ignored; children would not have the sockets or the variables.
        variables = pathlib.Path(f"/proc/{exporter.process.pid}/environ")
        self.assertTrue(variables.exists())
        self.assertEqual(exporter.stop(), 0)
        # They are the manager's: it goes on listening while nobody is there.
        with socket.create_connection(sockets[0].getsockname(), 5):
            pass

    def test_not_asked_for(self):
        exporter = self.activated(self.listening(), flags=())
        self.assertEqual(len(exporter.addresses), 1)
        self.assertEqual(exporter.get("/-/ready").status, 200)

    def refused(self, *sockets, word, **how):
        exporter = self.activated(*sockets, listens=False, **how)
        self.assertEqual(exporter.wait(), 1, exporter.log())
        self.assertIn(word, exporter.log())

    def test_none_was_passed(self):
        done = self.run_once("--web.systemd-socket")
        self.assertEqual(done.returncode, 1, done)
        self.assertIn("--web.systemd-socket: no socket was passed", done.stderr)
        self.refused(self.listening(), pid="1", word="no socket was passed")
        for count in (0, -1, "x", "", "1x", 99999999999):
            self.refused(self.listening(), count=shlex.quote(str(count)), word="no socket was passed")
        self.refused(self.listening(), count=9, word="not open")

    def test_of_another_kind(self):
        unix = self.listening(socket.AF_UNIX, str(self.folder / "unix"))
        datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(datagrams.close)
        idle = socket.socket()
        self.addCleanup(idle.close)
        self.refused(unix, word="wanted a TCP socket")
        self.refused(self.listening(), datagrams, word="descriptor 4: wanted a TCP socket")
        self.refused(idle, word="wanted one that listens")

    def test_systemd_socket_activate(self):
        """systemd's own program: it listens, and starts us at the first connection."""
        if ACTIVATE is None:
            self.skipTest("no systemd-socket-activate")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        process = subprocess.Popen([ACTIVATE, "-l", f"127.0.0.1:{port}", EXPORTER, "--web.systemd-socket"],
                                   stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment())
        self.addCleanup(process.stderr.close)
        self.addCleanup(peers.end, process)
        self.assertIn(b"Listening on", process.stderr.readline())
        with socket.create_connection(("127.0.0.1", port), 30) as connection:
            connection.sendall(b"GET /-/ready HTTP/1.0\r\n\r\n")
            self.assertTrue(connection.makefile("rb").read().startswith(b"HTTP/1.0 200 "))


class Units(ExporterCase):

    def test_no_core(self):
        self.assertEqual(unit("smtp_probe_exporter.service")["Service"]["LimitCORE"], "0")

    def test_socket_unit(self):
        sample = unit("smtp_probe_exporter.socket")
        self.assertEqual(sample["Socket"]["ListenStream"], "9725")
        self.assertEqual(sample["Socket"].get("Accept", "no"), "no")
        if shutil.which("systemd-analyze") is None:
            self.skipTest("no systemd-analyze")
        folder = self.folder / "units"
        folder.mkdir()
        (folder / "smtp_probe_exporter.socket").write_text((ROOT / "deploy/smtp_probe_exporter.socket").read_text())
        text = (ROOT / "deploy/smtp_probe_exporter.service").read_text()
        (folder / "smtp_probe_exporter.service").write_text(text.replace("ExecStart=smtp", f"ExecStart={EXPORTER}").replace(
            f"{EXPORTER}_probe_exporter", EXPORTER))
        done = subprocess.run(["systemd-analyze", "verify", "--man=no", str(folder / "smtp_probe_exporter.socket")],
                              capture_output=True, text=True, check=False)
        wrong = [line for line in (done.stdout + done.stderr).splitlines() if "smtp_probe_exporter" in line]
        self.assertEqual(wrong, [], done)


class OpenSecrets(ExporterCase):

    WORDS = "a file with a password or token can be read by every user"

    def warned(self, text):
        return {line.split("file=")[1].split()[0].strip('"') for line in text.splitlines() if self.WORDS in line}

    def test_of_the_configuration(self):
        certificates = peers.write_certificates(self.folder / "secret-certificates")
        files = {name: self.file(f"open-{name}", "secret") for name in ("password", "token")}
        files |= {"key": certificates / "client.key"}
        config = self.file("secrets.yml", f"""modules:
  a: {{tls: {{mode: implicit, cert_file: {certificates / 'client.pem'}, key_file: {files['key']}}},
       auth: {{username: u, password_file: {files['password']}, targets: [mx.test]}}}}
  b: {{tls: {{mode: starttls}}, auth: {{username: u, mechanism: XOAUTH2, token_file: {files['token']}, targets: [mx.test]}}}}
  c: {{tls: {{mode: starttls}}, auth: {{username: u, password_file: {files['password']}, targets: [mx.test]}}}}
""")
        for mode, expected in ((0o644, set(map(str, files.values()))), (0o604, set(map(str, files.values()))),
                               (0o640, set()), (0o600, set())):
            for path in files.values():
                os.chmod(path, mode)
            done = self.run_once("--config.check", "--config.file", config)
            self.assertEqual((done.returncode, self.warned(done.stderr)), (0, expected), done)
            self.assertEqual(done.stderr.count(self.WORDS), len(expected), "each once")
        exporter = self.start("--config.file", config)
        self.assertEqual(self.warned(exporter.log()), set())
        os.chmod(files["token"], 0o644)
        self.assertEqual(exporter.request("/-/reload", "POST").status, 200)
        peers.wait_until(lambda: self.warned(exporter.log()) == {str(files["token"])}, "no warning")
        self.assertIn("level=warn", exporter.log())
        self.assertIn("mode=0644", exporter.log())

    def test_of_the_web(self):
        certificates = peers.write_certificates(self.folder / "web-secrets")
        pem, key = certificates / "server.pem", certificates / "server.key"
        users = {"alice": crypt.crypt("x", "$2y$05$abcdefghijklmnopqrstuu")}
        os.chmod(key, 0o644)
        for name, web, expected in (
                ("users", {"basic_auth_users": users}, {"self"}), ("headers", {"http_server_config": {"headers": {}}}, set()),
                ("key", {"tls_server_config": {"cert_file": str(pem), "key_file": str(key)}}, {str(key)}),
                ("inline", {"tls_server_config": {"cert_file": str(pem), "key": key.read_text()}}, {"self"})):
            with self.subTest(name):
                path = self.file(f"web-{name}.yml", json.dumps(web))
                os.chmod(path, 0o644)
                expected = {str(path) if one == "self" else one for one in expected}
                done = self.run_once("--config.check", "--web.config.file", path)
                self.assertEqual((done.returncode, self.warned(done.stderr)), (0, expected), done)
                exporter = self.start("--web.config.file", path, scheme="https")
                self.assertEqual(self.warned(exporter.log()), expected)
        os.chmod(key, 0o600)
        os.chmod(path, 0o640)
        self.assertEqual(self.warned(self.run_once("--config.check", "--web.config.file", path).stderr), set())
