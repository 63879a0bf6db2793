"""docs/from-blackbox_exporter.md against Debian's blackbox_exporter: its modules, its table of metrics and its flags,
with the same servers for both."""

import json
import re
import socket
import subprocess

import peers
from exporter import ExporterCase, Listener, Service, server_context, talking, talking_tls
from exposition import Exposition, promtool
from prometheus import ROOT
from yaml_text import document

DOCUMENT = ROOT / "docs" / "from-blackbox_exporter.md"
BLACKBOX = "prometheus-blackbox-exporter"
TIMEOUT = 1.0


def blocks(info):
    return re.findall(rf"^```{info}\n(.*?)^```$", DOCUMENT.read_text(), re.MULTILINE | re.DOTALL)


def rows(heading):
    """The cells of the table below a heading."""
    section = DOCUMENT.read_text().split(f"\n## {heading}\n")[1].split("\n## ")[0]
    table = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
             for line in section.splitlines() if line.startswith("|")]
    return table[2:]


class Both(ExporterCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.certificates = peers.write_certificates(cls.folder / "certificates")
        context = server_context(cls.certificates)
        theirs, ours = (document(text) for text in blocks("yaml")[:2])
        # Theirs: the document's module, as it is but for name, trust and patience.
        module = theirs["modules"]["smtp_starttls"]
        module["timeout"] = f"{TIMEOUT:g}s"
        module["tcp"]["tls_config"] |= {"server_name": "mx.test", "ca_file": str(cls.certificates / "ca.pem")}
        ours["modules"]["smtp_starttls"]["tls"] |= {"server_name": "mx.test", "ca_file": str(cls.certificates / "ca.pem")}
        ours["modules"]["smtp_starttls"]["timeout"] = f"{TIMEOUT:g}s"
        # And one without trust, for each.
        theirs["modules"]["skip"] = json.loads(json.dumps(module))
        theirs["modules"]["skip"]["tcp"]["tls_config"] = {"insecure_skip_verify": True}
        ours["modules"]["skip"] = {"tls": {"mode": "starttls", "verify": "report"}}
        ours["modules"]["plain"] = {"tls": {"mode": "off"}}
        cls.theirs_text, cls.ours_text = json.dumps(theirs), json.dumps(ours)
        (cls.folder / "blackbox.json").write_text(cls.theirs_text)
        cls.blackbox = Service(BLACKBOX, f"--config.file={cls.folder / 'blackbox.json'}",
                               "--web.listen-address=127.0.0.1:0")
        cls.addClassCleanup(cls.blackbox.stop)
        cls.good = cls.serve(talking_tls(context))
        cls.refusing = cls.serve(talking(banner="554 5.7.1 no service for you"))
        cls.sized = cls.serve(talking(ehlo="250-mx.test\r\n250 SIZE 1000000"))

    @classmethod
    def serve(cls, serve):
        listener = Listener(serve)
        cls.addClassCleanup(listener.close)
        return listener.target

    def setUp(self):
        self.ours = self.start(config=self.ours_text)

    def of_blackbox(self, target, module="smtp_starttls"):
        answer = self.blackbox.request(f"/probe?target={target}&module={module}")
        self.assertEqual(answer.status, 200, answer.body)
        return Exposition(answer.text)

    def test_table_of_metrics(self):
        theirs, ours = set(), set()
        for target, module in ((self.good, "smtp_starttls"), (self.good, "skip"), (self.refusing, "smtp_starttls")):
            theirs |= self.of_blackbox(target, module).families
            ours |= self.ours.probe(target, module).metrics.families
        ours |= self.ours.probe(self.sized, "plain").metrics.families
        table = rows("Metrics")
        self.assertGreater(len(table), 20)
        said = {name.strip("`"): (there, here) for name, there, here, _ in table}
        self.assertEqual(len(said), len(table))
        self.assertEqual({name for name, (there, _) in said.items() if there == "yes"}, theirs)
        self.assertEqual({name for name, (_, here) in said.items() if here == "yes"}, ours)
        self.assertEqual({word for there, here in said.values() for word in (there, here)}, {"yes", "no", "newer"})

    def test_own_metrics(self):
        named = set(re.findall(r"`((?:blackbox|smtp_probe_exporter)_\w+)`", DOCUMENT.read_text()))
        self.assertEqual(len(named), 4)
        both = Exposition(self.blackbox.request("/metrics").text).families | self.ours.metrics().families
        self.assertLessEqual(named, both)

    def test_same_values(self):
        theirs, ours = self.of_blackbox(self.good), self.ours.probe(self.good, "smtp_starttls").metrics
        for name in ("probe_success", "probe_ip_protocol", "probe_ip_addr_hash", "probe_ssl_earliest_cert_expiry",
                     "probe_ssl_last_chain_expiry_timestamp_seconds"):
            self.assertEqual(theirs.value(name), ours.value(name), name)
        self.assertEqual(theirs.value("probe_success"), 1, theirs.text)
        for name in ("probe_tls_version_info", "probe_ssl_last_chain_info"):
            (there,), (here,) = theirs.samples(name), ours.samples(name)
            self.assertEqual(there.labels, {label: value for label, value in here.labels.items()
                                            if label in there.labels})
            self.assertEqual((there.value, here.value), (1, 1))

    def test_differences(self):
        """What the table's notes and the text say."""
        theirs, ours = self.of_blackbox(self.good, "skip"), self.ours.probe(self.good, "skip").metrics
        self.assertEqual(theirs.value("probe_ssl_last_chain_expiry_timestamp_seconds"), -62135596800)
        self.assertEqual(ours.samples("probe_ssl_last_chain_expiry_timestamp_seconds"), [])
        self.assertIn("serialnumber", ours.samples("probe_ssl_last_chain_info")[0].labels)
        theirs, ours = self.of_blackbox(self.refusing), self.ours.probe(self.refusing, "smtp_starttls").metrics
        self.assertEqual((theirs.value("probe_success"), ours.value("probe_success")), (0, 0))
        self.assertGreater(theirs.value("probe_duration_seconds"), 0.9 * TIMEOUT)
        self.assertLess(ours.value("probe_duration_seconds"), 0.9 * TIMEOUT)
        self.assertEqual(theirs.value("probe_failed_due_to_regex"), 0)
        self.assertEqual(ours.failure, ("banner", "reply_5xx"))
        self.assertEqual(ours.value("probe_smtp_step_reply_code", step="banner"), 554)

    def test_alerts_that_change(self):
        """The reasons that the document's alerts name are those that come of what blackbox_exporter's were for."""
        told = {name: re.compile(reasons) for name, reasons in re.findall(
            r'- alert: (\w+)\n +expr: probe_failure_info\{reason=~"([^"]+)"\}', DOCUMENT.read_text())}
        with socket.create_server(("127.0.0.1", 0)) as silent:
            for target, alert in ((self.refusing, "UnexpectedAnswer"), (self.sized, "UnexpectedAnswer"),
                                  (f"127.0.0.1:{silent.getsockname()[1]}", "NoAnswer")):
                _, reason = self.ours.probe(target, "smtp_starttls").metrics.failure
                self.assertEqual([name for name, reasons in told.items() if reasons.fullmatch(reason)], [alert], reason)

    def test_flags(self):
        done = subprocess.run([BLACKBOX, "--help"], capture_output=True, text=True, check=False)
        flags = {"blackbox": done.stdout + done.stderr, "ours": self.run_once("--help").stdout}
        said = {True: set(), False: set()}
        for there, here in rows("Flags and endpoints"):
            said[here.startswith("the same")] |= set(re.findall(r"`(--[a-z.-]+)", there))
        self.assertGreater(len(said[True]), 8)
        for one in said[True]:
            self.assertIn(f"{one}", flags["blackbox"])
            self.assertIn(f"  {one} ", flags["ours"].replace("\n", " \n"))
        for one in said[False]:
            self.assertNotIn(f"  {one} ", flags["ours"].replace("\n", " \n"))

    def test_endpoints(self):
        for there, here in rows("Flags and endpoints"):
            for path in re.findall(r"`(/[\w/-]*)", f"{there} {here}"):
                if path == "/probe" or path.endswith("/reload"):
                    continue
                if path == "/logs":
                    self.ours.probe(self.sized, "plain")
                    path = "/" + re.search(r"logs\?id=\d+", self.ours.get("/").text)[0]
                self.assertEqual(self.ours.get(path).status, 200, path)
        self.assertEqual(self.ours.request("/-/reload", "POST").status, 200)

    def test_configurations(self):
        for text in blocks("yaml"):
            path = self.file("block.yml", text)
            if "scrape_configs:" in text:
                code, said = promtool("check", "config", path)
            elif "groups:" in text:
                code, said = promtool("check", "rules", path)
            elif "prober:" in text:
                done = subprocess.run([BLACKBOX, "--config.check", f"--config.file={path}"], capture_output=True,
                                      text=True, check=False)
                code, said = done.returncode, done.stderr
            else:
                done = self.run_once("--config.check", f"--config.file={path}")
                code, said = done.returncode, done.stderr
            self.assertEqual(code, 0, f"{said}\n{text}")
