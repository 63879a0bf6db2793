"""A real Icinga 2 of the test's own: its folders, its certificates, a free port of the loopback for its API, and no
configuration but the test's."""

import atexit
import base64
import grp
import json
import os
import pathlib
import pwd
import re
import shutil
import ssl
import subprocess
import tempfile
import urllib.error
import urllib.request

import peers
from probe import environment

DEPLOY = pathlib.Path(__file__).resolve().parents[2] / "deploy" / "icinga2"
# What an installation takes, in the order in which one refers to another.
FILES = [DEPLOY / f"smtp_probe_{one}.conf" for one in ("command", "templates", "services")]
PATIENCE = 60
# ServiceState of the API.
OK, WARNING, CRITICAL, UNKNOWN = range(4)


def missing():
    """Why there can be no Icinga 2 here; None when there can."""
    return None if shutil.which("icinga2", path="/usr/sbin:/usr/bin") else "not installed: icinga2"


def includes(*files):
    return "".join(f"include {json.dumps(str(one))}\n" for one in files)


def rendered(value):
    """A value of JSON, or a function as the Director exports it, in Icinga's language."""
    if isinstance(value, dict) and value.get("type") == "Function":
        return "{{ " + value["body"] + " }}"
    if isinstance(value, dict):
        return "{\n" + "".join(f"{json.dumps(key)} = {rendered(one)}\n" for key, one in value.items()) + "}"
    return json.dumps(value)


def command_of(basket, name):
    """The command of the Director's basket as the Director writes it, under that name."""
    command = basket["Command"]["smtp_probe"]
    return (f'object CheckCommand "{name}" {{\n  import "plugin-check-command"\n'
            f'  command = [ PluginDir + "/{command["command"]}" ]\n  arguments += {rendered(command["arguments"])}\n'
            f'  timeout = {command["timeout"]}\n}}\n')


def templates_of(basket):
    text = ""
    for name, one in basket["ServiceTemplate"].items():
        text += f'template Service "{name}" {{\n' + "".join(f'  import "{parent}"\n' for parent in one["imports"])
        text += "".join(f"  {key} = {rendered(one[key])}\n" for key in ("check_command", "check_interval",
                        "retry_interval", "max_check_attempts") if one.get(key))
        text += "".join(f"  vars.{key} = {rendered(value)}\n" for key, value in one["vars"].items()) + "}\n"
    return text


class Icinga2:
    """A node called `name`, in the zone of that name unless told otherwise. Its plugins are in `plugins`."""

    def __init__(self, name="localhost", zone=None):
        self.name = name
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="smtp-probe-icinga2-"))
        atexit.register(self.stop)  # also when the tests are interrupted
        for one in ("plugins", "conf", "data/certs", "log", "cache", "spool", "run"):
            (self.folder / one).mkdir(parents=True)
        self.plugins, self.conf = self.folder / "plugins", self.folder / "conf"
        self.console = self.folder / "console.log"
        self.process = None
        (self.port,) = peers.free_ports(1)
        # Started by root it would become Debian's own user for it, who cannot read this folder.
        user = pwd.getpwuid(os.geteuid())
        self.environment = environment(ICINGA2_USER=user.pw_name, ICINGA2_GROUP=grp.getgrgid(user.pw_gid).gr_name)
        defines = {"ConfigDir": self.conf, "ZonesDir": self.conf / "zones.d", "DataDir": self.folder / "data",
                   "LogDir": self.folder / "log", "CacheDir": self.folder / "cache",
                   "SpoolDir": self.folder / "spool", "InitRunDir": self.folder / "run"}
        self.options = [f"-D{key}={value}" for key, value in defines.items()]
        constants = {"PluginDir": self.plugins, "NodeName": name, "ZoneName": zone or name}
        self.base = "".join(f"const {key} = {json.dumps(str(value))}\n" for key, value in constants.items())
        self.base += "include <itl>\ninclude <plugins>\n"

    def _daemon(self, text, *more):
        (self.conf / "icinga2.conf").write_text(self.base + text)
        return ["icinga2", "daemon", *self.options, "-c", str(self.conf / "icinga2.conf"), *more]

    def validate(self, text):
        """`icinga2 daemon -C`: its exit code, what it said, and its objects by type and name."""
        done = subprocess.run(self._daemon(text, "-C"), capture_output=True, text=True, timeout=PATIENCE, check=False,
                              env=self.environment)
        return done.returncode, done.stdout + done.stderr, self.objects() if done.returncode == 0 else {}

    def objects(self):
        """type -> name -> attributes, as Icinga has understood its configuration: netstrings of JSON."""
        found = {}
        rest = (self.folder / "cache" / "icinga2.debug").read_bytes()
        while rest:
            length, rest = rest.split(b":", 1)
            one = json.loads(rest[:int(length)])
            rest = rest[int(length) + 1:].lstrip(b"\n")
            found.setdefault(one["type"], {})[one["properties"]["__name"]] = one["properties"]
        return found

    def _openssl(self, *arguments):
        done = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True, timeout=PATIENCE,
                              check=False)
        if done.returncode != 0:
            raise RuntimeError(f"openssl {arguments[0]}: {done.stderr}")

    def write_certificates(self, authority=None):
        """From its own authority, or that of the node `authority`. (Icinga's own `pki` takes seconds for its keys.)"""
        signer = (authority or self).folder / "ca"
        mine = self.folder / "data" / "certs" / self.name
        new_key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
        if authority is None:
            self._openssl("req", "-x509", *new_key, "-subj", "/CN=Icinga CA", "-days", 10, "-keyout", f"{signer}.key",
                          "-out", f"{signer}.crt")
        self._openssl("req", *new_key, "-subj", f"/CN={self.name}", "-keyout", f"{mine}.key", "-out", f"{mine}.csr")
        self._openssl("x509", "-req", "-in", f"{mine}.csr", "-CA", f"{signer}.crt", "-CAkey", f"{signer}.key",
                      "-CAcreateserial", "-days", 5, "-out", f"{mine}.crt")
        shutil.copy(f"{signer}.crt", self.folder / "data" / "certs" / "ca.crt")

    def start(self, text, accept=False):
        """Runs with that configuration, a checker and the API; returns when the API answers."""
        api = (f'object ApiListener "api" {{\n  bind_host = "127.0.0.1"\n  bind_port = {self.port}\n'
               f'  accept_config = {str(accept).lower()}\n  accept_commands = {str(accept).lower()}\n}}\n'
               'object ApiUser "test" {\n  password = "of-the-test"\n  permissions = [ "*" ]\n}\n'
               'object CheckerComponent "checker" { }\n')
        with self.console.open("wb") as output:
            self.process = subprocess.Popen(self._daemon(api + text), stdin=subprocess.DEVNULL, stdout=output,
                                            stderr=subprocess.STDOUT, env=self.environment)
        try:
            peers.wait_until(lambda: self.process.poll() is not None or self.answers(), "no API", PATIENCE)
        except TimeoutError as error:
            raise RuntimeError(f"{error}: {self.log()}") from None
        if self.process.poll() is not None:
            raise RuntimeError(f"Icinga 2 did not start: {self.log()}")

    def answers(self):
        try:
            return self.api("/v1/status/ApiListener")
        except (OSError, urllib.error.URLError):
            return None

    def api(self, path, body=None):
        context = ssl.create_default_context(cafile=self.folder / "data" / "certs" / "ca.crt")
        context.check_hostname = False
        credentials = base64.b64encode(b"test:of-the-test").decode()
        request = urllib.request.Request(f"https://127.0.0.1:{self.port}{path}",
                                         data=None if body is None else json.dumps(body).encode(),
                                         headers={"Authorization": f"Basic {credentials}", "Accept": "application/json"})
        with urllib.request.urlopen(request, timeout=PATIENCE, context=context) as answer:
            return json.loads(answer.read())["results"]

    def services(self):
        """The services by `host!name`, as they are now."""
        return {one["name"]: one["attrs"] for one in self.api("/v1/objects/services")}

    def log(self):
        return re.sub(r"\x1b\[\d*m", "", self.console.read_text(errors="replace")) if self.console.exists() else ""

    def stop(self):
        atexit.unregister(self.stop)
        if self.process is not None:
            peers.end(self.process)
        shutil.rmtree(self.folder, ignore_errors=True)
