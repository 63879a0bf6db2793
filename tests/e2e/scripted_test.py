"""check_smtp_probe against the scripted server: every transcript of tests/transcripts comes, by the options that its
plan stands for, to the state, step and reason written in it; and what only a hostile server does."""

import base64
import concurrent.futures
import os
import pathlib
import re
import shlex

from probe import CRITICAL, OK, SANITIZED, STATES, WARNING, ProbeCase, ScriptedServer, step

TRANSCRIPTS = pathlib.Path(os.environ["TRANSCRIPTS"])
# The limit, in seconds, for a transcript that has limits in milliseconds: it ends the wait at the same step.
SHORT = "3" if SANITIZED else "1"
AT_ONCE = 8


def settings(path, kind):
    """The key=value pairs of the `plan:` or `outcome:` lines, in order."""
    lines = [line[len(kind):] for line in path.read_text().splitlines() if line.startswith(kind)]
    return [tuple(word.split("=", 1)) for line in lines for word in shlex.split(line)]


def several(option, values):
    return [word for value in values.split(",") for word in (option, value)]


TLS = {"off": [], "starttls": ["-S"], "implicit": ["-s"], "opportunistic": ["--module", "smtp"]}
OPTIONS = {
    "until": lambda v: ["--until", v],
    "from": lambda v: ["-f", v],
    "to": lambda v: several("--to", v),
    "greet": lambda v: ["--" + v],
    "protocol": lambda v: ["-L"] if v == "lmtp" else [],
    "tls": lambda v: TLS[v],
    "banner": lambda v: ["-e", v],
    "require": lambda v: several("--require-extension", v),
    "forbid": lambda v: several("--forbid-extension", v),
    "message": lambda v: ["--send"],
    "auth": lambda v: ["-A", v],
    "user": lambda v: ["-U", v],
    "insecure": lambda v: ["--auth-insecure"],
    "command": lambda v: ["-C", v],
    "response": lambda v: ["-R", v],
    "greylisting": lambda v: ["--greylisting", v],
    "greylisting-pattern": lambda v: ["--greylisting-pattern", v],
}


def options_of(plan, secret_file):
    """The command line for a `plan:`. `secret_file(text)` writes a file and tells its name."""
    words = ["-F", dict(plan).get("helo", "probe.test")]
    limited = any(key == "timeout" or key.startswith("limit.") for key, _ in plan)
    state = dict(plan).get("timeout-state")
    if limited or state:
        words += ["-t", SHORT + (f":{state}" if state else "")]
    for key, value in plan:
        if key.startswith("expect."):
            words += ["--expect", f"{key[7:]}={value}"]
        elif key in ("password", "token"):
            words += ["--authpass-file" if key == "password" else "--authtoken-file", secret_file(value)]
        elif key not in ("helo", "timeout", "timeout-state") and not key.startswith("limit."):
            words += OPTIONS[key](value)
    return words


class Transcripts(ProbeCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.paths = sorted(TRANSCRIPTS.glob("*.txt"))
        cls.server = ScriptedServer(*map(cls.prepared, cls.paths))
        cls.addClassCleanup(cls.server.stop)
        cls.trust = ["--ca-file", cls.server.certificates / "ca.pem", "--tls-name", "mx.test"]

    @classmethod
    def prepared(cls, path):
        """With what a plan for the pure dialogue cannot have: RFC 7628's host and port of a real peer."""
        text = path.read_text()
        if "auth=OAUTHBEARER" not in text:
            return path
        copy = cls.folder / path.name
        copy.write_text(re.sub(r"(?m)^C: AUTH OAUTHBEARER .+$", "C: AUTH OAUTHBEARER *", text))
        return copy

    def secret_file(self, text):
        return self.file("secret-" + text.encode().hex(), text)

    def options(self, path):
        plan = settings(path, "plan:")
        words = options_of(plan, self.secret_file)
        if "auth" not in dict(plan) or "insecure" in dict(plan):
            return words
        # No peer of a plan counts as one on the loopback: TLS has to be there and verified. Where the plan has none,
        # a module can say that.
        if "tls" in dict(plan):
            words += ["--tls-verify", "require"]
        else:
            module = self.file("verified.yml", "modules: {verified: {tls: {mode: opportunistic, verify: require}}}\n")
            words += ["--config", module, "--module", "verified"]
        return words

    def probe(self, path, words):
        plan = settings(path, "plan:")
        trust = self.trust if dict(plan).get("tls", "off") != "off" or "--module" in words else []
        return self.run_clean("-H", "127.0.0.1", "-p", self.server.ports[path.stem], *words, *trust,
                              "--output", "json")

    def compare(self, path, outcome):
        expected = dict(settings(path, "outcome:"))
        whole = outcome.json
        found = whole["findings"]
        state = STATES.index(expected["state"])
        self.assertEqual((outcome.code, whole["exit_code"]), (state, state))
        wanted = (expected["step"], expected["reason"]) if state != OK else None
        self.assertEqual((found[0]["step"], found[0]["reason"]) if found else None, wanted)
        (result,) = whole["results"]
        record = step(result, expected["step"]) if "step" in expected else None
        if "code" in expected:
            self.assertEqual(record["code"] or 0, int(expected["code"]))
        if "status" in expected:
            self.assertEqual(record["status"], expected["status"])
        said = [one["detail"] or "" for one in result["steps"]] + [one["text"] for one in found]
        self.assertIn(expected.get("text", ""), "\n".join(said))
        for note in expected.get("note", "").split(","):
            self.assertIn(note, result["notes"] + [""])

    def test_all(self):
        self.assertGreater(len(self.paths), 200)
        work = [(path, self.options(path)) for path in self.paths]
        with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
            outcomes = [(path, pool.submit(self.probe, path, words)) for path, words in work]
        for path, outcome in outcomes:
            with self.subTest(path.stem):
                self.compare(path, outcome.result())
        strays = [line for line in self.server.log().splitlines() if re.match(r"\S+ \d+ ! (?!TLS)", line)]
        self.assertEqual(strays, [])

    def text(self, name, *options, **how):
        return self.run_clean("-H", "127.0.0.1", "-p", self.server.ports[name], "-F", "probe.test", *options, **how)

    def test_oauthbearer_names_the_peer(self):
        server = ScriptedServer(self.prepared(TRANSCRIPTS / "auth-oauthbearer.txt"))
        self.addCleanup(server.stop)
        port = server.ports["auth-oauthbearer"]
        outcome = self.run_clean("-H", "127.0.0.1", "-p", port, "-F", "probe.test", "-A", "OAUTHBEARER", "-U", "probe",
                                 "--authtoken-file", self.secret_file("tok123"), "--output", "json")
        self.assert_verdict(outcome, OK, "auth", None, 235)
        (said,) = re.findall(r"C: AUTH OAUTHBEARER (\S+)", server.log())
        self.assertEqual(base64.b64decode(said, validate=True),
                         f"n,a=probe,\x01host=127.0.0.1\x01port={port}\x01auth=Bearer tok123\x01\x01".encode())

    def test_mdaemon_step_by_step(self):
        outcome = self.text("mdaemon", "-f", "a@b.test", "--to", "c@d.test", "--send", "-vv")
        self.assertEqual(outcome.code, OK, outcome.out)
        self.assertRegex(outcome.text, r"^SMTP OK - \d\.\d{3} sec\. response time, 250 at message$")
        rows = {line.split()[0]: line.split() for line in outcome.out.splitlines()[2:10]}
        self.assertEqual(list(rows), ["connect", "banner", "ehlo", "mail", "rcpt", "data", "message", "quit"])
        for name, code in (("banner", "220"), ("ehlo", "250"), ("mail", "250"), ("rcpt", "250"), ("data", "354"),
                           ("message", "250"), ("quit", "221")):
            self.assertEqual(rows[name][1], code)
            self.assertRegex(rows[name][3], r"^\d+\.\d{6}$")
            self.assertIn("time_" + name, outcome.perfdata)
        said = [line.split(" ", 1)[1] for line in outcome.out.splitlines() if re.match(r"\+\d", line)]
        script = (TRANSCRIPTS / "mdaemon.txt").read_text().splitlines()
        # Every line of the server, and of the client but for the message, stands in the transcript in that order.
        for line in script:
            if line.startswith(("S: ", "C: ")) and line != "C: <message>":
                self.assertIn(line, said)
                del said[:said.index(line) + 1]

    def test_pipe_and_markup(self):
        outcome = self.text("pipe-and-markup", "-f", "a@b.test", "--to", "c@d.test", "-vvv")
        self.assertEqual(outcome.code, CRITICAL)
        self.assertEqual(outcome.out.count("|"), 1)
        self.assertIn("550 5.7.1 ", outcome.text)
        self.assertEqual(set(outcome.perfdata), {"time", "time_connect", "time_banner", "time_ehlo", "time_mail",
                                                 "time_rcpt", "time_quit"})
        for mark in ("<script>", "<"):
            self.assertNotIn(mark, outcome.perfdata["time"])

    def test_control_characters(self):
        plan = dict(settings(TRANSCRIPTS / "control-characters.txt", "plan:"))
        for verbose in ((), ("-vvv",), ("--output", "json")):
            outcome = self.text("control-characters", *options_of(list(plan.items()), self.secret_file)[2:], *verbose)
            self.assertEqual([c for c in outcome.out if (ord(c) < 32 and c != "\n") or 127 <= ord(c) < 160], [])

    def test_dripping_reply_counts_to_its_last_byte(self):
        outcome = self.text("dripping", "--output", "json")
        result = self.assert_verdict(outcome, OK, "ehlo", None, 250)
        for name, line in (("banner", "220 mx.test ESMTP\r\n"), ("ehlo", "250 mx.test\r\n")):
            self.assertGreater(step(result, name)["seconds"], 0.004 * (len(line) - 1))

    def test_dialect_and_handshakes(self):
        for name, option in (("implicit-tls-alert", "-s"), ("implicit-tls-spoken-in-clear", "-s"),
                             ("tls-garbage", "-S"), ("tls-alert", "-S")):
            with self.subTest(name):
                outcome = self.text(name, option, program=self.compatible)
                self.assertEqual(outcome.code, CRITICAL)
                self.assertTrue(outcome.first.startswith("CRITICAL - Cannot make SSL connection."), outcome.out)
                self.assertIn("cannot create TLS context", outcome.first)

    def test_dialect_and_banners(self):
        for name in ("banner-421", "banner-450", "banner-521", "banner-554", "close-at-banner", "reset-at-banner",
                     "banner-other-text"):
            with self.subTest(name):
                options = ("-e", "what nobody says") if name == "banner-other-text" else ()
                outcome = self.text(name, *options, program=self.compatible)
                self.assertEqual(outcome.code, WARNING, outcome.out)
                self.assertTrue(outcome.first.startswith("SMTP WARNING - "), outcome.out)

    def test_dialect_and_silence(self):
        outcome = self.text("silence-at-banner", "-t", "1", program=self.compatible)
        self.assertEqual(outcome.code, CRITICAL)
        self.assertTrue(outcome.first.startswith("CRITICAL - Socket timeout after 1 seconds"), outcome.out)


class Certificates(ProbeCase):

    def server(self, certificate, *options):
        server = ScriptedServer(TRANSCRIPTS / "starttls.txt", TRANSCRIPTS / "implicit-tls.txt",
                                options=("--cert", certificate, *options))
        self.addCleanup(server.stop)
        return server

    def probe(self, server, *options, name="starttls", **how):
        tls = "-S" if name == "starttls" else "-s"
        return self.run_clean("-H", "127.0.0.1", "-p", server.ports[name], "-F", "probe.test", tls,
                              "--ca-file", server.certificates / "ca.pem", "--tls-name", "mx.test", *options, **how)

    def test_each_kind(self):
        for certificate, reason in (("expired", "cert_expired"), ("not-yet-valid", "cert_not_yet_valid"),
                                    ("wrong-name", "cert_name_mismatch"), ("cn-only", "cert_name_mismatch"),
                                    ("self-signed", "cert_untrusted"), ("no-intermediate", "cert_untrusted")):
            server = self.server(certificate)
            for name in ("starttls", "implicit-tls"):
                with self.subTest(certificate=certificate, server=name):
                    result = self.assert_verdict(self.probe(server, "--output", "json", name=name), OK)
                    self.assertIs(result["tls"]["verified"], False)
                    self.assertIn(reason, [one["reason"] for one in result["tls"]["problems"]])
                    for verify, state in (("warn", WARNING), ("require", CRITICAL)):
                        outcome = self.probe(server, "--tls-verify", verify, "--output", "json", name=name)
                        result = self.assert_verdict(outcome, state, "tls", reason)
                        self.assertTrue(result["tls"]["chain"])
                    off = self.assert_verdict(self.probe(server, "--tls-verify", "off", "--output", "json", name=name),
                                              OK)
                    self.assertIs(off["tls"]["verified"], False)

    def test_expiry(self):
        expired, expiring = self.server("expired"), self.server("expiring")
        self.assert_verdict(self.probe(expired, "-D", "30,10", "--output", "json"), CRITICAL, "tls", "cert_expired")
        self.assert_verdict(self.probe(expiring, "-D", "30,1", "--output", "json"), WARNING, "tls", "cert_expiring")
        self.assert_verdict(self.probe(expiring, "-D", "30,10", "--output", "json"), CRITICAL, "tls", "cert_expiring")
        self.assert_verdict(self.probe(expiring, "-D", "3", "--output", "json"), OK)

    def test_dialect_lines(self):
        date = r"\w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4} \+0000"
        expired = self.probe(self.server("expired"), "-D", "30,10", program=self.compatible)
        self.assertEqual(expired.code, CRITICAL, expired.out)
        self.assertRegex(expired.text, rf"^CRITICAL - Certificate 'mx\.test' expired on {date}\.$")
        expiring = self.probe(self.server("expiring"), "-D", "30,1", program=self.compatible)
        self.assertEqual(expiring.code, WARNING, expiring.out)
        self.assertRegex(expiring.text, rf"^WARNING - Certificate 'mx\.test' expires in [45] day\(s\) \({date}\)\.$")

    def test_hostile_names(self):
        server = self.server("hostile")
        for options in ((), ("-vvv",), ("--output", "json"), ("-D", "30", "-vvv")):
            outcome = self.probe(server, *options)
            self.assertEqual([c for c in outcome.out if ord(c) < 32 and c != "\n"], [])
            if "--output" not in options:
                self.assertEqual(outcome.out.count("|"), 1, outcome.out)
        compatible = self.probe(server, "-D", "30", "-v", program=self.compatible)
        self.assertEqual(compatible.out.count("|"), 1, compatible.out)

    def test_rsa_and_versions(self):
        server = self.server("rsa")
        for version in ("1.2", "1.3"):
            outcome = self.probe(server, "--tls-min-version", version, "--tls-verify", "require", "--output", "json")
            self.assertEqual(self.assert_verdict(outcome, OK)["tls"]["version"], "TLSv1.3")

    def test_client_certificate(self):
        server = self.server("server")
        pair = ("--client-cert", server.certificates / "client.pem", "--client-key", server.certificates / "client.key")
        self.assert_verdict(self.probe(server, *pair, "--tls-verify", "require", "--output", "json"), OK)


class Addresses(ProbeCase):

    def test_ipv6(self):
        server = ScriptedServer(TRANSCRIPTS / "plain.txt", TRANSCRIPTS / "starttls.txt", options=("--listen", "::1"))
        self.addCleanup(server.stop)
        port = server.ports["plain"]
        for target in (("-H", "::1", "-p", port), ("-H", f"[::1]:{port}"), ("-6", "-H", "::1", "-p", port),
                       (f"smtp://[::1]:{port}",)):
            outcome = self.run_clean(*target, "-F", "probe.test", "--output", "json")
            endpoint = self.assert_verdict(outcome, OK, "ehlo", None, 250)["endpoint"]
            self.assertEqual((endpoint["address"], endpoint["port"], endpoint["ip_version"]), ("::1", port, 6))
        verified = self.run_clean("-H", "::1", "-p", server.ports["starttls"], "-F", "probe.test", "-S", "--tls-verify",
                                  "require", "--ca-file", server.certificates / "ca.pem", "--output", "json")
        self.assertIs(self.assert_verdict(verified, OK)["tls"]["verified"], True)

    def test_unix_socket(self):
        path = self.folder / "lmtp"
        server = ScriptedServer(TRANSCRIPTS / "lmtp-two-recipients.txt", options=("--listen", f"unix:{path}"))
        self.addCleanup(server.stop)
        for target in (f"unix:{path}", str(path)):
            outcome = self.run_clean(target, "-F", "probe.test", "-f", "a@b.test", "--to", "c@d.test",
                                     "--to", "e@f.test", "--send", "--output", "json")
            self.assert_verdict(outcome, OK, "message", None, 250)

    def test_source_address(self):
        server = ScriptedServer(TRANSCRIPTS / "plain.txt")
        self.addCleanup(server.stop)
        outcome = self.run_clean("-H", "127.0.0.1", "-p", server.ports["plain"], "-F", "probe.test", "--source",
                                 "127.0.0.7", "--output", "json")
        self.assertIn("127.0.0.7", self.assert_verdict(outcome, OK)["endpoint"]["local_address"])


class MailServer(ProbeCase):
    """The demo's embedded server."""

    def test_whole_dialogue(self):
        server = ScriptedServer("--mail")
        self.addCleanup(server.stop)
        for options in ((), ("-S",)):
            outcome = self.run_clean("-H", "127.0.0.1", "-p", server.ports["mail"], "-f", "a@b.test",
                                     "--to", "c@d.test", "--send", "--output", "json", *options)
            self.assert_verdict(outcome, OK, "message", None, 250)
