"""/probe of the real exporter comes to the same verdict, by the same replies, as the check does with the same module,
for every transcript that a module can stand for."""

import concurrent.futures
import json
import os
import pathlib
import re

from exporter import Exporter, ExporterCase
from exposition import promtool
from probe import STATES, ScriptedServer, run
from scripted_test import settings

TRANSCRIPTS = pathlib.Path(os.environ["TRANSCRIPTS"])
AT_ONCE = 8

# The settings of a transcript's plan that no key of a module stands for.
NOT_IN_YAML = {
    "banner": "-e is the check's; a module expects codes",
    "command": "raw commands are the check's",
    "response": "raw commands are the check's",
    "greet": "HELO at once is the check's",
    "timeout-state": "-t N:STATE is the check's; a scrape's deadline is CRITICAL",
}


def module_of(plan, port, trust, secret_file):
    """The module, as JSON (which YAML reads), that the settings stand for."""
    module = {"helo": "probe.test", "timeout": "10s"}
    said = dict(plan)
    tls = {"mode": said.get("tls", "off")}
    if "verify" in said:
        tls["verify"] = said["verify"]
    auth = {}
    for key, value in plan:
        if key.startswith("expect."):
            module.setdefault("expect", {})[key[7:]] = value.split(",")
        elif key == "timeout" or key.startswith("limit."):
            module["timeout"] = "1s"
        elif key in ("until", "helo", "protocol", "greylisting"):
            module[key] = value
        elif key == "greylisting-pattern":
            module.setdefault("greylisting_pattern", []).append(value)
        elif key in ("from", "to"):
            module.setdefault("mail", {})[key] = value.split(",") if key == "to" else value
        elif key in ("require", "forbid"):
            module[key + "_extensions"] = value.split(",")
        elif key == "message":
            module["message"] = {"subject": "probe"}
        elif key == "auth":
            auth["mechanism"] = value
        elif key == "user":
            auth["username"] = value
        elif key in ("password", "token"):
            auth[key + "_file"] = str(secret_file(value))
        else:
            assert key in ("tls", "verify", "insecure"), key
    if auth:
        module["auth"] = auth | {"targets": [f"127.0.0.1:{port}"]}
        if "insecure" not in said:
            # No peer of a plan counts as one on the loopback: TLS has to be there and verified.
            tls = {"mode": said.get("tls", "opportunistic"), "verify": "require"}
    if tls["mode"] != "off":
        tls |= {"server_name": "mx.test", "ca_file": str(trust)}
    return module | {"tls": tls}


def planned_steps(module):
    """The closed list of a module's steps."""
    mode = module.get("tls", {}).get("mode", "opportunistic")
    mail = module.get("mail", {})
    until = module.get("until") or ("message" if "message" in module else "rcpt" if mail.get("to") else
                                    "mail" if "from" in mail else "auth" if "auth" in module else "ehlo")
    walk = ["tls"] * (mode == "implicit") + ["banner", "ehlo"]
    walk += ["starttls", "tls", "ehlo_tls"] * (mode in ("starttls", "opportunistic"))
    walk += ["auth"] * ("auth" in module) + ["mail"] * ("from" in mail) + ["rcpt"] * bool(mail.get("to"))
    walk += ["data", "message"]
    if until == "ehlo" and "ehlo_tls" in walk:
        until = "ehlo_tls"
    elif until == "starttls":
        until = "tls"
    steps = walk[:walk.index(until) + 1]
    return ["resolve", "connect", *steps] + ["quit"] * (until != "data")


class Transcripts(ExporterCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        every = sorted(TRANSCRIPTS.glob("*.txt"))
        cls.left_out = {path.stem: key for path in every for key in dict(settings(path, "plan:")) if key in NOT_IN_YAML}
        cls.paths = [path for path in every if path.stem not in cls.left_out]
        cls.server = ScriptedServer(*map(cls.prepared, cls.paths))
        cls.addClassCleanup(cls.server.stop)
        cls.modules = {path.stem: module_of(settings(path, "plan:"), cls.server.ports[path.stem],
                                            cls.server.certificates / "ca.pem", cls.secret_file)
                       for path in cls.paths}
        cls.exporter = Exporter(config=json.dumps({"modules": cls.modules}))
        cls.addClassCleanup(cls.exporter.kill)

    @classmethod
    def prepared(cls, path):
        """With RFC 7628's host and port of a real peer, and a message that goes on as the script wants it."""
        text = path.read_text()
        if "auth=OAUTHBEARER" not in text:
            return path
        copy = cls.folder / path.name
        copy.write_text(re.sub(r"(?m)^C: AUTH OAUTHBEARER .+$", "C: AUTH OAUTHBEARER *", text))
        return copy

    @classmethod
    def secret_file(cls, text):
        path = cls.folder / ("secret-" + text.encode().hex())
        path.write_text(text)
        return path

    def both(self, name):
        target = f"127.0.0.1:{self.server.ports[name]}"
        check = run("-H", "127.0.0.1", "-p", self.server.ports[name], "--config", self.exporter.config_file,
                    "--module", name, "--output", "json")
        return check, self.exporter.probe(target, name)

    def compare(self, name, check, answer):
        self.assertEqual(check.err, "")
        whole = check.json
        found = whole["findings"]
        expected = (found[0]["step"], found[0]["reason"]) if found else None
        metrics = self.assert_exposed(answer.metrics, check.code, expected)
        (result,) = whole["results"]
        # The check's own transcripts hold it to the script; the outcome is the script's here, too.
        wanted = dict(settings(TRANSCRIPTS / f"{name}.txt", "outcome:"))
        self.assertEqual(STATES[check.code], wanted["state"])
        # Resolving an address is no step of the check's: then it is planned, and 0.
        steps = planned_steps(self.modules[name])
        codes = metrics.by("probe_smtp_step_reply_code", "step")
        self.assertEqual(set(codes), set(steps))
        ran = {one["step"]: one for one in result["steps"]}
        self.assertEqual(codes, {one: (ran.get(one) or {"code": 0})["code"] or 0 for one in steps})
        self.assertEqual(metrics.statuses, {one["step"]: one["status"] for one in result["steps"] if one["status"]})
        durations = metrics.by("probe_smtp_step_duration_seconds", "step")
        self.assertEqual([one for one in steps if durations[one] > 0 and one not in ran], [])
        self.assertEqual(metrics.value("probe_ip_protocol"), 4)
        self.compare_tls(metrics, result)
        self.compare_extensions(metrics, result)

    def compare_tls(self, metrics, result):
        tls = result["tls"]
        shook = tls is not None and tls["version"] is not None
        self.assertEqual(metrics.value("probe_smtp_tls"), 1 if shook else 0)
        self.assertEqual(metrics.value("probe_smtp_tls_verified"), 1 if shook and tls["verified"] else 0)
        names = {"probe_ssl_earliest_cert_expiry", "probe_ssl_last_chain_info", "probe_tls_version_info",
                 "probe_tls_cipher_info"}
        self.assertEqual(metrics.families & names, names if shook else set())
        self.assertEqual("probe_ssl_last_chain_expiry_timestamp_seconds" in metrics.families,
                         bool(shook and tls["verified"]))
        if not shook:
            return
        self.assertEqual([one.labels["version"] for one in metrics.samples("probe_tls_version_info")],
                         [tls["version"].replace("TLSv", "TLS ")])
        self.assertEqual([one.labels["cipher"] for one in metrics.samples("probe_tls_cipher_info")],
                         [tls["cipher_iana"]])
        (chain,) = metrics.samples("probe_ssl_last_chain_info")
        self.assertEqual(set(chain.labels), {"fingerprint_sha256", "subject", "issuer", "subjectalternative",
                                             "serialnumber"})
        self.assertEqual(re.sub(r"[^0-9a-f]", "", chain.labels["fingerprint_sha256"].lower()),
                         re.sub(r"[^0-9a-f]", "", tls["chain"][0]["fingerprint_sha256"].lower()))

    def compare_extensions(self, metrics, result):
        offered = metrics.by("probe_smtp_extension_offered", "extension")
        listed = {one["keyword"]: one["parameter"] for one in result["extensions"] or []}
        self.assertEqual({one for one, value in offered.items() if value},
                         {one for one in listed if one in offered})
        if result["extensions"] is not None and offered:
            self.assertGreaterEqual(len(offered), 22)
        size = listed.get("SIZE") or ""
        self.assertEqual([one.value for one in metrics.samples("probe_smtp_size_limit_bytes")],
                         [float(size)] if size.isdigit() else [])

    def test_all(self):
        """And promtool has nothing to say about any kind of outcome."""
        self.assertGreater(len(self.paths), 240)
        # Not one of them is left out for another reason than the settings that YAML does not have.
        self.assertLess(len(self.left_out), 16, self.left_out)
        with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
            outcomes = [(path.stem, pool.submit(self.both, path.stem)) for path in self.paths]
            kinds = {}
            for name, outcome in outcomes:
                with self.subTest(name):
                    check, answer = outcome.result()
                    metrics = answer.metrics
                    tls = "probe_tls_version_info" in metrics.families
                    kinds.setdefault((metrics.value("probe_smtp_state"), metrics.failure, tls), metrics.text)
                    self.compare(name, check, answer)
            self.assertGreater(len(kinds), 80)
            said = {kind: pool.submit(promtool, "check", "metrics", stdin=text) for kind, text in kinds.items()}
            for kind, words in said.items():
                with self.subTest(kind):
                    self.assertEqual(words.result(), (0, ""), kinds[kind])
        strays = [line for line in self.server.log().splitlines() if re.match(r"\S+ \d+ ! (?!TLS)", line)]
        self.assertEqual(strays, [])
        self.assertEqual(self.exporter.own("probes_total"), len(self.paths))
        self.assertEqual(self.exporter.own("probes_in_flight"), 0)
        self.assert_clean(self.exporter.metrics().text)
