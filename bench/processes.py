"""The processes of a measurement, each on ports of the loopback of its own: the two exporters, and the SMTP servers
that they probe. What they cost is read from /proc."""

import http.client
import json
import os
import pathlib
import random
import resource
import socket
import subprocess
import time

START_SECONDS = 20
WANTED_DESCRIPTORS = 20500  # 10,000 probes have two each in an exporter
TICKS = os.sysconf("SC_CLK_TCK")
STEPS = ["EHLO probe.test", "MAIL FROM:<probe@probe.test>", "RCPT TO:<postmaster@mx.test>", "QUIT"]


def wait_until(true, what, seconds=START_SECONDS):
    """`true()` as soon as it is; a TimeoutError that names `what` when it never is."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        answer = true()
        if answer:
            return answer
        time.sleep(0.02)
    raise TimeoutError(what)


def free_port():
    """A port of 127.0.0.1 that nobody listens on, below those that the kernel gives to clients."""
    for port in random.sample(range(20000, 32000), 12000):
        with socket.socket() as one:
            try:
                one.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise OSError("no free port between 20000 and 32000")


def raise_descriptor_limit():
    """To as much as the system allows, up to what these measurements need: this process and those that it starts."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    for limit in (max(hard, WANTED_DESCRIPTORS), hard):
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
            return limit
        except (ValueError, OSError):  # only root may have more
            continue
    raise OSError(f"no {hard} descriptors")


def write_certificates(build, folder):
    """A folder with the certificates of the tests: ca.pem, server.pem and server.key for mx.test, …"""
    certificates = folder / "certificates"
    certificates.mkdir()
    subprocess.run([build / "tests/smtp_fake_server", "--write-certs", certificates], check=True,
                   stdout=subprocess.DEVNULL)
    return certificates


def loopback_addresses(count, first=0):
    """So many, each another; with another `first` others."""
    return [f"127.{1 + i // 65536}.{i // 256 % 256}.{i % 256}" for i in range(first + 1, first + count + 1)]


class Responder:
    """bench/smtp_responder."""

    def __init__(self, build, *options):
        program = build / "tests/smtp_responder"
        if not program.exists():
            raise RuntimeError(f"not built: {program} (cmake --preset release && cmake --build --preset release)")
        self.process = subprocess.Popen([program, *options], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        told = {}
        for line in self.process.stdout:
            if line == "ready\n":
                break
            name, port = line.split()
            told[name] = port
        if self.process.poll() is not None:
            raise RuntimeError("smtp_responder did not get ready")
        self.port = told["smtp"]
        self.target = f"127.0.0.1:{self.port}"
        self._stats = ("127.0.0.1", int(told["stats"]))

    def counts(self):
        """accepted, open, dialogues, tls, messages."""
        with socket.create_connection(self._stats, timeout=5) as connection:
            with connection.makefile("r") as lines:
                return {name: int(count) for name, count in map(str.split, lines)}

    def stop(self):
        self.process.stdin.close()
        self.process.wait(timeout=10)


def plain_environment():
    """Without a bundle of authorities that both would read and keep: Debian has them in a directory."""
    return {name: value for name, value in os.environ.items() if name not in ("SSL_CERT_FILE", "SSL_CERT_DIR")}


class Exporter:
    """One of the two, running. Its modules are `plain`, `starttls` and `silent`."""

    def __init__(self, name, folder, arguments, config):
        self.name = name
        self.folder = folder
        self.port = free_port()
        file = folder / f"{name}.yml"
        file.write_text(json.dumps(config))  # JSON is YAML
        self._log = open(folder / f"{name}.log", "w", encoding="utf-8")
        self.process = subprocess.Popen(
            [*arguments, f"--config.file={file}", f"--web.listen-address=127.0.0.1:{self.port}"],
            stdin=subprocess.DEVNULL, stdout=self._log, stderr=subprocess.STDOUT, env=plain_environment())
        wait_until(self._healthy, f"{name} does not start: {pathlib.Path(self._log.name).read_text()}")

    def _healthy(self):
        if self.process.poll() is not None:
            raise RuntimeError(f"{self.name} ended: {pathlib.Path(self._log.name).read_text()}")
        try:
            return self.get("/-/healthy")[0] == 200
        except OSError:
            return False

    def get(self, path):
        """Status and body, on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    @staticmethod
    def path(module, target):
        return f"/probe?target={target}&module={module}"

    def cpu_seconds(self):
        """User and system time since its start."""
        text = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text()
        fields = text.rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def _memory(self, key):
        for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith(key + ":"):
                return int(line.split()[1]) / 1000
        raise RuntimeError(f"{self.name} has no {key}")

    def resident_mb(self):
        return self._memory("VmRSS")

    def peak_mb(self):
        return self._memory("VmHWM")

    def reset_peak(self):
        pathlib.Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(timeout=15)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self._log.close()


def start_ours(build, folder, certificates, silent_seconds=5, timeout=5, per_host=0):
    mail = {"helo": "probe.test", "until": "rcpt", "timeout": f"{timeout}s",
            "mail": {"from": "probe@probe.test", "to": ["postmaster@mx.test"]}}
    tls = {"mode": "starttls", "verify": "report", "server_name": "mx.test",
           "ca_file": str(certificates / "ca.pem")}
    config = {"max_probes_per_host": per_host, "modules": {
        "plain": {**mail, "tls": {"mode": "off"}},
        "starttls": {**mail, "tls": tls},
        "silent": {**mail, "tls": {"mode": "off"}, "timeout": f"{silent_seconds}s"}}}
    return Exporter("ours", folder, [build / "exporter/smtp_probe_exporter",
                                     "--probe.max-in-flight=12000"], config)


def start_blackbox(folder, certificates, silent_seconds=5, timeout=5):
    def script(starttls):
        steps = [{"expect": "^220 "}]
        for command in STEPS:
            steps += [{"send": command + "\r"}, {"expect": "^2.. "}]
            if starttls and command == STEPS[0]:
                steps += [{"send": "STARTTLS\r"}, {"expect": "^220 "}, {"starttls": True},
                          {"send": command + "\r"}, {"expect": "^250 "}]
        return {"preferred_ip_protocol": "ip4", "query_response": steps,
                # As ours: the chain and the name are checked.
                "tls_config": {"ca_file": str(certificates / "ca.pem"), "server_name": "mx.test"}}
    config = {"modules": {
        "plain": {"prober": "tcp", "timeout": f"{timeout}s", "tcp": script(False)},
        "starttls": {"prober": "tcp", "timeout": f"{timeout}s", "tcp": script(True)},
        "silent": {"prober": "tcp", "timeout": f"{silent_seconds}s", "tcp": script(False)}}}
    return Exporter("blackbox", folder, ["prometheus-blackbox-exporter"], config)
