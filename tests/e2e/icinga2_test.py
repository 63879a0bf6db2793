"""Checks run by a real Icinga 2: with deploy/icinga2 and with Icinga's own, unmodified CheckCommand "smtp", which finds
our check under the name check_smtp. State, text and performance data have to arrive as the check gave them."""

import json
import os
import pathlib
import re
import shutil
import socketserver
import threading
import time
import unittest

import peers
from icinga2 import (CRITICAL, DEPLOY, FILES, OK, PATIENCE, UNKNOWN, WARNING, Icinga2, command_of, includes, missing,
                     rendered)
from probe import CHECK, ProbeCase, ScriptedServer, run, without_times

TRANSCRIPTS = pathlib.Path(os.environ["TRANSCRIPTS"])
NAMES = ("plain", "implicit-tls", "lmtp", "commands", "silence-at-banner", "starttls-not-offered",
         "control-characters", "pipe-and-markup")
MAIL = {"from": "probe@example.net", "to": ["postmaster@example.net"]}
NOBODY = 1  # a port on which nobody listens


def parts(output):
    """Text and performance data of what a plugin printed, as Icinga takes them apart."""
    text, data = [], []
    for line in output.splitlines():
        before, _, after = line.partition("|")
        text.append(before.rstrip())
        data += after.split()
    return "\n".join(text), data


class Graphite:
    """Takes what GraphiteWriter sends: the performance data as Icinga has understood it. `metrics` by path."""

    def __init__(self):
        metrics = self.metrics = {}

        class Handler(socketserver.StreamRequestHandler):
            def handle(self):
                for line in self.rfile:
                    path, value, _ = line.decode().split()
                    metrics[path] = float(value)

        self.server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def of(self, service):
        """label.value, label.warn and so on, of the service."""
        start = f"icinga2.mx_test.services.{service}.smtp_probe.perfdata."
        return {path[len(start):]: value for path, value in list(self.metrics.items()) if path.startswith(start)}

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


class Served(ProbeCase):
    """A scripted server, a node with both plugins, and the tables of services as its configuration."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server = ScriptedServer("--mail", *(TRANSCRIPTS / f"{name}.txt" for name in NAMES))
        cls.addClassCleanup(cls.server.stop)
        cls.secret = cls.folder / "password"
        cls.secret.write_text("secret\n")
        cls.trust = {"tls_name": "mx.test", "ca_file": str(cls.server.certificates / "ca.pem")}

    @classmethod
    def node(cls, *arguments):
        node = Icinga2(*arguments)
        cls.addClassCleanup(node.stop)
        for one in ("check_smtp_probe", "check_smtp"):
            (node.plugins / one).symlink_to(CHECK)
        return node

    @staticmethod
    def check_all(node, wanted):
        """Has every service checked at once; when all of them are, they as the API shows them."""
        node.api("/v1/actions/reschedule-check",
                 {"type": "Service", "filter": "true", "force": True, "next_check": time.time() - 1})

        def checked():
            services = node.services()
            done = {name for name, one in services.items() if one["last_check_result"]}
            return services if wanted <= done else None
        try:
            return peers.wait_until(checked, "not all services were checked", PATIENCE)
        except TimeoutError as error:
            raise RuntimeError(f"{error}: {node.log()}") from None


@unittest.skipIf(missing(), missing())
class Checks(Served):

    BY_THE_DIRECTOR = ("ok", "commands", "null sender", "table", "transcript", "everything", "submission", "socket",
                       "exchanger", "ipv6", "no address")

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.graphite = Graphite()
        cls.addClassCleanup(cls.graphite.stop)
        cls.icinga = cls.node()
        cls.icinga.write_certificates()
        cls.rows = cls.own() | cls.itl()
        basket = json.loads((DEPLOY / "director_basket.json").read_text())
        text = includes(*FILES) + command_of(basket, "of_the_director") + (
            'object Endpoint NodeName { }\nobject Zone ZoneName {\n  endpoints = [ NodeName ]\n}\n'
            f'object GraphiteWriter "graphite" {{\n  host = "127.0.0.1"\n  port = "{cls.graphite.port}"\n'
            '  enable_send_thresholds = true\n}\n'
            'object Host "mx.test" {\n  check_command = "dummy"\n  enable_active_checks = false\n'
            '  address = "127.0.0.1"\n}\n'
            'object Host "v6.test" {\n  check_command = "dummy"\n  enable_active_checks = false\n  address6 = "::1"\n}\n'
            'object Host "nowhere.test" {\n  check_command = "dummy"\n  enable_active_checks = false\n}\n')
        for name, (host, settings, variables, *_) in cls.rows.items():
            text += cls.service(name, host, settings, variables)
        for name in cls.BY_THE_DIRECTOR:
            host, settings, variables, *rest = cls.rows[name]
            text += cls.service(f"director {name}", host, f'{settings}\n  check_command = "of_the_director"', variables)
        cls.icinga.start(text + cls.from_the_host())
        cls.hosts = {name: host for name, (host, *_) in cls.rows.items()}
        wanted = {f"{host}!{name}" for name, host in cls.hosts.items()} | {"many.test!mail", "many.test!no relay"}
        wanted |= {f"{cls.hosts[name]}!director {name}" for name in cls.BY_THE_DIRECTOR}
        cls.services = cls.check_all(cls.icinga, wanted)

    @staticmethod
    def service(name, host, settings, variables):
        return (f'object Service "{name}" {{\n  {settings}\n  host_name = "{host}"\n  check_interval = 1h\n'
                '  max_check_attempts = 1\n'
                + "".join(f"  vars.{key} = {rendered(value)}\n" for key, value in variables.items()) + "}\n")

    @classmethod
    def own(cls):
        """name -> host, template, variables, state, what the first line must match. Ours."""
        ports = cls.server.ports

        def row(template, state, pattern, host="mx.test", port="mail", **variables):
            variables = {"fqdn": "probe.test", "verbose": 0} | variables
            if port:
                variables["port"] = ports.get(port, port)
            return host, f'import "{template}"', {f"smtp_probe_{key}": value for key, value in variables.items()
                                                  }, state, pattern
        base, login = "smtp-probe", {"authuser": "probe", "authpass_file": str(cls.secret)}
        return {
            "ok": row(base, OK, "SMTP OK - .*250 at ehlo", port="plain"),
            "thresholds": row(base, OK, "SMTP OK - ", **MAIL, warning=20, critical=50, starttls=True,
                              step_warning=["rcpt=10", "mail=11"], step_critical=["rcpt=15"], certificate="2,1"),
            "ranges": row(base, OK, "SMTP OK - ", **MAIL, warning="~:20", critical="@60:90",
                          step_warning=["rcpt=0:10"]),
            "slow": row(base, WARNING, "SMTP WARNING - .*", warning="0.0000001", critical=50),
            "warning": row(base, WARNING, r"SMTP WARNING - rcpt: 450 4\.7\.1 <grey@example\.net>: .*greylisted", **MAIL
                           | {"to": ["postmaster@example.net", "grey@example.net"]}),
            "critical": row(base, CRITICAL, r"SMTP CRITICAL - rcpt: 550 5\.1\.1 <unknown@example\.net>", **MAIL
                            | {"to": "unknown@example.net"}),
            "null sender": row(base, OK, "SMTP OK - .*250 at rcpt", **MAIL | {"from": ""}),
            "refused": row(base, CRITICAL, "SMTP CRITICAL - connect: connection refused", port=NOBODY),
            "timeout": row(base, UNKNOWN, "SMTP UNKNOWN - banner: .*", port="silence-at-banner", timeout="1:unknown"),
            "table": row(base, CRITICAL, r"SMTP CRITICAL - rcpt: 550 5\.1\.1", verbose=1, **MAIL
                         | {"to": "unknown@example.net"}),
            "transcript": row(base, OK, "SMTP OK - ", verbose=2, port="plain"),
            "everything": row(base, OK, "SMTP OK - ", verbose=3, port="plain"),
            "hostile": row(base, OK, "SMTP OK - ", verbose=2, port="control-characters"),
            "markup": row(base, CRITICAL, r"SMTP CRITICAL - rcpt: 550 5\.7\.1", port="pipe-and-markup",
                          **{"from": "a@b.test", "to": "c@d.test"}),
            "commands": row(base, OK, "SMTP OK - ", port="commands", command=["HELP", "VRFY <root>"],
                            response=["^214", "^25[02].*$$"]),
            "mta": row("smtp-probe-mta", OK, r"SMTP OK - .*TLSv1\.", **cls.trust, certificate="1"),
            "mta untrusted": row("smtp-probe-mta", WARNING, "SMTP WARNING - tls: .*"),
            "submission": row("smtp-probe-submission", OK, "SMTP OK - .*235 at auth", **cls.trust, **login,
                              certificate="1"),
            "submissions": row("smtp-probe-submissions", OK, "SMTP OK - ", port="implicit-tls", **cls.trust,
                               certificate="1"),
            "lmtp": row("smtp-probe-lmtp", OK, "SMTP OK - ", port="lmtp"),
            "socket": row("smtp-probe-lmtp", CRITICAL, "SMTP CRITICAL - connect: ", port=None,
                          address=f"unix:{cls.folder}/none"),
            "refuses": row("smtp-probe-no-relay", OK, "SMTP OK - .*550 5.1.1 at rcpt|SMTP OK - .*550 at rcpt",
                           **{"to": "unknown@example.net"}),
            "relays": row("smtp-probe-no-relay", CRITICAL, "SMTP CRITICAL - rcpt: 250"),
            "exchanger": row("smtp-probe-exchanger", OK, r"SMTP OK - .*TLSv1\.", host="v6.test", exchanger="127.0.0.1",
                             **cls.trust, certificate="1"),
            "lost exchanger": row("smtp-probe-exchanger", UNKNOWN, "SMTP UNKNOWN - ", port=None, timeout=2,
                                exchanger="no-such.invalid"),
            "ipv6": row(base, CRITICAL, "SMTP CRITICAL - connect: .*::1", host="v6.test", port=NOBODY),
            "bad port": row(base, UNKNOWN, 'SMTP UNKNOWN - --port: got .x.', port="x"),
            "bad threshold": row(base, UNKNOWN, 'SMTP UNKNOWN - --warning: got .abc.', warning="abc"),
            "bad step": row(base, UNKNOWN, 'SMTP UNKNOWN - --until: got .never.', until="never"),
            "bad array": row(base, UNKNOWN, "SMTP UNKNOWN - --to", to=["a@b.test"]),
            "no address": row(base, UNKNOWN, "SMTP UNKNOWN - ", host="nowhere.test", port="plain"),
            "no secret": row("smtp-probe-submission", UNKNOWN, "SMTP UNKNOWN - --authpass-file: .*/none",
                             authuser="probe", authpass_file=f"{cls.folder}/none"),
        }

    @classmethod
    def itl(cls):
        """The same of Icinga's command."""
        ports = cls.server.ports

        def row(state, pattern, host="mx.test", port="mail", **variables):
            variables = {"helo_fqdn": "probe.test", "port": ports.get(port, port)} | variables
            return host, 'check_command = "smtp"', {f"smtp_{key}": value for key, value in variables.items()
                                                    }, state, pattern
        return {
            "itl": row(OK, "SMTP OK - T? ?.*response time", port="plain"),
            "itl all": row(OK, "SMTP OK - ", port="commands", expect="220 mx",
                           command=["HELP", "VRFY <root>"], response=["^214", "^252"], ignore_quit=True, warning=20,
                           critical=30, timeout=40, ipv4=True),
            "itl mismatch": row(WARNING, "SMTP WARNING - Invalid response '252", port="commands",
                                command=["HELP", "VRFY <root>"], response=["^214", "^550"]),
            "itl quit": row(WARNING, "SMTP WARNING - ", port="plain", ignore_quit=True, warning="0.0000001",
                            timeout=20),
            "itl no quit": row(OK, "SMTP OK - ", port="plain", ignore_quit=False),
            "itl from": row(OK, "SMTP OK - ", mail_from="a@b.test"),
            "itl starttls": row(OK, "SMTP OK - ", starttls=True),
            "itl no starttls": row(WARNING, "WARNING - TLS not supported by server$", port="starttls-not-offered",
                                   starttls=True),
            "itl certificate": row(OK, r"OK - Certificate 'mx\.test' will expire on ", starttls=True,
                                   certificate_age="2,1"),
            "itl certificate near": row(WARNING, r"WARNING - Certificate 'mx\.test' expires in ", starttls=True,
                                        certificate_age=4000),
            "itl auth": row(OK, "SMTP OK - ", starttls=True, authtype="LOGIN", authuser="probe", authpass="secret"),
            "itl refused": row(CRITICAL, f"connect to address 127.0.0.1 and port {NOBODY}: Connection refused",
                               port=NOBODY),
            "itl timeout": row(CRITICAL, "CRITICAL - Socket timeout after 1 seconds, banner: ", port="silence-at-banner", timeout=1),
            "itl address6": row(CRITICAL, f"connect to address ::1 and port {NOBODY}: Connection refused",
                                host="v6.test", port=NOBODY),
            "itl bad timeout": row(UNKNOWN, '.*--timeout: got .x.', timeout="x"),
            "itl bad response": row(UNKNOWN, ".*--response", command="HELP", response="("),
            "itl no address": row(UNKNOWN, ".+", host="nowhere.test"),
        }

    @classmethod
    def from_the_host(cls):
        """By the apply rules."""
        port = cls.server.ports["mail"]
        return ('object Host "many.test" {\n  check_command = "dummy"\n  enable_active_checks = false\n'
                '  address = "127.0.0.1"\n  vars.smtp_probe_fqdn = "of.the.host"\n'
                f'  vars.smtp["mail"] = {{ port = {port}, from = "", "to" = "postmaster@example.net", starttls = false,\n'
                '    certificate = null, tls_verify = "off", tls_name = null }\n'
                f'  vars.smtp["no relay"] = {{ probe = "no-relay", port = {port}, "to" = "unknown@example.net" }}\n}}\n')

    def result(self, name):
        return self.services[f"{self.hosts[name]}!{name}"]["last_check_result"]

    def test_states_and_first_lines(self):
        for name, (_, _, _, state, pattern) in self.rows.items():
            with self.subTest(name):
                result = self.result(name)
                said = (result["output"], result["command"])
                self.assertEqual((int(result["state"]), int(result["exit_status"])), (state, state), said)
                self.assertRegex(result["output"].split("\n")[0], "^" + pattern, said)
                service = self.services[f"{self.hosts[name]}!{name}"]
                self.assertEqual((int(service["state"]), int(service["state_type"])), (state, 1))

    def test_all_of_it_arrives(self):
        """What Icinga has is what the very same command line prints."""
        for name in self.rows:
            with self.subTest(name):
                result = self.result(name)
                mine = run(*result["command"][1:], program=result["command"][0])
                text, data = parts(mine.out)
                self.assertEqual(int(result["exit_status"]), mine.code)
                self.assertEqual(without_times(result["output"]), without_times(text))
                self.assertEqual([without_times(one) for one in result["performance_data"] or []],
                                 [without_times(one) for one in data])

    def test_long_output(self):
        lines = self.result("table")["output"].split("\n")
        self.assertRegex(lines[1], r"^step +code +status +seconds +text$")
        self.assertRegex("\n".join(lines), r"(?m)^rcpt +550 +5\.1\.1 ")
        self.assertIn("C: EHLO probe.test", self.result("transcript")["output"])
        self.assertEqual(len(self.result("critical")["output"].split("\n")), 1)

    def test_errors_are_clear(self):
        for name, (_, _, _, state, _) in self.rows.items():
            result = self.result(name)
            if name.startswith(("bad", "no ", "itl bad", "itl no address")):
                self.assertEqual(state, UNKNOWN, name)
                self.assertLessEqual(len(result["output"].split("\n")), 3, result["output"])
                self.assertFalse(result["performance_data"], name)
        self.assertIn("--hostname", self.result("no address")["output"].split("\n")[0])

    def test_what_is_called(self):
        """The command line: addresses, arrays, switches and what is left out."""
        def command(name):
            return " ".join(self.result(name)["command"][1:])
        self.assertIn("--hostname 127.0.0.1 ", command("ok"))
        self.assertIn("--hostname ::1 ", command("ipv6"))
        self.assertIn("--hostname no-such.invalid ", command("lost exchanger"))
        self.assertIn("--command HELP --command VRFY <root> ", command("commands"))
        self.assertIn("--from  ", command("null sender"))
        self.assertIn(f"--authpass-file {self.secret} ", command("submission"))
        self.assertNotIn("--port", command("socket"))
        self.assertIn(" -vvv", command("everything"))
        self.assertNotIn("-v", command("ok").split())
        self.assertIn("-q true ", command("itl all"))
        self.assertEqual(len(self.result("ok")["command"]), 7)

    def test_the_directors_command_calls_the_same(self):
        for name in self.BY_THE_DIRECTOR:
            theirs = self.services[f"{self.hosts[name]}!director {name}"]["last_check_result"]
            self.assertEqual(theirs["command"], self.result(name)["command"], name)

    def test_by_the_apply_rules(self):
        mail = self.services["many.test!mail"]
        self.assertEqual(int(mail["state"]), OK, mail["last_check_result"])
        self.assertIn("smtp-probe-mta", mail["templates"])
        self.assertIn("--fqdn of.the.host", " ".join(mail["last_check_result"]["command"]))
        relay = self.services["many.test!no relay"]
        self.assertEqual(int(relay["state"]), OK, relay["last_check_result"])

    def graphed(self, service, *labels):
        """Those of the service, checked until they are there: GraphiteWriter may have connected after the first."""
        wanted = {f"{label}.value" for label in labels}

        def there():
            if wanted <= set(self.graphite.of(service)):
                return True
            self.icinga.api("/v1/actions/reschedule-check",
                            {"type": "Service", "filter": f'service.name == "{service}"', "force": True})
            time.sleep(0.2)
            return False
        peers.wait_until(there, f"{service}: {self.graphite.metrics}", PATIENCE)
        return self.graphite.of(service)

    def test_thresholds_as_icinga_reads_them(self):
        """Plain numbers arrive; a range is dropped, which is Icinga's doing and in docs/icinga2.md."""
        plain = self.graphed("thresholds", "time", "time_rcpt", "time_mail", "time_ehlo_tls", "cert_days_left")
        self.assertEqual((plain["time.warn"], plain["time.crit"], plain["time.min"]), (20, 50, 0))
        self.assertEqual((plain["time_rcpt.warn"], plain["time_rcpt.crit"]), (10, 15))
        self.assertEqual(plain["time_mail.warn"], 11)
        self.assertNotIn("time_mail.crit", plain)
        self.assertGreater(plain["cert_days_left.value"], 100)
        self.assertNotIn("cert_days_left.warn", plain)
        steps = sum(value for name, value in plain.items() if re.fullmatch(r"time_(?!quit)\w+\.value", name))
        self.assertTrue(0 < steps <= plain["time.value"] + 1e-5, plain)
        ranges = self.graphed("ranges", "time", "time_rcpt")
        self.assertEqual({name for name in ranges if name.endswith((".warn", ".crit"))}, set())


@unittest.skipIf(missing(), missing())
class Zones(Served):
    """deploy/icinga2/zones in earnest: a master and a satellite, of which only the satellite is to run the checks."""

    def test_the_satellite_checks(self):
        master, satellite = self.node("master.example.net", "master"), self.node("satellite.example.net", "dmz")
        master.write_certificates()
        satellite.write_certificates(master)
        zones = master.conf / "zones.d" / "global-templates"
        zones.mkdir(parents=True)
        for one in FILES:
            shutil.copy(one, zones)
        (master.conf / "zones.d" / "dmz").mkdir()
        (master.conf / "zones.d" / "dmz" / "hosts.conf").write_text(
            'object Host "mx.test" {\n  check_command = "dummy"\n  address = "127.0.0.1"\n'
            f'  vars.smtp["mail"] = {{ port = {self.server.ports["mail"]}, from = "", "to" = "unknown@example.net",\n'
            '    tls_verify = "off", certificate = null }\n}\n')
        # The addresses of the example become those of this machine. The satellite connects to the master too: else it
        # would wait, after it took its configuration, for the master to come back, which that does every ten seconds.
        for node, role in ((master, "master"), (satellite, "satellite")):
            text = (DEPLOY / "zones" / role / "zones.conf").read_text()
            self.assertIn('host = "192.0.2.', text)
            text = text.replace('host = "192.0.2.10"', f'host = "127.0.0.1"\n  port = {satellite.port}')
            text = text.replace('host = "192.0.2.26"', "")
            if node is satellite:
                text = text.replace('"master.example.net" { }',
                                    f'"master.example.net" {{\n  host = "127.0.0.1"\n  port = {master.port}\n}}')
            (node.conf / "zones.conf").write_text(text)
        (master.plugins / "check_smtp_probe").unlink()  # whoever runs the check, it is not the master
        satellite.start('include "zones.conf"\n', accept=True)
        master.start('include "zones.conf"\n')
        result = self.result_at(master, satellite)
        self.assertEqual(result["check_source"], "satellite.example.net")
        self.assertEqual(int(result["state"]), CRITICAL, result)
        self.assertRegex(result["output"], r"^SMTP CRITICAL - rcpt: 550 5\.1\.1 <unknown@example\.net>")
        self.assertTrue(result["performance_data"])

    def result_at(self, master, satellite):
        """What the master has of the service, once the satellite has its configuration and has checked it."""
        name = "mx.test!mail"

        def at(node):
            try:
                return node.services().get(name)
            except (OSError, ValueError):  # while it starts anew with what it was sent
                return None
        try:
            peers.wait_until(lambda: at(satellite), "no configuration came", PATIENCE)
            satellite.api("/v1/actions/reschedule-check", {"type": "Service", "filter": "true", "force": True})
            return peers.wait_until(lambda: (at(master) or {}).get("last_check_result"), "no result came", PATIENCE)
        except TimeoutError as error:
            self.fail(f"{error}: {master.log()}\n{satellite.log()}")
