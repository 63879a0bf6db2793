"""The servers that a soak probes, and the modules for them: transcripts, good and hostile ones; bench/smtp_responder
in clear and with STARTTLS; silence; a closed port. They can be stopped and started again, on other ports then."""

import dataclasses
import json
import os
import pathlib
import sys

import peers
from exporter_transcripts_test import NOT_IN_YAML, module_of
from probe import STATES, ScriptedServer
from scripted_test import settings
from soak_attackers import MODULE as ATTACKED

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "bench"))
from processes import Responder  # noqa: E402

TRANSCRIPTS = pathlib.Path(os.environ["TRANSCRIPTS"])
BUILD = pathlib.Path(os.environ["EXPORTER"]).parents[1]
OK, CRITICAL = 0, 2
HANGING_SECONDS = 1
# OAUTHBEARER's first line names the peer's port: such a script would stray.
OWN_PORT = "auth=OAUTHBEARER"
MAIL = {"helo": "probe.test", "until": "rcpt", "timeout": "10s",
        "mail": {"from": "probe@probe.test", "to": ["postmaster@mx.test"]}}


@dataclasses.dataclass(frozen=True)
class Aim:
    """What to ask for, and what must come of it."""
    target: str
    module: str
    state: int
    failure: object = None  # (step, reason); None: not looked at
    secret: bool = False    # the module has credentials: another target is refused


class Servers:
    """`aims` by kind: good, starttls, hanging, closed, scripted; `vanishing` is the silent server whose clients hang
    up. `config` is what the exporter must know of them."""

    def __init__(self, folder):
        self.folder = folder
        self.certificates = peers.write_certificates(folder / "certificates")
        self.trust = self.certificates / "ca.pem"
        self.paths = []
        for path in sorted(TRANSCRIPTS.glob("*.txt")):
            text = path.read_text()
            if OWN_PORT not in text and not NOT_IN_YAML.keys() & dict(settings(path, "plan:")).keys():
                self.paths.append(path)
        self.vanishing = Responder(BUILD, "--silent")
        self.held = Responder(BUILD, "--silent")  # by the attackers
        self.closed = peers.closed_port()
        self.running = []
        self.scripted = None
        self.start()

    def start(self):
        self.scripted = ScriptedServer(*self.paths)
        self.running = [Responder(BUILD), Responder(BUILD, "--tls-cert-dir", self.certificates),
                        Responder(BUILD, "--silent")]
        good, starttls, hanging = (one.target for one in self.running)
        self.modules = {"plain": MAIL | {"tls": {"mode": "off"}},
                        "starttls": MAIL | {"tls": {"mode": "starttls", "verify": "require", "server_name": "mx.test",
                                                    "ca_file": str(self.trust)}},
                        "hanging": MAIL | {"tls": {"mode": "off"}, "timeout": f"{HANGING_SECONDS}s"},
                        "vanishing": MAIL | {"tls": {"mode": "off"}, "timeout": "60s"},
                        ATTACKED: MAIL | {"tls": {"mode": "off"}, "timeout": "60s"}}
        self.aims = {"good": [Aim(good, "plain", OK)], "starttls": [Aim(starttls, "starttls", OK)],
                     "hanging": [Aim(hanging, "hanging", CRITICAL, ("banner", "timeout"))],
                     "closed": [Aim(f"127.0.0.1:{self.closed}", "plain", CRITICAL, ("connect", "connection_refused"))],
                     "scripted": self._scripted_aims()}

    def _scripted_aims(self):
        """Transcripts with the same settings share a module."""
        names, aims = {}, []
        for path in self.paths:
            port = self.scripted.ports[path.stem]
            module = module_of(settings(path, "plan:"), port, self.scripted.certificates / "ca.pem", self._secret_file)
            targets = module.get("auth", {}).pop("targets", [])
            key = json.dumps(module, sort_keys=True)
            name = names.setdefault(key, f"script{len(names)}")
            self.modules.setdefault(name, module)
            if targets:
                self.modules[name]["auth"].setdefault("targets", []).extend(targets)
            wanted = dict(settings(path, "outcome:"))
            failure = (wanted["step"], wanted["reason"]) if "reason" in wanted else None
            aims.append(Aim(f"127.0.0.1:{port}", name, STATES.index(wanted["state"]), failure, bool(targets)))
        return aims

    def _secret_file(self, text):
        path = self.folder / ("secret-" + text.encode().hex())
        path.write_text(text)
        path.chmod(0o600)
        return path

    def config(self, generation):
        """Valid, and in turns one of two texts: each has a module that the other lacks. Not a new one each time, for the
        counts of a module stay when it is gone."""
        return json.dumps({"max_probes_per_host": 0,
                           "modules": self.modules | {f"generation{generation % 2}": self.modules["plain"]}})

    def stop_targets(self):
        self.scripted.stop()
        for one in self.running:
            one.stop()
        self.running = []

    def stop(self):
        self.stop_targets()
        self.held.stop()
        self.vanishing.stop()
