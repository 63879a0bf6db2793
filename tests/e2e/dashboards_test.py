"""The dashboards and rules: their structure, and every query of every panel against a real Prometheus that scraped
the exporter. promtool runs the rules' own tests."""

import json
import pathlib
import re
import urllib.parse

import exporter_prometheus_test
from exporter import ExporterCase
from exposition import promtool

ROOT = pathlib.Path(__file__).resolve().parents[2]
DASHBOARDS = ROOT / "dashboards"
NAMES = ("smtp_overview", "smtp_target")
# What Grafana puts in the place of its own variables.
RANGES = {"$__rate_interval": "10s", "$__range": "1m", "$__interval": "1s"}
# Grafana 10's; a panel with another one shows an error in place of its data.
TRANSFORMATIONS = {
    "calculateField", "concatenate", "convertFieldType", "filterByRefId", "filterByValue", "filterFieldsByName",
    "groupBy", "joinByField", "labelsToFields", "limit", "merge", "organize", "reduce", "renameByRegex",
    "seriesToRows", "sortBy"}


def load(name):
    return json.loads((DASHBOARDS / f"{name}.json").read_text())


def panels(dashboard):
    """All of them, those in rows too, but not the rows."""
    found = []
    for panel in dashboard["panels"]:
        found += panel.get("panels", []) if panel["type"] == "row" else [panel]
    return found


def variables(dashboard):
    return {one["name"]: one for one in dashboard["templating"]["list"]}


class Structure(ExporterCase):

    def test_variables(self):
        for name in NAMES:
            found = variables(load(name))
            self.assertLessEqual({"datasource", "job", "instance", "module"}, set(found), name)
            self.assertEqual((found["datasource"]["type"], found["datasource"]["query"]), ("datasource", "prometheus"))
            for variable in found.values():
                if variable["type"] == "query":
                    self.assertEqual(variable["datasource"]["uid"], "${datasource}", variable["name"])

    def test_panels(self):
        for name in NAMES:
            dashboard = load(name)
            ids = [one["id"] for one in dashboard["panels"] + panels(dashboard) if one["type"] != "row"]
            self.assertGreater(len(set(ids)), 15)
            for panel in panels(dashboard):
                with self.subTest(f"{name}: {panel['title']}"):
                    self.assertTrue(panel["title"])
                    self.assertGreater(len(panel.get("description", "")), 20)
                    self.assertTrue(panel["fieldConfig"]["defaults"].get("unit"))
                    self.assertEqual(panel["datasource"]["uid"], "${datasource}")
                    self.assertTrue(panel["targets"])
                    for target in panel["targets"]:
                        self.assertEqual(target["datasource"]["uid"], "${datasource}")
                        for window in re.findall(r"rate\([^\[]*\[([^\]]+)\]", target["expr"]):
                            self.assertEqual(window, "$__rate_interval")
                        used = set(re.findall(r"\$\{?(\w+)", target["expr"]))
                        self.assertLessEqual(used, set(variables(dashboard)) | {"__rate_interval", "__range",
                                                                                "__interval"})

    def test_no_overlap(self):
        """No panel lies over another one, none sticks out of the 24 columns, and there is no hole between: Grafana
        moves what is below up into it."""
        for name in NAMES:
            taken = {}
            for panel in load(name)["panels"]:
                at = panel["gridPos"]
                self.assertLessEqual(at["x"] + at["w"], 24)
                for x in range(at["x"], at["x"] + at["w"]):
                    for y in range(at["y"], at["y"] + at["h"]):
                        self.assertNotIn((x, y), taken, panel["title"])
                        taken[x, y] = panel["title"]
            height = 1 + max(y for _, y in taken)
            self.assertEqual([(x, y) for y in range(height) for x in range(24) if (x, y) not in taken], [], name)

    def test_the_target_dashboard_shows_one_module(self):
        """Two modules of a target are two stories; their lines and verdicts are not to be mixed."""
        for name in ("instance", "module"):
            variable = variables(load("smtp_target"))[name]
            self.assertEqual((variable["multi"], variable["includeAll"], variable["current"]), (False, False, {}), name)

    def test_transformations(self):
        for name in NAMES:
            for panel in panels(load(name)):
                used = {one["id"] for one in panel.get("transformations", ())}
                self.assertLessEqual(used, TRANSFORMATIONS, f"{name}: {panel['title']}")

    def test_days_stay_days(self):
        """Grafana's unit `d` says `2 weeks` of 12 days, where the thresholds are 7 and 21."""
        for name in NAMES:
            units = re.findall(r'"unit"(?:, "value")?: "([^"]+)"', (DASHBOARDS / f"{name}.json").read_text())
            self.assertIn("suffix:days", units)
            self.assertNotIn("d", units)

    def test_blank_cells(self):
        """`noValue` is for a table without rows, and for every blank cell too where the columns have none."""
        for name in NAMES:
            for panel in panels(load(name)):
                if panel["type"] == "table" and any(one["id"] == "merge" for one in panel["transformations"]):
                    first = panel["fieldConfig"]["overrides"][0]
                    self.assertEqual((first["matcher"]["options"], first["properties"]),
                                     ("/.*/", [{"id": "noValue", "value": "–"}]), panel["title"])

    def test_bars_in_cells(self):
        """A column's bars are as long as its own values make them, not as those of the reply codes beside it."""
        found = 0
        for name in NAMES:
            for panel in panels(load(name)):
                for rule in panel["fieldConfig"]["overrides"]:
                    properties = {one["id"]: one["value"] for one in rule["properties"]}
                    if properties.get("custom.cellOptions", {}).get("type") == "gauge":
                        found += 1
                        self.assertTrue(properties.get("fieldMinMax"), panel["title"])
        self.assertGreater(found, 0)

    def test_links_between_them(self):
        uids = {load(name)["uid"] for name in NAMES}
        self.assertEqual(len(uids), len(NAMES))
        linked = set(re.findall(r"/d/([\w-]+)", (DASHBOARDS / "smtp_overview.json").read_text()))
        self.assertIn(load("smtp_target")["uid"], linked)
        self.assertLessEqual(linked, uids)


class Pictures(ExporterCase):
    """scripts/pictures.sh makes them."""

    def test_there_and_named(self):
        there = {one.name for one in (ROOT / "docs" / "images").iterdir()}
        self.assertEqual(there, {"overview.png", "page.png", "probe.png", "target.png"})
        captions = (ROOT / "scripts" / "pictures" / "README.md").read_text()
        self.assertEqual(set(re.findall(r"docs/images/([\w.-]+)", captions)), there)
        self.assertLessEqual(set(re.findall(r"docs/images/([\w.-]+)", (ROOT / "README.md").read_text())), there)
        for name in there:
            data = (ROOT / "docs" / "images" / name).read_bytes()
            self.assertEqual(data[:8], b"\x89PNG\r\n\x1a\n", name)
            self.assertLess(len(data), 250_000, name)


class Rules(ExporterCase):

    def test_promtool(self):
        code, said = promtool("check", "rules", *DASHBOARDS.glob("smtp_[ar]*s.yml"))
        self.assertEqual(code, 0, said)
        tests = [*DASHBOARDS.glob("*_test.yml"), *(ROOT / "tests" / "dashboards").glob("*_test.yml")]
        self.assertEqual(len(tests), 4)
        for test in tests:
            code, said = promtool("test", "rules", test)
            self.assertEqual(code, 0, said)

    def test_every_alert_fires_somewhere(self):
        alerts = set(re.findall(r"- alert: (\w+)", (DASHBOARDS / "smtp_alerts.yml").read_text()))
        self.assertGreater(len(alerts), 10)
        text = (DASHBOARDS / "smtp_alerts_test.yml").read_text()
        fired = set()
        for case in re.split(r"(?m)^\s*- (?=alertname:|\{alertname:|eval_time:)", text):
            name = re.search(r"alertname: (\w+)", case)
            if name and re.search(r"exp_labels", case):
                fired.add(name[1])
        self.assertEqual(alerts - fired, set())


class Queries(exporter_prometheus_test.ScrapedCase):
    """Every query returns data for some target."""

    def values(self, variable, chosen):
        """What Prometheus has for label_values(metric, label)."""
        query = variable["query"]["query"]
        metric, label = re.fullmatch(r"label_values\((.+), (\w+)\)", query).groups()
        for name, value in chosen.items():
            metric = metric.replace(f"${name}", value)
        match = urllib.parse.urlencode({"match[]": metric})
        return self.prometheus.json(f"/api/v1/label/{label}/values?{match}")["data"]

    def filled(self, expression, chosen):
        for name, value in sorted((chosen | {key[1:]: value for key, value in RANGES.items()}).items(),
                                  key=lambda one: -len(one[0])):
            expression = re.sub(rf"\$(?:{name}\b|{{{name}}})", lambda _, to=value: to, expression)
        self.assertNotIn("$", expression)
        return expression

    def test_variables_have_values(self):
        for name in NAMES:
            chosen = {"job": ".*", "instance": ".*", "exporter_job": ".*"}
            for variable in variables(load(name)).values():
                if variable["type"] == "query":
                    if name == "smtp_target" and variable["name"] == "module":
                        chosen["instance"] = next(iter(self.targets))
                    self.assertTrue(self.values(variable, chosen), (name, variable["name"]))

    def assert_answered(self, name, choices):
        for panel in panels(load(name)):
            for target in panel["targets"]:
                with self.subTest(f"{name}: {panel['title']}: {target['expr']}"):
                    self.assertTrue(any(self.query(self.filled(target["expr"], chosen)) for chosen in choices))

    def test_overview(self):
        self.assert_answered("smtp_overview", [{name: ".*" for name in ("job", "instance", "module", "exporter_job",
                                                                         "exporter")}])

    def test_target(self):
        self.assert_answered("smtp_target", [{"job": "smtp", "instance": target, "module": ".*"}
                                             for target in self.targets])

    def test_what_the_target_dashboard_shows(self):
        """The right thing of one target, not only something."""
        target = f"127.0.0.1:{self.server.ports['rcpt-550']}"
        found = {}
        for panel in panels(load("smtp_target")):
            for query in panel["targets"]:
                found.setdefault(panel["title"], []).extend(
                    self.query(self.filled(query["expr"], {"job": "smtp", "instance": target, "module": ".*"})))
        self.assertEqual([value for _, value in found["Verdict"]], [2])
        self.assertEqual([(one["step"], one["reason"]) for one, _ in found["Failed at"]], [("rcpt", "reply_5xx")])
        self.assertEqual([value for _, value in found["Failures"]], [2])
        self.assertEqual([value for _, value in found["Reply at the failed step"]], [550])
        spent = {one["step"] for one, value in found["Where the time goes"] if value > 0}
        # A banner that is there as soon as the connection takes no time.
        self.assertEqual(spent | {"banner"}, {"connect", "banner", "ehlo", "mail", "rcpt", "quit"})

    def test_failures_have_the_colour_of_their_state(self):
        panel = next(one for one in panels(load("smtp_target")) if one["title"] == "Failures")
        mapped = panel["fieldConfig"]["defaults"]["mappings"][0]["options"]
        self.assertEqual({value: one["text"] for value, one in mapped.items()},
                         {"1": "WARNING", "2": "CRITICAL", "3": "UNKNOWN"})
        query = panel["targets"][0]["expr"]
        every = {value: self.query(self.filled(query, {"job": "smtp", "instance": target, "module": ".*"}))
                 for target, value in self.states().items()}
        self.assertLessEqual({1.0, 2.0}, set(every))
        for value, found in every.items():
            self.assertEqual([one for _, one in found], [value] if value else [])

    def states(self):
        return {one["instance"]: value for one, value in self.query('probe_smtp_state{job="smtp"}')}

    def test_whose_certificate_runs_out(self):
        panel = next(one for one in panels(load("smtp_overview")) if one["title"] == "Next certificate to run out")
        found = self.query(self.filled(panel["targets"][0]["expr"], dict.fromkeys(("job", "instance", "module"), ".*")))
        self.assertEqual([set(one) for one, _ in found], [{"instance"}])
        self.assertEqual((panel["targets"][0]["legendFormat"], panel["options"]["textMode"]),
                         ("{{instance}}", "value_and_name"))

    def test_steps_in_the_order_of_the_walk(self):
        """The handshake comes behind STARTTLS, or right behind the connection."""
        query = next(panel for panel in panels(load("smtp_target")) if panel["title"] == "Last probe, step by step")
        for script, order in (("starttls-rcpt", "connect banner ehlo starttls tls ehlo_tls mail rcpt quit"),
                              ("implicit-tls", "connect tls banner ehlo quit")):
            chosen = {"job": "smtp", "instance": f"127.0.0.1:{self.server.ports[script]}", "module": ".*"}
            found = sorted((value, one["step"]) for one, value in
                           self.query(self.filled(query["targets"][0]["expr"], chosen)))
            self.assertEqual(" ".join(step for _, step in found if step != "resolve"), order)

    def test_rules_have_data(self):
        """Each recording rule's expression, with its windows shortened to what was scraped."""
        text = (DASHBOARDS / "smtp_rules.yml").read_text()
        names = re.findall(r"record: (\S+)", text)
        self.assertGreater(len(names), 8)
        known = {}
        for name, expression in re.findall(r"- record: (\S+)\n\s+expr: (.+(?:\n {10,}.+)*)", text):
            expression = re.sub(r"^\|\n", "", expression).replace("[5m]", "[10s]").replace("[1h]", "[10s]")
            for other, meaning in known.items():
                expression = re.sub(re.escape(other) + r"(\{[^}]*\})?",
                                    lambda match, to=meaning: self.with_matcher(to, match[1]), expression)
            known[name] = f"({expression.strip()})"
            self.assertTrue(self.query(known[name]), (name, known[name]))
        self.assertEqual(set(known), set(names))

    @staticmethod
    def with_matcher(expression, matcher):
        """A recorded series with a matcher on a label that its `by` keeps."""
        if not matcher:
            return expression
        return re.sub(r"(smtp_probe_exporter_\w+_total)", rf"\1{matcher}", expression)
