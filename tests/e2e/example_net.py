"""The network in which the documents are true: example.net with its name server and mail servers, this machine with
the programs installed and root's files to write to. All of it is seen by this process alone: mounts and a network of
its own, whatever a command of a document writes below /etc, /usr, /var or /run is gone with its document."""

import atexit
import contextlib
import os
import pathlib
import shutil
import signal
import struct
import subprocess
import tempfile
import time

import namespaces
import peers
from dns_server import A, AAAA, NXDOMAIN, NameServer, wire
from documents import ROOT
from example_mail import HOSTS, PASSWORD, TOKEN, MailServers
from example_programs import ALLOWED, SHIMS, WRAPPER
from exporter import EXPORTER
from probe import CHECK, environment

MX = 15
# Beside the mail servers.
OTHERS = {"prometheus.example.net": "192.0.2.60", "pushgateway": "192.0.2.61", "pushgateway.example.net": "192.0.2.61",
          "probe.example.net": "192.0.2.7", "exporter.example.net": "192.0.2.7", "nagios.example.net": "192.0.2.7"}
EXCHANGERS = {"example.net": ((10, "mx1.example.net"), (20, "mx2.example.net"))}
OVERLAID = ("etc", "usr", "var", "run")
PACKAGES = ("check-smtp-probe", "smtp-probe-exporter", "smtp-probe-dashboards")
BLOCK_SECONDS = 60


class Zone(NameServer):
    """Knows the hosts, and nothing else."""

    def __init__(self):
        super().__init__()
        self.behaviours = self
        self.addresses = {host.name: host.address for host in HOSTS} | OTHERS
        self.addresses6 = {host.name: host.address6 for host in HOSTS if host.address6}

    def get(self, _label, _default=None):
        return self.answer

    def answer(self, question):
        owner, name = b"\xc0\x0c", question.name
        if question.type == MX and name in EXCHANGERS:
            return question.reply(*((owner, MX, struct.pack(">H", one) + wire(*host.encode().split(b".")))
                                    for one, host in EXCHANGERS[name]))
        if name not in self.addresses and name not in EXCHANGERS:
            return question.reply(code=NXDOMAIN)
        if question.type == A and name in self.addresses:
            return question.reply((owner, A, bytes(map(int, self.addresses[name].split(".")))))
        if question.type == AAAA and name in self.addresses6:
            last = int(self.addresses6[name].rpartition(":")[2], 16)
            return question.reply((owner, AAAA, b"\x20\x01\x0d\xb8" + last.to_bytes(12, "big")))
        return question.reply()


def openssl(*words, folder):
    subprocess.run(["openssl", *map(str, words)], cwd=folder, check=True, capture_output=True, timeout=60)


KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


def make_certificates(folder):
    """name -> (chain, key), all but `self-signed` of the authority in ca.pem."""
    folder.mkdir()
    names = ",".join(f"DNS:{one}" for one in (*(host.name for host in HOSTS), *OTHERS, "example.net", "localhost"))
    (folder / "ca.conf").write_text(
        "[ca]\ndefault_ca=one\n[one]\nnew_certs_dir=.\ndatabase=index\nserial=serial\ncertificate=ca.pem\n"
        "private_key=ca.key\ndefault_md=sha256\npolicy=any\nx509_extensions=leaf\n[any]\ncommonName=supplied\n"
        f"[leaf]\nsubjectAltName={names}\nbasicConstraints=critical,CA:false\n")
    (folder / "index").touch()
    (folder / "index.attr").write_text("unique_subject = no\n")
    (folder / "serial").write_text("1001\n")
    openssl("req", "-x509", *KEY, "-days", 3650, "-subj", "/O=Example Network/CN=Example Network Root", "-keyout", "ca.key",
            "-out", "ca.pem", folder=folder)
    day = 86400

    def date(days):
        return time.strftime("%Y%m%d%H%M%SZ", time.gmtime(time.time() + days * day))

    for name, begin, end in (("good", -5, 60.5), ("expired", -90, -3)):
        openssl("req", "-new", *KEY, "-subj", "/CN=mx.example.net", "-keyout", f"{name}.key", "-out", f"{name}.csr",
                folder=folder)
        openssl("ca", "-batch", "-config", "ca.conf", "-in", f"{name}.csr", "-out", f"{name}.pem", "-notext",
                "-startdate", date(begin), "-enddate", date(end), folder=folder)
    openssl("req", "-x509", *KEY, "-days", 365, "-subj", "/CN=self-signed.example.net", "-addext",
            "subjectAltName=DNS:self-signed.example.net", "-keyout", "self-signed.key", "-out", "self-signed.pem",
            folder=folder)
    return {name: (folder / f"{name}.pem", folder / f"{name}.key") for name in ("good", "expired", "self-signed")}


def write(path, text, mode=0o644):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)


def alive(pid):
    """Zombies, whom nobody may ever wait for, are not."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


class ExampleNet:
    """Made once a process; `fresh()` gives each document a machine of its own."""

    def __init__(self):
        namespaces.private_mounts()
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="smtp-probe-docs-"))
        namespaces.mount("tmpfs", self.folder, "mode=755")
        self.network = namespaces.own_network()
        self.network.__enter__()
        subprocess.run(["ip", "route", "add", "local", "192.0.2.0/24", "dev", "lo"], check=True)
        for one in filter(None, (host.address6 for host in HOSTS)):
            subprocess.run(["ip", "-6", "address", "add", one, "dev", "lo", "nodad"], check=True)
        self.certificates = make_certificates(self.folder / "certificates")
        self.names = Zone()
        self.mail = MailServers(self.certificates)
        (self.folder / "demo").mkdir()
        self.template = self.folder / "template"
        self.from_source = self.folder / "from-source"  # lies over /usr
        self._write_template()
        self.bin = self.folder / "bin"
        self._write_programs()
        self.daemons = []
        self.daemon("prometheus-pushgateway", "--web.listen-address=:9091")
        self.demo = None
        self.mounted = []
        self.left_behind = []
        self.documents = 0

    def _write_template(self):
        """What the machine has that this one has not."""
        root = self.template
        for one in OVERLAID:
            (root / one).mkdir(parents=True)
        write(root / "etc/resolv.conf", "nameserver 127.0.0.1\n")
        write(root / "etc/hosts", "127.0.0.1 localhost\n::1 localhost\n192.0.2.7 probe.example.net probe\n")
        write(root / "etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n")
        ca = (self.folder / "certificates/ca.pem").read_text()
        name = subprocess.run(["openssl", "x509", "-hash", "-noout"], input=ca, capture_output=True, text=True,
                              check=True).stdout.strip()
        write(root / f"etc/ssl/certs/{name}.0", ca)
        bundle = pathlib.Path("/etc/ssl/certs/ca-certificates.crt")
        write(root / "etc/ssl/certs/ca-certificates.crt", (bundle.read_text() if bundle.exists() else "") + ca)
        probe = root / "etc/smtp-probe"
        sample = (ROOT / "deploy/smtp-probe.yml").read_text()
        write(probe / "smtp-probe.yml", sample)
        write(probe / "ca.pem", ca)
        write(probe / "password", PASSWORD + "\n", 0o600)
        write(probe / "submission.password", PASSWORD + "\n", 0o600)
        write(probe / "token", TOKEN + "\n", 0o600)
        good = self.certificates["good"]
        for stem in ("web", "server", "client"):
            write(probe / f"{stem}.pem", good[0].read_text())
            write(probe / f"{stem}.key", good[1].read_text(), 0o600)
        write(probe / "clients.pem", ca)
        # The package's user.
        write(root / "etc/group", pathlib.Path("/etc/group").read_text() + "smtp-probe:x:64999:\n")
        self._install(root / "usr")
        self._install(self.from_source / "local")
        write(root / "usr/share/doc/check-smtp-probe/statically-linked", "libssl-dev 1\n")
        write(root / "etc/nagios-plugins/config/smtp_probe.cfg", (ROOT / "deploy/nagios/smtp_probe_commands.cfg").read_text())
        for one in ("var/lib/prometheus/node-exporter", "run/dovecot", "usr/local/lib", "usr/local/pnp4nagios/share/templates",
                    "usr/local/pnp4nagios/etc/check_commands"):
            (root / one).mkdir(parents=True)

    @staticmethod
    def _install(prefix):
        """As `cmake --install --prefix`; the programs are those that are tested."""
        doc, share = prefix / "share/doc/smtp-probe", prefix / "share/smtp-probe"
        doc.mkdir(parents=True)
        for one in (*(ROOT / "deploy").iterdir(), ROOT / "docs/web-config.example.yml"):
            if one.is_dir():
                shutil.copytree(one, share / one.name)
            else:
                shutil.copy(one, doc)
        boards = ROOT / "dashboards"
        for one in (*boards.glob("smtp_*.json"), boards / "smtp_alerts.yml", boards / "smtp_rules.yml"):
            write(share / "dashboards" / one.name, one.read_text())
        for one in (ROOT / "docs").glob("*.[58]"):
            write(prefix / f"share/man/man{one.suffix[1]}" / one.name, one.read_text())
        for one in ROOT.glob("*/*.bash-completion"):
            write(prefix / "share/bash-completion/completions" / one.stem, one.read_text())
        plugins = prefix / "lib/nagios/plugins"
        plugins.mkdir(parents=True)
        shutil.copy(CHECK, plugins / "check_smtp_probe")
        (prefix / "bin").mkdir()
        write(prefix / "bin/smtp_probe_exporter", WRAPPER, 0o755)
        (prefix / "bin/check_smtp_probe").symlink_to("../lib/nagios/plugins/check_smtp_probe")

    def _write_programs(self):
        """PATH: what a document may call, and nothing else."""
        self.bin.mkdir()
        for name in ALLOWED:
            there = shutil.which(name, path="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            if there:
                (self.bin / name).symlink_to(there)
        (self.bin / "check_smtp_probe").symlink_to(CHECK)
        write(self.bin / "smtp_probe_exporter", WRAPPER, 0o755)
        for shim in SHIMS:
            write(self.bin / shim.name, "#!/bin/bash\nset -eu\n" + shim.script, 0o755)

    def daemon(self, program, *words):
        """Runs until close(), whatever document is read."""
        process = subprocess.Popen([program, *words], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL, cwd=self.folder, env=environment())
        atexit.register(process.kill)
        self.daemons.append(process)

    def _overlay(self, path, upper, lower):
        work = self.machine / (upper.name + ".work")
        upper.mkdir(parents=True, exist_ok=True)
        work.mkdir()
        namespaces.mount("overlay", path, f"lowerdir={lower},upperdir={upper},workdir={work}")
        self.mounted.append(path)

    def fresh(self, from_source=False):
        """A machine on which no document has been yet; it has the packages, and what was built there only if asked."""
        self.leave()
        self.documents += 1
        self.machine = self.folder / f"machine-{self.documents}"
        self.repo = self.machine / "smtp-probe"
        self.repo.mkdir(parents=True)
        self._overlay(self.repo, self.machine / "repo", ROOT)
        for name in ("demo.sh", "test.sh", "install-packages.sh", "package.sh"):
            if (self.repo / "scripts" / name).exists():
                write(self.repo / "scripts" / name, f"#!/bin/sh\necho {name}\n", 0o755)
        for one in PACKAGES:
            for name in (f"{one}_0.1.0_amd64.deb", f"{one}_0.2.0-1_amd64.deb", f"build/packages/{one}_0.1.0-1_amd64.deb"):
                (self.repo / name).parent.mkdir(parents=True, exist_ok=True)
                (self.repo / name).touch()  # apt is a stand-in
        for one in OVERLAID:
            first = f"{self.from_source}:" if from_source and one == "usr" else ""
            self._overlay("/" + one, self.machine / one, f"{first}{self.template / one}:/{one}")
        (self.machine / "home").mkdir()
        self.mail.listen_on("/run/dovecot/lmtp")
        self.demo = subprocess.Popen([peers.FAKE_SERVER, "--mail", "--port", "2525", "--until-eof", "--tls-cert-dir",
                                      str(self.folder / "demo")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for line in self.demo.stdout:
            if line == "ready\n":
                break
        # The service of the README, as it is after an installation.
        code, out = self.bash("smtp_probe_exporter --config.file=/etc/smtp-probe/smtp-probe.yml")
        assert code == 0, out
        # The README's session trusts this one: it is the demo's.
        shutil.copy(self.folder / "demo/ca.pem", self.repo / "ca.pem")

    def environment(self):
        kept = {name: value for name, value in environment().items() if name in ("LANG", "LC_ALL", "TZ")}
        return kept | {"PATH": str(self.bin), "HOME": str(self.machine / "home"), "PAGER": "cat", "MANPAGER": "cat",
                       "USER": "root", "TERM": "dumb", "REAL_EXPORTER": EXPORTER, "MACHINE": str(self.machine),
                       "MANPATH": "/usr/local/share/man:/usr/share/man", "REAL_PATH": os.environ["PATH"]}

    def bash(self, script, seconds=BLOCK_SECONDS):
        """(exit code, stdout and stderr as they came)."""
        with tempfile.TemporaryFile("w+", dir=self.machine, errors="replace") as out:
            process = subprocess.Popen(["/bin/bash", "-c", script], cwd=self.repo, env=self.environment(),
                                       stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
                                       start_new_session=True)
            try:
                code = process.wait(seconds)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                code = f"none within {seconds} s"
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, 0)
                self.left_behind.append(process.pid)  # what it put into the background
            out.seek(0)
            return code, out.read()

    def leave(self):
        """Ends what the document started, and takes its machine away."""
        if not self.mounted:
            return
        for group in self.left_behind:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)
        self.left_behind = []
        for one in self.machine.glob("*.pid"):
            pid = int(one.read_text())
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
                peers.wait_until(lambda: not alive(pid), "the exporter does not end")
        self.demo.stdin.close()
        self.demo.wait(20)
        self.demo.stdout.close()
        for path in reversed(self.mounted):
            subprocess.run(["umount", "-l", str(path)], check=True)
        self.mounted = []

    def close(self):
        self.leave()
        for one in self.daemons:
            one.kill()
            one.wait()
        self.mail.close()
        self.names.close()
        self.network.__exit__(None, None, None)
        subprocess.run(["umount", "-l", str(self.folder)], check=False)
        shutil.rmtree(self.folder, ignore_errors=True)
