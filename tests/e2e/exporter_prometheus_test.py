"""A real Prometheus scrapes the exporter: twenty targets in different states, and what its API then tells is what
each server was scripted to do."""

import json
import os
import pathlib
import urllib.parse

import peers
from exporter import Exporter, ExporterCase, Listener, Service, talking
from exposition import promtool
from http_client import PATIENCE
from probe import CRITICAL, OK, STATES, UNKNOWN, WARNING, ScriptedServer

TRANSCRIPTS = pathlib.Path(os.environ["TRANSCRIPTS"])
INTERVAL = 1
SCRAPES = 4

MAIL = {"mail": {"from": "a@b.test", "to": ["c@d.test"]}, "tls": {"mode": "off"}}
MODULES = {
    "plain": {"tls": {"mode": "off"}},
    "rcpt": MAIL,
    "message": MAIL | {"message": {"subject": "probe"}},
    "starttls": {"tls": {"mode": "starttls", "verify": "report"}},
    "implicit": {"tls": {"mode": "implicit"}},
    "verified": MAIL | {"tls": {"mode": "starttls", "verify": "require", "server_name": "mx.test",
                                "ca_file": "@CERTIFICATES@/ca.pem"}},
    "login": MAIL | {"auth": {"mechanism": "PLAIN", "username": "probe", "password_file": "@SECRET@",
                              "targets": ["@LOGIN@"]}},
    "impatient": {"tls": {"mode": "off"}, "timeout": "200ms"},
}
# The script, the module that probes it, and what must come of it: state, step, reason and the code at that step.
SCRIPTED = (
    ("plain", "plain", OK, None, None, 250),
    ("banner-421", "plain", CRITICAL, "banner", "reply_4xx", 421),
    ("banner-421-rate", "plain", WARNING, "banner", "rate_limited", 421),
    ("banner-554", "plain", CRITICAL, "banner", "reply_5xx", 554),
    ("banner-malformed-http", "plain", CRITICAL, "banner", "reply_malformed", 0),
    ("close-at-banner", "plain", CRITICAL, "banner", "connection_closed", 0),
    ("silence-at-banner", "impatient", CRITICAL, "banner", "timeout", 0),
    ("silence-at-ehlo", "impatient", CRITICAL, "ehlo", "timeout", 0),
    ("ehlo-550", "plain", CRITICAL, "ehlo", "reply_5xx", 550),
    ("ehlo-501", "plain", UNKNOWN, "ehlo", "config", 501),
    ("mail-530", "rcpt", CRITICAL, "mail", "reply_5xx", 530),
    ("rcpt", "rcpt", OK, None, None, 250),
    ("rcpt-550", "rcpt", CRITICAL, "rcpt", "reply_5xx", 550),
    ("rcpt-450-greylisted", "rcpt", WARNING, "rcpt", "greylisted", 450),
    ("message-554", "message", CRITICAL, "message", "reply_5xx", 554),
    ("starttls", "starttls", OK, None, None, 250),
    ("starttls-not-offered", "starttls", CRITICAL, "starttls", "starttls_not_offered", 0),
    ("starttls-refused-454", "starttls", CRITICAL, "starttls", "starttls_refused", 454),
    ("starttls-rcpt", "verified", OK, None, None, 250),
    ("auth-plain-mail", "login", OK, None, None, 250),
    ("implicit-tls", "implicit", OK, None, None, 250),
    ("implicit-tls-spoken-in-clear", "implicit", CRITICAL, "tls", "tls_not_tls", 0),
)


class ScrapedCase(ExporterCase):
    """Targets in every state, an exporter, and a Prometheus that has scraped both some times."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server = ScriptedServer(*(TRANSCRIPTS / f"{script[0]}.txt" for script in SCRIPTED))
        cls.addClassCleanup(cls.server.stop)
        modules = {name: {"helo": "probe.test"} | module for name, module in MODULES.items()}
        secret = cls.folder / "secret"
        secret.write_text("secret")
        config = json.dumps({"modules": modules})
        for word, value in (("@CERTIFICATES@", cls.server.certificates), ("@SECRET@", secret),
                            ("@LOGIN@", f"127.0.0.1:{cls.server.ports['auth-plain-mail']}")):
            config = config.replace(word, str(value))
        cls.exporter = Exporter(config=config)
        cls.addClassCleanup(cls.exporter.kill)
        closed = peers.closed_port()
        # target -> module and what is expected
        cls.targets = {f"127.0.0.1:{cls.server.ports[script[0]]}": script[1:] for script in SCRIPTED}
        cls.targets[f"127.0.0.1:{closed}"] = ("plain", CRITICAL, "connect", "connection_refused", 0)
        blackbox = Listener(talking())
        cls.addClassCleanup(blackbox.close)
        cls.blackbox = blackbox.target
        config = cls.folder / "prometheus.yml"
        config.write_text(json.dumps(cls.scrape_config()))
        code, said = promtool("check", "config", config)
        assert code == 0, said
        cls.prometheus = Service("prometheus", f"--config.file={config}", "--storage.tsdb.path=@FOLDER@/data",
                                 "--web.listen-address=127.0.0.1:0")
        cls.addClassCleanup(cls.prometheus.stop)
        try:
            peers.wait_until(cls.scraped_enough, "Prometheus did not scrape all targets often enough", 2 * PATIENCE)
        except TimeoutError as error:
            raise TimeoutError(f"{error}: {''.join(cls.prometheus.lines[-20:])}") from None

    @classmethod
    def scrape_config(cls):
        """As in the README: the module is a label of the target's."""
        address = "{}:{}".format(*cls.exporter.address)
        of_module = {}
        for target, script in cls.targets.items():
            of_module.setdefault(script[0], []).append(target)
        as_in_readme = {
            "job_name": "smtp", "metrics_path": "/probe",
            "static_configs": [{"targets": targets, "labels": {"module": module}}
                               for module, targets in of_module.items()],
            "relabel_configs": [
                {"source_labels": ["__address__"], "target_label": "__param_target"},
                {"source_labels": ["module"], "target_label": "__param_module"},
                {"source_labels": ["__param_target"], "target_label": "instance"},
                {"target_label": "__address__", "replacement": address}]}
        # Word for word what blackbox_exporter's README has, but for the module and the last line.
        of_blackbox = {
            "job_name": "blackbox", "metrics_path": "/probe", "params": {"module": ["plain"]},
            "static_configs": [{"targets": [cls.blackbox]}],
            "relabel_configs": [
                {"source_labels": ["__address__"], "target_label": "__param_target"},
                {"source_labels": ["__param_target"], "target_label": "instance"},
                {"target_label": "__address__", "replacement": address}]}
        return {"global": {"scrape_interval": f"{INTERVAL}s", "scrape_timeout": f"{INTERVAL}s"},
                "scrape_configs": [as_in_readme, of_blackbox,
                                   {"job_name": "exporter", "static_configs": [{"targets": [address]}]}]}

    @classmethod
    def query(cls, expression):
        answer = cls.prometheus.request("/api/v1/query?" + urllib.parse.urlencode({"query": expression}))
        whole = json.loads(answer.text)
        assert whole["status"] == "success", whole
        return [(one["metric"], float(one["value"][1])) for one in whole["data"]["result"]]

    @classmethod
    def scraped_enough(cls):
        if cls.prometheus.request("/-/ready").status != 200:
            return False
        counted = cls.query("count_over_time(up[1h])")
        return len(counted) == len(cls.targets) + 2 and min(value for _, value in counted) >= SCRAPES


class Scraped(ScrapedCase):

    def by_target(self, expression):
        found = self.query(expression)
        self.assertEqual(len({labels["instance"] for labels, _ in found}), len(found), found)
        return {labels["instance"]: value for labels, value in found}

    def test_all_are_up(self):
        up = self.query("min_over_time(up[1h])")
        self.assertEqual({value for _, value in up}, {1}, up)
        health = [one for one in self.prometheus.json("/api/v1/targets")["data"]["activeTargets"]]
        self.assertEqual({(one["health"], one["lastError"]) for one in health}, {("up", "")}, health)

    def test_states(self):
        wanted = {target: script[1] for target, script in self.targets.items()}
        self.assertEqual(self.by_target('probe_smtp_state{job="smtp"}'), wanted)
        self.assertEqual(self.by_target('probe_success{job="smtp"}'),
                         {target: 1 if state < 2 else 0 for target, state in wanted.items()})
        # At every scrape.
        for of in ("min", "max"):
            self.assertEqual(self.by_target(f'{of}_over_time(probe_smtp_state{{job="smtp"}}[1h])'), wanted)

    def test_reasons(self):
        found = self.query('probe_failure_info{job="smtp"}')
        self.assertEqual({labels["instance"]: (labels["step"], labels["reason"]) for labels, _ in found},
                         {target: script[2:4] for target, script in self.targets.items() if script[1] != OK})
        self.assertEqual({value for _, value in found}, {1})

    def test_codes(self):
        found = {(labels["instance"], labels["step"]): value
                 for labels, value in self.query('probe_smtp_step_reply_code{job="smtp"}')}
        for target, (module, state, step, _, code) in self.targets.items():
            with self.subTest(target=target, step=step):
                deepest = {"rcpt": "rcpt", "verified": "rcpt", "login": "rcpt", "message": "message", "starttls": "ehlo_tls"}.get(module, "ehlo")
                self.assertEqual(found[target, step or deepest], code)

    def test_labels(self):
        """The scrape's labels are Prometheus' own business: none of the exporter's stands in its way."""
        for name in ("probe_success", "probe_smtp_step_duration_seconds", "probe_failure_info",
                     "probe_ssl_last_chain_info", "smtp_probe_exporter_probes_total"):
            found = self.query(name)
            self.assertTrue(found, name)
            for labels, _ in found:
                self.assertEqual([one for one in labels if one.startswith("exported_")], [], labels)
        for labels, _ in self.query('probe_success{job="smtp"}'):
            self.assertEqual(labels["module"], self.targets[labels["instance"]][0])

    def test_sums_of_steps(self):
        over = self.query("sum by (job, instance) (probe_smtp_step_duration_seconds) "
                          "> on (job, instance) probe_duration_seconds + 1e-9")
        self.assertEqual(over, [])

    def test_certificates(self):
        found = self.by_target('(probe_ssl_earliest_cert_expiry - time()) / 86400')
        names = {script[0]: f"127.0.0.1:{self.server.ports[script[0]]}" for script in SCRIPTED}
        self.assertEqual(set(found), {names["starttls"], names["starttls-rcpt"], names["implicit-tls"]})
        for days in found.values():
            self.assertTrue(300 < days < 366, found)

    def test_configuration_written_for_blackbox(self):
        self.assertEqual(self.by_target('probe_success{job="blackbox"}'), {self.blackbox: 1})
        self.assertEqual(self.by_target('probe_timeout_seconds{job="blackbox"}'), {self.blackbox: INTERVAL - 0.5})

    def test_own_metrics(self):
        totals = self.query('sum by (state) (smtp_probe_exporter_probes_total)')
        self.assertEqual({labels["state"] for labels, value in totals if value}, set(STATES))
        self.assertGreaterEqual(sum(value for _, value in totals), len(self.targets) * (SCRAPES - 1))
        # The usual way to a quantile.
        found = self.query('histogram_quantile(0.95, sum by (le, step) '
                           '(smtp_probe_exporter_step_duration_seconds_bucket{module="rcpt"}))')
        self.assertLessEqual({"connect", "banner", "ehlo", "mail", "rcpt"}, {labels["step"] for labels, _ in found})
        for labels, value in found:
            self.assertTrue(0 <= value < 5, (labels, value))
