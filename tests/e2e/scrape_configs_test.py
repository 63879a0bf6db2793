"""Every scrape configuration of deploy/prometheus, checked by promtool and run by a real Prometheus against the names
that it has: which targets are probed, with which module, under which labels."""

import http.server
import json
import os
import shutil
import threading

import mail_network
import peers
from exporter import Exporter, ExporterCase, Listener, server_context, talking, talking_tls
from exposition import promtool
from http_client import PATIENCE
from prometheus import DEPLOYED, ROOT, Prometheus, deployed
from yaml_text import document

EXPORTER = "127.0.0.1:9725"
NAMES = {"mx1.example.net": ["127.0.0.11"], "mx2.example.net": ["127.0.0.12"], "mx3.example.net": ["127.0.0.13"],
         "mail.example.net": ["127.0.0.21", "127.0.0.22"], "inventory.example.net": ["127.0.0.80"]}
HERE = ("static.yml", "file_sd.yml", "http_sd.yml", "dns_sd.yml")
IPV6 = "2001:db8::25"


def setUpModule():
    mail_network.begin()


class Inventory:
    """What http_sd asks."""

    def __init__(self, groups):
        self.groups = groups
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                body = json.dumps(outer.groups).encode()
                self.send_response(200 if self.path == "/smtp-targets.json" else 404)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.80", 80), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class Configurations(mail_network.NetworkMixin, ExporterCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.make_network(NAMES, {"example.net": ["mx1.example.net", "mx2.example.net"]}, [f"{IPV6}/128"])
        context = server_context(peers.write_certificates(cls.folder / "certificates"))
        starttls = talking_tls(context)
        for address in ("127.0.0.11", "127.0.0.12", "127.0.0.13", IPV6):
            cls.serve((address, 25), starttls)
        for address in NAMES["mail.example.net"]:
            cls.serve((address, 587), starttls)
            cls.serve((address, 465), talking(), context)
        # Without a configuration: the modules that these files name are built in.
        cls.exporter = Exporter("--web.listen-address", EXPORTER)
        cls.addClassCleanup(cls.exporter.kill)
        cls.inventory = Inventory([{"targets": ["mx1.example.net"], "labels": {"site": "berlin"}},
                                   {"targets": ["mail.example.net:587"], "labels": {"module": "submission"}}])
        cls.addClassCleanup(cls.inventory.close)
        # All at once: each looks for targets every five seconds.
        cls.running = {name: cls.run_deployed(name) for name in HERE}

    @classmethod
    def serve(cls, address, serve, context=None):
        cls.addClassCleanup(Listener(serve, context, address).close)

    @classmethod
    def run_deployed(cls, name):
        folder = cls.folder / name
        folder.mkdir()
        config = folder / "prometheus.yml"
        config.write_text(deployed(name, folder))
        prometheus = Prometheus(config)
        cls.addClassCleanup(prometheus.stop)
        return prometheus, folder / "smtp-targets"

    @staticmethod
    def seen(prometheus, *more):
        """What is probed with success, as (job, instance, module, more labels...), and the exporter itself."""
        if not prometheus.ready():
            return None
        return ({tuple(labels.get(one) for one in ("job", "instance", "module", *more))
                 for labels, _ in prometheus.query("probe_success == 1")} |
                {(labels["job"], labels["instance"]) for labels, _ in
                 prometheus.query("smtp_probe_exporter_build_info")})

    def assert_probed(self, prometheus, wanted, *more):
        wanted = {*wanted, ("smtp_probe_exporter", EXPORTER)}
        try:
            peers.wait_until(lambda: self.seen(prometheus, *more) == wanted, "", PATIENCE)
        except TimeoutError:
            self.assertEqual(self.seen(prometheus, *more), wanted, json.dumps(prometheus.targets(), indent=1))
        # Nothing else is asked, with any outcome.
        up = {(labels["job"], labels["instance"]) for labels, value in prometheus.query("up == 1")}
        self.assertEqual(up, {one[:2] for one in wanted})
        labels = {label for one, _ in prometheus.query("{__name__=~'probe_.+|up'}") for label in one}
        self.assertEqual([one for one in labels if one.startswith(("exported_", "__tmp", "__meta"))], [])
        rules = prometheus.api("rules")["groups"]
        self.assertEqual(sorted(one["name"] for one in rules),
                         ["smtp-exporter", "smtp-exporter", "smtp-targets", "smtp-targets"])

    def test_all_are_tested(self):
        in_fleet_test = {"hashmod.yml", "replicas.yml", "haproxy.cfg"}
        self.assertEqual({one.name for one in DEPLOYED.iterdir() if one.is_file()}, {*HERE} | in_fleet_test)
        for name in sorted(one.name for one in DEPLOYED.glob("*.yml")):
            code, said = promtool("check", "config", DEPLOYED / name)
            self.assertEqual(code, 0, said)

    def test_static(self):
        prometheus, _ = self.running["static.yml"]
        self.assert_probed(prometheus, {
            ("smtp", "mx1.example.net", "smtp_starttls"), ("smtp", "mx2.example.net:25", "smtp_starttls"),
            ("smtp", f"[{IPV6}]:25", "smtp_starttls"),
            ("smtp_modules", "mail.example.net:587", "submission"),
            ("smtp_modules", "smtps://mail.example.net", "submissions")})
        tls = {labels["instance"]: value for labels, value in prometheus.query("probe_smtp_tls")}
        self.assertEqual(set(tls.values()), {1}, tls)

    def test_discovery(self):
        """What each kind finds at first, and after its source has changed: all of them at once, for each takes some
        seconds."""
        sample = DEPLOYED / "targets" / "smtp.yml"
        listed = {target for group in document(sample.read_text()) for target in group["targets"]}
        files, targets = self.running["file_sd.yml"]
        shutil.copy(sample, targets / "smtp.yml")
        code, said = promtool("check", "config", targets.parent / "prometheus.yml")
        self.assertEqual((code, "WARNING" in said), (0, False), said)
        from_files = {("smtp", "mx1.example.net", "smtp_starttls", "berlin"),
                      ("smtp", "mx2.example.net:25", "smtp_starttls", "berlin"),
                      ("smtp", "mail.example.net:587", "submission", "berlin"),
                      ("smtp", "smtps://mail.example.net", "submissions", "paris")}
        self.assertEqual({one[1] for one in from_files}, listed)
        self.assert_probed(files, from_files, "site")

        inventory, _ = self.running["http_sd.yml"]
        self.assert_probed(inventory, {("smtp", "mx1.example.net", "smtp_starttls", "berlin"),
                                       ("smtp", "mail.example.net:587", "submission", None)}, "site")

        dns, _ = self.running["dns_sd.yml"]
        addresses = {("smtp_addresses", f"{one}:587", "submission", None, "mail.example.net")
                     for one in NAMES["mail.example.net"]}
        exchangers = {("smtp_mx", f"{one}.example.net:25", "smtp_starttls", "example.net", None)
                      for one in ("mx1", "mx2")}
        self.assert_probed(dns, addresses | exchangers, "domain", "mail_host")
        # By the name that it was asked to look for.
        asked = [one["scrapeUrl"] for one in dns.targets() if one["labels"]["job"] == "smtp_addresses"]
        self.assertTrue(all("hostname=mail.example.net" in one for one in asked), asked)

        os.rename(self.file("new.yml", json.dumps([{"targets": ["mx3.example.net"]}])), targets / "smtp.yml")
        self.inventory.groups = [{"targets": ["mx2.example.net:25"], "labels": {"module": "smtp"}}]
        self.names.exchangers["example.net"] = ["mx3.example.net"]
        self.assert_probed(files, {("smtp", "mx3.example.net", "smtp_starttls", None)}, "site")
        self.assert_probed(inventory, {("smtp", "mx2.example.net:25", "smtp", None)}, "site")
        exchangers = {("smtp_mx", "mx3.example.net:25", "smtp_starttls", "example.net", None)}
        self.assert_probed(dns, addresses | exchangers, "domain", "mail_host")

    def test_installed(self):
        """The paths that these files name are those of the package, and its rules alone match them."""
        found = sorted(one.name for one in (ROOT / "dashboards").glob("smtp_*.yml"))
        self.assertEqual([one for one in found if not one.endswith("_test.yml")], ["smtp_alerts.yml", "smtp_rules.yml"])
