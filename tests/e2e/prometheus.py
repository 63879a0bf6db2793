"""Prometheus itself, with the configurations of deploy/prometheus as they are but for their pace and their files."""

import json
import pathlib
import re
import shutil
import urllib.parse

from exporter import Service
from exposition import promtool

ROOT = pathlib.Path(__file__).resolve().parents[2]
DEPLOYED = ROOT / "deploy" / "prometheus"
RULES = "/usr/share/smtp-probe/dashboards/"
TARGETS = "/etc/prometheus/smtp-targets/"


def quickly(text):
    """The same configuration, every second."""
    text = re.sub(r"(?<=scrape_interval: )\S+", "1s", text)
    text = re.sub(r"(?<=scrape_timeout: )\S+", "1s", text)
    return re.sub(r"(?<=refresh_interval: )\S+", "1s", text)


def deployed(name, folder):
    """The text of a configuration, with its files below `folder`: smtp-targets/ and, copied, the rules."""
    rules = folder / "rules"
    rules.mkdir(exist_ok=True)
    for one in ("smtp_rules.yml", "smtp_alerts.yml"):
        shutil.copy(ROOT / "dashboards" / one, rules)
    (folder / "smtp-targets").mkdir(exist_ok=True)
    text = (DEPLOYED / name).read_text()
    assert RULES in text, name
    return quickly(text.replace(RULES, f"{rules}/").replace(TARGETS, f"{folder}/smtp-targets/"))


class Prometheus(Service):

    def __init__(self, config, *flags):
        """`config` is a file."""
        code, said = promtool("check", "config", config)
        assert code == 0, said
        super().__init__("prometheus", f"--config.file={config}", "--storage.tsdb.path=@FOLDER@/data",
                         "--web.listen-address=127.0.0.1:0", *flags)

    def api(self, path, **asked):
        answer = self.request(f"/api/v1/{path}?{urllib.parse.urlencode(asked)}")
        whole = json.loads(answer.text)
        assert whole["status"] == "success", whole
        return whole["data"]

    def ready(self):
        return self.request("/-/ready").status == 200

    def query(self, expression):
        """[(labels, value)]"""
        return [(one["metric"], float(one["value"][1])) for one in self.api("query", query=expression)["result"]]

    def samples(self, expression):
        """[(labels, [(time, value)])] of a range such as up[1m]: what was stored, with the time of its scrape."""
        return [(one["metric"], [(when, float(value)) for when, value in one["values"]])
                for one in self.api("query", query=expression)["result"]]

    def targets(self):
        return self.api("targets", state="active")["activeTargets"]
